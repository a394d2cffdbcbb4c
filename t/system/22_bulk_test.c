/*
 * 22_bulk_test.c - messages torn at every byte, messages larger than any
 * buffer, and readers that come late: nothing is lost, memory stays bounded.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "t/lib/pooler.h"
#include "t/lib/drip.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

#define MB (1024 * 1024)

/* A conversation with some of everything in it. */
static void
converse(PGconn *c)
{
	PGresult *r;
	char *got;

	ck_assert_str_eq(sql_one(c, "SELECT 'simple'"), "simple");
	ck_assert_str_eq(
	    sql_param(c, "SELECT $1::text", "extended"), "extended");
	sql_do(c, "SET application_name = 'dripped'");
	sql_fails(c, "22012", "SELECT 1/0");
	sql_do(c, "DO $$ BEGIN RAISE NOTICE 'torn'; END $$");
	sql_do(c, "BEGIN");
	sql_do(c, "CREATE TEMP TABLE drip (t text) ON COMMIT DROP");
	r = PQexec(c, "COPY drip FROM STDIN");
	ck_assert_int_eq(PQresultStatus(r), PGRES_COPY_IN);
	PQclear(r);
	ck_assert_int_eq(PQputCopyData(c, "one\ntwo\n", 8), 1);
	ck_assert_int_eq(PQputCopyEnd(c, NULL), 1);
	sql_get(c);
	r = PQexec(c, "COPY drip TO STDOUT");
	PQclear(r);
	ck_assert_int_eq(PQgetCopyData(c, &got, 0), 4);
	PQfreemem(got);
	ck_assert_int_eq(PQgetCopyData(c, &got, 0), 4);
	PQfreemem(got);
	ck_assert_int_eq(PQgetCopyData(c, &got, 0), -1);
	sql_get(c);
	sql_do(c, "COMMIT");
	ck_assert_str_eq(sql_one(c, "SHOW application_name"), "dripped");
}

/* PgBouncer takes no login in pieces, from either side: not its test. */
static size_t
piece(void)
{
	return is_standin() ? 4096 : 1;
}

START_TEST(torn_at_every_byte)
{
	struct pooler *p = pooler_new();
	struct drip server = drip_start(pg->port, piece()), client;
	PGconn *c, *d;

	pooler_db(p, "drip = host=127.0.0.1 port=%d dbname=app", server.port);
	pooler_set(p, "default_pool_size = 1");
	pooler_start(p);
	client = drip_start(p->port, piece());
	c = sql_open(text("host=127.0.0.1 port=%d user=app dbname=drip "
			  "sslmode=disable gssencmode=disable",
	    client.port));
	d = pooler_conn(p, "dbname=drip");
	converse(c);
	if (!is_standin())
		ck_assert_str_eq(sql_one(d, "SHOW application_name"), "");
	converse(d);
	PQfinish(c);
	PQfinish(d);
	drip_stop(&client);
	drip_stop(&server);
	pooler_stop(p);
}
END_TEST

START_TEST(login_torn_at_every_byte)
{
	struct pooler *p = pooler_new();
	struct drip server = drip_start(pg->port, piece()), client;
	PGconn *c;

	pooler_db(p, "drip = host=127.0.0.1 port=%d dbname=app", server.port);
	pooler_set(p, "auth_type = scram-sha-256");
	pooler_auth(p, "scram_u", PG_PASSWORD);
	pooler_start(p);
	client = drip_start(p->port, piece());
	c = sql_open(text("host=127.0.0.1 port=%d user=scram_u dbname=drip "
			  "password='%s'",
	    client.port, PG_PASSWORD));
	ck_assert_str_eq(sql_one(c, "SELECT current_user"), "scram_u");
	PQfinish(c);
	drip_stop(&client);
	drip_stop(&server);
	pooler_stop(p);
}
END_TEST

START_TEST(huge_messages)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	const size_t len = 64 * MB;
	PGconn *c = pooler_conn(p, "");
	char *big = malloc(len + 1);
	const char *param = big;
	PGresult *r;
	long before, after;

	ck_assert_ptr_nonnull(big);
	for (size_t i = 0; i < len; i++)
		big[i] = (char)('a' + (i * 31 + i / 4096) % 26);
	big[len] = '\0';
	sql_num(c, "SELECT 1");
	before = pooler_rss_kb(p);
	/* 64 MB there, and 64 MB back */
	r = PQexecParams(c, "SELECT $1::text", 1, NULL, &param, NULL, NULL, 0);
	ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
	ck_assert_uint_eq((size_t)PQgetlength(r, 0, 0), len);
	ck_assert_int_eq(memcmp(PQgetvalue(r, 0, 0), big, len), 0);
	PQclear(r);
	after = pooler_rss_kb(p);
	ck_assert_msg(
	    after - before < 16 * 1024, "grew by %ld kB", after - before);
	free(big);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

#define BATCH     60
#define QUERY_LEN 100000
#define ROW_LEN   1000000

/* One query of 100 kB that returns 1 MB. */
static size_t
make_query(char *out, size_t room, int i)
{
	char *sql = malloc(QUERY_LEN + 1);
	size_t n;

	ck_assert_ptr_nonnull(sql);
	memset(sql, ' ', QUERY_LEN);
	n = (size_t)sprintf(
	    sql, "SELECT repeat('%c', %d) --", 'A' + i % 26, ROW_LEN);
	sql[n] = ' ';
	sql[QUERY_LEN] = '\0';
	n = wire_make(out, room, 'Q', "s", sql);
	free(sql);
	return n;
}

/* Send all that goes in, for as long as it does within `ms`. */
static size_t
stuff(int fd, const char *buf, size_t len, int ms)
{
	struct pollfd pf = { .fd = fd, .events = POLLOUT };
	size_t at = 0;

	while (at < len && poll(&pf, 1, ms) > 0) {
		ssize_t n =
		    send(fd, buf + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return at;
}

START_TEST(late_reader)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_open("127.0.0.1", p->port);
	const size_t room = (size_t)BATCH * (QUERY_LEN + 100);
	char *buf = malloc(room);
	size_t n = 0, sent;
	long before, high = 0;

	ck_assert_ptr_nonnull(buf);
	wire_login(w, "app", "app");
	wire_query(w, "SELECT 1");
	wire_expect(w, "TDCZ");
	before = pooler_rss_kb(p);
	for (int i = 0; i < BATCH; i++)
		n += make_query(buf + n, room - n, i);
	/* until everything is full, and a while longer */
	sent = stuff(w->fd, buf, n, 1000);
	high = pooler_rss_kb(p);
	for (int i = 0; i < BATCH; i++) {
		if (sent < n)
			sent += stuff(w->fd, buf + sent, n - sent, 0);
		wire_expect(w, "TD");
		ck_assert_uint_eq(w->len, ROW_LEN + 6);
		ck_assert_int_eq(w->body[6], 'A' + i % 26);
		ck_assert_int_eq(w->body[w->len - 1], 'A' + i % 26);
		if (sent < n)
			sent += stuff(w->fd, buf + sent, n - sent, 0);
		wire_expect(w, "CZ");
	}
	ck_assert_uint_eq(sent, n);
	ck_assert_msg(
	    high - before < 16 * 1024, "grew by %ld kB", high - before);
	free(buf);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* A reader that never comes does not hold up anybody else. */
START_TEST(absent_reader)
{
	struct pooler *p = pooler_with("default_pool_size = 3");
	struct wire *w = wire_to(p);
	PGconn *c = pooler_conn(p, "");
	long kb;

	kb = pooler_rss_kb(p);
	wire_query(w, "SELECT repeat('x', 100000000)");
	for (int64_t end = now_ms() + 1500; now_ms() < end;) {
		ck_assert_int_eq(sql_num(c, "SELECT 7"), 7);
		ck_assert_int_lt(
		    pooler_rss_kb(p) - kb, (is_sanitized() ? 64 : 16) * 1024);
	}
	UNTIL(10000, pg_backends(pg, "wait_event = 'ClientWrite'") == 1);
	wire_free(w);
	UNTIL(10000, pg_backends(pg, "state = 'active'") == 0);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

#define LONG_QUERY (64 * MB)

/* As many of `len` bytes as are taken without a pause of half a second. */
static size_t
send_until_full(struct wire *w, const char *bytes, size_t len)
{
	struct pollfd pf = { .fd = w->fd, .events = POLLOUT };
	size_t sent = 0;

	while (sent < len && poll(&pf, 1, 500) == 1) {
		ssize_t n = send(w->fd, bytes + sent, len - sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		ck_assert(n > 0 || errno == EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
	}
	return sent;
}

/* Who waits for a server is not read on and on. */
START_TEST(queued_sender)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_open("127.0.0.1", p->port);
	PGconn *c = pooler_conn(p, "");
	static const char head[] = "SELECT length('", tail[] = "')";
	char *query = malloc(LONG_QUERY), *message = malloc(LONG_QUERY + 16);
	size_t len, sent;
	long kb;

	memset(query, 'q', LONG_QUERY);
	memcpy(query, head, sizeof(head) - 1);
	memcpy(query + LONG_QUERY - sizeof(tail), tail, sizeof(tail));
	len = wire_make(message, LONG_QUERY + 16, 'Q', "s", query);
	wire_login(w, "app", "app");
	sql_do(c, "BEGIN");
	kb = pooler_rss_kb(p);
	sent = send_until_full(w, message, len);
	/* the kernel's buffers, and not much more */
	ck_assert_uint_lt(sent, LONG_QUERY / 2);
	ck_assert_int_lt(pooler_rss_kb(p) - kb, 4 * 1024);
	sql_do(c, "COMMIT");
	wire_send(w, message + sent, len - sent);
	wire_expect(w, "TDCZ");
	free(query);
	free(message);
	wire_free(w);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* 8 MB each way at the same time. */
START_TEST(copy_both_full)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_conn(p, ""), *d = pooler_conn(p, "");
	static char chunk[65536];
	PGresult *r;
	char *got;
	int n;
	long long total = 0;

	memset(chunk, 'z', sizeof(chunk));
	chunk[sizeof(chunk) - 1] = '\n';
	sql_do(c, "DROP TABLE IF EXISTS full_copy");
	sql_do(c, "CREATE TABLE full_copy (t text)");
	r = PQexec(c, "COPY full_copy FROM STDIN");
	PQclear(r);
	r = PQexec(d,
	    "COPY (SELECT repeat('y', 65535) FROM "
	    "generate_series(1, 128)) TO STDOUT");
	PQclear(r);
	for (int i = 0; i < 128; i++) {
		ck_assert_int_eq(PQputCopyData(c, chunk, sizeof(chunk)), 1);
		n = PQgetCopyData(d, &got, 0);
		ck_assert_int_eq(n, 65536);
		PQfreemem(got);
		total += n;
	}
	ck_assert_int_eq(PQgetCopyData(d, &got, 0), -1);
	ck_assert_int_eq(PQputCopyEnd(c, NULL), 1);
	sql_get(c);
	sql_get(d);
	ck_assert_int_eq(total, 128LL * 65536);
	ck_assert_int_eq(sql_num(c, "SELECT sum(length(t) + 1) FROM full_copy"),
	    128 * 65536);
	sql_do(c, "DROP TABLE full_copy");
	PQfinish(c);
	PQfinish(d);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bulk");
	TCase *tc = suite_case(s, "bulk", 60);

	tcase_add_test(tc, torn_at_every_byte);
	tcase_add_test(tc, login_torn_at_every_byte);
	tcase_add_test(tc, huge_messages);
	tcase_add_test(tc, late_reader);
	tcase_add_test(tc, absent_reader);
	if (!is_standin())
		tcase_add_test(tc, queued_sender);
	tcase_add_test(tc, copy_both_full);
	return suite_run(s, SUITE_PG);
}
