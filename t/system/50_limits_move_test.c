/*
 * 50_limits_move_test.c - pools that are filled up to their least size, limits
 * that are lowered and raised, and a PostgreSQL whose own limit is lower.
 */
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/holders.h"

START_TEST(min_pool_size)
{
	struct pooler *p = pooler_with("default_pool_size = 5\n"
				       "min_pool_size = 3");
	PGconn *c = pooler_conn(p, "");

	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	UNTIL(8000, pg_backends(pg, "datname = 'app'") == 3);
	/* made up for when some go */
	pg_terminate(pg, "datname = 'app'");
	UNTIL(8000, pg_backends(pg, "datname = 'app'") == 3);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* A pool that nobody uses is not filled up again. */
START_TEST(min_pool_size_of_nobody)
{
	struct pooler *p = pooler_with("default_pool_size = 5\n"
				       "min_pool_size = 2");
	PGconn *c = pooler_conn(p, ""), *console = pooler_console(p, "admin");

	UNTIL(8000, pg_backends(pg, "datname = 'app'") == 2);
	PQfinish(c);
	UNTIL(5000,
	    pooler_show(console, "POOLS", "database", "app", "cl_active") == 0);
	PQfinish(console);
	pg_terminate(pg, "datname = 'app'");
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 0);
	for (int64_t end = now_ms() + 1500; now_ms() < end; nap())
		ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 0);
	/* but for whoever comes next */
	c = pooler_conn(p, "");
	UNTIL(8000, pg_backends(pg, "datname = 'app'") == 2);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* A forced user's pool is there for whoever may come. */
START_TEST(min_pool_size_of_forced_user)
{
	struct pooler *p = pooler_new();

	pooler_db(p,
	    "kept = host=127.0.0.1 port=%d dbname=app user=app2 "
	    "min_pool_size=2",
	    pg->port);
	pooler_start(p);
	UNTIL(8000, pg_backends(pg, "usename = 'app2'") == 2);
	pg_terminate(pg, "usename = 'app2'");
	UNTIL(8000, pg_backends(pg, "usename = 'app2'") == 2);
	pooler_stop(p);
}
END_TEST

/* A limit that is lowered by a reload is obeyed as servers come back. */
START_TEST(lowered)
{
	struct pooler *p = pooler_with("default_pool_size = 6");
	PGconn *h[6], *w;

	for (int i = 0; i < 6; i++)
		h[i] = holder(p, "");
	pooler_set(p, "default_pool_size = 2");
	pooler_reload(p);
	w = waiter(p, "");
	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(sql_num(h[i], "SELECT 1"), 1);
		sql_do(h[i], "COMMIT");
	}
	served(w, 15000);
	if (!is_standin())
		UNTIL(5000, pg_backends(pg, "datname = 'app'") == 2);
	for (int i = 0; i < 6; i++)
		PQfinish(h[i]);
	PQfinish(w);
	pooler_stop(p);
}
END_TEST

/* Idle ones go, too, without a client that would give one back. */
START_TEST(lowered_and_nobody_comes)
{
	struct pooler *p = pooler_with("default_pool_size = 3");
	PGconn *c[3];

	for (int i = 0; i < 3; i++)
		c[i] = holder(p, "");
	for (int i = 0; i < 3; i++)
		sql_do(c[i], "COMMIT");
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 3);
	pooler_set(p, "default_pool_size = 1");
	pooler_reload(p);
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 1);
	for (int i = 0; i < 3; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

START_TEST(raised)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *h = holder(p, ""), *w = waiter(p, "");

	pooler_set(p, "default_pool_size = 2");
	pooler_reload(p);
	served(w, 15000);
	PQfinish(h);
	PQfinish(w);
	pooler_stop(p);
}
END_TEST

/* PostgreSQL itself has no room: clients wait and are served in the end. */
START_TEST(postgres_is_full)
{
	struct pg *mine = pg_new(8);
	struct pooler *p = pooler_new();
	PGconn *hog[5], *c[5];

	p->errors_ok = true;
	pooler_db(p, "full = host=127.0.0.1 port=%d dbname=app", mine->port);
	pooler_set(p, "default_pool_size = 5\nserver_login_retry = 0.2");
	pooler_start(p);
	for (int i = 0; i < 2; i++)
		hog[i] = sql_open(text("host=127.0.0.1 port=%d user=app "
				       "dbname=app",
		    mine->port));
	/* five places, two taken: all five clients share three */
	for (int i = 0; i < 5; i++) {
		c[i] = pooler_conn(p, "dbname=full");
		ck_assert_int_eq(sql_num(c[i], "SELECT %d", i), i);
	}
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 5; i++)
			sql_send(c[i], "SELECT 'x' FROM pg_sleep(0.01)");
		for (int i = 0; i < 5; i++)
			ck_assert_str_eq(sql_get(c[i]), "x");
	}
	for (int i = 0; i < 5; i++)
		PQfinish(c[i]);
	for (int i = 0; i < 2; i++)
		PQfinish(hog[i]);
	pooler_stop(p);
	pg_free(mine);
}
END_TEST

/* That passes: who came meanwhile is served, and told nothing of it. */
START_TEST(postgres_is_full_at_first)
{
	struct pg *mine = pg_new(8);
	struct pooler *p = pooler_new();
	struct wire *w;
	PGconn *hog[5];
	char buf[256];
	size_t n = wire_startup(
	    buf, sizeof(buf), 0x30000, "user", "app", "database", "full", NULL);

	p->errors_ok = true;
	pooler_db(p, "full = host=127.0.0.1 port=%d dbname=app", mine->port);
	pooler_set(p, "server_login_retry = 0.2");
	pooler_start(p);
	for (int i = 0; i < 5; i++)
		hog[i] = sql_open(text("host=127.0.0.1 port=%d user=app "
				       "dbname=app",
		    mine->port));
	w = wire_open("127.0.0.1", p->port);
	wire_send(w, buf, n);
	UNTIL(5000, file_count(p->log, "login failed: FATAL") >= 2);
	for (int i = 0; i < 5; i++)
		PQfinish(hog[i]);
	wire_expect(w, "RKZ");
	wire_query(w, "SELECT 1");
	wire_expect(w, "TDCZ");
	wire_free(w);
	pooler_stop(p);
	pg_free(mine);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("limits_move");
	TCase *tc = suite_case(s, "limits_move", 40);

	tcase_add_test(tc, min_pool_size);
	tcase_add_test(tc, min_pool_size_of_nobody);
	tcase_add_test(tc, min_pool_size_of_forced_user);
	tcase_add_test(tc, lowered);
	tcase_add_test(tc, lowered_and_nobody_comes);
	tcase_add_test(tc, raised);
	tcase_add_test(tc, postgres_is_full);
	if (!is_standin())
		tcase_add_test(tc, postgres_is_full_at_first);
	return suite_run(s, SUITE_PG);
}
