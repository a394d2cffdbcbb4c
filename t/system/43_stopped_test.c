/*
 * 43_stopped_test.c - a worker that does not die but stands still, by
 * SIGSTOP: the others lose no more than one grant for 20 ms; if it stays
 * stuck, it is killed and repaired like any other.
 */
#include <signal.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/ptrace.h>
#include <sys/wait.h>
#endif

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/swarm.h"

#define WORKERS 3

struct mine {
	PGconn *conn;
	int worker;
};

static void
clients_of(PGconn *console, long *clients)
{
	struct pooler_worker w[WORKERS];

	ck_assert_int_eq(pooler_look(console, w, WORKERS), WORKERS);
	for (int n = 0; n < WORKERS; n++)
		clients[n] = w[n].clients;
}

/* Connect, and find out which worker took it. */
static struct mine
come(struct pooler *p, PGconn *console)
{
	long before[WORKERS], after[WORKERS];
	struct mine m = { .worker = -1 };

	clients_of(console, before);
	m.conn = pooler_conn(p, "");
	clients_of(console, after);
	for (int n = 0; n < WORKERS; n++)
		if (after[n] > before[n])
			m.worker = n;
	ck_assert_int_ge(m.worker, 0);
	return m;
}

#define CLIENTS 30
#define POOL    4

/*
 * The stopped worker has clients who have waited longest, so each server that
 * is released is offered to it.  It may hold up one at a time, for 20 ms.
 */
START_TEST(one_grant_for_a_moment)
{
	struct pooler *p = pooler_new();
	struct mine m[CLIENTS];
	PGconn *console, *holder[POOL];
	pid_t pids[WORKERS];
	int victim, nholders = 0, nvictims = 0;
	int64_t t0;

	pooler_workers(p, WORKERS);
	pooler_set(
	    p, "default_pool_size = %d\nworker_stuck_timeout = 60", POOL);
	pooler_start(p);
	console = pooler_console(p, "admin");
	pooler_pids(console, pids, WORKERS);
	for (int i = 0; i < CLIENTS; i++)
		m[i] = come(p, console);
	/* not the first one's: the console may be there */
	victim = m[CLIENTS - 1].worker;
	for (int i = 0; i < CLIENTS && nholders < POOL; i++) {
		if (m[i].worker == victim)
			continue;
		holder[nholders++] = m[i].conn;
		sql_do(m[i].conn, "BEGIN");
		m[i].worker = -1;
	}
	ck_assert_int_eq(nholders, POOL);
	for (int i = 0; i < CLIENTS; i++)
		if (m[i].worker == victim) {
			sql_send(m[i].conn, "SELECT 'late'");
			nvictims++;
		}
	UNTIL(5000,
	    pooler_show(console, "POOLS", "database", "app", "cl_waiting") ==
		nvictims);
	PQfinish(console);
	kill(pids[victim], SIGSTOP);
	for (int i = 0; i < CLIENTS; i++)
		if (m[i].worker >= 0 && m[i].worker != victim)
			sql_send(m[i].conn, "SELECT 'served'");
	t0 = now_ms();
	for (int i = 0; i < POOL; i++)
		sql_do(holder[i], "COMMIT");
	for (int i = 0; i < CLIENTS; i++)
		if (m[i].worker >= 0 && m[i].worker != victim)
			ck_assert_str_eq(sql_get(m[i].conn), "served");
	ck_assert_int_lt(now_ms() - t0, 30000);
	for (int i = 0; i < CLIENTS; i++)
		ck_assert(m[i].worker != victim || !sql_is_ready(m[i].conn, 0));
	kill(pids[victim], SIGCONT);
	for (int i = 0; i < CLIENTS; i++) {
		if (m[i].worker == victim)
			ck_assert_str_eq(sql_get(m[i].conn), "late");
		PQfinish(m[i].conn);
	}
	pooler_stop(p);
}
END_TEST

/* Stopped and continued under load: nobody is lost, nothing goes astray. */
START_TEST(under_load)
{
	struct pooler *p = pooler_new();
	struct swarm *s;
	PGconn *c;
	pid_t pids[WORKERS];

	pooler_workers(p, WORKERS);
	pooler_set(p, "default_pool_size = 4\nworker_stuck_timeout = 60");
	pooler_start(p);
	c = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_pids(c, pids, WORKERS), WORKERS);
	PQfinish(c);
	s = swarm_new(pooler_at(p, ""), 60, 0);
	swarm_gather(s, 10000);
	for (int i = 0; i < 4 * WORKERS; i++) {
		swarm_run(s, 100);
		kill(pids[i % WORKERS], SIGSTOP);
		swarm_run(s, 200);
		kill(pids[i % WORKERS], SIGCONT);
	}
	swarm_settle(s, 10000);
	swarm_check(s);
	ck_assert_int_gt(s->done, 0);
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
		/* connect_timeout is its limit */
		PQfinish(pooler_conn(p, ""));
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
	ck_assert_int_gt(s->done, 0);
	swarm_free(s);
	c = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_pids(c, now, WORKERS), WORKERS);
	ck_assert_int_ne(now[1], pids[1]);
	ck_assert_int_eq(now[0], pids[0]);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

#ifdef __linux__
/* Wait for a worker that we trace to be on its way out, and hold it there. */
static void
hold_exit(pid_t pid)
{
	int status = 0;

	while (status >> 8 != (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
		long signo = status ? WSTOPSIG(status) : 0;

		if (status)
			ptrace(PTRACE_CONT, pid, NULL, (void *)signo);
		ck_assert_int_eq(waitpid(pid, &status, __WALL), pid);
		ck_assert(WIFSTOPPED(status));
	}
}

/*
 * A worker has left its loop, but exit(3) takes long (a leak checker, memory
 * that was swapped out): it is not taken for one that has lost its channel.
 */
START_TEST(slow_exit)
{
	/* who is traced cannot look for leaks */
	const char *env[] = { "ASAN_OPTIONS=detect_leaks=0", NULL };
	struct pooler *p = pooler_new();
	PGconn *c;
	pid_t pid;

	p->env = env;
	pooler_workers(p, 1);
	pooler_set(p, "worker_stuck_timeout = 60");
	pooler_start(p);
	c = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_pids(c, &pid, 1), 1);
	PQfinish(c);
	/* forbidden to those who are traced themselves, and in some jails */
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_TRACEEXIT) == -1) {
		perror("slow_exit is left out: ptrace");
		pooler_stop(p);
		return;
	}
	kill(p->pid, SIGTERM);
	hold_exit(pid);
	for (int64_t end = now_ms() + 4000; now_ms() < end; nap())
		ck_assert(!file_has(p->log, "has left its channel"));
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	pooler_gone(p, 0);
}
END_TEST
#endif

/*
 * A worker that is late with a new configuration is sent it again.  Then it has
 * it twice, and goes by what it has not freed.
 */
START_TEST(told_twice)
{
	static const char *env[] = { "MALLOC_PERTURB_=165", NULL };
	struct pooler *p = pooler_new();
	PGconn *console, *c;
	pid_t worker;

	p->env = env;
	pooler_workers(p, 1);
	pooler_set(p, "worker_stuck_timeout = 60");
	pooler_start(p);
	console = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_pids(console, &worker, 1), 1);
	c = pooler_conn(p, "");
	sql_do(c, "SELECT 1");
	kill(worker, SIGSTOP);
	kill(p->pid, SIGHUP);
	UNTIL(5000, file_has(p->log, "reload done"));
	sql_send(c, "SELECT 7");
	/* it is told again each second */
	ck_assert(!sql_is_ready(c, 2500));
	kill(worker, SIGCONT);
	ck_assert_str_eq(sql_get(c), "7");
	/* a server by its entry's host and port */
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(pg_terminate(pg, "datname = 'app'"), 1);
		UNTIL(5000, pg_backends(pg, "datname = 'app'") == 0);
		UNTIL(5000,
		    pooler_show(
			console, "POOLS", "database", "app", "sv_idle") == 0);
		ck_assert_int_eq(sql_num(c, "SELECT %d", i), i);
	}
	ck_assert(!file_has(p->log, "died"));
	PQfinish(c);
	PQfinish(console);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stopped");
	TCase *tc = suite_case(s, "stopped", 60);

	if (!is_standin()) {
		tcase_add_test(tc, one_grant_for_a_moment);
		tcase_add_test(tc, under_load);
		tcase_add_test(tc, connecting);
		tcase_add_test(tc, stuck_is_killed);
		tcase_add_test(tc, told_twice);
#ifdef __linux__
		tcase_add_test(tc, slow_exit);
#endif
	}
	return suite_run(s, SUITE_PG);
}
