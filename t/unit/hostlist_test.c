/* hostlist_test.c - the entries of a host setting. */
#include "conf/hostlist.h"

#include <check.h>
#include <string.h>

#include "t/unit/run.h"

START_TEST(entries)
{
	char long_list[2 * HOSTLIST_HOST + 8];
	char out[HOSTLIST_HOST];

	ck_assert_uint_eq(hostlist_count(""), 1);
	ck_assert_uint_eq(hostlist_count("a"), 1);
	ck_assert_uint_eq(hostlist_count("a,b,,"), 4);
	ck_assert(hostlist_entry("", 0, out));
	ck_assert_str_eq(out, "");
	ck_assert(hostlist_entry("a, b\t,,/tmp/x ", 0, out));
	ck_assert_str_eq(out, "a");
	ck_assert(hostlist_entry("a, b\t,,/tmp/x ", 1, out));
	ck_assert_str_eq(out, "b");
	ck_assert(hostlist_entry("a, b\t,,/tmp/x ", 2, out));
	ck_assert_str_eq(out, "");
	ck_assert(hostlist_entry("a, b\t,,/tmp/x ", 3, out));
	ck_assert_str_eq(out, "/tmp/x");
	/* beyond the last there is nothing */
	ck_assert(hostlist_entry("a,b", 7, out));
	ck_assert_str_eq(out, "");
	/* one byte too long, and the longest */
	memset(long_list, 'h', HOSTLIST_HOST);
	strcpy(long_list + HOSTLIST_HOST, ",next");
	ck_assert(!hostlist_entry(long_list, 0, out));
	ck_assert(hostlist_entry(long_list, 1, out));
	ck_assert_str_eq(out, "next");
	ck_assert(hostlist_entry(long_list + 1, 0, out));
	ck_assert_uint_eq(strlen(out), HOSTLIST_HOST - 1);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(entries),
		NO_MORE_TESTS,
	};

	return run_tests("hostlist", tests, 30);
}
