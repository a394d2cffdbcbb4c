/*
 * 32_set_test.c - SET at the console: one setting of all workers changes at
 * once, a bad one changes nothing, and nobody loses a connection by it.
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
#include "t/lib/watch.h"
#include "t/lib/wire.h"
#include "t/system/set.h"

static struct pooler *
with_workers(int n, const char *setting)
{
	struct pooler *p = pooler_new();

	pooler_workers(p, n);
	pooler_set(p, "%s", setting);
	pooler_start(p);
	return p;
}

static long
pool(PGconn *c, const char *col)
{
	return pooler_show(c, "POOLS", "database", "app", col);
}

/* --- what it does --------------------------------------------------------- */

/* More servers for those who wait already; then fewer, and never more. */
START_TEST(pool_limit)
{
	enum { N = 12 };
	struct pooler *p = with_workers(4, "default_pool_size = 1");
	PGconn *c = console(p), *a[N];
	struct watch w;

	for (int i = 0; i < N; i++) {
		a[i] = pooler_conn(p, "");
		sql_send(a[i], "BEGIN");
	}
	UNTIL(5000, pool(c, "cl_waiting") == N - 1);
	set(c, "default_pool_size", "5");
	ck_assert_str_eq(config(c, "default_pool_size"), "5");
	ck_assert_int_eq(
	    pooler_show(c, "DATABASES", "name", "app", "pool_size"), 5);
	UNTIL(5000, pool(c, "sv_active") == 5);
	UNTIL(5000, pool(c, "cl_waiting") == N - 5);
	set(c, "default_pool_size", "2");
	/* each has its turn, and gives its server back or has it closed */
	for (int left = N; left > 0;)
		for (int i = 0; i < N; i++)
			if (a[i] && sql_is_ready(a[i], 10)) {
				sql_get(a[i]);
				sql_do(a[i], "COMMIT");
				PQfinish(a[i]);
				a[i] = NULL;
				left--;
			}
	UNTIL(5000, pg_backends(pg, "datname = 'app'") <= 2);
	w = watch_start(pg, "datname = 'app'");
	for (int i = 0; i < N; i++) {
		a[i] = pooler_conn(p, "");
		sql_send(a[i], "SELECT 1 FROM pg_sleep(0.05)");
	}
	for (int i = 0; i < N; i++) {
		sql_get(a[i]);
		PQfinish(a[i]);
	}
	ck_assert_int_le(watch_stop(&w), 2);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* When it has answered, there is no worker that does not know. */
START_TEST(all_workers_at_once)
{
	struct pooler *p = with_workers(4, "max_client_conn = 50");
	PGconn *c = console(p), *only = pooler_conn(p, ""), *a;
	int n;

	for (int round = 0; round < 5; round++) {
		set(c, "max_client_conn", "1");
		for (n = 0; n < 12; n++)
			sql_refused(pooler_at(p, ""), "max_client_conn");
		set(c, "max_client_conn", "10");
		for (n = 0; n < 12; n++) {
			a = pooler_conn(p, "");
			ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
			PQfinish(a);
		}
	}
	ck_assert_int_eq(sql_num(only, "SELECT 1"), 1);
	PQfinish(only);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* A worker that does not act on it yet keeps the answer back. */
START_TEST(answer_waits_for_all)
{
	struct pooler *p = with_workers(3, "default_pool_size = 3");
	PGconn *c = console(p);
	pid_t pids[3];

	ck_assert_int_eq(pooler_pids(c, pids, 3), 3);
	/* one of them is the console's own */
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(kill(pids[i], SIGSTOP), 0);
		sql_send(c, "SET default_pool_size = %d", 10 + i);
		ck_assert(!sql_is_ready(c, 300));
		ck_assert_int_eq(kill(pids[i], SIGCONT), 0);
		sql_get(c);
		ck_assert_str_eq(
		    config(c, "default_pool_size"), text("%d", 10 + i));
	}
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(tag_and_forms)
{
	static const struct {
		const char *set, *tag, *value;
	} v[] = {
		{ "SET default_pool_size=7", "SET default_pool_size=7", "7" },
		{ "set DEFAULT_POOL_SIZE to 8;", "SET default_pool_size=8",
		    "8" },
		{ "SET \"default_pool_size\" = '0x9'",
		    "SET default_pool_size=0x9", "9" },
	};
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = console(p);
	char path[1024];

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		PGresult *r = PQexec(c, v[i].set);

		ck_assert_str_eq(PQcmdStatus(r), v[i].tag);
		ck_assert_str_eq(config(c, "default_pool_size"), v[i].value);
		PQclear(r);
	}
	set(c, "admin_users", "admin, other");
	ck_assert_str_eq(config(c, "admin_users"), "admin, other");
	/* the longest that there can be */
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	set(c, "login_notify_message", path);
	ck_assert_str_eq(config(c, "login_notify_message"), path);
	sql_fails(c, "42601", "SET login_notify_message = '%sx'", path);
	/* as it was before there was anything to set */
	ck_assert_str_eq(PQcmdStatus(PQexec(c, "SET timezone = 'UTC'")), "SET");
	ck_assert_ptr_nonnull(strstr(notice, "SET ignored"));
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(refusals)
{
	struct pooler *p = with_workers(3, "default_pool_size = 3");
	PGconn *c = console(p), *s = pooler_console(p, "stats");
	PGconn *a = pooler_conn(p, "");

	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	refused(c, "default_pool_size", "many", "22023", "default_pool_size");
	refused(c, "default_pool_size", "-1", "22023", "default_pool_size");
	refused(c, "pool_mode", "sometimes", "22023", "session, transaction");
	refused(c, "auth_type", "hba", "22023", "auth_hba_file");
	refused(c, "auth_file", "/nowhere/users", "22023", "/nowhere/users");
	refused(c, "no_such_key", "1", "42704", "no_such_key");
	refused(c, "auth_user", "a\nb", "22023", "control");
	refused(s, "default_pool_size", "9", "42501", "admin");
	refused(s, "no_such_key", "9", "42501", "admin");
	ck_assert_str_eq(config(c, "default_pool_size"), "3");
	ck_assert_str_eq(config(c, "pool_mode"), "transaction");
	/* needs a restart: taken, and nothing comes of it */
	set_saying(c, "listen_port", "5", "restart");
	set_saying(c, "pidfile", "/tmp/x", "restart");
	ck_assert_str_eq(config(c, "listen_port"), text("%d", p->port));
	ck_assert(file_has(p->log, "listen_port: a change needs a restart"));
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	PQfinish(pooler_conn(p, ""));
	/* said once, not by each worker */
	ck_assert_int_eq(file_count(p->log, "sometimes"), 1);
	PQfinish(a);
	PQfinish(s);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(reload_drops)
{
	struct pooler *p = pooler_with("default_pool_size = 3");
	PGconn *c = console(p);

	set(c, "default_pool_size", "4");
	set(c, "query_wait_timeout", "33");
	set(c, "auth_user", "asks");
	sql_do(c, "RELOAD");
	ck_assert_str_eq(config(c, "default_pool_size"), "3");
	ck_assert_str_eq(config(c, "query_wait_timeout"), "120");
	/* one whose default is "none" */
	ck_assert_str_eq(config(c, "auth_user"), "asks");
	set(c, "default_pool_size", "5");
	kill(p->pid, SIGHUP);
	UNTIL(5000, !strcmp(config(c, "default_pool_size"), "3"));
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* The file as it is being edited is for a RELOAD, not for SET. */
START_TEST(file_is_not_read)
{
	struct pooler *p = pooler_with("default_pool_size = 3");
	PGconn *c = console(p);

	pooler_set(p, "max_client_conn = 77");
	pooler_write(p);
	set(c, "default_pool_size", "4");
	ck_assert_str_eq(config(c, "max_client_conn"), "100");
	ck_assert_int_eq(unlink(p->conf), 0);
	set(c, "default_pool_size", "5");
	ck_assert_str_eq(config(c, "default_pool_size"), "5");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* A worker that is born later acts on it, too. */
START_TEST(replacement)
{
	struct pooler *p = with_workers(2, "max_client_conn = 50");
	PGconn *c = console(p), *a;
	pid_t pids[2];

	set(c, "max_client_conn", "1");
	ck_assert_int_eq(pooler_pids(c, pids, 2), 2);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(kill(pids[i], SIGKILL), 0);
	PQfinish(c);
	p->errors_ok = true;
	UNTIL(5000,
	    (c = PQconnectdb(pooler_at(p,
		 "dbname=pgbouncer "
		 "user=admin"
		 " password=console")),
		PQstatus(c) == CONNECTION_OK) ||
		(PQfinish(c), false));
	(void)pooler_pids(c, pids, 2);
	ck_assert_str_eq(config(c, "max_client_conn"), "1");
	a = pooler_conn(p, "");
	for (int n = 0; n < 10; n++)
		sql_refused(pooler_at(p, ""), "max_client_conn");
	PQfinish(a);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* Many in one go, and consoles that leave before they are answered. */
START_TEST(in_a_row)
{
	struct pooler *p = with_workers(3, "default_pool_size = 3");
	struct wire *w;
	PGconn *c;

	for (int i = 0; i < 5; i++) {
		w = wire_open("127.0.0.1", p->port);
		wire_login(w, "admin", "pgbouncer");
		wire_query(w, "SET default_pool_size = 7");
		wire_query(w, "SET default_pool_size = 8");
		wire_free(w);
	}
	w = wire_open("127.0.0.1", p->port);
	wire_login(w, "admin", "pgbouncer");
	for (int i = 0; i < 20; i++) {
		wire_query(w, text("SET default_pool_size = %d", 10 + i));
		wire_query(w, text("SET pool_mode = %d", i));
	}
	for (int i = 0; i < 20; i++)
		wire_expect(w, "CZEZ");
	wire_query(w,
	    "SET client_tls_ciphers = "
	    "'HIGH:!aNULL:!MD5:!RC4:!3DES:!DSS:!SEED'");
	wire_expect(w, "C");
	ck_assert_str_eq(w->body,
	    "SET client_tls_ciphers=HIGH:!aNULL:!MD5:!RC4:!3DES:!DSS:!SEED");
	wire_expect(w, "Z");
	wire_free(w);
	c = console(p);
	ck_assert_str_eq(config(c, "default_pool_size"), "29");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(another_auth_file)
{
	struct pooler *p = pooler_with("auth_type = md5");
	char path[300];
	PGconn *c = sql_open(
	    pooler_at(p, "dbname=pgbouncer user=admin password=console"));
	PGconn *a;

	PQsetNoticeReceiver(c, on_notice, NULL);
	snprintf(path, sizeof(path), "%s/other_users", p->dir);
	sql_refused(pooler_at(p, "user=app password=new"), "");
	spew(path, "\"app\" \"new\"\n");
	set(c, "auth_file", path);
	a = sql_open(pooler_at(p, "user=app password=new"));
	PQfinish(a);
	/* the same name again: what stands there now */
	spew(path, "\"app\" \"newer\"\n");
	set(c, "default_pool_size", "3");
	PQfinish(sql_open(pooler_at(p, "user=app password=new")));
	set(c, "auth_file", path);
	PQfinish(sql_open(pooler_at(p, "user=app password=newer")));
	sql_refused(pooler_at(p, "user=app password=new"), "");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(another_logfile)
{
	struct pooler *p = pooler_with("default_pool_size = 3");
	PGconn *c = console(p);
	char path[300];

	snprintf(path, sizeof(path), "%s/other.log", p->dir);
	refused(c, "logfile", "/nowhere/x.log", "22023", "/nowhere/x.log");
	ck_assert_str_eq(config(c, "logfile"), "");
	set(c, "logfile", path);
	ck_assert(file_has(path, "SET done"));
	PQfinish(pooler_conn(p, ""));
	UNTIL(5000, file_has(path, "login attempt"));
	sql_do(c, "RELOAD");
	ck_assert(file_has(p->log, "reload done"));
	ck_assert(!file_has(path, "reload done"));
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("set");
	TCase *tc = suite_case(s, "set", 30);

	tcase_add_test(tc, pool_limit);
	tcase_add_test(tc, all_workers_at_once);
	tcase_add_test(tc, answer_waits_for_all);
	tcase_add_test(tc, tag_and_forms);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, reload_drops);
	tcase_add_test(tc, file_is_not_read);
	tcase_add_test(tc, replacement);
	tcase_add_test(tc, in_a_row);
	tcase_add_test(tc, another_auth_file);
	tcase_add_test(tc, another_logfile);
	return suite_run(s, SUITE_PG);
}
