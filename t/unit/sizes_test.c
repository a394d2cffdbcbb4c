/* sizes_test.c - the segment's size against the kernel's limit. */
#include "master/sizes.h"

#include <check.h>
#include <stdlib.h>

#include "t/unit/run.h"

static struct conf_db dbs[3];
static struct conf conf;

static void
setup(void)
{
	for (int i = 0; i < 3; i++) {
		dbs[i] = (struct conf_db){
			.name = "db",
			.user = "",
			.pool_size = CONF_UNSET,
			.min_pool_size = CONF_UNSET,
			.reserve_pool_size = CONF_UNSET,
			.max_db_connections = CONF_UNSET,
			.max_db_client_connections = CONF_UNSET,
			.pool_mode = CONF_UNSET,
			.server_lifetime_ms = CONF_UNSET,
			.query_wait_timeout_ms = CONF_UNSET,
		};
	}
	conf = (struct conf){
		.dbs = dbs,
		.n_dbs = 3,
		.default_pool_size = 20,
		.max_client_conn = 100,
		.workers = 4,
	};
}

START_TEST(generous_where_it_fits)
{
	struct sizes s;

	sizes_of(&conf, 1 << 20, &s);
	ck_assert_uint_eq(s.min_slots, 60);
	ck_assert_uint_eq(s.segment.slots, SIZES_SLOTS);
	ck_assert_uint_eq(s.segment.workers, 4);
	ck_assert_uint_ge(s.segment.clients, 100);
	ck_assert_uint_eq(s.descriptors, s.min_descriptors + SIZES_SLOTS - 60);
	ck_assert_uint_ge(s.min_descriptors, 100 + 60 + SIZES_MISC);
	/* a reload may switch prepared statements on, and raise them */
	ck_assert_uint_ge(s.segment.stmts, 512);
	conf.max_prepared_statements = 1000;
	sizes_of(&conf, 1 << 20, &s);
	ck_assert_uint_eq(s.segment.stmts, 2000);
}
END_TEST

START_TEST(shrinks_to_the_limit)
{
	struct sizes s;

	sizes_of(&conf, 400, &s);
	ck_assert_uint_eq(s.descriptors, 400);
	ck_assert_uint_ge(s.segment.slots, 60);
	/* but not below what is asked for: then the start is refused */
	sizes_of(&conf, 100, &s);
	ck_assert_uint_eq(s.segment.slots, 60);
	ck_assert_uint_gt(s.descriptors, 100);
	ck_assert_uint_eq(s.descriptors, s.min_descriptors);
}
END_TEST

START_TEST(limits_and_reserve_count)
{
	struct sizes s;

	dbs[0].max_db_connections = 5;
	dbs[1].reserve_pool_size = 7;
	dbs[2].pool_size = 0; /* without limit */
	sizes_of(&conf, 1 << 20, &s);
	ck_assert_uint_ge(s.min_slots, 5 + 27 + 21);
	ck_assert_uint_le(s.min_slots, 5 + 27 + 100);
}
END_TEST

START_TEST(never_beyond_the_tables)
{
	struct sizes s;

	for (int i = 0; i < 3; i++)
		dbs[i].pool_size = 1000000;
	conf.max_client_conn = 10000000;
	conf.workers = SEG_MAX_WORKERS;
	sizes_of(&conf, UINT64_MAX, &s);
	ck_assert_uint_le(s.min_slots, SEG_MAX_SLOTS);
	ck_assert_uint_le(s.segment.slots, SEG_MAX_SLOTS);
	/* a client row's number has 24 bits in a cancel key */
	ck_assert_uint_le(
	    (uint64_t)s.segment.clients * SEG_MAX_WORKERS, 1 << 24);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sizes");
	TCase *tc = tcase_create("sizes");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, generous_where_it_fits);
	tcase_add_test(tc, shrinks_to_the_limit);
	tcase_add_test(tc, limits_and_reserve_count);
	tcase_add_test(tc, never_beyond_the_tables);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
