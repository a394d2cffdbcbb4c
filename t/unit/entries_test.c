/* entries_test.c - the arrays grow, are sorted; the last of a name holds. */
#include "conf/entries.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static struct conf conf;
static struct conf_faults faults;
static struct entries e;
static struct entry_at at;

static void
setup(void)
{
	memset(&conf, 0, sizeof(conf));
	arena_init(&conf.arena);
	conf_faults_init(&faults);
	e = (struct entries){ .c = &conf };
	at = (struct entry_at){
		.file = "f", .line = 1, .arena = &conf.arena, .faults = &faults
	};
}

static void
teardown(void)
{
	free(conf.dbs);
	free(conf.user_rows);
	free(conf.peers);
	arena_fini(&conf.arena);
	conf_faults_free(&faults);
}

START_TEST(nothing)
{
	entries_sort(&e);
	ck_assert_uint_eq(conf.n_dbs, 0);
	ck_assert_uint_eq(conf.n_user_rows, 0);
	ck_assert_uint_eq(conf.n_peers, 0);
}
END_TEST

START_TEST(last_of_a_name)
{
	char name[16], value[32];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%d", 1 + (i * 7) % 50);
		snprintf(value, sizeof(value), "pool_size=%d", i);
		ck_assert_int_eq(entries_db(&e, &at, name, value), 0);
		ck_assert_int_eq(entries_user(&e, &at, name, value), 0);
		snprintf(value, sizeof(value), "host=h port=%d", i + 1);
		ck_assert_int_eq(entries_peer(&e, &at, name, value), 0);
	}
	entries_sort(&e);
	ck_assert_uint_eq(conf.n_dbs, 50);
	ck_assert_uint_eq(conf.n_user_rows, 50);
	ck_assert_uint_eq(conf.n_peers, 50);
	for (size_t i = 0; i < 50; i++) {
		/* the second round of 50 gave each name its last value */
		ck_assert_int_ge(conf.dbs[i].pool_size, 50);
		ck_assert_int_ge(conf.user_rows[i].pool_size, 50);
		ck_assert_int_ge(conf.peers[i].port, 51);
		ck_assert_int_eq(
		    1 + conf.dbs[i].pool_size * 7 % 50, atoi(conf.dbs[i].name));
		ck_assert_int_eq(conf.peers[i].id, (int)i + 1);
		if (i == 0)
			continue;
		ck_assert_int_lt(
		    strcmp(conf.dbs[i - 1].name, conf.dbs[i].name), 0);
		ck_assert_int_lt(
		    strcmp(conf.user_rows[i - 1].name, conf.user_rows[i].name),
		    0);
	}
}
END_TEST

START_TEST(bad_ones_are_not_added)
{
	ck_assert_int_eq(entries_db(&e, &at, "x", "frob=1"), -1);
	ck_assert_int_eq(entries_user(&e, &at, "x", "frob=1"), -1);
	ck_assert_int_eq(entries_peer(&e, &at, "x", "frob=1"), -1);
	ck_assert_uint_eq(conf.n_dbs + conf.n_user_rows + conf.n_peers, 0);
	ck_assert_uint_eq(faults.faults, 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("entries");
	TCase *tc = tcase_create("entries");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, nothing);
	tcase_add_test(tc, last_of_a_name);
	tcase_add_test(tc, bad_ones_are_not_added);
	return run_suite(s);
}
