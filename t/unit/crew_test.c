/*
 * crew_test.c - what dns_test.c does not show of a crew: jobs that nobody
 * wants any more, in every state, and that each is dropped exactly once.
 */
#include "worker/resolver/crew.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "conf/clock.h"
#include "t/unit/run.h"

enum { LIMIT_MS = 300 };

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int started, dropped;

struct task {
	struct job job;
	bool is_slow;
};

static void
work(struct job *j)
{
	atomic_fetch_add(&started, 1);
	if (!((struct task *)(void *)j)->is_slow)
		return;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

static void
drop(struct job *j)
{
	atomic_fetch_add(&dropped, 1);
	free(j);
}

static struct crew crew = {
	.work = work,
	.drop = drop,
	.stack = 256 * 1024,
	.most_threads = 1,
	.most_idle = 1,
	.most_jobs = 3,
};

static struct job *
add(bool is_slow)
{
	struct task *t = calloc(1, sizeof(*t));

	ck_assert_ptr_nonnull(t);
	t->is_slow = is_slow;
	t->job.due_ms = clock_now_ms() + LIMIT_MS;
	ck_assert_int_eq(crew_add(&crew, &t->job), 0);
	return &t->job;
}

static void
set_up(void)
{
	struct err e;

	ck_assert_int_eq(crew_open(&crew, &e), 0);
	pthread_mutex_lock(&gate);
}

static void
await(_Atomic int *n, int least)
{
	for (int ms = 0; atomic_load(n) < least; ms++) {
		ck_assert_int_lt(ms, 5000);
		poll(NULL, 0, 1);
	}
}

static struct job *
take(bool *is_late)
{
	struct job *j;

	while ((j = crew_take(&crew, clock_now_ms(), is_late)) == NULL) {
		struct pollfd p = { .fd = crew.fd, .events = POLLIN };

		ck_assert_int_ge(
		    poll(&p, 1, crew_wait_ms(&crew, clock_now_ms())), 0);
		crew_clear(&crew);
	}
	return j;
}

START_TEST(cancelled_in_any_state)
{
	struct job *running = add(true), *waits, *last;
	bool is_late;

	await(&started, 1);
	waits = add(false);
	last = add(false);
	crew_cancel(&crew, waits);
	ck_assert_int_eq(atomic_load(&dropped), 1);
	/* its thread still has it */
	crew_cancel(&crew, running);
	ck_assert_int_eq(atomic_load(&dropped), 1);
	pthread_mutex_unlock(&gate);
	ck_assert_ptr_eq(take(&is_late), last);
	ck_assert(!is_late);
	ck_assert_int_eq(atomic_load(&dropped), 2);
	crew_drop(&crew, last);
	ck_assert_int_eq(atomic_load(&dropped), 3);
	/* the one that was cancelled in the queue never began */
	ck_assert_int_eq(atomic_load(&started), 2);
	/* ready, and then cancelled */
	last = add(false);
	await(&started, 3);
	crew_cancel(&crew, last);
	await(&dropped, 4);
	ck_assert_ptr_null(crew_first(&crew));
	ck_assert_int_eq(crew_wait_ms(&crew, clock_now_ms()), -1);
}
END_TEST

START_TEST(late_in_the_queue_or_in_its_thread)
{
	struct job *running = add(true), *waits;
	bool is_late;

	await(&started, 1);
	waits = add(false);
	for (int i = 0; i < 2; i++) {
		struct job *j = take(&is_late);

		ck_assert(is_late);
		ck_assert(j == running || j == waits);
		crew_drop(&crew, j);
	}
	ck_assert_int_eq(atomic_load(&dropped), 1);
	pthread_mutex_unlock(&gate);
	await(&dropped, 2);
	ck_assert_int_eq(atomic_load(&started), 1);
}
END_TEST

START_TEST(no_more_than_so_many)
{
	struct task more = { .is_slow = false };

	add(true);
	add(true);
	add(true);
	ck_assert_int_eq(crew_add(&crew, &more.job), -1);
	ck_assert_uint_eq(crew_threads(&crew), 1);
	pthread_mutex_unlock(&gate);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("crew");
	TCase *tc = tcase_create("crew");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, cancelled_in_any_state);
	tcase_add_test(tc, late_in_the_queue_or_in_its_thread);
	tcase_add_test(tc, no_more_than_so_many);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
