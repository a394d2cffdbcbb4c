/*
 * 27_server_tls_test.c - TLS between the pooler and its servers, and pools
 * whose backends only one worker can use.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/swarm.h"
#include "t/lib/watch.h"
#include "t/lib/wire.h"

#define BY_TLS "pid IN (SELECT pid FROM pg_stat_ssl WHERE ssl)"

static void
reload_pg(void)
{
	pg_ask(pg, "SELECT pg_reload_conf()");
}

static void
serve(const char *name)
{
	certs_serve(pg, name);
}

/* Not started; the server by name, for its certificate. */
static struct pooler *
with(const char *mode)
{
	struct pooler *p = pooler_new();

	pooler_db(p, "app = host=localhost port=%d", pg->port);
	pooler_set(p, "server_tls_sslmode = %s", mode);
	pooler_set(p, "server_tls_ca_file = %s", cert("ca.crt"));
	pooler_set(p, "server_login_retry = 0.1");
	return p;
}

/* Mode of the pooler, certificate of the server, and what comes of it. */
static const struct {
	const char *mode, *name;
	int outcome; /* 0: refused, 1: plain, 2: TLS */
} rows[] = {
	{ "disable", NULL, 1 },
	{ "disable", "server", 1 },
	{ "allow", "server", 2 },
	{ "prefer", NULL, 1 },
	{ "prefer", "server", 2 },
	{ "prefer", "alien", 2 },
	{ "require", NULL, 0 },
	{ "require", "server", 2 },
	{ "require", "alien", 2 },
	{ "verify-ca", "server", 2 },
	{ "verify-ca", "other", 2 },
	{ "verify-ca", "alien", 0 },
	{ "verify-ca", "old", 0 },
	{ "verify-full", "server", 2 },
	{ "verify-full", "other", 0 },
	{ "verify-full", "alien", 0 },
	{ "verify-full", NULL, 0 },
};

START_TEST(each_sslmode)
{
	struct pooler *p = with(rows[_i].mode);
	PGconn *c;

	serve(rows[_i].name);
	pooler_start(p);
	if (rows[_i].outcome == 0) {
		sql_refused(pooler_at(p, text("connect_timeout=3")), "");
	} else {
		c = pooler_conn(p, "");
		ck_assert_int_eq(sql_num(c, "SELECT 41 + 1"), 42);
		ck_assert_int_eq(pg_backends(pg, "datname = 'app' AND " BY_TLS),
		    rows[_i].outcome - 1);
		PQfinish(c);
	}
	pooler_stop(p);
}
END_TEST

START_TEST(data)
{
	struct pooler *p = with("verify-full");
	PGconn *c;

	serve("server");
	pooler_start(p);
	c = pooler_conn(p, "");
	sql_large(c, 2000000);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* The console says how. */
START_TEST(shown)
{
	struct pooler *p = with("require");
	PGconn *c, *admin;
	PGresult *r;

	serve("server");
	pooler_start(p);
	c = pooler_conn(p, "");
	sql_num(c, "SELECT 1");
	admin = pooler_console(p, "admin");
	r = PQexec(admin, "SHOW SERVERS");
	ck_assert_int_eq(PQntuples(r), 1);
	ck_assert_int_eq(
	    strncmp(PQgetvalue(r, 0, PQfnumber(r, "tls")), "TLSv1.3/", 8), 0);
	PQclear(r);
	PQfinish(admin);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(certificate_of_ours)
{
	static const char swap[] =
	    "cp \"$1\" \"$1.was\"; { echo hostssl all app all cert; "
	    "echo host all app all reject; cat \"$1.was\"; } >\"$1\"";
	struct pooler *p = with("verify-full");
	PGconn *c;
	char *hba = strdup(pg_ask(pg, "SHOW hba_file"));
	struct spawn s = { 0 };

	serve("server");
	ck_assert_int_eq(spawn_run(&s,
			     (const char *const[]){
				 "/bin/sh", "-c", swap, "sh", hba, NULL }),
	    0);
	reload_pg();
	pooler_set(p, "server_tls_cert_file = %s", cert("app.crt"));
	pooler_set(p, "server_tls_key_file = %s", cert("app.key"));
	pooler_start(p);
	c = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(c, "SELECT 5"), 5);
	PQfinish(c);
	pooler_stop(p);
	ck_assert_int_eq(spawn_run(&s,
			     (const char *const[]){ "/bin/sh", "-c",
				 "mv \"$1.was\" \"$1\"", "sh", hba, NULL }),
	    0);
	reload_pg();
	free(hba);
}
END_TEST

/* A server that was reached otherwise is replaced, no other. */
START_TEST(reload)
{
	struct pooler *p = with("disable");
	PGconn *c;
	int pid;

	serve("server");
	pooler_workers(p, 1);
	pooler_start(p);
	c = pooler_conn(p, "");
	pid = sql_backend(c);
	pooler_reload(p);
	ck_assert_int_eq(sql_backend(c), pid);
	pooler_set(p, "server_tls_sslmode = require");
	pooler_reload(p);
	UNTIL(5000, sql_backend(c) != pid);
	UNTIL(5000, pg_backends(pg, "datname = 'app' AND NOT " BY_TLS) == 0);
	pid = sql_backend(c);
	pooler_reload(p);
	ck_assert_int_eq(sql_backend(c), pid);
	/* a file with other bytes is a change, too */
	pooler_set(p, "server_tls_ca_file = %s", cert("ca2.crt"));
	pooler_reload(p);
	UNTIL(5000, sql_backend(c) != pid);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(cancel)
{
	struct pooler *p = with("verify-full");
	char why[256];
	PGconn *c;
	PGcancel *k;

	serve("server");
	pooler_start(p);
	c = pooler_conn(p, "");
	sql_send(c, "SELECT pg_sleep(20)");
	UNTIL(5000, pg_backends(pg, "query LIKE 'SELECT pg_sleep%'") == 1);
	k = PQgetCancel(c);
	ck_assert_msg(PQcancel(k, why, sizeof(why)) == 1, "%s", why);
	PQfreeCancel(k);
	ck_assert_ptr_nonnull(strstr(sql_get_error(c), "user request"));
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* One pooler before another: only we know direct TLS here. */
START_TEST(direct)
{
	struct pooler *far = pooler_new(), *near = pooler_new();
	PGconn *c;

	pooler_set(far, "client_tls_sslmode = require");
	pooler_set(far, "client_tls_cert_file = %s", cert("server.crt"));
	pooler_set(far, "client_tls_key_file = %s", cert("server.key"));
	pooler_start(far);
	pooler_db(near, "app = host=localhost port=%d", far->port);
	pooler_set(near, "server_tls_sslmode = verify-full");
	pooler_set(near, "server_tls_ca_file = %s", cert("ca.crt"));
	pooler_set(near, "server_tls_negotiation = direct");
	pooler_start(near);
	c = pooler_conn(near, "");
	ck_assert_int_eq(sql_num(c, "SELECT 8"), 8);
	PQfinish(c);
	pooler_stop(near);
	pooler_stop(far);
}
END_TEST

/* --- pinned ---------------------------------------------------------------- */

/*
 * Eight workers share ten places, and their load moves about: nobody waits for
 * long, and there are never more than ten.
 */
START_TEST(nobody_starves)
{
	struct pooler *p = with("require");
	struct watch w;
	struct swarm *s[3];

	serve("server");
	pooler_workers(p, 8);
	pooler_set(p,
	    "default_pool_size = 10\nmax_client_conn = 400\n"
	    "query_wait_timeout = 30");
	pooler_start(p);
	w = watch_start(pg, "datname = 'app'");
	/* many, then few others, then many again: all of them are served */
	for (int i = 0; i < 3; i++)
		s[i] =
		    swarm_new(pooler_at(p, ""), i == 1 ? 8 : 60, SWARM_BRIEF);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 3; i++) {
			long done = s[i]->done;

			swarm_run(s[i], 1500);
			swarm_settle(s[i], 35000);
			swarm_check(s[i]);
			ck_assert_int_gt(s[i]->done, done);
			ck_assert_int_eq(s[i]->dropped, 0);
		}
	for (int i = 0; i < 3; i++)
		swarm_free(s[i]);
	ck_assert_int_le(watch_stop(&w), 10);
	pooler_stop(p);
}
END_TEST

/* The only place lies idle with one worker, and a client of another comes. */
START_TEST(idle_places_move)
{
	struct pooler *p = with("require");
	PGconn *admin, *c[16];
	struct pooler_worker w[2];
	int64_t begin;

	serve("server");
	pooler_workers(p, 2);
	pooler_set(p, "default_pool_size = 1");
	pooler_start(p);
	admin = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_look(admin, w, 2), 2);
	for (int i = 0; i < 16; i++)
		c[i] = pooler_conn(p, "");
	/* whoever they belong to, each is served, one after the other and all
	 * at once */
	for (int round = 0; round < 3; round++) {
		begin = now_ms();
		for (int i = 0; i < 16; i++)
			ck_assert_int_eq(sql_num(c[i], "SELECT %d", i), i);
		for (int i = 0; i < 16; i++)
			sql_send(c[i], "SELECT %d", i);
		for (int i = 0; i < 16; i++) {
			ck_assert(sql_is_ready(c[i], 10000));
			ck_assert_int_eq(atoi(sql_get(c[i])), i);
		}
		ck_assert_int_lt(now_ms() - begin, 30000);
	}
	ck_assert_int_le(pg_backends(pg, "datname = 'app'"), 1);
	ck_assert_int_eq(pooler_look(admin, w, 2), 2);
	ck_assert_int_gt(w[0].clients, 0);
	ck_assert_int_gt(w[1].clients, 0);
	PQfinish(admin);
	for (int i = 0; i < 16; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

/* They die with their worker, and their places come free. */
START_TEST(worker_killed)
{
	struct pooler *p = with("require");
	struct watch w;
	PGconn *admin, *c[8];
	pid_t pids[2];

	serve("server");
	pooler_workers(p, 2);
	pooler_set(p, "default_pool_size = 4");
	pooler_start(p);
	w = watch_start(pg, "datname = 'app'");
	admin = pooler_console(p, "admin");
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 8; i++)
			c[i] = pooler_conn(p, "");
		for (int i = 0; i < 8; i++)
			sql_send(
			    c[i], i % 2 ? "SELECT pg_sleep(0.05)" : "SELECT 1");
		PQfinish(admin);
		admin = pooler_console(p, "admin");
		ck_assert_int_eq(pooler_pids(admin, pids, 2), 2);
		kill(pids[round % 2], SIGKILL);
		for (int i = 0; i < 8; i++)
			PQfinish(c[i]);
		PQfinish(admin);
		admin = pooler_conn(p, "");
		ck_assert_int_eq(sql_num(admin, "SELECT 1"), 1);
	}
	PQfinish(admin);
	/* all places can still be had */
	for (int i = 0; i < 4; i++) {
		c[i] = pooler_conn(p, "");
		sql_send(c[i], "BEGIN");
		ck_assert(sql_is_ready(c[i], 15000));
		sql_get(c[i]);
	}
	for (int i = 0; i < 4; i++)
		PQfinish(c[i]);
	ck_assert_int_le(watch_stop(&w), 4);
	pooler_stop(p);
}
END_TEST

/* --- TLS in the kernel ------------------------------------------------------ */

/* Does the system do it for a connection (Linux: tls(4) as an "upper layer
 * protocol" of TCP)?  Its module may have to be loaded. */
static bool
has_kernel_tls(void)
{
#ifdef TCP_ULP
	struct wire *w = wire_open("127.0.0.1", pg->port);
	bool has = setsockopt(w->fd, IPPROTO_TCP, TCP_ULP, "tls", 3) == 0;

	wire_free(w);
	return has;
#else
	return false;
#endif
}

/*
 * With TLS 1.2, which OpenSSL gives to the kernel in both directions, a
 * backend is shared by all workers; without, it is one worker's.
 */
START_TEST(kernel_shares)
{
	struct pooler *p = with("require");
	bool is_shared = has_kernel_tls();
	struct pooler_worker w[2];
	int moves = 0, pid, was = 0;
	PGconn *admin, *c[16];
	struct swarm *s;

	printf("TLS in the kernel: %s\n", is_shared ? "yes" : "no");
	serve("server");
	pooler_workers(p, 2);
	pooler_set(p, "default_pool_size = 1");
	pooler_set(p, "server_tls_protocols = tlsv1.2");
	pooler_start(p);
	admin = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_look(admin, w, 2), 2);
	for (int i = 0; i < 16; i++)
		c[i] = pooler_conn(p, "");
	for (int i = 0; i < 32; i++) {
		pid = sql_backend(c[i % 16]);
		moves += i > 0 && pid != was;
		was = pid;
	}
	ck_assert_int_eq(pooler_look(admin, w, 2), 2);
	ck_assert_int_gt(w[0].clients, 0);
	ck_assert_int_gt(w[1].clients, 0);
	if (is_shared)
		ck_assert_int_eq(moves, 0);
	else
		ck_assert_int_gt(moves, 0);
	ck_assert_int_eq(pg_backends(pg, "datname = 'app' AND NOT " BY_TLS), 0);
	/* and every answer is its asker's */
	s = swarm_new(pooler_at(p, ""), 20, SWARM_BRIEF);
	swarm_run(s, 1500);
	swarm_settle(s, 12000);
	swarm_check(s);
	ck_assert_int_gt(s->done, 0);
	ck_assert_int_eq(s->dropped, 0);
	swarm_free(s);
	PQfinish(admin);
	for (int i = 0; i < 16; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("server tls");
	TCase *tc = suite_case(s, "server tls", 60);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_loop_test(
	    tc, each_sslmode, 0, (int)(sizeof(rows) / sizeof(*rows)));
	tcase_add_test(tc, data);
	tcase_add_test(tc, shown);
	tcase_add_test(tc, certificate_of_ours);
	tcase_add_test(tc, reload);
	tcase_add_test(tc, cancel);
	tcase_add_test(tc, direct);
	tcase_add_test(tc, nobody_starves);
	tcase_add_test(tc, idle_places_move);
	tcase_add_test(tc, worker_killed);
	tc = suite_case(s, "kernel tls", 60);
	tcase_add_test(tc, kernel_shares);
	return suite_run(s, SUITE_PG);
}
