/*
 * 19_matrix_test.c - every way in, on both sides: the method that the client
 * is asked for, TLS, how and where its secret is stored, right and wrong, and
 * the method and TLS of the server.
 *
 * A configuration is one start of the pooler; its cells are logins that run
 * side by side.  What has to come of a cell is not listed but derived, from
 * few rules, which are PostgreSQL's and PgBouncer's: refusal() and below.
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

/* --- the dimensions ----------------------------------------------------------- */

/* What the pooler has of a user, and how the server has stored the same. */
enum kind { CLEAR_MD5, CLEAR_SCRAM, MD5, SCRAM, UNKNOWN, KINDS };

/* Where the pooler has it from. */
enum place { AUTH_FILE, AUTH_QUERY, PLACES };

/* What a client brings to prove itself: password, or certificate. */
enum proof { RIGHT, WRONG, PROOFS };

/* How the server lets the pooler in. */
enum server { BY_TRUST, BY_PASSWORD, BY_MD5, BY_SCRAM, SERVERS };

/* How the pooler lets the client in. */
enum method {
	ASK_NOTHING,
	ASK_NOBODY, /* any: who it is does not matter */
	ASK_CLEAR,
	ASK_MD5,
	ASK_SCRAM,
	ASK_CERT,
	REJECT,
};

/* An auth_type, or the line of an hba file for databases of this name. */
struct line {
	const char *name, *type, *rule;
	enum method method;
};

static const struct line types[] = {
	{ .name = "plain", .method = ASK_CLEAR },
	{ .name = "md5", .method = ASK_MD5 },
	{ .name = "scram-sha-256", .method = ASK_SCRAM },
	{ .name = "trust", .method = ASK_NOTHING },
	{ .name = "any", .method = ASK_NOBODY },
	{ .name = "cert", .method = ASK_CERT },
};

static const struct line lines[] = {
	{ "clear", "host", "password", ASK_CLEAR },
	{ "md5", "host", "md5", ASK_MD5 },
	{ "scram", "host", "scram-sha-256", ASK_SCRAM },
	{ "open", "host", "trust", ASK_NOTHING },
	{ "cert", "hostssl", "cert", ASK_CERT },
	{ "never", "host", "reject", REJECT },
	{ "inside", "hostssl", "scram-sha-256", ASK_SCRAM },
	{ "outside", "hostnossl", "md5", ASK_MD5 },
};

enum {
	TYPES = sizeof(types) / sizeof(*types),
	LINES = sizeof(lines) / sizeof(*lines),
	CELLS = LINES * (KINDS * PLACES) * 2 * (SERVERS + 2),
	AT_ONCE = 24,
};

static const char *const servers[SERVERS] = { "trust", "password", "md5",
	"scram-sha-256" };
static const char *const tls_modes[] = { "disable", "verify-full" };

/* One login; `c` while it runs. */
struct cell {
	const struct line *line;
	bool is_tls;    /* the client's side */
	bool is_bound;  /* it demands channel binding */
	bool is_served; /* the server's side has TLS */
	enum kind kind;
	enum place place;
	enum proof proof;
	enum server server;
	bool is_asking;
	PGconn *c;
};

static const char *
user_of(enum kind kind, enum place place)
{
	static const char *const names[KINDS] = { "clear_md5", "clear_scram",
		"md5", "scram", "nobody" };

	return text(
	    "%s_%s", place == AUTH_FILE ? "file" : "query", names[kind]);
}

/* --- the rules ---------------------------------------------------------------- */

/* A server asks for what the pooler does not have. */
#define IN_VAIN "08P01: query_wait_timeout\n"

/* What the pooler can tell a server that asks. */
enum answer { NO_ANSWER, A_PASSWORD, AN_MD5_HASH, SCRAM_KEYS };

static enum answer
answer_of(const struct cell *x)
{
	if (x->line->method == ASK_NOBODY || x->kind <= CLEAR_SCRAM)
		return A_PASSWORD;
	/* it has just been typed */
	if (x->line->method == ASK_CLEAR)
		return A_PASSWORD;
	if (x->kind == MD5)
		return AN_MD5_HASH;
	/* a verifier alone proves nothing; a client's proof has the keys */
	return x->line->method == ASK_MD5 || x->line->method == ASK_SCRAM
	    ? SCRAM_KEYS
	    : NO_ANSWER;
}

static bool
is_let_in_by_server(const struct cell *x)
{
	enum answer a = answer_of(x);
	bool has_md5 = x->line->method != ASK_NOBODY &&
	    (x->kind == CLEAR_MD5 || x->kind == MD5);

	switch (x->server) {
	case BY_PASSWORD:
		return a == A_PASSWORD;
	case BY_MD5:
		/* it asks for SCRAM where it has a verifier */
		return a == A_PASSWORD ||
		    a == (has_md5 ? AN_MD5_HASH : SCRAM_KEYS);
	case BY_SCRAM:
		return !has_md5 && (a == A_PASSWORD || a == SCRAM_KEYS);
	default:
		return true;
	}
}

/* Before anything is asked: rules, and certificates. */
static const char *
refusal_by_rule(const struct cell *x, const char *user)
{
	const struct line *line = x->line;

	if (line->method == REJECT)
		return "28000: pg_hba.conf rejects connection for host ";
	if (line->type != NULL &&
	    strcmp(line->type, x->is_tls ? "hostnossl" : "hostssl") == 0)
		return "28000: no pg_hba.conf entry for host ";
	if (line->method != ASK_CERT)
		return NULL;
	if (!x->is_tls)
		return "28000: SSL required\n";
	return x->proof == RIGHT
	    ? NULL
	    : text("28000: certificate authentication failed for user \"%s\"\n",
		  user);
}

/* The words that libpq ends with; NULL: it is let in. */
static const char *
refusal(const struct cell *x)
{
	const char *user = user_of(x->kind, x->place);
	enum method method = x->line->method;
	const char *why = refusal_by_rule(x, user);

	if (why != NULL)
		return why;
	/* the secret says what is asked for */
	if (method == ASK_MD5 && x->kind == SCRAM)
		method = ASK_SCRAM;
	if ((method == ASK_NOTHING || method == ASK_CERT) && x->kind == UNKNOWN)
		return text("28000: role \"%s\" does not exist\n", user);
	/* libpq's own rule */
	if (x->is_bound && (!x->is_tls || method != ASK_SCRAM))
		return "channel binding";
	if ((method == ASK_CLEAR || method == ASK_MD5 || method == ASK_SCRAM) &&
	    (x->kind == UNKNOWN || x->proof == WRONG ||
		(method == ASK_SCRAM && x->kind == MD5)))
		return text("28P01: password authentication failed for user "
			    "\"%s\"\n",
		    user);
	if (is_let_in_by_server(x))
		return NULL;
	return answer_of(x) == A_PASSWORD && x->server == BY_SCRAM
	    ? text("password authentication failed for user \"%s\"", user)
	    : IN_VAIN;
}

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

/* Those who wait in vain come last, and so wait together. */
static int
compare(const void *a, const void *b)
{
	const char *x = refusal(a), *y = refusal(b);

	return (x != NULL && strcmp(x, IN_VAIN) == 0) -
	    (y != NULL && strcmp(y, IN_VAIN) == 0);
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
	pooler_set(p, "query_wait_timeout = 1\nserver_login_retry = 0.4");
	return p;
}

static void
check(const struct line *line, int nlines, struct pooler *p, bool is_served)
{
	struct cell *cells = calloc(CELLS, sizeof(*cells));
	int n, bad;

	ck_assert_ptr_nonnull(cells);
	n = make_cells(cells, line, nlines, is_served);
	qsort(cells, (size_t)n, sizeof(*cells), compare);
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
