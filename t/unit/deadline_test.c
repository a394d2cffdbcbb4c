/*
 * deadline_test.c - timers come in order, once, and not after they were
 * cleared; what they do to each other meanwhile does no harm.
 */
#include "worker/io/deadline.h"

#include <check.h>
#include <stdlib.h>

#include "t/unit/run.h"

enum { MANY = 500 };

struct timer {
	struct deadline d; /* first, so that a deadline is its timer */
	uint64_t set_to;   /* 0: not set */
	int calls;
};

static struct timer timers[MANY];
static uint64_t last_us;
static int calls;

static void
on_timer(struct deadline *d)
{
	struct timer *t = (struct timer *)d;

	ck_assert(!deadline_is_set(d));
	ck_assert_uint_eq(d->at_us, t->set_to);
	ck_assert_uint_ge(t->set_to, last_us);
	last_us = t->set_to;
	t->set_to = 0;
	t->calls++;
	calls++;
}

static void
set_up(void)
{
	for (int i = 0; i < MANY; i++) {
		timers[i] = (struct timer){ .calls = 0 };
		deadline_init(&timers[i].d, on_timer);
	}
	calls = 0;
	last_us = 0;
}

static void
tear_down(void)
{
	for (int i = 0; i < MANY; i++)
		deadline_clear(&timers[i].d);
	ck_assert_uint_eq(deadline_next(), 0);
}

START_TEST(none_is_set)
{
	ck_assert_uint_eq(deadline_run(1000), 0);
	ck_assert_uint_eq(deadline_next(), 0);
}
END_TEST

START_TEST(comes_at_its_time)
{
	timers[0].set_to = 1000;
	ck_assert_int_eq(deadline_set(&timers[0].d, 1000), 0);
	ck_assert(deadline_is_set(&timers[0].d));
	ck_assert_uint_eq(deadline_run(999), 1000);
	ck_assert_int_eq(calls, 0);
	ck_assert_uint_eq(deadline_run(1000), 0);
	ck_assert_int_eq(calls, 1);
	ck_assert_uint_eq(deadline_run(2000), 0);
	ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(moves_both_ways)
{
	for (int i = 0; i < 3; i++) {
		timers[i].set_to = 100u * (unsigned)(i + 1);
		deadline_set(&timers[i].d, timers[i].set_to);
	}
	timers[2].set_to = 50;
	deadline_set(&timers[2].d, 50);
	ck_assert_uint_eq(deadline_next(), 50);
	timers[2].set_to = 500;
	deadline_set(&timers[2].d, 500);
	ck_assert_uint_eq(deadline_next(), 100);
	ck_assert_uint_eq(deadline_run(499), 500);
	ck_assert_int_eq(calls, 2);
}
END_TEST

/* The earliest by looking at all of them. */
static uint64_t
earliest(void)
{
	uint64_t at = 0;

	for (int i = 0; i < MANY; i++)
		if (timers[i].set_to && (!at || timers[i].set_to < at))
			at = timers[i].set_to;
	return at;
}

START_TEST(agrees_with_a_plain_list)
{
	uint64_t now = 1;

	srandom(4711);
	for (int round = 0; round < 20000; round++) {
		struct timer *t = &timers[random() % MANY];
		long what = random() % 100;

		if (what < 60) {
			t->set_to = now + 1 + (uint64_t)(random() % 1000);
			ck_assert_int_eq(deadline_set(&t->d, t->set_to), 0);
		} else if (what < 90) {
			t->set_to = 0;
			deadline_clear(&t->d);
		} else {
			now += (uint64_t)(random() % 100);
			ck_assert_uint_eq(deadline_run(now), earliest());
			ck_assert(!earliest() || earliest() > now);
			last_us = 0;
		}
		ck_assert_int_eq(deadline_is_set(&t->d), t->set_to != 0);
		ck_assert_uint_eq(deadline_next(), earliest());
	}
	ck_assert_int_gt(calls, 1000);
}
END_TEST

static void
on_clear_others(struct deadline *d)
{
	(void)d;
	calls++;
	for (int i = 0; i < MANY; i++)
		deadline_clear(&timers[i].d);
}

START_TEST(a_callback_clears_the_rest)
{
	for (int i = 0; i < 10; i++) {
		deadline_init(&timers[i].d, on_clear_others);
		deadline_set(&timers[i].d, 10);
	}
	ck_assert_uint_eq(deadline_run(10), 0);
	ck_assert_int_eq(calls, 1);
}
END_TEST

static void
on_again(struct deadline *d)
{
	calls++;
	deadline_set(d, 5);
}

START_TEST(one_that_is_always_due_does_not_hang)
{
	deadline_init(&timers[0].d, on_again);
	deadline_set(&timers[0].d, 5);
	ck_assert_uint_eq(deadline_run(10), 5);
	ck_assert_int_eq(calls, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("deadline");
	TCase *t = tcase_create("deadline");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, none_is_set);
	tcase_add_test(t, comes_at_its_time);
	tcase_add_test(t, moves_both_ways);
	tcase_add_test(t, agrees_with_a_plain_list);
	tcase_add_test(t, a_callback_clears_the_rest);
	tcase_add_test(t, one_that_is_always_due_does_not_hang);
	suite_add_tcase(s, t);
	return run_suite(s);
}
