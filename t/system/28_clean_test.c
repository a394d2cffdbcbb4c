/*
 * 28_clean_test.c - a client vanishes in the middle, and its server serves on:
 * what ran is cancelled, what was open is undone, nothing of the session is
 * left, and the next client has the same server process.  Where that cannot
 * be, the process is another one.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/watch.h"
#include "t/lib/wire.h"

enum manner { TERMINATE, CLOSE, RESET, MANNERS };

/* All that a session can leave at its server, in an open transaction. */
#define LITTER                                                               \
	"BEGIN; SET work_mem = '77MB'; SET search_path = pg_catalog;"        \
	"CREATE TEMP TABLE litter (i int); PREPARE litter AS SELECT 1;"      \
	"LISTEN litter; SELECT pg_advisory_lock(28); "                       \
	"DECLARE litter CURSOR WITH HOLD FOR SELECT 1; SET ROLE pg_monitor;" \
	"COMMIT; BEGIN; "
#define LITTER_TAGS "CCCCCCTDCCCCC"

#define MINE "usename = 'app'"
#define BUSY MINE " AND state = 'active'"

static struct pooler *p;
static PGconn *boss; /* past the pooler */

static void
start(const char *settings)
{
	boss = sql_open(
	    text("host=127.0.0.1 port=%d user=postgres dbname=app", pg->port));
	sql_do(boss, "SET client_min_messages = error");
	sql_do(boss, "DROP TABLE IF EXISTS kept");
	sql_do(boss, "CREATE TABLE kept (t text)");
	sql_do(boss, "GRANT ALL ON kept TO app");
	sql_do(boss, "GRANT pg_monitor TO app");
	p = pooler_with(text("default_pool_size = 1\n%s", settings));
}

/* With TLS a server is one worker's, and moves when another wants it. */
static void
serve_tls(bool on)
{
	if (!strcmp(pg_ask(pg, "SHOW ssl"), on ? "on" : "off"))
		return;
	pg_ask(pg, "ALTER SYSTEM SET ssl_cert_file = '%s'", cert("server.crt"));
	pg_ask(pg, "ALTER SYSTEM SET ssl_key_file = '%s'", cert("server.key"));
	pg_ask(pg, "ALTER SYSTEM SET ssl = %s", on ? "on" : "off");
	pg_ask(pg, "SELECT pg_reload_conf()");
	UNTIL(5000, !strcmp(pg_ask(pg, "SHOW ssl"), on ? "on" : "off"));
}

static void
set_up(void)
{
	serve_tls(false);
	start("");
}

static void
tear_down(void)
{
	PQfinish(boss);
	pooler_stop(p);
}

static struct wire *
client(void)
{
	struct wire *w = wire_open("127.0.0.1", p->port);

	wire_login(w, "app", "app");
	return w;
}

static void
leave(struct wire *w, enum manner how)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	if (how == TERMINATE)
		wire_put(w, 'X', "");
	if (how == RESET)
		setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	wire_free(w);
}

/* The next client's server, which knows nothing of anybody before. */
static int
next_pid(void)
{
	PGconn *c = pooler_conn(p, "");
	int pid;

	sql_do(c, "BEGIN");
	pid = sql_backend(c);
	ck_assert_int_eq(PQtransactionStatus(c), PQTRANS_INTRANS);
	ck_assert_str_eq(sql_one(c, "SELECT current_user"), "app");
	ck_assert_str_ne(sql_one(c, "SHOW work_mem"), "77MB");
	ck_assert_str_ne(sql_one(c, "SHOW search_path"), "pg_catalog");
	ck_assert_int_eq(sql_num(c,
			     "SELECT (SELECT count(*) FROM pg_class WHERE "
			     "relpersistence = 't') + (SELECT count(*) FROM "
			     "pg_prepared_statements) + (SELECT count(*) FROM "
			     "pg_cursors WHERE name <> '') + (SELECT count(*) "
			     "FROM pg_listening_channels()) + (SELECT count(*) "
			     "FROM pg_locks WHERE locktype = 'advisory')"),
	    0);
	sql_do(c, "COMMIT");
	PQfinish(c);
	return pid;
}

static long
kept(void)
{
	return sql_num(boss, "SELECT count(*) FROM kept");
}

/* Nothing runs, holds a lock or is open any more. */
static void
is_quiet(int ms)
{
	UNTIL(ms, pg_backends(pg, BUSY) == 0);
	UNTIL(ms, pg_backends(pg, MINE " AND state LIKE 'idle in%'") == 0);
	UNTIL(ms,
	    sql_num(boss,
		"SELECT count(*) FROM pg_locks WHERE "
		"relation = 'kept'::regclass OR locktype = 'advisory'") == 0);
}

/* --- what a client may be in the middle of ---------------------------------- */

static void
put_batch(struct wire *w, const char *sql)
{
	wire_put(w, 'P', "ssh", "", sql, 0);
	wire_put(w, 'B', "sshhh", "", "", 0, 0, 0);
	wire_put(w, 'E', "si", "", 0);
}

static void
in_query(struct wire *w)
{
	wire_query(w, "SELECT pg_sleep(60)");
	UNTIL(5000, pg_backends(pg, BUSY) == 1);
}

static void
in_query_of_transaction(struct wire *w)
{
	wire_query(w, "BEGIN; LOCK kept; SELECT pg_sleep(60)");
	UNTIL(5000, pg_backends(pg, BUSY) == 1);
}

static void
in_transaction(struct wire *w)
{
	wire_query(w, "BEGIN; LOCK kept; INSERT INTO kept VALUES ('lost')");
	wire_expect(w, "CCCZ");
}

static void
in_litter(struct wire *w)
{
	wire_query(w, LITTER "SELECT 1");
	wire_expect(w, LITTER_TAGS "TDCZ");
}

static void
in_failed_transaction(struct wire *w)
{
	wire_query(w, "BEGIN; LOCK kept");
	wire_expect(w, "CCZ");
	wire_query(w, "SELECT 1 / 0");
	wire_expect(w, "EZ");
}

static void
in_copy_in(struct wire *w)
{
	wire_query(w, "COPY kept FROM STDIN");
	wire_expect(w, "G");
	wire_put(w, 'd', "x", "row\nhalf", (size_t)8);
}

static void
in_copy_in_of_transaction(struct wire *w)
{
	wire_query(w, "BEGIN; COPY kept FROM STDIN");
	wire_expect(w, "CG");
	wire_put(w, 'd', "x", "row\n", (size_t)4);
}

static void
in_extended_copy_in(struct wire *w)
{
	put_batch(w, "COPY kept FROM STDIN");
	wire_put(w, 'H', "");
	wire_expect(w, "12G");
	wire_put(w, 'd', "x", "row\n", (size_t)4);
}

/* The client has ended the COPY, but not its batch. */
static void
behind_copy_done(struct wire *w)
{
	in_extended_copy_in(w);
	wire_put(w, 'c', "");
}

static void
in_copy_out(struct wire *w)
{
	wire_query(w,
	    "COPY (SELECT repeat('x', 1000) FROM "
	    "generate_series(1, 10000000)) TO STDOUT");
	wire_expect(w, "Hdd");
}

static void
in_huge_result(struct wire *w)
{
	wire_query(
	    w, "SELECT repeat('y', 1000) FROM generate_series(1, 10000000)");
	wire_expect(w, "TD");
}

static void
in_pipeline_without_sync(struct wire *w)
{
	put_batch(w, "INSERT INTO kept VALUES ('first')");
	put_batch(w, "INSERT INTO kept VALUES ('second')");
}

static void
in_flushed_batch(struct wire *w)
{
	put_batch(w, "INSERT INTO kept VALUES ('first')");
	wire_put(w, 'H', "");
	wire_expect(w, "12C");
}

static void
in_failed_batch(struct wire *w)
{
	put_batch(w, "INSERT INTO kept VALUES ('first')");
	put_batch(w, "SELECT 1 / 0");
	put_batch(w, "SELECT 2");
	wire_put(w, 'H', "");
	wire_expect(w, "12C1E");
}

/* A cancel hits one of them. */
static void
in_many_queries(struct wire *w)
{
	for (int i = 0; i < 5; i++)
		wire_query(w, "SELECT pg_sleep(60)");
	for (int i = 0; i < 5; i++) {
		put_batch(w, "SELECT pg_sleep(60)");
		wire_put(w, 'S', "");
	}
	UNTIL(5000, pg_backends(pg, BUSY) == 1);
}

static const struct {
	const char *name;
	void (*enter)(struct wire *w);
	bool runs; /* on and on, unless it is cancelled */
} middle[] = {
	{ "query", in_query, true },
	{ "query of a transaction", in_query_of_transaction, true },
	{ "many queries", in_many_queries, true },
	{ "transaction", in_transaction, false },
	{ "litter", in_litter, false },
	{ "failed transaction", in_failed_transaction, false },
	{ "copy in", in_copy_in, false },
	{ "copy in of a transaction", in_copy_in_of_transaction, false },
	{ "extended copy in", in_extended_copy_in, false },
	{ "ended copy in", behind_copy_done, false },
	{ "copy out", in_copy_out, false },
	{ "huge result", in_huge_result, false },
	{ "pipeline", in_pipeline_without_sync, false },
	{ "flushed batch", in_flushed_batch, false },
	{ "failed batch", in_failed_batch, false },
};

enum { MIDDLES = sizeof(middle) / sizeof(*middle) };

/* By each manner; a Terminate behind what runs has a test of its own. */
static void
vanish_in(int i)
{
	int pid = next_pid();

	for (int how = middle[i].runs ? CLOSE : TERMINATE; how < MANNERS;
	     how++) {
		struct wire *w = client();
		int now;

		middle[i].enter(w);
		leave(w, how);
		is_quiet(3000);
		now = next_pid();
		ck_assert_msg(
		    now == pid, "%s, %d: another server", middle[i].name, how);
		ck_assert_int_eq(kept(), 0);
	}
}

START_TEST(same_server)
{
	vanish_in(_i);
}
END_TEST

START_TEST(session_mode)
{
	tear_down();
	start("pool_mode = session");
	for (int i = 0; i < MIDDLES; i++)
		vanish_in(i);
}
END_TEST

START_TEST(through_tls)
{
	tear_down();
	serve_tls(true);
	start("server_tls_sslmode = require\nworkers = 1");
	for (int i = 0; i < MIDDLES; i++)
		vanish_in(i);
	ck_assert_int_eq(pg_backends(pg,
			     MINE " AND pid IN "
				  "(SELECT pid FROM pg_stat_ssl WHERE ssl)"),
	    1);
	serve_tls(false);
}
END_TEST

/* It waits for a lock that somebody else holds. */
START_TEST(waiting_for_a_lock)
{
	int pid = next_pid();
	struct wire *w = client();

	sql_do(boss, "BEGIN; LOCK kept");
	wire_query(w, "INSERT INTO kept VALUES ('lost')");
	UNTIL(5000, pg_backends(pg, "wait_event_type = 'Lock'") == 1);
	leave(w, CLOSE);
	UNTIL(2000, pg_backends(pg, "wait_event_type = 'Lock'") == 0);
	ck_assert_int_eq(next_pid(), pid);
	sql_do(boss, "COMMIT");
	ck_assert_int_eq(kept(), 0);
}
END_TEST

/* Someone waits for the only place: the vanishing makes room at once. */
START_TEST(others_wait)
{
	struct wire *w = client();
	PGconn *c = pooler_conn(p, "");
	int64_t since;

	in_query_of_transaction(w);
	sql_send(c, "SELECT 'served'");
	ck_assert(!sql_is_ready(c, 100));
	since = now_ms();
	leave(w, CLOSE);
	ck_assert_str_eq(sql_get(c), "served");
	ck_assert_int_lt(now_ms() - since, 2000);
	PQfinish(c);
}
END_TEST

/* --- Terminate behind what was asked for -------------------------------------- */

/* PostgreSQL reads the Terminate when it has done the rest. */
START_TEST(fire_and_forget)
{
	int pid = next_pid();

	for (int i = 0; i < 20; i++) {
		struct wire *w;

		/* who leaves while it waits for a server is not served */
		ck_assert_int_eq(next_pid(), pid);
		w = client();

		wire_query(w,
		    i < 2 ? "INSERT INTO kept SELECT 'x' FROM pg_sleep(1)"
			  : "INSERT INTO kept VALUES ('x')");
		put_batch(w, "INSERT INTO kept VALUES ('y')");
		wire_put(w, 'S', "");
		/* no Sync: nobody would see this in PostgreSQL either */
		put_batch(w, "INSERT INTO kept VALUES ('z')");
		leave(w, TERMINATE);
		UNTIL(5000, kept() == 2 * (i + 1));
	}
	is_quiet(3000);
	ck_assert_int_eq(kept(), 40);
	ck_assert_int_eq(next_pid(), pid);
}
END_TEST

/* It asks for more than it is worth: then it is cancelled, and serves on. */
START_TEST(terminate_has_a_bound)
{
	int pid = next_pid();
	struct wire *w = client();

	in_query(w);
	leave(w, TERMINATE);
	is_quiet(9000);
	ck_assert_int_eq(next_pid(), pid);
}
END_TEST

/* --- what cannot be made clean --------------------------------------------------- */

START_TEST(half_a_message)
{
	static const enum manner hows[] = { CLOSE, RESET };

	for (int i = 0; i < 2; i++) {
		int pid = next_pid();
		struct wire *w = client();
		char buf[256];
		size_t n = wire_make(buf, sizeof(buf), 'Q', "s",
		    "INSERT INTO kept VALUES ('torn')");

		in_transaction(w);
		wire_send(w, buf, n - 3);
		leave(w, hows[i]);
		is_quiet(3000);
		ck_assert_int_ne(next_pid(), pid);
		ck_assert_int_eq(kept(), 0);
	}
}
END_TEST

/* A server that does not care for cancels is not waited for for ever. */
START_TEST(deaf_to_cancels)
{
	struct wire *w;
	int pid;

	tear_down();
	start("cancel_wait_timeout = 1");
	pid = next_pid();
	w = client();
	wire_query(w,
	    "DO $$ DECLARE till timestamp = clock_timestamp() + '4 s'; BEGIN "
	    "WHILE clock_timestamp() < till LOOP BEGIN PERFORM pg_sleep(4); "
	    "EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$");
	UNTIL(5000, pg_backends(pg, BUSY) == 1);
	leave(w, CLOSE);
	UNTIL(5000, file_has(p->log, "in use: not clean in time"));
	ck_assert_int_ne(next_pid(), pid);
}
END_TEST

/* libpq sends its Sync before the COPY's data: nobody can tell any more. */
START_TEST(copy_behind_its_sync)
{
	for (int how = 0; how < MANNERS; how++) {
		struct wire *w = client();

		put_batch(w, "COPY kept FROM STDIN");
		wire_put(w, 'S', "");
		wire_expect(w, "12G");
		wire_put(w, 'd', "x", "row\n", (size_t)4);
		leave(w, how);
		is_quiet(3000);
		next_pid();
		ck_assert_int_eq(kept(), 0);
	}
}
END_TEST

/* --- many, at random ----------------------------------------------------------------- */

static void
begin_at_random(struct wire *w, unsigned *seed)
{
	switch (rand_r(seed) % 8) {
	case 0:
		wire_query(w, "SELECT pg_sleep(30)");
		return;
	case 1:
		wire_query(w, "BEGIN; LOCK kept; SELECT 'stray'");
		return;
	case 2:
		wire_query(w, "COPY kept FROM STDIN");
		wire_put(w, 'd', "x", "row\n", (size_t)4);
		return;
	case 3:
		wire_query(w,
		    "COPY (SELECT generate_series(1, 100000)) TO "
		    "STDOUT");
		return;
	case 4:
		in_pipeline_without_sync(w);
		return;
	case 5:
		for (int i = 0; i < 10; i++)
			wire_query(w, "SELECT 'stray'");
		return;
	case 6:
		wire_query(w, LITTER "SELECT pg_sleep(0.01)");
		return;
	default:
		put_batch(w, "SELECT repeat('stray', 100000)");
		wire_put(w, 'H', "");
		return;
	}
}

static void
check_answers(PGconn *const *c, int round)
{
	for (int i = 0; i < 2; i++) {
		const char *mine = text("%d of %d", round, i);

		sql_send(c[i], "SELECT '%s', pg_sleep(0)", mine);
		ck_assert(sql_is_ready(c[i], 20000));
		ck_assert_str_eq(sql_get(c[i]), mine);
	}
}

START_TEST(at_random)
{
	unsigned seed = 28;
	PGconn *c[2];
	struct watch seen;

	tear_down();
	start("default_pool_size = 2");
	seen = watch_start(pg, MINE);
	for (int i = 0; i < 2; i++)
		c[i] = pooler_conn(p, "");
	for (int round = 0; round < 200; round++) {
		struct wire *w = client();
		int64_t until = now_ms() + rand_r(&seed) % 12;
		int how = rand_r(&seed) % MANNERS;

		begin_at_random(w, &seed);
		while (now_ms() < until)
			nap();
		/* sleepers are told goodbye for seconds: the others wait */
		leave(w, how == TERMINATE && round % 10 ? CLOSE : how);
		check_answers(c, round);
	}
	ck_assert_int_eq(kept(), 0);
	sql_do(c[0], "BEGIN");
	sql_do(c[1], "BEGIN");
	ck_assert_int_ne(sql_backend(c[0]), sql_backend(c[1]));
	UNTIL(5000, pg_backends(pg, MINE) == 2);
	for (int i = 0; i < 2; i++)
		PQfinish(c[i]);
	is_quiet(3000);
	ck_assert_int_le(watch_stop(&seen), 2);
	next_pid();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("clean");
	TCase *tc = suite_case(s, "clean", 60);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, same_server, 0, MIDDLES);
	tcase_add_test(tc, session_mode);
	tcase_add_test(tc, through_tls);
	tcase_add_test(tc, waiting_for_a_lock);
	tcase_add_test(tc, others_wait);
	tcase_add_test(tc, fire_and_forget);
	tcase_add_test(tc, terminate_has_a_bound);
	tcase_add_test(tc, half_a_message);
	tcase_add_test(tc, deaf_to_cancels);
	tcase_add_test(tc, copy_behind_its_sync);
	tcase_add_test(tc, at_random);
	return suite_run(s, SUITE_PG);
}
