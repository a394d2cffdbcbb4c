/*
 * dns_test.c - every question gets one answer, in time, however slow the
 * others' look-ups are.  The look-ups are the test's own: "slow" hangs until
 * the test lets go.
 */
#include "worker/resolver/dns.h"

#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <netdb.h>

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/clock.h"
#include "t/unit/run.h"

enum { LIMIT_MS = 400 };

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int lookups, hanging;

static int
look_up(const char *host, struct msg_addrs *out, char *why)
{
	atomic_fetch_add(&lookups, 1);
	if (strncmp(host, "slow", 4) == 0) {
		atomic_fetch_add(&hanging, 1);
		pthread_mutex_lock(&gate);
		pthread_mutex_unlock(&gate);
		atomic_fetch_sub(&hanging, 1);
	}
	if (strcmp(host, "bad") == 0) {
		snprintf(why, DNS_WHY, "it is bad");
		return -1;
	}
	memset(out, 0, sizeof(*out));
	out->n = 1;
	out->a[0].family = 4;
	out->a[0].addr[0] = (uint8_t)host[0];
	return 0;
}

static void
set_up(void)
{
	struct err e;

	ck_assert_msg(dns_open(look_up, LIMIT_MS, &e) == 0, "%s", e.log);
	pthread_mutex_lock(&gate);
}

/* Wait for one answer as the resolver does; false: none within `ms`. */
static bool
await(int ms, struct dns_answer *a)
{
	uint64_t end = clock_now_ms() + (uint64_t)ms;

	while (!dns_take(clock_now_ms(), a)) {
		struct pollfd p = { .fd = dns_fd(), .events = POLLIN };
		uint64_t now = clock_now_ms();
		int due = dns_wait_ms(now), left = (int)(end - now);

		if (now >= end)
			return false;
		if (poll(&p, 1, due >= 0 && due < left ? due : left) > 0)
			dns_clear();
	}
	return true;
}

START_TEST(answers_come)
{
	struct dns_answer a;

	ck_assert_int_eq(dns_wait_ms(clock_now_ms()), -1);
	ck_assert_int_eq(dns_ask(3, 17, "x"), 0);
	ck_assert_int_ge(dns_wait_ms(clock_now_ms()), 0);
	ck_assert_int_le(dns_wait_ms(clock_now_ms()), LIMIT_MS);
	ck_assert(await(5000, &a));
	ck_assert_uint_eq(a.proc, 3);
	ck_assert_uint_eq(a.id, 17);
	ck_assert_uint_eq(a.status, DNS_WELL);
	ck_assert_uint_eq(a.addrs.n, 1);
	ck_assert_uint_eq(a.addrs.a[0].addr[0], 'x');
	ck_assert_int_eq(dns_ask(3, 18, "bad"), 0);
	ck_assert(await(5000, &a));
	ck_assert_uint_eq(a.status, DNS_FAILED);
	ck_assert_str_eq(a.why, "it is bad");
	ck_assert(!await(20, &a));
	ck_assert_int_eq(dns_wait_ms(clock_now_ms()), -1);
}
END_TEST

START_TEST(a_slow_one_delays_nobody)
{
	struct dns_answer a;
	uint64_t from;

	for (uint64_t i = 0; i < DNS_THREADS - 1; i++)
		ck_assert_int_eq(dns_ask(0, i, "slow"), 0);
	from = clock_now_ms();
	ck_assert_int_eq(dns_ask(1, 99, "fast"), 0);
	ck_assert(await(5000, &a));
	ck_assert_uint_eq(a.id, 99);
	ck_assert_uint_eq(a.status, DNS_WELL);
	ck_assert_uint_lt(clock_now_ms() - from, LIMIT_MS);
	pthread_mutex_unlock(&gate);
}
END_TEST

START_TEST(a_hanging_one_times_out_and_its_result_is_thrown_away)
{
	struct dns_answer a;
	uint64_t from = clock_now_ms();

	ck_assert_int_eq(dns_ask(0, 1, "slow"), 0);
	ck_assert(await(20000, &a));
	ck_assert_uint_eq(a.id, 1);
	ck_assert_uint_eq(a.status, DNS_TIMED_OUT);
	ck_assert_uint_ge(clock_now_ms() - from, LIMIT_MS);
	ck_assert_uint_lt(clock_now_ms() - from, LIMIT_MS * 50);
	pthread_mutex_unlock(&gate);
	ck_assert(!await(50, &a));
	/* and its thread is of use again */
	for (int ms = 0; atomic_load(&hanging) > 0; ms++) {
		ck_assert_int_lt(ms, 5000);
		poll(NULL, 0, 1);
	}
	ck_assert_int_eq(dns_ask(0, 2, "y"), 0);
	ck_assert(await(5000, &a));
	ck_assert_uint_eq(a.id, 2);
	ck_assert_uint_le(dns_threads(), 2);
}
END_TEST

START_TEST(threads_are_bounded_and_go_again)
{
	enum { ASKED = DNS_THREADS + 20 };
	bool seen[ASKED] = { false };
	struct dns_answer a;
	int looked;

	for (uint64_t i = 0; i < ASKED; i++)
		ck_assert_int_eq(dns_ask(0, i, "slow"), 0);
	ck_assert_uint_eq(dns_threads(), DNS_THREADS);
	for (int i = 0; i < ASKED; i++) {
		ck_assert(await(5000, &a));
		ck_assert_uint_eq(a.status, DNS_TIMED_OUT);
		ck_assert_uint_lt(a.id, ASKED);
		ck_assert(!seen[a.id]);
		seen[a.id] = true;
	}
	looked = atomic_load(&lookups);
	ck_assert_int_le(looked, DNS_THREADS);
	pthread_mutex_unlock(&gate);
	for (int ms = 0; dns_threads() > DNS_IDLE; ms++) {
		ck_assert_int_lt(ms, 5000);
		poll(NULL, 0, 1);
	}
	/* what was withdrawn from the queue is not looked up afterwards */
	ck_assert_int_eq(dns_ask(0, 999, "z"), 0);
	ck_assert(await(5000, &a));
	ck_assert_uint_eq(a.id, 999);
	ck_assert_int_eq(atomic_load(&lookups), looked + 1);
}
END_TEST

START_TEST(an_impatient_asker_is_answered_once)
{
	struct dns_answer a;

	ck_assert_int_eq(dns_ask(0, 1, "slow"), 0);
	ck_assert_int_eq(dns_ask(0, 1, "slow"), 0);
	/* another process's number, or another name, is another question */
	ck_assert_int_eq(dns_ask(1, 1, "slow"), 0);
	ck_assert_int_eq(dns_ask(0, 1, "slower"), 0);
	pthread_mutex_unlock(&gate);
	for (int i = 0; i < 3; i++)
		ck_assert(await(5000, &a));
	ck_assert(!await(20, &a));
}
END_TEST

START_TEST(too_many_are_refused)
{
	char longer[DNS_HOST + 1];

	memset(longer, 'a', DNS_HOST);
	longer[DNS_HOST] = '\0';
	ck_assert_int_eq(dns_ask(0, 0, longer), -1);
	ck_assert_int_eq(dns_ask(2, 0, longer + 1), 0);
	for (uint64_t i = 1; i < DNS_QUESTIONS; i++)
		ck_assert_int_eq(dns_ask(0, i, "slow"), 0);
	ck_assert_int_eq(dns_ask(0, DNS_QUESTIONS, "slow"), -1);
	pthread_mutex_unlock(&gate);
}
END_TEST

/* What the system finds, in its order: the test is the system. */
static const char *const *found;
static int found_rc;

int
getaddrinfo(const char *restrict host, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict all)
{
	struct addrinfo **at = all;

	ck_assert_str_eq(host, "h");
	ck_assert_ptr_null(service);
	ck_assert_int_eq(hints->ai_family, AF_UNSPEC);
	ck_assert_int_eq(hints->ai_socktype, SOCK_STREAM);
	*all = NULL;
	for (size_t i = 0; found_rc == 0 && found[i] != NULL; i++) {
		struct sockaddr_in6 *in6 = calloc(1, sizeof(*in6));
		struct sockaddr_in *in = (struct sockaddr_in *)(void *)in6;

		*at = calloc(1, sizeof(**at));
		(*at)->ai_addr = (struct sockaddr *)in6;
		(*at)->ai_family = found[i][0] == '?' ? AF_UNIX
		    : strchr(found[i], ':') != NULL   ? AF_INET6
						      : AF_INET;
		if ((*at)->ai_family == AF_INET6) {
			in6->sin6_scope_id = (uint32_t)i;
			ck_assert_int_eq(
			    inet_pton(AF_INET6, found[i], &in6->sin6_addr), 1);
		} else if ((*at)->ai_family == AF_INET) {
			ck_assert_int_eq(
			    inet_pton(AF_INET, found[i], &in->sin_addr), 1);
		}
		at = &(*at)->ai_next;
	}
	return found_rc;
}

void
freeaddrinfo(struct addrinfo *all)
{
	while (all != NULL) {
		struct addrinfo *next = all->ai_next;

		free(all->ai_addr);
		free(all);
		all = next;
	}
}

static int
real_one(const char *const *of, struct msg_addrs *out, char *why)
{
	found = of;
	return dns_lookup("h", out, why);
}

START_TEST(the_real_one_takes_what_there_is)
{
	static const char *const some[] = { "1.2.3.4", "fe80::2", "?",
		"1.2.3.4", "1.2.3.5", "fe80::2", NULL };
	struct msg_addrs a;
	char why[DNS_WHY] = "";

	ck_assert_int_eq(real_one(some, &a, why), 0);
	/* one is of no use, one is there twice; the last has another scope */
	ck_assert_uint_eq(a.n, 4);
	ck_assert_uint_eq(a.a[0].family, 4);
	ck_assert_mem_eq(a.a[0].addr, "\1\2\3\4", 4);
	ck_assert_uint_eq(a.a[1].family, 6);
	ck_assert_uint_eq(a.a[1].scope, 1);
	ck_assert_mem_eq(
	    a.a[1].addr, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
	ck_assert_mem_eq(a.a[2].addr, "\1\2\3\5", 4);
	ck_assert_uint_eq(a.a[3].scope, 5);
}
END_TEST

START_TEST(the_real_one_takes_no_more_than_fit)
{
	static char text[MSG_ADDRS + 1][16];
	const char *many[MSG_ADDRS + 2] = { NULL };
	struct msg_addrs a;
	char why[DNS_WHY] = "";

	for (int i = 0; i <= MSG_ADDRS; i++) {
		snprintf(text[i], sizeof(text[i]), "10.0.0.%d", i);
		many[i] = text[i];
	}
	ck_assert_int_eq(real_one(many, &a, why), 0);
	ck_assert_uint_eq(a.n, MSG_ADDRS);
	ck_assert_uint_eq(a.a[MSG_ADDRS - 1].addr[3], MSG_ADDRS - 1);
}
END_TEST

START_TEST(the_real_one_says_why_not)
{
	static const char *const none[] = { "?", NULL };
	struct msg_addrs a;
	char why[DNS_WHY] = "";

	ck_assert_int_eq(real_one(none, &a, why), -1);
	ck_assert_str_eq(why, "no usable address");
	found_rc = EAI_NONAME;
	ck_assert_int_eq(real_one(none, &a, why), -1);
	ck_assert_int_eq(strncmp(why, gai_strerror(EAI_NONAME), 20), 0);
	ck_assert_uint_eq(a.n, 0);
	found_rc = EAI_SYSTEM;
	ck_assert_int_eq(real_one(none, &a, why), -1);
	ck_assert_str_eq(why, "system error");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns");
	TCase *t = tcase_create("dns");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_test(t, answers_come);
	tcase_add_test(t, a_slow_one_delays_nobody);
	tcase_add_test(
	    t, a_hanging_one_times_out_and_its_result_is_thrown_away);
	tcase_add_test(t, threads_are_bounded_and_go_again);
	tcase_add_test(t, an_impatient_asker_is_answered_once);
	tcase_add_test(t, too_many_are_refused);
	tcase_add_test(t, the_real_one_takes_what_there_is);
	tcase_add_test(t, the_real_one_takes_no_more_than_fit);
	tcase_add_test(t, the_real_one_says_why_not);
	suite_add_tcase(s, t);
	return run_suite(s);
}
