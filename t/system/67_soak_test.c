/*
 * 67_soak_test.c - a crowd that does all that a session can be used for, on
 * few servers and several workers: everybody has what is its own, and nothing
 * of anybody else's, while clients vanish and workers are killed.
 *
 * The same crowd has to be content with PostgreSQL itself, first of all.  `make
 * soak` runs the last of the tests for as long as SOAK_SECONDS says, with a
 * line each minute, in SOAK_MODE (transaction, or session).  More from the
 * environment: t/lib/crowd.h.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/crowd.h"
#include "t/lib/deed.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/watch.h"

enum { GUESTS = 40, LIMIT = 12, WORKERS = 4, KILL_EVERY_MS = 700 };

/* What one run has to look after. */
struct soak {
	struct pooler *p;
	struct crowd *c;
	struct watch w;
	int64_t from_ms, kill_ms, say_ms;
	int minutes, kills;
	long theirs; /* clients that killed workers had */
	long rss_kb; /* when it was warm */
};

/* What is left out of transaction mode; SOAK_ONLY can ask for it. */
static const char *const off_transaction = "resettold";

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

/* One worker dies, and whose clients it had is counted. */
static void
kill_one(struct soak *s)
{
	struct pooler_worker w[POOLER_KIDS];
	PGconn *console = pooler_console(s->p, "admin");
	int n = pooler_look(console, w, POOLER_KIDS);
	int i = s->kills++ % n;

	s->theirs += w[i].clients;
	kill(w[i].pid, SIGKILL);
	PQfinish(console);
}

static void
say(struct soak *s)
{
	printf("soak: %s, %d kills, %d backends at most, %ld MB\n",
	    crowd_line(s->c, s->from_ms), s->kills, s->w.seen->most,
	    pooler_rss_kb(s->p) / 1024);
}

static void
watch_over(struct soak *s, long ms)
{
	int64_t end = s->from_ms + ms;

	while (now_ms() < end && !s->c->seen->is_over) {
		nap();
		if (s->c->seen->may_lose && now_ms() >= s->kill_ms) {
			kill_one(s);
			s->kill_ms = now_ms() + KILL_EVERY_MS;
		}
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
no_place_is_lost(const struct pooler *p)
{
	PGconn *c[LIMIT];

	for (int i = 0; i < LIMIT; i++) {
		c[i] = pooler_conn(p, "");
		sql_send(c[i], "BEGIN; SELECT pg_backend_pid()");
	}
	for (int i = 0; i < LIMIT; i++) {
		ck_assert_msg(sql_is_ready(c[i], 20000),
		    "%d of %d places are left", i, LIMIT);
		sql_get(c[i]);
	}
	for (int i = 0; i < LIMIT; i++)
		PQfinish(c[i]);
}

/* Nobody is there: all that was taken is given back. */
static void
all_is_back(struct soak *s, int fds)
{
	PGconn *console = pooler_console(s->p, "admin");
	int most;

	UNTIL(20000,
	    pooler_show(console, "POOLS", "database", "app", "cl_active") <= 0);
	UNTIL(20000,
	    pooler_show(console, "POOLS", "database", "app", "sv_active") <= 0);
	UNTIL(
	    20000, pg_backends(pg, "datname = 'app' AND state <> 'idle'") == 0);
	UNTIL(20000,
	    pg_num(pg,
		"SELECT count(*) FROM pg_locks"
		" WHERE locktype = 'advisory'") == 0);
	UNTIL(20000, most_fds(s->p) <= fds + LIMIT + 3);
	PQfinish(console);
	no_place_is_lost(s->p);
	most = watch_stop(&s->w);
	ck_assert_msg(most <= LIMIT, "seed %llu: %d backends of %d",
	    (unsigned long long)s->c->seed, most, LIMIT);
	/* freed memory stays with the process, and a run has its peaks */
	if (!is_sanitized() && s->rss_kb > 0)
		ck_assert_int_le(
		    pooler_rss_kb(s->p), s->rss_kb * 3 / 2 + 16384);
	ck_assert_int_le(s->c->seen->dropped, s->theirs + 3 * s->kills);
}

static void
soak(const char *mode, const char *off, long ms, bool with_kills)
{
	struct soak s = { .p = pooler_new() };
	int fds;

	make_table();
	pooler_workers(s.p, WORKERS);
	pooler_set(s.p, "pool_mode = %s\nmax_client_conn = 400", mode);
	pooler_set(s.p, "default_pool_size = %d", LIMIT);
	pooler_set(s.p, "max_prepared_statements = 20\nserver_lifetime = 3");
	pooler_start(s.p);
	fds = most_fds(s.p);
	s.c = crowd_new(GUESTS, off);
	s.c->seen->may_lose = with_kills && deed_is_on("kill");
	s.c->seen->resets_told = !strcmp(mode, "session");
	s.w = watch_start(pg, "datname = 'app'");
	s.from_ms = now_ms();
	s.kill_ms = s.from_ms + KILL_EVERY_MS;
	s.say_ms = s.from_ms + 60000;
	printf(
	    "soak: %s mode, seed %llu\n", mode, (unsigned long long)s.c->seed);
	crowd_start(s.c, s.p->port);
	watch_over(&s, ms);
	crowd_stop(s.c, GUEST_WAIT_MS + 10000);
	say(&s);
	crowd_check(s.c);
	all_is_back(&s, fds);
	crowd_free(s.c);
	pooler_stop(s.p);
}

START_TEST(direct)
{
	struct crowd *c = crowd_new(GUESTS, "kill");
	int64_t from = now_ms();

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
	soak("session", "", 8000, true);
}
END_TEST

START_TEST(transaction)
{
	soak("transaction", off_transaction, 12000, false);
}
END_TEST

START_TEST(with_kills)
{
	soak("transaction", off_transaction, 20000, true);
}
END_TEST

START_TEST(as_long_as_asked)
{
	const char *mode = getenv("SOAK_MODE");
	bool is_session = mode && !strcmp(mode, "session");

	soak(is_session ? "session" : "transaction",
	    is_session ? "" : off_transaction, asked_seconds() * 1000, true);
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
	tcase_add_test(tc, transaction);
	tcase_add_test(tc, with_kills);
	return suite_run(suite, SUITE_PG);
}
