/*
 * 23_cancel_test.c - cancel requests: of a running, a queued and an idle
 * client, under saturation, too late, and in crowds.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

static void
cancel(PGconn *c)
{
	char buf[256];
	PGcancel *k = PQgetCancel(c);

	ck_assert_ptr_nonnull(k);
	ck_assert_msg(PQcancel(k, buf, sizeof(buf)), "%s", buf);
	PQfreeCancel(k);
}

START_TEST(running)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *c = pooler_conn(p, "");
	int64_t t0 = now_ms();

	sql_send(c, "SELECT pg_sleep(60)");
	UNTIL(5000,
	    pg_backends(pg,
		"query LIKE '%sleep(60)%' AND "
		"state = 'active'") == 1);
	cancel(c);
	ck_assert(strstr(sql_get_error(c), "canceling statement"));
	ck_assert_int_lt(now_ms() - t0, 40000);
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(running_in_session_mode)
{
	struct pooler *p = pooler_with("pool_mode = session");
	PGconn *c = pooler_conn(p, ""), *d = pooler_conn(p, "");

	sql_send(d, "SELECT 'kept' FROM pg_sleep(1)");
	sql_send(c, "SELECT pg_sleep(60)");
	UNTIL(5000,
	    pg_backends(pg,
		"query LIKE '%sleep(60)%' AND "
		"state = 'active'") == 1);
	cancel(c);
	ck_assert(strstr(sql_get_error(c), "canceling statement"));
	ck_assert_str_eq(sql_get(d), "kept");
	PQfinish(c);
	PQfinish(d);
	pooler_stop(p);
}
END_TEST

/* All servers are busy, and the one request that would free one gets by. */
START_TEST(under_saturation)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c[6];

	for (int i = 0; i < 6; i++) {
		c[i] = pooler_conn(p, "");
		sql_send(c[i], i < 2 ? "SELECT pg_sleep(60)" : "SELECT 'done'");
		if (i < 2)
			UNTIL(5000,
			    pg_backends(pg,
				"query LIKE "
				"'%sleep(60)%' AND state = 'active'") == i + 1);
	}
	ck_assert(!sql_is_ready(c[2], 100));
	cancel(c[0]);
	ck_assert(strstr(sql_get_error(c[0]), "canceling statement"));
	for (int i = 2; i < 6; i++)
		ck_assert_str_eq(sql_get(c[i]), "done");
	cancel(c[1]);
	ck_assert(strstr(sql_get_error(c[1]), "canceling statement"));
	for (int i = 0; i < 6; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

/* Who waits in the queue is taken out of it; who holds the server is not. */
START_TEST(queued)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	PGconn *console = pooler_console(p, "admin");

	sql_do(a, "BEGIN");
	sql_send(b, "SELECT 'b'");
	/* before it is read there is nothing to cancel */
	UNTIL(5000,
	    pooler_show(console, "POOLS", "database", "app", "cl_waiting") ==
		1);
	PQfinish(console);
	ck_assert(!sql_is_ready(b, 100));
	cancel(b);
	ck_assert(sql_is_ready(b, 15000));
	sql_get_error(b);
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	sql_do(a, "COMMIT");
	PQfinish(a);
	PQfinish(b);
	a = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	PQfinish(a);
	pooler_stop(p);
}
END_TEST

/* An idle client has nothing to cancel, and hears nothing of it. */
START_TEST(idle)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_open("127.0.0.1", p->port), *k;
	PGconn *other = pooler_conn(p, "");

	wire_login(w, "app", "app");
	wire_query(w, "SELECT 1");
	wire_expect(w, "TDCZ");
	/* the server that it had last is now busy for another */
	sql_send(other, "SELECT 'unharmed' FROM pg_sleep(1)");
	UNTIL(5000,
	    pg_backends(pg,
		"query LIKE '%unharmed%' AND "
		"state = 'active'") == 1);
	for (int i = 0; i < 20; i++) {
		k = wire_open("127.0.0.1", p->port);
		wire_put(k, 0, "iii", 80877102, w->key[0], w->key[1]);
		wire_end(k);
		wire_free(k);
	}
	ck_assert(wire_is_quiet(w, 100));
	ck_assert_str_eq(sql_get(other), "unharmed");
	wire_query(w, "SELECT 2");
	wire_expect(w, "TDCZ");
	ck_assert(wire_is_quiet(w, 50));
	wire_free(w);
	PQfinish(other);
	pooler_stop(p);
}
END_TEST

START_TEST(idle_in_transaction)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *c = pooler_conn(p, "");

	sql_do(c, "BEGIN");
	cancel(c);
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	sql_do(c, "COMMIT");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* A flipped bit anywhere in the key makes it nobody's. */
START_TEST(almost_right_keys)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_open("127.0.0.1", p->port), *k;

	wire_login(w, "app", "app");
	wire_query(w, "SELECT 'safe' FROM pg_sleep(1)");
	UNTIL(5000,
	    pg_backends(pg,
		"query LIKE '%safe%' AND "
		"state = 'active'") == 1);
	for (int bit = 0; bit < 64; bit++) {
		uint32_t a = w->key[0], b = w->key[1];

		if (bit < 32)
			a ^= 1u << bit;
		else
			b ^= 1u << (bit - 32);
		k = wire_open("127.0.0.1", p->port);
		wire_put(k, 0, "iii", 80877102, a, b);
		wire_end(k);
		wire_free(k);
	}
	wire_expect(w, "TDCZ");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

START_TEST(keys_differ)
{
	struct pooler *p = pooler_with("default_pool_size = 1\n"
				       "max_client_conn = 200");
	struct wire *w[100];

	for (int i = 0; i < 100; i++) {
		w[i] = wire_open("127.0.0.1", p->port);
		wire_login(w[i], "app", "app");
		for (int j = 0; j < i; j++)
			ck_assert(w[i]->key[0] != w[j]->key[0] ||
			    w[i]->key[1] != w[j]->key[1]);
	}
	for (int i = 0; i < 100; i++)
		wire_free(w[i]);
	pooler_stop(p);
}
END_TEST

/*
 * A cancel that comes just as its query ends must not hit the next client's,
 * which gets the same server at once.
 */
START_TEST(late)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	char buf[256];
	int hit = 0;

	for (int i = 0; i < 300; i++) {
		PGcancel *k = PQgetCancel(a);
		PGresult *r;

		sql_send(a, "SELECT pg_sleep(0.00%d)", i % 4);
		sql_send(b, "SELECT 'b' FROM pg_sleep(0.01)");
		if (i % 3 == 0)
			nap();
		PQcancel(k, buf, sizeof(buf));
		while ((r = PQgetResult(a)) != NULL)
			PQclear(r);
		while ((r = PQgetResult(b)) != NULL) {
			hit += PQresultStatus(r) != PGRES_TUPLES_OK;
			PQclear(r);
		}
		PQfreeCancel(k);
		/* cancelled in the queue, it was sent away */
		if (PQstatus(a) != CONNECTION_OK)
			PQreset(a);
	}
	ck_assert_int_eq(hit, 0);
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* Twenty at once for one query; then the place is free for others. */
START_TEST(crowd)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_open("127.0.0.1", p->port), *k[20];
	PGconn *c = pooler_conn(p, "");

	wire_login(w, "app", "app");
	wire_query(w, "SELECT pg_sleep(60)");
	UNTIL(5000,
	    pg_backends(pg,
		"query LIKE '%sleep(60)%' AND "
		"state = 'active'") == 1);
	for (int i = 0; i < 20; i++) {
		k[i] = wire_open("127.0.0.1", p->port);
		wire_put(k[i], 0, "iii", 80877102, w->key[0], w->key[1]);
	}
	wire_expect(w, "T");
	wire_expect(w, "EZ");
	for (int i = 0; i < 20; i++) {
		wire_end(k[i]);
		wire_free(k[i]);
	}
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(sql_num(c, "SELECT %d", i), i);
	wire_free(w);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/*
 * A server that never ends a cancel's connection; its query "slow" takes until
 * mark[1] is set.
 */
static void
keep_cancels(int fd, struct fake_count *count)
{
	uint32_t head[2];
	char body[256];

	if (recv(fd, head, sizeof(head), MSG_PEEK | MSG_WAITALL) ==
		sizeof(head) &&
	    ntohl(head[1]) == 80877102) {
		count->cancels++;
		fake_hang(fd);
	}
	fake_startup(fd, count);
	fake_welcome(fd);
	while (fake_recv(fd, body, sizeof(body)) == 'Q') {
		if (strcmp(body, "slow") == 0) {
			count->mark[0] = 1;
			while (count->mark[1] == 0)
				nap();
		}
		fake_row(fd, body);
	}
	fake_hang(fd);
}

static struct pooler *
before_fake(struct fakepg **f, int cancel_s)
{
	struct pooler *p = pooler_new();

	*f = fakepg_start(keep_cancels);
	pooler_db(p, "fake = host=127.0.0.1 port=%d pool_size=1", (*f)->port);
	pooler_set(p, "cancel_wait_timeout = %d", cancel_s);
	pooler_set(p, "server_reset_query =");
	pooler_start(p);
	return p;
}

static struct wire *
slow_client(struct pooler *p, struct fakepg *f)
{
	struct wire *w = wire_open("127.0.0.1", p->port);

	wire_login(w, "app", "fake");
	wire_query(w, "slow");
	UNTIL(5000, f->count->mark[0] == 1);
	return w;
}

static struct wire *
request(struct pooler *p, const struct wire *w)
{
	struct wire *k = wire_open("127.0.0.1", p->port);

	wire_put(k, 0, "iii", 80877102, w->key[0], w->key[1]);
	return k;
}

static long
shown_as(PGconn *console, const char *col)
{
	return pooler_show(console, "POOLS", "database", "fake", col);
}

/* Nobody knows what it will hit: its server is for no other client. */
START_TEST(never_ends)
{
	struct fakepg *f;
	struct pooler *p = before_fake(&f, 2);
	struct wire *w = slow_client(p, f), *k = request(p, w);
	PGconn *c = pooler_conn(p, "dbname=fake");

	UNTIL(5000, f->count->cancels == 1);
	f->count->mark[1] = 1;
	wire_expect(w, "TDCZ");
	ck_assert_str_eq(sql_one(c, "next"), "next");
	ck_assert_int_eq(f->count->logins, 2);
	wire_end(k);
	wire_free(k);
	wire_free(w);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* The console shows a server that waits for a cancel's end, and only that. */
START_TEST(shown)
{
	struct fakepg *f;
	struct pooler *p = before_fake(&f, 2);
	PGconn *console = pooler_console(p, "admin");
	struct wire *w = slow_client(p, f), *k = request(p, w);

	UNTIL(5000, f->count->cancels == 1);
	ck_assert_int_eq(shown_as(console, "sv_active"), 1);
	ck_assert_int_eq(shown_as(console, "sv_active_cancel"), 1);
	f->count->mark[1] = 1;
	wire_expect(w, "TDCZ");
	UNTIL(1000, shown_as(console, "sv_active") == 0);
	ck_assert_int_eq(shown_as(console, "sv_being_canceled"), 1);
	ck_assert_int_eq(shown_as(console, "sv_active_cancel"), 1);
	wire_end(k);
	UNTIL(5000, shown_as(console, "sv_being_canceled") == 0);
	UNTIL(5000, shown_as(console, "sv_active_cancel") == 0);
	wire_free(k);
	wire_free(w);
	PQfinish(console);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

#define CROWD 10

/* Two for each server are enough; more would be a way to flood it. */
START_TEST(crowd_is_not_passed_on)
{
	struct fakepg *f;
	struct pooler *p = before_fake(&f, 60);
	struct wire *w = slow_client(p, f), *k[CROWD];

	for (int i = 0; i < CROWD; i++) {
		k[i] = request(p, w);
		/* one that is sent goes on until we are done */
		if (i < 2)
			UNTIL(5000, f->count->cancels == i + 1);
		else
			wire_end(k[i]);
	}
	ck_assert_int_eq(f->count->cancels, 2);
	for (int i = 0; i < CROWD; i++)
		wire_free(k[i]);
	f->count->mark[1] = 1;
	wire_free(w);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cancel");
	TCase *tc = suite_case(s, "cancel", 40);

	tcase_add_test(tc, running);
	tcase_add_test(tc, running_in_session_mode);
	tcase_add_test(tc, under_saturation);
	tcase_add_test(tc, idle);
	tcase_add_test(tc, idle_in_transaction);
	tcase_add_test(tc, almost_right_keys);
	tcase_add_test(tc, keys_differ);
	tcase_add_test(tc, late);
	tcase_add_test(tc, crowd);
	if (!is_standin()) {
		tcase_add_test(tc, queued);
		tcase_add_test(tc, never_ends);
		tcase_add_test(tc, shown);
		tcase_add_test(tc, crowd_is_not_passed_on);
	}
	return suite_run(s, SUITE_PG);
}
