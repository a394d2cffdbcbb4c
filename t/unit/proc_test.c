/* proc_test.c - processes by number. */
#include "shm/proc.h"

#include "conf/clock.h"
#include "t/unit/shmtest.h"

START_TEST(numbers_and_kinds)
{
	fresh_segment(3, 8, 4);
	ck_assert_uint_eq(proc_resolver(), 3);
	ck_assert_uint_eq(proc_monitor(), 4);
	ck_assert_int_eq(proc_kind(0), PROC_WORKER);
	ck_assert_int_eq(proc_kind(2), PROC_WORKER);
	ck_assert_int_eq(proc_kind(3), PROC_RESOLVER);
	ck_assert_int_eq(proc_kind(4), PROC_MONITOR);
	ck_assert_ptr_nonnull(proc_at(4));
	ck_assert_ptr_null(proc_at(5));
	ck_assert_ptr_null(proc_at(PROC_NOBODY));
	segment_drop();
}
END_TEST

START_TEST(who_is_there)
{
	fresh_segment(2, 8, 4);
	ck_assert(proc_is_there(0));
	atomic_store(&proc_at(0)->gone, 1);
	ck_assert(!proc_is_there(0));
	atomic_store(&proc_at(0)->gone, 0);
	atomic_store(&proc_at(0)->state, PROC_DOWN);
	ck_assert(!proc_is_there(0));
	atomic_store(&proc_at(0)->state, PROC_STARTING);
	ck_assert(proc_is_there(0));
	/* a slot goes to workers alone */
	atomic_store(&proc_at(2)->state, PROC_RUNNING);
	ck_assert(!proc_is_there(2));
	ck_assert(!proc_is_there(PROC_SUPERVISOR));
	ck_assert(!proc_is_there(PROC_NOBODY));
	segment_drop();
}
END_TEST

START_TEST(clients_are_summed)
{
	fresh_segment(3, 8, 4);
	ck_assert_uint_eq(proc_clients(), 0);
	atomic_store(&proc_at(0)->clients, 5);
	atomic_store(&proc_at(2)->clients, 7);
	atomic_store(&proc_at(3)->clients, 100);
	ck_assert_uint_eq(proc_clients(), 12);
	segment_drop();
}
END_TEST

START_TEST(signs_of_life)
{
	uint64_t before = clock_now_ms(), end = before + 50, cpu;

	fresh_segment(1, 8, 4);
	proc_alive(0);
	ck_assert_uint_ge(atomic_load(&proc_at(0)->alive_ms), before);
	cpu = atomic_load(&proc_at(0)->cpu_us);
	while (clock_now_ms() < end)
		;
	proc_alive(0);
	ck_assert_uint_gt(atomic_load(&proc_at(0)->cpu_us), cpu);
	ck_assert_uint_ge(atomic_load(&proc_at(0)->alive_ms), end);
	proc_alive(PROC_SUPERVISOR); /* has no row: nothing happens */
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(numbers_and_kinds),
		TEST(who_is_there),
		TEST(clients_are_summed),
		TEST(signs_of_life),
		NO_MORE_TESTS,
	};

	return run_tests("proc", tests, 10);
}
