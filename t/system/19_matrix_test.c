/*
 * 19_matrix_test.c - every way in, on both sides: the method that the client
 * is asked for, TLS, how and where its secret is stored, right and wrong, and
 * the method and TLS of the server.
 *
 * A configuration is one start of the pooler; its cells are logins that run
 * side by side.  What has to come of a cell is not listed but derived, from
 * few rules: matrix.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/system/matrix.h"

/* Logins that run at the same time. */
enum { AT_ONCE = 24 };

/* --- the cells ---------------------------------------------------------------- */

/* All cells of these lines; returns how many. */
static int
make_cells(struct cell *cells, const struct line *line, int nlines, bool served)
{
	int n = 0;

	for (int i = 0; i < nlines * 2 * KINDS * PLACES * SERVERS; i++) {
		struct cell x = { .is_served = served, .line = line };
		int at = i;

		x.server = (enum server)(at % SERVERS);
		at /= SERVERS;
		x.place = (enum place)(at % PLACES);
		at /= PLACES;
		x.kind = (enum kind)(at % KINDS);
		at /= KINDS;
		x.is_tls = at % 2;
		x.line += at / 2;
		if (x.kind != UNKNOWN || x.server == BY_TRUST)
			cells[n++] = x;
		/* these do not come as far as the server's question */
		if (x.server != BY_TRUST)
			continue;
		x.proof = WRONG;
		cells[n++] = x;
		x.proof = RIGHT;
		x.is_bound = true;
		cells[n++] = x;
	}
	ck_assert_int_le(n, CELLS);
	return n;
}

static const char *
name_of(const struct cell *x)
{
	return text("%s%s, client %s%s, %s, %s, server %s over %s",
	    x->line->type ? "hba: " : "", x->line->name,
	    x->is_tls ? "TLS" : "plain", x->is_bound ? " bound" : "",
	    user_of(x->kind, x->place), x->proof == RIGHT ? "right" : "wrong",
	    servers[x->server], x->is_served ? "TLS" : "plain");
}

/* The client's certificate, where it counts. */
static const char *
shown(const struct cell *x, const char *end)
{
	const char *who = "none";

	if (x->line->method == ASK_CERT)
		who = x->proof == RIGHT ? user_of(x->kind, x->place) : "app";
	return cert(text("%s.%s", who, end));
}

static void
begin(struct cell *x, const struct pooler *p)
{
	const char *const key[] = { "host", "port", "dbname", "user",
		"password", "sslmode", "sslrootcert", "sslcert", "sslkey",
		"channel_binding", "gssencmode", NULL };
	const char *const value[] = { "127.0.0.1", text("%d", p->port),
		text("%s_%d", x->line->name, (int)x->server),
		user_of(x->kind, x->place),
		x->proof == RIGHT ? PG_PASSWORD : "wrong", tls_modes[x->is_tls],
		cert("ca.crt"), shown(x, "crt"), shown(x, "key"),
		x->is_bound ? "require" : "prefer", "disable", NULL };

	x->c = PQconnectStartParams(key, value, 0);
	ck_assert_ptr_nonnull(x->c);
	PQsetErrorVerbosity(x->c, PQERRORS_VERBOSE);
}

/* Nothing more will come of it: is it what had to come? */
static bool
is_as_expected(const struct cell *x, PGresult *r)
{
	const char *why = refusal(x), *said = PQerrorMessage(x->c), *at;
	const char *row;

	if (why != NULL) {
		at = strstr(said, why);
		/* a sentence has to be the last, and the whole */
		return PQstatus(x->c) == CONNECTION_BAD && at != NULL &&
		    (strchr(why, '\n') == NULL ||
			(strcmp(at, why) == 0 && at - said >= 8 &&
			    memcmp(at - 8, "FATAL:  ", 8) == 0));
	}
	row = text("%s server_%s %s",
	    x->line->method == ASK_NOBODY ? user_of(CLEAR_SCRAM, AUTH_FILE)
					  : user_of(x->kind, x->place),
	    servers[x->server], x->is_served ? "tls" : "plain");
	return PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1 &&
	    strcmp(PQgetvalue(r, 0, 0), row) == 0 &&
	    (PQsslInUse(x->c) != 0) == x->is_tls;
}

/* Logged in: who is the backend, and how has the pooler reached it? */
#define WHO                                                                \
	"SELECT concat_ws(' ', current_user, datname, CASE WHEN ssl THEN " \
	"'tls' ELSE 'plain' END) FROM pg_stat_activity JOIN pg_stat_ssl "  \
	"USING (pid) WHERE pid = pg_backend_pid()"

/* A step of libpq's; returns what to wait for, 0: it is over. */
static short
step(struct cell *x)
{
	if (!x->is_asking) {
		switch (PQconnectPoll(x->c)) {
		case PGRES_POLLING_READING:
			return POLLIN;
		case PGRES_POLLING_WRITING:
			return POLLOUT;
		case PGRES_POLLING_OK:
			break;
		default:
			return 0;
		}
		x->is_asking = true;
		return PQsendQuery(x->c, WHO) ? POLLIN : 0;
	}
	return PQconsumeInput(x->c) && PQisBusy(x->c) ? POLLIN : 0;
}

/* Returns whether it came out as it has to. */
static bool
end(struct cell *x)
{
	PGresult *r = x->is_asking ? PQgetResult(x->c) : NULL;
	bool is_well = is_as_expected(x, r);

	if (!is_well)
		printf("%s: expected %s; got \"%s\" %s\n", name_of(x),
		    refusal(x) ? refusal(x) : "success",
		    PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "",
		    PQerrorMessage(x->c));
	PQclear(r);
	PQfinish(x->c);
	return is_well;
}

/* All cells, AT_ONCE at a time; returns how many came out otherwise. */
static int
run(struct cell *cells, int n, const struct pooler *p)
{
	struct cell *now[AT_ONCE];
	struct pollfd on[AT_ONCE];
	int next = 0, running = 0, bad = 0;

	while (next < n || running > 0) {
		for (; running < AT_ONCE && next < n; running++) {
			now[running] = &cells[next++];
			begin(now[running], p);
			on[running] = (struct pollfd){ .events = POLLOUT,
				.fd = PQsocket(now[running]->c) };
		}
		ck_assert_msg(
		    poll(on, (nfds_t)running, 20000) > 0 || errno == EINTR,
		    "%s: no answer", name_of(now[0]));
		for (int i = running - 1; i >= 0; i--) {
			if (on[i].revents == 0)
				continue;
			on[i].events = step(now[i]);
			/* libpq may try again by another socket */
			on[i].fd = PQsocket(now[i]->c);
			if (on[i].events != 0)
				continue;
			bad += !end(now[i]);
			now[i] = now[--running];
			on[i] = on[running];
		}
	}
	return bad;
}

/* --- the configurations ------------------------------------------------------- */

static void
make_role(enum kind kind, enum place place)
{
	bool is_md5 = kind == CLEAR_MD5 || kind == MD5;
	const char *user = user_of(kind, place);

	pg_ask(pg,
	    "SET password_encryption = '%s'; "
	    "CREATE ROLE %s LOGIN PASSWORD '" PG_PASSWORD "'; "
	    "INSERT INTO secrets SELECT rolname, rolpassword FROM pg_authid "
	    "WHERE rolname = '%s'",
	    is_md5 ? "md5" : "scram-sha-256", user, user);
	if (kind <= CLEAR_SCRAM)
		pg_ask(pg,
		    "UPDATE secrets SET secret = '" PG_PASSWORD "' "
		    "WHERE name = '%s'",
		    user);
}

static const char *
secret_of(enum kind kind, enum place place)
{
	return pg_ask(pg, "SELECT secret FROM secrets WHERE name = '%s'",
	    user_of(kind, place));
}

/* Roles of each kind, databases for each way in, and TLS. */
static void
set_up(void)
{
	char rules[512] = "", *hba;

	pg_ask(pg, "CREATE TABLE secrets (name text, secret text)");
	for (int i = 0; i < UNKNOWN * PLACES; i++)
		make_role((enum kind)(i / PLACES), (enum place)(i % PLACES));
	for (int i = 0; i < KINDS * PLACES; i++)
		certs_client(
		    user_of((enum kind)(i / PLACES), (enum place)(i % PLACES)));
	for (int i = 0; i < SERVERS; i++) {
		size_t len = strlen(rules);

		pg_ask(pg, "CREATE DATABASE \"server_%s\"", servers[i]);
		snprintf(rules + len, sizeof(rules) - len,
		    "host server_%s all all %s\n", servers[i], servers[i]);
	}
	hba = slurp(text("%s/pg_hba.conf", pg->dir));
	spew(text("%s/pg_hba.conf", pg->dir), text("%s%s", rules, hba));
	free(hba);
	pg_ask(pg, "ALTER SYSTEM SET ssl_cert_file = '%s'", cert("server.crt"));
	pg_ask(pg, "ALTER SYSTEM SET ssl_key_file = '%s'", cert("server.key"));
	pg_ask(pg, "ALTER SYSTEM SET ssl = on");
	pg_ask(pg, "SELECT pg_reload_conf()");
	UNTIL(5000, strcmp(pg_ask(pg, "SHOW ssl"), "on") == 0);
}

/* A pooler with all users, and databases for these lines. */
static struct pooler *
prepare(const struct line *line, int nlines, bool is_served)
{
	struct pooler *p = pooler_new();

	for (int i = 0; i < nlines * SERVERS; i++)
		pooler_db(p,
		    "%s_%d = host=127.0.0.1 port=%d dbname=server_%s %s",
		    line[i / SERVERS].name, i % SERVERS, pg->port,
		    servers[i % SERVERS],
		    line[i / SERVERS].method == ASK_NOBODY
			? text("user=%s", user_of(CLEAR_SCRAM, AUTH_FILE))
			: "");
	for (int kind = 0; kind < UNKNOWN; kind++)
		pooler_auth(p, user_of((enum kind)kind, AUTH_FILE),
		    secret_of((enum kind)kind, AUTH_FILE));
	pooler_db(
	    p, "secrets = host=127.0.0.1 port=%d dbname=postgres", pg->port);
	pooler_set(p,
	    "auth_user = postgres\nauth_dbname = secrets\n"
	    "auth_query = SELECT name, secret FROM secrets WHERE name = $1 "
	    "AND name LIKE 'query%%'");
	pooler_set(p, "client_tls_sslmode = %s",
	    line->method == ASK_CERT ? "verify-full" : "allow");
	pooler_set(p, "client_tls_cert_file = %s", cert("server.crt"));
	pooler_set(p, "client_tls_key_file = %s", cert("server.key"));
	pooler_set(p, "client_tls_ca_file = %s", cert("ca.crt"));
	pooler_set(p, "server_tls_sslmode = %s", tls_modes[is_served]);
	pooler_set(p, "server_tls_ca_file = %s", cert("ca.crt"));
	/* each login has to reach the server: none is left from the last */
	pooler_set(p, "server_lifetime = 0\nserver_idle_timeout = 1");
	pooler_set(p, "query_wait_timeout = 15\nserver_login_retry = 0.4");
	return p;
}

static void
check(const struct line *line, int nlines, struct pooler *p, bool is_served)
{
	struct cell *cells = calloc(CELLS, sizeof(*cells));
	int n, bad;

	ck_assert_ptr_nonnull(cells);
	n = make_cells(cells, line, nlines, is_served);
	pooler_start(p);
	bad = run(cells, n, p);
	ck_assert_msg(bad == 0, "%d of %d cells", bad, n);
	free(cells);
	pooler_stop(p);
}

START_TEST(auth_types)
{
	const struct line *line = &types[_i / 2];
	struct pooler *p = prepare(line, 1, _i % 2);

	pooler_set(p, "auth_type = %s", line->name);
	check(line, 1, p, _i % 2);
}
END_TEST

START_TEST(hba_lines)
{
	struct pooler *p = prepare(lines, LINES, _i);
	FILE *f = fopen(text("%s/hba", p->dir), "w");

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < LINES; i++)
		fprintf(f, "%s \"/^%s_\" all 127.0.0.1/32 %s\n", lines[i].type,
		    lines[i].name, lines[i].rule);
	ck_assert_int_eq(fclose(f), 0);
	spawn_own(text("%s/hba", p->dir));
	pooler_set(p, "auth_type = hba\nauth_hba_file = %s/hba", p->dir);
	check(lines, LINES, p, _i);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("matrix");
	TCase *tc = suite_case(s, "matrix", 60);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_unchecked_fixture(tc, set_up, NULL);
	tcase_add_loop_test(tc, auth_types, 0, 2 * TYPES);
	tcase_add_loop_test(tc, hba_lines, 0, 2);
	return suite_run(s, SUITE_PG);
}
