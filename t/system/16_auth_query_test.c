/*
 * 16_auth_query_test.c - users whom auth_file does not know: asked of their
 * database by auth_query, and let in or kept out like all others.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

#define WRONG "password authentication failed"

/* What the look-ups' connections are called at the server. */
#define ASKERS "application_name = 'pooler auth_query'"

/* auth_user is the superuser, who needs no password. */
static struct pooler *
configure(const char *auth_type)
{
	struct pooler *p = pooler_new();

	pooler_set(p, "auth_type = %s", auth_type);
	pooler_set(p, "auth_user = postgres");
	return p;
}

static struct pooler *
start(const char *auth_type)
{
	struct pooler *p = configure(auth_type);

	pooler_start(p);
	return p;
}

/* A table of secrets beside the server's own. */
static struct pooler *
start_with_table(const char *auth_type)
{
	struct pooler *p = configure(auth_type);

	pooler_set(p,
	    "auth_query = SELECT name, secret FROM public.secrets WHERE name = "
	    "$1");
	pooler_start(p);
	return p;
}

/* Run as the superuser in database app. */
static void
in_app(const char *sql)
{
	PGconn *c = sql_open(text("host=127.0.0.1 port=%d dbname=app "
				  "user=postgres",
	    pg->port));

	sql_do(c, "%s", sql);
	PQfinish(c);
}

static void
make_table(void)
{
	in_app("DROP TABLE IF EXISTS public.secrets; "
	       "CREATE TABLE public.secrets (name text, secret text); "
	       "INSERT INTO public.secrets VALUES "
	       "('plain_u', '" PG_PASSWORD "'), ('md5_u', '" PG_PASSWORD "'), "
	       "('scram_u', '" PG_PASSWORD "'), ('null_u', NULL), "
	       "('empty_u', ''), ('two_u', 'a'), ('two_u', 'a')");
}

static const char *
as(const struct pooler *p, const char *user, const char *password)
{
	return pooler_at(
	    p, text("dbname=app user='%s' password='%s'", user, password));
}

/* In, and a query answered: the server has let the user in, too. */
static void
let_in(const struct pooler *p, const char *user)
{
	PGconn *c = sql_open(as(p, user, PG_PASSWORD));

	ck_assert_str_eq(sql_one(c, "SELECT current_user"), user);
	PQfinish(c);
}

static void
keep_out(const struct pooler *p, const char *user)
{
	sql_refused(as(p, user, PG_PASSWORD), WRONG);
}

static void
try_wrong(const struct pooler *p, const char *user)
{
	sql_refused(as(p, user, "wrong"), WRONG);
	sql_refused(as(p, user, PG_PASSWORD "x"), WRONG);
}

/* Roles who exist and must not come in. */
static void
make_barred(void)
{
	in_app("SET password_encryption = 'scram-sha-256';"
	       "DROP ROLE IF EXISTS old_u; DROP ROLE IF EXISTS new_u; "
	       "DROP ROLE IF EXISTS group_u; DROP ROLE IF EXISTS bare_u; "
	       "CREATE ROLE old_u LOGIN PASSWORD '" PG_PASSWORD
	       "' VALID UNTIL '2001-01-01'; "
	       "CREATE ROLE new_u LOGIN PASSWORD '" PG_PASSWORD
	       "' VALID UNTIL '2200-01-01'; "
	       "CREATE ROLE group_u NOLOGIN PASSWORD '" PG_PASSWORD "'; "
	       "CREATE ROLE bare_u LOGIN");
}

static void
barred_stay_out(const struct pooler *p)
{
	keep_out(p, "old_u");
	keep_out(p, "group_u");
	keep_out(p, "bare_u");
	keep_out(p, "nobody");
	/* he who asks is no one's way in */
	sql_refused(as(p, "postgres", "x"), WRONG);
}

START_TEST(plain)
{
	struct pooler *p = start("plain");

	make_barred();
	let_in(p, "plain_u");
	let_in(p, "md5_u");
	let_in(p, "scram_u");
	let_in(p, "new_u");
	try_wrong(p, "plain_u");
	try_wrong(p, "md5_u");
	try_wrong(p, "scram_u");
	barred_stay_out(p);
	pooler_stop(p);
}
END_TEST

START_TEST(md5)
{
	struct pooler *p = start("md5");

	make_barred();
	let_in(p, "md5_u");
	let_in(p, "scram_u");
	let_in(p, "new_u");
	try_wrong(p, "md5_u");
	try_wrong(p, "scram_u");
	barred_stay_out(p);
	pooler_stop(p);
}
END_TEST

START_TEST(scram)
{
	struct pooler *p = start("scram-sha-256");

	make_barred();
	let_in(p, "scram_u");
	let_in(p, "new_u");
	keep_out(p, "md5_u");
	try_wrong(p, "scram_u");
	barred_stay_out(p);
	pooler_stop(p);
}
END_TEST

START_TEST(trust)
{
	struct pooler *p = start("trust");

	make_barred();
	let_in(p, "bare_u");
	sql_refused(as(p, "nobody", "x"), "does not exist");
	sql_refused(as(p, "group_u", "x"), "does not exist");
	pooler_stop(p);
}
END_TEST

/* Plain-text secrets, which serve every method on both sides. */
START_TEST(plain_secrets)
{
	static const char *const types[] = { "plain", "md5", "scram-sha-256" };

	make_table();
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct pooler *p = start_with_table(types[i]);

		let_in(p, "plain_u");
		let_in(p, "md5_u");
		let_in(p, "scram_u");
		try_wrong(p, "plain_u");
		try_wrong(p, "scram_u");
		keep_out(p, "null_u");
		keep_out(p, "empty_u");
		keep_out(p, "nobody");
		sql_refused(as(p, "two_u", "a"), WRONG);
		pooler_stop(p);
	}
}
END_TEST

/* auth_file goes first, and is not asked past. */
START_TEST(file_first)
{
	struct pooler *p = configure("scram-sha-256");

	make_table();
	pooler_auth(p, "scram_u", "other");
	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_start(p);
	PQfinish(
	    sql_open(pooler_at(p, "dbname=open user=scram_u password=other")));
	sql_refused(as(p, "scram_u", PG_PASSWORD), WRONG);
	ck_assert_int_eq(pg_backends(pg, ASKERS), 0);
	pooler_stop(p);
}
END_TEST

/* Names are parameters, and no text of the query. */
START_TEST(injection)
{
	static const char *const names[] = { "x'' OR true --", "\" OR true",
		"$1", "%s%n", "x\\'' OR 1=1", "scram_u'' --", "\xff\xfe",
		"scram_u ", "SCRAM_U",
		"scram_uscram_uscram_uscram_uscram_uscram_uscram_uscram_u"
		"scram_uscram_u" };
	struct pooler *p = start_with_table("plain");

	make_table();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char name[256], *out = name;

		/* as libpq's connection strings want it */
		for (const char *c = names[i]; *c != '\0'; c++) {
			if (*c == '\'' || *c == '\\')
				*out++ = '\\';
			*out++ = *c;
		}
		*out = '\0';
		keep_out(p, name);
	}
	let_in(p, "scram_u");
	ck_assert_int_eq(pg_num(pg, "SELECT 1"), 1);
	pooler_stop(p);
}
END_TEST

/*
 * What the client says in its startup packet has no say in the look-up: a
 * table of its own, in front of the true one, is not looked at
 * (CVE-2025-12819).
 */
START_TEST(no_client_state)
{
	struct pooler *p = configure("plain");

	make_table();
	in_app("DROP SCHEMA IF EXISTS evil CASCADE; CREATE SCHEMA evil; "
	       "CREATE TABLE evil.secrets (name text, secret text); "
	       "INSERT INTO evil.secrets VALUES ('scram_u', 'evil'); "
	       "GRANT ALL ON SCHEMA evil TO public; "
	       "GRANT ALL ON ALL TABLES IN SCHEMA evil TO public");
	pooler_set(
	    p, "auth_query = SELECT name, secret FROM secrets WHERE name = $1");
	pooler_set(p, "ignore_startup_parameters = search_path, options");
	pooler_set(p, "track_extra_parameters = search_path, role");
	pooler_start(p);
	sql_refused(pooler_at(p,
			"dbname=app user=scram_u password=evil "
			"options='-c search_path=evil,public'"),
	    WRONG);
	sql_refused(as(p, "scram_u", "evil"), WRONG);
	let_in(p, "scram_u");
	pooler_stop(p);
}
END_TEST

/* A row that is not the user's proves nothing of him (CVE-2015-6817). */
START_TEST(other_rows)
{
	struct pooler *p = configure("plain");

	make_table();
	pooler_set(p,
	    "auth_query = SELECT 'scram_u'::text, '" PG_PASSWORD
	    "'::text WHERE $1 <> ''");
	pooler_start(p);
	keep_out(p, "nobody");
	keep_out(p, "md5_u");
	let_in(p, "scram_u");
	pooler_stop(p);
}
END_TEST

static void
try_query(const char *query, const char *why)
{
	struct pooler *p = configure("plain");

	pooler_set(p, "auth_query = %s", query);
	pooler_start(p);
	sql_refused(as(p, "scram_u", PG_PASSWORD), why);
	sql_refused(as(p, "nobody", PG_PASSWORD), why);
	/* the resolver lives, and asks anew */
	sql_refused(as(p, "scram_u", PG_PASSWORD), why);
	ck_assert(!file_has(p->log, PG_PASSWORD));
	pooler_stop(p);
}

/* Queries that do not do: whoever comes is told so, and so is the log. */
START_TEST(bad_queries)
{
	try_query("SELECT rolname FROM pg_authid WHERE rolname = $1",
	    "auth_query failed");
	try_query("SELECT rolname, rolpassword, 1 FROM pg_authid "
		  "WHERE rolname = $1",
	    "auth_query failed");
	try_query("SELECT 1", "auth_query failed");
	try_query("SELECT rolname, rolpassword FROM nothing WHERE x = $1",
	    "auth_query failed");
	try_query("COPY pg_authid TO STDOUT", "auth_query failed");
	try_query("SELEKT", "auth_query failed");
	try_query("SELECT rolname, rolpassword FROM pg_authid "
		  "WHERE rolname = $1; SELECT 1, 2",
	    "auth_query failed");
	/* endless rows for one user are that user's fault alone */
	try_query(
	    "SELECT $1::text, generate_series(1, 100000000)::text", WRONG);
	try_query("SELECT $1::text, repeat('x', 512)", WRONG);
}
END_TEST

/* A secret as long as a message may be. */
START_TEST(long_secret)
{
	struct pooler *p = configure("plain");
	char pw[512];

	memset(pw, 'x', sizeof(pw));
	pw[511] = '\0';
	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "auth_query = SELECT $1::text, repeat('x', 511)");
	pooler_start(p);
	PQfinish(sql_open(
	    pooler_at(p, text("dbname=open user=whoever password=%s", pw))));
	pw[510] = '\0';
	sql_refused(
	    pooler_at(p, text("dbname=open user=whoever password=%s", pw)),
	    WRONG);
	pooler_stop(p);
}
END_TEST

/* Per-database settings go before the general ones; auth_dbname is an entry's
 * name. */
START_TEST(per_database)
{
	struct pooler *p = configure("plain");

	make_table();
	pooler_db(p,
	    "own = host=127.0.0.1 port=%d dbname=app2 user=app auth_dbname=app "
	    "auth_query='SELECT name, secret FROM public.secrets "
	    "WHERE name = $1'",
	    pg->port);
	pooler_db(p,
	    "none = host=127.0.0.1 port=%d dbname=app2 user=app "
	    "auth_user=app",
	    pg->port);
	pooler_db(p,
	    "lost = host=127.0.0.1 port=%d dbname=app2 user=app "
	    "auth_dbname=nowhere",
	    pg->port);
	p->errors_ok = true;
	pooler_start(p);
	in_app("INSERT INTO public.secrets VALUES ('tab_u', 'tab')");
	PQfinish(sql_open(pooler_at(p, "dbname=own user=tab_u password=tab")));
	sql_refused(pooler_at(p, "dbname=app user=tab_u password=tab"), WRONG);
	/* that auth_user may not read pg_authid */
	sql_refused(pooler_at(p, "dbname=none user=tab_u password=tab"),
	    "auth_query failed");
	sql_refused(pooler_at(p, "dbname=lost user=tab_u password=tab"),
	    "bouncer config error");
	ck_assert_int_eq(pg_backends(pg, ASKERS " AND usename = 'app'"), 1);
	ck_assert_int_eq(pg_backends(pg,
			     ASKERS " AND usename = 'postgres'"
				    " AND datname = 'app'"),
	    1);
	pooler_stop(p);
}
END_TEST

/* auth_user proves himself by his secret in auth_file. */
START_TEST(asker_has_password)
{
	struct pooler *p = configure("plain");

	make_table();
	in_app("GRANT SELECT ON public.secrets TO md5_u");
	pooler_set(p, "auth_user = md5_u");
	pooler_set(p,
	    "auth_query = SELECT name, secret FROM public.secrets WHERE name = "
	    "$1");
	pooler_auth(p, "md5_u", PG_PASSWORD);
	pooler_start(p);
	let_in(p, "scram_u");
	ck_assert_int_eq(pg_backends(pg, ASKERS " AND usename = 'md5_u'"), 1);
	/* the wrong one: told clearly, and the password to nobody */
	pooler_auth(p, "md5_u", "not-the-secret");
	pooler_set(p, "server_login_retry = 1");
	pooler_reload(p);
	sql_refused(as(p, "scram_u", PG_PASSWORD), "server is not reachable");
	ck_assert(file_has(p->log, "auth_query: connection to"));
	ck_assert(!file_has(p->log, "not-the-secret"));
	pooler_auth(p, "md5_u", PG_PASSWORD);
	pooler_reload(p);
	let_in(p, "scram_u");
	pooler_stop(p);
}
END_TEST

/* Nothing that was found is kept. */
START_TEST(password_changes)
{
	struct pooler *p = configure("scram-sha-256");

	make_barred();
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
		ck_assert_int_lt(now_ms() - from, 2000);
	}
	ck_assert_int_eq(file_count(p->log, "auth_query: connection to"), 1);
	/* others are not held up by it */
	let_in(p, "scram_u");
	pooler_stop(p);
}
END_TEST

/* It comes back: known after server_login_retry, and sessions that broke
 * meanwhile are opened anew without anybody's error. */
START_TEST(database_returns)
{
	struct pg *mine = pg_new(0);
	struct pooler *p = configure("scram-sha-256");
	const char *at;

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
	ck_assert_int_lt(now_ms() - from, 2000);
	/* never more, and in time an answer for all */
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(
		    pg_backends(pg, ASKERS " AND datname = 'app2'"), 4);
		ck_assert_int_eq(wire_recv(w[i], 12000), 'E');
		wire_free(w[i]);
	}
	/* the server has ended them, and no backend is left that runs one */
	UNTIL(8000,
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
	for (int64_t end = now_ms() + 20000; in < MANY;) {
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

/* 0: there is none just now. */
static pid_t
resolver_of(const struct pooler *p)
{
	PGconn *c = pooler_console(p, "admin");
	PGresult *r = PQexec(c, "SHOW WORKERS");
	pid_t pid = 0;

	for (int i = 0; i < PQntuples(r); i++)
		if (strcmp(PQgetvalue(r, i, PQfnumber(r, "kind")),
			"resolver") == 0)
			pid =
			    (pid_t)atol(PQgetvalue(r, i, PQfnumber(r, "pid")));
	PQclear(r);
	PQfinish(c);
	return pid;
}

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
	UNTIL(5000, (pid = resolver_of(p)) > 0);
	lock = sql_open(
	    text("host=127.0.0.1 port=%d dbname=app user=postgres", pg->port));
	sql_do(lock, "BEGIN; LOCK TABLE public.secrets");
	c = PQconnectStart(as(p, "scram_u", PG_PASSWORD));
	for (int64_t end = now_ms() + 400; now_ms() < end; nap())
		if (s != PGRES_POLLING_OK && s != PGRES_POLLING_FAILED)
			s = PQconnectPoll(c);
	UNTIL(5000,
	    pg_backends(
		pg, ASKERS " AND datname = 'app' AND state = 'active'") == 1);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	UNTIL(5000, resolver_of(p) != pid);
	sql_do(lock, "COMMIT");
	PQfinish(lock);
	for (int64_t end = now_ms() + 9000; s != PGRES_POLLING_OK; nap()) {
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

/* The console's users are asked for in auth_dbname, or not at all. */
START_TEST(console)
{
	struct pooler *p = configure("plain");
	const char *at;

	make_table();
	pooler_set(p, "admin_users = admin, scram_u");
	pooler_start(p);
	at = strdup(pooler_at(
	    p, "dbname=pgbouncer user=scram_u password='" PG_PASSWORD "'"));
	sql_refused(at, WRONG);
	pooler_set(p, "auth_dbname = app");
	pooler_reload(p);
	PQfinish(sql_open(at));
	sql_refused(
	    pooler_at(p, "dbname=pgbouncer user=scram_u password=x"), WRONG);
	sql_refused(
	    pooler_at(
		p, "dbname=pgbouncer user=md5_u password='" PG_PASSWORD "'"),
	    "not allowed");
	pooler_stop(p);
}
END_TEST

/* Who is unknown is told what one with a wrong password is told, in the same
 * messages. */
START_TEST(no_enumeration)
{
	static const char *const users[] = { "scram_u", "old_u", "group_u",
		"bare_u", "nobody" };
	static const char first[] = "n,,n=,r=fyko";
	struct pooler *p = start("scram-sha-256");
	char buf[512], shape[5][64];

	make_barred();
	for (int i = 0; i < 5; i++) {
		struct wire *w = wire_open("127.0.0.1", p->port);
		const char *salt, *rounds;

		wire_send(w, buf,
		    wire_startup(buf, sizeof(buf), 0x30000, "user", users[i],
			"database", "app", NULL));
		wire_expect(w, "R");
		wire_put(w, 'p', "six", "SCRAM-SHA-256", (int)sizeof(first) - 1,
		    first, sizeof(first) - 1);
		wire_expect(w, "R");
		salt =
		    strstr(text("%.*s", (int)w->len - 4, w->body + 4), ",s=");
		ck_assert_ptr_nonnull(salt);
		rounds = strstr(salt, ",i=");
		ck_assert_ptr_nonnull(rounds);
		snprintf(shape[i], sizeof(shape[i]), "%d%s",
		    (int)(rounds - salt), rounds);
		ck_assert_str_eq(shape[i], shape[0]);
		wire_free(w);
	}
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("auth_query");
	TCase *tc = suite_case(s, "auth_query", 60);

	tcase_add_test(tc, plain);
	tcase_add_test(tc, md5);
	tcase_add_test(tc, scram);
	tcase_add_test(tc, trust);
	tcase_add_test(tc, plain_secrets);
	tcase_add_test(tc, file_first);
	tcase_add_test(tc, injection);
	tcase_add_test(tc, no_client_state);
	tcase_add_test(tc, other_rows);
	tcase_add_test(tc, bad_queries);
	tcase_add_test(tc, long_secret);
	tcase_add_test(tc, per_database);
	tcase_add_test(tc, asker_has_password);
	tcase_add_test(tc, password_changes);
	tcase_add_test(tc, new_password_at_the_server);
	tcase_add_test(tc, database_down);
	tcase_add_test(tc, database_returns);
	tcase_add_test(tc, no_such_database);
	tcase_add_test(tc, slow_query);
	tcase_add_test(tc, many);
	tcase_add_test(tc, resolver_killed);
	tcase_add_test(tc, reload_closes);
	tcase_add_test(tc, console);
	tcase_add_test(tc, no_enumeration);
	return suite_run(s, SUITE_PG);
}
