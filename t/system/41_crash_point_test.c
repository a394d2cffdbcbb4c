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
#include "t/lib/wire.h"

#define WORKERS  3
#define POOL     4
#define REPLICAS 3
#define SETTERS  4
#define REACH_MS 40000 /* until somebody has come by */

static struct wire *replica[REPLICAS], *setter[SETTERS];

#define SCRAM_USER "user=scram_u password='" PG_PASSWORD "'"

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
	char command[600];
	FILE *f;

	snprintf(command, sizeof(command), "%s --crash-points", crash_bin());
	f = popen(command, "r");
	while (f && npoints < 128 && fscanf(f, "%63s", points[npoints]) == 1)
		npoints++;
	if (f)
		pclose(f);
}

/*
 * The first who comes by dies, whoever it is, and nobody after it.  Where all
 * come by all the time it is not their first: then others are there, too.
 */
static const char *
order_for(int i)
{
	static const char *const rare[] = { "pool.make", "pool.failure",
		"pool.greeting", "pool.keys", "pool.party", "pool.reclaim",
		"open.failed", "clean.", "dedicate", "replicate", "session",
		"listen" };

	for (size_t k = 0; k < sizeof(rare) / sizeof(*rare); k++)
		if (!strncmp(points[i], rare[k], strlen(rare[k])))
			return text("POOLER_CRASH=%s:1", points[i]);
	return text("POOLER_CRASH=%s:%d", points[i], i % 2 ? 5 : 2);
}

/* One user proves himself by SCRAM, so that his keys stand in the segment. */
static void
demand_scram(struct pooler *p)
{
	const char *file = text("%s/hba", p->dir);

	spew(file,
	    "host all scram_u all scram-sha-256\n"
	    "host all all all trust\nlocal all all trust\n");
	spawn_own(file);
	pooler_set(p, "auth_type = hba\nauth_hba_file = %s/hba", p->dir);
	pooler_auth(p, "scram_u", pg_secret(pg, "scram_u"));
}

static struct pooler *
start(int point)
{
	static const char *env[3];
	struct pooler *p;

	/* before the first use of pooler_bin() in this process */
	setenv("POOLER_BIN", crash_bin(), 1);
	p = pooler_new();
	env[0] = order_for(point);
	/* unsetenv(3) leaks the order; others look for leaks, elsewhere */
	env[1] = "ASAN_OPTIONS=detect_leaks=0";
	p->env = env;
	p->errors_ok = true;
	pooler_workers(p, WORKERS);
	pooler_db(
	    p, "refused = host=127.0.0.1 port=%d dbname=no_such_db", pg->port);
	demand_scram(p);
	pooler_set(p, "default_pool_size = %d\nmax_client_conn = 200", POOL);
	pg_ask(pg, "ALTER ROLE app2 REPLICATION");
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

/* They take places of the pool and keep them: only where that is the point;
 * and those that take another's place come when their pool is full. */
static void
replicate(struct pooler *p, const char *point, bool is_full)
{
	char buf[256];

	if ((strncmp(point, "dedicate", 8) != 0 &&
		strncmp(point, "replicate", 9) != 0) ||
	    is_full != (strcmp(point, "dedicate.takes") == 0))
		return;
	/* in the place of one that is idle, or comes free */
	for (int i = 0; i < REPLICAS; i++) {
		if (replica[i] != NULL)
			wire_free(replica[i]);
		if ((replica[i] = wire_try("127.0.0.1", p->port)) == NULL)
			continue;
		wire_send(replica[i], buf,
		    wire_startup(buf, sizeof(buf), 0x30000, "user", "app2",
			"database", "app", "replication", "database", NULL));
	}
}

/* Things that a swarm does not do. */
static void
stir(struct pooler *p, const char *point)
{
	bool listens = strncmp(point, "listen.", 7) == 0;
	PGconn *c = PQconnectdb(pooler_at(p, "dbname=refused"));
	char buf[256];

	PQfinish(c);
	/* not waited for: the swarm, which stands still, has the servers */
	for (int i = 0; i < SETTERS; i++) {
		if (setter[i] != NULL)
			wire_free(setter[i]);
		if ((setter[i] = wire_try("127.0.0.1", p->port)) == NULL)
			continue;
		wire_send(setter[i], buf,
		    wire_startup(buf, sizeof(buf), 0x30000, "user", "app",
			"database", "app", "application_name", "setter", NULL));
		wire_query(
		    setter[i], listens ? "LISTEN crash" : "SET work_mem = 100");
	}
	kill(p->pid, SIGHUP);
}

/* For the log of a failure. */
static void
tell_servers(struct pooler *p)
{
	static const char *const tables[] = { "SHOW POOLS", "SHOW SERVERS" };
	PGconn *c = pooler_console(p, "admin");

	for (int t = 0; t < 2; t++) {
		PGresult *r = PQexec(c, tables[t]);

		for (int i = 0; i < PQntuples(r); i++)
			for (int k = 0; k < PQnfields(r); k++)
				fprintf(stderr, "%s%s", PQgetvalue(r, i, k),
				    k + 1 < PQnfields(r) ? " " : "\n");
		PQclear(r);
	}
	PQfinish(c);
}

/* All places can be had, and no more; nothing is left over. */
static void
whole(struct pooler *p)
{
	PGconn *c[POOL], *more;

	UNTIL(
	    10000, pg_backends(pg, "datname = 'app' AND state <> 'idle'") == 0);
	c[0] = pooler_conn(p, SCRAM_USER);
	ck_assert_int_eq(sql_num(c[0], "SELECT 1"), 1);
	PQfinish(c[0]);
	for (int i = 0; i < POOL; i++) {
		c[i] = pooler_conn(p, "");
		sql_send(c[i], "BEGIN");
		if (!sql_is_ready(c[i], 20000)) {
			tell_servers(p);
			ck_abort_msg("place %d of %d is lost", i + 1, POOL);
		}
		sql_get(c[i]);
	}
	more = pooler_conn(p, "");
	sql_send(more, "SELECT 'more'");
	ck_assert(!sql_is_ready(more, 100));
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), POOL);
	sql_do(c[0], "COMMIT");
	ck_assert(sql_is_ready(more, 15000));
	ck_assert_str_eq(sql_get(more), "more");
	for (int i = 0; i < POOL; i++)
		PQfinish(c[i]);
	PQfinish(more);
}

/* Exactly the clients of the workers that did not die are left. */
static void
others_are_there(struct pooler *p, struct swarm *steady)
{
	bool now = false;
	int have;
	long left;

	/* the console is one of them at times; others may still be leaving */
	for (int64_t end = now_ms() + 20000;; nap()) {
		swarm_run(steady, 20);
		swarm_settle(steady, 5000);
		have = swarm_connected(steady);
		left = clients_elsewhere(p, &now);
		if (left == have || left == have + 1 || left == -1)
			break;
		ck_assert_msg(now_ms() < end,
		    "%ld clients elsewhere, and "
		    "%d of them are left",
		    left, have);
	}
	ck_assert_int_eq(steady->dropped + have, steady->n);
}

enum { STEADY, CHURN, PROVING, SWARMS };

static void
free_wires(struct wire **w, int n)
{
	for (int i = 0; i < n; i++)
		if (w[i] != NULL)
			wire_free(w[i]);
}

/* Until somebody has died, and a little longer; false: nobody has. */
static bool
run_until_crashed(struct pooler *p, const char *point, struct swarm **s)
{
	int64_t end = now_ms() + REACH_MS, stir_ms = now_ms() + 500;
	bool crashed = false;

	while (now_ms() < end) {
		for (int i = 0; i < SWARMS; i++)
			swarm_run(s[i], 40);
		if (!crashed && file_has(p->log, "segment:")) {
			crashed = true;
			end = now_ms() + 300;
		}
		if (!crashed && now_ms() > stir_ms) {
			stir_ms = now_ms() + 1000;
			stir(p, point);
			replicate(p, point, true);
		}
	}
	free_wires(replica, REPLICAS);
	free_wires(setter, SETTERS);
	return crashed;
}

START_TEST(at_point)
{
	const unsigned comes_and_goes = SWARM_RECONNECT | SWARM_LEAVE;
	const char *point = points[_i];
	struct pooler *p = start(_i);
	struct watch w = watch_start(pg, "datname = 'app'");
	struct swarm *s[SWARMS];
	bool crashed, early = false;

	s[STEADY] = swarm_new(pooler_at(p, ""), 10, 0);
	s[CHURN] = swarm_new(
	    pooler_at(p, "user=app2"), 10, comes_and_goes | SWARM_CANCEL);
	s[PROVING] = swarm_new(pooler_at(p, SCRAM_USER), 2, comes_and_goes);
	swarm_gather(s[STEADY], 15000);
	clients_elsewhere(p, &early);
	replicate(p, point, false);
	crashed = run_until_crashed(p, point, s);
	swarm_settle_all(s, SWARMS, 15000);
	for (int i = 0; i < SWARMS; i++)
		swarm_check(s[i]);
	swarm_free(s[CHURN]);
	swarm_free(s[PROVING]);
	if (crashed && !early)
		others_are_there(p, s[STEADY]);
	swarm_free(s[STEADY]);
	ck_assert_int_le(watch_stop(&w), POOL);
	ck_assert_msg(crashed, "%s is not reached", point);
	whole(p);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("crash point");
	TCase *tc = suite_case(s, "crash point", 90);
	const char *only = getenv("CRASH_ONLY");

	if (is_standin())
		return EXIT_SUCCESS;
	list_points();
	for (int i = 0; i < npoints; i++)
		if (!only || !strcmp(only, points[i]))
			tcase_add_loop_test(tc, at_point, i, i + 1);
	if (npoints == 0) {
		fprintf(stderr, "%s has no crash points\n", crash_bin());
		return EXIT_FAILURE;
	}
	return suite_run(s, SUITE_PG);
}
