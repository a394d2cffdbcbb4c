/*
 * 30_reload_test.c - new settings while it runs: a good file takes effect
 * everywhere at once, a bad one changes nothing.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/swarm.h"

static long
config(PGconn *console, const char *key)
{
	return pooler_show(console, "CONFIG", "key", key, "value");
}

START_TEST(hup_reads_the_file)
{
	struct pooler *p = pooler_with("default_pool_size = 3");
	PGconn *c = pooler_console(p, "admin");

	ck_assert_int_eq(config(c, "default_pool_size"), 3);
	pooler_set(p, "default_pool_size = 4\nmax_client_conn = 77");
	pooler_write(p);
	kill(p->pid, SIGHUP);
	UNTIL(5000, config(c, "default_pool_size") == 4);
	ck_assert_int_eq(config(c, "max_client_conn"), 77);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* When RELOAD has answered, every worker acts on it. */
START_TEST(reload_is_synchronous)
{
	struct pooler *p = pooler_new();

	pooler_workers(p, 4);
	pooler_start(p);
	for (int i = 0; i < 10; i++) {
		pooler_db(p,
		    "new%d = host=127.0.0.1 port=%d dbname=app "
		    "user=app",
		    i, pg->port);
		pooler_auth(p, text("user%d", i), "");
		pooler_reload(p);
		for (int j = 0; j < 4; j++)
			PQfinish(pooler_conn(
			    p, text("dbname=new%d user=user%d", i, i)));
	}
	pooler_stop(p);
}
END_TEST

START_TEST(bad_file_changes_nothing)
{
	struct pooler *p = pooler_with("default_pool_size = 3");
	PGconn *c = pooler_console(p, "admin"), *a = pooler_conn(p, "");
	char *good;
	PGresult *r;

	p->errors_ok = true;
	good = slurp(p->conf);
	pooler_set(p,
	    "default_pool_size = 5\npool_mode = sometimes\n"
	    "max_client_conn = 1\nno_such_key = 1");
	pooler_write(p);
	r = PQexec(c, "RELOAD");
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	ck_assert_int_eq(config(c, "default_pool_size"), 3);
	ck_assert_int_eq(config(c, "max_client_conn"), 100);
	kill(p->pid, SIGHUP);
	UNTIL(5000, file_count(p->log, "no_such_key") >= 2);
	ck_assert(file_has(p->log, "sometimes"));
	ck_assert_int_eq(config(c, "default_pool_size"), 3);
	/* told once, not by each worker */
	ck_assert_int_le(file_count(p->log, "sometimes"), 2);
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	PQfinish(pooler_conn(p, ""));
	/* no file at all is no better */
	ck_assert_int_eq(unlink(p->conf), 0);
	r = PQexec(c, "RELOAD");
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	PQfinish(pooler_conn(p, ""));
	spew(p->conf, good);
	sql_do(c, "RELOAD");
	free(good);
	PQfinish(a);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(removed_keys_fall_back)
{
	struct pooler *p = pooler_with("default_pool_size = 3\n"
				       "query_wait_timeout = 33");
	PGconn *c = pooler_console(p, "admin");
	char *s, *at;

	s = slurp(p->conf);
	at = strstr(s, "query_wait_timeout = 33");
	ck_assert_ptr_nonnull(at);
	*at = ';';
	spew(p->conf, s);
	free(s);
	sql_do(c, "RELOAD");
	ck_assert_int_eq(config(c, "query_wait_timeout"), 120);
	ck_assert_int_eq(config(c, "default_pool_size"), 3);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(users_file)
{
	struct pooler *p = pooler_new();

	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "auth_type = md5");
	pooler_auth(p, "late", "before");
	pooler_start(p);
	PQfinish(pooler_conn(p, "dbname=open user=late password=before"));
	free(p->text[3]);
	p->text[3] = strdup("\"admin\" \"console\"\n");
	pooler_auth(p, "late", "after");
	pooler_reload(p);
	PQfinish(pooler_conn(p, "dbname=open user=late password=after"));
	sql_refused(
	    pooler_at(p, "dbname=open user=late password=before"), "FATAL");
	pooler_stop(p);
}
END_TEST

/* A database with another address: its servers are replaced, not reused. */
START_TEST(database_moves)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_conn(p, "");

	ck_assert_str_eq(sql_one(c, "SELECT current_database()"), "app");
	pooler_db(p, "app = host=127.0.0.1 port=%d dbname=app2", pg->port);
	pooler_reload(p);
	for (int i = 0; i < 5; i++)
		ck_assert_str_eq(
		    sql_one(c, "SELECT current_database()"), "app2");
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 0);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* Without a client that would find out. */
START_TEST(database_moves_and_nobody_comes)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_conn(p, "");

	sql_num(c, "SELECT 1");
	PQfinish(c);
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 1);
	pooler_db(p, "app = host=127.0.0.1 port=%d dbname=app2", pg->port);
	pooler_reload(p);
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 0);
	pooler_stop(p);
}
END_TEST

/* Whoever waits gets none of the old ones, though it would be the quickest. */
START_TEST(database_moves_while_all_are_in_use)
{
	struct pooler *p = pooler_new();
	PGconn *holder, *waiter[3], *console;
	int n = sizeof(waiter) / sizeof(*waiter);

	/* all in one worker: a server that changes hands is looked at anyway */
	pooler_workers(p, 1);
	pooler_set(p, "default_pool_size = 1");
	pooler_start(p);
	console = pooler_console(p, "admin");
	holder = pooler_conn(p, "");
	sql_do(holder, "BEGIN");
	for (int i = 0; i < n; i++) {
		waiter[i] = pooler_conn(p, "");
		sql_send(waiter[i], "SELECT current_database()");
	}
	UNTIL(5000,
	    pooler_show(console, "POOLS", "database", "app", "cl_waiting") ==
		n);
	pooler_db(p, "app = host=127.0.0.1 port=%d dbname=app2", pg->port);
	pooler_reload(p);
	ck_assert_str_eq(sql_one(holder, "SELECT current_database()"), "app");
	sql_do(holder, "COMMIT");
	for (int i = 0; i < n; i++) {
		ck_assert_str_eq(sql_get(waiter[i]), "app2");
		PQfinish(waiter[i]);
	}
	PQfinish(holder);
	PQfinish(console);
	pooler_stop(p);
}
END_TEST

START_TEST(database_removed)
{
	struct pooler *p = pooler_new();
	PGconn *c;
	char *s, *at;

	pooler_db(p, "gone = host=127.0.0.1 port=%d dbname=app", pg->port);
	pooler_start(p);
	c = pooler_conn(p, "dbname=gone");
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	s = p->text[0];
	at = strstr(s, "gone =");
	ck_assert_ptr_nonnull(at);
	*at = ';';
	pooler_reload(p);
	sql_closed(c, 5000);
	sql_refused(pooler_at(p, "dbname=gone"), "FATAL");
	PQfinish(c);
	PQfinish(pooler_conn(p, ""));
	pooler_stop(p);
}
END_TEST

/* What needs a restart is left alone, without a word of complaint. */
START_TEST(fixed_keys)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_console(p, "admin");
	int port = p->port;

	pooler_set(p, "listen_port = 5\nunix_socket_mode = 0700");
	pooler_write(p);
	sql_do(c, "RELOAD");
	ck_assert_int_eq(p->port, port);
	PQfinish(pooler_conn(p, ""));
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* Forty reloads under load: nobody notices. */
START_TEST(under_load)
{
	struct pooler *p = pooler_with("default_pool_size = 4\n"
				       "max_client_conn = 100");
	PGconn *c = pooler_console(p, "admin");
	struct swarm *s;

	for (int i = 0; i < 140; i++)
		pooler_db(p, "more%d = host=127.0.0.1 port=%d", i, pg->port);
	s = swarm_new(pooler_at(p, ""), 30, 0);
	swarm_gather(s, 10000);
	for (int i = 0; i < 40; i++) {
		pooler_set(p, "default_pool_size = %d", 2 + i % 4);
		pooler_write(p);
		sql_send(c, "RELOAD");
		while (!sql_is_ready(c, 0))
			swarm_run(s, 20);
		sql_get(c);
		swarm_run(s, 20);
	}
	swarm_settle(s, 10000);
	swarm_check(s);
	ck_assert_int_gt(s->done, 0);
	ck_assert_int_eq(s->dropped, 0);
	ck_assert_int_eq(
	    pooler_show(c, "DATABASES", "name", "more139", "port"), pg->port);
	swarm_free(s);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* The log file is opened anew: it may have been rotated. */
START_TEST(log_is_reopened)
{
	struct pooler *p = pooler_new();
	const char *log = text("%s/own.log", p->dir),
		   *old = text("%s/old.log", p->dir);

	pooler_set(p, "logfile = %s", log);
	pooler_start(p);
	PQfinish(pooler_conn(p, ""));
	UNTIL(5000, file_has(log, "login attempt"));
	ck_assert_int_eq(rename(log, old), 0);
	pooler_reload(p);
	PQfinish(pooler_conn(p, ""));
	UNTIL(5000, file_has(log, "login attempt"));
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("reload");
	TCase *tc = suite_case(s, "reload", 40);

	tcase_add_test(tc, hup_reads_the_file);
	tcase_add_test(tc, reload_is_synchronous);
	tcase_add_test(tc, removed_keys_fall_back);
	tcase_add_test(tc, users_file);
	tcase_add_test(tc, database_moves);
	tcase_add_test(tc, database_moves_and_nobody_comes);
	tcase_add_test(tc, database_moves_while_all_are_in_use);
	tcase_add_test(tc, database_removed);
	tcase_add_test(tc, fixed_keys);
	tcase_add_test(tc, under_load);
	tcase_add_test(tc, log_is_reopened);
	if (!is_standin())
		tcase_add_test(tc, bad_file_changes_nothing);
	return suite_run(s, SUITE_PG);
}
