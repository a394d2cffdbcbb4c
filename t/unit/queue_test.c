/* queue_test.c - who waits, and who is next. */
#include "shm/queue.h"

#include "conf/clock.h"
#include "shm/slot.h"
#include "t/unit/shmtest.h"

enum { MS = 1000 };

START_TEST(published)
{
	uint64_t now = clock_now_us(), since;

	fresh_segment(3, 8, 4);
	ck_assert_uint_eq(queue_look(0, 1, &since), 0);
	ck_assert_uint_eq(since, 0);
	queue_publish(0, 1, 3, now - 500);
	queue_publish(2, 1, 4, now - 900);
	ck_assert_uint_eq(queue_look(0, 1, &since), 3);
	ck_assert_uint_eq(since, now - 500);
	ck_assert_uint_eq(queue_total(1, &since), 7);
	ck_assert_uint_eq(since, now - 900);
	ck_assert_uint_eq(queue_total(2, &since), 0);
	ck_assert_uint_eq(since, 0);
	/* a little ahead of the reader's clock is now */
	queue_publish(0, 1, 1, clock_now_us() + 1000000);
	ck_assert_uint_eq(queue_look(0, 1, &since), 1);
	ck_assert_uint_ge(since, now);
	ck_assert_uint_le(since, clock_now_us());
	queue_publish(0, 1, UINT32_MAX, now);
	ck_assert_uint_eq(queue_look(0, 1, NULL), (1 << 20) - 1);
	queue_publish(0, 1, 0, now);
	ck_assert_uint_eq(queue_look(0, 1, NULL), 0);
	queue_publish(3, 1, 9, now);
	queue_publish(0, seg->npools, 9, now);
	ck_assert_uint_eq(queue_look(3, 1, NULL), 0);
	ck_assert_uint_eq(queue_look(0, seg->npools, NULL), 0);
	segment_drop();
}
END_TEST

START_TEST(longest_first)
{
	uint64_t now = clock_now_us();

	fresh_segment(4, 8, 4);
	for (uint32_t w = 0; w < 4; w++)
		have_set(w, 5, 9);
	ck_assert_uint_eq(queue_next(0, 1, 5, 9, 0, now), PROC_NOBODY);
	queue_publish(0, 1, 1, now - 100 * MS); /* I myself do not count */
	ck_assert_uint_eq(queue_next(0, 1, 5, 9, 0, now), PROC_NOBODY);
	queue_publish(1, 1, 9, now - 10 * MS);
	queue_publish(2, 1, 1, now - 30 * MS);
	queue_publish(3, 1, 1, now - 20 * MS);
	ck_assert_uint_eq(queue_next(0, 1, 5, 9, 0, now), 2);
	ck_assert_uint_eq(queue_next(0, 2, 5, 9, 0, now), PROC_NOBODY);
	/* passed over: another generation, an untaken grant, gone */
	have_set(2, 5, 8);
	ck_assert_uint_eq(queue_next(0, 1, 5, 9, 0, now), 3);
	ck_assert(grant_offer(3, 1, 4, 4));
	ck_assert_uint_eq(queue_next(0, 1, 5, 9, 0, now), 1);
	atomic_store(&proc_at(1)->gone, 1);
	ck_assert_uint_eq(queue_next(0, 1, 5, 9, 0, now), PROC_NOBODY);
	segment_drop();
}
END_TEST

START_TEST(own_unless_out_of_proportion)
{
	uint64_t now = clock_now_us();

	fresh_segment(2, 8, 4);
	have_set(1, 5, 9);
	queue_publish(1, 0, 1, now - 11 * MS);
	ck_assert_uint_eq(
	    queue_next(0, 0, 5, 9, now - 8 * MS, now), PROC_NOBODY);
	queue_publish(1, 0, 1, now - 11 * MS - 1);
	ck_assert_uint_eq(queue_next(0, 0, 5, 9, now - 8 * MS, now), 1);
	ck_assert_uint_eq(
	    queue_next(0, 0, 5, 9, now - 9 * MS, now), PROC_NOBODY);
	/* my own has just come */
	ck_assert_uint_eq(queue_next(0, 0, 5, 9, now + 5, now), 1);
	segment_drop();
}
END_TEST

START_TEST(one_grant_a_pool)
{
	uint32_t slot;
	uint64_t gen;

	fresh_segment(2, 8, 4);
	ck_assert(!grant_look(0, 1, &slot, &gen));
	ck_assert(grant_offer(0, 1, 65534, 0xffffffffffff));
	ck_assert(!grant_offer(0, 1, 1, 1));
	ck_assert(grant_offer(0, 2, 3, 4)); /* another pool */
	ck_assert(grant_look(0, 1, &slot, &gen));
	ck_assert_uint_eq(slot, 65534);
	ck_assert_uint_eq(gen, 0xffffffffffff);
	grant_clear(0, 1);
	ck_assert(!grant_look(0, 1, &slot, &gen));
	ck_assert(grant_offer(0, 1, 1, 1));
	/* nobody who is gone gets one, and none stays there */
	atomic_store(&proc_at(1)->gone, 1);
	ck_assert(!grant_offer(1, 1, 1, 1));
	ck_assert(!grant_look(1, 1, &slot, &gen));
	ck_assert(!grant_offer(2, 1, 1, 1));
	segment_drop();
}
END_TEST

START_TEST(withdrawn)
{
	uint32_t slot;
	uint64_t gen, now = clock_now_us();

	fresh_segment(2, 8, 4);
	for (uint32_t p = 0; p < 4; p++)
		for (uint32_t w = 0; w < 2; w++) {
			queue_publish(w, p, 2, now);
			ck_assert(grant_offer(w, p, 1, 1));
		}
	queue_withdraw(0);
	queue_withdraw(2);
	for (uint32_t p = 0; p < 4; p++) {
		ck_assert_uint_eq(queue_look(0, p, NULL), 0);
		ck_assert(!grant_look(0, p, &slot, &gen));
		ck_assert_uint_eq(queue_look(1, p, NULL), 2);
		ck_assert(grant_look(1, p, &slot, &gen));
	}
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(published),
		TEST(longest_first),
		TEST(own_unless_out_of_proportion),
		TEST(one_grant_a_pool),
		TEST(withdrawn),
		NO_MORE_TESTS,
	};

	return run_tests("queue", tests, 10);
}
