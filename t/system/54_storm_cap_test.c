/*
 * 54_storm_cap_test.c - more clients at the door than may log in at a time:
 * who has to wait, who has to go, and who notices nothing of it.
 */
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/swarm.h"
#include "t/lib/wire.h"
#include "t/system/door.h"

enum { HELLOS = 150 };

/* The next wait in the backlog, and come in as others leave. */
START_TEST(cap_reached_and_released)
{
	struct wire *w[30], *late;
	PGconn *admin, *c;
	long before;

	with("max_client_logins = 10");
	admin = pooler_console(p, "admin");
	c = pooler_conn(p, "");
	before = descriptors(admin);
	for (int i = 0; i < 10; i++)
		w[i] = dial();
	UNTIL(5000, before == -1 || descriptors(admin) == before + 10);
	late = dial();
	start_as(late, "app", "app");
	/* it is neither refused nor served; who is in is */
	ck_assert(wire_is_quiet(late, 500));
	ck_assert_int_eq(sql_num(c, "SELECT 3"), 3);
	if (before != -1)
		ck_assert_int_eq(descriptors(admin), before + 10);
	for (int i = 0; i < 5; i++)
		wire_free(w[i]);
	wire_expect(late, "RKZ");
	for (int i = 5; i < 10; i++)
		wire_free(w[i]);
	wire_free(late);
	UNTIL(5000, descriptors(admin) == before);
	PQfinish(c);
	PQfinish(admin);
	pooler_stop(p);
}
END_TEST

/* Who let us wait for long makes room once others wait for it. */
START_TEST(silent_ones_make_room)
{
	struct wire *w[30];
	PGconn *c;
	int64_t from = now_ms();
	int told = 0;

	with("max_client_logins = 10");
	for (int i = 0; i < 30; i++)
		w[i] = dial();
	c = pooler_conn(p, "connect_timeout=25");
	ck_assert_int_lt(now_ms() - from, 25000);
	ck_assert_int_eq(sql_num(c, "SELECT 4"), 4);
	PQfinish(c);
	for (int i = 0; i < 10; i++)
		told += is_closed_with(w[i], "too many clients are logging in");
	ck_assert_int_eq(told, 10);
	for (int i = 0; i < 30; i++)
		wire_free(w[i]);
	pooler_stop(p);
}
END_TEST

/*
 * And they take no place of max_client_conn, and no row of the segment, from
 * those who say who they are.
 */
START_TEST(silent_ones_do_not_fill_max_client_conn)
{
	static struct wire *w[400];
	PGconn *admin, *c;
	int64_t from;
	long before;

	with("max_client_conn = 20");
	admin = pooler_console(p, "admin");
	before = descriptors(admin);
	for (int i = 0; i < 400; i++)
		w[i] = dial();
	UNTIL(5000, before == -1 || descriptors(admin) >= before + 200);
	/* a moment ago they may have been about to speak */
	sql_refused(pooler_at(p, ""), "no more connections allowed");
	from = now_ms();
	UNTIL(10000, now_ms() - from > 5500);
	c = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(c, "SELECT 5"), 5);
	PQfinish(c);
	PQfinish(admin);
	for (int i = 0; i < 400; i++)
		wire_free(w[i]);
	pooler_stop(p);
}
END_TEST

/* A burst above the cap: all come in, none is refused. */
START_TEST(burst_beyond_the_cap)
{
	struct swarm *s;

	with("max_client_logins = 20");
	s = swarm_new(tls_at(), 200, SWARM_BRIEF);
	swarm_gather(s, 40000);
	ck_assert_int_eq(swarm_connected(s), 200);
	ck_assert_int_eq(s->refused, 0);
	swarm_run(s, 200);
	swarm_settle(s, 20000);
	swarm_check(s);
	swarm_free(s);
	pooler_stop(p);
}
END_TEST

static pid_t
worker_of(PGconn *admin)
{
	pid_t pid[POOLER_KIDS];

	ck_assert_int_eq(pooler_pids(admin, pid, POOLER_KIDS), 1);
	return pid[0];
}

static int
count_answered(struct wire **w, int n)
{
	struct pollfd pf[HELLOS];
	int answered = 0;

	for (int i = 0; i < n; i++)
		pf[i] = (struct pollfd){ .fd = w[i]->fd, .events = POLLIN };
	ck_assert_int_ge(poll(pf, (nfds_t)n, 0), 0);
	for (int i = 0; i < n; i++)
		answered += (pf[i].revents & POLLIN) != 0;
	return answered;
}

/*
 * Handshakes that have all come in at once, and then a query: how many of them
 * had their answer when it had its own?
 */
static int
answered_before(PGconn *c, pid_t worker)
{
	static struct wire *w[HELLOS];
	char bytes[4096];
	size_t n = hello(bytes, sizeof(bytes));
	int answered;

	for (int i = 0; i < HELLOS; i++) {
		w[i] = dial();
		ask_tls(w[i]);
	}
	kill(worker, SIGSTOP);
	for (int i = 0; i < HELLOS; i++)
		wire_send(w[i], bytes, n);
	sql_send(c, "SELECT 6");
	kill(worker, SIGCONT);
	ck_assert_str_eq(sql_get(c), "6");
	answered = count_answered(w, HELLOS);
	/* and they have their turn, too */
	UNTIL(20000, count_answered(w, HELLOS) == HELLOS);
	for (int i = 0; i < HELLOS; i++)
		wire_free(w[i]);
	return answered;
}

/* It does not wait for them all; we may look late, but not each time. */
START_TEST(handshakes_do_not_hold_up_queries)
{
	int least = HELLOS;
	PGconn *admin, *c;
	pid_t worker;

	with("");
	admin = pooler_console(p, "admin");
	worker = worker_of(admin);
	c = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	for (int i = 0; i < 5 && least >= HELLOS * 2 / 3; i++) {
		int n = answered_before(c, worker);

		least = n < least ? n : least;
	}
	ck_assert_msg(least < HELLOS * 2 / 3, "%d were first", least);
	PQfinish(c);
	PQfinish(admin);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("storm_cap");
	TCase *tc = suite_case(s, "cap", 60);

	context = SSL_CTX_new(TLS_client_method());
	if (!is_standin()) {
		tcase_add_test(tc, cap_reached_and_released);
		tcase_add_test(tc, silent_ones_make_room);
		tcase_add_test(tc, silent_ones_do_not_fill_max_client_conn);
		tcase_add_test(tc, burst_beyond_the_cap);
		tcase_add_test(tc, handshakes_do_not_hold_up_queries);
	}
	return suite_run(s, SUITE_PG);
}
