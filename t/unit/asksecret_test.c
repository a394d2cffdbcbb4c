/*
 * asksecret_test.c - a secret comes to whoever asked for it and to nobody
 * else, once, in time.  The test is the resolver and the clock.
 */
#include "worker/asksecret.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conf/clock.h"
#include "t/unit/run.h"
#include "worker/io/deadline.h"
#include "worker/io/loop.h"
#include "worker/self.h"

enum { N = 4, NOBODY_MS = 250 };

static struct chan theirs;
static struct asksecret asks[N];
static struct asksecret_answer got[N];
static int calls[N];
static struct msg question;

static void
set_up(void)
{
	struct err e;

	ck_assert_msg(chan_pair(&self.chan, &theirs, &e) == 0, "%s", e.log);
	self.me = 3;
	loop_now_us = clock_now_us();
	memset(asks, 0, sizeof(asks));
	memset(got, 0, sizeof(got));
	memset(calls, 0, sizeof(calls));
}

static void
tear_down(void)
{
	asksecret_close();
	ck_assert_uint_eq(asksecret_pending(), 0);
	ck_assert_uint_eq(deadline_next(), 0);
	chan_close(&self.chan);
	chan_close(&theirs);
}

static void
on_answer(struct asksecret *a, const struct asksecret_answer *it)
{
	calls[a - asks]++;
	got[a - asks] = *it;
}

static void
ask(int i, const char *database, const char *user)
{
	struct err e;

	ck_assert_int_eq(
	    asksecret(&asks[i], database, user, on_answer, &e), WAIT);
}

/* Is there a question?  It is in `question` then. */
static bool
asked(void)
{
	bool truncated;
	int fd;

	if (chan_recv(&theirs, &question, &fd, &truncated) != DONE)
		return false;
	ck_assert_uint_eq(question.type, MSG_SECRET);
	ck_assert_uint_eq(question.proc, 3);
	return true;
}

static void
answer(uint64_t id, uint32_t status, const void *text, size_t len)
{
	struct msg m = { .type = MSG_SECRET_IS, .proc = 3, .status = status };

	m.id = id;
	m.len = (uint32_t)len;
	memcpy(m.text, text, len);
	asksecret_on_message(&m);
}

static void
pass_ms(int ms)
{
	loop_now_us += (uint64_t)ms * 1000;
	deadline_run(loop_now_us);
}

START_TEST(a_secret)
{
	ask(0, "db", "joe");
	ck_assert(asked());
	ck_assert_uint_eq(question.len, 6);
	ck_assert_int_eq(memcmp(question.text, "db\0joe", 6), 0);
	ck_assert_int_eq(calls[0], 0);
	answer(question.id, MSG_SECRET_FOUND, "hush", 4);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(got[0].status, ASK_WELL);
	ck_assert(got[0].is_known);
	ck_assert_str_eq(got[0].secret, "hush");
	/* said twice is said once; and nothing is kept */
	answer(question.id, MSG_SECRET_FOUND, "hush", 4);
	ck_assert_int_eq(calls[0], 1);
	ask(0, "db", "joe");
	ck_assert(asked());
}
END_TEST

START_TEST(none_and_nobody)
{
	ask(0, "db", "joe");
	ck_assert(asked());
	answer(question.id, MSG_SECRET_FOUND, "", 0);
	ck_assert_int_eq(got[0].status, ASK_WELL);
	ck_assert(got[0].is_known);
	ck_assert_str_eq(got[0].secret, "");
	ask(1, "db", "joe");
	ck_assert(asked());
	answer(question.id, MSG_SECRET_UNKNOWN, "", 0);
	ck_assert_int_eq(got[1].status, ASK_WELL);
	ck_assert(!got[1].is_known);
	ck_assert_str_eq(got[1].secret, "");
}
END_TEST

START_TEST(failures)
{
	static const char text[] = "08006\0it is down";
	char longest[MSG_TEXT];

	ask(0, "db", "joe");
	ck_assert(asked());
	answer(question.id, MSG_SECRET_FAILED, text, sizeof(text) - 1);
	ck_assert_int_eq(got[0].status, ASK_FAILED);
	ck_assert_str_eq(got[0].err.sqlstate, "08006");
	ck_assert_str_eq(got[0].err.say, "it is down");
	/* nothing is believed: no text, no SQLSTATE, no end, no such status */
	ask(1, "db", "joe");
	ck_assert(asked());
	answer(question.id, MSG_SECRET_FAILED, "08006", 5);
	ck_assert_int_eq(got[1].status, ASK_FAILED);
	memset(longest, 'x', sizeof(longest));
	ask(2, "db", "joe");
	ck_assert(asked());
	answer(question.id, MSG_SECRET_FOUND, longest, sizeof(longest));
	ck_assert_int_eq(got[2].status, ASK_FAILED);
	longest[5] = '\0';
	ask(3, "db", "joe");
	ck_assert(asked());
	answer(question.id, 77, longest, sizeof(longest));
	ck_assert_int_eq(got[3].status, ASK_FAILED);
	ck_assert_uint_lt(strlen(got[3].err.say), sizeof(got[3].err.say));
}
END_TEST

/* Equal ones are one; others, however alike, are not. */
START_TEST(shared_and_apart)
{
	uint64_t first;

	ask(0, "db", "joe");
	ck_assert(asked());
	first = question.id;
	ask(1, "db", "joe");
	ck_assert(!asked());
	ask(2, "dbj", "oe");
	ck_assert(asked());
	ck_assert_uint_ne(question.id, first);
	ck_assert_uint_eq(asksecret_pending(), 2);
	answer(question.id, MSG_SECRET_FOUND, "other", 5);
	ck_assert_int_eq(calls[0] + calls[1], 0);
	ck_assert_str_eq(got[2].secret, "other");
	answer(first, MSG_SECRET_FOUND, "hush", 4);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(calls[1], 1);
	ck_assert_str_eq(got[0].secret, "hush");
	ck_assert_str_eq(got[1].secret, "hush");
	ck_assert_int_eq(calls[2], 1);
}
END_TEST

static void
on_answer_cancel(struct asksecret *a, const struct asksecret_answer *it)
{
	on_answer(a, it);
	asksecret_cancel(&asks[1]);
	ask(2, "db", "joe");
}

START_TEST(cancelled)
{
	struct err e;

	ask(0, "db", "joe");
	ck_assert(asked());
	asksecret_cancel(&asks[0]);
	asksecret_cancel(&asks[0]);
	answer(question.id, MSG_SECRET_FOUND, "hush", 4);
	ck_assert_int_eq(calls[0], 0);
	/* by one who is told, before the other is; he asks anew, too */
	ck_assert_int_eq(
	    asksecret(&asks[0], "db", "joe", on_answer_cancel, &e), WAIT);
	ask(1, "db", "joe");
	ck_assert(asked());
	answer(question.id, MSG_SECRET_FOUND, "hush", 4);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(calls[1], 0);
	ck_assert_int_eq(calls[2], 0);
	ck_assert(asked());
	answer(question.id, MSG_SECRET_FOUND, "new", 3);
	ck_assert_str_eq(got[2].secret, "new");
}
END_TEST

START_TEST(asked_again)
{
	uint64_t id;

	ask(0, "db", "joe");
	ck_assert(asked());
	id = question.id;
	pass_ms(ASK_AGAIN_MS - 100);
	ck_assert(!asked());
	pass_ms(200);
	ck_assert(asked());
	ck_assert_uint_eq(question.id, id);
	/* it reached nobody: soon, but not in a circle */
	answer(id, MSG_SECRET_NOBODY, "", 0);
	ck_assert_int_eq(calls[0], 0);
	pass_ms(NOBODY_MS - 1);
	ck_assert(!asked());
	pass_ms(1);
	ck_assert(asked());
	answer(id, MSG_SECRET_FOUND, "hush", 4);
	ck_assert_int_eq(calls[0], 1);
}
END_TEST

START_TEST(given_up)
{
	ask(0, "db", "joe");
	for (int ms = 0; ms < ASK_LIMIT_MS; ms += 500) {
		ck_assert_int_eq(calls[0], 0);
		pass_ms(500);
	}
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(got[0].status, ASK_FAILED);
	ck_assert_str_eq(got[0].err.sqlstate, "08006");
	ck_assert_uint_eq(asksecret_pending(), 0);
}
END_TEST

/* It reaches nobody, ever: a failure in time, and not an end that moves. */
START_TEST(nobody_ever)
{
	int times = 0;

	ask(0, "db", "joe");
	for (int ms = 0; ms < ASK_LIMIT_MS; ms += 50) {
		ck_assert_int_eq(calls[0], 0);
		while (asked()) {
			times++;
			answer(question.id, MSG_SECRET_NOBODY, "", 0);
		}
		pass_ms(50);
	}
	ck_assert_int_eq(times, ASK_LIMIT_MS / NOBODY_MS);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(got[0].status, ASK_FAILED);
}
END_TEST

/* The channel is full for a while. */
START_TEST(not_sent)
{
	struct msg m = { .type = MSG_LOG_REOPEN };
	bool truncated;
	struct msg in;
	int fd;

	while (chan_send(&self.chan, &m, -1) == 0)
		;
	ask(0, "db", "joe");
	while (chan_recv(&theirs, &in, &fd, &truncated) == DONE ||
	    chan_is_waiting(&self.chan)) {
		ck_assert_uint_eq(in.type, MSG_LOG_REOPEN);
		(void)chan_flush(&self.chan);
	}
	pass_ms(300);
	ck_assert(asked());
	ck_assert_int_eq(calls[0], 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("asksecret");
	TCase *t = tcase_create("asksecret");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_secret);
	tcase_add_test(t, none_and_nobody);
	tcase_add_test(t, failures);
	tcase_add_test(t, shared_and_apart);
	tcase_add_test(t, cancelled);
	tcase_add_test(t, asked_again);
	tcase_add_test(t, given_up);
	tcase_add_test(t, nobody_ever);
	tcase_add_test(t, not_sent);
	suite_add_tcase(s, t);
	return run_suite(s);
}
