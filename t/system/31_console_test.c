/*
 * 31_console_test.c - the console: columns that monitoring reads by name and
 * order, numbers that are exact over all workers, and who may do what.
 */
#include <sys/stat.h>
#include <sys/wait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

#define COUNTS(pre) \
	pre "server_assignment_count " pre "xact_count " pre "query_count "

static const struct {
	const char *show, *columns;
} tables[] = {
	{ "CLIENTS",
	    "type user database replication state addr port "
	    "local_addr local_port connect_time request_time wait wait_us "
	    "close_needed ptr link remote_pid tls application_name "
	    "prepared_statements id pinned" },
	{ "SERVERS",
	    "type user database replication state addr port "
	    "local_addr local_port connect_time request_time wait wait_us "
	    "close_needed ptr link remote_pid tls application_name "
	    "prepared_statements id pinned" },
	{ "POOLS",
	    "database user cl_active cl_waiting cl_active_cancel_req "
	    "cl_waiting_cancel_req sv_active sv_active_cancel "
	    "sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait "
	    "maxwait_us pool_mode load_balance_hosts sv_pinned" },
	{ "DATABASES",
	    "name host port database force_user pool_size "
	    "min_pool_size reserve_pool_size server_lifetime pool_mode "
	    "load_balance_hosts max_connections current_connections "
	    "max_client_connections current_client_connections paused "
	    "disabled" },
	{ "STATS",
	    "database " COUNTS(
		"total_") "total_received total_sent "
			  "total_xact_time total_query_time total_wait_time "
			  "total_client_parse_count total_server_parse_count "
			  "total_bind_count total_client_login_count " COUNTS(
			      "avg_") "avg_recv avg_sent avg_xact_time "
				      "avg_query_time avg_wait_time "
				      "avg_client_parse_count "
				      "avg_server_parse_count avg_bind_count "
				      "avg_client_login_count "
				      "total_pin_count avg_pin_count" },
	{ "CONFIG", "key value default changeable" },
	{ "VERSION", "version" },
};

static const char *
columns_of(PGconn *c, const char *show)
{
	PGresult *r = PQexec(c, text("SHOW %s", show));
	char buf[2048] = "";

	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "SHOW %s: %s", show,
	    PQresultErrorMessage(r));
	ck_assert_str_eq(PQcmdStatus(r), "SHOW");
	for (int i = 0; i < PQnfields(r); i++)
		snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), "%s%s",
		    i ? " " : "", PQfname(r, i));
	PQclear(r);
	return text("%s", buf);
}

START_TEST(columns)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_console(p, "admin"), *a = pooler_conn(p, "");

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		ck_assert_str_eq(
		    columns_of(c, tables[i].show), tables[i].columns);
	ck_assert_str_eq(columns_of(c, "WORKERS"),
	    "number kind pid state clients restarts cpu_us connections "
	    "uptime_s");
	PQfinish(a);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(column_types)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_console(p, "admin");
	PGresult *r = PQexec(c, "SHOW POOLS");

	ck_assert_int_eq(PQftype(r, PQfnumber(r, "database")), 25);
	ck_assert_int_eq(PQftype(r, PQfnumber(r, "cl_active")), 23);
	ck_assert_int_eq(PQftype(r, PQfnumber(r, "pool_mode")), 25);
	PQclear(r);
	r = PQexec(c, "SHOW STATS");
	ck_assert_int_eq(PQftype(r, PQfnumber(r, "total_xact_count")), 1700);
	PQclear(r);
	r = PQexec(c, "SHOW CLIENTS");
	ck_assert_int_eq(PQftype(r, PQfnumber(r, "port")), 23);
	ck_assert_int_eq(PQftype(r, PQfnumber(r, "connect_time")), 25);
	PQclear(r);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

static long
pool(PGconn *c, const char *col)
{
	return pooler_show(c, "POOLS", "database", "app", col);
}

static int
rows(PGconn *c, const char *show, const char *col, const char *val)
{
	PGresult *r = PQexec(c, text("SHOW %s", show));
	int n = 0, at = PQfnumber(r, col);

	ck_assert_int_ge(at, 0);
	for (int i = 0; i < PQntuples(r); i++)
		n += !strcmp(PQgetvalue(r, i, at), val);
	PQclear(r);
	return n;
}

START_TEST(pools_are_exact)
{
	struct pooler *p = pooler_new();
	PGconn *c, *a[9];

	pooler_workers(p, 3);
	/* one at first, which all workers get to know */
	pooler_set(p, "default_pool_size = 1");
	pooler_start(p);
	c = pooler_console(p, "admin");
	for (int i = 0; i < 9; i++) {
		a[i] = pooler_conn(p, text("application_name=n%d", i));
		ck_assert_int_eq(sql_num(a[i], "SELECT 1"), 1);
	}
	ck_assert_int_eq(pool(c, "cl_active"), 9);
	ck_assert_int_eq(pool(c, "sv_idle"), 1);
	pooler_set(p, "default_pool_size = 4");
	pooler_reload(p);
	for (int i = 0; i < 4; i++) {
		sql_do(a[i], "BEGIN");
		ck_assert_int_eq(pool(c, "sv_active"), i + 1);
	}
	for (int i = 4; i < 7; i++) {
		sql_send(a[i], "SELECT 1");
		UNTIL(3000, pool(c, "cl_waiting") == i - 3);
	}
	ck_assert_int_eq(pool(c, "cl_active"), 6);
	ck_assert_int_eq(pool(c, "sv_idle"), 0);
	ck_assert_int_eq(pool(c, "sv_login"), 0);
	ck_assert_int_eq(rows(c, "CLIENTS", "database", "app"), 9);
	ck_assert_int_eq(rows(c, "CLIENTS", "application_name", "n7"), 1);
	ck_assert_int_eq(rows(c, "CLIENTS", "state", "waiting"), 3);
	ck_assert_int_eq(rows(c, "SERVERS", "database", "app"), 4);
	ck_assert_int_eq(rows(c, "SERVERS", "state", "active"), 4);
	UNTIL(5000, pool(c, "maxwait") >= 1);
	for (int i = 0; i < 4; i++)
		sql_do(a[i], "COMMIT");
	for (int i = 4; i < 7; i++)
		sql_get(a[i]);
	ck_assert_int_eq(pool(c, "cl_waiting"), 0);
	UNTIL(5000, pool(c, "sv_active") == 0);
	ck_assert_int_eq(pool(c, "sv_idle"), 4);
	ck_assert_int_eq(
	    pooler_show(c, "DATABASES", "name", "app", "current_connections"),
	    4);
	for (int i = 0; i < 9; i++)
		PQfinish(a[i]);
	UNTIL(3000, pool(c, "cl_active") == 0);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* A server's remote_pid is the backend's own. */
START_TEST(servers_tell_the_backend)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_console(p, "admin"), *a = pooler_conn(p, "");
	int pid = sql_backend(a);

	ck_assert_int_eq(
	    pooler_show(c, "SERVERS", "database", "app", "remote_pid"), pid);
	ck_assert_int_eq(
	    pooler_show(c, "SERVERS", "database", "app", "port"), pg->port);
	PQfinish(a);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

static long
stat_of(PGconn *c, const char *col)
{
	return pooler_show(c, "STATS", "database", "app", col);
}

START_TEST(stats_are_exact)
{
	struct pooler *p = pooler_new();
	PGconn *c, *a[6];

	pooler_workers(p, 3);
	pooler_start(p);
	c = pooler_console(p, "admin");
	for (int i = 0; i < 6; i++)
		a[i] = pooler_conn(p, "");
	for (int i = 0; i < 6; i++) {
		for (int j = 0; j < 10; j++)
			sql_num(a[i], "SELECT 1");
		sql_do(a[i], "BEGIN");
		sql_do(a[i], "SELECT 1");
		sql_do(a[i], "COMMIT");
	}
	ck_assert_int_eq(stat_of(c, "total_query_count"), 6 * 13);
	ck_assert_int_eq(stat_of(c, "total_xact_count"), 6 * 11);
	ck_assert_int_gt(stat_of(c, "total_received"), 6 * 13 * 10);
	ck_assert_int_gt(stat_of(c, "total_sent"), 6 * 13 * 10);
	sql_num(a[0], "SELECT 1 FROM pg_sleep(0.2)");
	ck_assert_int_ge(stat_of(c, "total_query_time"), 190000);
	for (int i = 0; i < 6; i++)
		PQfinish(a[i]);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(config_and_words)
{
	struct pooler *p = pooler_with("default_pool_size = 13");
	PGconn *c = pooler_console(p, "admin");

	ck_assert_int_eq(
	    pooler_show(c, "CONFIG", "key", "default_pool_size", "value"), 13);
	ck_assert_int_eq(
	    pooler_show(c, "CONFIG", "key", "default_pool_size", "default"),
	    20);
	/* case does not matter, nor a semicolon, nor spaces */
	sql_do(c, "show Pools;");
	sql_do(c, "  SHOW   VERSION  ");
	ck_assert_int_eq(
	    PQresultStatus(PQexec(c, "SHOW NONSENSE")), PGRES_FATAL_ERROR);
	ck_assert_int_eq(
	    PQresultStatus(PQexec(c, "DROP TABLE x")), PGRES_FATAL_ERROR);
	ck_assert_int_eq(
	    PQresultStatus(PQexec(c, "SHOW 'unterminated")), PGRES_FATAL_ERROR);
	/* a driver's first words */
	ck_assert_ptr_nonnull(PQparameterStatus(c, "server_version"));
	ck_assert_str_eq(PQparameterStatus(c, "client_encoding"), "UTF8");
	ck_assert_str_eq(
	    PQparameterStatus(c, "standard_conforming_strings"), "on");
	sql_do(c, "SHOW VERSION");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(both_names_of_the_console)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_conn(p, "dbname=pooler user=admin");

	sql_do(c, "SHOW POOLS");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* May the system's user `uid` reload as `pooler`, over the Unix socket? */
static bool
may_reload(const struct pooler *p, uid_t uid)
{
	const char *at = text(
	    "host=%s port=%d dbname=pgbouncer user=pooler", p->dir, p->port);
	pid_t kid = fork();
	int status;

	ck_assert_int_ne(kid, -1);
	if (kid == 0) {
		bool is_good = geteuid() == uid || setuid(uid) == 0;
		PGconn *c = PQconnectdb(at);

		_exit(is_good &&
			    PQresultStatus(PQexec(c, "RELOAD")) ==
				PGRES_COMMAND_OK
			? 0
			: 1);
	}
	ck_assert_int_eq(waitpid(kid, &status, 0), kid);
	return status == 0;
}

/* The user that the pooler runs as needs no password; nobody else is that. */
START_TEST(its_own_user)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	struct stat dir;

	ck_assert_int_eq(stat(p->dir, &dir), 0);
	ck_assert(may_reload(p, dir.st_uid));
	if (geteuid() != dir.st_uid)
		ck_assert(!may_reload(p, geteuid()));
	sql_refused(pooler_at(p, "dbname=pgbouncer user=pooler"), "FATAL");
	pooler_stop(p);
}
END_TEST

START_TEST(stats_user_may_only_look)
{
	static const char *const forbidden[] = { "RELOAD", "SHUTDOWN",
		"SHUTDOWN WAIT_FOR_CLIENTS", "PAUSE", "RESUME", "SUSPEND",
		"KILL app", "KILL_CLIENT 1", "DISABLE app", "ENABLE app",
		"RECONNECT", "WAIT_CLOSE", "SET default_pool_size = 1",
		"SHOW FDS" };
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_console(p, "stats"), *a = pooler_conn(p, "");

	sql_do(c, "SHOW POOLS");
	sql_do(c, "SHOW CLIENTS");
	sql_do(c, "SHOW CONFIG");
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) {
		PGresult *r = PQexec(c, forbidden[i]);

		ck_assert_msg(PQresultStatus(r) == PGRES_FATAL_ERROR,
		    "%s is allowed", forbidden[i]);
		PQclear(r);
	}
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	PQfinish(a);
	a = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	PQfinish(a);
	PQfinish(c);
	/* others do not get in at all */
	sql_refused(pooler_at(p, "dbname=pgbouncer user=app"), "FATAL");
	pooler_stop(p);
}
END_TEST

START_TEST(extended_protocol_is_refused)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_console(p, "admin");
	PGresult *r =
	    PQexecParams(c, "SHOW POOLS", 0, NULL, NULL, NULL, NULL, 0);

	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	sql_closed(c, 5000);
	PQfinish(c);
	PQfinish(pooler_console(p, "admin"));
	pooler_stop(p);
}
END_TEST

START_TEST(shutdown_command)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_console(p, "admin"), *a = pooler_conn(p, "");

	/* the answer may not come any more */
	PQclear(PQexec(c, "SHUTDOWN"));
	sql_closed(a, 5000);
	pooler_gone(p, 0);
	PQfinish(a);
	PQfinish(c);
}
END_TEST

START_TEST(shutdown_waits)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_console(p, "admin"), *a = pooler_conn(p, "");
	struct wire *w;

	sql_do(c, "SHUTDOWN WAIT_FOR_CLIENTS");
	UNTIL(5000, (w = wire_try("127.0.0.1", p->port)) == NULL);
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	PQfinish(a);
	PQfinish(c);
	pooler_gone(p, 0);
}
END_TEST

/* A long table to a slow reader, and readers that leave in its middle. */
START_TEST(long_tables)
{
	struct pooler *p = pooler_new();
	struct wire *w;
	int n = 0;

	for (int i = 0; i < 500; i++)
		pooler_db(
		    p, "database_with_a_long_name_%d = host=127.0.0.1", i);
	pooler_start(p);
	for (int i = 0; i < 10; i++) {
		w = wire_open("127.0.0.1", p->port);
		wire_login(w, "admin", "pgbouncer");
		wire_query(w, "SHOW DATABASES");
		wire_expect(w, "TDD");
		wire_free(w);
	}
	w = wire_open("127.0.0.1", p->port);
	wire_login(w, "admin", "pgbouncer");
	for (int i = 0; i < 20; i++)
		wire_query(w, "SHOW DATABASES");
	for (int i = 0; i < 20; i++) {
		wire_expect(w, "T");
		while (wire_recv(w, WIRE_MS) == 'D')
			n++;
		ck_assert_int_eq(w->type, 'C');
		wire_expect(w, "Z");
	}
	ck_assert_int_ge(n, 20 * 502);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("console");
	TCase *tc = suite_case(s, "console", 30);

	tcase_add_test(tc, pools_are_exact);
	tcase_add_test(tc, servers_tell_the_backend);
	tcase_add_test(tc, stats_are_exact);
	tcase_add_test(tc, config_and_words);
	tcase_add_test(tc, stats_user_may_only_look);
	if (!is_standin())
		tcase_add_test(tc, its_own_user);
	tcase_add_test(tc, extended_protocol_is_refused);
	tcase_add_test(tc, shutdown_command);
	tcase_add_test(tc, long_tables);
	if (!is_standin()) {
		tcase_add_test(tc, columns);
		tcase_add_test(tc, column_types);
		tcase_add_test(tc, both_names_of_the_console);
		tcase_add_test(tc, shutdown_waits);
	}
	return suite_run(s, SUITE_PG);
}
