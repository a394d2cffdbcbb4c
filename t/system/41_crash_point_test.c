/*
 * 41_crash_point_test.c - a worker dies at each CRASH_POINT, that is, between
 * any two writes to shared memory.
 *
 * $CRASH_BIN is the pooler built with `make CRASH=1`: it kills a worker at
 * the point that the environment names, and checks the segment after each
 * repair.  Under it runs a load that comes by all those places, and beside it
 * clients who must notice nothing unless the dead worker was theirs.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/swarm.h"
#include "t/lib/watch.h"

#define WORKERS 3
#define POOL    4
#define VISITS  2 /* runs for each point, with different countdowns */

static char points[128][64];
static int npoints;

static const char *
crash_bin(void)
{
	const char *bin = getenv("CRASH_BIN");

	return bin && *bin ? bin : "build/crash/pooler";
}

static void
list_points(void)
{
	FILE *f = popen(text("%s --crash-points", crash_bin()), "r");

	while (f && npoints < 128 && fscanf(f, "%63s", points[npoints]) == 1)
		npoints++;
	if (f)
		pclose(f);
}

static struct pooler *
start(const char *point, int countdown)
{
	static const char *env[2];
	struct pooler *p;

	/* before the first use of pooler_bin() in this process */
	setenv("POOLER_BIN", crash_bin(), 1);
	p = pooler_new();
	env[0] = text("POOLER_CRASH=%s:%d", point, countdown);
	p->env = env;
	p->errors_ok = true;
	pooler_workers(p, WORKERS);
	pooler_db(
	    p, "refused = host=127.0.0.1 port=%d dbname=no_such_db", pg->port);
	pooler_set(p, "default_pool_size = %d\nmax_client_conn = 200", POOL);
	pooler_set(p, "server_lifetime = 0.3\nserver_login_retry = 0.1");
	pooler_set(p, "max_db_connections = %d\nreserve_pool_size = 1", POOL);
	pooler_start(p);
	return p;
}

/* How many clients all workers but the restarted have; -1: cannot tell. */
static long
clients_elsewhere(struct pooler *p, bool *crashed)
{
	PGconn *c = PQconnectdb(pooler_at(p,
	    "dbname=pgbouncer user=admin "
	    "password=console"));
	struct pooler_worker w[WORKERS];
	long n = 0;

	if (PQstatus(c) != CONNECTION_OK) {
		PQfinish(c);
		return -1;
	}
	ck_assert_int_eq(pooler_look(c, w, WORKERS), WORKERS);
	PQfinish(c);
	for (int i = 0; i < WORKERS; i++) {
		*crashed |= w[i].restarts > 0;
		if (w[i].restarts == 0)
			n += w[i].clients;
	}
	return n;
}

/* Things that a swarm does not do. */
static void
stir(struct pooler *p)
{
	PGconn *c = PQconnectdb(pooler_at(p, "dbname=refused"));

	PQfinish(c);
	kill(p->pid, SIGHUP);
}

/* All places can be had, and no more; nothing is left over. */
static void
whole(struct pooler *p)
{
	PGconn *c[POOL], *more;

	UNTIL(
	    10000, pg_backends(pg, "datname = 'app' AND state <> 'idle'") == 0);
	for (int i = 0; i < POOL; i++) {
		c[i] = pooler_conn(p, "");
		sql_do(c[i], "BEGIN");
	}
	more = pooler_conn(p, "");
	sql_send(more, "SELECT 'more'");
	ck_assert(!sql_is_ready(more, 100));
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), POOL);
	sql_do(c[0], "COMMIT");
	ck_assert(sql_is_ready(more, 5000));
	ck_assert_str_eq(sql_get(more), "more");
	for (int i = 0; i < POOL; i++)
		PQfinish(c[i]);
	PQfinish(more);
}

START_TEST(at_point)
{
	const char *point = points[_i / VISITS];
	struct pooler *p = start(point, _i % VISITS ? 23 : 2);
	struct watch w = watch_start(pg, "datname = 'app'");
	struct swarm *steady = swarm_new(pooler_at(p, ""), 10, 0),
		     *churn = swarm_new(pooler_at(p, "user=app2"), 10,
			 SWARM_RECONNECT | SWARM_LEAVE | SWARM_CANCEL);
	bool crashed = false, early = false;
	long others;

	swarm_gather(steady, 15000);
	others = clients_elsewhere(p, &early);
	for (int64_t end = now_ms() + 1500; now_ms() < end;) {
		swarm_run(steady, 40);
		swarm_run(churn, 40);
		if (file_has(p->log, "segment:") && !crashed) {
			crashed = true;
			end = now_ms() + 300;
		}
		if (end - now_ms() > 700 && end - now_ms() < 800)
			stir(p);
	}
	swarm_settle(steady, 15000);
	swarm_settle(churn, 15000);
	swarm_check(steady);
	swarm_check(churn);
	swarm_free(churn);
	if (crashed && !early && others >= 0) {
		bool now = false;
		long left = clients_elsewhere(p, &now);

		/* the console is one of them, at times */
		ck_assert_msg(left >= swarm_connected(steady),
		    "%s: %ld clients elsewhere, %d left", point, left,
		    swarm_connected(steady));
		ck_assert_msg(swarm_connected(steady) >= left - 1,
		    "%s: %ld clients elsewhere, %d left", point, left,
		    swarm_connected(steady));
		ck_assert_int_eq(
		    steady->dropped + swarm_connected(steady), steady->n);
	}
	swarm_free(steady);
	ck_assert_int_le(watch_stop(&w), POOL);
	whole(p);
	if (!crashed)
		fprintf(stderr, "%s: not reached %d times\n", point,
		    _i % VISITS ? 23 : 2);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("crash point");
	TCase *tc = suite_case(s, "crash point", 60);

	if (!is_standin()) {
		list_points();
		if (npoints == 0) {
			fprintf(
			    stderr, "%s has no crash points\n", crash_bin());
			return EXIT_FAILURE;
		}
		tcase_add_loop_test(tc, at_point, 0, npoints * VISITS);
	}
	return suite_run(s, SUITE_PG);
}
