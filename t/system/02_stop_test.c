/*
 * 02_stop_test.c - the signals that end the pooler, and its death.
 *
 * SIGTERM waits for the clients, SIGINT for the servers, SIGQUIT for nobody;
 * a second SIGTERM or SIGINT is as good as a SIGQUIT.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

/* Nobody listens there any more. */
static bool
is_shut(const struct pooler *p)
{
	struct wire *w = wire_try("127.0.0.1", p->port);

	if (w)
		wire_free(w);
	return w == NULL;
}

START_TEST(quit_is_at_once)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *busy = pooler_conn(p, ""), *idle = pooler_conn(p, "");
	int64_t t0 = now_ms();

	sql_send(busy, "SELECT pg_sleep(60)");
	UNTIL(5000,
	    pg_backends(pg,
		"query LIKE '%sleep(60)%' AND "
		"state = 'active'") == 1);
	kill(p->pid, SIGQUIT);
	sql_closed(idle, 5000);
	sql_closed(busy, 5000);
	pooler_gone(p, 0);
	ck_assert_int_lt(now_ms() - t0, 30000);
	/* what ran there is the server's affair */
	pg_terminate(pg, "datname = 'app'");
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 0);
	PQfinish(busy);
	PQfinish(idle);
}
END_TEST

START_TEST(term_waits_for_clients)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

	kill(p->pid, SIGTERM);
	UNTIL(5000, is_shut(p));
	/* who is in may work on */
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(sql_num(a, "SELECT %d", i), i);
		ck_assert_int_eq(sql_num(b, "SELECT %d", i), i);
	}
	sql_do(b, "BEGIN");
	PQfinish(a);
	ck_assert_int_eq(sql_num(b, "SELECT 1"), 1);
	sql_do(b, "COMMIT");
	ck_assert(is_alive(p->pid));
	PQfinish(b);
	pooler_gone(p, 0);
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 0);
}
END_TEST

/* The console can be reached until the last client has left; nobody else. */
START_TEST(console_while_waiting)
{
	struct pooler *p = pooler_with("");
	PGconn *a = pooler_conn(p, ""), *c;

	if (is_standin())
		return;
	kill(p->pid, SIGTERM);
	UNTIL(5000, is_shut(p));
	c = PQconnectdb(
	    text("host=%s port=%d user=admin dbname=pooler", p->dir, p->port));
	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
	PQclear(PQexec(c, "SHOW POOLS"));
	ck_assert_int_eq(PQstatus(c), CONNECTION_OK);
	PQfinish(c);
	c = PQconnectdb(
	    text("host=%s port=%d user=app dbname=app", p->dir, p->port));
	ck_assert_int_ne(PQstatus(c), CONNECTION_OK);
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(c), "shutting down"));
	PQfinish(c);
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	PQfinish(a);
	pooler_gone(p, 0);
}
END_TEST

START_TEST(term_twice)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *a = pooler_conn(p, "");

	kill(p->pid, SIGTERM);
	UNTIL(5000, is_shut(p));
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	kill(p->pid, SIGTERM);
	sql_closed(a, 5000);
	pooler_gone(p, 0);
	PQfinish(a);
}
END_TEST

START_TEST(int_waits_for_servers)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *busy = pooler_conn(p, ""), *idle = pooler_conn(p, "");

	sql_do(busy, "BEGIN");
	kill(p->pid, SIGINT);
	UNTIL(5000, is_shut(p));
	ck_assert_int_eq(sql_num(busy, "SELECT 1"), 1);
	/* no new work is begun */
	sql_send(idle, "SELECT 'never'");
	ck_assert_int_eq(sql_num(busy, "SELECT 2"), 2);
	ck_assert(is_alive(p->pid));
	sql_do(busy, "COMMIT");
	sql_closed(busy, 8000);
	pooler_gone(p, 0);
	PQfinish(busy);
	PQfinish(idle);
}
END_TEST

START_TEST(int_twice)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *a = pooler_conn(p, "");

	sql_do(a, "BEGIN");
	kill(p->pid, SIGINT);
	UNTIL(5000, is_shut(p));
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	kill(p->pid, SIGINT);
	sql_closed(a, 5000);
	pooler_gone(p, 0);
	PQfinish(a);
}
END_TEST

/*
 * The supervisor dies: nothing can be mended any more, so its children shut
 * the door at once, finish what runs, and go.
 */
START_TEST(supervisor_killed)
{
	struct pooler *p = pooler_new();
	pid_t kids[POOLER_KIDS];
	PGconn *a, *b;
	int n;

	p->errors_ok = true;
	pooler_workers(p, 3);
	pooler_start(p);
	a = pooler_conn(p, "");
	b = pooler_conn(p, "");
	sql_do(a, "BEGIN");
	n = spawn_kids(p->pid, kids, POOLER_KIDS);
	ck_assert_int_ge(n, 3);
	kill(p->pid, SIGKILL);
	ck_assert_int_ne(spawn_wait(p->pid, 5000), -1);
	UNTIL(3000, is_shut(p));
	for (int i = 0; i < n; i++)
		UNTIL(20000, !is_alive(kids[i]));
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 0);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

/* ... and one can be started at once in its place. */
START_TEST(started_again_after_a_kill)
{
	struct pooler *p = pooler_new();
	PGconn *c;

	p->errors_ok = true;
	for (int i = 0; i < 3; i++) {
		pooler_start(p);
		c = pooler_conn(p, "");
		ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
		kill(p->pid, SIGKILL);
		ck_assert_int_ne(spawn_wait(p->pid, 5000), -1);
		UNTIL(10000, is_shut(p));
		PQfinish(c);
	}
	pooler_start(p);
	PQfinish(pooler_conn(p, ""));
	pooler_stop(p);
}
END_TEST

/* While the workers of the dead one still finish a transaction. */
START_TEST(started_again_at_once)
{
	struct pooler *p = pooler_new();
	PGconn *old, *new;

	p->errors_ok = true;
	pooler_start(p);
	old = pooler_conn(p, "");
	sql_do(old, "BEGIN");
	kill(p->pid, SIGKILL);
	ck_assert_int_ne(spawn_wait(p->pid, 5000), -1);
	UNTIL(3000, is_shut(p));
	pooler_start(p);
	new = pooler_conn(p, text("host=%s", p->dir));
	ck_assert_int_eq(sql_num(new, "SELECT 1"), 1);
	sql_do(old, "COMMIT");
	PQfinish(old);
	PQfinish(new);
	pooler_stop(p);
}
END_TEST

START_TEST(stop_with_nobody_there)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT };

	for (int i = 0; i < 3; i++) {
		struct pooler *p = pooler_with("default_pool_size = 1");
		int64_t t0 = now_ms();

		PQfinish(pooler_conn(p, ""));
		kill(p->pid, signals[i]);
		pooler_gone(p, 0);
		ck_assert_int_lt(now_ms() - t0, 15000);
		UNTIL(5000, pg_backends(pg, "datname = 'app'") == 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stop");
	TCase *tc = suite_case(s, "stop", 40);

	tcase_add_test(tc, stop_with_nobody_there);
	if (!is_standin()) {
		tcase_add_test(tc, quit_is_at_once);
		tcase_add_test(tc, term_waits_for_clients);
		tcase_add_test(tc, console_while_waiting);
		tcase_add_test(tc, term_twice);
		tcase_add_test(tc, int_waits_for_servers);
		tcase_add_test(tc, int_twice);
		tcase_add_test(tc, supervisor_killed);
		tcase_add_test(tc, started_again_after_a_kill);
		tcase_add_test(tc, started_again_at_once);
	}
	return suite_run(s, SUITE_PG);
}
