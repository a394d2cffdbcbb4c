/*
 * 28_clean_test.c - a client vanishes in the middle, and its server serves on:
 * what ran is cancelled, what was open is undone, nothing of the session is
 * left, and the next client has the same server process.  Where that cannot
 * be, the process is another one.
 */
#include <stdlib.h>

#include "t/system/vanish.h"

static void
set_up(void)
{
	serve_tls(false);
	start("default_pool_size = 1");
}

static void
tear_down(void)
{
	PQfinish(boss);
	pooler_stop(p);
}

/* --- what a client may be in the middle of ---------------------------------- */

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
	serve_tls(false);
	start("default_pool_size = 1\npool_mode = session");
	for (int i = 0; i < MIDDLES; i++)
		vanish_in(i);
	tear_down();
}
END_TEST

START_TEST(through_tls)
{
	serve_tls(true);
	start(
	    "default_pool_size = 1\nserver_tls_sslmode = require\nworkers = 1");
	for (int i = 0; i < MIDDLES; i++)
		vanish_in(i);
	ck_assert_int_eq(pg_backends(pg,
			     MINE " AND pid IN "
				  "(SELECT pid FROM pg_stat_ssl WHERE ssl)"),
	    1);
	serve_tls(false);
	tear_down();
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
	PGconn *c = pooler_conn(p, "");
	int64_t took_ms = INT64_MAX;

	/* the machine may stand still for a while, but not each time */
	for (int i = 0; i < 3 && took_ms > 2000; i++) {
		struct wire *w = client();

		in_query_of_transaction(w);
		sql_send(c, "SELECT 'served'");
		ck_assert(!sql_is_ready(c, 100));
		took_ms = now_ms();
		leave(w, CLOSE);
		ck_assert_str_eq(sql_get(c), "served");
		took_ms = now_ms() - took_ms;
	}
	ck_assert_int_le(took_ms, 2000);
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
	PGconn *console = pooler_console(p, "admin");

	in_query(w);
	leave(w, TERMINATE);
	/* it counts, though it is nobody's */
	UNTIL(2000,
	    pooler_show(console, "POOLS", "database", "app", "cl_active") == 0);
	ck_assert_int_eq(
	    pooler_show(console, "POOLS", "database", "app", "sv_active"), 1);
	PQfinish(console);
	is_quiet(9000);
	ck_assert_int_eq(next_pid(), pid);
}
END_TEST

/* --- what cannot be made clean --------------------------------------------------- */

START_TEST(half_a_message)
{
	static const enum manner hows[] = { CLOSE, RESET };
	/* too long to be held back until it is whole */
	static char buf[80 * 1024], sql[70 * 1024];

	snprintf(
	    sql, sizeof(sql), "INSERT INTO kept VALUES ('torn')%66000s", "");
	for (int i = 0; i < 2; i++) {
		int pid = next_pid();
		struct wire *w = client();
		size_t n = wire_make(buf, sizeof(buf), 'Q', "s", sql);

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

	serve_tls(false);
	start("default_pool_size = 1\ncancel_wait_timeout = 1");
	pid = next_pid();
	w = client();
	wire_query(w,
	    "DO $$ DECLARE till timestamp = clock_timestamp() + '30 s'; BEGIN "
	    "WHILE clock_timestamp() < till LOOP BEGIN PERFORM pg_sleep(9); "
	    "EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$");
	/* asleep and not only active: before that a cancel finds no handler */
	UNTIL(5000, pg_backends(pg, MINE " AND wait_event = 'PgSleep'") == 1);
	leave(w, CLOSE);
	UNTIL(5000, file_has(p->log, "in use: not clean in time"));
	ck_assert_int_ne(next_pid(), pid);
	tear_down();
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
	ck_assert_int_eq(
	    file_count(p->log, "its conversation is in doubt"), MANNERS);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("clean");
	TCase *tc = suite_case(s, "clean", 60);
	TCase *own = suite_case(s, "settings of its own", 60);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, same_server, 0, MIDDLES);
	tcase_add_test(own, session_mode);
	tcase_add_test(own, through_tls);
	tcase_add_test(tc, waiting_for_a_lock);
	tcase_add_test(tc, others_wait);
	tcase_add_test(tc, fire_and_forget);
	tcase_add_test(tc, terminate_has_a_bound);
	tcase_add_test(tc, half_a_message);
	tcase_add_test(own, deaf_to_cancels);
	tcase_add_test(tc, copy_behind_its_sync);
	return suite_run(s, SUITE_PG);
}
