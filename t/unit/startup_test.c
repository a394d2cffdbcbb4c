/* startup_test.c - startup packets: whole, torn, wrong, and from noise. */
#include "worker/proto/startup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/startupsim.h"

#define V3 "\0\3\0\0"

START_TEST(test_session)
{
	static const char body[] = V3 "user\0joe\0database\0shop\0"
				      "options\0-c a=b\0TimeZone\0\0";
	static const char *const want[] = { "user", "joe", "database", "shop",
		"options", "-c a=b", "TimeZone", "" };
	const char *name, *value;
	struct startup s;
	struct err e;
	size_t pos = 0, n = 0;

	ck_assert_int_eq(parse(make(body, sizeof(body)), &s, &e), DONE);
	ck_assert_int_eq(s.kind, STARTUP_SESSION);
	ck_assert_uint_eq(s.size, sizeof(body) + 4);
	ck_assert_str_eq(s.user, "joe");
	ck_assert_str_eq(s.database, "shop");
	ck_assert_str_eq(s.options, "-c a=b");
	ck_assert_int_eq(s.replication, STARTUP_NORMAL);
	ck_assert(!startup_is_newer(&s));
	while (startup_next(&s, &pos, &name, &value)) {
		ck_assert_str_eq(name, want[n++]);
		ck_assert_str_eq(value, want[n++]);
	}
	ck_assert_uint_eq(n, 8);
}
END_TEST

START_TEST(test_default_database)
{
	struct startup s;

	ck_assert_int_eq(PARSE(V3 "user\0joe\0\0", &s, NULL), DONE);
	ck_assert_str_eq(s.database, "joe");
	ck_assert_int_eq(
	    PARSE(V3 "user\0joe\0database\0\0replication\0true\0\0", &s, NULL),
	    DONE);
	ck_assert_str_eq(s.database, "joe");
	ck_assert_int_eq(s.replication, STARTUP_PHYSICAL);
}
END_TEST

START_TEST(test_requests)
{
	struct startup s;
	struct err e;

	ck_assert_int_eq(PARSE("\x04\xd2\x16\x2f", &s, &e), DONE);
	ck_assert_int_eq(s.kind, STARTUP_SSL);
	ck_assert_int_eq(PARSE("\x04\xd2\x16\x30", &s, &e), DONE);
	ck_assert_int_eq(s.kind, STARTUP_GSSENC);
	ck_assert_int_eq(PARSE("\x04\xd2\x16\x2f-", &s, &e), FAIL);
	/* what follows is not the packet's: the caller sees that it is there */
	make("\x04\xd2\x16\x2f", 4);
	ck_assert_int_eq(startup_parse(packet, 20, &s, &e), DONE);
	ck_assert_uint_eq(s.size, 8);
}
END_TEST

START_TEST(test_cancel)
{
	char body[8 + STARTUP_KEY_MAX + 1] = "\x04\xd2\x16\x2e\xff\xff\xff\xfe";
	struct startup s;
	struct err e;

	for (size_t key = 0; key <= STARTUP_KEY_MAX + 1; key++) {
		bool good = key >= STARTUP_KEY_MIN && key <= STARTUP_KEY_MAX;

		ck_assert_int_eq(
		    parse(make(body, 8 + key), &s, &e), good ? DONE : FAIL);
		if (!good)
			continue;
		ck_assert_int_eq(s.kind, STARTUP_CANCEL);
		ck_assert_int_eq(s.pid, -2);
		ck_assert_uint_eq(s.key_len, key);
		ck_assert_ptr_eq(s.key, packet + 12);
	}
	ck_assert_int_eq(parse(make(body, 6), &s, &e), FAIL);
}
END_TEST

static const struct {
	const char *body;
	size_t len;
	const char *sqlstate, *say;
} wrong[] = {
#define WRONG(body, sqlstate, say)                    \
	{                                             \
		body, sizeof(body) - 1, sqlstate, say \
	}
	WRONG("\0\2\0\0user", "0A000",
	    "unsupported frontend protocol 2.0: server supports 3.0 to 3.2"),
	WRONG("\0\4\0\1", "0A000",
	    "unsupported frontend protocol 4.1: server supports 3.0 to 3.2"),
	WRONG("\xff\xff\xff\xff", "0A000",
	    "unsupported frontend protocol 65535.65535: server supports 3.0 "
	    "to 3.2"),
	WRONG(V3 "\0", "28000",
	    "no PostgreSQL user name specified in startup packet"),
	WRONG(V3 "user\0\0\0", "28000",
	    "no PostgreSQL user name specified in startup packet"),
	WRONG(V3 "database\0shop\0\0", "28000",
	    "no PostgreSQL user name specified in startup packet"),
#define LAYOUT "invalid startup packet layout: expected terminator as last byte"
	WRONG(V3, "08P01", LAYOUT),
	WRONG(V3 "user\0joe\0", "08P01", LAYOUT),
	WRONG(V3 "user\0joe", "08P01", LAYOUT),
	WRONG(V3 "user\0joe\0\0x", "08P01", LAYOUT),
	WRONG(V3 "user\0joe\0\0\0", "08P01", LAYOUT),
	WRONG(V3 "user\0joe\0options\0", "08P01", LAYOUT),
};

START_TEST(test_wrong)
{
	struct startup s;
	struct err e;

	ck_assert_int_eq(
	    parse(make(wrong[_i].body, wrong[_i].len), &s, &e), FAIL);
	ck_assert_str_eq(e.sqlstate, wrong[_i].sqlstate);
	ck_assert_str_eq(e.say, wrong[_i].say);
	ck_assert_str_ne(e.log, "");
}
END_TEST

START_TEST(test_length)
{
	static const uint32_t bad[] = { 0, 1, 4, 7, STARTUP_MAX + 1, 0x16030100,
		0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff };
	struct startup s;
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		frame_put32(packet, bad[i]);
		ck_assert_int_eq(startup_parse(packet, 3, &s, &e), WAIT);
		ck_assert_int_eq(startup_parse(packet, 4, &s, &e), FAIL);
		ck_assert_str_eq(e.sqlstate, "08P01");
	}
	frame_put32(packet, STARTUP_MAX);
	ck_assert_int_eq(startup_parse(packet, STARTUP_MAX - 1, &s, &e), WAIT);
}
END_TEST

START_TEST(test_names)
{
	char body[512];
	struct startup s;
	struct err e;

	for (int n = 125; n <= 130; n++) {
		int len = snprintf(
		    body, sizeof(body), "....user.%0*d.database.x..", n, 0);

		for (int i = 0; i < len; i++)
			if (body[i] == '.')
				body[i] = '\0';
		body[1] = 3;
		ck_assert_int_eq(parse(make(body, (size_t)len), &s, &e),
		    n <= STARTUP_USER_MAX ? DONE : FAIL);
	}
	for (int n = 60; n <= 66; n++) {
		int len = snprintf(
		    body, sizeof(body), "....database.%0*d.user.x..", n, 0);

		for (int i = 0; i < len; i++)
			if (body[i] == '.')
				body[i] = '\0';
		body[1] = 3;
		ck_assert_int_eq(parse(make(body, (size_t)len), &s, &e),
		    n <= STARTUP_DATABASE_MAX ? DONE : FAIL);
	}
	ck_assert_str_eq(e.say, "database name is too long");
}
END_TEST

static const struct {
	const char *value;
	int want; /* enum startup_replication; -1: refused */
} replications[] = {
	{ "database", STARTUP_LOGICAL },
	{ "true", STARTUP_PHYSICAL },
	{ "T", STARTUP_PHYSICAL },
	{ "on", STARTUP_PHYSICAL },
	{ "YE", STARTUP_PHYSICAL },
	{ "1", STARTUP_PHYSICAL },
	{ "false", STARTUP_NORMAL },
	{ "of", STARTUP_NORMAL },
	{ "n", STARTUP_NORMAL },
	{ "0", STARTUP_NORMAL },
	{ "", -1 },
	{ "o", -1 },
	{ "Database", -1 },
	{ "databas", -1 },
	{ "truely", -1 },
	{ "10", -1 },
	{ "onn", -1 },
};

START_TEST(test_replication)
{
	char body[64] = "\0\3\0\0user\0a\0replication\0";
	size_t len = strlen(replications[_i].value);
	struct startup s;
	struct err e;
	enum result rc;

	memcpy(body + 23, replications[_i].value, len);
	rc = parse(make(body, 23 + len + 2), &s, &e);
	ck_assert_int_eq(rc, replications[_i].want == -1 ? FAIL : DONE);
	if (rc == FAIL) {
		ck_assert_str_eq(e.sqlstate, "22023");
		return;
	}
	ck_assert_int_eq(s.replication, replications[_i].want);
}
END_TEST

static int
on_option(void *arg, const char *name, const char *value, struct err *e)
{
	char *seen = arg;

	if (strcmp(name, "refused") == 0)
		return startup_refuse(e, name, true);
	snprintf(
	    seen + strlen(seen), 256 - strlen(seen), "[%s|%s]", name, value);
	return 0;
}

#define ONLY                                                               \
	"unsupported options startup parameter: only '-c config=val' and " \
	"'--config=val' are allowed"

static const struct {
	const char *options, *seen, *say;
} options[] = {
	{ "", "", NULL },
	{ " \t\n", "", NULL },
	{ "-c a=b", "[a|b]", NULL },
	{ "  -c   a=b  ", "[a|b]", NULL },
	{ "-ca=b -c c=d --e=f", "[a|b][c|d][e|f]", NULL },
	{ "-c search_path=a\\ b,c\\\\d", "[search_path|a b,c\\d]", NULL },
	{ "--a-b-c=d-e", "[a_b_c|d-e]", NULL },
	{ "-c a=", "[a|]", NULL },
	{ "-c a=b=c", "[a|b=c]", NULL },
	{ "-c a=b\\", "[a|b]", NULL },
	{ "-c x=1 -c refused=1 -c y=1", "[x|1]",
	    "unsupported startup parameter in options: refused" },
	{ "-c", "", ONLY },
	{ "-c ", "", ONLY },
	{ "-c a", "", ONLY },
	{ "-c =a", "", ONLY },
	{ "--", "", ONLY },
	{ "--=", "", ONLY },
	{ "a=b", "", ONLY },
	{ "-x", "", ONLY },
	{ "-", "", ONLY },
	{ "\\", "", ONLY },
	{ "-c a=b -d", "[a|b]", ONLY },
};

START_TEST(test_options)
{
	char seen[256] = "";
	struct err e;
	int rc = startup_options(options[_i].options, on_option, seen, &e);

	ck_assert_int_eq(rc, options[_i].say == NULL ? 0 : -1);
	ck_assert_str_eq(seen, options[_i].seen);
	if (rc == -1) {
		ck_assert_str_eq(e.say, options[_i].say);
		ck_assert_str_eq(e.sqlstate, "08P01");
	}
}
END_TEST

START_TEST(test_noise)
{
	int done = 0;

	srandom(3);
	for (int i = 0; i < 100000; i++) {
		size_t len = 8 + (size_t)random() % 60, pos = 0;
		uint8_t *p = malloc(len);
		const char *name, *value;
		struct startup s;
		char seen[256] = "";

		frame_put32(p, (uint32_t)len);
		frame_put32(p + 4, 0x00030000);
		for (size_t j = 8; j < len; j++)
			p[j] = (uint8_t)("-c=\\a "[random() % 6] &
			    -(random() % 3 != 0));
		if (len > 20)
			memcpy(p + 8, "user\0a\0options\0", 12);
		if (random() % 2 == 0)
			p[len - 1] = 0;
		if (startup_parse(p, len, &s, NULL) == DONE) {
			done++;
			while (startup_next(&s, &pos, &name, &value))
				startup_options(value, on_option, seen, NULL);
		}
		free(p);
	}
	ck_assert_int_gt(done, 1000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("startup");
	TCase *tc = tcase_create("startup");

	tcase_add_test(tc, test_session);
	tcase_add_test(tc, test_default_database);
	tcase_add_test(tc, test_requests);
	tcase_add_test(tc, test_cancel);
	tcase_add_loop_test(tc, test_wrong, 0, sizeof(wrong) / sizeof(*wrong));
	tcase_add_test(tc, test_length);
	tcase_add_test(tc, test_names);
	tcase_add_loop_test(tc, test_replication, 0,
	    sizeof(replications) / sizeof(*replications));
	tcase_add_loop_test(
	    tc, test_options, 0, sizeof(options) / sizeof(*options));
	tcase_add_test(tc, test_noise);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
