/*
 * 25_server_death_test.c - PostgreSQL is down, goes down, or loses a backend
 * that is idle, in use or in a transaction; and what an unruly server sends
 * reaches no second client.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

START_TEST(idle_backend_dies)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *c = pooler_conn(p, ""), *console = pooler_console(p, "admin");

	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
		ck_assert_int_eq(pg_terminate(pg, "datname = 'app'"), 1);
		UNTIL(5000, pg_backends(pg, "datname = 'app'") == 0);
		/* the end of file is on its way */
		UNTIL(5000,
		    pooler_show(
			console, "POOLS", "database", "app", "sv_idle") == 0);
		ck_assert_int_eq(sql_num(c, "SELECT 2"), 2);
	}
	PQfinish(console);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(backend_in_use_dies)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *c = pooler_conn(p, ""), *d = pooler_conn(p, "");

	sql_send(c, "SELECT pg_sleep(60)");
	UNTIL(5000,
	    pg_backends(pg,
		"query LIKE '%sleep(60)%' AND "
		"state = 'active'") == 1);
	sql_send(d, "SELECT 'next'");
	pg_terminate(pg, "datname = 'app'");
	ck_assert(strstr(sql_get_error(c), "terminating connection"));
	sql_closed(c, 5000);
	/* the one who waited gets a new server */
	ck_assert(sql_is_ready(d, 10000));
	ck_assert_str_eq(sql_get(d), "next");
	PQfinish(c);
	PQfinish(d);
	pooler_stop(p);
}
END_TEST

/* The server's own FATAL comes through, and nothing behind it. */
START_TEST(one_error_only)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);

	wire_query(w, "BEGIN");
	wire_expect(w, "CZ");
	pg_terminate(pg, "datname = 'app'");
	wire_error(w, 'C', "57P01");
	if (!is_standin())
		wire_end(w);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

START_TEST(backend_killed_in_a_transaction)
{
	struct pooler *p = pooler_with("default_pool_size = 1\n"
				       "pool_mode = session");
	PGconn *c = pooler_conn(p, ""), *d;

	p->errors_ok = true;
	sql_do(c, "BEGIN");
	pg_terminate(pg, "datname = 'app'");
	sql_closed(c, 5000);
	d = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(d, "SELECT 1"), 1);
	PQfinish(c);
	PQfinish(d);
	pooler_stop(p);
}
END_TEST

/* A server that this test may stop and start: its own. */
static void
own_pg(void)
{
	pg = pg_new(0);
}

/* Down at first: clients wait, and are served when it comes up. */
START_TEST(down_then_up)
{
	struct pooler *p;
	PGconn *c;

	own_pg();
	p = pooler_new();
	p->errors_ok = true;
	pooler_set(p, "server_login_retry = 0.2\nquery_wait_timeout = 30");
	pooler_start(p);
	/* the pooler knows the server's parameters */
	PQfinish(pooler_conn(p, ""));
	pg_stop(pg);
	c = PQconnectStart(pooler_at(p, ""));
	for (int64_t end = now_ms() + 500; now_ms() < end; nap())
		PQconnectPoll(c);
	pg_start(pg);
	PQfinish(c);
	c = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	pooler_stop(p);
	pg_free(pg);
}
END_TEST

START_TEST(down_for_good)
{
	struct pooler *p = pooler_new();
	int64_t t0;

	p->errors_ok = true;
	pooler_db(p, "down = host=127.0.0.1 port=%d dbname=app", spawn_port());
	pooler_set(p, "query_wait_timeout = 2\nserver_login_retry = 0.3");
	pooler_start(p);
	t0 = now_ms();
	sql_refused(pooler_at(p, "dbname=down"), "");
	ck_assert_int_lt(now_ms() - t0, 15000);
	PQfinish(pooler_conn(p, ""));
	pooler_stop(p);
}
END_TEST

/* A name that nobody knows: told in time, and nobody else is held up. */
START_TEST(unknown_host)
{
	struct pooler *p = pooler_new();
	PGconn *bad, *c;
	int64_t t0;

	p->errors_ok = true;
	pooler_db(p, "lost = host=no-such-host.invalid port=5432 dbname=app");
	pooler_set(p, "query_wait_timeout = 2\nserver_login_retry = 0.3");
	pooler_start(p);
	t0 = now_ms();
	bad = PQconnectStart(pooler_at(p, "dbname=lost"));
	c = pooler_conn(p, "");
	ck_assert_int_lt(now_ms() - t0, 5000);
	while (PQconnectPoll(bad) != PGRES_POLLING_FAILED) {
		ck_assert_int_lt(now_ms() - t0, 30000);
		ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
		nap();
	}
	PQfinish(bad);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* Every backend killed at once, then the whole server: clients come back. */
START_TEST(crash_of_postgres)
{
	struct pooler *p;
	PGconn *c[8];

	own_pg();
	p = pooler_new();
	p->errors_ok = true;
	pooler_set(p, "default_pool_size = 4\nserver_login_retry = 0.2");
	pooler_start(p);
	for (int i = 0; i < 8; i++) {
		c[i] = pooler_conn(p, "");
		sql_num(c[i], "SELECT 1");
	}
	for (int i = 0; i < 4; i++)
		sql_do(c[i], "BEGIN");
	pg_kill(pg);
	for (int i = 0; i < 4; i++)
		sql_closed(c[i], 5000);
	pg_start(pg);
	for (int i = 0; i < 8; i++) {
		/* who held no server may have lost nothing */
		if (i >= 4)
			ck_assert_int_eq(sql_num(c[i], "SELECT 1"), 1);
		PQfinish(c[i]);
	}
	ck_assert_int_le(pg_backends(pg, "datname = 'app'"), 4);
	pooler_stop(p);
	pg_free(pg);
}
END_TEST

static struct pooler *
with_fake(const struct fakepg *f, const char *setting)
{
	struct pooler *p = pooler_new();

	p->errors_ok = true;
	pooler_db(p, "fake = host=127.0.0.1 port=%d dbname=app", f->port);
	pooler_set(p, "default_pool_size = 1\nserver_login_retry = 0.2");
	pooler_set(p, "query_wait_timeout = 10\n%s", setting);
	pooler_start(p);
	return p;
}

/*
 * A server that misbehaves at its first query and is good in its next life:
 * the client may get an error or lose its connection, the next one must see
 * nothing of it.
 */
static void
misbehave(fake_fn *serve)
{
	struct fakepg *f = fakepg_start(serve);
	struct pooler *p = with_fake(f, "");
	PGconn *c = pooler_conn(p, "dbname=fake"), *d;
	PGresult *r;

	ck_assert(PQsendQuery(c, "SELECT 1"));
	if (sql_is_ready(c, 3000))
		while (PQstatus(c) == CONNECTION_OK && sql_is_ready(c, 1000) &&
		    (r = PQgetResult(c)) != NULL)
			PQclear(r);
	PQfinish(c);
	for (int i = 0; i < 5; i++) {
		d = pooler_conn(p, "dbname=fake");
		ck_assert_str_eq(sql_one(d, "SELECT 2"), "fake");
		PQfinish(d);
	}
	ck_assert_int_ge(f->count->logins, 2);
	pooler_stop(p);
	fakepg_stop(f);
}

/* Good to its first client; told so, it says half a notice to nobody. */
static void
half_said_when_idle(int fd, struct fake_count *count)
{
	char body[256];

	fake_startup(fd, count);
	fake_welcome(fd);
	if (count->logins == 1 && fake_recv(fd, body, sizeof(body)) == 'Q') {
		fake_row(fd, "fake");
		while (count->mark[0] == 0)
			nap();
		fake_send(fd, "N\0\0\0\40SLOG", 9);
	}
	fake_serve(fd, count);
}

/* It is not kept for a client who would read the rest. */
START_TEST(half_a_message_while_idle)
{
	struct fakepg *f = fakepg_start(half_said_when_idle);
	struct pooler *p = with_fake(f, "");
	PGconn *c = pooler_conn(p, "dbname=fake");
	PGconn *console = pooler_console(p, "admin");

	ck_assert_str_eq(sql_one(c, "SELECT 1"), "fake");
	f->count->mark[0] = 1;
	UNTIL(5000,
	    pooler_show(console, "POOLS", "database", "fake", "sv_idle") == 0);
	ck_assert_str_eq(sql_one(c, "SELECT 2"), "fake");
	ck_assert_int_eq(f->count->logins, 2);
	PQfinish(c);
	PQfinish(console);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* To "grow" it answers with a parameter that is too long to be kept. */
static void
outgrow(int fd, struct fake_count *count)
{
	char body[256], value[4096];

	memset(value, 'z', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	fake_startup(fd, count);
	fake_welcome(fd);
	while (fake_recv(fd, body, sizeof(body)) == 'Q') {
		if (strcmp(body, "grow") == 0)
			fake_put(fd, 'S', "ss", "TimeZone", value);
		fake_row(fd, "fake");
	}
}

/* What it has set is not known any more: no other client may have it. */
START_TEST(parameter_too_long)
{
	struct fakepg *f = fakepg_start(outgrow);
	struct pooler *p = with_fake(f, "");
	PGconn *c = pooler_conn(p, "dbname=fake"), *d;

	ck_assert_str_eq(sql_one(c, "grow"), "fake");
	d = pooler_conn(p, "dbname=fake");
	ck_assert_str_eq(sql_one(d, "SELECT 1"), "fake");
	ck_assert_int_eq(f->count->logins, 2);
	PQfinish(c);
	PQfinish(d);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* The first backend ever is the bad one. */
#define MISBEHAVE(name)                                                    \
	static void name##_first(int fd, struct fake_count *count);        \
	static void name##_serve(int fd, struct fake_count *count)         \
	{                                                                  \
		char body[4096];                                           \
		fake_startup(fd, count);                                   \
		fake_welcome(fd);                                          \
		if (count->logins == 1) {                                  \
			while (fake_recv(fd, body, sizeof(body)) == 'Q' && \
			    !strncmp(body, "SET ", 4)) {                   \
				fake_put(fd, 'C', "s", "SET");             \
				fake_ready(fd, 'I');                       \
			}                                                  \
			name##_first(fd, count);                           \
		}                                                          \
		fake_serve(fd, count);                                     \
	}                                                                  \
	START_TEST(name)                                                   \
	{                                                                  \
		misbehave(name##_serve);                                   \
	}                                                                  \
	END_TEST                                                           \
	static void name##_first(int fd, struct fake_count *count)

MISBEHAVE(bytes_after_ready)
{
	char both[256];
	size_t n = wire_make(both, sizeof(both), 'Z', "b", 'I');

	(void)count;
	fake_put(fd, 'C', "s", "SELECT 0");
	/* in one segment: an answer that nobody asked for */
	n += wire_make(both + n, sizeof(both) - n, 'C', "s", "STRAY");
	fake_send(fd, both, n);
	fake_hang(fd);
}

MISBEHAVE(two_readies)
{
	char both[64];
	size_t n = wire_make(both, sizeof(both), 'Z', "b", 'I');

	(void)count;
	fake_put(fd, 'C', "s", "SELECT 0");
	n += wire_make(both + n, sizeof(both) - n, 'Z', "b", 'I');
	fake_send(fd, both, n);
	fake_hang(fd);
}

MISBEHAVE(half_a_message_after_ready)
{
	char both[64];
	size_t n = wire_make(both, sizeof(both), 'Z', "b", 'I');

	(void)count;
	fake_put(fd, 'C', "s", "SELECT 0");
	both[n] = 'D';
	fake_send(fd, both, n + 1);
	fake_hang(fd);
}

MISBEHAVE(ends_in_a_message)
{
	(void)count;
	fake_put(fd, 'T', "hsihihih", 1, "v", 0, 0, 25, -1, -1, 0);
	fake_send(fd, "D\0\0\1\0\0\1", 7);
	close(fd);
	_exit(0);
}

MISBEHAVE(length_zero)
{
	(void)count;
	fake_send(fd, "D\0\0\0\0", 5);
	fake_hang(fd);
}

MISBEHAVE(length_negative)
{
	(void)count;
	fake_send(fd, "D\200\0\0\0", 5);
	fake_hang(fd);
}

MISBEHAVE(ready_without_status)
{
	(void)count;
	fake_put(fd, 'C', "s", "SELECT 0");
	fake_put(fd, 'Z', "");
	fake_hang(fd);
}

MISBEHAVE(ready_with_odd_status)
{
	(void)count;
	fake_put(fd, 'C', "s", "SELECT 0");
	fake_ready(fd, '?');
	fake_hang(fd);
}

MISBEHAVE(error_without_fields)
{
	(void)count;
	fake_put(fd, 'E', "");
	close(fd);
	_exit(0);
}

MISBEHAVE(resets_in_the_answer)
{
	(void)count;
	fake_put(fd, 'T', "hsihihih", 1, "v", 0, 0, 25, -1, -1, 0);
	fake_reset(fd);
}

int
main(void)
{
	Suite *s = suite_create("server death");
	TCase *tc = suite_case(s, "server death", 40);

	tcase_add_test(tc, idle_backend_dies);
	tcase_add_test(tc, backend_in_use_dies);
	tcase_add_test(tc, one_error_only);
	tcase_add_test(tc, backend_killed_in_a_transaction);
	tcase_add_test(tc, down_then_up);
	tcase_add_test(tc, down_for_good);
	tcase_add_test(tc, unknown_host);
	tcase_add_test(tc, crash_of_postgres);
	tcase_add_test(tc, ends_in_a_message);
	tcase_add_test(tc, error_without_fields);
	tcase_add_test(tc, resets_in_the_answer);
	tcase_add_test(tc, length_zero);
	tcase_add_test(tc, length_negative);
	tcase_add_test(tc, bytes_after_ready);
	tcase_add_test(tc, half_a_message_after_ready);
	tcase_add_test(tc, half_a_message_while_idle);
	if (!is_standin())
		tcase_add_test(tc, parameter_too_long);
	if (!is_standin()) {
		tcase_add_test(tc, two_readies);
		tcase_add_test(tc, ready_without_status);
		tcase_add_test(tc, ready_with_odd_status);
	}
	return suite_run(s, SUITE_PG);
}
