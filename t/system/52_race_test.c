/*
 * 52_race_test.c - limits under races: many clients on several workers, and
 * from aside somebody who counts the backends all the time.
 */
#include <stdlib.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/swarm.h"
#include "t/lib/watch.h"

#define MS 3000

/* Work for a while; then nothing hangs, and never were there more than that */
static void
race(struct pooler *p, const char *more, int clients, const char *where,
    int limit)
{
	struct watch w = watch_start(pg, where);
	struct swarm *s = swarm_new(
	    pooler_at(p, more), clients, SWARM_RECONNECT | SWARM_LEAVE);
	int most;

	swarm_run(s, MS);
	swarm_settle(s, 15000);
	swarm_check(s);
	ck_assert_int_gt(s->done, 0);
	ck_assert_int_eq(s->dropped, 0);
	ck_assert_int_eq(s->refused, 0);
	most = watch_stop(&w);
	ck_assert_msg(most <= limit, "%d backends, limit %d", most, limit);
	/* the limit was there to be reached */
	ck_assert_int_ge(most, limit / 2);
	swarm_free(s);
}

START_TEST(pool)
{
	struct pooler *p = pooler_new();

	pooler_workers(p, 4);
	pooler_set(p, "default_pool_size = 6\nmax_client_conn = 300");
	pooler_start(p);
	race(p, "", 100, "datname = 'app'", 6);
	pooler_stop(p);
}
END_TEST

/* Servers that come and go all the time. */
START_TEST(pool_of_short_lived_servers)
{
	struct pooler *p = pooler_new();

	pooler_workers(p, 4);
	pooler_set(p,
	    "default_pool_size = 5\nmax_client_conn = 300\n"
	    "server_lifetime = 0");
	pooler_start(p);
	race(p, "", 40, "datname = 'app'", 5);
	pooler_stop(p);
}
END_TEST

START_TEST(database_limit)
{
	struct pooler *p = pooler_new();
	struct watch w;
	struct swarm *s[3];
	static const char *const users[] = { "app", "app2", "app3" };

	pooler_workers(p, 4);
	pooler_db(p,
	    "tight = host=127.0.0.1 port=%d dbname=app "
	    "max_db_connections=4",
	    pg->port);
	pooler_set(p, "default_pool_size = 3\nmax_client_conn = 300");
	pooler_start(p);
	w = watch_start(pg, "datname = 'app'");
	for (int i = 0; i < 3; i++)
		s[i] = swarm_new(
		    pooler_at(p, text("dbname=tight user=%s", users[i])), 15,
		    SWARM_RECONNECT);
	for (int64_t end = now_ms() + MS; now_ms() < end;)
		for (int i = 0; i < 3; i++)
			swarm_run(s[i], 20);
	swarm_settle_all(s, 3, 15000);
	for (int i = 0; i < 3; i++) {
		swarm_check(s[i]);
		ck_assert_int_gt(s[i]->done, 0);
		swarm_free(s[i]);
	}
	ck_assert_int_le(watch_stop(&w), 4);
	pooler_stop(p);
}
END_TEST

START_TEST(max_client_conn)
{
	struct pooler *p = pooler_new();
	struct swarm *s;

	pooler_workers(p, 4);
	pooler_set(p, "default_pool_size = 4\nmax_client_conn = 20");
	pooler_start(p);
	s = swarm_new(pooler_at(p, ""), 40, SWARM_RECONNECT | SWARM_LEAVE);
	for (int64_t end = now_ms() + MS; now_ms() < end;) {
		swarm_run(s, 30);
		ck_assert_int_le(swarm_connected(s), 20);
	}
	ck_assert_int_gt(s->refused, 0);
	ck_assert_int_eq(s->dropped, 0);
	swarm_settle(s, 10000);
	swarm_check(s);
	ck_assert_int_gt(s->done, 0);
	swarm_free(s);
	/* and exactly so many come in */
	s = swarm_new(pooler_at(p, ""), 20, SWARM_RECONNECT);
	swarm_gather(s, 10000);
	sql_refused(pooler_at(p, ""), "max_client_conn");
	swarm_free(s);
	pooler_stop(p);
}
END_TEST

/* Not a limit, but a balance: clients spread over the workers. */
START_TEST(even_spread)
{
	struct pooler *p = pooler_new();
	struct pooler_worker w[4];
	PGconn *console, *c[100];

	pooler_workers(p, 4);
	pooler_set(p, "max_client_conn = 200");
	pooler_start(p);
	console = pooler_console(p, "admin");
	pooler_look(console, w, 4);
	for (int i = 0; i < 100; i++)
		c[i] = pooler_conn(p, "");
	ck_assert_int_eq(pooler_look(console, w, 4), 4);
	for (int i = 0; i < 4; i++)
		ck_assert_msg(w[i].clients >= 15 && w[i].clients <= 40,
		    "worker %d has %ld of 100", i, w[i].clients);
	for (int i = 0; i < 100; i++)
		PQfinish(c[i]);
	PQfinish(console);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("race");
	TCase *tc = suite_case(s, "race", 60);

	tcase_add_test(tc, pool);
	tcase_add_test(tc, pool_of_short_lived_servers);
	if (!is_standin()) {
		tcase_add_test(tc, even_spread);
		tcase_add_test(tc, database_limit);
	}
	tcase_add_test(tc, max_client_conn);
	return suite_run(s, SUITE_PG);
}
