/*
 * 40_kill_test.c - a worker dies: it costs its own clients and nobody else's;
 * idle servers survive, the rest of its servers end, and all places are found
 * again.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/swarm.h"
#include "t/lib/watch.h"

#define WORKERS 4

static struct pooler *p;

static void
start(const char *setting)
{
	p = pooler_new();
	pooler_workers(p, WORKERS);
	pooler_set(p, "max_client_conn = 400\n%s", setting);
	pooler_start(p);
}

/* A console that may lose its worker at any time. */
static PGconn *
console(void)
{
	PGconn *c = NULL;

	for (int64_t end = now_ms() + 10000; now_ms() < end; nap()) {
		c = PQconnectdb(pooler_at(p,
		    "dbname=pgbouncer user=admin "
		    "password=console"));
		if (PQstatus(c) == CONNECTION_OK)
			return c;
		PQfinish(c);
	}
	ck_abort_msg("no console");
	return NULL;
}

static void
pids_of(pid_t *pids)
{
	PGconn *c = console();

	ck_assert_int_eq(pooler_pids(c, pids, WORKERS), WORKERS);
	PQfinish(c);
}

/* Worker number `n` is there again, and not as `old`. */
static bool
is_replaced(int n, pid_t old)
{
	pid_t pids[WORKERS];

	pids_of(pids);
	return pids[n] > 0 && pids[n] != old && is_alive(pids[n]);
}

static void
kill_worker(int n)
{
	pid_t pids[WORKERS];

	pids_of(pids);
	ck_assert_int_eq(kill(pids[n], SIGKILL), 0);
	UNTIL(10000, is_replaced(n, pids[n]));
}

/* All places of a pool of `size` can be had at the same time, and no more. */
static void
all_places(int size)
{
	PGconn *c[32], *more;

	ck_assert_int_le(size, 32);
	for (int i = 0; i < size; i++) {
		c[i] = pooler_conn(p, "");
		sql_do(c[i], "BEGIN");
	}
	more = pooler_conn(p, "");
	sql_send(more, "SELECT 'more'");
	ck_assert(!sql_is_ready(more, 200));
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), size);
	for (int i = 0; i < size; i++) {
		sql_do(c[i], "COMMIT");
		PQfinish(c[i]);
	}
	ck_assert_str_eq(sql_get(more), "more");
	PQfinish(more);
}

START_TEST(idle_servers_survive)
{
	PGconn *c[4], *d;
	const char *before;

	start("default_pool_size = 4");
	for (int i = 0; i < 4; i++) {
		c[i] = pooler_conn(p, "");
		sql_do(c[i], "BEGIN");
	}
	for (int i = 0; i < 4; i++) {
		sql_do(c[i], "COMMIT");
		PQfinish(c[i]);
	}
	before = pg_pids(pg, "datname = 'app'");
	for (int n = 0; n < WORKERS; n++) {
		kill_worker(n);
		ck_assert_str_eq(pg_pids(pg, "datname = 'app'"), before);
		d = pooler_conn(p, "");
		ck_assert_int_eq(sql_num(d, "SELECT 1"), 1);
		PQfinish(d);
	}
	ck_assert_str_eq(pg_pids(pg, "datname = 'app'"), before);
	all_places(4);
	pooler_stop(p);
}
END_TEST

START_TEST(all_at_once)
{
	pid_t pids[WORKERS];
	PGconn *d;
	const char *before;

	start("default_pool_size = 4");
	d = pooler_conn(p, "");
	sql_num(d, "SELECT 1");
	PQfinish(d);
	before = pg_pids(pg, "datname = 'app'");
	for (int round = 0; round < 3; round++) {
		pids_of(pids);
		for (int n = 0; n < WORKERS; n++)
			kill(pids[n], SIGKILL);
		for (int n = 0; n < WORKERS; n++)
			UNTIL(15000, is_replaced(n, pids[n]));
		ck_assert_str_eq(pg_pids(pg, "datname = 'app'"), before);
		d = pooler_conn(p, "");
		ck_assert_int_eq(sql_num(d, "SELECT 1"), 1);
		PQfinish(d);
	}
	all_places(4);
	pooler_stop(p);
}
END_TEST

/* What the dead one's clients had running ends, and their places are free. */
START_TEST(servers_in_use_end)
{
	pid_t pids[WORKERS];
	PGconn *c[8];

	start("default_pool_size = 8");
	for (int i = 0; i < 8; i++) {
		c[i] = pooler_conn(p, "");
		sql_send(c[i], i % 2 ? "SELECT pg_sleep(60)" : "BEGIN");
	}
	UNTIL(5000,
	    pg_backends(pg,
		"query LIKE '%sleep(60)%' AND "
		"state = 'active'") == 4);
	pids_of(pids);
	for (int n = 0; n < WORKERS; n++)
		kill(pids[n], SIGKILL);
	for (int i = 0; i < 8; i++)
		sql_closed(c[i], 5000);
	UNTIL(10000,
	    pg_backends(pg,
		"query LIKE '%sleep(60)%' AND "
		"state = 'active'") == 0);
	UNTIL(10000, pg_backends(pg, "state = 'idle in transaction'") == 0);
	for (int n = 0; n < WORKERS; n++)
		UNTIL(15000, is_replaced(n, pids[n]));
	all_places(8);
	for (int i = 0; i < 8; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

static long
sum_clients(PGconn *c, struct pooler_worker *w)
{
	long sum = 0;

	ck_assert_int_eq(pooler_look(c, w, WORKERS), WORKERS);
	for (int n = 0; n < WORKERS; n++)
		sum += w[n].clients;
	return sum;
}

/* Clients of each worker: `all`, when none is counted any more who has left,
 * and a console no more that has come. */
static void
count_clients(long *clients, pid_t *pids, int all)
{
	struct pooler_worker w[WORKERS];
	PGconn *c = console();

	UNTIL(10000, sum_clients(c, w) == all);
	PQfinish(c);
	for (int n = 0; n < WORKERS; n++) {
		clients[n] = w[n].clients;
		pids[n] = w[n].pid;
	}
}

/* Who waited for a server that the dead one held gets one. */
START_TEST(waiters_are_served)
{
	PGconn *c[4], *w[24];
	pid_t pids[WORKERS];
	long clients[WORKERS];
	int lost = 0, got = 0, left = 0;

	start("default_pool_size = 4");
	for (int i = 0; i < 4; i++) {
		c[i] = pooler_conn(p, "");
		sql_do(c[i], "BEGIN");
	}
	for (int i = 0; i < 24; i++) {
		w[i] = pooler_conn(p, "");
		sql_send(w[i], "SELECT 'served'");
	}
	count_clients(clients, pids, 28);
	/* one is left, with more clients than there are places: some wait */
	for (int n = 1; n < WORKERS; n++)
		if (clients[n] > clients[left])
			left = n;
	ck_assert_int_gt(clients[left], 4);
	for (int n = 0; n < WORKERS; n++)
		if (n != left)
			kill(pids[n], SIGKILL);
	for (int i = 0; i < 4; i++)
		PQclear(PQexec(c[i], "COMMIT"));
	for (int i = 0; i < 24; i++) {
		PGresult *r, *last = NULL;

		ck_assert(sql_is_ready(w[i], 15000));
		while ((r = PQgetResult(w[i])) != NULL) {
			PQclear(last);
			last = r;
		}
		if (PQresultStatus(last) == PGRES_TUPLES_OK)
			got++;
		else
			lost++;
		PQclear(last);
	}
	ck_assert_int_ge(got, 1);
	ck_assert_int_eq(got + lost, 24);
	for (int n = 0; n < WORKERS; n++)
		UNTIL(15000, n == left || is_replaced(n, pids[n]));
	all_places(4);
	for (int i = 0; i < 4; i++)
		PQfinish(c[i]);
	for (int i = 0; i < 24; i++)
		PQfinish(w[i]);
	pooler_stop(p);
}
END_TEST

/*
 * Under load, again and again: exactly the dead one's clients are lost, the
 * others get every answer, and the limit holds throughout.
 */
START_TEST(others_see_nothing)
{
	struct watch w;
	struct swarm *s;
	long clients[WORKERS], lost = 0;
	pid_t pids[WORKERS];

	start("default_pool_size = 6");
	w = watch_start(pg, "datname = 'app'");
	s = swarm_new(pooler_at(p, ""), 40, 0);
	for (int round = 0; round < 12; round++) {
		int n = round % WORKERS;

		swarm_gather(s, 15000);
		count_clients(clients, pids, 40);
		swarm_run(s, 200);
		kill(pids[n], SIGKILL);
		swarm_run(s, 600);
		swarm_settle(s, 10000);
		swarm_check(s);
		ck_assert_int_gt(s->done, 0);
		ck_assert_int_eq(s->dropped - lost, clients[n]);
		ck_assert_int_gt(clients[n], 1);
		lost = s->dropped;
		UNTIL(10000, is_replaced(n, pids[n]));
	}
	ck_assert_int_eq(s->refused, 0);
	swarm_free(s);
	ck_assert_int_le(watch_stop(&w), 6);
	UNTIL(5000, pg_backends(pg, "state <> 'idle'") == 0);
	all_places(6);
	pooler_stop(p);
}
END_TEST

/* A hundred deaths, at any moment of life, several at a time. */
START_TEST(hundred_deaths)
{
	struct watch w;
	struct swarm *s;
	pid_t pids[WORKERS];
	int deaths = 0;

	start("default_pool_size = 5\nserver_lifetime = 1");
	w = watch_start(pg, "datname = 'app'");
	s = swarm_new(
	    pooler_at(p, ""), 40, SWARM_RECONNECT | SWARM_LEAVE | SWARM_CANCEL);
	swarm_run(s, 200);
	for (int64_t end = now_ms() + 40000; deaths < 100 && now_ms() < end;) {
		pid_t kids[POOLER_KIDS];
		int n = spawn_kids(p->pid, kids, POOLER_KIDS);

		/* the helpers too, they come back as well */
		if (n > 0 &&
		    kill(kids[(int)(s->serial % (uint64_t)n)], SIGKILL) == 0)
			deaths++;
		swarm_run(s, 60 + (int)(s->serial % 100));
	}
	ck_assert_int_ge(deaths, 50);
	ck_assert(is_alive(p->pid));
	for (int n = 0; n < WORKERS; n++) {
		UNTIL(15000, (pids_of(pids), pids[n] > 0 && is_alive(pids[n])));
	}
	swarm_settle(s, 20000);
	swarm_check(s);
	ck_assert_int_gt(s->done, 0);
	swarm_free(s);
	ck_assert_int_le(watch_stop(&w), 5);
	UNTIL(
	    10000, pg_backends(pg, "datname = 'app' AND state <> 'idle'") == 0);
	all_places(5);
	pooler_stop(p);
}
END_TEST

/* Not a worker: the resolver. */
START_TEST(helpers_are_replaced)
{
	pid_t kids[POOLER_KIDS], pids[WORKERS], after[POOLER_KIDS];
	PGconn *a;
	int n;

	p = pooler_new();
	pooler_workers(p, WORKERS);
	pooler_db(p, "named = host=localhost port=%d dbname=app", pg->port);
	pooler_start(p);
	a = pooler_conn(p, "");
	pids_of(pids);
	UNTIL(5000, (n = spawn_kids(p->pid, kids, POOLER_KIDS)) > WORKERS);
	for (int i = 0; i < n; i++) {
		bool is_worker = false;

		for (int k = 0; k < WORKERS; k++)
			is_worker |= kids[i] == pids[k];
		if (!is_worker)
			kill(kids[i], SIGKILL);
	}
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	UNTIL(10000, spawn_kids(p->pid, after, POOLER_KIDS) == n);
	for (int i = 0; i < 3; i++) {
		PGconn *d = pooler_conn(p, "dbname=named");

		ck_assert_int_eq(sql_num(d, "SELECT 1"), 1);
		PQfinish(d);
	}
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	PQfinish(a);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kill");
	TCase *tc = suite_case(s, "kill", 90);

	if (!is_standin()) {
		tcase_add_test(tc, idle_servers_survive);
		tcase_add_test(tc, all_at_once);
		tcase_add_test(tc, servers_in_use_end);
		tcase_add_test(tc, waiters_are_served);
		tcase_add_test(tc, helpers_are_replaced);
		tcase_add_test(tc, others_see_nothing);
		tcase_add_test(tc, hundred_deaths);
	}
	return suite_run(s, SUITE_PG);
}
