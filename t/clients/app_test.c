/*
 * app_test.c - other people's drivers as applications use them: a crowd on
 * few backends.
 *
 * A row is a program over a driver and a place: "direct" is PostgreSQL itself,
 * where every step has to be right, too; "session" and "transaction" a pooler
 * with four workers in that mode, the latter with six backends.  A program
 * says "plan N", then "ok STEP" or "FAIL STEP: why" N times; one that is many
 * processes says so from each of them.  What was planned and is neither is a
 * failure as well.
 *
 *   PLACE       the places ("session transaction")
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/clients/client_sh.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/watch.h"

/* Of the backends one a worker may listen: two are left to work with. */
enum {
	APP_MS = 150000,
	WORKERS = 4,
	BACKENDS = 6,
	ROOM = 90,
	PRINTED_MAX = 40
};

static const struct app {
	const char *driver, *program;
} apps[] = {
	{ "libpq", "app" },
	{ "node-postgres", "app" },
	{ "node-postgres", "suite" },
	{ "postgres.js", "app" },
	{ "psycopg", "app" },
	{ "psycopg", "async" },
	{ "asyncpg", "app" },
	{ "jdbc", "app" },
	{ "php", "app" },
	{ "ruby", "app" },
	{ "perl", "app" },
};

static const char *const places[] = { "direct", "session", "transaction" };

/* Elsewhere each member has a backend. */
static const char *const crowds[] = { "24", "24", "48" };

enum { DIRECT, SESSION, TRANSACTION, PLACES };

enum { APPS = sizeof(apps) / sizeof(*apps) };

/* --- what a program stands on ------------------------------------------------- */

static void
tell_app(const char *sql)
{
	PGconn *c = PQconnectdb(
	    text("host=127.0.0.1 port=%d user=app dbname=app", pg->port));
	PGresult *r = PQexec(c, sql);

	ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s: %s", sql,
	    PQerrorMessage(c));
	PQclear(r);
	PQfinish(c);
}

/* The tables and types that the programs use, as new each time. */
static void
lay_out(void)
{
	/* compiling asyncpg's catalogue queries takes a second each */
	pg_ask(pg, "ALTER SYSTEM SET jit = off");
	pg_ask(pg, "SELECT pg_reload_conf()");
	tell_app("SET client_min_messages = warning;"
		 "DROP TABLE IF EXISTS kept, strict; DROP TYPE IF EXISTS mood;"
		 "CREATE TABLE kept (token text);"
		 "CREATE INDEX ON kept (token text_pattern_ops);"
		 "CREATE TABLE strict (token text NOT NULL);"
		 "CREATE TYPE mood AS ENUM ('sad', 'ok')");
	for (int i = 0; i < 4; i++)
		tell_app(text("SET client_min_messages = warning;"
			      "DROP SCHEMA IF EXISTS s%d CASCADE;"
			      "CREATE SCHEMA s%d;"
			      "CREATE TABLE s%d.place (name text);"
			      "INSERT INTO s%d.place VALUES ('s%d')",
		    i, i, i, i, i));
}

static struct pooler *
start(int place)
{
	struct pooler *p = pooler_new();

	pooler_workers(p, WORKERS);
	pooler_set(p, "pool_mode = %s\ndefault_pool_size = %d", places[place],
	    place == SESSION ? ROOM : BACKENDS);
	pooler_set(p, "max_client_conn = 1000");
	/* fewer than the crowd has: some are always closed and made again */
	pooler_set(p, "max_prepared_statements = 100");
	/* what waits for ever is told by name */
	pooler_set(p, "query_wait_timeout = 30");
	pooler_start(p);
	return p;
}

/* --- what it says --------------------------------------------------------------- */

struct said {
	int planned, ok, failed;
};

static bool
starts(const char *line, const char *word)
{
	return strncmp(line, word, strlen(word)) == 0;
}

/* One that many processes say is told once. */
static bool
is_new(const char *line)
{
	static char told[PRINTED_MAX][80];
	static int n;
	size_t len = strcspn(line, ":");

	for (int i = 0; i < n; i++)
		if (strncmp(told[i], line, len) == 0)
			return false;
	if (n < PRINTED_MAX)
		snprintf(told[n++], sizeof(*told), "%.*s", (int)len, line);
	return true;
}

/* Takes `out` apart; what is no good news is printed. */
static struct said
listen_to(char *out)
{
	struct said s = { 0 };
	char *line;
	int printed = 0;

	while ((line = strsep(&out, "\n")) != NULL) {
		if (starts(line, "plan "))
			s.planned += atoi(line + 5);
		else if (starts(line, "ok "))
			s.ok++;
		else if (*line && is_new(line) && printed++ < PRINTED_MAX)
			printf("  %.400s\n", line);
		s.failed += starts(line, "FAIL ");
	}
	return s;
}

static int
run_app(const struct app *a, int place, int port, const char *out)
{
	const char *crowd = getenv("APP_CROWD");
	const char *env[] = { "PGHOST=127.0.0.1", text("PGPORT=%d", port),
		"PGUSER=app", "PGPASSWORD=none", "PGDATABASE=app",
		"PGSSLMODE=disable", text("APP_PLACE=%s", places[place]),
		text("HOME=%s", spawn_dir()),
		text("APP_CROWD=%s", crowd ? crowd : crowds[place]), NULL };

	return client_sh_run(a->program, a->driver, env, out, APP_MS);
}

/* Nobody is left, and nothing of anybody. */
static void
look_behind(struct pooler *p)
{
	client_sh_look_behind(p, pooler_console(p, "admin"));
	UNTIL(5000,
	    pg_num(pg,
		"SELECT count(*) FROM pg_locks "
		"WHERE locktype = 'advisory'") == 0);
}

START_TEST(app)
{
	const struct app *a = &apps[_i / PLACES];
	int place = _i % PLACES, code;
	struct pooler *p = NULL;
	const char *out;
	int64_t began = now_ms();
	struct said s;
	struct watch w;
	char *text_out;
	int most;

	lay_out();
	if (place != DIRECT)
		p = start(place);
	w = watch_start(pg, "usename = 'app'");
	out = text("%s/%s-%s-%s.out", spawn_dir(), a->driver, a->program,
	    places[place]);
	code = run_app(a, place, p ? p->port : pg->port, out);
	most = watch_stop(&w);
	text_out = slurp(out);
	s = listen_to(text_out);
	free(text_out);
	printf("%-13s  %-5s  %-11s  %d of %d, %d backends, %.1f s\n", a->driver,
	    a->program, places[place], s.ok, s.planned, most,
	    (double)(now_ms() - began) / 1000);
	ck_assert_msg(code == 0 && s.planned > 0 && s.ok == s.planned,
	    "%s %s %s: exit code %d, %d of %d, %d failed", a->driver,
	    a->program, places[place], code, s.ok, s.planned, s.failed);
	if (place == TRANSACTION)
		ck_assert_int_le(most, BACKENDS);
	if (!p)
		return;
	look_behind(p);
	pooler_stop(p);
}
END_TEST

/* --- which ------------------------------------------------------------------------ */

int
main(void)
{
	Suite *s = suite_create("applications");
	const char *where = getenv("PLACE");
	int n = 0;

	if (!where || !*where)
		where = "session transaction";
	for (int i = 0; i < APPS * PLACES; i++) {
		const struct app *a = &apps[i / PLACES];
		TCase *tc;

		if (!client_sh_is_chosen(a->driver) ||
		    !client_sh_has_word(where, places[i % PLACES]))
			continue;
		tc = suite_case(s, a->driver, APP_MS / 1000 + 30);
		tcase_add_loop_test(tc, app, i, i + 1);
		n++;
	}
	if (n == 0) {
		fprintf(stderr, "applications: no row chosen\n");
		return EXIT_FAILURE;
	}
	return suite_run(s, SUITE_PG);
}
