/*
 * hba_test.c - pg_hba.conf: which rule fits whom.
 */
#include "conf/hba.h"

#include "t/unit/hbasim.h"
#include "t/unit/run.h"

/* `line` of the rule that fits; 0: none. */
static const struct {
	const char *text, *from, *database, *user;
	unsigned line;
} cases[] = {
	/* no rule, no way in */
	{ "", "l", "d", "u", 0 },
	{ "# local all all trust", "l", "d", "u", 0 },
	/* types */
	{ "local all all trust", "l", "d", "u", 1 },
	{ "local all all trust", "127.0.0.1", "d", "u", 0 },
	{ "local all all trust", "s 127.0.0.1", "d", "u", 0 },
	{ "host all all all md5", "l", "d", "u", 0 },
	{ "host all all all md5", "1.2.3.4", "d", "u", 1 },
	{ "host all all all md5", "s 1.2.3.4", "d", "u", 1 },
	{ "host all all all md5", "s ::1", "d", "u", 1 },
	{ "hostssl all all all md5", "l", "d", "u", 0 },
	{ "hostssl all all all md5", "1.2.3.4", "d", "u", 0 },
	{ "hostssl all all all md5", "s 1.2.3.4", "d", "u", 1 },
	{ "hostnossl all all all md5", "l", "d", "u", 0 },
	{ "hostnossl all all all md5", "1.2.3.4", "d", "u", 1 },
	{ "hostnossl all all all md5", "s 1.2.3.4", "d", "u", 0 },
	{ "hostgssenc all all all md5", "1.2.3.4", "d", "u", 0 },
	{ "hostgssenc all all all md5", "s 1.2.3.4", "d", "u", 0 },
	{ "hostgssenc all all all md5", "l", "d", "u", 0 },
	{ "hostnogssenc all all all md5", "1.2.3.4", "d", "u", 1 },
	{ "hostnogssenc all all all md5", "s 1.2.3.4", "d", "u", 1 },
	{ "hostnogssenc all all all md5", "l", "d", "u", 0 },
	/* databases */
	{ "local d all md5", "l", "d", "u", 1 },
	{ "local d all md5", "l", "D", "u", 0 },
	{ "local d all md5", "l", "dd", "u", 0 },
	{ "local d all md5", "l", "", "u", 0 },
	{ "local a,d,e all md5", "l", "d", "u", 1 },
	{ "local a,d,e all md5", "l", "e", "u", 1 },
	{ "local a, d all md5", "l", "d", "u", 1 },
	{ "local a,all all md5", "l", "d", "u", 1 },
	{ "local \"all\" all md5", "l", "d", "u", 0 },
	{ "local \"all\" all md5", "l", "all", "u", 1 },
	{ "local \"d e\" all md5", "l", "d e", "u", 1 },
	{ "local \"d,e\" all md5", "l", "d,e", "u", 1 },
	{ "local \"d,e\" all md5", "l", "d", "u", 0 },
	{ "local \"\" all md5", "l", "d", "u", 0 },
	{ "local ALL all md5", "l", "d", "u", 0 },
	{ "local pgbouncer all md5", "l", "pgbouncer", "u", 1 },
	{ "local sameuser all md5", "l", "u", "u", 1 },
	{ "local sameuser all md5", "l", "d", "u", 0 },
	{ "local \"sameuser\" all md5", "l", "u", "u", 0 },
	{ "local \"sameuser\" all md5", "l", "sameuser", "u", 1 },
	{ "local d,sameuser all md5", "l", "u", "u", 1 },
	{ "local @users all md5", "l", "al", "u", 1 },
	{ "local @users all md5", "l", "c d", "u", 1 },
	{ "local @users all md5", "l", "d", "u", 0 },
	{ "local @users,d all md5", "l", "d", "u", 1 },
	{ "local @nobody all md5", "l", "d", "u", 0 },
	{ "local @nobody all md5", "l", "", "u", 0 },
	{ "local \"samerole\" all md5", "l", "samerole", "u", 1 },
	/* replication */
	{ "local replication all md5", "l", "*", "u", 1 },
	{ "local replication all md5", "l", "d", "u", 0 },
	{ "local replication all md5", "l", "replication", "u", 0 },
	{ "local \"replication\" all md5", "l", "replication", "u", 1 },
	{ "local \"replication\" all md5", "l", "*", "u", 0 },
	{ "local all all md5", "l", "*", "u", 0 },
	{ "local all,replication all md5", "l", "*", "u", 1 },
	{ "local all,replication all md5", "l", "d", "u", 1 },
	{ "local sameuser all md5", "l", "*", "*", 0 },
	{ "local /. all md5", "l", "*", "u", 0 },
	{ "local replication x md5", "l", "*", "u", 0 },
	/* users */
	{ "local all u md5", "l", "d", "u", 1 },
	{ "local all u md5", "l", "d", "U", 0 },
	{ "local all u md5", "l", "d", "uu", 0 },
	{ "local all t,u md5", "l", "d", "u", 1 },
	{ "local all \"all\" md5", "l", "d", "u", 0 },
	{ "local all \"all\" md5", "l", "d", "all", 1 },
	{ "local all sameuser md5", "l", "sameuser", "x", 0 },
	{ "local all sameuser md5", "l", "d", "sameuser", 1 },
	{ "local all replication md5", "l", "d", "replication", 1 },
	{ "local all \"+u\" md5", "l", "d", "+u", 1 },
	{ "local all @users md5", "l", "d", "bo", 1 },
	{ "local all @users md5", "l", "d", "c d", 1 },
	{ "local all @users md5", "l", "d", "c", 0 },
	{ "local all @users md5", "l", "d", "@users", 0 },
	{ "local all \"@users\" md5", "l", "d", "@users", 1 },
	{ "local all @users,x md5", "l", "d", "x", 1 },
	{ "local all @nobody md5", "l", "d", "u", 0 },
	{ "local all @nobody,u md5", "l", "d", "u", 1 },
	{ "local d u md5", "l", "d", "x", 0 },
	{ "local d u md5", "l", "x", "u", 0 },
	/* patterns */
	{ "local /^d all md5", "l", "dx", "u", 1 },
	{ "local /^d all md5", "l", "xd", "u", 0 },
	{ "local /^db\\d+$ all md5", "l", "db12", "u", 1 },
	{ "local /^db\\d+$ all md5", "l", "dbx", "u", 0 },
	{ "local \"/^(a|b),c$\" all md5", "l", "a,c", "u", 1 },
	{ "local a,/^d all md5", "l", "dx", "u", 1 },
	{ "local all /^u md5", "l", "d", "ux", 1 },
	{ "local all /^u$ md5", "l", "d", "ux", 0 },
	{ "local all /u md5", "l", "d", "xux", 1 },
	{ "local all \"/^u v$\" md5", "l", "d", "u v", 1 },
	{ "local all x,/^u md5", "l", "d", "ux", 1 },
	/* addresses */
	{ "host all all 10.0.0.0/8 md5", "10.1.2.3", "d", "u", 1 },
	{ "host all all 10.0.0.0/8 md5", "11.1.2.3", "d", "u", 0 },
	{ "host all all 10.0.0.0/8 md5", "::1", "d", "u", 0 },
	{ "host all all 10.0.0.0 255.0.0.0 md5", "10.1.2.3", "d", "u", 1 },
	{ "host all all 10.0.0.0 255.0.0.0 md5", "11.1.2.3", "d", "u", 0 },
	{ "host all all 10.0.0.1/32 md5", "10.0.0.1", "d", "u", 1 },
	{ "host all all 10.0.0.1/32 md5", "10.0.0.2", "d", "u", 0 },
	{ "host all all 0.0.0.0/0 md5", "9.9.9.9", "d", "u", 1 },
	{ "host all all 0.0.0.0/0 md5", "::1", "d", "u", 0 },
	{ "host all all ::/0 md5", "::1", "d", "u", 1 },
	{ "host all all ::/0 md5", "9.9.9.9", "d", "u", 0 },
	{ "host all all ::1/128 md5", "::1", "d", "u", 1 },
	{ "host all all ::1/128 md5", "::2", "d", "u", 0 },
	{ "host all all fe80:: ffc0:: md5", "fe80::7", "d", "u", 1 },
	{ "host all all \"10.0.0.0/8\" md5", "10.1.2.3", "d", "u", 1 },
	{ "host all all samehost md5", "192.168.7.5", "d", "u", 1 },
	{ "host all all samehost md5", "192.168.7.6", "d", "u", 0 },
	{ "host all all samehost md5", "127.0.0.1", "d", "u", 1 },
	{ "host all all samehost md5", "127.0.0.2", "d", "u", 0 },
	{ "host all all samehost md5", "fd00:1::5", "d", "u", 1 },
	{ "host all all samehost md5", "fd00:1::6", "d", "u", 0 },
	{ "host all all samenet md5", "192.168.7.6", "d", "u", 1 },
	{ "host all all samenet md5", "192.168.8.6", "d", "u", 0 },
	{ "host all all samenet md5", "127.9.9.9", "d", "u", 1 },
	{ "host all all samenet md5", "fd00:1:ff::", "d", "u", 1 },
	{ "host all all samenet md5", "fd00:2::", "d", "u", 0 },
	{ "host all all samenet md5", "8.8.8.8", "d", "u", 0 },
	/* the first that fits */
	{ "local d u md5\nlocal all all reject", "l", "d", "u", 1 },
	{ "local d u md5\nlocal all all reject", "l", "d", "x", 2 },
	{ "local all all reject\nlocal d u md5", "l", "d", "u", 1 },
	{ "host all all 10.0.0.0/8 reject\nhost all all all md5", "10.1.1.1",
	    "d", "u", 1 },
	{ "host all all 10.0.0.0/8 reject\nhost all all all md5", "9.1.1.1",
	    "d", "u", 2 },
	{ "hostssl all all all md5\n\nhost all all all reject", "s ::1", "d",
	    "u", 1 },
	{ "hostssl all all all md5\n\nhost all all all reject", "::1", "d", "u",
	    3 },
	{ "local d u \\\n md5\nlocal all all md5", "l", "d", "x", 3 },
	{ "include more", "::1", "inc", "u", 1 },
	{ "include more", "::1", "d", "u", 0 },
	{ "local all all md5 # host all all all trust", "::1", "d", "u", 0 },
};

START_TEST(fits)
{
	struct hba *h = load(cases[_i].text);
	struct hba_query q =
	    query(cases[_i].from, cases[_i].database, cases[_i].user);
	const struct hba_rule *rule;

	ck_assert_msg(
	    h != NULL, "%s\n%s", cases[_i].text, text_faults(&faults));
	rule = hba_find(h, &q);
	ck_assert_msg((rule == NULL ? 0 : rule->line) == cases[_i].line,
	    "%s\nfrom %s, %s, %s: line %u", cases[_i].text, cases[_i].from,
	    cases[_i].database, cases[_i].user, rule == NULL ? 0 : rule->line);
	hba_free(h);
}
END_TEST
/* Nothing there refuses everybody, and says nothing. */
START_TEST(nothing)
{
	struct hba_query q = query("l", "d", "u");

	ck_assert_ptr_null(hba_find(NULL, &q));
	ck_assert_ptr_null(hba_at(NULL, 0));
	ck_assert_uint_eq(hba_count(NULL), 0);
	hba_free(NULL);
}
END_TEST

/* Addresses that nobody has read are no addresses of nobody. */
START_TEST(unknown_interfaces)
{
	conf_files_free(&files);
	conf_faults_free(&faults);
	text_add(&files, "hba", "host all all samehost trust");
	ck_assert_ptr_null(hba_new(&files, "hba", NULL, &faults));
	ck_assert_str_eq(text_faults(&faults),
	    "hba:1: this host's addresses are not known: \"samehost\"\n");
	conf_faults_free(&faults);
	ck_assert_ptr_null(hba_new(&files, "no", NULL, &faults));
	ck_assert_uint_eq(faults.faults, 1);
}
END_TEST

/* The rules outlive the bytes that they come from. */
START_TEST(copies)
{
	struct hba *h = load("local /^d \"u\",@users peer map=m");
	struct hba_query q = query("l", "dx", "c d");

	ck_assert_ptr_nonnull(h);
	conf_files_free(&files);
	ck_assert_str_eq(hba_find(h, &q)->map, "m");
	ck_assert_str_eq(hba_find(h, &q)->file, "hba");
	hba_free(h);
}
END_TEST

START_TEST(many)
{
	char *text = malloc(1 << 20);
	struct hba_query q = query("10.1.2.3", "d", "u4999");
	struct hba *h;
	size_t n = 0;

	for (int i = 0; i < 5000; i++)
		n += (size_t)sprintf(
		    text + n, "host d u%d 10.0.0.0/8 scram-sha-256\n", i);
	h = load(text);
	ck_assert_ptr_nonnull(h);
	ck_assert_uint_eq(hba_count(h), 5000);
	ck_assert_uint_eq(hba_find(h, &q)->line, 5000);
	hba_free(h);
	free(text);
}
END_TEST

START_TEST(torn)
{
	tear(cases[_i].text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hba");
	TCase *tc = tcase_create("hba");
	int n = sizeof(cases) / sizeof(*cases);

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, fits, 0, n);
	tcase_add_test(tc, nothing);
	tcase_add_test(tc, unknown_interfaces);
	tcase_add_test(tc, copies);
	tcase_add_test(tc, many);
	tcase_add_loop_test(tc, torn, 0, n);
	return run_suite(s);
}
