/*
 * 19_sslmode_test.c - libpq and psql in each sslmode, against each
 * client_tls_sslmode: who gets in, and whether over TLS.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/certs.h"
#include "t/lib/pg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

enum mode { DISABLE, ALLOW, PREFER, REQUIRE, VERIFY_CA, VERIFY_FULL, MODES };

static const char *const modes[MODES] = { "disable", "allow", "prefer",
	"require", "verify-ca", "verify-full" };

/* How a connection ends up. */
enum end { REFUSED, PLAIN, TLS };

/* What a client shows of itself. */
enum shows { NOTHING, OURS, STRANGERS };

static struct pooler *
start(enum mode mode)
{
	struct pooler *p = pooler_new();

	pooler_auth(p, "plain_u", PG_PASSWORD);
	pooler_auth(p, "md5_u", pg_secret(pg, "md5_u"));
	pooler_auth(p, "scram_u", pg_secret(pg, "scram_u"));
	pooler_set(p, "auth_type = scram-sha-256");
	pooler_set(p, "client_tls_sslmode = %s", modes[mode]);
	pooler_set(p,
	    "client_tls_key_file = %s\n"
	    "client_tls_cert_file = %s\n"
	    "client_tls_ca_file = %s",
	    cert("server.key"), cert("server.crt"), cert("ca.crt"));
	return p;
}

/* What libpq's modes make of the pooler's. */
static enum end
expected(enum mode server, enum mode client, enum shows shows)
{
	bool can_tls = server != DISABLE && client != DISABLE;

	/* without a certificate that verifies the handshake fails */
	if (server >= VERIFY_CA && shows != OURS)
		can_tls = false;
	if (server >= REQUIRE || client >= REQUIRE)
		return can_tls ? TLS : REFUSED;
	return client == PREFER && can_tls ? TLS : PLAIN;
}

static const char *
shown(enum shows shows)
{
	static const char *const names[] = { "none", "app", "alienapp" };

	/* a file that is not there is none, wherever home is */
	return text("sslcert=%s sslkey=%s", cert(text("%s.crt", names[shows])),
	    cert(text("%s.key", names[shows])));
}

static const char *
at(const struct pooler *p, enum mode mode, const char *more)
{
	return pooler_at(p,
	    text("sslmode=%s sslrootcert=%s user=scram_u "
		 "password='" PG_PASSWORD "' %s",
		modes[mode], cert("ca.crt"), more));
}

static void
try(const struct pooler *p, enum mode server, enum mode client,
    enum shows shows)
{
	enum end want = expected(server, client, shows), got;
	PGconn *c = PQconnectdb(at(p, client, shown(shows)));

	if (PQstatus(c) != CONNECTION_OK) {
		got = REFUSED;
	} else {
		got = PQsslInUse(c) ? TLS : PLAIN;
		ck_assert_str_eq(sql_one(c, "SELECT current_user"), "scram_u");
	}
	ck_assert_msg(got == want,
	    "server %s, client %s, certificate %d: %d, not %d (%s)",
	    modes[server], modes[client], shows, got, want, PQerrorMessage(c));
	PQfinish(c);
}

START_TEST(libpq)
{
	enum mode server = (enum mode)_i;
	struct pooler *p = start(server);

	pooler_start(p);
	for (int client = 0; client < MODES; client++)
		for (int shows = NOTHING; shows <= OURS; shows++)
			try(p, server, (enum mode)client, (enum shows)shows);
	/* where certificates count, another authority's is worth nothing */
	if (server >= VERIFY_CA)
		for (int client = 0; client < MODES; client++)
			try(p, server, (enum mode)client, STRANGERS);
	pooler_stop(p);
}
END_TEST

/* TLS proves who the pooler is: libpq can tell. */
START_TEST(pooler_is_verified)
{
	struct pooler *p = start(PREFER);
	const char *other = text("sslrootcert=%s", cert("ca2.crt"));
	PGconn *c;

	pooler_start(p);
	sql_refused(at(p, VERIFY_CA, other), "certificate verify failed");
	sql_refused(at(p, VERIFY_FULL, other), "certificate verify failed");
	/* the address fits, the name does not */
	c = sql_open(at(p, VERIFY_CA, "host=other.example hostaddr=127.0.0.1"));
	ck_assert(PQsslInUse(c));
	PQfinish(c);
	sql_refused(at(p, VERIFY_FULL, "host=other.example hostaddr=127.0.0.1"),
	    "does not match host name");
	c = sql_open(at(p, VERIFY_FULL, ""));
	ck_assert(PQsslInUse(c));
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* Each method proves the same over TLS as without. */
START_TEST(methods)
{
	static const struct {
		const char *auth_type, *user;
	} rows[] = {
		{ "plain", "plain_u" },
		{ "plain", "md5_u" },
		{ "plain", "scram_u" },
		{ "md5", "plain_u" },
		{ "md5", "md5_u" },
		{ "md5", "scram_u" },
		{ "scram-sha-256", "plain_u" },
		{ "scram-sha-256", "scram_u" },
	};
	const char *auth_type = rows[_i].auth_type;
	struct pooler *p = start(ALLOW);

	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "auth_type = %s", auth_type);
	pooler_start(p);
	for (int mode = 0; mode < MODES; mode++) {
		const char *who = text("dbname=open user=%s", rows[_i].user);
		PGconn *c = sql_open(at(p, (enum mode)mode, who));

		ck_assert_int_eq(sql_num(c, "SELECT 42"), 42);
		ck_assert_int_eq(PQsslInUse(c), mode >= PREFER);
		PQfinish(c);
		sql_refused(
		    at(p, (enum mode)mode, text("%s password=wrong", who)),
		    "authentication failed");
		sql_refused(at(p, (enum mode)mode, "dbname=open user=nobody"),
		    "authentication failed");
	}
	pooler_stop(p);
}
END_TEST

/* A file of psql's output, a conninfo line and an answer. */
static int
run_psql(const struct pooler *p, enum mode mode, const char *out)
{
	return spawn_run(
	    &(struct spawn){ .out = out,
		.same_user = true,
		.env = (const char *[]){ text("HOME=%s", p->dir), NULL } },
	    (const char *const[]){ pg_bin("psql"), "-X", "-w", "-A", "-t", "-c",
		"\\conninfo", "-c", "SELECT 6 * 7", "-d",
		at(p, mode, shown(NOTHING)), NULL });
}

/* psql says what it has got. */
START_TEST(psql)
{
	enum mode server = (enum mode)_i;
	struct pooler *p = start(server);

	pooler_start(p);
	for (int client = 0; client < MODES; client++) {
		const char *out = text("%s/psql.%d", p->dir, client);
		enum end want = expected(server, (enum mode)client, NOTHING);
		int code = run_psql(p, (enum mode)client, out);

		ck_assert_msg(
		    code == (want == REFUSED ? 2 : 0), "%s", slurp(out));
		ck_assert_int_eq(file_has(out, "42\n"), want != REFUSED);
		/* PQsslInUse()'s sentence before and since version 18 */
		ck_assert_int_eq(file_has(out,
				     "SSL connection (protocol: "
				     "TLSv1.") ||
			file_has(out, "SSL Connection|true"),
		    want == TLS);
	}
	pooler_stop(p);
}
END_TEST

/* A client may demand that SCRAM proves the TLS connection, too. */
START_TEST(channel_binding)
{
	struct pooler *p = start(ALLOW);
	PGconn *c;

	pooler_start(p);
	c = sql_open(at(p, REQUIRE, "channel_binding=require"));
	ck_assert_int_eq(sql_num(c, "SELECT 42"), 42);
	PQfinish(c);
	sql_refused(at(p, REQUIRE, "channel_binding=require password=wrong"),
	    "authentication failed");
	c = sql_open(at(p, REQUIRE, "channel_binding=disable"));
	PQfinish(c);
	sql_refused(at(p, DISABLE, "channel_binding=require"),
	    "channel binding required");
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sslmode");
	TCase *tc = suite_case(s, "sslmode", 60);

	tcase_add_loop_test(tc, libpq, 0, MODES);
	tcase_add_test(tc, pooler_is_verified);
	tcase_add_loop_test(tc, methods, 0, 8);
	tcase_add_loop_test(tc, psql, 0, REQUIRE + 1);
	if (!is_standin())
		tcase_add_test(tc, channel_binding);
	return suite_run(s, SUITE_PG);
}
