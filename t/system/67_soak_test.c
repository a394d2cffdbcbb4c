/*
 * 67_soak_test.c - a crowd that does all that a session can be used for, on
 * few servers and several workers: everybody has what is its own, and nothing
 * of anybody else's, while clients vanish, workers are killed, backends ended,
 * the server restarted, settings changed, and at last the pooler shut down.
 *
 * The same crowd has to be content with PostgreSQL itself, first of all.  `make
 * soak` runs the last of the tests for as long as SOAK_SECONDS says, with a
 * line each minute, in SOAK_MODE (transaction, statement, or session).  More
 * from the environment: t/lib/crowd.h.
 *
 * Two pools lead to the same database: `app` by a Unix socket, so that any
 * worker may use its backends, and `app_tls`, whose backends are their worker's.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/certs.h"
#include "t/lib/crowd.h"
#include "t/lib/deed.h"
#include "t/lib/ops.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

enum { GUESTS = 40, LIMIT = 12, TLS_LIMIT = 8, WORKERS = 4 };

#define OURS "datname = 'app'"

/* What one run has to look after. */
struct soak {
	struct pooler *p;
	struct crowd *c;
	struct ops ops;
	int64_t from_ms, say_ms;
	long rss_kb; /* when it was warm */
};

/* What is left out of each mode; SOAK_ONLY can ask for it. */
static const struct soak_mode {
	const char *name, *off;
} modes[] = {
	{ "transaction", "resettold noblock" },
	{ "statement", "resettold tx block local undone piped" },
	{ "session", "noblock" },
};

enum { TRANSACTION, STATEMENT, SESSION };

static long
asked_seconds(void)
{
	const char *s = getenv("SOAK_SECONDS");

	return s && *s ? strtol(s, NULL, 10) : 0;
}

static void
make_table(void)
{
	PGconn *c = sql_open(
	    text("host=127.0.0.1 port=%d user=app dbname=app", pg->port));

	sql_do(c, "DROP TABLE IF EXISTS soak_copy");
	sql_do(c, "CREATE TABLE soak_copy(who text, n int)");
	sql_do(c, "CREATE INDEX ON soak_copy(who)");
	PQfinish(c);
}

/* The most descriptors that a process of the pooler has; 0: not told here. */
static int
most_fds(const struct pooler *p)
{
	pid_t kids[POOLER_KIDS + 1];
	int n = spawn_kids(p->pid, kids, POOLER_KIDS), most = 0;

	kids[n++] = p->pid;
	for (int i = 0; i < n; i++) {
		DIR *d = opendir(text("/proc/%d/fd", (int)kids[i]));
		int have = 0;

		while (d && readdir(d))
			have++;
		if (d)
			closedir(d);
		if (have > most)
			most = have;
	}
	return most;
}

static void
say(struct soak *s)
{
	printf("soak: %s, %s, %d backends at most, %ld MB\n",
	    crowd_line(s->c, s->from_ms), ops_line(&s->ops),
	    s->ops.w.seen->most, pooler_rss_kb(s->p) / 1024);
	fflush(stdout);
}

static void
watch_over(struct soak *s, long ms)
{
	int64_t end = s->from_ms + ms;

	while (now_ms() < end && !s->c->seen->is_over) {
		nap();
		ops_run(&s->ops);
		if (s->rss_kb == 0 && now_ms() > end - ms * 2 / 3)
			s->rss_kb = pooler_rss_kb(s->p);
		if (now_ms() < s->say_ms)
			continue;
		s->say_ms += 60000;
		say(s);
		pg_ask(pg, "VACUUM");
	}
}

/* As many as may be can still be had, all at once. */
static void
no_place_is_lost(const struct pooler *p, const char *db, int n)
{
	PGconn *c[LIMIT];

	for (int i = 0; i < n; i++) {
		c[i] = pooler_conn(p, text("dbname=%s", db));
		/* all in one message: for each mode */
		sql_send(c[i],
		    "SELECT pg_advisory_xact_lock_shared(4100);"
		    "SELECT pg_sleep(2)");
	}
	UNTIL(20000,
	    pg_num(pg,
		"SELECT count(*) FROM pg_locks"
		" WHERE locktype = 'advisory' AND objid = 4100") == n);
	for (int i = 0; i < n; i++)
		PQfinish(c[i]);
	UNTIL(20000, pg_backends(pg, OURS " AND state <> 'idle'") == 0);
}

/* Workers die by our hand only. */
static void
none_has_crashed(const struct pooler *p)
{
	ck_assert_int_eq(file_count(p->log, "died: "),
	    file_count(p->log, "died: signal 9;"));
}

/* Nobody is there: all that was taken is given back. */
static void
all_is_back(struct soak *s, int fds)
{
	static const char *const pools[] = { "app", "app_tls" };
	PGconn *console = pooler_console(s->p, "admin");
	int most;

	sql_do(console, "SET default_pool_size = %d", LIMIT);
	for (int i = 0; i < 2; i++) {
		UNTIL(20000,
		    pooler_show(console, "POOLS", "database", pools[i],
			"cl_active") <= 0);
		UNTIL(20000,
		    pooler_show(console, "POOLS", "database", pools[i],
			"sv_active") <= 0);
	}
	UNTIL(20000, pg_backends(pg, OURS " AND state <> 'idle'") == 0);
	UNTIL(20000,
	    pg_num(pg,
		"SELECT count(*) FROM pg_locks"
		" WHERE locktype = 'advisory'") == 0);
	UNTIL(20000, most_fds(s->p) <= fds + LIMIT + TLS_LIMIT + 3);
	PQfinish(console);
	no_place_is_lost(s->p, "app", LIMIT);
	no_place_is_lost(s->p, "app_tls", TLS_LIMIT);
	most = ops_end(&s->ops);
	ck_assert_msg(most <= LIMIT + TLS_LIMIT, "seed %llu: %d backends of %d",
	    (unsigned long long)s->c->seed, most, LIMIT + TLS_LIMIT);
	/* freed memory stays with the process, and a run has its peaks */
	if (!is_sanitized() && s->rss_kb > 0)
		ck_assert_int_le(
		    pooler_rss_kb(s->p), s->rss_kb * 3 / 2 + 16384);
	ck_assert_int_le(s->c->seen->dropped, ops_loss(&s->ops));
	if (!s->c->seen->may_lose)
		ck_assert_int_eq(s->c->seen->refused, 0);
}

static struct pooler *
start(const struct soak_mode *mode)
{
	struct pooler *p = pooler_new();

	certs_serve(pg, "server");
	make_table();
	pooler_workers(p, WORKERS);
	pooler_db(p, "app = host=%s port=%d", pg->sock, pg->port);
	pooler_db(p, "app_tls = host=127.0.0.1 port=%d dbname=app pool_size=%d",
	    pg->port, TLS_LIMIT);
	pooler_set(p, "pool_mode = %s\nmax_client_conn = 400", mode->name);
	pooler_set(p, "default_pool_size = %d", LIMIT);
	pooler_set(p, "max_prepared_statements = 20\nserver_lifetime = 3");
	pooler_set(p, "server_login_retry = 0.1");
	pooler_set(p, "client_tls_sslmode = prefer");
	pooler_set(p, "client_tls_cert_file = %s", cert("server.crt"));
	pooler_set(p, "client_tls_key_file = %s", cert("server.key"));
	pooler_set(p, "server_tls_sslmode = prefer");
	pooler_start(p);
	return p;
}

/*
 * The pooler is told to end while they all are at it, whatever they hold: it
 * ends, and nothing of it is left.
 */
static void
shut_down(struct pooler *p, const struct soak_mode *mode)
{
	static const char *const how[] = { "WAIT_FOR_CLIENTS",
		"WAIT_FOR_SERVERS", "" };
	struct crowd *c = crowd_new(GUESTS, mode->off);
	PGconn *console = pooler_console(p, "admin");
	int64_t end;

	c->seen->may_lose = true;
	c->seen->resets_told = mode == &modes[SESSION];
	crowd_start(c, p->port);
	for (end = now_ms() + 1500; now_ms() < end && !c->seen->is_over;)
		nap();
	PQclear(PQexec(console, text("SHUTDOWN %s", how[c->seed % 3])));
	for (end = now_ms() + 500; now_ms() < end && !c->seen->is_over;)
		nap();
	PQfinish(console);
	crowd_stop(c, GUEST_WAIT_MS + 10000);
	crowd_is_right(c);
	none_has_crashed(p);
	pooler_gone(p, 0);
	UNTIL(20000, pg_backends(pg, OURS) == 0);
	crowd_free(c);
}

static void
soak(int which, long ms, bool with_kills)
{
	const struct soak_mode *mode = &modes[which];
	struct soak s = { 0 };
	int fds;

	/* it is restarted, and others need the common one */
	if (with_kills)
		pg = pg_new(0);
	s.p = start(mode);
	fds = most_fds(s.p);
	s.c = crowd_new(GUESTS, mode->off);
	/* what is lost with a server is a line in the log */
	s.p->errors_ok = with_kills;
	s.c->seen->may_lose = with_kills;
	s.c->seen->resets_told = which == SESSION;
	s.from_ms = now_ms();
	s.say_ms = s.from_ms + 60000;
	printf("soak: %s mode, seed %llu\n", mode->name,
	    (unsigned long long)s.c->seed);
	fflush(stdout);
	s.ops = ops_begin(s.p, s.c, OURS, LIMIT);
	crowd_start(s.c, s.p->port);
	watch_over(&s, ms);
	crowd_stop(s.c, GUEST_WAIT_MS + 10000);
	say(&s);
	crowd_check(s.c);
	none_has_crashed(s.p);
	all_is_back(&s, fds);
	crowd_free(s.c);
	if (deed_is_on("shutdown"))
		shut_down(s.p, mode);
	else
		pooler_stop(s.p);
	if (with_kills)
		pg_free(pg);
}

START_TEST(direct)
{
	struct crowd *c = crowd_new(GUESTS, "servertls noblock");
	int64_t from = now_ms();

	certs_serve(pg, "server");
	make_table();
	crowd_start(c, pg->port);
	while (now_ms() < from + 4000 && !c->seen->is_over)
		nap();
	crowd_stop(c, GUEST_WAIT_MS + 10000);
	printf("soak: PostgreSQL, seed %llu, %s\n", (unsigned long long)c->seed,
	    crowd_line(c, from));
	crowd_check(c);
	crowd_free(c);
}
END_TEST

START_TEST(session)
{
	soak(SESSION, 8000, true);
}
END_TEST

START_TEST(statement)
{
	soak(STATEMENT, 8000, true);
}
END_TEST

START_TEST(transaction)
{
	soak(TRANSACTION, 12000, false);
}
END_TEST

START_TEST(with_kills)
{
	soak(TRANSACTION, 20000, true);
}
END_TEST

START_TEST(as_long_as_asked)
{
	const char *name = getenv("SOAK_MODE");
	int i = SESSION;

	while (i > 0 && (!name || strcmp(name, modes[i].name) != 0))
		i--;
	soak(i, asked_seconds() * 1000, true);
}
END_TEST

int
main(void)
{
	long s = asked_seconds();
	Suite *suite = suite_create("soak");
	TCase *tc = suite_case(suite, "soak", s > 0 ? (int)s + 240 : 180);

	if (s > 0) {
		tcase_add_test(tc, as_long_as_asked);
		return suite_run(suite, SUITE_PG);
	}
	tcase_add_test(tc, direct);
	tcase_add_test(tc, session);
	tcase_add_test(tc, statement);
	tcase_add_test(tc, transaction);
	tcase_add_test(tc, with_kills);
	return suite_run(suite, SUITE_PG);
}
