/*
 * 68_hazards_test.c - what has gone wrong in other poolers and has no test of
 * its own elsewhere.  t/README.md has the whole list.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

static struct wire *
wire_to(const struct pooler *p)
{
	struct wire *w = wire_open("127.0.0.1", p->port);

	wire_login(w, "app", "app");
	return w;
}

static void
put_statement(struct wire *w, const char *name, const char *sql)
{
	wire_put(w, 'P', "ssh", name, sql, 0);
	wire_put(w, 'B', "sshhh", "", name, 0, 0, 0);
	wire_put(w, 'E', "si", "", 0);
}

/* Everybody's answers are right, and no transaction is left open. */
static void
others_are_well(struct pooler *p)
{
	PGconn *c = pooler_conn(p, "");

	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(sql_num(c, "SELECT %d", i), i);
	UNTIL(
	    5000, pg_backends(pg, "datname = 'app' AND state <> 'idle'") == 0);
	PQfinish(c);
}

/*
 * A message that breaks the protocol, in a transaction: whoever ends the
 * session, its backend is nobody's with that transaction open.
 */
START_TEST(protocol_violation_in_a_transaction)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	static const struct {
		char type;
		const char *body;
		size_t len;
	} bad[] = {
		{ '?', "", 0 },           /* no such message */
		{ 'B', "\0\0\0\x7f", 4 }, /* formats that are not there */
		{ 'B', "\0nothing", 8 },  /* a name without its end */
		{ 'D', "x\0", 2 },        /* neither S nor P */
		{ 'E', "", 0 },           /* without anything */
		{ 'P', "a\0SELECT 1\0\0\x09", 13 }, /* types that are missing */
		{ 'F', "\0", 1 },                   /* half a function call */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct wire *w = wire_to(p);
		char t;

		wire_query(w, "BEGIN");
		wire_expect(w, "CZ");
		wire_query(w, text("SELECT pg_advisory_xact_lock(%zu)", i));
		wire_expect(w, "TDCZ");
		wire_put(w, bad[i].type, "x", bad[i].body, bad[i].len);
		wire_put(w, 'S', "");
		t = wire_recv(w, WIRE_MS);
		ck_assert_msg(t == 'E', "%zu: '%c'", i, t);
		ck_assert_ptr_nonnull(wire_field(w, 'C'));
		/* one error, and then the end of it or of the batch */
		t = wire_recv(w, WIRE_MS);
		ck_assert_msg(t == 0 || t == 'Z', "%zu: '%c'", i, t);
		if (t == 'Z')
			ck_assert_int_eq(*w->body, 'E');
		wire_free(w);
		others_are_well(p);
	}
	p->errors_ok = true;
	pooler_stop(p);
}
END_TEST

/* A request to cancel, and the client is gone: the next one is not hit. */
START_TEST(cancel_and_leave)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *next = pooler_conn(p, "");

	for (int i = 0; i < 40; i++) {
		PGconn *c = pooler_conn(p, "");
		PGcancel *k = PQgetCancel(c);
		char why[256];

		/* who says goodbye lets its query end, within a bound */
		sql_send(c, "SELECT pg_sleep(%s)", i % 4 == 1 ? "5" : "0.001");
		if (i % 4 < 2) {
			ck_assert(PQcancel(k, why, sizeof(why)));
			PQfinish(c);
		} else {
			PQfinish(c);
			PQcancel(k, why, sizeof(why));
		}
		PQfreeCancel(k);
		ck_assert_str_eq(
		    sql_one(next, "SELECT 'n%d' FROM pg_sleep(0.002)", i),
		    text("n%d", i));
	}
	PQfinish(next);
	pooler_stop(p);
}
END_TEST

/* Describe and Parse in batches of their own, several commands each. */
START_TEST(batches_without_execute)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *other = wire_to(p);

	for (int i = 0; i < 3; i++) {
		wire_put(w, 'P', "ssh", "one", "SELECT 1", 0);
		wire_put(w, 'P', "ssh", "two", "SELECT $1::text, 2", 0);
		wire_put(w, 'S', "");
		wire_expect(w, "11Z");
		put_statement(other, "one", "SELECT 'other'");
		wire_put(other, 'S', "");
		wire_expect(other, "12DCZ");
		wire_put(w, 'D', "bs", 'S', "two");
		wire_put(w, 'D', "bs", 'S', "one");
		wire_put(w, 'S', "");
		wire_expect(w, "tTtTZ");
		wire_put(
		    w, 'B', "sshhixh", "", "two", 0, 1, 1, "x", (size_t)1, 0);
		wire_put(w, 'D', "bs", 'P', "");
		wire_put(w, 'S', "");
		wire_expect(w, "2TZ");
		wire_put(w, 'C', "bs", 'S', "one");
		wire_put(w, 'C', "bs", 'S', "two");
		wire_put(w, 'S', "");
		wire_expect(w, "33Z");
		wire_put(other, 'C', "bs", 'S', "one");
		wire_put(other, 'S', "");
		wire_expect(other, "3Z");
	}
	wire_free(w);
	wire_free(other);
	pooler_stop(p);
}
END_TEST

/* pgbench: several commands outside of a transaction, prepared. */
START_TEST(pgbench_prepared)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	const char *script = text("%s/script", p->dir);
	char *out;
	int code;

	ck_assert_msg(pg_bin("pgbench") != NULL, "pgbench is missing");
	spew(script,
	    "\\set a random(1, 1000)\n"
	    "SELECT :a + 1;\nSELECT :a::text || 'x';\n"
	    "BEGIN;\nSELECT :a * 2;\nCOMMIT;\nSELECT 1 / :a;\n");
	code = spawn_run(&(struct spawn){ .out = text("%s/bench", p->dir) },
	    (const char *const[]){ pg_bin("pgbench"), "-n", "-M", "prepared",
		"-c", "8", "-j", "8", "-t", "100", "-f", script, "-h",
		"127.0.0.1", "-p", text("%d", p->port), "-U", "app", "app",
		NULL });
	out = slurp(text("%s/bench", p->dir));
	ck_assert_msg(code == 0, "%s", out);
	ck_assert_msg(strstr(out, "800/800") != NULL, "%s", out);
	free(out);
	pooler_stop(p);
}
END_TEST

/* As much as both sides take without a pause of `ms`. */
static size_t
fill(struct wire *w, const char *bytes, size_t len, int ms)
{
	size_t sent = 0;

	while (sent < len) {
		struct pollfd f = { .fd = w->fd, .events = POLLOUT };
		ssize_t n;

		if (poll(&f, 1, ms) == 0)
			break;
		n = send(w->fd, bytes + sent, len - sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		ck_assert_msg(n > 0 || errno == EAGAIN, "%s", strerror(errno));
		sent += n > 0 ? (size_t)n : 0;
	}
	return sent;
}

/*
 * Large parameters and large results of one pipeline: everything is full in
 * both directions until the client reads, and memory is what buffers hold.
 */
START_TEST(full_in_both_directions)
{
	enum { N = 60, LEN = 500000 };
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);
	char *batch = malloc((size_t)N * (LEN + 200)), *big = malloc(LEN);
	size_t len = 0, sent;
	long kb = pooler_rss_kb(p);

	ck_assert(batch && big);
	memset(big, 'b', LEN);
	for (int i = 0; i < N; i++) {
		size_t room = (size_t)LEN + 150;

		len += wire_make(
		    batch + len, room, 'P', "ssh", "", "SELECT $1::text", 0);
		len += wire_make(batch + len, room, 'B', "sshhixh", "", "", 0,
		    1, (uint32_t)LEN, big, (size_t)LEN, 0);
		len += wire_make(batch + len, room, 'E', "si", "", 0);
		len += wire_make(batch + len, room, 'S', "");
	}
	sent = fill(w, batch, len, 500);
	if (!is_sanitized())
		ck_assert_int_lt(pooler_rss_kb(p) - kb, 16384);
	for (int i = 0; i < N; i++) {
		char t;

		while ((t = wire_recv(w, WIRE_MS)) != 'Z') {
			ck_assert_msg(strchr("12DC", t) && t, "%d: '%c'", i, t);
			ck_assert(t != 'D' || w->len == LEN + 6);
			if (sent < len)
				sent += fill(w, batch + sent, len - sent, 0);
		}
	}
	free(batch);
	free(big);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* One user's many clients do not keep another's few from their turn. */
START_TEST(fair_between_users)
{
	struct pooler *p = pooler_with("max_db_connections = 2\n"
				       "default_pool_size = 2");
	PGconn *many[12], *few[2];
	long done[2] = { 0, 0 };
	int64_t end;

	for (int i = 0; i < 12; i++)
		many[i] = pooler_conn(p, "user=app");
	for (int i = 0; i < 2; i++)
		few[i] = pooler_conn(p, "user=app2");
	for (int i = 0; i < 14; i++)
		sql_send(i < 12 ? many[i] : few[i - 12],
		    "SELECT 1 FROM pg_sleep(0.002)");
	for (end = now_ms() + 3000; now_ms() < end;) {
		for (int i = 0; i < 14; i++) {
			PGconn *c = i < 12 ? many[i] : few[i - 12];

			if (!sql_is_ready(c, 0))
				continue;
			sql_get(c);
			done[i >= 12]++;
			sql_send(c, "SELECT 1 FROM pg_sleep(0.002)");
		}
	}
	ck_assert_int_gt(done[0], 20);
	/* a seventh would be just; a good half of that */
	ck_assert_msg(done[1] > done[0] / 15 && done[1] > 2, "%ld and %ld",
	    done[0], done[1]);
	for (int i = 0; i < 12; i++)
		PQfinish(many[i]);
	for (int i = 0; i < 2; i++)
		PQfinish(few[i]);
	pooler_stop(p);
}
END_TEST

/* Whoever has sent and got one large message keeps no memory for it. */
START_TEST(large_messages_are_forgotten)
{
	enum { CLIENTS = 60, LEN = 2000000 };
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c[CLIENTS];
	char *big = malloc(LEN + 1);
	long kb = 0;

	ck_assert_ptr_nonnull(big);
	memset(big, 'x', LEN);
	big[LEN] = '\0';
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = pooler_conn(p, "");
		ck_assert_str_eq(
		    sql_param(c[i], "SELECT right($1::text, 3)", big), "xxx");
		ck_assert_int_eq(
		    strlen(sql_one(c[i], "SELECT repeat('y', %d)", LEN)), 4000);
		if (i == 3)
			kb = pooler_rss_kb(p);
	}
	if (!is_sanitized())
		ck_assert_int_lt(pooler_rss_kb(p) - kb, 16384);
	for (int i = 0; i < CLIENTS; i++)
		PQfinish(c[i]);
	free(big);
	pooler_stop(p);
}
END_TEST

enum growth { FAILING, UNNAMED, NAMED, SETTINGS, SQL_LEVEL };

/* One of the things of which there are no two alike. */
static void
put_new(struct wire *w, enum growth how, unsigned i)
{
	char name[32];

	snprintf(name, sizeof(name), "n%u", i);
	if (how == FAILING) {
		put_statement(w, name, text("SELECT nowhere_%u", i));
	} else if (how == SETTINGS) {
		wire_query(w, text("SET soak.a TO 'v%u'; RESET soak.a", i));
		return;
	} else if (how == SQL_LEVEL) {
		wire_query(w, text("PREPARE a AS SELECT %u; DEALLOCATE a", i));
		return;
	} else {
		put_statement(w, how == NAMED ? name : "",
		    text("SELECT %u, '%0500u'", i, i));
		if (how == NAMED)
			wire_put(w, 'C', "bs", 'S', name);
	}
	wire_put(w, 'S', "");
}

/* Thousands of each, and memory is what it was behind the first of them. */
START_TEST(nothing_grows)
{
	enum { ROUNDS = 40, BATCH = 100 };
	struct pooler *p = pooler_with("default_pool_size = 2\n"
				       "max_prepared_statements = 50");
	struct wire *w = wire_to(p);
	unsigned i = 0;
	long kb = 0;

	for (int r = 0; r < ROUNDS; r++) {
		for (int k = 0; k < BATCH; k++)
			put_new(w, (enum growth)_i, i++);
		for (int k = 0; k < BATCH;) {
			char t = wire_recv(w, WIRE_MS);

			ck_assert_int_ne(t, 0);
			ck_assert_msg(t != 'E' || _i == FAILING, "%s",
			    wire_field(w, 'M'));
			k += t == 'Z';
		}
		if (r == ROUNDS / 4)
			kb = pooler_rss_kb(p);
	}
	if (!is_sanitized())
		ck_assert_msg(pooler_rss_kb(p) - kb < 256, "%ld kB more",
		    pooler_rss_kb(p) - kb);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* A path of schemas whose names try to be more, for two on one server. */
START_TEST(paths_that_try_to_be_more)
{
	static const char *const path[] = {
		"\"a'; DROP TABLE hazard_table; --\", public",
		"\"with \"\"quotes\"\"\", public",
		"\"\\\", public",
		"\"$user\", \"Upper, and comma\", public",
		"\"new\nline\", public",
		"\"$$\", \"%s\", public",
	};
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *c = pooler_conn(p, ""), *d = pooler_conn(p, "");

	sql_do(c, "DROP TABLE IF EXISTS hazard_table");
	sql_do(c, "CREATE TABLE hazard_table AS SELECT 7 AS n");
	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		sql_do(c, "SET search_path TO %s", path[i]);
		sql_param(d, "SELECT set_config('search_path', $1, false)",
		    path[sizeof(path) / sizeof(path[0]) - 1 - i]);
		for (int k = 0; k < 3; k++) {
			ck_assert_str_eq(
			    sql_one(c, "SHOW search_path"), path[i]);
			ck_assert_str_eq(sql_one(d, "SHOW search_path"),
			    path[sizeof(path) / sizeof(path[0]) - 1 - i]);
			ck_assert_int_eq(
			    sql_num(c, "SELECT n FROM hazard_table"), 7);
		}
	}
	sql_do(c, "RESET search_path");
	ck_assert_str_eq(sql_one(c, "SHOW search_path"), "\"$user\", public");
	sql_do(c, "DROP TABLE hazard_table");
	PQfinish(c);
	PQfinish(d);
	pooler_stop(p);
}
END_TEST

/* UNLISTEN counts at once, also while the client has a backend to itself. */
START_TEST(unlisten_while_pinned)
{
	struct pooler *p = pooler_with("default_pool_size = 4");
	PGconn *c = pooler_conn(p, ""), *d = pooler_conn(p, "");
	PGnotify *n;

	sql_do(c, "LISTEN hazard");
	sql_do(c, "CREATE TEMP TABLE mine(x int)");
	sql_do(d, "NOTIFY hazard");
	UNTIL(5000, (sql_do(c, "SELECT 1"), n = PQnotifies(c)) != NULL);
	PQfreemem(n);
	sql_do(c, "UNLISTEN hazard");
	sql_do(c, "LISTEN hazard2");
	for (int i = 0; i < 3; i++) {
		sql_do(d, "NOTIFY hazard; NOTIFY hazard2");
		UNTIL(5000, (sql_do(c, "SELECT 1"), n = PQnotifies(c)) != NULL);
		ck_assert_str_eq(n->relname, "hazard2");
		PQfreemem(n);
	}
	PQfinish(c);
	PQfinish(d);
	pooler_stop(p);
}
END_TEST

/*
 * Who listens sends ahead and is gone by a reset, just when it would be told
 * and what it has sent would be taken up: only it is gone.
 */
START_TEST(listener_vanishes)
{
	struct pooler *p = pooler_with("default_pool_size = 4\nworkers = 1");
	struct linger hard = { 1, 0 };
	PGconn *d = pooler_conn(p, "");

	for (int i = 0; i < 1500; i++) {
		struct wire *w = wire_to(p);
		char b[512];
		size_t n = 0;

		wire_query(w, "LISTEN hazard");
		wire_expect(w, "CZ");
		n += wire_make(b + n, sizeof(b) - n, 'Q', "s",
		    text("SET soak.a TO 'a%d'; NOTIFY hazard", i));
		for (int k = 0; k < 3; k++)
			n += wire_make(
			    b + n, sizeof(b) - n, 'Q', "s", "NOTIFY hazard");
		wire_send(w, b, n);
		if (i % 4)
			wire_recv(w, WIRE_MS);
		if (i % 8 > 3)
			sql_do(d, "NOTIFY hazard");
		setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		wire_free(w);
	}
	sql_do(d, "SELECT 1");
	PQfinish(d);
	ck_assert(!file_has(p->log, "died"));
	others_are_well(p);
	pooler_stop(p);
}
END_TEST

/* Something that waits too long is said to have waited, not to be down. */
START_TEST(waiting_is_called_waiting)
{
	struct pooler *p = pooler_with("default_pool_size = 1\n"
				       "query_wait_timeout = 0.3");
	PGconn *holder = pooler_conn(p, ""), *c = pooler_conn(p, "");
	PGresult *r;

	sql_do(holder, "BEGIN");
	sql_do(holder, "SELECT 1");
	r = PQexec(c, "SELECT 1");
	ck_assert_msg(strstr(PQerrorMessage(c), "query_wait_timeout"), "%s",
	    PQerrorMessage(c));
	ck_assert_ptr_null(strstr(PQerrorMessage(c), "down"));
	PQclear(r);
	PQfinish(c);
	sql_do(holder, "COMMIT");
	PQfinish(holder);
	others_are_well(p);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hazards");
	TCase *tc = suite_case(s, "hazards", 60);

	tcase_add_test(tc, protocol_violation_in_a_transaction);
	tcase_add_test(tc, cancel_and_leave);
	tcase_add_test(tc, batches_without_execute);
	tcase_add_test(tc, pgbench_prepared);
	tcase_add_test(tc, full_in_both_directions);
	tcase_add_test(tc, fair_between_users);
	tcase_add_test(tc, large_messages_are_forgotten);
	tcase_add_loop_test(tc, nothing_grows, FAILING, SQL_LEVEL + 1);
	tcase_add_test(tc, paths_that_try_to_be_more);
	tcase_add_test(tc, unlisten_while_pinned);
	tcase_add_test(tc, listener_vanishes);
	tcase_add_test(tc, waiting_is_called_waiting);
	return suite_run(s, SUITE_PG);
}
