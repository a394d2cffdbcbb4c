/*
 * askpass_test.c - a password is asked for once, answered once, and taken back
 * when nobody waits any more.  The test is the resolver and the clock.
 */
#include "worker/askpass.h"

#include <stdatomic.h>
#include <string.h>

#include "conf/clock.h"
#include "shm/chan.h"
#include "t/unit/shmtest.h"
#include "worker/io/loop.h"
#include "worker/self.h"

enum { N = 3, LIMIT_MS = 8000, NOBODY_MS = 250 };

static struct chan theirs;
static struct askpass asks[N];
static int calls[N];
static enum msg_proved got[N];
static struct msg last; /* that the resolver was sent */

static void
set_up(void)
{
	struct err e;

	fresh_segment(1, 16, 4);
	ck_assert_msg(chan_pair(&self.chan, &theirs, &e) == 0, "%s", e.log);
	self.me = 0;
	loop_now_us = clock_now_us();
}

static void
on_answer(struct askpass *a, enum msg_proved what)
{
	calls[a - asks]++;
	got[a - asks] = what;
}

static void
ask(int i, const char *user, const char *password)
{
	askpass_init(&asks[i], MSG_PROVE_PAM);
	ck_assert_int_eq(askpass_add(&asks[i], user), 0);
	ck_assert_int_eq(askpass_add(&asks[i], password), 0);
	ck_assert_int_eq(askpass(&asks[i], LIMIT_MS, on_answer), 0);
}

/* What the resolver has been sent: its type, or MSG_NONE. */
static uint16_t
sent(void)
{
	bool truncated;
	int fd;

	if (chan_recv(&theirs, &last, &fd, &truncated) != DONE)
		return MSG_NONE;
	return last.type;
}

static void
answer(uint64_t id, uint32_t status)
{
	struct msg m = { .type = MSG_PROVED, .id = id, .status = status };

	askpass_on_message(&m);
}

static void
pass_ms(int ms)
{
	loop_now_us += (uint64_t)ms * 1000;
	deadline_run(loop_now_us);
}

/* The resolver has died, and another one has its place. */
static void
restart(void)
{
	atomic_fetch_add(&proc_at(proc_resolver())->restarts, 1);
}

START_TEST(asked_and_answered_once)
{
	set_up();
	ask(0, "joe", "hush");
	ck_assert_uint_eq(sent(), MSG_PROVE);
	ck_assert_uint_eq(last.status, MSG_PROVE_PAM);
	ck_assert_uint_eq(last.arg, LIMIT_MS);
	ck_assert_uint_eq(last.len, 9);
	ck_assert_int_eq(memcmp(last.text, "joe\0hush", 9), 0);
	/* a directory counts: it is not asked again for want of patience */
	pass_ms(4000);
	pass_ms(1000);
	ck_assert_uint_eq(sent(), MSG_NONE);
	answer(last.id + 1, MSG_PROVED_RIGHT);
	ck_assert_int_eq(calls[0], 0);
	answer(last.id, MSG_PROVED_RIGHT);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(got[0], MSG_PROVED_RIGHT);
	answer(last.id, MSG_PROVED_RIGHT);
	ck_assert_int_eq(calls[0], 1);
	askpass_fini(&asks[0]);
	ck_assert_uint_eq(sent(), MSG_NONE);
	ck_assert_uint_eq(deadline_next(), 0);
}
END_TEST

/* The answers of one are none of another's, even for the same user. */
START_TEST(each_its_own)
{
	uint64_t first;

	set_up();
	ask(0, "joe", "right");
	ck_assert_uint_eq(sent(), MSG_PROVE);
	first = last.id;
	ask(1, "joe", "wrong");
	ck_assert_uint_eq(sent(), MSG_PROVE);
	ck_assert_uint_ne(last.id, first);
	answer(first, MSG_PROVED_RIGHT);
	ck_assert_int_eq(calls[1], 0);
	answer(last.id, MSG_PROVED_WRONG);
	ck_assert_int_eq(got[0], MSG_PROVED_RIGHT);
	ck_assert_int_eq(got[1], MSG_PROVED_WRONG);
	/* only one word is a yes */
	for (uint32_t status = 2; status < 40; status++) {
		ask(2, "joe", "x");
		ck_assert_uint_eq(sent(), MSG_PROVE);
		answer(last.id, status);
		ck_assert_int_ne(got[2], MSG_PROVED_RIGHT);
	}
	ck_assert_int_eq(calls[2], 38);
}
END_TEST

/* An answer to a question of long ago, or of nobody: its number may have the
 * same remainder. */
START_TEST(numbers_are_whole)
{
	uint64_t first;

	set_up();
	ask(0, "joe", "hush");
	ck_assert_uint_eq(sent(), MSG_PROVE);
	first = last.id;
	for (uint64_t n = 1; n <= 4096; n *= 2) {
		answer(first + n, MSG_PROVED_RIGHT);
		answer(first - n, MSG_PROVED_RIGHT);
	}
	ck_assert_int_eq(calls[0], 0);
	/* all remainders there are, and this one's again */
	for (int i = 0; i < 300; i++) {
		ask(1, "joe", "x");
		askpass_fini(&asks[1]);
		while (sent() != MSG_NONE)
			continue;
		ask(2, "joe", "x");
		answer(first + 2 * (uint64_t)i + 2, MSG_PROVED_WRONG);
		ck_assert_int_eq(calls[2], i + 1);
		while (sent() != MSG_NONE)
			continue;
	}
	ck_assert_int_eq(calls[0], 0);
	answer(first, MSG_PROVED_RIGHT);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(got[0], MSG_PROVED_RIGHT);
}
END_TEST

START_TEST(taken_back)
{
	uint64_t id;

	set_up();
	ask(0, "joe", "hush");
	ck_assert_uint_eq(sent(), MSG_PROVE);
	id = last.id;
	askpass_fini(&asks[0]);
	ck_assert_uint_eq(sent(), MSG_PROVE_END);
	ck_assert_uint_eq(last.id, id);
	ck_assert_uint_eq(last.len, 0);
	answer(id, MSG_PROVED_RIGHT);
	pass_ms(20000);
	ck_assert_int_eq(calls[0], 0);
	/* and forgotten */
	for (size_t i = 0; i < sizeof(asks[0].question.text); i++)
		ck_assert_uint_eq(asks[0].question.text[i], 0);
}
END_TEST

START_TEST(no_answer_is_no)
{
	set_up();
	ask(0, "joe", "hush");
	pass_ms(LIMIT_MS);
	ck_assert_int_eq(calls[0], 0);
	pass_ms(499);
	ck_assert_int_eq(calls[0], 0);
	pass_ms(1);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(got[0], MSG_PROVED_WRONG);
}
END_TEST

START_TEST(a_dead_resolver_is_asked_again_once)
{
	uint64_t id;

	set_up();
	ask(0, "joe", "hush");
	ck_assert_uint_eq(sent(), MSG_PROVE);
	id = last.id;
	restart();
	pass_ms(1000);
	ck_assert_uint_eq(sent(), MSG_PROVE);
	ck_assert_uint_eq(last.id, id);
	ck_assert_int_eq(memcmp(last.text, "joe\0hush", 9), 0);
	/* it may be the question that kills it */
	restart();
	pass_ms(1000);
	ck_assert_uint_eq(sent(), MSG_NONE);
	ck_assert_int_eq(got[0], MSG_PROVED_WRONG);
	ck_assert_int_eq(calls[0], 1);
}
END_TEST

START_TEST(nobody_there_yet)
{
	set_up();
	ask(0, "joe", "hush");
	for (int i = 0; i < 5; i++) {
		ck_assert_uint_eq(sent(), MSG_PROVE);
		answer(last.id, MSG_PROVED_NOBODY);
		/* soon, but not in a circle */
		pass_ms(NOBODY_MS - 1);
		ck_assert_uint_eq(sent(), MSG_NONE);
		pass_ms(1);
	}
	ck_assert_uint_eq(sent(), MSG_PROVE);
	answer(last.id, MSG_PROVED_RIGHT);
	ck_assert_int_eq(got[0], MSG_PROVED_RIGHT);
}
END_TEST

/* It has never been there at all: no is the answer, in time. */
START_TEST(nobody_ever)
{
	int times = 0;

	set_up();
	ask(0, "joe", "hush");
	for (int ms = 0; calls[0] == 0; ms += 50) {
		ck_assert_int_le(ms, LIMIT_MS + 500);
		while (sent() == MSG_PROVE) {
			times++;
			answer(last.id, MSG_PROVED_NOBODY);
		}
		pass_ms(50);
	}
	ck_assert_int_eq(times, 1 + (LIMIT_MS + 499) / NOBODY_MS);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(got[0], MSG_PROVED_WRONG);
	ck_assert_uint_eq(deadline_next(), 0);
}
END_TEST

/* The channel is full for a while: no cost to the question. */
START_TEST(not_sent)
{
	struct msg m = { .type = MSG_LOG_REOPEN };
	uint16_t type;

	set_up();
	while (chan_send(&self.chan, &m, -1) == 0)
		;
	ask(0, "joe", "hush");
	while ((type = sent()) != MSG_NONE || chan_is_waiting(&self.chan)) {
		ck_assert_uint_ne(type, MSG_PROVE);
		(void)chan_flush(&self.chan);
	}
	pass_ms(NOBODY_MS);
	ck_assert_uint_eq(sent(), MSG_PROVE);
	/* and with it in there, the resolver has it until it dies */
	pass_ms(NOBODY_MS);
	ck_assert_uint_eq(sent(), MSG_NONE);
	restart();
	pass_ms(1000);
	ck_assert_uint_eq(sent(), MSG_PROVE);
	answer(last.id, MSG_PROVED_RIGHT);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(got[0], MSG_PROVED_RIGHT);
}
END_TEST

START_TEST(no_more_than_fits)
{
	char most[MSG_TEXT];

	set_up();
	memset(most, 'x', sizeof(most));
	most[sizeof(most) - 1] = '\0';
	askpass_init(&asks[0], MSG_PROVE_LDAP);
	ck_assert_int_eq(askpass_add(&asks[0], "u"), 0);
	ck_assert_int_eq(askpass_add(&asks[0], most), -1);
	ck_assert_uint_eq(asks[0].question.len, 2);
	most[sizeof(most) - 3] = '\0';
	ck_assert_int_eq(askpass_add(&asks[0], most), 0);
	ck_assert_int_eq(askpass_add(&asks[0], ""), -1);
	ck_assert_uint_eq(asks[0].question.len, MSG_TEXT);
	ck_assert_int_eq(askpass(&asks[0], LIMIT_MS, on_answer), 0);
	ck_assert_uint_eq(sent(), MSG_PROVE);
	ck_assert_uint_eq(last.len, MSG_TEXT);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = { TEST(asked_and_answered_once),
		TEST(each_its_own), TEST(numbers_are_whole), TEST(taken_back),
		TEST(no_answer_is_no),
		TEST(a_dead_resolver_is_asked_again_once),
		TEST(nobody_there_yet), TEST(nobody_ever), TEST(not_sent),
		TEST(no_more_than_fits), NO_MORE_TESTS };

	return run_tests("askpass", tests, 10);
}
