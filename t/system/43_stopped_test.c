/*
 * 43_stopped_test.c - a worker that does not die but stands still, by
 * SIGSTOP: the others lose no more than one grant for 20 ms; if it stays
 * stuck, it is killed and repaired like any other.
 */
#include <signal.h>
#include <stdlib.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/swarm.h"

#define WORKERS 3

static long
done_in(struct swarm *s, int ms)
{
	long before = s->done;

	swarm_run(s, ms);
	return s->done - before;
}

/* Who was a client of the stopped worker is served when it goes on. */
START_TEST(others_go_on)
{
	struct pooler *p = pooler_new();
	struct swarm *s;
	PGconn *c;
	pid_t pids[WORKERS];
	long normal, stopped;

	pooler_workers(p, WORKERS);
	pooler_set(p, "default_pool_size = 4\nworker_stuck_timeout = 60");
	pooler_start(p);
	c = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_pids(c, pids, WORKERS), WORKERS);
	PQfinish(c);
	s = swarm_new(pooler_at(p, ""), 60, SWARM_BRIEF);
	swarm_gather(s, 10000);
	swarm_run(s, 300);
	normal = done_in(s, 1500);
	for (int i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGSTOP);
		swarm_run(s, 50);
		stopped = done_in(s, 1500);
		kill(pids[i], SIGCONT);
		/* two thirds of the clients are left to make the load */
		ck_assert_msg(
		    stopped > normal / 4, "%ld of %ld", stopped, normal);
		swarm_run(s, 300);
	}
	swarm_settle(s, 10000);
	swarm_check(s);
	ck_assert_int_eq(s->dropped, 0);
	swarm_free(s);
	pooler_stop(p);
}
END_TEST

/* New clients come in by the others. */
START_TEST(connecting)
{
	struct pooler *p = pooler_new();
	PGconn *c;
	pid_t pids[WORKERS];

	pooler_workers(p, WORKERS);
	pooler_set(p, "worker_stuck_timeout = 60");
	pooler_start(p);
	c = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_pids(c, pids, WORKERS), WORKERS);
	PQfinish(c);
	PQfinish(pooler_conn(p, ""));
	kill(pids[0], SIGSTOP);
	for (int i = 0; i < 30; i++) {
		int64_t t0 = now_ms();

		PQfinish(pooler_conn(p, ""));
		ck_assert_int_lt(now_ms() - t0, 3000);
	}
	kill(pids[0], SIGCONT);
	pooler_stop(p);
}
END_TEST

START_TEST(stuck_is_killed)
{
	struct pooler *p = pooler_new();
	struct swarm *s;
	PGconn *c;
	pid_t pids[WORKERS], now[WORKERS];

	p->errors_ok = true;
	pooler_workers(p, WORKERS);
	pooler_set(p, "default_pool_size = 4\nworker_stuck_timeout = 2");
	pooler_start(p);
	c = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_pids(c, pids, WORKERS), WORKERS);
	PQfinish(c);
	s = swarm_new(pooler_at(p, ""), 30, SWARM_RECONNECT);
	swarm_gather(s, 10000);
	swarm_run(s, 200);
	kill(pids[1], SIGSTOP);
	for (int64_t end = now_ms() + 15000;
	     now_ms() < end && is_alive(pids[1]);)
		swarm_run(s, 50);
	ck_assert_msg(!is_alive(pids[1]), "it is still there");
	swarm_run(s, 500);
	ck_assert_int_gt(s->dropped, 0);
	ck_assert_int_lt(s->dropped, 30);
	swarm_settle(s, 10000);
	swarm_check(s);
	swarm_free(s);
	c = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_pids(c, now, WORKERS), WORKERS);
	ck_assert_int_ne(now[1], pids[1]);
	ck_assert_int_eq(now[0], pids[0]);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stopped");
	TCase *tc = suite_case(s, "stopped", 60);

	if (!is_standin()) {
		tcase_add_test(tc, others_go_on);
		tcase_add_test(tc, connecting);
		tcase_add_test(tc, stuck_is_killed);
	}
	return suite_run(s, SUITE_PG);
}
