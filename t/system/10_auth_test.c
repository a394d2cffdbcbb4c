/*
 * 10_auth_test.c - who is let in: every auth_type with every kind of secret,
 * right and wrong.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

/* A server that lets everybody in, as the forced user: only the pooler asks. */
static struct pooler *
start(const char *auth_type)
{
	struct pooler *p = pooler_new();

	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "auth_type = %s", auth_type);
	pooler_auth(p, "clear", PG_PASSWORD);
	pooler_auth(p, "md5_u", pg_secret(pg, "md5_u"));
	pooler_auth(p, "scram_u", pg_secret(pg, "scram_u"));
	pooler_auth(p, "empty", "");
	pooler_start(p);
	return p;
}

static const char *
as(const struct pooler *p, const char *user, const char *password)
{
	return pooler_at(
	    p, text("dbname=open user=%s password='%s'", user, password));
}

static void
let_in(const struct pooler *p, const char *user, const char *password)
{
	PGconn *c = sql_open(as(p, user, password));

	ck_assert_int_eq(sql_num(c, "SELECT 42"), 42);
	PQfinish(c);
}

static void
keep_out(const struct pooler *p, const char *user, const char *password)
{
	sql_refused(as(p, user, password), "FATAL");
}

static void
try_wrong(const struct pooler *p, const char *user)
{
	keep_out(p, user, "wrong");
	keep_out(p, user, PG_PASSWORD "x");
	keep_out(
	    p, user, text("%.*s", (int)strlen(PG_PASSWORD) - 1, PG_PASSWORD));
	/* libpq sends no empty password, it gives up itself */
	sql_refused(as(p, user, ""), "");
}

START_TEST(plain)
{
	struct pooler *p = start("plain");

	let_in(p, "clear", PG_PASSWORD);
	let_in(p, "md5_u", PG_PASSWORD);
	let_in(p, "scram_u", PG_PASSWORD);
	try_wrong(p, "clear");
	try_wrong(p, "md5_u");
	try_wrong(p, "scram_u");
	keep_out(p, "empty", "x");
	keep_out(p, "nobody", PG_PASSWORD);
	pooler_stop(p);
}
END_TEST

START_TEST(md5)
{
	struct pooler *p = start("md5");

	let_in(p, "clear", PG_PASSWORD);
	let_in(p, "md5_u", PG_PASSWORD);
	/* a SCRAM secret is asked for by SCRAM */
	let_in(p, "scram_u", PG_PASSWORD);
	try_wrong(p, "clear");
	try_wrong(p, "md5_u");
	try_wrong(p, "scram_u");
	keep_out(p, "empty", "x");
	keep_out(p, "nobody", PG_PASSWORD);
	pooler_stop(p);
}
END_TEST

START_TEST(scram)
{
	struct pooler *p = start("scram-sha-256");

	let_in(p, "clear", PG_PASSWORD);
	let_in(p, "scram_u", PG_PASSWORD);
	/* an md5 secret cannot prove a SCRAM login */
	keep_out(p, "md5_u", PG_PASSWORD);
	try_wrong(p, "clear");
	try_wrong(p, "scram_u");
	keep_out(p, "empty", "x");
	keep_out(p, "nobody", PG_PASSWORD);
	pooler_stop(p);
}
END_TEST

START_TEST(trust)
{
	struct pooler *p = start("trust");

	let_in(p, "clear", "");
	let_in(p, "md5_u", "whatever");
	let_in(p, "empty", "");
	keep_out(p, "nobody", "");
	pooler_stop(p);
}
END_TEST

START_TEST(any)
{
	struct pooler *p = start("any");
	PGconn *c;

	let_in(p, "clear", "");
	let_in(p, "nobody", "");
	/* any takes the forced user; without one there is nobody to be */
	c = sql_open(as(p, "nobody", ""));
	ck_assert_str_eq(sql_one(c, "SELECT current_user"), "app");
	PQfinish(c);
	/* whoever comes may look, and no more */
	c = pooler_console(p, "nobody");
	ck_assert_int_ge(
	    pooler_show(c, "POOLS", "database", "pgbouncer", "cl_active"), 1);
	sql_fails(c, is_standin() ? "08P01" : "42501", "RELOAD");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* Outsiders cannot tell a wrong password from a user that is not there. */
START_TEST(no_enumeration)
{
	struct pooler *p = start("md5");
	char *a, *b;
	PGconn *c;

	c = PQconnectdb(as(p, "clear", "wrong"));
	a = strdup(PQerrorMessage(c));
	PQfinish(c);
	c = PQconnectdb(as(p, "nobody", "wrong"));
	b = strdup(PQerrorMessage(c));
	PQfinish(c);
	/* but for the name that was given */
	ck_assert_ptr_nonnull(strstr(a, "user \"clear\""));
	memcpy(strstr(a, "clear"), "NAME.", 5);
	ck_assert_ptr_nonnull(strstr(b, "nobody"));
	memmove(strstr(b, "nobody"), strstr(b, "nobody") + 1,
	    strlen(strstr(b, "nobody")));
	memcpy(strstr(b, "obody"), "NAME.", 5);
	ck_assert_str_eq(strstr(a, "FATAL"), strstr(b, "FATAL"));
	free(a);
	free(b);
	sql_refused(pooler_at(p, "dbname=nothing user=clear password=wrong"),
	    "password authentication failed");
	sql_refused(pooler_at(p,
			"dbname=nothing user=clear password='" PG_PASSWORD "'"),
	    "nothing");
	pooler_stop(p);
}
END_TEST

/* The salt that a worker asks `user` to prove himself with. */
static const char *
salt_of(struct wire *w, const char *user)
{
	static const char first[] = "n,,n=,r=fyko";
	char buf[512];
	const char *salt;

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", user, "database",
		"open", NULL));
	wire_expect(w, "R");
	wire_put(w, 'p', "six", "SCRAM-SHA-256", (int)sizeof(first) - 1, first,
	    sizeof(first) - 1);
	wire_expect(w, "R");
	salt = text("%.*s", (int)w->len - 4, w->body + 4);
	ck_assert_ptr_nonnull(strstr(salt, ",s="));
	return strstr(salt, ",s=");
}

/* Whoever asks twice, of whichever worker, gets one salt for one name. */
START_TEST(salts_tell_nothing)
{
	static const char *const users[] = { "clear", "md5_u", "scram_u",
		"empty", "nobody" };
	struct pooler *p = start("scram-sha-256");

	for (size_t u = 0; u < sizeof(users) / sizeof(*users); u++) {
		struct wire *w[24];
		char salt[128];

		/* so many at once that both workers have some */
		for (int i = 0; i < 24; i++) {
			w[i] = wire_open("127.0.0.1", p->port);
			if (i == 0)
				snprintf(salt, sizeof(salt), "%s",
				    salt_of(w[0], users[u]));
			else
				ck_assert_str_eq(salt, salt_of(w[i], users[u]));
		}
		for (int i = 0; i < 24; i++)
			wire_free(w[i]);
	}
	pooler_stop(p);
}
END_TEST

/* As many rounds as the setting says, and the login takes its time. */
START_TEST(many_rounds)
{
	struct pooler *p = start("scram-sha-256");

	pooler_set(p, "scram_iterations = 2000000");
	pooler_reload(p);
	let_in(p, "clear", PG_PASSWORD);
	keep_out(p, "clear", "wrong");
	keep_out(p, "nobody", "x");
	pooler_stop(p);
}
END_TEST

/* The secret becomes a verifier between question and answer: that text is no
 * password, whoever has got hold of it. */
START_TEST(verifier_is_no_password)
{
	struct pooler *p = start("md5");
	const char *verifier = pg_secret(pg, "scram_u");
	struct wire *w = wire_open("127.0.0.1", p->port);
	char buf[512], salt[9] = "", *answer;

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", "clear", "database",
		"open", NULL));
	wire_expect(w, "R");
	ck_assert_uint_eq(w->len, 8);
	for (int i = 0; i < 4; i++)
		snprintf(
		    salt + 2 * i, 3, "%02x", (unsigned char)w->body[4 + i]);
	answer = strdup(pg_ask(pg,
	    "SELECT 'md5' || md5(convert_to(md5('%s' || 'clear'), 'UTF8') || "
	    "decode('%s', 'hex'))",
	    verifier, salt));
	pooler_auth(p, "clear", verifier);
	pooler_reload(p);
	wire_put(w, 'p', "s", answer);
	wire_error(w, 'C', "28P01");
	wire_end(w);
	free(answer);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/*
 * Hashing for a server's salt is done once, however many clients prove
 * themselves in between.  PG_PASSWORD, with so many rounds that it shows.
 */
START_TEST(keys_of_the_server_are_kept)
{
	static const char verifier[] =
	    "SCRAM-SHA-256$100000:MDEyMzQ1Njc4OWFiY2RlZg=="
	    "$0/z4xkmKXu5V/lMeaFa9NmheHK6S9tw/XLSgZzof8pw="
	    ":OoavTlvUKzl+F1rQE+GTfLUgr86OmT5V0tGJ2/QWhw8=";
	struct pooler *p = pooler_new();
	PGconn *c[9];
	int64_t first_ms = 0, least_ms = INT64_MAX;

	(void)pg_ask(pg, "ALTER ROLE scram_u PASSWORD '%s'", verifier);
	pooler_workers(p, 1);
	pooler_auth(p, "scram_u", PG_PASSWORD);
	pooler_set(p, "auth_type = scram-sha-256");
	pooler_start(p);
	for (int i = 0; i < 9; i++) {
		int64_t start_ms = now_ms(), ms;

		c[i] =
		    pooler_conn(p, "user=scram_u password='" PG_PASSWORD "'");
		if (i == 0)
			first_ms = now_ms() - start_ms;
		start_ms = now_ms();
		sql_do(c[i], "BEGIN");
		ms = now_ms() - start_ms;
		/* the first has the server of the greeting */
		if (i > 0 && ms < least_ms)
			least_ms = ms;
	}
	ck_assert_int_lt(least_ms, first_ms / 2);
	for (int i = 0; i < 9; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

START_TEST(odd_names)
{
	struct pooler *p = pooler_new();
	char longname[200];
	PGconn *c;

	memset(longname, 'n', sizeof(longname));
	longname[127] = '\0';
	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "auth_type = md5");
	pooler_auth(p, "quo\"\"ted user", "pass\"\"word;x");
	pooler_auth(p, "\xc3\xa4\xc3\xb6", "\xc3\xbc");
	pooler_start(p);
	c = sql_open(pooler_at(p,
	    "dbname=open user='quo\"ted user' "
	    "password='pass\"word;x'"));
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	c = sql_open(pooler_at(p,
	    "dbname=open user=\xc3\xa4\xc3\xb6 "
	    "password=\xc3\xbc"));
	PQfinish(c);
	/* names that are too long are refused, whoever they belong to */
	sql_refused(
	    pooler_at(p, text("user=%s dbname=open password=x", longname)),
	    "FATAL");
	sql_refused(
	    pooler_at(p, text("user=app dbname=%s password=x", longname)),
	    "FATAL");
	c = sql_open(pooler_at(p,
	    "dbname=open user=\xc3\xa4\xc3\xb6 "
	    "password=\xc3\xbc"));
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* Long passwords: up to the limit they work, beyond it they are refused. */
START_TEST(long_passwords)
{
	struct pooler *p = pooler_new();
	char pw[1900];
	PGconn *c;

	memset(pw, 'p', sizeof(pw));
	pw[sizeof(pw) - 1] = '\0';
	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "auth_type = scram-sha-256");
	pooler_auth(p, "long", pw);
	pooler_start(p);
	c = sql_open(as(p, "long", pw));
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	pw[100] = 'q';
	keep_out(p, "long", pw);
	pooler_stop(p);
}
END_TEST

/* Whatever the user file may hold can be proved, torn or whole. */
START_TEST(longest_password)
{
	enum { LONGEST = 65530 };
	struct pooler *p = pooler_new();
	char *pw = calloc(1, LONGEST + 2), buf[512];
	FILE *f = fopen(text("%s/long", p->dir), "w");

	memset(pw, 'p', LONGEST);
	ck_assert_ptr_nonnull(f);
	fprintf(f, "\"long\" \"%s\"\n", pw);
	fclose(f);
	pw[LONGEST] = 'p';
	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "auth_type = plain");
	pooler_set(p, "auth_file = %s/long", p->dir);
	pooler_start(p);
	/* as it is; without its end at first; one byte more than can be */
	for (int i = 0; i < 3; i++) {
		struct wire *w = wire_open("127.0.0.1", p->port);
		uint32_t len = htonl(LONGEST + 5 + i / 2);

		wire_send(w, buf,
		    wire_startup(buf, sizeof(buf), 0x30000, "user", "long",
			"database", "open", NULL));
		wire_expect(w, "R");
		wire_send(w, "p", 1);
		wire_send(w, &len, 4);
		/* one too long is refused by its length alone */
		if (i < 2)
			wire_send(w, pw, LONGEST);
		ck_assert(i != 1 || wire_is_quiet(w, 100));
		if (i < 2)
			wire_send(w, "", 1);
		if (i < 2)
			wire_expect(w, "RKZ");
		else
			wire_error(w, 'C', "08P01");
		wire_free(w);
	}
	free(pw);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("auth");
	TCase *tc = suite_case(s, "auth", 30);

	tcase_add_test(tc, plain);
	tcase_add_test(tc, md5);
	tcase_add_test(tc, scram);
	tcase_add_test(tc, trust);
	tcase_add_test(tc, any);
	tcase_add_test(tc, no_enumeration);
	tcase_add_test(tc, odd_names);
	if (!is_standin()) {
		tcase_add_test(tc, salts_tell_nothing);
		tcase_add_test(tc, many_rounds);
		tcase_add_test(tc, verifier_is_no_password);
		tcase_add_test(tc, keys_of_the_server_are_kept);
		tcase_add_test(tc, long_passwords);
		tcase_add_test(tc, longest_password);
	}
	return suite_run(s, SUITE_PG);
}
