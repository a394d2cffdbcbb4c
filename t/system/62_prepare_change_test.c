/*
 * 62_prepare_change_test.c - prepared statements when something changes under
 * them: the schema, what the server has, the settings.
 */
#include "t/system/prepare.h"

/* --- the server ---------------------------------------------------------------- */

/* What the server has dropped is there again; names are gone as there. */
START_TEST(dropped_at_once)
{
	static const char *const all[] = { "DISCARD ALL", "DEALLOCATE ALL" };
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *other = wire_to(p);

	for (int i = 0; i < 2; i++) {
		prepare(w, "a", "SELECT 'a'");
		prepare(other, "b", "SELECT 'a'");
		command(other, all[i]);
		expect_unknown(other, "b", NULL);
		expect_run(w, "a", NULL, "a");
		/* by the extended protocol, and all in one write */
		parse(w, "", all[i]);
		run(w, "", NULL);
		sync_it(w);
		wire_expect(w, "12CZ");
		wire_query(w, all[i]);
		parse(w, "a", "SELECT 'again'");
		run(w, "a", NULL);
		close_it(w, "a");
		sync_it(w);
		wire_expect(w, "CZ");
		expect_value(w, "12", "again");
		wire_expect(w, "3Z");
	}
	wire_free(w);
	wire_free(other);
	pooler_stop(p);
}
END_TEST

/* In SQL, as drivers do it; the statement stays for others. */
START_TEST(dropped_by_name)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *other = wire_to(p);

	prepare(other, "x", "SELECT 'kept'");
	for (int i = 0; i < 6; i++) {
		const char *how = text(
		    i < 4 ? "DEALLOCATE %s" : " deallocate PREPARE \"%s\" ; ",
		    "_a_1");

		parse(w, "_a_1", "SELECT 'kept'");
		if (i % 2 == 0) {
			sync_it(w);
			wire_query(w, how);
			wire_expect(w, "1ZCZ");
		} else {
			parse(w, "", how);
			run(w, "", NULL);
			sync_it(w);
			wire_expect(w, "112CZ");
		}
		expect_unknown(
		    w, "_a_1", "prepared statement \"_a_1\" does not exist");
		wire_query(w, how);
		expect_refusal(w, "", "26000", NULL);
		expect_run(other, "x", NULL, "kept");
	}
	/* in a failed transaction nothing is dropped */
	parse(w, "b", "SELECT 'b'");
	sync_it(w);
	wire_query(w, "BEGIN; SELECT 1/0");
	wire_query(w, "DEALLOCATE b");
	wire_query(w, "ROLLBACK");
	run(w, "b", NULL);
	sync_it(w);
	wire_expect(w, "1ZCEZEZCZ");
	expect_value(w, "2", "b");
	wire_expect(w, "Z");
	expect_answer(w,
	    "SELECT count(*) FROM pg_prepared_statements "
	    "WHERE name = 'pooler_nothing'",
	    "0");
	wire_free(w);
	wire_free(other);
	pooler_stop(p);
}
END_TEST

/* A function drops them, and nobody is told.  Neither is the client. */
START_TEST(dropped_behind_us)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *other = wire_to(p);

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++) {
			close_it(w, text("a%d", i));
			parse(w, text("a%d", i), text("SELECT 'a%d'", i));
			sync_it(w);
			wire_expect(w, "31Z");
		}
		command(other, "DO $$ BEGIN DEALLOCATE ALL; END $$");
		if (round == 0) {
			/* what asks for its answers piece by piece is told */
			run(w, "a0", NULL);
			wire_put(w, 'H', "");
			sync_it(w);
			expect_refusal(w, "", "26000",
			    "prepared statement \"a0\" does not exist");
		} else {
			/* what we ourselves had to send ahead is gone by then */
			wire_query(w, "SELECT 1");
			wire_expect(w, "TDCZ");
		}
		/* once is enough for all of them */
		for (int i = 0; i < 3; i++) {
			run_at_once(w, text("a%d", i));
			expect_value(w, "2T", text("a%d", i));
			wire_expect(w, "Z");
		}
	}
	wire_free(w);
	wire_free(other);
	pooler_stop(p);
}
END_TEST

/*
 * What is sent behind a batch that is run again waits for it, and comes in
 * order.  Was it run again?  Not if the server was so slow that more was under
 * way by then; that is told, and as much in order.
 */
static bool
is_rerun_before(struct wire *w, struct wire *ddl, int i)
{
	bool is_rerun;

	command(ddl,
	    text("ALTER TABLE prep_ddl ALTER a TYPE %s USING 7",
		i % 2 == 0 ? "int" : "text"));
	run_at_once(w, "a");
	nap();
	wire_query(w, "SELECT 'behind'");
	parse(w, "", "SELECT 'and more'");
	run(w, "", NULL);
	sync_it(w);
	is_rerun = wire_recv(w, WIRE_MS) == '2';
	if (is_rerun)
		expect_value(w, "T", "7");
	else
		ck_assert_str_eq(wire_field(w, 'C'), "0A000");
	wire_expect(w, "Z");
	expect_value(w, "T", "behind");
	wire_expect(w, "Z");
	expect_value(w, "12", "and more");
	wire_expect(w, "Z");
	return is_rerun;
}

/* Run again unnoticed; told, once, where a transaction is open. */
static void
change_plan(bool in_transaction, bool is_set)
{
	struct two t = two_new("");
	struct wire *ddl = wire_open("127.0.0.1", pg->port), *w = t.w;

	/* what passes by us is known before anybody is told */
	wire_login(ddl, "app", "app");

	wire_query(ddl,
	    "DROP TABLE IF EXISTS prep_ddl; "
	    "CREATE TABLE prep_ddl AS SELECT 1 AS a");
	while (wire_recv(ddl, WIRE_MS) != 'Z')
		;
	parse(w, "a", "SELECT * FROM prep_ddl");
	run(w, "a", NULL);
	sync_it(w);
	expect_value(w, "12", "1");
	wire_expect(w, "Z");
	hold(&t);
	expect_run(w, "a", NULL, "1");
	let_go(&t);
	command(ddl, "ALTER TABLE prep_ddl ALTER a TYPE text USING 'x'");
	/* then it goes ahead of the batch, wherever others were before */
	if (is_set) {
		command(w, "SET work_mem = '9MB'");
		hold(&t);
		let_go(&t);
	}
	if (in_transaction) {
		command(w, "BEGIN");
		run_at_once(w, "a");
		expect_refusal(w, "", "0A000", NULL);
		command(w, "ROLLBACK");
	}
	for (int i = 0; i < 2; i++) {
		run_at_once(w, "a");
		expect_value(w, "2T", "x");
		wire_expect(w, "Z");
		if (i == 0)
			hold(&t);
	}
	let_go(&t);
	for (int i = 0; !is_rerun_before(w, ddl, i); i++)
		ck_assert_int_lt(i, 20);
	command(ddl, "DROP TABLE prep_ddl");
	wire_free(ddl);
	two_free(&t);
}

START_TEST(plan_does_not_fit)
{
	change_plan(false, false);
	change_plan(false, true);
}
END_TEST

START_TEST(plan_in_transaction)
{
	change_plan(true, false);
}
END_TEST

/* Who does not ask what the rows are like would misread them: is told. */
START_TEST(plan_undescribed)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);
	char m[256];
	size_t n;

	command(w, "CREATE TABLE prep_ddl (a int)");
	parse(w, "a", "SELECT a FROM prep_ddl");
	describe(w, "a");
	sync_it(w);
	wire_expect(w, "1tTZ");
	command(w, "ALTER TABLE prep_ddl ALTER a TYPE text");
	n = wire_make(m, sizeof(m), 'B', "sshhh", "", "a", 0, 0, 0);
	n += wire_make(m + n, sizeof(m) - n, 'E', "si", "", 0);
	n += wire_make(m + n, sizeof(m) - n, 'S', "");
	wire_send(w, m, n);
	expect_refusal(w, "", "0A000", NULL);
	command(w, "DROP TABLE prep_ddl");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/*
 * What is altered by way of us is prepared anew for all: _i, at once or at the
 * end of a transaction, by another user.  Who has parsed the same text as
 * things are now does not meet what a backend has of it.
 */
START_TEST(altered_by_us)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *first = wire_to(p);
	struct wire *ddl = wire_open("127.0.0.1", p->port);
	char m[256];
	size_t n;

	pg_ask(pg, "GRANT app TO app2");
	wire_login(ddl, "app2", "app");
	command(first, "CREATE TABLE prep_ddl (a int)");
	parse(first, "a", "SELECT a FROM prep_ddl");
	describe(first, "a");
	sync_it(first);
	wire_expect(first, "1tTZ");
	if (_i == 1)
		command(ddl, "BEGIN");
	command(ddl, "ALTER TABLE prep_ddl ALTER a TYPE text");
	if (_i == 1)
		command(ddl, "COMMIT");
	n = wire_make(
	    m, sizeof(m), 'P', "ssh", "b", "SELECT a FROM prep_ddl", 0);
	n += wire_make(m + n, sizeof(m) - n, 'D', "bs", 'S', "b");
	n += wire_make(m + n, sizeof(m) - n, 'S', "");
	wire_send(w, m, n);
	wire_expect(w, "1tTZ");
	run_at_once(w, "b");
	wire_expect(w, "2TCZ");
	command(first, "DROP TABLE prep_ddl");
	wire_free(ddl);
	wire_free(first);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* --- COPY -------------------------------------------------------------------------- */

/* Statements named while the server sends, or reads, a COPY. */
START_TEST(around_copy)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);

	wire_query(w, "COPY (SELECT generate_series(1, 3)) TO STDOUT");
	parse(w, "c", "SELECT 'after'");
	sync_it(w);
	run(w, "c", NULL);
	sync_it(w);
	wire_expect(w, "HdddcCZ1Z");
	expect_value(w, "2", "after");
	wire_expect(w, "Z");
	wire_query(w,
	    "CREATE TEMP TABLE prep_copy (i int); "
	    "COPY prep_copy FROM STDIN");
	wire_expect(w, "CG");
	wire_put(w, 'd', "x", "1\n", (size_t)2);
	wire_put(w, 'c', "");
	run(w, "c", NULL);
	sync_it(w);
	wire_expect(w, "CZ");
	expect_value(w, "2", "after");
	wire_expect(w, "Z");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* --- settings ------------------------------------------------------------------------ */

START_TEST(switched_off_and_on)
{
	struct pooler *p = pooler_with("default_pool_size = 1\n"
				       "max_prepared_statements = 0");
	struct wire *w = wire_to(p), *other = wire_to(p);

	/* as it is, on the one backend */
	prepare(w, "a", "SELECT 'a'");
	expect_answer(w, "SELECT name FROM pg_prepared_statements", "a");
	close_it(w, "a");
	sync_it(w);
	wire_expect(w, "3Z");
	pooler_set(p, "max_prepared_statements = 5");
	pooler_reload(p);
	for (int i = 0; i < 10; i++) {
		parse(other, text("n%d", i), text("SELECT 'n%d'", i));
		run(other, text("n%d", i), NULL);
		sync_it(other);
		expect_value(other, "12", text("n%d", i));
		wire_expect(other, "Z");
	}
	expect_answer(w,
	    "SELECT count(*), max(name) ~ '^pooler_' "
	    "FROM pg_prepared_statements",
	    "5");
	pooler_set(p, "max_prepared_statements = 2");
	pooler_reload(p);
	for (int i = 0; i < 20; i++) {
		expect_run(
		    other, text("n%d", i % 10), NULL, text("n%d", i % 10));
	}
	expect_answer(w, "SELECT count(*) FROM pg_prepared_statements", "2");
	/* who has some keeps them */
	pooler_set(p, "max_prepared_statements = 0");
	pooler_reload(p);
	expect_run(other, "n3", NULL, "n3");
	wire_free(w);
	wire_free(other);
	pooler_stop(p);
}
END_TEST

/* Session mode: everything passes as it is. */
START_TEST(session_mode)
{
	struct pooler *p = pooler_with("pool_mode = session");
	struct wire *w = wire_to(p);

	parse(w, "a", "SELECT name FROM pg_prepared_statements");
	run(w, "a", NULL);
	sync_it(w);
	expect_value(w, "12", "a");
	wire_expect(w, "Z");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

START_TEST(statement_mode)
{
	struct pooler *p = pooler_with("pool_mode = statement\n"
				       "default_pool_size = 1");
	struct wire *a = wire_to(p), *b = wire_to(p);

	prepare(a, "s", "SELECT 'a'");
	prepare(b, "s", "SELECT 'b'");
	expect_run(a, "s", NULL, "a");
	wire_free(a);
	wire_free(b);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("prepare_change");
	TCase *tc = suite_case(s, "prepare_change", 60);

	tcase_add_test(tc, dropped_at_once);
	tcase_add_test(tc, dropped_by_name);
	tcase_add_test(tc, dropped_behind_us);
	tcase_add_test(tc, plan_does_not_fit);
	tcase_add_test(tc, plan_in_transaction);
	tcase_add_test(tc, plan_undescribed);
	tcase_add_loop_test(tc, altered_by_us, 0, 2);
	tcase_add_test(tc, around_copy);
	tcase_add_test(tc, switched_off_and_on);
	tcase_add_test(tc, session_mode);
	tcase_add_test(tc, statement_mode);
	return suite_run(s, SUITE_PG);
}
