/*
 * 15_scram_test.c - SCRAM to the letter: prepared passwords, flags, keys that
 * all workers share, and derivations that hold up nobody.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "t/lib/certs.h"
#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

enum {
	ROUNDS = 1000000, /* some 0.4 s of hashing */
	MANY = 30,        /* clients who want the same */
	TRIES = 4,        /* of what takes longer when others are busy */
};

static const char *
verifier_of(const char *role)
{
	return pg_ask(
	    pg, "SELECT rolpassword FROM pg_authid WHERE rolname = '%s'", role);
}

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
					      : verifier_of(text("w%d", i)));
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

static struct wire *
ask(const struct pooler *p, const char *user)
{
	struct wire *w = wire_open("127.0.0.1", p->port);
	char buf[512];

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", user, "database",
		"app", NULL));
	wire_expect(w, "R");
	return w;
}

static void
say(struct wire *w, const char *mechanism, const char *first)
{
	wire_put(
	    w, 'p', "six", mechanism, (int)strlen(first), first, strlen(first));
}

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
		pooler_auth(
		    p, "scram_u", i % 2 ? PG_PASSWORD : verifier_of("scram_u"));
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

/* --- keys for all workers --------------------------------------------------------- */

/* Eight at once: more than one worker has to open servers. */
static void
all_at_once(struct pooler *p, const char *how)
{
	PGconn *c[8];

	for (int i = 0; i < 8; i++)
		c[i] = pooler_conn(p, how);
	for (int i = 0; i < 8; i++)
		sql_send(c[i], "SELECT current_user FROM pg_sleep(0.5)");
	for (int i = 0; i < 8; i++)
		ck_assert_str_eq(sql_get(c[i]), "scram_u");
	for (int i = 0; i < 8; i++)
		PQfinish(c[i]);
}

/*
 * One client proves its key, to one worker.  From then on clients come in by
 * trust, whom nobody asks for anything: the servers that all the workers open
 * for them want a proof, and nobody knows a password.  So also when the worker
 * that has seen the proof is dead, and all servers are gone.
 */
START_TEST(every_worker)
{
	struct pooler *p = pooler_new();
	struct pooler_worker w[4];
	PGconn *console, *first, *stays;
	int proved = -1;

	(void)pg_ask(pg, "ALTER ROLE scram_u PASSWORD '%s'", PG_PASSWORD);
	pooler_workers(p, 4);
	pooler_set(p, "auth_type = scram-sha-256\ndefault_pool_size = 8");
	pooler_auth(p, "scram_u", verifier_of("scram_u"));
	pooler_start(p);
	first = pooler_conn(p, "user=scram_u password='" PG_PASSWORD "'");
	pooler_set(p, "auth_type = trust");
	pooler_reload(p);
	console = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_look(console, w, 4), 4);
	for (int i = 0; i < 4; i++)
		if (w[i].clients > 0 && proved == -1)
			proved = i;
	ck_assert_int_ne(proved, -1);
	all_at_once(p, "user=scram_u");
	stays = pooler_conn(p, "user=scram_u");
	for (int i = 0; i < 4; i++) {
		pooler_look(console, w, 4);
		/* the row of the pool stays: somebody is in it */
		PQfinish(console);
		kill(w[i].pid, SIGKILL);
		UNTIL(5000, !is_alive(w[i].pid));
		pg_terminate(pg, "usename = 'scram_u'");
		console = pooler_console(p, "admin");
		UNTIL(5000,
		    pooler_show(
			console, "SERVERS", "user", "scram_u", "port") == -1);
		all_at_once(p, "user=scram_u");
	}
	PQfinish(first);
	PQfinish(stays);
	PQfinish(console);
	p->errors_ok = true;
	pooler_stop(p);
}
END_TEST

/* --- derivations ---------------------------------------------------------------------- */

/* How many answers `busy` gets, until `w` has something to read or the
 * time is over. */
static int
answers_until(PGconn *busy, struct wire *w, int limit_ms)
{
	int64_t end_ms = now_ms() + limit_ms;
	int n = 0;

	for (; wire_is_quiet(w, 0) && now_ms() < end_ms; n++)
		ck_assert_int_eq(sql_num(busy, "SELECT 7"), 7);
	return n;
}

/* Say whatever we like where the proof belongs. */
static void
prove_nothing(struct wire *w)
{
	char final[256];

	say(w, "SCRAM-SHA-256", "n,,n=,r=abc");
	wire_expect(w, "R");
	snprintf(final, sizeof(final),
	    "c=biws,%.*s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	    (int)strcspn(w->body + 4, ","), w->body + 4);
	wire_put(w, 'p', "x", final, strlen(final));
}

static struct wire *
unproved(const struct pooler *p, const char *user)
{
	struct wire *w = ask(p, user);

	prove_nothing(w);
	return w;
}

static struct pooler *
slow_pooler(const char *more)
{
	struct pooler *p = pooler_new();

	(void)pg_ask(pg, "ALTER ROLE scram_u PASSWORD '%s'", PG_PASSWORD);
	pooler_workers(p, 1);
	pooler_set(p, "auth_type = scram-sha-256\n%s", more);
	pooler_auth(p, "scram_u", PG_PASSWORD);
	pooler_auth(p, "other", "another password");
	return p;
}

/* While keys are derived, who is in goes on working. */
START_TEST(others_go_on)
{
	struct pooler *p =
	    slow_pooler(text("scram_iterations = %d", 8 * ROUNDS));
	int64_t began_ms;
	int early, later;
	struct wire *w;
	PGconn *busy;

	pooler_set(p, "auth_type = trust");
	pooler_start(p);
	busy = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(busy, "SELECT 7"), 7);
	pooler_set(p, "auth_type = scram-sha-256");
	pooler_reload(p);
	began_ms = now_ms();
	/* it begins when the client is asked */
	w = ask(p, "other");
	early = answers_until(busy, w, 200);
	prove_nothing(w);
	later = answers_until(busy, w, 20000);
	wire_error(w, 'C', "28P01");
	/* it did take its time, in so many slices that there are answers
	 * between them, and not one behind them all */
	ck_assert_int_gt(now_ms() - began_ms, 400);
	ck_assert_int_ge(early, 1);
	ck_assert_int_ge(early + later, 20);
	wire_free(w);
	PQfinish(busy);
	pooler_stop(p);
}
END_TEST

/* How long `n` of them take who come at the same time. */
static int64_t
refuse_all(const struct pooler *p, const char *user, int n)
{
	struct wire *w[MANY];
	int64_t ms = now_ms();

	for (int i = 0; i < n; i++)
		w[i] = unproved(p, user);
	for (int i = 0; i < n; i++) {
		wire_error(w[i], 'C', "28P01");
		wire_free(w[i]);
	}
	return now_ms() - ms;
}

/* Many who want the same keys wait for one derivation; after it nobody waits. */
START_TEST(derived_once)
{
	struct pooler *p = slow_pooler(text("scram_iterations = %d", ROUNDS));
	bool is_once = false, is_kept = false;

	for (int i = 0; i < TRIES; i++) {
		pooler_auth(p, text("one%d", i), "a password");
		pooler_auth(p, text("all%d", i), "another password");
	}
	pooler_start(p);
	/* the machine may stand still for a while, but not each time */
	for (int i = 0; i < TRIES && !(is_once && is_kept); i++) {
		const char *one = text("one%d", i);
		int64_t one_ms = refuse_all(p, one, 1);

		is_kept |= refuse_all(p, one, 1) < one_ms / 2;
		is_once |=
		    refuse_all(p, text("all%d", i), MANY) < one_ms * MANY / 5;
	}
	ck_assert(is_kept);
	ck_assert(is_once);
	pooler_stop(p);
}
END_TEST

/* As many rounds as can be: the login's deadline ends it, the worker lives. */
START_TEST(login_timeout)
{
	struct pooler *p = slow_pooler(
	    "scram_iterations = 2147483647\nclient_login_timeout = 1");
	struct wire *w, *gone;

	pooler_start(p);
	w = unproved(p, "other");
	gone = unproved(p, "other");
	wire_free(gone);
	wire_error(w, 'C', "08P01");
	ck_assert_ptr_nonnull(strstr(wire_field(w, 'M'), "timeout"));
	wire_end(w);
	wire_free(w);
	wire_free(ask(p, "other"));
	ck_assert_int_eq(file_count(p->log, "has ended"), 0);
	pooler_stop(p);
}
END_TEST

/* A server that asks for as many rounds as can be. */
static void
insatiable(int fd, struct fake_count *count)
{
	char body[1024], first[1024];
	const char *nonce;

	fake_startup(fd, count);
	fake_put(fd, 'R', "isb", 10, "SCRAM-SHA-256", 0);
	if (fake_recv(fd, body, sizeof(body)) != 'p')
		_exit(0);
	/* the mechanism, the length, and "n,,n=,r=" go before it */
	nonce = body + sizeof("SCRAM-SHA-256") + 4 + strlen("n,,n=,");
	snprintf(first, sizeof(first), "%.100sxyz,s=c2FsdHNhbHQ=,i=2147483647",
	    nonce);
	fake_put(fd, 'R', "ix", 11, first, strlen(first));
	count->mark[0]++;
	fake_hang(fd);
}

/* Such a login has its deadline, too, and no one else notices. */
START_TEST(insatiable_server)
{
	struct fakepg *f = fakepg_start(insatiable);
	struct pooler *p = pooler_new();
	struct wire *w;
	int answers = 0;
	PGconn *busy;
	char buf[512];

	pooler_workers(p, 1);
	pooler_db(p,
	    "greedy = host=127.0.0.1 port=%d dbname=app user=app password=x",
	    f->port);
	pooler_set(p, "server_connect_timeout = 1");
	pooler_start(p);
	busy = pooler_conn(p, "");
	w = wire_open("127.0.0.1", p->port);
	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", "app", "database",
		"greedy", NULL));
	for (; !file_has(p->log, "server_connect_timeout"); answers++)
		ck_assert_int_eq(sql_num(busy, "SELECT 7"), 7);
	ck_assert_int_ge(f->count->mark[0], 1);
	ck_assert_int_ge(answers, 20);
	wire_free(w);
	PQfinish(busy);
	fakepg_stop(f);
	p->errors_ok = true;
	pooler_stop(p);
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
	pooler_auth(p, "scram_u", verifier_of("scram_u"));
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
		tcase_add_test(tc, every_worker);
		tcase_add_test(tc, others_go_on);
		tcase_add_test(tc, derived_once);
		tcase_add_test(tc, login_timeout);
		tcase_add_test(tc, insatiable_server);
		tcase_add_test(tc, sent_ahead);
	}
	return suite_run(s, SUITE_PG);
}
