/*
 * 62_raise_test.c - an error of ours that the server raises: the client keeps
 * its connection, and all else is as after any error.
 *
 * What is refused here are prepared statements beyond max_statement_memory.
 */
#include "t/system/prepare.h"

enum {
	MEMORY = 20000,
	PART = MEMORY / 2, /* more than one client may have, seen whole */
	MUCH = MEMORY + 1000,
	HUGE = 3 * 1000 * 1000
};

static struct pooler *
small_pooler(const char *more)
{
	return pooler_with(text("default_pool_size = 1\n"
				"max_statement_memory = %d\n%s",
	    MEMORY, more));
}

/* A text that takes more than there is. */
static char *
long_text(const char *head, size_t len)
{
	char *s = malloc(len + 1);

	memset(s, ' ', len);
	memcpy(s, head, strlen(head));
	s[len] = '\0';
	return s;
}

static void
parse_much(struct wire *w, const char *name, size_t len)
{
	char *query = long_text("SELECT 'much'", len), *m = malloc(len + 100);

	wire_send(w, m, wire_make(m, len + 100, 'P', "ssh", name, query, 0));
	free(m);
	free(query);
}

static void
query_much(struct wire *w, const char *query)
{
	size_t room = strlen(query) + 100;
	char *m = malloc(room);

	wire_send(w, m, wire_make(m, room, 'Q', "s", query));
	free(m);
}

/* The error and nothing of how it was made. */
static void
expect_refused(struct wire *w, const char *types)
{
	static const char hidden[] = "WsctdnFLRPpq";

	expect_error(w, types, "53200",
	    "too much memory is used by prepared statements");
	ck_assert_str_eq(wire_field(w, 'V'), "ERROR");
	for (const char *f = hidden; *f != '\0'; f++)
		ck_assert_ptr_null(wire_field(w, *f));
}

static void
expect_ready(struct wire *w, char status)
{
	wire_expect(w, "Z");
	ck_assert_int_eq(*w->body, status);
}

static void
expect_well(struct wire *w)
{
	run(w, "kept", "a");
	sync_it(w);
	expect_value(w, "2", "a");
	expect_ready(w, 'I');
}

static struct wire *
wire_with_kept(struct pooler *p)
{
	struct wire *w = wire_to(p);

	parse(w, "kept", "SELECT $1::text");
	sync_it(w);
	wire_expect(w, "1Z");
	expect_well(w);
	return w;
}

/* In the middle of a batch: what is before it has been answered, and is rolled
 * back; what is behind it is skipped. */
START_TEST(in_a_batch)
{
	struct pooler *p = small_pooler("");
	struct wire *w = wire_with_kept(p);
	static const size_t much[] = { PART, MUCH, HUGE };

	wire_query(w, "CREATE TABLE raised (a text)");
	wire_expect(w, "CZ");
	for (int i = 0; i < 3; i++) {
		parse(w, "", "INSERT INTO raised VALUES ('x')");
		run(w, "", NULL);
		run(w, "kept", "b");
		parse_much(w, "much", much[i]);
		run(w, "much", NULL);
		parse(w, "never", "SELECT 'never'");
		describe(w, "never");
		run(w, "kept", "c");
		wire_put(w, 'H', "");
		sync_it(w);
		/* and a batch of its own behind it */
		run(w, "kept", "d");
		sync_it(w);
		wire_expect(w, "12C");
		expect_value(w, "2", "b");
		expect_refused(w, "");
		expect_ready(w, 'I');
		expect_value(w, "2", "d");
		expect_ready(w, 'I');
	}
	wire_query(w, "SELECT count(*) FROM raised");
	expect_value(w, "T", "0");
	expect_ready(w, 'I');
	run(w, "much", NULL);
	sync_it(w);
	expect_error(w, "", "26000", NULL);
	expect_ready(w, 'I');
	run(w, "never", NULL);
	sync_it(w);
	expect_error(w, "", "26000", NULL);
	expect_ready(w, 'I');
	expect_well(w);
	wire_query(w, "DROP TABLE raised");
	wire_expect(w, "CZ");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* Told at once, before the Sync; then all is skipped up to that. */
START_TEST(before_sync)
{
	struct pooler *p = small_pooler("");
	struct wire *w = wire_with_kept(p);

	parse_much(w, "much", MUCH);
	expect_refused(w, "");
	ck_assert(wire_is_quiet(w, 50));
	/* skipped, the second refusal as well as what would be well */
	parse_much(w, "much", HUGE);
	run(w, "kept", "b");
	wire_query(w, "SELECT 'a query is skipped, too'");
	sync_it(w);
	expect_ready(w, 'I');
	expect_well(w);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

START_TEST(in_a_transaction)
{
	struct pooler *p = small_pooler("");
	struct wire *w = wire_with_kept(p);

	wire_query(w, "BEGIN");
	wire_expect(w, "CZ");
	parse_much(w, "much", MUCH);
	sync_it(w);
	expect_refused(w, "");
	expect_ready(w, 'E');
	/* the server cannot say it, and says what is */
	parse_much(w, "much", MUCH);
	sync_it(w);
	expect_error(w, "", "25P02", NULL);
	expect_ready(w, 'E');
	wire_query(w, "SELECT 1");
	expect_error(w, "", "25P02", NULL);
	expect_ready(w, 'E');
	wire_query(w, "ROLLBACK");
	wire_expect(w, "C");
	expect_ready(w, 'I');
	expect_well(w);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* A Query; its statement in SQL is as large. */
START_TEST(a_query)
{
	struct pooler *p = small_pooler("");
	struct wire *w = wire_with_kept(p), *bare = wire_to(p);
	char *query;

	for (int i = 0; i < 2; i++) {
		/* known for what it is when it is read, or by its length */
		query = i == 0 ? long_text("PREPARE much AS SELECT '", MUCH)
			       : long_text("PREPARE much AS SELECT 1", HUGE);
		if (i == 0)
			query[MUCH - 1] = '\'';
		query_much(w, query);
		expect_refused(w, "");
		expect_ready(w, 'I');
		wire_query(w, "BEGIN");
		query_much(w, query);
		wire_query(w, "ROLLBACK");
		wire_expect(w, "C");
		expect_ready(w, 'T');
		expect_refused(w, "");
		expect_ready(w, 'E');
		wire_expect(w, "C");
		expect_ready(w, 'I');
		expect_well(w);
		/* who has prepared nothing yet */
		query_much(bare, query);
		expect_refused(bare, "");
		expect_ready(bare, 'I');
		free(query);
	}
	wire_query(bare, "SELECT 'bare'");
	expect_value(bare, "T", "bare");
	expect_ready(bare, 'I');
	wire_free(bare);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* The block is run by a statement without a name: the client's is another. */
START_TEST(without_a_name)
{
	struct pooler *p = small_pooler("");
	struct wire *w = wire_with_kept(p);

	parse(w, "", "SELECT 'unnamed'");
	sync_it(w);
	wire_expect(w, "1Z");
	parse_much(w, "much", MUCH);
	sync_it(w);
	expect_refused(w, "");
	expect_ready(w, 'I');
	run(w, "", NULL);
	sync_it(w);
	expect_value(w, "2", "unnamed");
	expect_ready(w, 'I');
	/* in one and the same lease */
	parse(w, "back", "ROLLBACK TO SAVEPOINT a");
	sync_it(w);
	wire_query(w, "BEGIN; SAVEPOINT a");
	parse(w, "", "SELECT 'still'");
	sync_it(w);
	wire_expect(w, "1ZCCZ1Z");
	parse_much(w, "much", MUCH);
	sync_it(w);
	expect_refused(w, "");
	expect_ready(w, 'E');
	run(w, "back", NULL);
	run(w, "", NULL);
	sync_it(w);
	wire_expect(w, "2C");
	expect_value(w, "2", "still");
	expect_ready(w, 'T');
	wire_query(w, "COMMIT");
	wire_expect(w, "CZ");
	/* gone, as behind any Query that fails */
	wire_query(w, "SELECT 1/0");
	expect_error(w, "", "22012", NULL);
	expect_ready(w, 'I');
	run(w, "", NULL);
	sync_it(w);
	expect_error(w, "", "26000", NULL);
	expect_ready(w, 'I');
	wire_free(w);
	pooler_stop(p);
}
END_TEST

START_TEST(in_statement_mode)
{
	struct pooler *p = small_pooler("pool_mode = statement");
	struct wire *w = wire_with_kept(p);

	parse_much(w, "much", HUGE);
	run(w, "much", NULL);
	sync_it(w);
	expect_refused(w, "");
	expect_ready(w, 'I');
	expect_well(w);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* What the client's own blocks raise is told as it is. */
START_TEST(of_the_client)
{
	struct pooler *p = small_pooler("");
	struct wire *w = wire_with_kept(p);

	wire_query(w,
	    "DO $$BEGIN RAISE EXCEPTION USING ERRCODE = '53200',"
	    "MESSAGE = 'mine', SCHEMA = 'its'; END$$");
	expect_error(w, "", "53200", "mine");
	ck_assert_str_eq(wire_field(w, 's'), "its");
	ck_assert_ptr_nonnull(wire_field(w, 'W'));
	expect_ready(w, 'I');
	wire_free(w);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("raise");
	TCase *tc = suite_case(s, "raise", 60);

	tcase_add_test(tc, in_a_batch);
	tcase_add_test(tc, before_sync);
	tcase_add_test(tc, in_a_transaction);
	tcase_add_test(tc, a_query);
	tcase_add_test(tc, without_a_name);
	tcase_add_test(tc, in_statement_mode);
	tcase_add_test(tc, of_the_client);
	return suite_run(s, SUITE_PG);
}
