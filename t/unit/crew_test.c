/*
 * crew_test.c - what dns_test.c does not show of a crew: jobs that nobody
 * wants any more, in every state, and that each is dropped exactly once.
 */
#include "worker/resolver/crew.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "conf/clock.h"
#include "t/unit/run.h"

enum { LIMIT_MS = 1000 };

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int started, dropped, signalled;

struct task {
	struct job job;
	bool is_slow;
};

static void
work(struct job *j)
{
	sigset_t blocked;

	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	atomic_fetch_add(&signalled, !sigismember(&blocked, SIGTERM));
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

/* More than one at once; the one above has but one thread. */
static struct crew large = {
	.work = work,
	.drop = drop,
	.stack = 256 * 1024,
	.most_threads = 4,
	.most_idle = 2,
	.most_jobs = 10,
};

static struct job *
add_to(struct crew *c, bool is_slow)
{
	struct task *t = calloc(1, sizeof(*t));

	ck_assert_ptr_nonnull(t);
	t->is_slow = is_slow;
	t->job.due_ms = clock_now_ms() + LIMIT_MS;
	ck_assert_int_eq(crew_add(c, &t->job), 0);
	return &t->job;
}

static struct job *
add(bool is_slow)
{
	return add_to(&crew, is_slow);
}

static void
set_up(void)
{
	struct err e;

	ck_assert_int_eq(crew_open(&crew, &e), 0);
	ck_assert_int_eq(crew_open(&large, &e), 0);
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

/* --- time, bells and threads ------------------------------------------------ */

static bool
is_rung(const struct crew *c, int ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* Due when it is due, to the millisecond; what is ready is never late. */
START_TEST(in_time)
{
	struct job *a = add(true), *b = add(true), *c = add(true);
	bool is_late = false;

	a->due_ms = 3000;
	b->due_ms = 1000;
	c->due_ms = 2000;
	ck_assert_int_eq(crew_wait_ms(&crew, 0), 1000);
	ck_assert_int_eq(crew_wait_ms(&crew, 999), 1);
	ck_assert_int_eq(crew_wait_ms(&crew, 1000), 0);
	ck_assert_int_eq(crew_wait_ms(&crew, 1500), 0);
	ck_assert_ptr_null(crew_take(&crew, 999, &is_late));
	ck_assert_ptr_eq(crew_take(&crew, 1000, &is_late), b);
	ck_assert(is_late);
	crew_drop(&crew, b);
	ck_assert_int_eq(crew_wait_ms(&crew, 1000), 1000);
	crew_cancel(&crew, c);
	pthread_mutex_unlock(&gate);
	ck_assert(is_rung(&crew, 5000));
	ck_assert_ptr_eq(crew_take(&crew, 3000, &is_late), a);
	ck_assert(!is_late);
	crew_drop(&crew, a);
}
END_TEST

/* So many threads are there, and all of them wait for work. */
static void
await_rest(struct crew *c, uint32_t n)
{
	for (int ms = 0;; ms++) {
		uint32_t idle, all;
		bool is_work;

		pthread_mutex_lock(&c->lock);
		idle = c->nidle;
		all = c->nthreads;
		/* who is called to it still counts as idle */
		is_work = c->first != NULL;
		pthread_mutex_unlock(&c->lock);
		if (idle == n && all == n && !is_work)
			return;
		ck_assert_msg(ms < 5000, "%u of %u rest, not %u", idle, all, n);
		poll(NULL, 0, 1);
	}
}

/* Each that is ready rings; one look stills them all. */
START_TEST(the_bell)
{
	bool is_late;

	add(false);
	add(false);
	await_rest(&crew, 1);
	ck_assert(is_rung(&crew, 0));
	crew_clear(&crew);
	ck_assert(!is_rung(&crew, 0));
	crew_drop(&crew, crew_take(&crew, 0, &is_late));
	crew_drop(&crew, crew_take(&crew, 0, &is_late));
	ck_assert_ptr_null(crew_first(&crew));
}
END_TEST

/* All that there is, when it is ready. */
static void
take_all(struct crew *c)
{
	struct job *j;
	bool is_late;

	while (crew_first(c) != NULL) {
		ck_assert(is_rung(c, 5000));
		crew_clear(c);
		while ((j = crew_take(c, 0, &is_late)) != NULL)
			crew_drop(c, j);
	}
}

/* One after the other is work for one thread; many at once for as many as
 * there may be, of which some stay. */
START_TEST(threads)
{
	struct job *waits[3];

	for (int i = 0; i < 5; i++) {
		add_to(&large, false);
		take_all(&large);
		await_rest(&large, 1);
	}
	for (int i = 0; i < 4; i++)
		add_to(&large, true);
	ck_assert_uint_eq(crew_threads(&large), 4);
	await(&started, 9);
	for (int i = 0; i < 3; i++)
		waits[i] = add_to(&large, false);
	ck_assert_uint_eq(crew_threads(&large), 4);
	/* first, last and alone */
	crew_cancel(&large, waits[2]);
	crew_cancel(&large, waits[0]);
	crew_cancel(&large, waits[1]);
	pthread_mutex_unlock(&gate);
	take_all(&large);
	await_rest(&large, 2);
	/* those two are enough for one */
	add_to(&large, false);
	ck_assert_uint_eq(crew_threads(&large), 2);
	take_all(&large);
	ck_assert_int_eq(atomic_load(&started), 10);
}
END_TEST

/* Signals are the main thread's, which keeps its own mask. */
START_TEST(signals)
{
	sigset_t blocked;

	add(false);
	await(&started, 1);
	ck_assert_int_eq(atomic_load(&signalled), 0);
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	ck_assert(!sigismember(&blocked, SIGTERM));
}
END_TEST

/* A thread that is not to be had leaves its job to its time. */
START_TEST(no_thread)
{
	struct job *j;
	bool is_late = false;

	crew.stack = SIZE_MAX / 4;
	j = add(false);
	ck_assert_uint_eq(crew_threads(&crew), 0);
	ck_assert_ptr_null(crew_take(&crew, j->due_ms - 1, &is_late));
	ck_assert_ptr_eq(crew_take(&crew, j->due_ms, &is_late), j);
	ck_assert(is_late);
	crew_drop(&crew, j);
	/* and to the next that is */
	crew.stack = 256 * 1024;
	add(false);
	await(&started, 1);
	ck_assert_int_eq(atomic_load(&dropped), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("crew");
	TCase *tc = tcase_create("crew");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, cancelled_in_any_state);
	tcase_add_test(tc, late_in_the_queue_or_in_its_thread);
	tcase_add_test(tc, no_more_than_so_many);
	tcase_add_test(tc, in_time);
	tcase_add_test(tc, the_bell);
	tcase_add_test(tc, threads);
	tcase_add_test(tc, signals);
	tcase_add_test(tc, no_thread);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
