/*
 * prove_test.c - questions about passwords: torn ones, many, late ones, and
 * those that are taken back.  The directory is a socket that says nothing, or
 * nobody at all.
 */
#include "worker/resolver/prove.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/clock.h"
#include "conf/log.h"
#include "t/unit/run.h"

static struct msg got;
static int answers;
static int deaf, port;

static void
on_answer(const struct msg *m)
{
	got = *m;
	answers++;
}

static void
set_up(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	struct err e;

	signal(SIGPIPE, SIG_IGN);
	log_quiet(true);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	deaf = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(deaf, (struct sockaddr *)&in, len), 0);
	ck_assert_int_eq(listen(deaf, 128), 0);
	ck_assert_int_eq(getsockname(deaf, (struct sockaddr *)&in, &len), 0);
	port = ntohs(in.sin_port);
	ck_assert_msg(prove_open(on_answer, &e) == 0, "%s", e.log);
}

/* `texts`, each with its NUL, `len` bytes in all. */
static struct msg
question(uint64_t id, uint64_t limit_ms, const void *texts, size_t len)
{
	struct msg m = { .type = MSG_PROVE,
		.proc = 1,
		.id = id,
		.arg = limit_ms,
		.len = (uint32_t)len,
		.status = MSG_PROVE_LDAP };

	memcpy(m.text, texts, len);
	return m;
}

/* One for the directory that says nothing. */
static void
ask(uint64_t id, uint64_t limit_ms)
{
	char texts[256];
	int n = snprintf(texts, sizeof(texts),
	    "joe%c%cldapserver%c127.0.0.1%cldapport%c%d%cldapprefix%cuid=%"
	    "chush",
	    0, 0, 0, 0, 0, port, 0, 0, 0);
	struct msg m = question(id, limit_ms, texts, (size_t)n + 1);

	prove_ask(&m, clock_now_ms());
}

/* Run as the resolver does, until there are `n` answers. */
static void
await(int n, int ms)
{
	uint64_t end = clock_now_ms() + (uint64_t)ms;

	while (answers < n) {
		struct pollfd p[PROVE_FDS];
		int wait = prove_wait_ms(clock_now_ms());

		ck_assert_msg(clock_now_ms() < end, "%d answers", answers);
		prove_poll(p);
		ck_assert_int_ge(
		    poll(p, PROVE_FDS, wait < 0 || wait > 100 ? 100 : wait), 0);
		prove_run(p, clock_now_ms());
	}
}

#define TORN(s)                  \
	{                        \
		s, sizeof(s) - 1 \
	}

/* Whoever sends these is no worker of ours. */
static const struct {
	const char *texts;
	size_t len;
} torn[] = {
	TORN(""),
	TORN("joe"),
	TORN("joe\0"),
	TORN("joe\0\0"),
	TORN("joe\0\0hush"),
	TORN("\0\0hush\0"),
	TORN("joe\0\0ldapserver\0hush\0"),
	TORN("joe\0\0ldapserver\0a\0hush"),
	TORN("joe\0\0ldapserver\0a\0ldapport\0hush\0"),
	TORN("joe\0\0ldapserver\0a/b\0hush\0"),
	TORN("a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0n\0o\0p\0q\0r\0s\0t\0u\0v"
	     "\0w\0x\0y\0z\0a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0"),
};

START_TEST(torn_questions)
{
	struct msg m = question(7, 1000, torn[_i].texts, torn[_i].len);

	prove_ask(&m, clock_now_ms());
	/* answered at once, nobody else being asked, and never with yes */
	ck_assert_int_eq(answers, 1);
	ck_assert_uint_eq(got.type, MSG_PROVED);
	ck_assert_uint_eq(got.proc, 1);
	ck_assert_uint_eq(got.id, 7);
	ck_assert_uint_ne(got.status, MSG_PROVED_RIGHT);
	ck_assert_uint_ne(got.status, MSG_PROVED_NOBODY);
}
END_TEST

START_TEST(nobody_there_is_no)
{
	close(deaf);
	ask(1, 5000);
	await(1, 20000);
	ck_assert_uint_eq(got.status, MSG_PROVED_WRONG);
	ck_assert_uint_eq(got.len, 0);
}
END_TEST

START_TEST(silence_is_no_in_time)
{
	uint64_t from = clock_now_ms();

	ask(1, 600);
	/* the same question is not asked twice */
	ask(1, 600);
	await(1, 20000);
	ck_assert_uint_eq(got.status, MSG_PROVED_WRONG);
	ck_assert_uint_lt(clock_now_ms() - from, PROVE_LDAP_MS - 1000);
	ck_assert_int_eq(prove_wait_ms(clock_now_ms()), -1);
}
END_TEST

START_TEST(taken_back)
{
	struct msg end = { .type = MSG_PROVE_END, .proc = 1 };

	for (uint64_t id = 1; id <= 3 * PROVE_THREADS; id++)
		ask(id, 5000);
	ck_assert_int_ge(prove_wait_ms(clock_now_ms()), 0);
	for (end.id = 1; end.id <= 3 * PROVE_THREADS; end.id++)
		prove_end(&end);
	ck_assert_int_eq(prove_wait_ms(clock_now_ms()), -1);
	/* harmless for what is not there */
	prove_end(&end);
	/* another's stays */
	ask(99, 800);
	end.id = 99;
	end.proc = 0;
	prove_end(&end);
	await(1, 20000);
	ck_assert_uint_eq(got.id, 99);
}
END_TEST

START_TEST(too_many)
{
	uint64_t id;

	for (id = 1; id <= PROVE_QUESTIONS; id++)
		ask(id, 800);
	ck_assert_int_eq(answers, 0);
	ask(id, 800);
	ck_assert_int_eq(answers, 1);
	ck_assert_uint_eq(got.id, id);
	ck_assert_uint_eq(got.status, MSG_PROVED_BUSY);
	/* and all the others get theirs */
	await(PROVE_QUESTIONS + 1, 20000);
	ck_assert_uint_eq(got.status, MSG_PROVED_WRONG);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("prove");
	TCase *tc = tcase_create("prove");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_loop_test(
	    tc, torn_questions, 0, (int)(sizeof(torn) / sizeof(*torn)));
	tcase_add_test(tc, nobody_there_is_no);
	tcase_add_test(tc, silence_is_no_in_time);
	tcase_add_test(tc, taken_back);
	tcase_add_test(tc, too_many);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
