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

#include "t/lib/fakepg.h"
#include "t/system/hazards.h"

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

/* The first logins fail, each in another way; what comes later is served. */
static void
dies_at_login(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	switch (count->logins < 40 ? count->logins % 4 : 4) {
	case 0:
		return;
	case 1:
		fake_reset(fd);
		return;
	case 2:
		fake_send(fd, "E\0\0\0\x17SFATAL\0C53300\0Mno\0\0", 24);
		return;
	case 3:
		/* in the middle of a message */
		fake_send(fd, "R\0\0\0\10\0", 6);
		return;
	default:
		fake_welcome(fd);
		fake_serve(fd, count);
	}
}

/* A login that fails leaves its place to the next, however it fails. */
START_TEST(places_of_failed_logins)
{
	struct fakepg *f = fakepg_start(dies_at_login);
	struct pooler *p = pooler_new();
	PGconn *c[2];

	p->errors_ok = true;
	pooler_db(
	    p, "fake = host=127.0.0.1 port=%d pool_mode=session", f->port);
	pooler_set(p, "default_pool_size = 2\nmax_db_connections = 2");
	pooler_set(p, "server_login_retry = 0.02");
	pooler_start(p);
	for (int64_t end = now_ms() + 30000; f->count->logins < 40;) {
		ck_assert_msg(now_ms() < end, "%d logins", f->count->logins);
		PQfinish(PQconnectdb(pooler_at(p, "dbname=fake")));
	}
	for (int i = 0; i < 2; i++)
		UNTIL(10000,
		    PQstatus(c[i] = PQconnectdb(pooler_at(p, "dbname=fake"))) ==
			    CONNECTION_OK ||
			(PQfinish(c[i]), false));
	/* each has a server to itself: both places are there */
	for (int i = 0; i < 2; i++)
		sql_send(c[i], "SELECT %d", i);
	for (int i = 0; i < 2; i++) {
		ck_assert(sql_is_ready(c[i], 15000));
		ck_assert_str_eq(sql_get(c[i]), "fake");
		PQfinish(c[i]);
	}
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* Something that waits too long is said to have waited, not to be down. */
START_TEST(waiting_is_called_waiting)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *holder = pooler_conn(p, ""), *c = pooler_conn(p, "");
	PGresult *r;

	sql_do(holder, "BEGIN");
	sql_do(holder, "SELECT 1");
	pooler_set(p, "query_wait_timeout = 0.3");
	pooler_reload(p);
	r = PQexec(c, "SELECT 1");
	ck_assert_msg(strstr(PQerrorMessage(c), "query_wait_timeout"), "%s",
	    PQerrorMessage(c));
	ck_assert_ptr_null(strstr(PQerrorMessage(c), "down"));
	PQclear(r);
	PQfinish(c);
	sql_do(holder, "COMMIT");
	PQfinish(holder);
	pooler_set(p, "query_wait_timeout = 60");
	pooler_reload(p);
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
	tcase_add_test(tc, places_of_failed_logins);
	tcase_add_test(tc, waiting_is_called_waiting);
	return suite_run(s, SUITE_PG);
}
