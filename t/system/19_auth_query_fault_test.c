/*
 * 19_auth_query_fault_test.c - auth_query when the server is down, slow, rude,
 * or has other passwords than before; when many ask; when the resolver dies.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/auth_query.h"

/* Nothing that was found is kept. */
START_TEST(password_changes)
{
	struct pooler *p = configure("scram-sha-256");

	in_app("DROP ROLE IF EXISTS new_u; CREATE ROLE new_u LOGIN PASSWORD "
	       "'" PG_PASSWORD "'");
	pooler_workers(p, 1);
	pooler_start(p);
	let_in(p, "new_u");
	in_app("ALTER ROLE new_u PASSWORD 'second'");
	keep_out(p, "new_u");
	PQfinish(sql_open(as(p, "new_u", "second")));
	in_app("ALTER ROLE new_u NOLOGIN");
	sql_refused(as(p, "new_u", "second"), WRONG);
	in_app("ALTER ROLE new_u LOGIN VALID UNTIL '2001-01-01'");
	sql_refused(as(p, "new_u", "second"), WRONG);
	in_app("ALTER ROLE new_u VALID UNTIL 'infinity'");
	PQfinish(sql_open(as(p, "new_u", "second")));
	pooler_stop(p);
}
END_TEST

/* Its servers are gone, and with them who had the old password. */
START_TEST(new_password_at_the_server)
{
	static const char *const types[] = { "plain", "md5", "scram-sha-256" };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct pooler *p = start(types[i]);
		PGconn *c;

		(void)pg_ask(
		    pg, "ALTER ROLE scram_u PASSWORD '" PG_PASSWORD "'");
		let_in(p, "scram_u");
		(void)pg_ask(pg, "ALTER ROLE scram_u PASSWORD 'second'");
		pg_terminate(pg, "usename = 'scram_u'");
		c = pooler_console(p, "admin");
		UNTIL(5000,
		    pooler_show(c, "POOLS", "user", "scram_u", "sv_idle") == 0);
		PQfinish(c);
		c = sql_open(as(p, "scram_u", "second"));
		ck_assert_int_eq(sql_num(c, "SELECT 42"), 42);
		PQfinish(c);
		pooler_stop(p);
	}
	(void)pg_ask(pg, "ALTER ROLE scram_u PASSWORD '" PG_PASSWORD "'");
}
END_TEST

/* A server that is down is said to be down, at once the second time. */
START_TEST(database_down)
{
	struct pooler *p = configure("scram-sha-256");
	int64_t from;

	pooler_db(p, "down = host=127.0.0.1 port=%d", spawn_port());
	pooler_set(p, "server_login_retry = 60");
	pooler_start(p);
	for (int i = 0; i < 10; i++) {
		from = now_ms();
		sql_refused(pooler_at(p, "dbname=down user=scram_u password=x"),
		    "server is not reachable");
		ck_assert_int_lt(now_ms() - from, 10000);
	}
	ck_assert_int_eq(file_count(p->log, "auth_query: connection to"), 1);
	/* others are not held up by it */
	let_in(p, "scram_u");
	pooler_stop(p);
}
END_TEST

/* --- servers that are none ------------------------------------------------- */

static void
garbled(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_send(fd, "R\xff\xff\xff\xff\0\0\0\0", 9);
	fake_hang(fd);
}

/* In, and our SET answered; then up to the question's Sync. */
static void
hear_question(int fd, struct fake_count *count)
{
	char body[1024];

	fake_startup(fd, count);
	fake_welcome(fd);
	while (fake_recv(fd, body, sizeof(body)) != 'Q')
		;
	fake_put(fd, 'C', "s", "SET");
	fake_ready(fd, 'I');
	while (fake_recv(fd, body, sizeof(body)) != 'S')
		;
	count->mark[0]++;
}

static void
torn(int fd, struct fake_count *count)
{
	hear_question(fd, count);
	fake_send(fd,
	    "1\0\0\0\4"
	    "2\0\0\0\4"
	    "D\0\0\1",
	    14);
}

/* Rows without an end, without a word on what they are made of. */
static void
nameless(int fd, struct fake_count *count)
{
	hear_question(fd, count);
	fake_send(fd,
	    "1\0\0\0\4"
	    "2\0\0\0\4",
	    10);
	for (;;)
		fake_put(fd, 'D', "hixix", 2, 7, "scram_u", (size_t)7, 1, "x",
		    (size_t)1);
}

static void
endless(int fd, struct fake_count *count)
{
	hear_question(fd, count);
	fake_send(fd,
	    "1\0\0\0\4"
	    "2\0\0\0\4",
	    10);
	fake_put(fd, 'T', "hsihihihsihihih", 2, "name", 0, 0, 25, -1, -1, 0,
	    "secret", 0, 0, 25, -1, -1, 0);
	for (;;)
		fake_put(fd, 'D', "hixix", 2, 7, "scram_u", (size_t)7, 1, "x",
		    (size_t)1);
}

static int
try_server(fake_fn *fn, const char *why)
{
	struct fakepg *f = fakepg_start(fn);
	struct pooler *p = configure("plain");
	int64_t from;
	int n;

	pooler_db(p, "rude = host=127.0.0.1 port=%d", f->port);
	pooler_start(p);
	from = now_ms();
	sql_refused(pooler_at(p, "dbname=rude user=scram_u password=x"), why);
	ck_assert_int_lt(now_ms() - from, 18000);
	let_in(p, "scram_u");
	pooler_stop(p);
	n = f->count->mark[0];
	fakepg_stop(f);
	return n;
}

START_TEST(rude_servers)
{
	try_server(garbled, "server is not reachable");
	/* tried on a second connection, and not for ever */
	ck_assert_int_eq(try_server(torn, "connection was lost"), 2);
	try_server(nameless, "timed out");
	ck_assert_int_eq(try_server(endless, WRONG), 1);
}
END_TEST

/* It comes back: known after server_login_retry, and sessions that broke
 * meanwhile are opened anew without anybody's error. */
START_TEST(database_returns)
{
	struct pg *mine = pg_new(0);
	struct pooler *p = configure("scram-sha-256");
	char *at;

	pooler_db(
	    p, "mine = host=127.0.0.1 port=%d dbname=app user=app", mine->port);
	pooler_set(p, "server_login_retry = 0.5");
	pooler_start(p);
	at = strdup(pooler_at(
	    p, "dbname=mine user=scram_u password='" PG_PASSWORD "'"));
	PQfinish(sql_open(at));
	/* at once: nobody has seen the connection break but its socket */
	ck_assert_int_eq(pg_terminate(mine, ASKERS), 1);
	PQfinish(sql_open(at));
	pg_stop(mine);
	sql_refused(at, "server is not reachable");
	pg_start(mine);
	UNTIL(5000, PQping(at) == PQPING_OK);
	{
		PGconn *c = NULL;

		UNTIL(5000,
		    (PQfinish(c), c = PQconnectdb(at),
			PQstatus(c) == CONNECTION_OK));
		PQfinish(c);
	}
	free(at);
	pooler_stop(p);
	pg_free(mine);
}
END_TEST

/* A database that its server does not have: like a user who is not there. */
START_TEST(no_such_database)
{
	struct pooler *p = configure("scram-sha-256");

	pooler_db(p, "* = host=127.0.0.1 port=%d", pg->port);
	pooler_start(p);
	sql_refused(
	    pooler_at(p, "dbname=nothere user=scram_u password=x"), WRONG);
	sql_refused(
	    pooler_at(p, "dbname=nothere user=nobody password=x"), WRONG);
	sql_refused(
	    pooler_at(p, "dbname=postgres user=scram_u password=x"), WRONG);
	pooler_stop(p);
}
END_TEST

/* A look-up that takes for ever delays no other database's. */
START_TEST(slow_query)
{
	struct pooler *p = configure("scram-sha-256");
	struct wire *w[8];
	char buf[512];
	int64_t from;

	pooler_db(p,
	    "slow = host=127.0.0.1 port=%d dbname=app2 "
	    "auth_query='SELECT $1::text, pg_sleep(60)::text'",
	    pg->port);
	pooler_start(p);
	for (int i = 0; i < 8; i++) {
		w[i] = wire_open("127.0.0.1", p->port);
		wire_send(w[i], buf,
		    wire_startup(buf, sizeof(buf), 0x30000, "user",
			text("slow%d", i), "database", "slow", NULL));
	}
	UNTIL(5000, pg_backends(pg, ASKERS " AND datname = 'app2'") == 4);
	from = now_ms();
	for (int i = 0; i < 5; i++)
		let_in(p, "scram_u");
	ck_assert_int_lt(now_ms() - from, 6000);
	/* never more, and in time an answer for all */
	for (int i = 0; i < 8; i++) {
		ck_assert_int_le(
		    pg_backends(pg, ASKERS " AND datname = 'app2'"), 4);
		ck_assert_int_eq(wire_recv(w[i], WIRE_MS), 'E');
		wire_free(w[i]);
	}
	/* the server has ended them, and no backend is left that runs one */
	UNTIL(20000,
	    pg_backends(pg,
		ASKERS " AND datname = 'app2'"
		       " AND state = 'active'") == 0);
	pooler_stop(p);
}
END_TEST

enum { MANY = 300 };

/* Many at once: all come in, and few connections look them up. */
START_TEST(many)
{
	struct pooler *p = configure("md5");
	PGconn *c[MANY];
	int in = 0, most = 0;
	bool is_in[MANY] = { false };

	in_app("SET password_encryption = 'md5'; DO $$ BEGIN "
	       "FOR i IN 0..29 LOOP "
	       "EXECUTE format('DROP ROLE IF EXISTS many%s', i); "
	       "EXECUTE format('CREATE ROLE many%s LOGIN PASSWORD %L', i, "
	       "'pw' || i); END LOOP; END $$");
	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "max_client_conn = 1000");
	pooler_start(p);
	for (int i = 0; i < MANY; i++) {
		c[i] = PQconnectStart(pooler_at(p,
		    text("dbname=open user=many%d password=pw%d", i % 30,
			i % 30)));
		ck_assert_ptr_nonnull(c[i]);
	}
	for (int64_t end = now_ms() + 40000; in < MANY;) {
		int n;

		ck_assert_int_lt(now_ms(), end);
		for (int i = 0; i < MANY; i++) {
			PostgresPollingStatusType s;

			if (is_in[i])
				continue;
			s = PQconnectPoll(c[i]);
			ck_assert_msg(s != PGRES_POLLING_FAILED, "%s",
			    PQerrorMessage(c[i]));
			is_in[i] = s == PGRES_POLLING_OK;
			in += is_in[i];
		}
		n = pg_backends(pg, ASKERS " AND datname = 'app'");
		most = n > most ? n : most;
	}
	ck_assert_int_ge(most, 1);
	ck_assert_int_le(most, 4);
	for (int i = 0; i < MANY; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

/* The resolver dies over a question: its successor is asked. */
START_TEST(resolver_killed)
{
	struct pooler *p = configure("plain");
	PGconn *c, *lock;
	PostgresPollingStatusType s = PGRES_POLLING_WRITING;
	pid_t pid;

	make_table();
	pooler_set(p,
	    "auth_query = SELECT name, secret FROM public.secrets WHERE name = "
	    "$1");
	p->errors_ok = true;
	pooler_start(p);
	UNTIL(5000, (pid = pooler_resolver(p)) > 0);
	lock = sql_open(
	    text("host=127.0.0.1 port=%d dbname=app user=postgres", pg->port));
	sql_do(lock, "BEGIN; LOCK TABLE public.secrets");
	c = PQconnectStart(as(p, "scram_u", PG_PASSWORD));
	UNTIL(5000,
	    (s = PQconnectPoll(c)) != PGRES_POLLING_FAILED &&
		pg_backends(pg,
		    ASKERS " AND datname = 'app' AND state = 'active'") == 1);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	UNTIL(5000, pooler_resolver(p) != pid);
	sql_do(lock, "COMMIT");
	PQfinish(lock);
	for (int64_t end = now_ms() + 20000; s != PGRES_POLLING_OK; nap()) {
		ck_assert_int_lt(now_ms(), end);
		ck_assert_msg(
		    s != PGRES_POLLING_FAILED, "%s", PQerrorMessage(c));
		s = PQconnectPoll(c);
	}
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* Other settings: other connections. */
START_TEST(reload_closes)
{
	struct pooler *p = start("plain");
	char *pids;

	let_in(p, "scram_u");
	pids = strdup(pg_pids(pg, ASKERS));
	ck_assert_str_ne(pids, "");
	let_in(p, "scram_u");
	ck_assert_str_eq(pg_pids(pg, ASKERS), pids);
	pooler_reload(p);
	UNTIL(5000, pg_backends(pg, ASKERS) == 0);
	let_in(p, "scram_u");
	ck_assert_int_eq(pg_backends(pg, ASKERS), 1);
	pooler_set(p, "auth_user =");
	pooler_set(p, "auth_query =");
	pooler_reload(p);
	UNTIL(5000, pg_backends(pg, ASKERS) == 0);
	keep_out(p, "scram_u");
	ck_assert_int_eq(pg_backends(pg, ASKERS), 0);
	free(pids);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("auth_query faults");
	TCase *tc = suite_case(s, "auth_query faults", 60);

	tcase_add_test(tc, password_changes);
	tcase_add_test(tc, new_password_at_the_server);
	tcase_add_test(tc, database_down);
	tcase_add_test(tc, rude_servers);
	tcase_add_test(tc, database_returns);
	tcase_add_test(tc, no_such_database);
	tcase_add_test(tc, slow_query);
	tcase_add_test(tc, many);
	tcase_add_test(tc, resolver_killed);
	tcase_add_test(tc, reload_closes);
	return suite_run(s, SUITE_PG);
}
