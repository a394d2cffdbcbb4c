/*
 * 62_prepare_shape_test.c - who has once been told what a statement's rows are
 * like gets such rows, or PostgreSQL's refusal, from whichever backend.
 */
#include "t/system/prepare.h"

#define STALE "cached plan must not change result type"

static void
drop_and_create(struct wire *w, const char *column, const char *value)
{
	wire_query(w,
	    text("DROP TABLE IF EXISTS shaped; CREATE TABLE shaped (a %s); "
		 "INSERT INTO shaped VALUES (%s)",
		column, value));
	wire_expect(w, "CCCZ");
}

/* Bind and Execute, rows in binary, nothing described, in one write. */
static size_t
make_blind(char *m, size_t room, const char *name)
{
	size_t n = wire_make(m, room, 'B', "sshhhh", "", name, 0, 0, 1, 1);

	return n + wire_make(m + n, room - n, 'E', "si", "", 0);
}

static void
blind(struct wire *w, const char *name)
{
	char m[512];
	size_t n = make_blind(m, sizeof(m), name);

	n += wire_make(m + n, sizeof(m) - n, 'S', "");
	wire_send(w, m, n);
}

static void
expect_row(struct wire *w, const void *value, size_t len)
{
	wire_expect(w, "2D");
	ck_assert_uint_eq(w->len, 2 + 4 + len);
	ck_assert_mem_eq(w->body + 6, value, len);
	wire_expect(w, "C");
}

static void
expect_blind(struct wire *w, const char *name, const void *value, size_t len)
{
	blind(w, name);
	expect_row(w, value, len);
	wire_expect(w, "Z");
	ck_assert_int_eq(*w->body, 'I');
}

static void
expect_int(struct wire *w, const char *name, char value)
{
	const char bytes[4] = { 0, 0, 0, value };

	expect_blind(w, name, bytes, sizeof(bytes));
}

/* As PostgreSQL says it, so that drivers act on it. */
static void
expect_stale(struct wire *w, char status)
{
	expect_error(w, "", "0A000", STALE);
	ck_assert_str_eq(wire_field(w, 'R'), "RevalidateCachedQuery");
	wire_expect(w, "Z");
	ck_assert_int_eq(*w->body, status);
}

static void
describe_all(struct wire *w, const char *name, const char *types)
{
	describe(w, name);
	sync_it(w);
	wire_expect(w, types);
	wire_expect(w, "Z");
}

/* Who is not the holder. */
static struct wire *
other_of(const struct two *t)
{
	return t->holder == t->other[0] ? t->other[1] : t->other[0];
}

/* How a client is told: by its statement, or by its first portal. */
static void
tell(struct wire *w, const char *name, const char *query, bool by_portal)
{
	if (!by_portal) {
		prepare(w, name, query);
		describe_all(w, name, "tT");
		return;
	}
	parse(w, name, query);
	run_at_once(w, name);
	wire_expect(w, "12TDCZ");
}

/* Told on one backend; a type changes; the other has not got it yet. */
static void
change(bool by_portal)
{
	struct two t = two_new("");
	struct wire *w = t.w;

	drop_and_create(t.other[0], "int", "1");
	tell(w, "a", "SELECT a FROM shaped", by_portal);
	expect_int(w, "a", 1);
	hold(&t);
	command(
	    other_of(&t), "ALTER TABLE shaped ALTER a TYPE text USING 'xyz'");
	for (int i = 0; i < 3; i++) {
		blind(w, "a");
		expect_stale(w, 'I');
	}
	/* as drivers do then */
	close_it(w, "a");
	sync_it(w);
	wire_expect(w, "3Z");
	tell(w, "a", "SELECT a FROM shaped", by_portal);
	expect_blind(w, "a", "xyz", 3);
	/* where it has the old one, too */
	let_go(&t);
	hold(&t);
	expect_blind(w, "a", "xyz", 3);
	let_go(&t);
	expect_blind(w, "a", "xyz", 3);
	two_free(&t);
}

START_TEST(told_by_statement)
{
	change(false);
}
END_TEST

START_TEST(told_by_portal)
{
	change(true);
}
END_TEST

/* The transaction has failed, as with any error. */
START_TEST(in_a_transaction)
{
	struct two t = two_new("");
	struct wire *w = t.w;

	drop_and_create(t.other[0], "int", "1");
	tell(w, "a", "SELECT a FROM shaped", false);
	hold(&t);
	command(other_of(&t), "ALTER TABLE shaped ALTER a TYPE bigint");
	command(w, "BEGIN");
	expect_answer(w, "SELECT 'in it'", "in it");
	blind(w, "a");
	expect_stale(w, 'E');
	blind(w, "a");
	expect_error(w, "", "25P02", NULL);
	wire_expect(w, "Z");
	command(w, "ROLLBACK");
	/* a statement that can be run in a failed one */
	prepare(w, "back", "ROLLBACK");
	describe_all(w, "back", "tn");
	let_go(&t);
	hold(&t);
	wire_query(w, "BEGIN");
	wire_query(w, "SELECT 1/0");
	run(w, "back", NULL);
	sync_it(w);
	wire_expect(w, "CZ");
	expect_refusal(w, "", "22012", NULL);
	wire_expect(w, "2CZ");
	ck_assert_int_eq(*w->body, 'I');
	let_go(&t);
	two_free(&t);
}
END_TEST

/* In a batch, and batches behind batches, all sent at once. */
START_TEST(pipelined)
{
	struct two t = two_new("");
	struct wire *w = t.w;
	char m[4096];
	size_t n = 0;

	drop_and_create(t.other[0], "int", "1");
	prepare(w, "good", "SELECT 'good'");
	describe_all(w, "good", "tT");
	tell(w, "a", "SELECT a FROM shaped", false);
	hold(&t);
	command(other_of(&t), "ALTER TABLE shaped ALTER a TYPE text");
	for (int i = 0; i < 3; i++) {
		n += make_blind(m + n, sizeof(m) - n, "good");
		n += make_blind(m + n, sizeof(m) - n, "a");
		n += make_blind(m + n, sizeof(m) - n, "good");
		n += wire_make(m + n, sizeof(m) - n, 'S', "");
		n += make_blind(m + n, sizeof(m) - n, "good");
		n += wire_make(m + n, sizeof(m) - n, 'S', "");
	}
	wire_send(w, m, n);
	for (int i = 0; i < 3; i++) {
		expect_row(w, "good", 4);
		expect_stale(w, 'I');
		expect_row(w, "good", 4);
		wire_expect(w, "Z");
	}
	/* told anew in the batch that uses it */
	n = wire_make(m, sizeof(m), 'C', "bs", 'S', "a");
	n += wire_make(
	    m + n, sizeof(m) - n, 'P', "ssh", "a", "SELECT a FROM shaped", 0);
	n += wire_make(m + n, sizeof(m) - n, 'D', "bs", 'S', "a");
	n += make_blind(m + n, sizeof(m) - n, "a");
	n += make_blind(m + n, sizeof(m) - n, "good");
	n += wire_make(m + n, sizeof(m) - n, 'S', "");
	wire_send(w, m, n);
	wire_expect(w, "31tT");
	expect_row(w, "1", 1);
	expect_row(w, "good", 4);
	wire_expect(w, "Z");
	expect_blind(w, "a", "1", 1);
	let_go(&t);
	two_free(&t);
}
END_TEST

/* Another table, the same columns: nobody notices. */
START_TEST(the_same_shape)
{
	struct two t = two_new("");
	struct wire *w = t.w;

	for (int by_portal = 0; by_portal < 2; by_portal++) {
		const char *name = by_portal ? "p" : "s";

		drop_and_create(t.other[0], "int", "1");
		tell(w, name, text("SELECT a AS %s FROM shaped", name),
		    by_portal);
		hold(&t);
		drop_and_create(other_of(&t), "int", "2");
		expect_int(w, name, 2);
		let_go(&t);
		hold(&t);
		expect_int(w, name, 2);
		drop_and_create(other_of(&t), "int", "3");
		expect_int(w, name, 3);
		let_go(&t);
		expect_int(w, name, 3);
	}
	two_free(&t);
}
END_TEST

/* Asked once for each backend: then it is known. */
static void
asked_once_with(const char *setting)
{
	static const char when[] = "SELECT string_agg(prepare_time::text, ' ') "
				   "FROM pg_prepared_statements";
	struct two t = two_new(setting);
	struct wire *w = t.w, *o;
	char first[200];

	drop_and_create(t.other[0], "int", "1");
	tell(w, "a", "SELECT a FROM shaped", false);
	hold(&t);
	expect_int(w, "a", 1);
	wire_query(w, when);
	wire_expect(w, "TD");
	snprintf(first, sizeof(first), "%s", wire_value(w));
	ck_assert_str_ne(first, "");
	wire_expect(w, "CZ");
	for (int i = 0; i < 3; i++) {
		expect_int(w, "a", 1);
		/* and for whoever else was told the same */
		o = other_of(&t);
		if (i == 0)
			prepare(o, "b", "SELECT a FROM shaped");
		if (i == 0)
			describe_all(o, "b", "tT");
		expect_int(o, "b", 1);
		expect_answer(w, when, first);
	}
	let_go(&t);
	two_free(&t);
}

START_TEST(asked_once)
{
	asked_once_with("");
	/* settings go ahead of whatever it says */
	asked_once_with("session_state = strict");
}
END_TEST

/* The rows are the same; what is to be bound is not. */
START_TEST(parameters)
{
	struct two t = two_new("");
	struct wire *w = t.w;

	drop_and_create(t.other[0], "int", "1");
	prepare(w, "a", "SELECT 'yes' FROM shaped WHERE a = $1");
	describe_all(w, "a", "tT");
	expect_run(w, "a", "1", "yes");
	hold(&t);
	expect_run(w, "a", "1", "yes");
	command(other_of(&t), "ALTER TABLE shaped ALTER a TYPE text");
	/* which has it must get it anew */
	command(other_of(&t), "DEALLOCATE ALL");
	run(w, "a", "1");
	sync_it(w);
	expect_stale(w, 'I');
	let_go(&t);
	two_free(&t);
}
END_TEST

/* Who asks with each batch gets what is; who never asks, too. */
START_TEST(not_concerned)
{
	struct two t = two_new("");
	struct wire *w = t.w;

	drop_and_create(t.other[0], "int", "1");
	prepare(w, "never", "SELECT a FROM shaped");
	parse(w, "each", "SELECT a FROM shaped WHERE true");
	run_at_once(w, "each");
	wire_expect(w, "12TDCZ");
	expect_int(w, "never", 1);
	hold(&t);
	command(other_of(&t), "ALTER TABLE shaped ALTER a TYPE text USING 'x'");
	for (int i = 0; i < 2; i++) {
		run_at_once(w, "each");
		expect_value(w, "2T", "x");
		wire_expect(w, "Z");
		expect_blind(w, "never", "x", 1);
	}
	let_go(&t);
	two_free(&t);
}
END_TEST

/* A name with another statement was told nothing. */
START_TEST(another_statement)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *other = wire_to(p);

	for (int i = 0; i < 2; i++) {
		tell(w, "a", "SELECT 1::int4", i == 0);
		close_it(w, "a");
		parse(w, "a", "SELECT 'text'");
		sync_it(w);
		wire_expect(w, "31Z");
		expect_blind(w, "a", "text", 4);
		command(w, "DEALLOCATE a");
		/* what was skipped told nothing, either */
		parse(w, "", "SELECT nonsense");
		parse(w, "a", "SELECT 1::int4");
		describe(w, "a");
		run_at_once(w, "a");
		expect_refusal(w, "", "42703", NULL);
		prepare(w, "a", "SELECT 'again'");
		expect_blind(w, "a", "again", 5);
		command(w, "DEALLOCATE ALL");
	}
	/* portals that are not its own */
	prepare(w, "a", "SELECT 1::int4");
	prepare(w, "b", "SELECT 'b'");
	wire_put(w, 'B', "sshhh", "one", "a", 0, 0, 0);
	wire_put(w, 'B', "sshhh", "two", "b", 0, 0, 0);
	wire_put(w, 'D', "bs", 'P', "one");
	sync_it(w);
	wire_expect(w, "22TZ");
	expect_int(w, "a", 1);
	expect_blind(w, "b", "b", 1);
	prepare(other, "b", "SELECT 'b'");
	describe_all(other, "b", "tT");
	expect_blind(w, "b", "b", 1);
	wire_free(other);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* The same text means another table to another client, on one backend. */
START_TEST(search_paths)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *other = wire_to(p);

	wire_query(w,
	    "CREATE SCHEMA s1; CREATE TABLE s1.pathed AS SELECT 1 AS a;"
	    "CREATE SCHEMA s2; CREATE TABLE s2.pathed AS SELECT 'x' AS a");
	wire_expect(w, "CCCCZ");
	command(w, "SET search_path = s1");
	command(other, "SET search_path = s2");
	tell(w, "a", "SELECT a FROM pathed", false);
	prepare(other, "a", "SELECT a FROM pathed");
	for (int i = 0; i < 2; i++) {
		run_at_once(other, "a");
		expect_value(other, "2T", "x");
		wire_expect(other, "Z");
	}
	for (int i = 0; i < 3; i++) {
		expect_int(w, "a", 1);
		expect_blind(other, "a", "x", 1);
	}
	wire_query(w, "DROP SCHEMA s1, s2 CASCADE");
	wire_expect(w, "CZ");
	wire_free(w);
	wire_free(other);
	pooler_stop(p);
}
END_TEST

/* An answer that is larger than any buffer. */
START_TEST(many_columns)
{
	enum { COLUMNS = 1500, EACH = 80 };
	struct two t = two_new("");
	struct wire *w = t.w;
	size_t room = COLUMNS * EACH + 1000, n;
	char *query = malloc(room), *m = malloc(room);

	drop_and_create(t.other[0], "int", "1");
	n = (size_t)snprintf(query, room, "SELECT a");
	for (int i = 0; i < COLUMNS; i++)
		n += (size_t)snprintf(query + n, room - n,
		    ", NULL::int AS a_column_with_quite_a_long_name_%015d", i);
	snprintf(query + n, room - n, " FROM shaped");
	wire_send(w, m, wire_make(m, room, 'P', "ssh", "wide", query, 0));
	describe(w, "wide");
	sync_it(w);
	wire_expect(w, "1tTZ");
	hold(&t);
	for (int i = 0; i < 3; i++) {
		blind(w, "wide");
		wire_expect(w, "2DCZ");
	}
	let_go(&t);
	hold(&t);
	command(other_of(&t), "ALTER TABLE shaped ALTER a TYPE bigint");
	command(other_of(&t), "DEALLOCATE ALL");
	blind(w, "wide");
	expect_stale(w, 'I');
	let_go(&t);
	free(query);
	free(m);
	two_free(&t);
}
END_TEST

/* What we ask is refused: that is the answer to the client's Bind. */
START_TEST(table_is_gone)
{
	struct two t = two_new("");
	struct wire *w = t.w;

	drop_and_create(t.other[0], "int", "1");
	tell(w, "a", "SELECT a FROM shaped", false);
	hold(&t);
	command(other_of(&t), "DROP TABLE shaped");
	for (int i = 0; i < 2; i++) {
		blind(w, "a");
		expect_refusal(w, "", "42P01", NULL);
	}
	command(other_of(&t), "CREATE TABLE shaped AS SELECT 5 AS a");
	expect_int(w, "a", 5);
	let_go(&t);
	two_free(&t);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("prepare_shape");
	TCase *tc = suite_case(s, "prepare_shape", 60);

	tcase_add_test(tc, told_by_statement);
	tcase_add_test(tc, told_by_portal);
	tcase_add_test(tc, in_a_transaction);
	tcase_add_test(tc, pipelined);
	tcase_add_test(tc, the_same_shape);
	tcase_add_test(tc, asked_once);
	tcase_add_test(tc, parameters);
	tcase_add_test(tc, not_concerned);
	tcase_add_test(tc, another_statement);
	tcase_add_test(tc, search_paths);
	tcase_add_test(tc, many_columns);
	tcase_add_test(tc, table_is_gone);
	return suite_run(s, SUITE_PG);
}
