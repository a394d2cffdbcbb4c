/*
 * rulefiles_test.c - what pg_hba.conf names is read once, with the rest.
 */
#include "conf/rulefiles.h"

#include <sys/stat.h>
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/hba.h"
#include "t/unit/conf_text.h"
#include "t/unit/run.h"
#include "t/unit/tempdir.h"

static struct conf_files files;
static struct conf_faults faults;
static struct err e;

static void
setup(void)
{
	tempdir_enter("rulefiles_test");
	ck_assert_int_eq(mkdir("d", 0700), 0);
	conf_files_init(&files);
}

static void
teardown(void)
{
	conf_files_free(&files);
	conf_faults_free(&faults);
	tempdir_leave();
}

/* Everything that the settings of main.ini name. */
static void
read_all(const char *settings)
{
	char text[512];

	snprintf(text, sizeof(text), "[pgbouncer]\n%s\n", settings);
	put("main.ini", text);
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
}

/* The lines of the rules, as 1 3 4; or the faults. */
static const char *
rules(void)
{
	static char out[4096];
	struct hba *h = hba_new(&files, "d/hba", NULL, &faults);
	size_t n = 0;

	if (h == NULL)
		return text_faults(&faults);
	out[0] = '\0';
	for (size_t i = 0; i < hba_count(h); i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s:%u ",
		    hba_at(h, i)->file, hba_at(h, i)->line);
	hba_free(h);
	return out;
}

START_TEST(all_files)
{
	put("d/hba",
	    "local all @users trust\ninclude more\n"
	    "include_if_exists gone\ninclude_if_exists there\n");
	put("d/users", "a\n@other\n");
	put("d/other", "b");
	put("d/more", "local @users all md5");
	put("d/there", "local all all md5");
	put("maps", "m a b\ninclude d/maps2\n");
	put("d/maps2", "n a b");
	read_all("auth_hba_file = d/hba\nauth_ident_file = maps");
	ck_assert_ptr_nonnull(conf_files_find(&files, "maps"));
	ck_assert_ptr_nonnull(conf_files_find(&files, "d/maps2"));
	ck_assert_ptr_nonnull(conf_files_find(&files, "d/other"));
	/* from now on the disk does not count */
	put("d/hba", "nonsense");
	put("d/gone", "nonsense");
	ck_assert_int_eq(unlink("d/users"), 0);
	ck_assert_str_eq(rules(), "d/hba:1 d/more:1 d/there:1 ");
}
END_TEST

START_TEST(directories)
{
	put("d/hba", "local a a md5\ninclude_dir sub\ninclude_dir none.d\n");
	ck_assert_int_eq(mkdir("d/sub", 0700), 0);
	ck_assert_int_eq(mkdir("d/none.d", 0700), 0);
	ck_assert_int_eq(mkdir("d/sub/dir.conf", 0700), 0);
	put("d/sub/b.conf", "local b b md5");
	put("d/sub/a.conf", "local a a md5\nlocal c c md5\n");
	put("d/sub/B.conf", "local B B md5");
	put("d/sub/.hidden.conf", "nonsense");
	put("d/sub/.conf", "nonsense");
	put("d/sub/a.conf~", "nonsense");
	put("d/sub/a.txt", "nonsense");
	read_all("auth_hba_file = d/hba");
	put("d/sub/z.conf", "nonsense");
	ck_assert_str_eq(rules(),
	    "d/hba:1 d/sub/B.conf:1 d/sub/a.conf:1 d/sub/a.conf:2 "
	    "d/sub/b.conf:1 ");
}
END_TEST

START_TEST(missing)
{
	put("d/hba",
	    "local all @users md5\ninclude gone\ninclude_dir gone\n"
	    "local all all md5\n");
	read_all("auth_hba_file = d/hba");
	ck_assert_str_eq(rules(),
	    "d/hba:1: cannot read \"d/users\"\n"
	    "d/hba:2: cannot read \"d/gone\"\n"
	    "d/hba:3: cannot read \"d/gone\"\n");
}
END_TEST

/* What may be missing may not be unreadable: it could say reject. */
START_TEST(unreadable)
{
	put("d/hba", "include_if_exists sub\ninclude_if_exists hba/x\n");
	ck_assert_int_eq(mkdir("d/sub", 0700), 0);
	read_all("auth_hba_file = d/hba");
	ck_assert_str_eq(rules(),
	    "d/hba:1: cannot read \"d/sub\"\n"
	    "d/hba:2: cannot read \"d/hba/x\"\n");
}
END_TEST

/* Absent for one line is not absent for the next, which demands it. */
START_TEST(absent_is_no_file)
{
	put("d/hba", "include_if_exists gone\ninclude gone\n");
	read_all("auth_hba_file = d/hba");
	ck_assert_str_eq(rules(), "d/hba:2: cannot read \"d/gone\"\n");
}
END_TEST

START_TEST(no_file)
{
	read_all("auth_hba_file = d/hba");
	ck_assert_ptr_nonnull(strstr(rules(), "d/hba:0: cannot be read"));
}
END_TEST

/* Loopback is an address of every host that has any. */
START_TEST(interfaces)
{
	struct hba_query q = { .database = "d", .user = "u" };
	struct lex_text text;
	struct hba *h;

	put("d/hba", "host all all samenet md5\nhost x all samehost md5");
	read_all("auth_hba_file = d/hba");
	ck_assert(rulefiles_interfaces(&files, &text));
	h = hba_new(&files, "d/hba", NULL, &faults);
	ck_assert_msg(h != NULL, "%s", text_faults(&faults));
	ck_assert_int_eq(netaddr_parse("127.9.9.9", &q.addr), 0);
	ck_assert_ptr_nonnull(hba_find(h, &q));
	q.database = "x";
	ck_assert_int_eq(netaddr_parse("127.0.0.1", &q.addr), 0);
	ck_assert_ptr_nonnull(hba_find(h, &q));
	/* reserved, so nobody's */
	ck_assert_int_eq(netaddr_parse("240.0.0.77", &q.addr), 0);
	ck_assert_ptr_null(hba_find(h, &q));
	hba_free(h);
}
END_TEST

START_TEST(interfaces_unwanted)
{
	struct lex_text text;

	put("d/hba", "host all all 10.0.0.0/8 md5\n");
	read_all("auth_hba_file = d/hba");
	ck_assert(!rulefiles_interfaces(&files, &text));
}
END_TEST

/* All of it goes to the children. */
START_TEST(snapshot)
{
	struct conf_files copy;
	int fd;

	put("d/hba",
	    "host all all samehost md5\ninclude_if_exists gone\n"
	    "include_dir .\n");
	put("d/x.conf", "local all all md5");
	read_all("auth_hba_file = d/hba");
	fd = open("snap", O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(conf_files_save(&files, fd, &e), 0);
	ck_assert_int_eq(conf_files_restore(&copy, fd, &e), 0);
	close(fd);
	conf_files_free(&files);
	files = copy;
	ck_assert_str_eq(rules(), "d/hba:1 d/./x.conf:1 ");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rulefiles");
	TCase *tc = tcase_create("rulefiles");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all_files);
	tcase_add_test(tc, directories);
	tcase_add_test(tc, missing);
	tcase_add_test(tc, unreadable);
	tcase_add_test(tc, absent_is_no_file);
	tcase_add_test(tc, no_file);
	tcase_add_test(tc, interfaces);
	tcase_add_test(tc, interfaces_unwanted);
	tcase_add_test(tc, snapshot);
	return run_suite(s);
}
