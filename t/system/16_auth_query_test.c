/*
 * 16_auth_query_test.c - users whom auth_file does not know: asked of their
 * database by auth_query, and let in or kept out like all others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/auth_query.h"

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

/* The server cuts a name after 63 bytes: whoever has a longer one is not he. */
START_TEST(cut_names)
{
	static const char name[] =
	    "n23456789012345678901234567890123456789012345678901234567890123";
	struct pooler *p = start("plain");

	in_app(text("DROP ROLE IF EXISTS %s", name));
	in_app(text("CREATE ROLE %s LOGIN PASSWORD '" PG_PASSWORD "'", name));
	let_in(p, name);
	keep_out(p, text("%sx", name));
	pooler_stop(p);
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
		"scram_u ", "SCRAM_U" };
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

/* One that is longer than there is room for is nobody's, by a byte or many. */
START_TEST(too_long_a_secret)
{
	static const char *const users[] = { "four", "sixsix" };
	struct pooler *p = configure("plain");
	char pw[65];

	memset(pw, 'x', sizeof(pw) - 1);
	pw[64] = '\0';
	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p,
	    "auth_query = SELECT $1::text, "
	    "repeat('x', (length($1) ^ 6)::int)");
	pooler_start(p);
	for (int i = 0; i < 2; i++) {
		sql_refused(
		    pooler_at(p,
			text("dbname=open user=%s password=%s", users[i], pw)),
		    WRONG);
		ck_assert_int_eq(
		    file_count(p->log, "the secret is too long"), i + 1);
	}
	PQfinish(sql_open(
	    pooler_at(p, text("dbname=open user=me password=%s", pw))));
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

/* The console's users are asked for in auth_dbname, or not at all. */
START_TEST(console)
{
	struct pooler *p = configure("plain");
	char *at;

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
	free(at);
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
	tcase_add_test(tc, cut_names);
	tcase_add_test(tc, file_first);
	tcase_add_test(tc, injection);
	tcase_add_test(tc, no_client_state);
	tcase_add_test(tc, other_rows);
	tcase_add_test(tc, bad_queries);
	tcase_add_test(tc, long_secret);
	tcase_add_test(tc, too_long_a_secret);
	tcase_add_test(tc, per_database);
	tcase_add_test(tc, asker_has_password);
	tcase_add_test(tc, console);
	tcase_add_test(tc, no_enumeration);
	return suite_run(s, SUITE_PG);
}
