/*
 * 62_prepare_test.c - prepared statements of the protocol in transaction
 * mode: whatever a client does, it sees what PostgreSQL itself would answer,
 * whichever backend it has.
 */
#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

#define MB (1024 * 1024)

static struct wire *
wire_to(const struct pooler *p)
{
	struct wire *w = wire_open("127.0.0.1", p->port);

	wire_login(w, "app", "app");
	return w;
}

/* --- messages -------------------------------------------------------------- */

static void
parse(struct wire *w, const char *name, const char *query)
{
	wire_put(w, 'P', "ssh", name, query, 0);
}

/* Bind with one text parameter, or none (NULL), and Execute. */
static void
run(struct wire *w, const char *name, const char *param)
{
	if (param == NULL)
		wire_put(w, 'B', "sshhh", "", name, 0, 0, 0);
	else
		wire_put(w, 'B', "sshhixh", "", name, 0, 1,
		    (uint32_t)strlen(param), param, strlen(param), 0);
	wire_put(w, 'E', "si", "", 0);
}

static void
sync_it(struct wire *w)
{
	wire_put(w, 'S', "");
}

static void
close_it(struct wire *w, const char *name)
{
	wire_put(w, 'C', "bs", 'S', name);
}

static void
describe(struct wire *w, const char *name)
{
	wire_put(w, 'D', "bs", 'S', name);
}

/* A row with this value, and the end of the command. */
static void
expect_value(struct wire *w, const char *types, const char *value)
{
	wire_expect(w, types);
	wire_expect(w, "D");
	ck_assert_str_eq(wire_value(w), value);
	wire_expect(w, "C");
}

static void
expect_error(struct wire *w, const char *types, const char *sqlstate,
    const char *message)
{
	wire_expect(w, types);
	wire_expect(w, "E");
	ck_assert_str_eq(wire_field(w, 'C'), sqlstate);
	if (message != NULL)
		ck_assert_str_eq(wire_field(w, 'M'), message);
}

/* --- a pool of two, and who holds one of them -------------------------------- */

struct two {
	struct pooler *p;
	struct wire *w, *other[2], *holder;
	char pid[16]; /* of the backend that w had when it was asked last */
};

static void
ask_pid(struct wire *w, char pid[16])
{
	wire_query(w, "SELECT pg_backend_pid()");
	wire_expect(w, "TD");
	snprintf(pid, 16, "%s", wire_value(w));
	wire_expect(w, "CZ");
}

static struct two
two_new(const char *setting)
{
	struct two t = { .p = pooler_with(
			     text("default_pool_size = 2\n%s", setting)) };

	t.w = wire_to(t.p);
	t.other[0] = wire_to(t.p);
	t.other[1] = wire_to(t.p);
	return t;
}

/* The backend that w had is held: it gets the other one. */
static void
hold(struct two *t)
{
	char pids[2][16];
	int k;

	ask_pid(t->w, t->pid);
	for (int i = 0; i < 2; i++) {
		wire_query(t->other[i], "BEGIN");
		wire_expect(t->other[i], "CZ");
		ask_pid(t->other[i], pids[i]);
	}
	k = strcmp(pids[0], t->pid) == 0 ? 0 : 1;
	ck_assert_str_eq(pids[k], t->pid);
	t->holder = t->other[k];
	wire_query(t->other[1 - k], "COMMIT");
	wire_expect(t->other[1 - k], "CZ");
}

static void
let_go(struct two *t)
{
	wire_query(t->holder, "COMMIT");
	wire_expect(t->holder, "CZ");
}

static void
two_free(struct two *t)
{
	wire_free(t->w);
	wire_free(t->other[0]);
	wire_free(t->other[1]);
	pooler_stop(t->p);
}

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

	parse(a, "s", "SELECT 'of a ' || $1::text");
	sync_it(a);
	wire_expect(a, "1Z");
	parse(b, "s", "SELECT 'of b ' || $1::text");
	parse(b, "t", "SELECT 'of a ' || $1::text");
	sync_it(b);
	wire_expect(b, "11Z");
	for (int i = 0; i < 3; i++) {
		run(a, "s", "x");
		sync_it(a);
		expect_value(a, "2", "of a x");
		wire_expect(a, "Z");
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
	wire_query(a,
	    "SELECT count(*) FROM pg_prepared_statements "
	    "WHERE name !~ '^pooler_[0-9a-f]{32}$'");
	expect_value(a, "T", "0");
	wire_expect(a, "Z");
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

	parse(w, "mine", "SELECT $1::text");
	sync_it(w);
	wire_expect(w, "1Z");
	for (int i = 0; i < 2; i++) {
		/* the same text, and another; the batch is skipped */
		parse(w, "mine", i == 0 ? "SELECT $1::text" : "SELECT 2");
		run(w, "mine", "x");
		sync_it(w);
		expect_error(w, "", "42P05", said);
		wire_expect(w, "Z");
		ck_assert_int_eq(w->body[0], 'I');
		run(w, "mine", "still");
		sync_it(w);
		expect_value(w, "2", "still");
		wire_expect(w, "Z");
	}
	/* in one batch, in a transaction */
	wire_query(w, "BEGIN");
	wire_expect(w, "CZ");
	parse(w, "new", "SELECT 1");
	parse(w, "new", "SELECT 1");
	sync_it(w);
	expect_error(
	    w, "1", "42P05", "prepared statement \"new\" already exists");
	wire_expect(w, "Z");
	ck_assert_int_eq(w->body[0], 'E');
	wire_query(w, "ROLLBACK");
	wire_expect(w, "CZ");
	run(w, "new", NULL);
	sync_it(w);
	expect_value(w, "2", "1");
	wire_expect(w, "Z");
	/* a syntax error comes before the name, as in PostgreSQL */
	parse(w, "mine", "SELEC");
	sync_it(w);
	expect_error(w, "", "42601", NULL);
	wire_expect(w, "Z");
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
		run(w, "none", NULL);
		sync_it(w);
		expect_error(w, "", "26000", said);
		wire_expect(w, "Z");
		describe(w, "none");
		sync_it(w);
		expect_error(w, "", "26000", said);
		wire_expect(w, "Z");
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
	parse(w, name, "SELECT 'long'");
	sync_it(w);
	wire_expect(w, "1Z");
	name[70] = '\0';
	run(w, name, NULL);
	sync_it(w);
	expect_value(w, "2", "long");
	wire_expect(w, "Z");
	name[62] = '\0';
	run(w, name, NULL);
	sync_it(w);
	expect_error(w, "", "26000", NULL);
	wire_expect(w, "Z");
	/* nobody gets at a backend's own names */
	parse(w, "q", "SELECT 1");
	sync_it(w);
	wire_expect(w, "1Z");
	wire_query(w, "SELECT name FROM pg_prepared_statements LIMIT 1");
	wire_expect(w, "TD");
	snprintf(name, sizeof(name), "%s", wire_value(w));
	wire_expect(w, "CZ");
	run(w, name, NULL);
	sync_it(w);
	expect_error(w, "", "26000", NULL);
	wire_expect(w, "Z");
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
		expect_error(w, "", "42P01", NULL);
		wire_expect(w, "Z");
		run(w, "late", NULL);
		sync_it(w);
		expect_error(w, "", "26000", NULL);
		wire_expect(w, "Z");
		close_it(w, "late");
		sync_it(w);
		wire_expect(w, "3Z");
	}
	wire_query(other, "CREATE TABLE prep_late AS SELECT 5 AS i");
	wire_expect(other, "CZ");
	parse(w, "late", "SELECT i::text FROM prep_late");
	run(w, "late", NULL);
	sync_it(w);
	expect_value(w, "12", "5");
	wire_expect(w, "Z");
	wire_query(other, "DROP TABLE prep_late");
	wire_expect(other, "CZ");
	wire_free(w);
	wire_free(other);
	pooler_stop(p);
}
END_TEST

/* --- pipelines -------------------------------------------------------------------- */

enum { LONG = 3000 };

/* A name in each batch, every third of which fails before it. */
START_TEST(long_pipeline)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);

	for (int i = 0; i < LONG; i++) {
		if (i % 3 == 0)
			parse(w, "", "SELECT nothing_like_it");
		parse(w, text("n%d", i), text("SELECT 'v%d'", i % 50));
		run(w, text("n%d", i), NULL);
		sync_it(w);
		for (int k = i - i % 100; i % 100 == 99 && k <= i; k++) {
			if (k % 3 == 0) {
				wire_expect(w, "EZ");
				continue;
			}
			expect_value(w, "12", text("v%d", k % 50));
			wire_expect(w, "Z");
		}
	}
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* All at once, without reading; then each name is what it should be. */
START_TEST(deep_pipeline)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);
	int n = 1500;

	for (int i = 0; i < n; i++) {
		if (i % 7 == 0)
			parse(w, "", "SELEC");
		parse(w, text("n%d", i), text("SELECT 'v%d'", i % 10));
		sync_it(w);
	}
	for (int i = 0; i < n; i++)
		wire_expect(w, i % 7 == 0 ? "EZ" : "1Z");
	for (int i = 0; i < n; i++) {
		run(w, text("n%d", i), NULL);
		sync_it(w);
		if (i % 7 == 0)
			expect_error(w, "", "26000", NULL);
		else
			expect_value(w, "2", text("v%d", i % 10));
		wire_expect(w, "Z");
	}
	/* one batch, 3000 answers of our own */
	for (int i = 0; i < n; i++)
		if (i % 7 != 0)
			close_it(w, text("n%d", i));
	for (int i = 0; i < n; i++)
		parse(w, text("m%d", i), text("SELECT 'v%d'", i % 10));
	sync_it(w);
	for (int i = 0; i < n; i++)
		if (i % 7 != 0)
			wire_expect(w, "3");
	for (int i = 0; i < n; i++)
		wire_expect(w, "1");
	wire_expect(w, "Z");
	ck_assert(wire_is_quiet(w, 50));
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* More different statements under way than a backend's books have room for. */
START_TEST(more_than_fit)
{
	struct pooler *p = pooler_with("default_pool_size = 1\n"
				       "max_prepared_statements = 2");
	struct wire *w = wire_to(p);
	PGconn *console;
	int n = 1200;

	for (int i = 0; i < n; i++)
		parse(w, text("n%d", i), text("SELECT '%d'", i));
	run(w, "n0", NULL);
	sync_it(w);
	for (int i = 0; i < n; i++)
		wire_expect(w, "1");
	expect_value(w, "2", "0");
	wire_expect(w, "Z");
	for (int i = 0; i < n; i += 11) {
		run(w, text("n%d", i), NULL);
		sync_it(w);
		expect_value(w, "2", text("%d", i));
		wire_expect(w, "Z");
	}
	for (int i = 0; i < 1000; i++) {
		run(w, text("n%d", i % 3), NULL);
		sync_it(w);
		expect_value(w, "2", text("%d", i % 3));
		wire_expect(w, "Z");
	}
	/* it has shrunk again */
	console = pooler_console(p, "admin");
	ck_assert_int_le(pooler_show(console, "SERVERS", "database", "app",
			     "prepared_statements"),
	    2);
	ck_assert_int_eq(pooler_show(console, "CLIENTS", "database", "app",
			     "prepared_statements"),
	    n);
	wire_query(w, "SELECT count(*) <= 2 FROM pg_prepared_statements");
	expect_value(w, "T", "t");
	wire_expect(w, "Z");
	PQfinish(console);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* No Sync for a long time, each part answered at a Flush. */
START_TEST(flush_only)
{
	struct two t = two_new("max_prepared_statements = 2");

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 5; i++) {
			parse(t.w, text("f%d", i), text("SELECT '%d'", i));
			describe(t.w, text("f%d", i));
			wire_put(t.w, 'H', "");
			wire_expect(t.w, "1tT");
			/* known by now: answered without the server */
			parse(t.w, text("g%d", i), text("SELECT '%d'", i));
			wire_put(t.w, 'H', "");
			wire_expect(t.w, "1");
			run(t.w, text("g%d", i), NULL);
			wire_put(t.w, 'H', "");
			expect_value(t.w, "2", text("%d", i));
			close_it(t.w, text("f%d", i));
			close_it(t.w, text("g%d", i));
			wire_put(t.w, 'H', "");
			wire_expect(t.w, "33");
		}
		sync_it(t.w);
		wire_expect(t.w, "Z");
		if (round == 0)
			hold(&t);
	}
	let_go(&t);
	two_free(&t);
}
END_TEST

/* Parse sent, client gone before the Sync. */
START_TEST(gone_before_sync)
{
	struct pooler *p = pooler_with("default_pool_size = 1");

	for (int i = 0; i < 6; i++) {
		struct wire *w = wire_to(p), *next = wire_to(p);

		parse(w, "a", text("SELECT 'gone %d'", i / 2));
		if (i % 2 == 0)
			wire_put(w, 'H', "");
		wire_free(w);
		parse(next, "b", text("SELECT 'gone %d'", i / 2));
		run(next, "b", NULL);
		sync_it(next);
		expect_value(next, "12", text("gone %d", i / 2));
		wire_expect(next, "Z");
		wire_free(next);
	}
	pooler_stop(p);
}
END_TEST

/* --- the statement without a name ------------------------------------------------------- */

static void
put_theirs(struct wire *w)
{
	parse(w, "", "SELECT 'theirs'");
	sync_it(w);
	wire_expect(w, "1Z");
}

START_TEST(without_a_name)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *other = wire_to(p);

	parse(w, "", "SELECT 'mine ' || $1::text");
	sync_it(w);
	wire_expect(w, "1Z");
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
	run(w, "", NULL);
	sync_it(w);
	expect_error(w, "", "26000", NULL);
	wire_expect(w, "Z");
	/* nor in a batch behind one that was skipped */
	put_theirs(other);
	parse(w, "", "SELECT nothing_like_it");
	parse(w, "", "SELECT 'skipped'");
	sync_it(w);
	run(w, "", NULL);
	sync_it(w);
	wire_expect(w, "EZ");
	expect_error(w, "", "26000", NULL);
	wire_expect(w, "Z");
	wire_free(w);
	wire_free(other);
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
	tcase_add_test(tc, long_pipeline);
	tcase_add_test(tc, deep_pipeline);
	tcase_add_test(tc, more_than_fit);
	tcase_add_test(tc, flush_only);
	tcase_add_test(tc, gone_before_sync);
	tcase_add_test(tc, without_a_name);
	return suite_run(s, SUITE_PG);
}
