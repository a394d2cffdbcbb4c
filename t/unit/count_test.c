/* count_test.c - statistics: blocks, sums, averages. */
#include "shm/count.h"

#include "t/unit/shmtest.h"

START_TEST(summed)
{
	uint64_t sum[COUNT_N];

	fresh_segment(3, 8, 4);
	for (uint32_t w = 0; w < 3; w++) {
		count_add(count_at(w, 1), COUNT_XACTS, w + 1);
		count_add(count_at(w, 1), COUNT_XACTS, 10);
		count_add(count_at(w, 2), COUNT_QUERIES, 5);
	}
	count_sum(1, sum);
	ck_assert_uint_eq(sum[COUNT_XACTS], 36);
	ck_assert_uint_eq(sum[COUNT_QUERIES], 0);
	count_sum(2, sum);
	ck_assert_uint_eq(sum[COUNT_QUERIES], 15);
	count_sum(seg->npools, sum);
	ck_assert_uint_eq(sum[COUNT_QUERIES], 0);
	count_reset(2);
	count_sum(2, sum);
	ck_assert_uint_eq(sum[COUNT_QUERIES], 0);
	segment_drop();
}
END_TEST

START_TEST(averages)
{
	uint64_t added[COUNT_N];
	uint32_t p, q;

	fresh_segment(2, 8, 4);
	p = join(0, "d", "u", 3);
	q = join(0, "d", "v", 3);
	ck_assert_uint_eq(count_period(p, added), 0);
	count_add(count_at(0, p), COUNT_XACTS, 100);
	count_tick(1000000);
	ck_assert_uint_eq(count_period(p, added), 0); /* half a period */
	count_add(count_at(0, p), COUNT_XACTS, 7);
	count_add(count_at(1, p), COUNT_XACTS, 5);
	count_tick(61000000);
	ck_assert_uint_eq(count_period(p, added), 60000000);
	ck_assert_uint_eq(added[COUNT_XACTS], 12);
	ck_assert_uint_eq(count_period(q, added), 60000000);
	ck_assert_uint_eq(added[COUNT_XACTS], 0);
	count_tick(71000000);
	ck_assert_uint_eq(count_period(p, added), 10000000);
	ck_assert_uint_eq(added[COUNT_XACTS], 0);
	/* a keeper that died inside: unknown, then begun afresh */
	atomic_fetch_add(&segtab.averages[p].seq, 1);
	ck_assert_uint_eq(count_period(p, added), 0);
	count_tick(81000000);
	ck_assert_uint_eq(count_period(p, added), 0);
	count_tick(91000000);
	ck_assert_uint_eq(count_period(p, added), 10000000);
	/* the row was given to another pool: no negative difference */
	count_reset(p);
	count_add(count_at(0, p), COUNT_XACTS, 3);
	count_tick(101000000);
	count_tick(102000000);
	ck_assert_uint_eq(count_period(p, added), 1000000);
	ck_assert_uint_eq(added[COUNT_XACTS], 0);
	ck_assert_uint_eq(count_period(seg->npools, added), 0);
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(summed),
		TEST(averages),
		NO_MORE_TESTS,
	};

	return run_tests("count", tests, 10);
}
