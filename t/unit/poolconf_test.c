/* poolconf_test.c - from the configuration's numbers to a row's limits. */
#include "shm/poolconf.h"

#include "conf/conf.h"
#include "t/unit/conf_text.h"
#include "t/unit/shmtest.h"

static struct conf_files files;

static struct conf *
load(const char *text)
{
	struct conf_faults faults;
	struct conf *c;

	conf_files_init(&files);
	conf_faults_init(&faults);
	text_add(&files, "main", text);
	c = conf_load(&files, &faults);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	conf_faults_free(&faults);
	return c;
}

START_TEST(limits)
{
	struct conf *c = load("[databases]\n"
			      "a = host=h pool_size=7 min_pool_size=2 "
			      "reserve_pool_size=3 max_db_connections=9\n"
			      "b = host=h\n"
			      "[pgbouncer]\n"
			      "default_pool_size = 11\n"
			      "max_user_connections = 13\n"
			      "server_lifetime = 60\n");
	const struct conf_db *a = conf_db_find(c, "a");
	const struct conf_db *b = conf_db_find(c, "b");
	struct pool_limits l;

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_nonnull(b);
	poolconf_limits(c, a, "me", false, &l);
	ck_assert_uint_eq(l.size, 7);
	ck_assert_uint_eq(l.min_size, 2);
	ck_assert_uint_eq(l.reserve, 3);
	ck_assert_uint_eq(l.db_max, 9);
	ck_assert_uint_eq(l.user_max, 13);
	ck_assert_uint_eq(l.lifetime_ms, 60000);
	ck_assert_uint_eq(l.forced, 0);
	ck_assert_uint_eq(poolconf_db_max(c, a), 9);
	/* 0 is "no limit", but for what may be none at all */
	poolconf_limits(c, b, "me", true, &l);
	ck_assert_uint_eq(l.size, 11);
	ck_assert_uint_eq(l.min_size, 0);
	ck_assert_uint_eq(l.reserve, 0);
	ck_assert_uint_eq(l.db_max, POOL_UNLIMITED);
	ck_assert_uint_eq(l.forced, 1);
	ck_assert_uint_eq(poolconf_db_max(c, b), POOL_UNLIMITED);
	conf_free(c);
	conf_files_free(&files);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(limits),
		NO_MORE_TESTS,
	};

	return run_tests("poolconf", tests, 10);
}
