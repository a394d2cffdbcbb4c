/*
 * 51_timeouts_test.c - what happens because time has passed.
 */
#include <stdlib.h>
#include <string.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

START_TEST(server_lifetime)
{
	struct pooler *p = pooler_with("default_pool_size = 1\n"
				       "server_lifetime = 1");
	PGconn *c = pooler_conn(p, "");
	int pid, now;

	/* in use it is left alone, however old */
	sql_do(c, "BEGIN");
	pid = now = sql_backend(c);
	for (int64_t end = now_ms() + 1500; now_ms() < end; nap())
		ck_assert_int_eq(sql_backend(c), pid);
	sql_do(c, "COMMIT");
	for (int64_t end = now_ms() + 15000; now == pid && now_ms() < end;
	     nap())
		now = sql_backend(c);
	ck_assert_int_ne(now, pid);
	ck_assert_int_le(pg_backends(pg, "datname = 'app'"), 2);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* 0: each server is used once. */
START_TEST(server_lifetime_zero)
{
	struct pooler *p = pooler_with("default_pool_size = 1\n"
				       "server_lifetime = 0");
	PGconn *c = pooler_conn(p, "");
	int last = 0;

	for (int i = 0; i < 10; i++) {
		int pid = sql_backend(c);

		ck_assert_int_ne(pid, last);
		last = pid;
	}
	UNTIL(5000, pg_backends(pg, "datname = 'app'") <= 1);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(server_idle_timeout)
{
	struct pooler *p = pooler_with("default_pool_size = 5\n"
				       "server_idle_timeout = 1");
	PGconn *c[5];

	for (int i = 0; i < 5; i++) {
		c[i] = pooler_conn(p, "");
		sql_do(c[i], "BEGIN");
	}
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 5);
	for (int i = 1; i < 5; i++)
		sql_do(c[i], "COMMIT");
	UNTIL(8000, pg_backends(pg, "datname = 'app'") == 1);
	ck_assert_int_eq(sql_num(c[0], "SELECT 1"), 1);
	sql_do(c[0], "COMMIT");
	UNTIL(8000, pg_backends(pg, "datname = 'app'") == 0);
	ck_assert_int_eq(sql_num(c[3], "SELECT 3"), 3);
	for (int i = 0; i < 5; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

/* server_idle_timeout leaves min_pool_size alone. */
START_TEST(idle_timeout_and_minimum)
{
	struct pooler *p =
	    pooler_with("default_pool_size = 4\n"
			"min_pool_size = 2\nserver_idle_timeout = 1");
	PGconn *c[4];

	for (int i = 0; i < 4; i++) {
		c[i] = pooler_conn(p, "");
		sql_do(c[i], "BEGIN");
	}
	for (int i = 0; i < 4; i++)
		sql_do(c[i], "COMMIT");
	UNTIL(8000, pg_backends(pg, "datname = 'app'") == 2);
	for (int64_t end = now_ms() + 2500; now_ms() < end; nap())
		ck_assert_int_ge(pg_backends(pg, "datname = 'app'"), 1);
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 2);
	for (int i = 0; i < 4; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

static void
hang(int fd, struct fake_count *count)
{
	(void)count;
	fake_hang(fd);
}

/* A server that never answers is given up, and tried again. */
START_TEST(server_connect_timeout)
{
	struct fakepg *f = fakepg_start(hang);
	struct pooler *p = pooler_new();
	PGconn *c;
	int64_t t0;

	p->errors_ok = true;
	pooler_db(p, "mute = host=127.0.0.1 port=%d", f->port);
	pooler_set(p, "server_connect_timeout = 0.5\nserver_login_retry = 0.5");
	pooler_set(p, "query_wait_timeout = 40");
	pooler_start(p);
	t0 = now_ms();
	c = PQconnectStart(pooler_at(p, "dbname=mute"));
	while (f->count->opened < 2 && now_ms() - t0 < 30000) {
		PQconnectPoll(c);
		nap();
	}
	ck_assert_int_ge(f->count->opened, 2);
	ck_assert_int_ge(now_ms() - t0, 450);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/*
 * No login storm: while logins fail, clients come in numbers, and the server
 * sees one attempt in each server_login_retry.
 */
static void
refuse(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_put(fd, 'E', "bsbsbsb", 'S', "FATAL", 'C', "57P03", 'M',
	    "the database system is starting up", 0);
}

START_TEST(server_login_retry)
{
	struct fakepg *f = fakepg_start(refuse);
	struct pooler *p = pooler_new();
	int64_t t0;

	p->errors_ok = true;
	pooler_db(p, "sick = host=127.0.0.1 port=%d", f->port);
	pooler_set(p, "server_login_retry = 1\nquery_wait_timeout = 2");
	pooler_set(p, "default_pool_size = 10");
	pooler_start(p);
	t0 = now_ms();
	while (now_ms() - t0 < 3000) {
		PGconn *c = PQconnectdb(pooler_at(p, "dbname=sick"));

		ck_assert_int_ne(PQstatus(c), CONNECTION_OK);
		PQfinish(c);
	}
	ck_assert_int_ge(f->count->logins, 1);
	/* one each second, and some for its ends */
	ck_assert_int_le(f->count->logins, (now_ms() - t0) / 1000 + 3);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* One login at a time, however many wait. */
static void
slow_login(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	/* logins in progress, and the most of them */
	count->mark[0]++;
	if (count->mark[0] > count->mark[1])
		count->mark[1] = (int)count->mark[0];
	poll(NULL, 0, 100);
	count->mark[0]--;
	fake_welcome(fd);
	fake_serve(fd, count);
}

START_TEST(one_login_at_a_time)
{
	struct fakepg *f = fakepg_start(slow_login);
	struct pooler *p = pooler_new();
	PGconn *c[6];

	pooler_db(p, "slow = host=127.0.0.1 port=%d", f->port);
	pooler_set(p, "default_pool_size = 5");
	pooler_start(p);
	for (int i = 0; i < 6; i++) {
		c[i] = pooler_conn(p, "dbname=slow");
		ck_assert(PQsendQuery(c[i], "SELECT 1"));
	}
	for (int i = 0; i < 6; i++) {
		ck_assert_str_eq(sql_get(c[i]), "fake");
		PQfinish(c[i]);
	}
	ck_assert_int_eq(f->count->mark[1], 1);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* Its place is not lost for ever: whoever waits gets a new one. */
START_TEST(endless_reset_query)
{
	struct pooler *p = pooler_with("pool_mode = session\n"
				       "default_pool_size = 1\n"
				       "server_reset_query = SELECT "
				       "pg_sleep(60)");
	PGconn *c = pooler_conn(p, "");
	int pid = sql_backend(c);

	PQfinish(c);
	UNTIL(5000, pg_backends(pg, "query LIKE '%sleep(60)%'") == 1);
	c = pooler_conn(p, "");
	sql_send(c, "SELECT pg_backend_pid()");
	ck_assert(sql_is_ready(c, 25000));
	ck_assert_int_ne(atoi(sql_get(c)), pid);
	UNTIL(5000, pg_backends(pg, "query LIKE '%sleep(60)%'") == 0);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("timeouts");
	TCase *tc = suite_case(s, "timeouts", 40);

	tcase_add_test(tc, server_lifetime);
	tcase_add_test(tc, server_lifetime_zero);
	tcase_add_test(tc, server_idle_timeout);
	tcase_add_test(tc, idle_timeout_and_minimum);
	tcase_add_test(tc, server_connect_timeout);
	tcase_add_test(tc, server_login_retry);
	tcase_add_test(tc, one_login_at_a_time);
	if (!is_standin())
		tcase_add_test(tc, endless_reset_query);
	return suite_run(s, SUITE_PG);
}
