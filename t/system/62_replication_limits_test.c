/*
 * 62_replication_limits_test.c - who may replicate, and that every limit holds
 * with replication connections, also when a worker dies.
 */
#include <signal.h>
#include <string.h>

#include "t/lib/fakepg.h"
#include "t/system/replication.h"

/* --- who may ---------------------------------------------------------------------- */

/* A server that says no says it to him, and to nobody else of his pool. */
START_TEST(not_allowed)
{
	struct wire *w;
	PGconn *c;

	start("default_pool_size = 3");
	for (int i = 0; i < 3; i++) {
		w = dial("app2", "app", "database");
		wire_error(w, 'C', "42501");
		wire_end(w);
		wire_free(w);
		c = pooler_conn(p, "user=app2");
		ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
		PQfinish(c);
	}
	stop();
}
END_TEST

/* The server's own limit is one of its answers. */
START_TEST(too_many_senders)
{
	struct wire *w[6], *late;

	start("default_pool_size = 9");
	for (int i = 0; i < 6; i++)
		w[i] = sender("true");
	late = dial("app", "app", "true");
	wire_error(late, 'C', "53300");
	wire_end(late);
	wire_free(late);
	for (int i = 0; i < 6; i++)
		hang_up(w[i]);
	stop();
}
END_TEST

START_TEST(hba)
{
	struct wire *w;

	pg = publisher();
	p = pooler_new();
	pooler_db(p, "replication = host=127.0.0.1 port=%d", pg->port);
	pooler_set(p, "auth_type = hba");
	pooler_set(p, "auth_hba_file = %s/hba", p->dir);
	spew(text("%s/hba", p->dir),
	    "host app app all trust\n"
	    "host replication app3 all reject\n"
	    "host replication app2 all trust\n"
	    "host app app2 all trust\n");
	pooler_start(p);
	/* with a database it is one more session there */
	w = sender("database");
	hang_up(w);
	w = dial("app", "app", "true");
	wire_error(w, 'M', "no pg_hba.conf entry for replication connection");
	wire_free(w);
	w = dial("app3", "app", "true");
	wire_error(w, 'M', "pg_hba.conf rejects replication connection");
	wire_free(w);
	pg_ask(pg, "ALTER ROLE app2 REPLICATION");
	w = dial("app2", "app", "true");
	wire_expect(w, "RKZ");
	hang_up(w);
	stop();
}
END_TEST

/* --- limits ------------------------------------------------------------------------- */

static const char *const limits[] = { "default_pool_size = 2",
	"default_pool_size = 9\nmax_db_connections = 2",
	"default_pool_size = 9\nmax_user_connections = 2" };

/* Two places, both taken: whoever comes waits, or is told. */
START_TEST(all_places_taken)
{
	struct wire *a, *b, *late;
	PGconn *c;

	start(text("%s\nquery_wait_timeout = 2", limits[_i]));
	/* later it could not come in: nobody has told yet what to greet with */
	c = pooler_conn(p, "");
	a = sender("true");
	b = sender("database");
	ck_assert_int_eq(pg_num(pg, ALL_BACKENDS), 2);
	late = dial("app", "app", "database");
	sql_send(c, "SELECT 42");
	wire_error(late, 'M', "query_wait_timeout");
	wire_free(late);
	ck_assert_ptr_nonnull(strstr(sql_get_error(c), "query_wait_timeout"));
	PQfinish(c);
	ck_assert_int_eq(pg_num(pg, ALL_BACKENDS), 2);
	pooler_set(p, "query_wait_timeout = 60");
	pooler_reload(p);
	/* one goes: who waits next gets the place, of whatever kind */
	late = dial("app", "app", "true");
	ck_assert(wire_is_quiet(late, 200));
	hang_up(a);
	wire_expect(late, "RKZ");
	c = pooler_conn(p, "");
	sql_send(c, "SELECT 42");
	ck_assert(!sql_is_ready(c, 200));
	hang_up(b);
	ck_assert_str_eq(sql_get(c), "42");
	ck_assert_int_le(pg_num(pg, ALL_BACKENDS), 2);
	PQfinish(c);
	hang_up(late);
	stop();
}
END_TEST

/* An idle server is of no use to it: it closes, for its place. */
START_TEST(in_place_of_an_idle_one)
{
	struct wire *w[2];
	PGconn *c[2];

	start(limits[_i]);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 2; i++) {
			c[i] = pooler_conn(p, "");
			sql_do(c[i], "BEGIN");
		}
		for (int i = 0; i < 2; i++)
			sql_do(c[i], "COMMIT");
		for (int i = 0; i < 2; i++) {
			w[i] = sender(i ? "true" : "database");
			ck_assert_int_le(pg_num(pg, ALL_BACKENDS), 2);
		}
		for (int i = 0; i < 2; i++) {
			hang_up(w[i]);
			PQfinish(c[i]);
		}
	}
	stop();
}
END_TEST

/* A busy pool serves it in its turn. */
START_TEST(in_its_turn)
{
	PGconn *busy[12];
	struct wire *w;
	int64_t end;

	start("default_pool_size = 2");
	for (int i = 0; i < 12; i++) {
		busy[i] = pooler_conn(p, "");
		sql_send(busy[i], "SELECT pg_sleep(0.01)");
	}
	for (int round = 0; round < 3; round++) {
		w = dial("app", "app", "database");
		for (end = now_ms() + 30000; wire_is_quiet(w, 0);) {
			ck_assert_msg(now_ms() < end, "it waits for ever");
			ck_assert_int_le(pg_num(pg, ALL_BACKENDS), 2);
			for (int i = 0; i < 12; i++) {
				if (!sql_is_ready(busy[i], 0))
					continue;
				(void)sql_get(busy[i]);
				sql_send(busy[i], "SELECT pg_sleep(0.01)");
			}
		}
		wire_expect(w, "RKZ");
		hang_up(w);
	}
	for (int i = 0; i < 12; i++) {
		(void)sql_get(busy[i]);
		PQfinish(busy[i]);
	}
	stop();
}
END_TEST

/* The clients of each worker. */
static void
look(PGconn *console, long clients[3])
{
	struct pooler_worker w[3];

	ck_assert_int_eq(pooler_look(console, w, 3), 3);
	for (int i = 0; i < 3; i++)
		clients[i] = w[i].clients;
}

/* Which worker has one more client than in `before`? */
static int
whose(PGconn *console, const long before[3])
{
	long now[3];

	for (;;) {
		look(console, now);
		for (int i = 0; i < 3; i++)
			if (now[i] > before[i])
				return i;
	}
}

static void
keep_busy(PGconn *busy[2])
{
	for (int i = 0; i < 2; i++)
		if (sql_is_ready(busy[i], 0)) {
			(void)sql_get(busy[i]);
			sql_send(busy[i], "SELECT pg_sleep(0.002)");
		}
}

/*
 * Two clients of one worker hand the only server to each other; whoever waits
 * at another worker gets its place all the same.
 */
START_TEST(from_another_worker)
{
	PGconn *console, *busy[2] = { NULL, NULL }, *idle[30];
	int busy_at, at, nidle = 0;
	struct wire *w;
	long before[3];

	start("default_pool_size = 1");
	console = pooler_console(p, "admin");
	look(console, before);
	busy[0] = pooler_conn(p, "");
	busy_at = whose(console, before);
	for (at = -1; at != busy_at; idle[nidle++] = busy[1]) {
		ck_assert_int_lt(nidle, 30);
		look(console, before);
		busy[1] = pooler_conn(p, "");
		at = whose(console, before);
	}
	nidle--;
	for (int i = 0; i < 2; i++)
		sql_send(busy[i], "SELECT pg_sleep(0.002)");
	for (int served = 0; served < 1;) {
		int64_t end = now_ms() + 30000;

		look(console, before);
		w = dial("app", "app", "database");
		at = whose(console, before);
		while (wire_is_quiet(w, 0)) {
			ck_assert_msg(now_ms() < end, "it waits for ever");
			keep_busy(busy);
		}
		wire_expect(w, "RKZ");
		served += at != busy_at;
		hang_up(w);
		UNTIL(5000, pg_num(pg, SENDERS) == 0);
		for (end = now_ms() + 100; now_ms() < end;)
			keep_busy(busy);
	}
	for (int i = 0; i < 2; i++) {
		(void)sql_get(busy[i]);
		PQfinish(busy[i]);
	}
	while (nidle > 0)
		PQfinish(idle[--nidle]);
	PQfinish(console);
	stop();
}
END_TEST

static void
never_answers(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_hang(fd);
}

/* Its client goes while it is being opened: so does the login. */
START_TEST(gone_while_opening)
{
	struct fakepg *f = fakepg_start(never_answers);
	PGconn *console;
	struct wire *w;

	p = pooler_new();
	pooler_db(p, "fake = host=127.0.0.1 port=%d", f->port);
	pooler_set(p, "default_pool_size = 1\nadmin_users = admin");
	pooler_start(p);
	console = pooler_console(p, "admin");
	for (int i = 1; i <= 3; i++) {
		w = dial("app", "fake", "database");
		UNTIL(5000, f->count->logins == i);
		ck_assert_int_eq(pooler_show(console, "POOLS", "database",
				     "fake", "sv_login"),
		    1);
		wire_free(w);
	}
	UNTIL(5000,
	    pooler_show(console, "SERVERS", "database", "fake", "port") == -1);
	PQfinish(console);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* --- shown ---------------------------------------------------------------------------- */

static const char *
shown(PGconn *console, const char *what, const char *id_of)
{
	PGresult *r = PQexec(console, text("SHOW %s", what));
	int col = PQfnumber(r, "replication"), n = 0;
	char out[256] = "";

	for (int i = 0; i < PQntuples(r); i++)
		if (!strcmp(
			PQgetvalue(r, i, PQfnumber(r, "database")), id_of)) {
			strcat(out, n++ ? " " : "");
			strcat(out, PQgetvalue(r, i, col));
		}
	PQclear(r);
	return text("%s", out);
}

START_TEST(show)
{
	PGconn *c, *console;
	struct wire *w;

	start("default_pool_size = 3");
	console = pooler_console(p, "admin");
	w = sender("database");
	ck_assert_str_eq(shown(console, "CLIENTS", "app"), "logical");
	ck_assert_str_eq(shown(console, "SERVERS", "app"), "logical");
	ck_assert_int_eq(
	    pooler_show(console, "POOLS", "database", "app", "sv_active"), 1);
	hang_up(w);
	UNTIL(5000, !*shown(console, "SERVERS", "app"));
	w = sender("on");
	ck_assert_str_eq(shown(console, "CLIENTS", "app"), "physical");
	ck_assert_str_eq(shown(console, "SERVERS", "app"), "physical");
	hang_up(w);
	UNTIL(5000, !*shown(console, "SERVERS", "app"));
	c = pooler_conn(p, "");
	sql_do(c, "SELECT 1");
	ck_assert_str_eq(shown(console, "CLIENTS", "app"), "none");
	ck_assert_str_eq(shown(console, "SERVERS", "app"), "none");
	PQfinish(c);
	PQfinish(console);
	ck_assert(file_has(p->log, "replication=logical"));
	ck_assert(file_has(p->log, "replication=physical"));
	ck_assert(file_has(p->log, "replication=no"));
	stop();
}
END_TEST

/* Who replicates is never done: a stop that waits for servers ends it. */
START_TEST(stop_that_waits)
{
	struct wire *w;

	start("default_pool_size = 3");
	w = sender("true");
	wire_query(w,
	    text("START_REPLICATION %s",
		pg_ask(pg, "SELECT pg_current_wal_lsn()::text")));
	wire_expect(w, "W");
	ck_assert_int_eq(kill(p->pid, SIGINT), 0);
	while (wire_recv(w, WIRE_MS) == 'd')
		;
	ck_assert_int_eq(w->type, 'E');
	ck_assert_str_eq(wire_field(w, 'C'), "57P01");
	wire_free(w);
	pooler_gone(p, 0);
	UNTIL(5000, pg_num(pg, SENDERS) == 0);
	pg_free(pg);
}
END_TEST

/* --- a worker dies ------------------------------------------------------------------------ */

START_TEST(worker_killed)
{
	struct pooler_worker w[3];
	struct wire *s[6];
	PGconn *console;

	start("default_pool_size = 6");
	pg_ask(pg,
	    "CREATE TABLE big AS SELECT repeat(md5(i::text), 60) AS v "
	    "FROM generate_series(1, 60000) i");
	/* idle, streaming, and in the middle of a backup */
	for (int i = 0; i < 6; i++) {
		s[i] = sender(i % 2 ? "true" : "database");
		if (i % 3 == 1)
			wire_query(s[i], "BASE_BACKUP (CHECKPOINT 'fast')");
		else if (i % 3 == 2)
			wire_query(s[i],
			    i % 2 ? "START_REPLICATION 0/1000000"
				  : "SELECT pg_sleep(60)");
	}
	console = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_look(console, w, 3), 3);
	PQfinish(console);
	for (int i = 0; i < 3; i++)
		kill(w[i].pid, SIGKILL);
	for (int i = 0; i < 6; i++)
		wire_free(s[i]);
	UNTIL(10000, pg_num(pg, SENDERS) == 0);
	/* the places are there again, all of them and no more */
	for (int i = 0; i < 6; i++)
		s[i] = sender("database");
	ck_assert_int_eq(pg_num(pg, SENDERS), 6);
	for (int i = 0; i < 6; i++)
		hang_up(s[i]);
	stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("62_replication_limits");
	TCase *tc;

	tc = suite_case(s, "rights", 60);
	tcase_add_test(tc, not_allowed);
	tcase_add_test(tc, too_many_senders);
	tcase_add_test(tc, hba);
	/* who accepts a client is chance, and tried until it fits */
	tc = suite_case(s, "limits", 150);
	tcase_add_loop_test(tc, all_places_taken, 0, 3);
	tcase_add_loop_test(tc, in_place_of_an_idle_one, 0, 3);
	tcase_add_test(tc, in_its_turn);
	tcase_add_test(tc, from_another_worker);
	tcase_add_test(tc, gone_while_opening);
	tc = suite_case(s, "shown", 60);
	tcase_add_test(tc, show);
	tcase_add_test(tc, stop_that_waits);
	tcase_add_test(tc, worker_killed);
	return suite_run(s, SUITE_NO_PG);
}
