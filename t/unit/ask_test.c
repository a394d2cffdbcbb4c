/*
 * ask_test.c - every question is answered once, in time, and no more are sent
 * than there are names.  The test is the resolver and the clock.
 */
#include "worker/ask.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/clock.h"
#include "conf/settings.h"
#include "t/unit/run.h"
#include "worker/io/deadline.h"
#include "worker/io/loop.h"

enum { N = 8, NOBODY_MS = 250 };

static struct chan mine, theirs;
static struct conf conf;
static struct ask asks[N];
static int calls[N];
static struct msg question;

static void
set_up(void)
{
	struct err e;

	ck_assert_msg(chan_pair(&mine, &theirs, &e) == 0, "%s", e.log);
	conf.dns_max_ttl_ms = 15000;
	conf.dns_nxdomain_ttl_ms = 5000;
	loop_now_us = clock_now_us();
	memset(asks, 0, sizeof(asks));
	memset(calls, 0, sizeof(calls));
	ask_open(&mine, 3, &conf);
}

static void
tear_down(void)
{
	ask_close();
	ck_assert_uint_eq(ask_names(), 0);
	ck_assert_uint_eq(deadline_next(), 0);
	chan_close(&mine);
	chan_close(&theirs);
}

static void
on_answer(struct ask *a)
{
	ck_assert_int_ne(a->status, ASK_NONE);
	calls[a - asks]++;
}

/* Is there a question?  It is in `question` then. */
static bool
asked(void)
{
	bool truncated;
	int fd;

	if (chan_recv(&theirs, &question, &fd, &truncated) != DONE)
		return false;
	ck_assert_uint_eq(question.type, MSG_RESOLVE);
	ck_assert_uint_eq(question.proc, 3);
	return true;
}

static bool
asked_for(const char *host)
{
	return asked() && question.len == strlen(host) &&
	    memcmp(question.text, host, question.len) == 0;
}

/* The answer to `question`: n addresses, 10.0.0.1 and up; 0: no such name. */
static struct msg
answer_of(uint32_t n)
{
	struct msg m = { .type = MSG_RESOLVED, .proc = 3 };
	struct msg_addrs addrs = { .n = n };

	m.id = question.id;
	for (uint32_t i = 0; i < n; i++) {
		addrs.a[i].family = 4;
		addrs.a[i].addr[0] = 10;
		addrs.a[i].addr[3] = (uint8_t)(i + 1);
	}
	if (n > 0) {
		m.len = sizeof(addrs);
		memcpy(m.text, &addrs, sizeof(addrs));
	} else {
		m.status = 1;
		m.len = 12;
		memcpy(m.text, "no such name", 12);
	}
	return m;
}

static void
answer(uint32_t n)
{
	struct msg m = answer_of(n);

	ask_on_message(&m);
}

static void
pass_ms(int ms)
{
	loop_now_us += (uint64_t)ms * 1000;
	deadline_run(loop_now_us);
}

static enum result
ask(int i, const char *host)
{
	return ask_host(&asks[i], host, 5432, on_answer);
}

START_TEST(figures_are_no_question)
{
	struct sockaddr_storage ss;
	struct sockaddr_in *in4 = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	char text[INET6_ADDRSTRLEN];

	ck_assert_int_eq(ask(0, "192.0.2.7"), DONE);
	ck_assert_uint_eq(ask_sockaddr(&asks[0], 0, &ss), sizeof(*in4));
	ck_assert_int_eq(in4->sin_family, AF_INET);
	ck_assert_uint_eq(ntohs(in4->sin_port), 5432);
	ck_assert_uint_eq(ntohl(in4->sin_addr.s_addr), 0xc0000207);
	ck_assert_uint_eq(ask_sockaddr(&asks[0], 1, &ss), 0);

	ck_assert_int_eq(ask(1, "2001:db8::1"), DONE);
	ck_assert_uint_eq(ask_sockaddr(&asks[1], 0, &ss), sizeof(*in6));
	ck_assert_int_eq(in6->sin6_family, AF_INET6);
	inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
	ck_assert_str_eq(text, "2001:db8::1");

	ck_assert_int_eq(ask(2, "fe80::1%7"), DONE);
	ask_sockaddr(&asks[2], 0, &ss);
	ck_assert_uint_eq(in6->sin6_scope_id, 7);
	ck_assert(!asked());
	ck_assert_int_eq(calls[0] + calls[1] + calls[2], 0);
}
END_TEST

START_TEST(an_answer_is_kept)
{
	struct sockaddr_storage ss;
	struct sockaddr_in *in4 = (struct sockaddr_in *)&ss;

	ck_assert_int_eq(ask(0, "db.example"), WAIT);
	ck_assert(asked_for("db.example"));
	ck_assert_uint_eq(ask_pending(), 1);
	answer(1);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(asks[0].status, ASK_WELL);
	ask_sockaddr(&asks[0], 0, &ss);
	ck_assert_uint_eq(ntohl(in4->sin_addr.s_addr), 0x0a000001);
	ck_assert_uint_eq(ask_pending(), 0);
	/* as long as dns_max_ttl says, whatever the letters' case */
	pass_ms(14900);
	ck_assert_int_eq(ask(1, "DB.example"), DONE);
	ck_assert(!asked());
	pass_ms(200);
	ck_assert_int_eq(ask(2, "db.example"), WAIT);
	ck_assert(asked());
	ck_assert_int_eq(calls[0], 1);
}
END_TEST

START_TEST(a_failure_is_kept_less_long)
{
	ck_assert_int_eq(ask(0, "nowhere"), WAIT);
	ck_assert(asked());
	answer(0);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(asks[0].status, ASK_FAILED);
	ck_assert_ptr_nonnull(strstr(asks[0].err.log, "no such name"));
	ck_assert_ptr_nonnull(strstr(asks[0].err.log, "nowhere"));
	ck_assert_ptr_null(strstr(asks[0].err.say, "nowhere"));
	pass_ms(4900);
	ck_assert_int_eq(ask(1, "nowhere"), FAIL);
	ck_assert(!asked());
	pass_ms(200);
	ck_assert_int_eq(ask(2, "nowhere"), WAIT);
	ck_assert(asked());
}
END_TEST

START_TEST(settings_change)
{
	struct conf other = { .dns_max_ttl_ms = 0 };

	ask_conf(&other);
	ck_assert_int_eq(ask(0, "a"), WAIT);
	ck_assert(asked());
	answer(1);
	ck_assert_int_eq(asks[0].status, ASK_WELL);
	ck_assert_int_eq(ask(1, "a"), WAIT);
	ck_assert(asked());
}
END_TEST

START_TEST(equal_questions_are_one)
{
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(ask(i, i == 5 ? "other" : "same"), WAIT);
	ck_assert(asked_for("same"));
	struct msg same = answer_of(2);

	ck_assert(asked_for("other"));
	ck_assert(!asked());
	ask_cancel(&asks[3]);
	ask_cancel(&asks[3]);
	ask_on_message(&same);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(calls[i], i != 3 && i != 5);
	/* said twice, it is heard once */
	ask_on_message(&same);
	ck_assert_int_eq(calls[0], 1);
}
END_TEST

START_TEST(several_addresses_take_turns)
{
	uint32_t seen[3] = { 0 };

	ck_assert_int_eq(ask(0, "many"), WAIT);
	ck_assert(asked());
	answer(3);
	for (int i = 0; i < 9; i++) {
		ck_assert_int_eq(ask(1, "many"), DONE);
		ck_assert_uint_eq(asks[1].addrs.n, 3);
		seen[asks[1].addrs.a[0].addr[3] - 1]++;
	}
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(seen[i], 3);
}
END_TEST

START_TEST(a_lost_question_is_sent_again)
{
	uint64_t id;

	ck_assert_int_eq(ask(0, "a"), WAIT);
	ck_assert(asked());
	id = question.id;
	pass_ms(ASK_AGAIN_MS - 1);
	ck_assert(!asked());
	pass_ms(2);
	ck_assert(asked());
	ck_assert_uint_eq(question.id, id);
	answer(1);
	ck_assert_int_eq(calls[0], 1);
	pass_ms(ASK_AGAIN_MS);
	ck_assert(!asked());
}
END_TEST

START_TEST(a_missing_resolver_is_waited_for)
{
	struct msg nobody;

	ck_assert_int_eq(ask(0, "a"), WAIT);
	ck_assert(asked());
	nobody = answer_of(0);
	nobody.len = 0;
	ask_on_message(&nobody);
	ck_assert_int_eq(calls[0], 0);
	/* soon, but not in a circle */
	pass_ms(NOBODY_MS - 1);
	ck_assert(!asked());
	pass_ms(1);
	ck_assert(asked());
	ck_assert_uint_eq(question.id, nobody.id);
	answer(1);
	ck_assert_int_eq(asks[0].status, ASK_WELL);
	/* but not for ever */
	ck_assert_int_eq(ask(1, "b"), WAIT);
	for (int ms = 0; ms <= ASK_LIMIT_MS; ms += 250) {
		while (asked()) {
			nobody.id = question.id;
			ask_on_message(&nobody);
		}
		pass_ms(250);
	}
	ck_assert_int_eq(calls[1], 1);
	ck_assert_int_eq(asks[1].status, ASK_FAILED);
}
END_TEST

START_TEST(no_answer_is_a_failure_in_time)
{
	struct msg late;

	ck_assert_int_eq(ask(0, "a"), WAIT);
	ck_assert(asked());
	late = answer_of(1);
	for (int ms = 0; ms < ASK_LIMIT_MS - 100; ms += 100)
		pass_ms(100);
	ck_assert_int_eq(calls[0], 0);
	pass_ms(101);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(asks[0].status, ASK_FAILED);
	while (asked())
		;
	/* silence is not kept: who asks next may have more luck */
	ck_assert_int_eq(ask(1, "a"), WAIT);
	ck_assert(asked());
	ask_on_message(&late);
	ck_assert_int_eq(calls[1], 0);
	answer(1);
	ck_assert_int_eq(asks[1].status, ASK_WELL);
}
END_TEST

START_TEST(an_answer_to_a_predecessor_is_none_of_ours)
{
	struct msg old;

	ck_assert_int_eq(ask(0, "a"), WAIT);
	ck_assert(asked());
	old = answer_of(1);
	/* the process dies, and another takes over its number */
	ask_close();
	calls[0] = 0;
	ask_open(&mine, 3, &conf);
	ck_assert_int_eq(ask(0, "b"), WAIT);
	ask_on_message(&old);
	ck_assert_int_eq(calls[0], 0);
}
END_TEST

static void
on_answer_cancel_rest(struct ask *a)
{
	on_answer(a);
	for (int i = 0; i < N; i++)
		ask_cancel(&asks[i]);
}

START_TEST(a_callback_cancels_the_rest)
{
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(
		    ask_host(&asks[i], "a", 1, on_answer_cancel_rest), WAIT);
	ck_assert(asked());
	answer(1);
	ck_assert_int_eq(calls[0], 1);
	for (int i = 1; i < N; i++)
		ck_assert_int_eq(calls[i], 0);
}
END_TEST

static void
on_answer_again(struct ask *a)
{
	on_answer(a);
	if (calls[a - asks] == 1)
		ck_assert_int_eq(ask_host(a, "a", 1, on_answer_again), WAIT);
}

START_TEST(a_callback_asks_anew)
{
	struct conf other = { .dns_max_ttl_ms = 0 };

	ask_conf(&other);
	ck_assert_int_eq(ask_host(&asks[0], "a", 1, on_answer_again), WAIT);
	ck_assert(asked());
	answer(1);
	ck_assert_int_eq(calls[0], 1);
	ck_assert(asked());
	answer(1);
	ck_assert_int_eq(calls[0], 2);
	ck_assert(!asked());
}
END_TEST

START_TEST(bad_answers_fail)
{
	static const uint32_t counts[] = { 0, MSG_ADDRS + 1, UINT32_MAX };
	struct msg m;

	for (int i = 0; i < 3; i++) {
		const char *name = i == 0 ? "x" : i == 1 ? "y" : "z";

		ck_assert_int_eq(ask(i, name), WAIT);
		ck_assert(asked());
		m = answer_of(1);
		memcpy(m.text, &counts[i], sizeof(counts[i]));
		ask_on_message(&m);
		ck_assert_int_eq(asks[i].status, ASK_FAILED);
	}
	ck_assert_int_eq(ask(3, "short"), WAIT);
	ck_assert(asked());
	m = answer_of(1);
	m.len--;
	ask_on_message(&m);
	ck_assert_int_eq(asks[3].status, ASK_FAILED);
	ck_assert_int_eq(ask(4, "family"), WAIT);
	ck_assert(asked());
	m = answer_of(1);
	m.text[offsetof(struct msg_addrs, a)] = 5;
	ask_on_message(&m);
	ck_assert_int_eq(asks[4].status, ASK_FAILED);
}
END_TEST

START_TEST(impossible_names_fail_at_once)
{
	char longer[300];

	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(ask(0, longer), FAIL);
	ck_assert_int_eq(asks[0].status, ASK_FAILED);
	ck_assert_int_eq(ask(0, ""), FAIL);
	chan_close(&mine);
	ck_assert_int_eq(ask(0, "a"), FAIL);
	ck_assert_int_eq(calls[0], 0);
}
END_TEST

START_TEST(closing_tells_who_waits)
{
	ck_assert_int_eq(ask(0, "a"), WAIT);
	ck_assert_int_eq(ask(1, "b"), WAIT);
	ask_close();
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(calls[1], 1);
	ck_assert_int_eq(asks[0].status, ASK_FAILED);
}
END_TEST

/* More names than are kept: the oldest go, none of those that are asked. */
START_TEST(the_table_is_bounded)
{
	ck_assert_int_eq(ask(0, "first"), WAIT);
	ck_assert(asked());
	for (int i = 0; i < 3000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		ck_assert_int_eq(ask(1, name), WAIT);
		ck_assert(asked_for(name));
		loop_now_us++;
		answer(1);
		ck_assert_int_eq(asks[1].status, ASK_WELL);
	}
	ck_assert_uint_le(ask_names(), 1024);
	ck_assert_int_eq(ask(2, "first"), WAIT);
	ck_assert(!asked());
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ask");
	TCase *t = tcase_create("ask");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, figures_are_no_question);
	tcase_add_test(t, an_answer_is_kept);
	tcase_add_test(t, a_failure_is_kept_less_long);
	tcase_add_test(t, settings_change);
	tcase_add_test(t, equal_questions_are_one);
	tcase_add_test(t, several_addresses_take_turns);
	tcase_add_test(t, a_lost_question_is_sent_again);
	tcase_add_test(t, a_missing_resolver_is_waited_for);
	tcase_add_test(t, no_answer_is_a_failure_in_time);
	tcase_add_test(t, an_answer_to_a_predecessor_is_none_of_ours);
	tcase_add_test(t, a_callback_cancels_the_rest);
	tcase_add_test(t, a_callback_asks_anew);
	tcase_add_test(t, bad_answers_fail);
	tcase_add_test(t, impossible_names_fail_at_once);
	tcase_add_test(t, closing_tells_who_waits);
	tcase_add_test(t, the_table_is_bounded);
	suite_add_tcase(s, t);
	return run_suite(s);
}
