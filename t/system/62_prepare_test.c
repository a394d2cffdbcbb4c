/*
 * 62_prepare_test.c - prepared statements of the protocol in transaction
 * mode: whatever a client does, it sees what PostgreSQL itself would answer,
 * whichever backend it has.
 */
#include <signal.h>

#include "t/system/prepare.h"

/* --- names and backends --------------------------------------------------------- */

/* Prepared once, used on both backends. */
START_TEST(follows_its_client)
{
	struct two t = two_new("");

	parse(t.w, "a", "SELECT pg_backend_pid()::text, $1::text");
	describe(t.w, "a");
	sync_it(t.w);
	wire_expect(t.w, "1tTZ");
	for (int i = 0; i < 2; i++) {
		hold(&t);
		run(t.w, "a", "y");
		sync_it(t.w);
		wire_expect(t.w, "2D");
		ck_assert_str_ne(wire_value(t.w), t.pid);
		wire_expect(t.w, "CZ");
		describe(t.w, "a");
		sync_it(t.w);
		wire_expect(t.w, "tTZ");
		let_go(&t);
	}
	two_free(&t);
}
END_TEST

/* Two clients, one name, two statements; one statement, two names. */
START_TEST(each_has_its_own_names)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *a = wire_to(p), *b = wire_to(p);
	PGconn *console;

	prepare(a, "s", "SELECT 'of a ' || $1::text");
	parse(b, "s", "SELECT 'of b ' || $1::text");
	parse(b, "t", "SELECT 'of a ' || $1::text");
	sync_it(b);
	wire_expect(b, "11Z");
	for (int i = 0; i < 3; i++) {
		expect_run(a, "s", "x", "of a x");
		run(b, "s", "y");
		run(b, "t", "z");
		sync_it(b);
		expect_value(b, "2", "of b y");
		expect_value(b, "2", "of a z");
		wire_expect(b, "Z");
	}
	console = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_show(console, "SERVERS", "database", "app",
			     "prepared_statements"),
	    2);
	/* the server has them under names that tell nothing */
	expect_answer(a,
	    "SELECT count(*) FROM pg_prepared_statements "
	    "WHERE name !~ '^pooler_[0-9a-f]{32}$'",
	    "0");
	PQfinish(console);
	wire_free(a);
	wire_free(b);
	pooler_stop(p);
}
END_TEST

START_TEST(taken_name)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);
	static const char said[] = "prepared statement \"mine\" already exists";

	prepare(w, "mine", "SELECT $1::text");
	for (int i = 0; i < 2; i++) {
		/* the same text, and another; the batch is skipped */
		parse(w, "mine", i == 0 ? "SELECT $1::text" : "SELECT 2");
		run(w, "mine", "x");
		sync_it(w);
		expect_refusal(w, "", "42P05", said);
		ck_assert_int_eq(w->body[0], 'I');
		expect_run(w, "mine", "still", "still");
	}
	/* in one batch, in a transaction */
	command(w, "BEGIN");
	parse(w, "new", "SELECT 1");
	parse(w, "new", "SELECT 1");
	sync_it(w);
	expect_refusal(
	    w, "1", "42P05", "prepared statement \"new\" already exists");
	ck_assert_int_eq(w->body[0], 'E');
	command(w, "ROLLBACK");
	expect_run(w, "new", NULL, "1");
	/* a syntax error comes before the name, as in PostgreSQL */
	parse(w, "mine", "SELEC");
	sync_it(w);
	expect_refusal(w, "", "42601", NULL);
	/* and once it is closed it is free */
	close_it(w, "mine");
	parse(w, "mine", "SELECT 'now this'");
	run(w, "mine", NULL);
	sync_it(w);
	expect_value(w, "312", "now this");
	wire_expect(w, "Z");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

START_TEST(unknown_name)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);
	static const char said[] = "prepared statement \"none\" does not exist";

	for (int i = 0; i < 2; i++) {
		expect_unknown(w, "none", said);
		describe(w, "none");
		sync_it(w);
		expect_refusal(w, "", "26000", said);
		close_it(w, "none");
		sync_it(w);
		wire_expect(w, "3Z");
		parse(w, "other", "SELECT 1");
		sync_it(w);
		wire_expect(w, i == 0 ? "1Z" : "EZ");
	}
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* A name is what PostgreSQL makes of it: 63 bytes. */
START_TEST(long_names)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);
	char name[3000];

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	prepare(w, name, "SELECT 'long'");
	name[70] = '\0';
	expect_run(w, name, NULL, "long");
	name[62] = '\0';
	expect_unknown(w, name, NULL);
	/* nobody gets at a backend's own names */
	prepare(w, "q", "SELECT 1");
	wire_query(w, "SELECT name FROM pg_prepared_statements LIMIT 1");
	wire_expect(w, "TD");
	snprintf(name, sizeof(name), "%s", wire_value(w));
	wire_expect(w, "CZ");
	expect_unknown(w, name, NULL);
	close_it(w, name);
	run(w, "q", NULL);
	sync_it(w);
	expect_value(w, "32", "1");
	wire_expect(w, "Z");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* What failed is nowhere, and may come again. */
START_TEST(failed_parse)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *other = wire_to(p);

	sql_do(pooler_conn(p, ""), "DROP TABLE IF EXISTS prep_late");
	for (int i = 0; i < 3; i++) {
		parse(w, "late", "SELECT i::text FROM prep_late");
		run(w, "late", NULL);
		close_it(w, "late");
		sync_it(w);
		expect_refusal(w, "", "42P01", NULL);
		expect_unknown(w, "late", NULL);
		close_it(w, "late");
		sync_it(w);
		wire_expect(w, "3Z");
	}
	command(other, "CREATE TABLE prep_late AS SELECT 5 AS i");
	parse(w, "late", "SELECT i::text FROM prep_late");
	run(w, "late", NULL);
	sync_it(w);
	expect_value(w, "12", "5");
	wire_expect(w, "Z");
	command(other, "DROP TABLE prep_late");
	wire_free(w);
	wire_free(other);
	pooler_stop(p);
}
END_TEST

/* --- the statement without a name ------------------------------------------------------- */

static void
put_theirs(struct wire *w)
{
	prepare(w, "", "SELECT 'theirs'");
}

START_TEST(without_a_name)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *other = wire_to(p);

	prepare(w, "", "SELECT 'mine ' || $1::text");
	for (int i = 0; i < 3; i++) {
		put_theirs(other);
		describe(w, "");
		run(w, "", "x");
		sync_it(w);
		expect_value(w, "tT2", "mine x");
		wire_expect(w, "Z");
	}
	/* a simple query ends it, and nobody gets another's instead */
	put_theirs(other);
	wire_query(w, "");
	wire_expect(w, "IZ");
	put_theirs(other);
	expect_unknown(w, "", NULL);
	/* nor in a batch behind one that was skipped */
	put_theirs(other);
	parse(w, "", "SELECT nothing_like_it");
	parse(w, "", "SELECT 'skipped'");
	sync_it(w);
	run(w, "", NULL);
	sync_it(w);
	wire_expect(w, "EZ");
	expect_refusal(w, "", "26000", NULL);
	wire_free(w);
	wire_free(other);
	pooler_stop(p);
}
END_TEST

/* --- many ----------------------------------------------------------------- */

enum { CROWD = 40, ROUNDS = 60 };

/* Four workers, three backends, room for little: everybody gets his own. */
START_TEST(a_crowd)
{
	struct pooler *p = pooler_with("workers = 4\ndefault_pool_size = 3\n"
				       "max_prepared_statements = 10");
	struct wire *w[CROWD];

	for (int i = 0; i < CROWD; i++) {
		w[i] = wire_to(p);
		parse(w[i], "mine", text("SELECT 'mine %d'", i));
		parse(w[i], "shared", "SELECT 'all ' || $1::text");
		sync_it(w[i]);
	}
	for (int i = 0; i < CROWD; i++)
		wire_expect(w[i], "11Z");
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CROWD; i++) {
			if ((i + round) % 5 == 0)
				parse(w[i], "", text("SELECT 'one %d'", i));
			run(w[i], (i + round) % 5 == 0 ? "" : "mine", NULL);
			run(w[i], "shared", text("%d", i));
			sync_it(w[i]);
		}
		for (int i = 0; i < CROWD; i++) {
			if ((i + round) % 5 == 0)
				expect_value(w[i], "12", text("one %d", i));
			else
				expect_value(w[i], "2", text("mine %d", i));
			expect_value(w[i], "2", text("all %d", i));
			wire_expect(w[i], "Z");
		}
	}
	for (int i = 0; i < CROWD; i++)
		wire_free(w[i]);
	pooler_stop(p);
}
END_TEST

/* A worker dies with what it has sent: its backends do not come back. */
START_TEST(a_worker_dies)
{
	struct pooler *p = pooler_with("workers = 2\ndefault_pool_size = 2");
	PGconn *console = pooler_console(p, "admin");
	struct pooler_worker dead[4];
	int n;

	for (int round = 0; round < 4; round++) {
		struct wire *w[6];

		for (int i = 0; i < 6; i++) {
			w[i] = wire_to(p);
			parse(w[i], "a", text("SELECT 'r%d'", i % 3));
			wire_put(w[i], 'H', "");
		}
		n = pooler_look(console, dead, 4);
		kill(dead[round % n].pid, SIGKILL);
		for (int i = 0; i < 6; i++)
			wire_free(w[i]);
		PQfinish(console);
		console = pooler_console(p, "admin");
		for (int i = 0; i < 6; i++) {
			w[i] = wire_to(p);
			parse(w[i], "b", text("SELECT 'r%d'", i % 3));
			run(w[i], "b", NULL);
			sync_it(w[i]);
			expect_value(w[i], "12", text("r%d", i % 3));
			wire_expect(w[i], "Z");
			wire_free(w[i]);
		}
	}
	PQfinish(console);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("prepare");
	TCase *tc = suite_case(s, "prepare", 60);

	tcase_add_test(tc, follows_its_client);
	tcase_add_test(tc, each_has_its_own_names);
	tcase_add_test(tc, taken_name);
	tcase_add_test(tc, unknown_name);
	tcase_add_test(tc, long_names);
	tcase_add_test(tc, failed_parse);
	tcase_add_test(tc, without_a_name);
	tcase_add_test(tc, a_crowd);
	tcase_add_test(tc, a_worker_dies);
	return suite_run(s, SUITE_PG);
}
