/*
 * 50_limits_test.c - each limit: reached, held, and free again at once.
 */
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/holders.h"

START_TEST(pool_size)
{
	struct pooler *p = pooler_with("default_pool_size = 3");
	PGconn *h[3], *w;

	for (int i = 0; i < 3; i++)
		h[i] = holder(p, "");
	w = waiter(p, "");
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 3);
	sql_do(h[1], "COMMIT");
	served(w, 15000);
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 3);
	for (int i = 0; i < 3; i++)
		PQfinish(h[i]);
	PQfinish(w);
	pooler_stop(p);
}
END_TEST

START_TEST(pool_size_of_database_and_user)
{
	struct pooler *p = pooler_new();
	PGconn *h[4], *w;

	pooler_db(p, "small = host=127.0.0.1 port=%d dbname=app pool_size=1",
	    pg->port);
	pooler_set(p, "default_pool_size = 2");
	pooler_start(p);
	h[0] = holder(p, "dbname=small");
	w = waiter(p, "dbname=small");
	h[1] = holder(p, "");
	h[2] = holder(p, "");
	/* another user has a pool of its own */
	h[3] = holder(p, "dbname=small user=app2");
	sql_do(h[0], "COMMIT");
	served(w, 15000);
	for (int i = 0; i < 4; i++)
		PQfinish(h[i]);
	PQfinish(w);
	pooler_stop(p);
}
END_TEST

START_TEST(query_wait_timeout)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *h = holder(p, ""), *w = pooler_conn(p, "");
	int64_t t0;

	/* not so soon that the first might not get its server in time */
	pooler_set(p, "query_wait_timeout = 1");
	pooler_reload(p);
	t0 = now_ms();
	sql_send(w, "SELECT 1");
	ck_assert(strstr(sql_get_error(w), "query_wait_timeout"));
	ck_assert_int_ge(now_ms() - t0, 800);
	ck_assert_int_lt(now_ms() - t0, 30000);
	sql_closed(w, 5000);
	PQfinish(w);
	/* the holder has lost nothing */
	ck_assert_int_eq(sql_num(h, "SELECT 1"), 1);
	PQfinish(h);
	pooler_stop(p);
}
END_TEST

/* One error and no ReadyForQuery, in an extended batch too; hazard 11. */
START_TEST(query_wait_timeout_in_a_batch)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *h = holder(p, "");
	struct wire *w = wire_to(p);

	pooler_set(p, "query_wait_timeout = 0.5");
	pooler_reload(p);
	for (int i = 0; i < 3; i++) {
		wire_put(w, 'P', "ssh", "", "SELECT 1", 0);
		wire_put(w, 'B', "sshhh", "", "", 0, 0, 0);
		wire_put(w, 'E', "si", "", 0);
		wire_put(w, 'S', "");
	}
	wire_error(w, 'M', "query_wait_timeout");
	ck_assert_str_eq(wire_field(w, 'C'), "08P01");
	wire_end(w);
	wire_free(w);
	PQfinish(h);
	pooler_stop(p);
}
END_TEST

/* All there are, with those who have not said yet who they are. */
static long
clients_of(PGconn *console)
{
	struct pooler_worker w[2];
	int n = pooler_look(console, w, 2);
	long sum = 0;

	while (n-- > 0)
		sum += w[n].clients;
	return sum;
}

START_TEST(max_client_conn)
{
	struct pooler *p = pooler_with("max_client_conn = 5");
	PGconn *c[5], *console;

	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 5; i++)
			c[i] = pooler_conn(p, "");
		sql_refused(pooler_at(p, ""), "max_client_conn");
		/* the console is always open */
		console = pooler_console(p, "admin");
		ck_assert_int_eq(pooler_show(console, "POOLS", "database",
				     "app", "cl_active"),
		    5);
		PQfinish(console);
		for (int i = 0; i < 5; i++) {
			PQfinish(c[i]);
			/* free at once, not at some later turn */
			if (i == 2) {
				struct wire *w;

				UNTIL(2000,
				    (w = wire_try("127.0.0.1", p->port)) !=
					NULL);
				wire_free(w);
			}
		}
		console = pooler_console(p, "admin");
		UNTIL(2000,
		    pooler_show(
			console, "POOLS", "database", "app", "cl_active") == 0);
		if (!is_standin())
			UNTIL(2000, clients_of(console) == 0);
		PQfinish(console);
	}
	pooler_stop(p);
}
END_TEST

START_TEST(max_db_connections)
{
	struct pooler *p = pooler_new();
	PGconn *a, *b, *w;

	pooler_db(p,
	    "tight = host=127.0.0.1 port=%d dbname=app "
	    "max_db_connections=2",
	    pg->port);
	pooler_set(p, "default_pool_size = 5");
	pooler_start(p);
	acquaint(p, "dbname=tight");
	acquaint(p, "dbname=tight user=app2");
	/* the third pool gets its server by ending an idle one */
	acquaint(p, "dbname=tight user=app3");
	a = holder(p, "dbname=tight");
	b = holder(p, "dbname=tight user=app2");
	w = waiter(p, "dbname=tight user=app3");
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 2);
	/* the idle server of another pool makes room */
	sql_do(a, "COMMIT");
	served(w, 15000);
	UNTIL(3000, pg_backends(pg, "datname = 'app'") == 2);
	ck_assert_int_eq(pg_backends(pg, "usename = 'app2'"), 1);
	PQfinish(a);
	PQfinish(b);
	PQfinish(w);
	pooler_stop(p);
}
END_TEST

START_TEST(max_user_connections)
{
	struct pooler *p = pooler_with("default_pool_size = 5\n"
				       "max_user_connections = 2");
	PGconn *a = holder(p, ""), *b = holder(p, "dbname=app2"),
	       *w = waiter(p, ""), *other = holder(p, "user=app2");

	ck_assert_int_eq(pg_backends(pg, "usename = 'app'"), 2);
	sql_do(b, "COMMIT");
	served(w, 15000);
	UNTIL(3000, pg_backends(pg, "usename = 'app'") == 2);
	PQfinish(a);
	PQfinish(b);
	PQfinish(w);
	PQfinish(other);
	pooler_stop(p);
}
END_TEST

START_TEST(max_user_connections_of_one_user)
{
	struct pooler *p = pooler_new();
	PGconn *a, *w, *o1, *o2;

	pooler_user(p, "app = max_user_connections=1");
	pooler_set(p, "default_pool_size = 5");
	pooler_start(p);
	acquaint(p, "");
	acquaint(p, "dbname=app2");
	a = holder(p, "");
	w = waiter(p, "dbname=app2");
	o1 = holder(p, "user=app2");
	o2 = holder(p, "user=app2");
	sql_do(a, "COMMIT");
	served(w, 15000);
	PQfinish(a);
	PQfinish(w);
	PQfinish(o1);
	PQfinish(o2);
	pooler_stop(p);
}
END_TEST

START_TEST(reserve_pool)
{
	struct pooler *p =
	    pooler_with("default_pool_size = 1\n"
			"reserve_pool_size = 1\nreserve_pool_timeout = 1");
	PGconn *a = holder(p, ""), *b = pooler_conn(p, ""), *w;
	int64_t t0 = now_ms();

	sql_send(b, "BEGIN");
	ck_assert(sql_is_ready(b, 15000));
	ck_assert_int_ge(now_ms() - t0, 900);
	sql_get(b);
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 2);
	/* and no further */
	w = pooler_conn(p, "");
	sql_send(w, "SELECT 'served'");
	ck_assert(!sql_is_ready(w, 2000));
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 2);
	sql_do(a, "COMMIT");
	served(w, 15000);
	PQfinish(a);
	PQfinish(b);
	PQfinish(w);
	pooler_stop(p);
}
END_TEST

/* No time to wait for it means that there is none. */
START_TEST(reserve_pool_without_timeout)
{
	struct pooler *p =
	    pooler_with("default_pool_size = 1\n"
			"reserve_pool_size = 1\nreserve_pool_timeout = 0");
	PGconn *a = holder(p, ""), *w = pooler_conn(p, "");

	sql_send(w, "SELECT 'served'");
	ck_assert(!sql_is_ready(w, 1000));
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 1);
	sql_do(a, "COMMIT");
	served(w, 15000);
	PQfinish(a);
	PQfinish(w);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("limits");
	TCase *tc = suite_case(s, "limits", 40);

	tcase_add_test(tc, pool_size);
	tcase_add_test(tc, pool_size_of_database_and_user);
	tcase_add_test(tc, query_wait_timeout);
	tcase_add_test(tc, query_wait_timeout_in_a_batch);
	tcase_add_test(tc, max_client_conn);
	tcase_add_test(tc, max_db_connections);
	tcase_add_test(tc, max_user_connections);
	tcase_add_test(tc, max_user_connections_of_one_user);
	tcase_add_test(tc, reserve_pool);
	tcase_add_test(tc, reserve_pool_without_timeout);
	return suite_run(s, SUITE_PG);
}
