/*
 * 24_vanish_test.c - clients that disappear, politely or not, in every state:
 * no reply reaches anybody else, no transaction stays open, no place is lost.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

enum manner { TERMINATE, CLOSE, RESET, MANNERS };

static struct pooler *p;

static void
set_up(void)
{
	p = pooler_with("default_pool_size = 2\nmax_client_conn = 50");
}

/* Both places are there, empty, and answer to nobody else. */
static void
tear_down(void)
{
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	struct wire *w = wire_open("127.0.0.1", p->port);

	sql_do(a, "BEGIN");
	sql_do(b, "BEGIN");
	ck_assert_str_eq(sql_one(a, "SELECT 'a'"), "a");
	ck_assert_str_eq(sql_one(b, "SELECT 'b'"), "b");
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 2);
	sql_do(a, "ROLLBACK");
	sql_do(b, "ROLLBACK");
	wire_login(w, "app", "app");
	ck_assert(wire_is_quiet(w, 20));
	wire_query(w, "SELECT 'mine'");
	wire_expect(w, "TD");
	ck_assert_str_eq(wire_value(w), "mine");
	wire_expect(w, "CZ");
	wire_free(w);
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}

static struct wire *
client(void)
{
	struct wire *w = wire_to(p);

	return w;
}

static void
leave(struct wire *w, enum manner how)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	if (how == TERMINATE)
		wire_put(w, 'X', "");
	if (how == RESET)
		setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	wire_free(w);
}

START_TEST(before_startup)
{
	char buf[256];
	size_t n = wire_startup(
	    buf, sizeof(buf), 0x30000, "user", "app", "database", "app", NULL);

	for (size_t cut = 0; cut <= n; cut++) {
		struct wire *w = wire_open("127.0.0.1", p->port);

		wire_send(w, buf, cut);
		leave(w, cut % 2 ? CLOSE : RESET);
	}
}
END_TEST

START_TEST(idle)
{
	for (int how = 0; how < MANNERS; how++)
		leave(client(), how);
}
END_TEST

START_TEST(in_a_query)
{
	for (int how = 0; how < MANNERS; how++) {
		struct wire *w = client();

		wire_query(
		    w, text("SELECT 'not yours, %d' FROM pg_sleep(0.2)", how));
		/* it has begun, and may be over when we look late */
		UNTIL(5000,
		    pg_backends(
			pg, text("query LIKE '%%not yours, %d%%'", how)) == 1);
		leave(w, how);
		UNTIL(5000,
		    pg_backends(pg,
			"query LIKE '%not yours%' AND "
			"state = 'active'") == 0);
	}
}
END_TEST

#define IN_VAIN "query LIKE '%in vain%' AND state = 'active'"

/*
 * Nobody waits for the answer: the server does not work on it for long.  Who
 * says goodbye behind it may want it done: that gets some seconds.
 */
START_TEST(in_a_long_query)
{
	for (int how = 0; how < MANNERS; how++) {
		int64_t took_ms = INT64_MAX;

		/* the machine may stand still for a while, but not each time */
		for (int i = 0; i < 3 && took_ms > 2000; i++) {
			struct wire *w = client();

			wire_query(w, "SELECT 'in vain' FROM pg_sleep(60)");
			UNTIL(5000, pg_backends(pg, IN_VAIN) == 1);
			took_ms = now_ms();
			leave(w, how);
			UNTIL(20000, pg_backends(pg, IN_VAIN) == 0);
			took_ms = now_ms() - took_ms;
			if (how == TERMINATE)
				break;
		}
		ck_assert_int_lt(took_ms, how == TERMINATE ? 20000 : 2001);
	}
}
END_TEST

/* Sent and gone in the same moment. */
START_TEST(right_behind_a_query)
{
	for (int i = 0; i < 60; i++) {
		struct wire *w = client();

		wire_query(w, "SELECT 'not yours'");
		if (i % 2)
			wire_query(w, "BEGIN");
		leave(w, i % MANNERS);
		w = client();
		wire_query(w, "SELECT 'mine'");
		wire_expect(w, "TD");
		ck_assert_str_eq(wire_value(w), "mine");
		wire_expect(w, "CZ");
		ck_assert_int_eq(w->body[0], 'I');
		leave(w, TERMINATE);
	}
}
END_TEST

START_TEST(in_a_transaction)
{
	for (int how = 0; how < MANNERS; how++) {
		struct wire *w = client();

		wire_query(w, "BEGIN; SELECT pg_advisory_xact_lock(7)");
		wire_expect(w, "CTDCZ");
		leave(w, how);
		UNTIL(5000,
		    pg_num(pg,
			"SELECT count(*) FROM pg_locks WHERE "
			"locktype = 'advisory'") == 0);
	}
}
END_TEST

START_TEST(in_a_failed_transaction)
{
	for (int how = 0; how < MANNERS; how++) {
		struct wire *w = client();

		wire_query(w, "BEGIN; SELECT 1/0");
		wire_expect(w, "CEZ");
		leave(w, how);
		UNTIL(5000, pg_backends(pg, "state LIKE 'idle in%'") == 0);
	}
}
END_TEST

START_TEST(in_an_open_batch)
{
	for (int how = 0; how < MANNERS; how++) {
		struct wire *w = client();

		wire_put(w, 'P', "ssh", "", "SELECT 'not yours'", 0);
		wire_put(w, 'B', "sshhh", "", "", 0, 0, 0);
		wire_put(w, 'E', "si", "", 0);
		wire_put(w, 'H', "");
		wire_expect(w, "12DC");
		leave(w, how);
	}
}
END_TEST

START_TEST(inside_a_message)
{
	char buf[256];
	size_t n = wire_make(buf, sizeof(buf), 'Q', "s", "SELECT 'torn'");

	for (size_t cut = 1; cut < n; cut++) {
		struct wire *w = client();

		wire_send(w, buf, cut);
		leave(w, cut % 2 ? CLOSE : RESET);
	}
}
END_TEST

START_TEST(inside_a_message_of_a_transaction)
{
	char buf[256];
	size_t n = wire_make(buf, sizeof(buf), 'Q', "s", "SELECT 'torn'");

	for (size_t cut = 1; cut < n; cut += 3) {
		struct wire *w = client();

		wire_query(w, "BEGIN");
		wire_expect(w, "CZ");
		wire_send(w, buf, cut);
		leave(w, cut % 2 ? CLOSE : RESET);
	}
	UNTIL(5000, pg_backends(pg, "state LIKE 'idle in%'") == 0);
}
END_TEST

START_TEST(in_copy_in)
{
	for (int how = 0; how < MANNERS; how++) {
		struct wire *w = client();

		wire_query(w,
		    "BEGIN; CREATE TEMP TABLE vv (t text); "
		    "COPY vv FROM STDIN");
		wire_expect(w, "CCG");
		wire_put(w, 'd', "x", "row\n", (size_t)4);
		leave(w, how);
		UNTIL(5000,
		    pg_backends(pg,
			"query LIKE '%COPY vv%' AND "
			"state = 'active'") == 0);
	}
}
END_TEST

START_TEST(in_copy_out)
{
	for (int how = 0; how < MANNERS; how++) {
		struct wire *w = client();

		wire_query(w,
		    "COPY (SELECT repeat('x', 1000) FROM "
		    "generate_series(1, 1000000)) TO STDOUT");
		wire_expect(w, "Hdd");
		leave(w, how);
		UNTIL(10000,
		    pg_backends(pg,
			"query LIKE 'COPY (SEL%' AND "
			"state = 'active'") == 0);
	}
}
END_TEST

START_TEST(before_a_large_result)
{
	for (int how = 0; how < MANNERS; how++) {
		struct wire *w = client();

		wire_query(w,
		    "SELECT repeat('y', 1000) FROM "
		    "generate_series(1, 300000)");
		wire_expect(w, "TD");
		leave(w, how);
		UNTIL(10000,
		    pg_backends(pg,
			"query LIKE '%repeat(''y%' AND "
			"state = 'active'") == 0);
	}
}
END_TEST

START_TEST(in_the_queue)
{
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

	sql_do(a, "BEGIN");
	sql_do(b, "BEGIN");
	for (int i = 0; i < 30; i++) {
		struct wire *w = client();

		wire_query(w, "CREATE TABLE must_not_be (i int)");
		leave(w, i % MANNERS);
	}
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	sql_do(a, "COMMIT");
	sql_do(b, "COMMIT");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

/* Half closed: the answer to what came before still goes out. */
START_TEST(half_closed)
{
	struct wire *w = client();

	wire_query(w, "SELECT 1");
	wire_expect(w, "TDCZ");
	shutdown(w->fd, SHUT_WR);
	wire_end(w);
	wire_free(w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("vanish");
	TCase *tc = suite_case(s, "vanish", 40);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, before_startup);
	tcase_add_test(tc, idle);
	tcase_add_test(tc, in_a_query);
	tcase_add_test(tc, in_a_long_query);
	tcase_add_test(tc, right_behind_a_query);
	tcase_add_test(tc, in_a_transaction);
	tcase_add_test(tc, in_a_failed_transaction);
	tcase_add_test(tc, in_an_open_batch);
	tcase_add_test(tc, inside_a_message);
	tcase_add_test(tc, inside_a_message_of_a_transaction);
	tcase_add_test(tc, in_copy_in);
	tcase_add_test(tc, in_copy_out);
	tcase_add_test(tc, before_a_large_result);
	tcase_add_test(tc, in_the_queue);
	tcase_add_test(tc, half_closed);
	return suite_run(s, SUITE_PG);
}
