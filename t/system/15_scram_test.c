/*
 * 15_scram_test.c - SCRAM to the letter: prepared passwords, flags, logins
 * that are bound to TLS, and what is sent ahead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/scramsay.h"

/* --- passwords that are prepared -------------------------------------------- */

/* One password as it stands in the file, and as its user may type it; both
 * have the same prepared form. */
static const struct {
	const char *stored, *typed;
} word[] = {
	{ "IX", "I\xc2\xadX" },                       /* U+00AD */
	{ "I\xc2\xadX", "\xe2\x85\xa8" },             /* U+2168 */
	{ "\xc2\xaa", "a" },                          /* U+00AA */
	{ "p\xc3\xa4ss", "pa\xcc\x88ss" },            /* not composed */
	{ "\xe2\x84\xab", "A\xcc\x8a" },              /* U+212B */
	{ "x\xc2\xa0y", "x y" },                      /* U+00A0 */
	{ "A\xcc\x8a\xcc\xa3", "A\xcc\xa3\xcc\x8a" }, /* not in order */
	{ "\xea\xb0\x81", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8" },
	{ "\xf0\x9d\x90\x80", "A" }, /* U+1D400 */
	{ "\xc2\xb4", " \xcc\x81" }, /* U+00B4 */
	{ "\xd8\xa7\x31\xd8\xa8\xc2\xad", "\xd8\xa7\x31\xd8\xa8" },
	/* taken as they are: prohibited, of two directions, unassigned, not
	   UTF-8, and nothing left of it */
	{ "\xc2\xad\x07", NULL },
	{ "\xc2\xad\xd8\xa7\x31", NULL },
	{ "\xd8\xa7\x61\xd8\xa8\xc2\xad", NULL },
	{ "\xc2\xad\xf0\x9f\x98\x80", NULL },
	{ "\xc2\xad\xc3", NULL },
	{ "\xff\xfe\xc2", NULL },
	{ "\xc2\xad\xed\xa0\x80", NULL },
	{ "\xc2\xad", NULL },
};

enum { WORDS = sizeof(word) / sizeof(*word) };

static const char *
bytes_of(const char *s)
{
	static char hex[WORDS][128];
	static int at;
	char *out = hex[at++ % WORDS];

	for (size_t i = 0; s[i] != '\0'; i++)
		snprintf(out + 4 * i, 5, "\\x%02x", (unsigned char)s[i]);
	return out;
}

/* PostgreSQL makes the verifiers, from the very bytes, UTF-8 or not. */
static void
make_roles(void)
{
	const char *at =
	    text("host=%s port=%d user=postgres", pg->sock, pg->port);
	const char *hba = text("%s/pg_hba.conf", pg->dir);
	PGconn *c = sql_open(text("%s dbname=postgres", at));
	char *old = slurp(hba);

	sql_do(c, "SET client_min_messages = error");
	sql_do(c, "DROP DATABASE IF EXISTS bytes");
	sql_do(c,
	    "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' "
	    "LC_COLLATE 'C' LC_CTYPE 'C'");
	PQfinish(c);
	c = sql_open(text("%s dbname=bytes client_encoding=SQL_ASCII", at));
	sql_do(c, "SET password_encryption = 'scram-sha-256'");
	sql_do(c, "CREATE ROLE words");
	for (int i = 0; i < WORDS; i++)
		sql_do(c, "CREATE ROLE w%d LOGIN IN ROLE words PASSWORD E'%s'",
		    i, bytes_of(word[i].stored));
	spew(hba, text("host all +words all scram-sha-256\n%s", old));
	free(old);
	sql_do(c, "SELECT pg_reload_conf()");
	PQfinish(c);
}

static PGconn *
log_in(struct pooler *p, int i, const char *password)
{
	const char *port = text("%d", p->port), *user = text("w%d", i);
	const char *const key[] = { "host", "port", "dbname", "user",
		"password", NULL };
	const char *const value[] = { "127.0.0.1", port, "app", user, password,
		NULL };

	return PQconnectdbParams(key, value, 0);
}

static void
let_in(struct pooler *p, int i, const char *password)
{
	PGconn *c = log_in(p, i, password);

	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "password %d, %s: %s", i,
	    bytes_of(password), PQerrorMessage(c));
	ck_assert_str_eq(sql_one(c, "SELECT current_user"), text("w%d", i));
	PQfinish(c);
}

static void
keep_out(struct pooler *p, int i, const char *password)
{
	PGconn *c = log_in(p, i, password);

	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	PQfinish(c);
}

/*
 * The server's verifier is of PostgreSQL's making, the client's proof of
 * libpq's, and both are compared with ours; the password in clear is what the
 * client sends by `plain`.
 */
START_TEST(prepared)
{
	static const char *const auth[] = { "scram-sha-256", "plain" };

	make_roles();
	for (int kind = 0; kind < 2; kind++)
		for (int a = 0; a < 2; a++) {
			struct pooler *p = pooler_new();

			pooler_set(p, "auth_type = %s", auth[a]);
			for (int i = 0; i < WORDS; i++)
				pooler_auth(p, text("w%d", i),
				    kind == 0 ? word[i].stored
					      : pg_secret(pg, text("w%d", i)));
			pooler_start(p);
			for (int i = 0; i < WORDS; i++) {
				let_in(p, i, word[i].stored);
				/* a plain secret is compared as it is */
				if (word[i].typed != NULL &&
				    (kind == 1 || a == 0))
					let_in(p, i, word[i].typed);
				keep_out(p, i, text("%sx", word[i].stored));
			}
			pooler_stop(p);
		}
}
END_TEST

/* --- what a client may say first ------------------------------------------------ */

/* Without TLS there is no PLUS: not offered, not to be had. */
START_TEST(flags)
{
	static const struct {
		const char *mechanism, *first, *sqlstate;
	} t[] = {
		{ "SCRAM-SHA-256", "n,,n=,r=abc", NULL },
		{ "SCRAM-SHA-256", "y,,n=,r=abc", NULL },
		{ "SCRAM-SHA-256", "n,,n=,r=abc,x=unknown", NULL },
		{ "SCRAM-SHA-256", "n,,m=must,n=,r=abc", "0A000" },
		{ "SCRAM-SHA-256", "n,a=app,n=,r=abc", "0A000" },
		{ "SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc",
		    "08P01" },
		{ "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc",
		    "08P01" },
		{ "SCRAM-SHA-1", "n,,n=,r=abc", "08P01" },
	};
	struct pooler *p = pooler_new();

	pooler_set(p, "auth_type = scram-sha-256");
	pooler_auth(p, "scram_u", PG_PASSWORD);
	pooler_start(p);
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct wire *w = ask(p, "scram_u");

		ck_assert_uint_eq(w->len, 4 + sizeof("SCRAM-SHA-256") + 1);
		say(w, t[i].mechanism, t[i].first);
		if (t[i].sqlstate == NULL) {
			wire_expect(w, "R");
		} else {
			wire_error(w, 'C', t[i].sqlstate);
			wire_end(w);
		}
		wire_free(w);
	}
	pooler_stop(p);
}
END_TEST

/* --- bound to TLS ------------------------------------------------------------------ */

static const char *
tls_at(const struct pooler *p, const char *more)
{
	return pooler_at(p,
	    text("host=localhost hostaddr=127.0.0.1 user=scram_u "
		 "password='" PG_PASSWORD "' sslrootcert=%s %s",
		cert("ca.crt"), more));
}

/*
 * libpq binds when it can, insists when it is told to, and the servers are
 * logged in to over TLS, bound as well: by the password, and by the keys that
 * the client has brought.
 */
START_TEST(bound)
{
	static const char *const want[] = { "require", "prefer", "disable" };
	static const char *const version[] = { "TLSv1.2", "TLSv1.3" };

	(void)pg_ask(pg, "ALTER ROLE scram_u PASSWORD '%s'", PG_PASSWORD);
	(void)pg_ask(
	    pg, "ALTER SYSTEM SET ssl_cert_file = '%s'", cert("server.crt"));
	(void)pg_ask(
	    pg, "ALTER SYSTEM SET ssl_key_file = '%s'", cert("server.key"));
	(void)pg_ask(pg, "ALTER SYSTEM SET ssl = on");
	(void)pg_ask(pg, "SELECT pg_reload_conf()");
	UNTIL(5000, strcmp(pg_ask(pg, "SHOW ssl"), "on") == 0);
	for (int i = 0; i < 6; i++) {
		struct pooler *p = pooler_new();

		pooler_set(p, "auth_type = scram-sha-256");
		pooler_set(p, "client_tls_sslmode = allow");
		pooler_set(p, "client_tls_cert_file = %s", cert("server.crt"));
		pooler_set(p, "client_tls_key_file = %s", cert("server.key"));
		pooler_set(p, "server_tls_sslmode = require");
		pooler_auth(p, "scram_u",
		    i % 2 ? PG_PASSWORD : pg_secret(pg, "scram_u"));
		pooler_start(p);
		for (int v = 0; v < 2; v++) {
			PGconn *c = sql_open(tls_at(p,
			    text("sslmode=verify-full channel_binding=%s "
				 "ssl_min_protocol_version=%s "
				 "ssl_max_protocol_version=%s",
				want[i / 2], version[v], version[v])));

			ck_assert_str_eq(sql_one(c,
					     "SELECT ssl FROM pg_stat_ssl "
					     "WHERE pid = pg_backend_pid()"),
			    "t");
			PQfinish(c);
		}
		sql_refused(tls_at(p,
				text("sslmode=require channel_binding=%s "
				     "password=wrong",
				    want[i / 2])),
		    "password authentication failed");
		PQfinish(sql_open(tls_at(p, "sslmode=disable")));
		sql_refused(
		    tls_at(p, "sslmode=disable channel_binding=require"),
		    "channel binding");
		pooler_stop(p);
	}
	(void)pg_ask(pg, "ALTER SYSTEM RESET ssl");
	(void)pg_ask(pg, "SELECT pg_reload_conf()");
}
END_TEST

/* What a client sends with its password is kept until that was looked at. */
START_TEST(sent_ahead)
{
	struct pooler *p = pooler_new();
	struct wire *w;
	char buf[512];
	size_t len;

	(void)pg_ask(pg, "ALTER ROLE scram_u PASSWORD '%s'", PG_PASSWORD);
	pooler_set(p, "auth_type = plain");
	pooler_auth(p, "scram_u", pg_secret(pg, "scram_u"));
	pooler_start(p);
	w = ask(p, "scram_u");
	len = wire_make(buf, sizeof(buf), 'p', "s", PG_PASSWORD);
	len +=
	    wire_make(buf + len, sizeof(buf) - len, 'Q', "s", "SELECT 'yes'");
	wire_send(w, buf, len);
	wire_expect(w, "RKZTD");
	ck_assert_str_eq(wire_value(w), "yes");
	wire_expect(w, "CZ");
	wire_free(w);
	/* and a wrong one with a query is a wrong one */
	w = ask(p, "scram_u");
	len = wire_make(buf, sizeof(buf), 'p', "s", "wrong");
	len +=
	    wire_make(buf + len, sizeof(buf) - len, 'Q', "s", "SELECT 'yes'");
	wire_send(w, buf, len);
	wire_error(w, 'C', "28P01");
	wire_end(w);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("scram");
	TCase *tc = suite_case(s, "scram", 60);

	tcase_add_test(tc, prepared);
	if (!is_standin()) {
		tcase_add_test(tc, flags);
		tcase_add_test(tc, bound);
		tcase_add_test(tc, sent_ahead);
	}
	return suite_run(s, SUITE_PG);
}
