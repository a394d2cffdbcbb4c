/*
 * 63_session_tls_test.c - sessions over backends that one worker alone can use:
 * what a client has set and prepared follows it from one to the next, whichever
 * worker it belongs to, and over its worker's last one, which another took.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

enum { WORKERS = 3, CLIENTS = 24, MOVES = 4 };

static struct pooler *p;
static PGconn *console;
static struct mine {
	PGconn *conn;
	int worker, pid, moves; /* its last backend, and how often another */
} m[CLIENTS];

static void
clients_of(long *clients)
{
	struct pooler_worker w[WORKERS];

	ck_assert_int_eq(pooler_look(console, w, WORKERS), WORKERS);
	for (int n = 0; n < WORKERS; n++)
		clients[n] = w[n].clients;
}

/* Connect, and find out which worker took it; it says what is its own. */
static void
come(int i)
{
	long before[WORKERS], after[WORKERS];

	clients_of(before);
	m[i] = (struct mine){ .conn = pooler_conn(p, ""), .worker = -1 };
	clients_of(after);
	for (int n = 0; n < WORKERS; n++)
		if (after[n] > before[n])
			m[i].worker = n;
	ck_assert_int_ge(m[i].worker, 0);
	sql_do(m[i].conn, "SET my.own = 'client %d'", i);
	sql_do(m[i].conn, "SET work_mem = '%dkB'", 1025 + 2 * i);
	if (i % 2)
		sql_do(m[i].conn, "SET search_path = \"Own %d\", public", i);
	sql_do(m[i].conn, "PREPARE own AS SELECT 'own %d'", i);
	PQclear(PQprepare(
	    m[i].conn, "mine", text("SELECT 'mine %d'::text", i), 0, NULL));
}

static void
is_own(int i)
{
	PGconn *c = m[i].conn;
	PGresult *r;
	int pid;

	ck_assert_str_eq(sql_one(c, "SHOW my.own"), text("client %d", i));
	ck_assert_str_eq(
	    sql_one(c, "SHOW work_mem"), text("%dkB", 1025 + 2 * i));
	ck_assert_str_eq(sql_one(c, "SHOW search_path"),
	    i % 2 ? text("\"Own %d\", public", i) : "\"$user\", public");
	ck_assert_str_eq(sql_one(c, "EXECUTE own"), text("own %d", i));
	r = PQexecPrepared(c, "mine", 0, NULL, NULL, NULL, 0);
	ck_assert_msg(
	    PQresultStatus(r) == PGRES_TUPLES_OK, "%s", PQerrorMessage(c));
	ck_assert_str_eq(PQgetvalue(r, 0, 0), text("mine %d", i));
	PQclear(r);
	ck_assert_str_eq(
	    sql_one(
		c, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"),
	    "t");
	pid = sql_backend(c);
	m[i].moves += m[i].pid != 0 && m[i].pid != pid;
	m[i].pid = pid;
}

/* `places` for clients of at least two workers, who come in turn. */
static int
begin(int places)
{
	int n = 0;

	certs_serve(pg, "server");
	p = pooler_new();
	pooler_workers(p, WORKERS);
	pooler_set(p, "server_tls_sslmode = require");
	pooler_set(p, "default_pool_size = %d", places);
	pooler_start(p);
	console = pooler_console(p, "admin");
	for (; n < CLIENTS; n++) {
		come(n);
		if (n > 4 && m[n].worker != m[0].worker)
			return n + 1;
	}
	ck_abort_msg("one worker has them all");
	return 0;
}

static void
end(int n)
{
	for (int i = 0; i < n; i++)
		PQfinish(m[i].conn);
	PQfinish(console);
	pooler_stop(p);
}

/* The one place goes from worker to worker, a new backend each time. */
START_TEST(one_place)
{
	int n = begin(1), last = n - 1;

	for (int round = 0; m[0].moves + m[last].moves < 2 * MOVES; round++) {
		ck_assert_int_lt(round, 20 * MOVES);
		is_own(0);
		is_own(last);
	}
	for (int i = 0; i < n; i++)
		is_own(i);
	end(n);
}
END_TEST

/* Two clients of one worker change places; its others' end brings no new. */
START_TEST(places_change)
{
	int n = begin(4);

	for (int round = 0; round < 6; round++)
		for (int i = 0; i < n; i++) {
			/* who is in a transaction keeps its backend from i */
			int j = (i + 1 + round) % n;

			sql_do(m[j].conn, "BEGIN");
			if (j != i)
				is_own(i);
			ck_assert_str_eq(sql_one(m[j].conn, "SHOW my.own"),
			    text("client %d", j));
			sql_do(m[j].conn, "COMMIT");
		}
	pg_terminate(pg, "datname = 'app'");
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 0);
	/* the ends of their files are on their way */
	UNTIL(5000,
	    pooler_show(console, "SERVERS", "database", "app", "port") == -1);
	for (int i = 0; i < n; i++)
		is_own(i);
	end(n);
}
END_TEST

/* A worker dies, its backends with it: the others' clients have all. */
START_TEST(worker_dies)
{
	int n = begin(2), victim = m[0].worker;
	pid_t pids[WORKERS];

	p->errors_ok = true;
	for (int i = 0; i < n; i++)
		is_own(i);
	ck_assert_int_eq(pooler_pids(console, pids, WORKERS), WORKERS);
	PQfinish(console);
	kill(pids[victim], SIGKILL);
	for (int i = 0; i < n; i++)
		if (m[i].worker == victim)
			sql_closed(m[i].conn, 5000);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < n; i++)
			if (m[i].worker != victim)
				is_own(i);
	console = pooler_console(p, "admin");
	end(n);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("session tls");
	TCase *tc = suite_case(s, "session tls", 60);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_test(tc, one_place);
	tcase_add_test(tc, places_change);
	tcase_add_test(tc, worker_dies);
	return suite_run(s, SUITE_PG);
}
