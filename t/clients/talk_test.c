/*
 * talk_test.c - other people's drivers log in and talk: `make check-clients`.
 *
 * A row is a driver, an auth_type, TLS or none, and a pool mode.  For each, a
 * pooler stands in front of the program's PostgreSQL, with TLS on both of its
 * sides or on none, and client.sh runs the driver's conversation.  It has to
 * print "ok STEP" for each step that its driver has: a step that did not
 * happen fails as one that went wrong does.
 *
 *   TALK_ONLY   only rows whose line has this text in it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/clients/client_sh.h"
#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

enum { TALK_MS = 90000 };

static const struct driver {
	const char *name;
	const char *lacks[2]; /* steps that it has no means for */
} drivers[] = {
	{ "psql", { NULL } },
	{ "psycopg2", { NULL } },
	{ "psycopg", { NULL } },
	{ "asyncpg", { "bound" } },
	{ "node-postgres", { "copy", "bound" } },
	{ "jdbc", { "bound" } },
};

static const char *const steps[] = { "connect", "simple", "parameter",
	"transaction", "large", "error", "copy", "cancel", "parallel",
	"password", "stranger", "bound", "close" };

static const struct method {
	const char *auth_type, *user;
} methods[] = {
	{ "trust", "app" },
	{ "plain", "plain_u" },
	{ "md5", "md5_u" },
	{ "scram-sha-256", "scram_u" },
};

#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))

struct row {
	const struct driver *driver;
	const struct method *method;
	bool is_tls, is_session;
};

/* Rows of one driver follow each other. */
enum { ROWS_EACH = 4 * 2 * 2 };
_Static_assert(ROWS_EACH == sizeof(methods) / sizeof(*methods) * 4,
    "each method with and without TLS, in both modes");

static struct row
row_of(int i)
{
	return (struct row){ &drivers[i / ROWS_EACH],
		&methods[i % ROWS_EACH / 4], (i & 2) != 0, (i & 1) != 0 };
}

/* Good until the next call; works outside of tests, too. */
static const char *
line_of(const struct row *r)
{
	static char line[80];

	snprintf(line, sizeof(line), "%-13s  %-13s  %-3s  %-11s",
	    r->driver->name, r->method->auth_type, r->is_tls ? "tls" : "-",
	    r->is_session ? "session" : "transaction");
	return line;
}

/* --- what a row stands on ------------------------------------------------------ */

static const char *
secret_of(const char *user)
{
	if (strcmp(user, "plain_u") == 0)
		return PG_PASSWORD;
	return pg_ask(pg,
	    "SELECT coalesce(rolpassword, '') FROM pg_authid "
	    "WHERE rolname = '%s'",
	    user);
}

static bool
server_has_tls(void)
{
	PGconn *c = PQconnectdb(
	    text("host=127.0.0.1 port=%d user=app dbname=app "
		 "sslmode=verify-full sslrootcert=%s connect_timeout=5",
		pg->port, cert("ca.crt")));
	bool has = PQstatus(c) == CONNECTION_OK;

	PQfinish(c);
	return has;
}

/* The server shows a certificate, too, from now on: this test's. */
static void
give_server_tls(void)
{
	pg_ask(pg, "ALTER SYSTEM SET ssl = on");
	pg_ask(pg, "ALTER SYSTEM SET ssl_key_file = '%s'", cert("server.key"));
	pg_ask(pg, "ALTER SYSTEM SET ssl_cert_file = '%s'", cert("server.crt"));
	pg_ask(pg, "SELECT pg_reload_conf()");
	UNTIL(5000, server_has_tls());
}

static void
set_tls(struct pooler *p)
{
	give_server_tls();
	pooler_set(p,
	    "client_tls_sslmode = require\n"
	    "client_tls_key_file = %s\nclient_tls_cert_file = %s",
	    cert("server.key"), cert("server.crt"));
	pooler_set(p,
	    "server_tls_sslmode = verify-full\nserver_tls_ca_file = %s",
	    cert("ca.crt"));
}

static struct pooler *
start(const struct row *r)
{
	struct pooler *p = pooler_new();

	pg_ask(pg,
	    "SET client_min_messages = warning; CREATE TABLE IF NOT EXISTS "
	    "kept (token text); TRUNCATE kept; "
	    "GRANT ALL ON kept TO PUBLIC");
	pooler_db(p, "talk = host=127.0.0.1 port=%d dbname=postgres", pg->port);
	pooler_auth(p, r->method->user, secret_of(r->method->user));
	pooler_set(p, "auth_type = %s", r->method->auth_type);
	/* the crowd of 20 has to share, or has to have room */
	pooler_set(p, "pool_mode = %s\ndefault_pool_size = %d",
	    r->is_session ? "session" : "transaction", r->is_session ? 40 : 5);
	if (r->is_tls)
		set_tls(p);
	else
		pooler_set(p, "server_tls_sslmode = disable");
	pooler_start(p);
	return p;
}

/* --- a conversation --------------------------------------------------------------- */

static bool
has_step(const struct row *r, const char *step)
{
	bool is_scram = strcmp(r->method->auth_type, "scram-sha-256") == 0;

	if (strcmp(step, "stranger") == 0 && !r->is_tls)
		return false;
	if (strcmp(step, "bound") == 0 && !(r->is_tls && is_scram))
		return false;
	for (int i = 0; i < COUNT(r->driver->lacks); i++)
		if (r->driver->lacks[i] &&
		    strcmp(step, r->driver->lacks[i]) == 0)
			return false;
	return true;
}

/* The driver's conversation: its exit code. */
static int
talk_to(const struct pooler *p, const struct row *r, const char *out)
{
	const char *env[] = { "PGHOST=127.0.0.1", text("PGPORT=%d", p->port),
		text("PGUSER=%s", r->method->user),
		text("PGPASSWORD=%s", PG_PASSWORD), "PGDATABASE=talk",
		r->is_tls ? "PGSSLMODE=verify-full" : "PGSSLMODE=disable",
		text("PGSSLROOTCERT=%s", cert("ca.crt")),
		text("TALK_OTHER_CA=%s", cert("ca2.crt")),
		text("TALK_AUTH=%s", r->method->auth_type),
		text("HOME=%s", p->dir), NULL };

	return client_sh_run("talk", r->driver->name, env, out, TALK_MS);
}

static int
count_steps(const struct row *r, const char *out)
{
	int n = 0;

	for (int i = 0; i < COUNT(steps); i++) {
		if (!has_step(r, steps[i]))
			continue;
		ck_assert_msg(file_count(out, text("ok %s\n", steps[i])) == 1,
		    "no %s: %.3000s", steps[i], slurp(out));
		n++;
	}
	return n;
}

/* Lines of the log with both texts. */
static int
count_lines(const struct pooler *p, const char *one, const char *two)
{
	char *log = slurp(p->log), *rest = log, *line;
	int n = 0;

	while ((line = strsep(&rest, "\n")) != NULL)
		n += strstr(line, one) && strstr(line, two);
	free(log);
	return n;
}

/* Nobody is left, and whoever was let in has said goodbye. */
static void
look_behind(const struct pooler *p, const struct row *r)
{
	PGconn *c = pooler_conn(p,
	    text("dbname=pgbouncer user=admin password=console sslmode=%s",
		r->is_tls ? "require" : "disable"));

	client_sh_look_behind(p, c);
	ck_assert_int_ge(count_lines(p, " talk/", "client close request"), 1);
	ck_assert_int_eq(count_lines(p, " talk/", "unexpected eof"), 0);
}

START_TEST(talk)
{
	struct row r = row_of(_i);
	struct pooler *p = start(&r);
	const char *out = text("%s/talk.out", p->dir);
	int code;

	printf("%s  ", line_of(&r));
	fflush(stdout);
	code = talk_to(p, &r, out);
	if (code != 0)
		printf("failed\n");
	ck_assert_msg(code == 0, "exit code %d: %.3000s", code, slurp(out));
	printf("ok, %d steps\n", count_steps(&r, out));
	look_behind(p, &r);
	pooler_stop(p);
}
END_TEST

/* --- which -------------------------------------------------------------------------- */

int
main(void)
{
	Suite *s = suite_create("clients");
	const char *only = getenv("TALK_ONLY");
	int n = 0;

	for (int d = 0; d < COUNT(drivers); d++) {
		TCase *tc;

		if (!client_sh_is_chosen(drivers[d].name))
			continue;
		tc = suite_case(s, drivers[d].name, TALK_MS / 1000 + 30);
		for (int i = d * ROWS_EACH; i < (d + 1) * ROWS_EACH; i++) {
			struct row r = row_of(i);

			if (only && !strstr(line_of(&r), only))
				continue;
			tcase_add_loop_test(tc, talk, i, i + 1);
			n++;
		}
	}
	if (n == 0) {
		fprintf(stderr, "clients: no row chosen\n");
		return EXIT_FAILURE;
	}
	return suite_run(s, SUITE_PG);
}
