/* bell_test.c - bells: rung, full, cleared. */
#include "shm/chan.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/shmtest.h"

static bool
rings(uint32_t n)
{
	struct pollfd p = { .fd = bell_fd(n), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

START_TEST(rung_and_cleared)
{
	struct err e;

	ck_assert_int_eq(bell_make(3, &e), 0);
	ck_assert(!rings(0) && !rings(1) && !rings(2));
	bell_ring(1);
	ck_assert(!rings(0) && rings(1) && !rings(2));
	bell_ring_all();
	ck_assert(rings(0) && rings(1) && rings(2));
	bell_clear(1);
	ck_assert(rings(0) && !rings(1) && rings(2));
	bell_clear(1);
	bell_ring(3);
	bell_clear(3);
	ck_assert_int_eq(bell_fd(3), -1);
	bell_drop();
	ck_assert_int_eq(bell_fd(0), -1);
	ck_assert_int_eq(bell_make(SEG_MAX_WORKERS + 3, &e), -1);
}
END_TEST

START_TEST(full_means_rung)
{
	struct err e;

	ck_assert_int_eq(bell_make(1, &e), 0);
	for (int i = 0; i < 100000; i++)
		bell_ring(0); /* more than any pipe takes; must not wait */
	ck_assert(rings(0));
	bell_clear(0);
	ck_assert(!rings(0));
	bell_ring(0);
	ck_assert(rings(0));
	bell_drop();
}
END_TEST

START_TEST(only_who_sleeps)
{
	struct err e;

	fresh_segment(2, 8, 4);
	ck_assert_int_eq(bell_make(2, &e), 0);
	bell_wake(0);
	ck_assert(!rings(0));
	atomic_store(&proc_at(0)->sleeping, 1);
	bell_wake(0);
	bell_wake(PROC_NOBODY);
	ck_assert(rings(0) && !rings(1));
	bell_drop();
	segment_drop();
}
END_TEST

START_TEST(across_a_fork)
{
	struct pollfd p;
	struct err e;
	int status;
	pid_t kid;

	ck_assert_int_eq(bell_make(2, &e), 0);
	kid = fork();
	ck_assert_int_ne(kid, -1);
	if (kid == 0) {
		bell_ring(1);
		_exit(0);
	}
	p = (struct pollfd){ .fd = bell_fd(1), .events = POLLIN };
	ck_assert_int_eq(poll(&p, 1, 5000), 1);
	ck_assert_int_eq(waitpid(kid, &status, 0), kid);
	ck_assert(!rings(0));
	bell_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(rung_and_cleared),
		TEST(full_means_rung),
		TEST(only_who_sleeps),
		TEST(across_a_fork),
		NO_MORE_TESTS,
	};

	return run_tests("bell", tests, 20);
}
