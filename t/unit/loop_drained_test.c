/*
 * loop_drained_test.c - who says that it has read all is called for what is
 * new, and for whatever else there is to tell.
 */
#include "worker/io/loop.h"

#include <check.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/unit/loopsim.h"

static char got[64];
static ssize_t ngot;
static void (*meanwhile)(struct end *); /* between the read and the word */

static void
begin_to_tell(void)
{
	is_telling = true;
	meanwhile = NULL;
}

/* Reads all and says so, as clients and backends do. */
static void
on_drain(struct watch *w, unsigned events)
{
	struct end *n = (struct end *)w;

	on_any(w, events);
	if (!(events & LOOP_READ))
		return;
	ngot = recv(w->fd, got, sizeof(got), 0);
	if (meanwhile != NULL)
		meanwhile(n);
	meanwhile = NULL;
	if (ngot > 0 && ngot < (ssize_t)sizeof(got))
		loop_drained(w);
}

/* Reads one byte, and never knows whether there are more. */
static void
on_byte(struct watch *w, unsigned events)
{
	on_any(w, events);
	ngot = recv(w->fd, got, 1, 0);
}

START_TEST(new_bytes_come)
{
	struct end *n = new_end(on_drain);

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	for (int i = 1; i <= 3; i++) {
		say(n);
		say(n);
		run_turns(3);
		ck_assert_int_eq(n->calls, i);
		ck_assert_int_eq(ngot, 2);
	}
}
END_TEST

START_TEST(what_is_left_comes_again)
{
	struct end *n = new_end(on_byte);

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	for (int i = 0; i < 3; i++)
		say(n);
	run_turns(5);
	ck_assert_int_eq(n->calls, 3);
}
END_TEST

START_TEST(bytes_that_come_meanwhile)
{
	struct end *n = new_end(on_drain);

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	meanwhile = say;
	say(n);
	run_turns(3);
	ck_assert_int_eq(n->calls, 2);
	ck_assert_int_eq(ngot, 1);
}
END_TEST

static void
leave(struct end *n)
{
	close(n->peer);
	n->peer = -1;
}

static void
say_no_more(struct end *n)
{
	ck_assert_int_eq(shutdown(n->peer, SHUT_WR), 0);
}

static void (*const goodbyes[])(struct end *) = { leave, say_no_more };

/* One event has told of both. */
START_TEST(the_end_stands_behind_the_bytes)
{
	struct end *n = new_end(on_drain);

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	run_turns(1);
	say(n);
	goodbyes[_i](n);
	run_turns(3);
	ck_assert_int_ge(n->calls, 2);
	ck_assert_int_eq(ngot, 0);
}
END_TEST

START_TEST(the_end_comes_meanwhile)
{
	struct end *n = new_end(on_drain);

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	meanwhile = goodbyes[_i];
	say(n);
	run_turns(3);
	ck_assert_int_ge(n->calls, 2);
	ck_assert_int_eq(ngot, 0);
}
END_TEST

/* Bytes and room in one event; only of the bytes it said something. */
START_TEST(room_comes_again)
{
	struct end *n = new_end(on_drain);

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ | LOOP_WRITE), 0);
	say(n);
	run_turns(1);
	ck_assert_uint_eq(n->events, LOOP_READ | LOOP_WRITE);
	n->events = 0;
	run_turns(1);
	ck_assert_uint_eq(n->events, LOOP_WRITE);
}
END_TEST

START_TEST(what_came_in_a_pause)
{
	struct end *n = new_end(on_drain);

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	say(n);
	run_turns(2);
	ck_assert_int_eq(loop_want(&n->w, 0), 0);
	say(n);
	run_turns(2);
	ck_assert_int_eq(n->calls, 1);
	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	run_turns(2);
	ck_assert_int_eq(n->calls, 2);
	/* and out of the loop */
	loop_remove(&n->w);
	say(n);
	run_turns(2);
	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	run_turns(2);
	ck_assert_int_eq(n->calls, 3);
}
END_TEST

/* As when TLS begins: what it keeps back, nobody sees. */
START_TEST(it_may_cease_to_tell)
{
	struct end *n = new_end(on_drain);

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	say(n);
	run_turns(2);
	n->w.tells_drained = false;
	n->w.on_event = on_byte;
	for (int i = 0; i < 3; i++)
		say(n);
	run_turns(5);
	ck_assert_int_eq(n->calls, 4);
}
END_TEST

/* What another's callback has read, it need not read. */
START_TEST(read_by_another)
{
	struct end *n = new_end(on_drain);
	char c;

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	say(n);
	ck_assert_int_eq(read(n->w.fd, &c, 1), 1);
	run_turns(2);
	ck_assert_int_eq(n->calls, 0);
	say(n);
	say(n);
	ck_assert_int_eq(read(n->w.fd, &c, 1), 1);
	loop_drained(&n->w);
	run_turns(2);
	ck_assert_int_eq(n->calls, 1);
	ck_assert_int_eq(ngot, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loop_drained");
	TCase *t = loop_case(s, "loop_drained");

	tcase_add_checked_fixture(t, begin_to_tell, NULL);
	tcase_add_test(t, new_bytes_come);
	tcase_add_test(t, what_is_left_comes_again);
	tcase_add_test(t, bytes_that_come_meanwhile);
	tcase_add_loop_test(t, the_end_stands_behind_the_bytes, 0, 2);
	tcase_add_loop_test(t, the_end_comes_meanwhile, 0, 2);
	tcase_add_test(t, room_comes_again);
	tcase_add_test(t, what_came_in_a_pause);
	tcase_add_test(t, it_may_cease_to_tell);
	tcase_add_test(t, read_by_another);
	return run_suite(s);
}
