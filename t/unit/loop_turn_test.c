/*
 * loop_turn_test.c - what a turn of the loop is: its wait, its hooks, the
 * deadline that ends it, and what is freed behind it.
 */
#include "worker/io/loop.h"

#include <stdlib.h>

#include "t/unit/loopsim.h"

static int order[8], norder;

static void
free_note(void *p)
{
	order[norder++] = *(int *)p;
	free(p);
}

static void
on_defer_itself(struct watch *w, unsigned events)
{
	int *what = malloc(sizeof(*what));

	(void)events;
	ck_assert_ptr_nonnull(what);
	*what = 3;
	order[norder++] = 1;
	loop_remove(w);
	loop_defer(what, free_note);
}

static int
on_turn_note(void)
{
	if (norder == 0)
		return -1;
	order[norder++] = 2;
	loop_stop();
	return 0;
}

START_TEST(frees_come_at_the_turns_end)
{
	struct end *n = new_end(on_defer_itself);

	norder = 0;
	loop_hooks(on_turn_note, NULL);
	loop_want(&n->w, LOOP_READ);
	say(n);
	loop_run();
	ck_assert_int_eq(norder, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(order[i], i + 1);
}
END_TEST

static uint64_t came_us;

static void
on_due(struct deadline *d)
{
	(void)d;
	came_us = clock_now_us();
	loop_stop();
}

/* A hook that would sleep for ever, or for `hook_ms`; it stops at `last_turn`. */
static int hook_ms, last_turn;

static int
on_turn_ms(void)
{
	if (++turns == last_turn)
		loop_stop();
	return hook_ms;
}

START_TEST(a_deadline_ends_the_wait)
{
	struct deadline d;
	uint64_t at = clock_now_us() + 30500;

	hook_ms = -1;
	loop_hooks(on_turn_ms, NULL);
	deadline_init(&d, on_due);
	deadline_set(&d, at);
	loop_run();
	ck_assert_uint_ge(came_us, at);
	ck_assert_uint_lt(came_us, at + 10000000);
	/* one wait, not a spin up to it */
	ck_assert_int_le(turns, 3);
	ck_assert_uint_ge(loop_now_us, at);
}
END_TEST

START_TEST(the_hook_ends_the_wait)
{
	uint64_t from_us = clock_now_us();
	struct deadline d;

	hook_ms = 5;
	last_turn = 20;
	loop_hooks(on_turn_ms, NULL);
	deadline_init(&d, on_due);
	deadline_set(&d, from_us + UINT64_C(3600) * 1000000);
	loop_run();
	/* long before the deadline, and no spin up to it */
	ck_assert_int_le(turns, 21);
	ck_assert_uint_ge(clock_now_us() - from_us, 80000);
	deadline_clear(&d);
}
END_TEST

static int woken;

static void
on_woke(void)
{
	/* before the events of its turn, once for each wait */
	ck_assert_int_eq(ends[0].calls, woken++ == 0 ? 0 : 1);
}

START_TEST(after_wait_comes_before_the_events)
{
	struct end *n = new_end(on_any);

	woken = 0;
	loop_hooks(on_turn, on_woke);
	say(n);
	loop_want(&n->w, LOOP_READ);
	run_turns(2);
	ck_assert_int_eq(woken, 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loop_turn");
	TCase *t = loop_case(s, "loop_turn");

	tcase_add_test(t, frees_come_at_the_turns_end);
	tcase_add_test(t, a_deadline_ends_the_wait);
	tcase_add_test(t, the_hook_ends_the_wait);
	tcase_add_test(t, after_wait_comes_before_the_events);
	return run_suite(s);
}
