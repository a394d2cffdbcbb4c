/*
 * sql_test.c - texts and what their statements are told to be.
 *
 * A statement is written as KIND[.sub] "name" (arg) {body} +flag..., two of
 * them with a bar between.  The quick test must never contradict.
 */
#include "worker/proto/sql.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"
#include "t/unit/sql_rows.h"
#include "t/unit/sqlgen.h"

static const char *const kinds[] = { "PLAIN", "UNSURE", "TX", "SET", "RESET",
	"DISCARD", "PREPARE", "EXECUTE", "DEALLOCATE", "LISTEN", "UNLISTEN",
	"NOTIFY", "DECLARE", "CLOSE", "LOAD", "DO", "CALL" };
static const char *const subs[] = { "", ".one", ".all", ".plans", ".sequences",
	".temp", ".begin", ".commit", ".rollback", ".savepoint", ".release",
	".rollback_to", ".prepare", ".commit_prepared", ".rollback_prepared",
	".value", ".default", ".current" };
static const char *const flags[] = { "local", "hold", "chain", "temp", "drop",
	"set_config", "lock", "unlock", "sequence", "session" };

/* What one statement is, where settings stand for the name. */
static size_t
render(const struct sql_stmt *s, char *to, size_t size)
{
	size_t n =
	    (size_t)snprintf(to, size, "%s%s", kinds[s->kind], subs[s->sub]);

	if (sql_setting(s, 0) != NULL)
		for (unsigned i = 0; sql_setting(s, i) != NULL; i++)
			n += (size_t)snprintf(
			    to + n, size - n, " \"%s\"", sql_setting(s, i));
	else if (s->name[0] != '\0')
		n += (size_t)snprintf(to + n, size - n, " \"%s\"", s->name);
	if (s->arg.p != NULL)
		n += (size_t)snprintf(
		    to + n, size - n, " (%.*s)", (int)s->arg.len, s->arg.p);
	if (s->body.p != NULL)
		n += (size_t)snprintf(
		    to + n, size - n, " {%.*s}", (int)s->body.len, s->body.p);
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (s->flags & 1u << i)
			n += (size_t)snprintf(
			    to + n, size - n, " +%s", flags[i]);
	return n;
}

static void
render_all(const char *text, size_t len, unsigned lex, char *to, size_t size)
{
	struct sql_walk w;
	struct sql_stmt s;
	size_t n = 0;

	memset(&s, 0xa5, sizeof(s));
	to[0] = '\0';
	sql_walk_init(&w, text, len, lex);
	while (sql_next(&w, &s)) {
		if (n > 0)
			n += (size_t)snprintf(to + n, size - n, " | ");
		n += render(&s, to + n, size - n);
		ck_assert_uint_lt(n, size);
	}
	ck_assert(!sql_next(&w, &s));
}

/* Is this what a plain text may be? */
static bool
is_nothing(const struct sql_stmt *s)
{
	bool is_simple_tx = s->kind == SQL_TX &&
	    (s->sub == SQL_TX_BEGIN || s->sub == SQL_TX_COMMIT ||
		s->sub == SQL_TX_ROLLBACK);

	return s->flags == 0 && (s->kind == SQL_PLAIN || is_simple_tx);
}

/* What cannot be told for certain has a lexer's reason, and no flags. */
static void
check_plain(const char *text, size_t len, unsigned lex)
{
	struct sql_walk w;
	struct sql_stmt s;
	int count = 0;

	if (!sql_is_plain(text, len))
		return;
	sql_walk_init(&w, text, len, lex);
	while (sql_next(&w, &s)) {
		if (!is_nothing(&s) && (s.kind != SQL_UNSURE || s.flags != 0))
			ck_abort_msg("not plain: %s", text);
		ck_assert_int_eq(++count, 1);
	}
}

START_TEST(test_told)
{
	size_t len = strlen(told[_i].text);
	char *exact = malloc(len > 0 ? len : 1), got[1024];

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, told[_i].text, len);
	render_all(exact, len, told[_i].lex, got, sizeof(got));
	if (strcmp(got, told[_i].want) != 0)
		ck_abort_msg(
		    "%s\n got %s\nwant %s", told[_i].text, got, told[_i].want);
	check_plain(exact, len, told[_i].lex);
	free(exact);
}
END_TEST

/* Where a name stands, so that another can be put there. */
START_TEST(test_where)
{
	const char *text = "EXPLAIN EXECUTE \"A b\" (1)";
	struct sql_walk w;
	struct sql_stmt s;

	sql_walk_init(&w, text, strlen(text), 0);
	ck_assert(sql_next(&w, &s));
	ck_assert_uint_eq(s.where.len, 5);
	ck_assert_ptr_eq(s.where.p, strchr(text, '"'));
	ck_assert_str_eq(s.name, "A b");
	text = " ; SET a . \"B\" = 1 ; x";
	sql_walk_init(&w, text, strlen(text), 0);
	ck_assert(sql_next(&w, &s));
	ck_assert_uint_eq(s.where.len, 7);
	ck_assert_ptr_eq(s.text.p, text + 3);
	ck_assert_uint_eq(s.text.len, strlen("SET a . \"B\" = 1"));
}
END_TEST

/* A name of the most parts that fit, and of one more. */
START_TEST(test_long_setting)
{
	char text[512] = "SET a", want[512];
	struct sql_walk w;
	struct sql_stmt s;

	for (int i = 0; i < 127; i++)
		strcat(text, ".b");
	snprintf(want, sizeof(want), "%s", text + 4);
	strcat(text, " = 1");
	sql_walk_init(&w, text, strlen(text), 0);
	ck_assert(sql_next(&w, &s));
	ck_assert_int_eq(s.kind, SQL_SET);
	ck_assert_str_eq(s.name, want);
	strcpy(text + strlen(text) - 4, ".b = 1");
	sql_walk_init(&w, text, strlen(text), 0);
	ck_assert(sql_next(&w, &s));
	ck_assert_int_eq(s.kind, SQL_UNSURE);
}
END_TEST

static const struct {
	const char *text;
	const char *want; /* name local value, each call */
} configs[] = {
	{ "SELECT set_config('A.b', 'c', false)", "a.b no 'c';" },
	{ "SELECT set_config('a'::text, 'c'::text, 't'::bool)", "a yes 'c';" },
	{ "SELECT set_config($$a$$,$1,$2)", "a ?;" },
	{ "SELECT set_config($1, E'x', True)", " yes E'x';" },
	{ "SELECT set_config('a' || 'b', 'c', 'OFF')", " no 'c';" },
	{ "SELECT set_config('a', f(1, 2), (false))", "a ?;" },
	{ "SELECT set_config('a', ('x'), false)", "a no;" },
	{ "SELECT set_config('a', current_setting('b'), not true)", "a ?;" },
	{ "SELECT set_config(setting_name => 'a', is_local => true, "
	  "new_value => 'c')",
	    " ?;" },
	{ "SELECT set_config('a', set_config('b', 'c', true), false)",
	    "a no;b yes 'c';" },
	{ "SELECT \"set_config\" ('a','b',false), "
	  "pg_catalog.set_config('c','d',"
	  "'no')",
	    "a no 'b';c no 'd';" },
	{ "SELECT set_config('a', 'b')", " ?;" },
	{ "SELECT set_config('a', 'b', true, 1)", " ?;" },
	{ "SELECT set_config(", "" },
	{ "SELECT set_config", "" },
	{ "SELECT set_config(U&'a', NULL, ARRAY[true,false][1])", " ?;" },
	{ "SELECT set_config()", " ?;" },
};

START_TEST(test_config)
{
	static const char *const local[] = { "no", "yes", "?" };
	const char *text = configs[_i].text, *pos = NULL;
	char got[256] = "";
	struct sql_config c;
	struct sql_walk w;
	struct sql_stmt s;
	size_t n = 0;

	sql_walk_init(&w, text, strlen(text), 0);
	ck_assert(sql_next(&w, &s));
	while (sql_config_next(&w, &s, &pos, &c))
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s %s%s%.*s;",
		    c.name, local[c.local], c.value.p != NULL ? " " : "",
		    (int)c.value.len, c.value.p != NULL ? c.value.p : "");
	if (strcmp(got, configs[_i].want) != 0 && s.kind != SQL_UNSURE)
		ck_abort_msg("%s\n got %s", text, got);
}
END_TEST

static const struct {
	const char *text;
	bool want;
} plain[] = {
	{ "", true },
	{ " \n;\t", true },
	{ "SELECT 1", true },
	{ "select abalance from pgbench_accounts where aid = 1;", true },
	{ "  UPDATE t SET a = 'x' WHERE b = $1 ; \n", true },
	{ "insert into t (a) values ($1) on conflict do nothing", true },
	{ "DELETE FROM t", true },
	{ "SELECT '2020-01-01'::timestamp", true },
	{ "SELECT x FROM t -- it's", true },
	{ "BEGIN", true },
	{ "beginfig", true }, /* a pair where its word has no room before it */
	{ "BEGIN;", true },
	{ "begin isolation level serializable", true },
	{ "COMMIT", true },
	{ "END;", true },
	{ "rollback ;", true },
	{ "WITH x AS (SELECT 1) SELECT * FROM x", true },
	{ "VALUES (1)", true },
	{ "FETCH 10 FROM c", true },
	{ "SELECT 1; SELECT 2", false },
	{ "SELECT ';'", false },
	{ "ROLLBACK TO a", false },
	{ "COMMIT AND CHAIN", false },
	{ "COMMIT PREPARED 'x'", false },
	{ "SET a = 1", false },
	{ "/* x */ SET a = 1", false },
	{ "(SELECT 1)", false },
	{ "SELECT set_config('a', 'b', false)", false },
	{ "SELECT SET_CONFIG('a', 'b', false)", false },
	{ "SELECT Pg_Advisory_Lock(1)", false },
	{ "SELECT currval('a')", false },
	{ "SELECT lastval()", false },
	{ "SELECT 1 INTO TEMP a", false },
	{ "SELECT 1 INTO TEMPORARY a", false },
	{ "SELECT * FROM pg_temp.a", false },
	{ "SELECT U&\"s\\0065t_config\"('a', 'b', false)", false },
	{ "SELECT dblink_connect('a')", false },
	{ "SELECT pg_create_logical_replication_slot('a', 'b', true)", false },
	{ "DISCARD ALL", false },
	{ "LISTEN a", false },
	{ "CLOSE a", false },
	{ "CREATE TEMP TABLE a (b int)", false },
	/* half a word, and nothing behind it to read */
	{ "sele", false },
	{ "rollb", false },
	{ "en", false },
};

START_TEST(test_plain)
{
	const char *text = plain[_i].text;
	size_t len = strlen(text);
	char *exact = malloc(len > 0 ? len : 1);

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, text, len);
	ck_assert_int_eq(sql_is_plain(exact, len), plain[_i].want);
	free(exact);
	ck_assert_int_eq(sql_is_plain(text, strlen(text) + 1), plain[_i].want);
	check_plain(text, strlen(text), 0);
}
END_TEST

START_TEST(test_plain_nul)
{
	ck_assert(!sql_is_plain("SELECT 1\0x", 10));
	ck_assert(sql_is_plain(NULL, 0));
}
END_TEST

/* The quick test beside the classifier, over texts of any pieces. */
START_TEST(test_plain_is_sound)
{
	static const unsigned lex[] = { 0, SQLLEX_BACKSLASH, SQLLEX_UNSAFE };
	char text[256];
	int plains = 0;

	srandom(11);
	for (int i = 0; i < 300000; i++) {
		size_t n = sqlgen(text, sizeof(text));

		plains += sql_is_plain(text, n);
		check_plain(text, n, lex[i % 3]);
	}
	/* it says so often enough to have been tested */
	ck_assert_int_gt(plains, 30000);
}
END_TEST

/* A MB in one token, in many, in many statements, in deep parentheses. */
START_TEST(test_large)
{
	static const char *const pieces[] = { "x", "1,", ";a", "(", "''", "/*",
		"-", "$a$", "end " };
	const size_t size = 1 << 20;
	char *text = malloc(size);
	size_t count;
	struct sql_walk w;
	struct sql_stmt s;

	ck_assert_ptr_nonnull(text);
	for (size_t k = 0; k < sizeof(pieces) / sizeof(*pieces); k++) {
		size_t len = strlen(pieces[k]);

		memcpy(text, "SELECT ", 7);
		for (size_t i = 7; i < size; i++)
			text[i] = pieces[k][(i - 7) % len];
		(void)sql_is_plain(text, size);
		sql_walk_init(&w, text, size, 0);
		for (count = 0; sql_next(&w, &s); count++)
			ck_assert_uint_le(s.text.len, size);
		ck_assert_uint_ge(count, 1);
		ck_assert(count == 1 || *pieces[k] == ';');
	}
	free(text);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof(*(table))))

int
main(void)
{
	Suite *s = suite_create("sql");
	TCase *tc = tcase_create("sql");

	tcase_set_timeout(tc, 20);
	tcase_add_loop_test(tc, test_told, 0, COUNT(told));
	tcase_add_test(tc, test_where);
	tcase_add_test(tc, test_long_setting);
	tcase_add_loop_test(tc, test_config, 0, COUNT(configs));
	tcase_add_loop_test(tc, test_plain, 0, COUNT(plain));
	tcase_add_test(tc, test_plain_nul);
	tcase_add_test(tc, test_plain_is_sound);
	tcase_add_test(tc, test_large);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
