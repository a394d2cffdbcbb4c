/* sqlscript_test.c - what a text does to names, and what is written there. */
#include "worker/session/sqlscript.h"

#include <stdio.h>
#include <string.h>

#include "t/unit/shmtest.h"
#include "worker/proto/frame.h"
#include "worker/self.h"

enum { BATCH = 7 };

static struct conf conf;
static struct names names;
static struct sqlscript sc;
static struct stmt *one;
static char out[64 * 1024];
static size_t used;

static struct stmt *
intern(const char *query, const uint32_t *types, uint16_t n)
{
	uint8_t body[256], *p = body;

	strcpy((char *)p, query);
	p += strlen(query) + 1;
	frame_put16(p, n);
	p += 2;
	for (uint16_t i = 0; i < n; i++, p += 4)
		frame_put32(p, types[i]);
	return stmt_intern(body, (size_t)(p - body));
}

static struct name *
give(const char *name, struct stmt *s)
{
	struct name *e = names_make(&names, name, strlen(name));

	names_will(e, s, BATCH);
	names_did(&names, e, s);
	return e;
}

/* `one` is called "a", and nothing else is there. */
static void
begin(void)
{
	fresh_segment(2, 8, 4);
	conf.max_statement_memory = 1 << 20;
	self.conf = &conf;
	memset(&names, 0, sizeof(names));
	one = intern("SELECT 1", NULL, 0);
	give("a", one);
}

static void
end(void)
{
	sqlscript_drop(&sc);
	names_fini(&names);
	stmt_drop(one);
	ck_assert_uint_eq(stmt_memory(), 0);
	stmt_fini();
	segment_drop();
}

static enum sqlscript_is
read_it(const char *text)
{
	sqlscript_drop(&sc);
	return sqlscript_read(&sc, &names, BATCH, text, strlen(text), 0);
}

static void
take(void *arg, const void *p, size_t len)
{
	(void)arg;
	ck_assert_uint_lt(len, sizeof(out) - used);
	memcpy(out + used, p, len);
	used += len;
}

static const char *
edited(void)
{
	used = 0;
	sqledit_put(&sc.edit, take, NULL);
	out[used] = '\0';
	return out;
}

/* The kinds of the steps, a letter each; small: of an earlier step's. */
static const char *
kinds(const char *text)
{
	static char all[SQLEDIT_MAX + 1];
	enum sqlscript_is is = read_it(text);

	if (is != SQLSCRIPT_READY && is != SQLSCRIPT_PLAIN)
		return is == SQLSCRIPT_UNCERTAIN ? "uncertain" : "refused";
	for (uint32_t i = 0; i < sc.n; i++)
		all[i] = (sc.steps[i].is_here ? "eptdsoz"
					      : "EPTDSOZ")[sc.steps[i].kind];
	all[sc.n] = '\0';
	return all;
}

static const struct {
	const char *text, *kinds;
} texts[] = {
	{ "", "" },
	{ "SELECT 1", "" },
	{ "EXECUTE a", "E" },
	{ "EXECUTE b", "O" },
	{ "EXPLAIN EXECUTE a", "E" },
	{ "CREATE TABLE t AS EXECUTE a(1)", "E" },
	{ "DEALLOCATE a", "D" },
	{ "DEALLOCATE PREPARE a", "D" },
	{ "DEALLOCATE b", "O" },
	{ "DEALLOCATE ALL", "Z" },
	{ "DISCARD ALL", "Z" },
	{ "DISCARD PLANS", "" },
	{ "PREPARE b AS SELECT 1", "P" },
	{ "PREPARE a AS SELECT 2", "T" },
	{ "PREPARE A(int) AS SELECT 2", "T" },
	{ "PREPARE \"A\" (int) AS SELECT 2", "P" },
	{ "PREPARE b(mine) AS SELECT 2", "O" },
	{ "PREPARE pooler_x(mine) AS SELECT 2", "S" },
	{ "EXECUTE pooler_x", "S" },
	{ "PREPARE TRANSACTION 'a'", "" },
	{ "PREPARE b AS SELECT 2; EXECUTE b; EXECUTE a", "PeE" },
	{ "PREPARE b AS SELECT 2; PREPARE b AS SELECT 3", "Pt" },
	{ "PREPARE b AS SELECT 2; DEALLOCATE b; EXECUTE b", "PdO" },
	{ "DEALLOCATE a; EXECUTE a; PREPARE a AS SELECT 2; EXECUTE a", "DOPe" },
	{ "EXECUTE a; DEALLOCATE ALL; EXECUTE a", "EZO" },
	{ "DEALLOCATE ALL; PREPARE a AS SELECT 2; EXECUTE a", "ZPe" },
	{ "PREPARE b AS SELECT 2; DISCARD ALL; EXECUTE b", "PZO" },
	/* from here on the text may be read otherwise */
	{ "SET standard_conforming_strings = off; EXECUTE a", "E" },
	{ "SET standard_conforming_strings = off; EXECUTE a('\\')", "" },
	{ "SET work_mem = 1; EXECUTE a('\\')", "E" },
	{ "SET NAMES 'SJIS'; EXECUTE a('\303')", "" },
	{ "SELECT set_config($1, 'x', false); EXECUTE a('\\')", "" },
	{ "SELECT set_config('work_mem', '1', false); EXECUTE a('\\')", "E" },
	{ "RESET ALL; EXECUTE a('\\')", "E" },
	{ "RESET work_mem; EXECUTE a('\\')", "E" },
	{ "DISCARD ALL; EXECUTE a('\\')", "ZO" },
};

START_TEST(steps)
{
	begin();
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *k = kinds(texts[i].text);

		ck_assert_msg(
		    strcmp(k, texts[i].kinds) == 0, "%s: %s", texts[i].text, k);
	}
	end();
}
END_TEST

START_TEST(written)
{
	begin();
	ck_assert_int_eq(read_it(" EXECUTE /*x*/ A (1);"), SQLSCRIPT_READY);
	ck_assert_ptr_eq(sc.steps[0].stmt, one);
	ck_assert_str_eq(sc.steps[0].name, "a");
	snprintf(out + 2048, 1024, " EXECUTE /*x*/ \"%s\" (1);", one->name);
	ck_assert_str_eq(edited(), out + 2048);
	ck_assert_int_eq(read_it("EXECUTE pooler_x"), SQLSCRIPT_READY);
	ck_assert_str_eq(edited(), "EXECUTE \"Pooler_x\"");
	ck_assert_int_eq(read_it("EXECUTE b"), SQLSCRIPT_PLAIN);
	ck_assert_str_eq(edited(), "EXECUTE b");
	ck_assert(!sc.is_raw);
	ck_assert_int_eq(
	    read_it("PREPARE b(x.y) AS SELECT 1"), SQLSCRIPT_PLAIN);
	ck_assert(sc.is_raw);
	end();
}
END_TEST

/* What SQL prepares is what a Parse of the same prepares. */
START_TEST(one_identity)
{
	static const uint32_t types[] = { 23, 1009 };
	struct stmt *two;

	begin();
	two = intern("SELECT $1, $2", types, 2);
	ck_assert_int_eq(read_it("PREPARE b (int, text[]) AS  SELECT $1, $2 ;"),
	    SQLSCRIPT_READY);
	ck_assert_ptr_eq(sc.steps[0].stmt, two);
	ck_assert_int_eq(
	    read_it("PREPARE b AS SELECT $1, $2"), SQLSCRIPT_READY);
	ck_assert_ptr_ne(sc.steps[0].stmt, two);
	stmt_drop(two);
	end();
}
END_TEST

/* Two that are there at once have two names; what does nothing, too. */
START_TEST(all_different)
{
	begin();
	ck_assert_str_eq(kinds("EXECUTE a; PREPARE b AS SELECT 1; "
			       "PREPARE c AS SELECT 1; DEALLOCATE a; "
			       "PREPARE c AS SELECT 1; DEALLOCATE c"),
	    "EPPDtd");
	ck_assert_ptr_eq(sc.steps[4].stmt, sc.steps[2].stmt);
	ck_assert_ptr_eq(sc.steps[5].stmt, sc.steps[2].stmt);
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < i; k++)
			ck_assert_ptr_ne(sc.steps[i].stmt, sc.steps[k].stmt);
	give("b", one);
	ck_assert_str_eq(
	    kinds("DEALLOCATE a; DEALLOCATE b; PREPARE a AS SELECT 1"), "DDP");
	ck_assert_ptr_ne(sc.steps[0].stmt, sc.steps[1].stmt);
	ck_assert_ptr_ne(sc.steps[0].stmt, one);
	ck_assert_ptr_eq(sc.steps[2].stmt, one);
	end();
}
END_TEST

START_TEST(under_way)
{
	struct name *e;

	begin();
	e = names_find(&names, "a", 1);
	names_will(e, NULL, BATCH - 1);
	ck_assert_str_eq(kinds("EXECUTE a"), "uncertain");
	ck_assert_str_eq(kinds("DEALLOCATE ALL; EXECUTE a"), "ZO");
	names_lost(&names, e);
	ck_assert_str_eq(kinds("EXECUTE a"), "E");
	names_will(e, NULL, BATCH);
	ck_assert_str_eq(kinds("EXECUTE a"), "O");
	names_lost(&names, e);
	end();
}
END_TEST

/* A first statement that a failed transaction lets pass, and what is left when
 * it has been run. */
START_TEST(exits)
{
	static const struct {
		const char *text;
		uint32_t exit;
	} of[] = {
		{ "ROLLBACK; EXECUTE a", 8 },
		{ " ;; end work ; EXECUTE a", 12 },
		{ "COMMIT AND CHAIN; EXECUTE a", 16 },
		{ "ROLLBACK TO a; EXECUTE a", 13 },
		{ "PREPARE TRANSACTION 'x'; EXECUTE a", 23 },
		{ "EXECUTE a; ROLLBACK", 0 },
		{ "SELECT 1; ROLLBACK; EXECUTE a", 0 },
		{ "RELEASE a; EXECUTE a", 0 },
		{ "BEGIN; EXECUTE a", 0 },
		{ "ROLLBACK PREPARED 'x'; EXECUTE a", 0 },
	};

	begin();
	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
		ck_assert_int_eq(read_it(of[i].text), SQLSCRIPT_READY);
		ck_assert_msg(
		    sc.exit == of[i].exit, "%s: %u", of[i].text, sc.exit);
	}
	sc.run = 9;
	ck_assert_int_eq(read_it("ROLLBACK; SELECT 1"), SQLSCRIPT_READY);
	ck_assert_str_eq(edited(), "          SELECT 1");
	ck_assert_int_eq(read_it("ROLLBACK; ROLLBACK"), SQLSCRIPT_READY);
	ck_assert_uint_eq(sc.exit, 18);
	sc.run = 0;
	ck_assert_int_eq(read_it("ROLLBACK; SELECT 1"), SQLSCRIPT_PLAIN);
	end();
}
END_TEST

START_TEST(bounded)
{
	static char text[16 * (SQLSCRIPT_MAX + 1)] = "ROLLBACK;";

	begin();
	for (int i = 0; i < SQLSCRIPT_MAX; i++)
		strcat(text, "EXECUTE a;");
	ck_assert_int_eq(read_it(text), SQLSCRIPT_READY);
	ck_assert_uint_eq(sc.n, SQLSCRIPT_MAX);
	/* what has been run takes the place of none of them */
	sc.run = 9;
	ck_assert_int_eq(read_it(text), SQLSCRIPT_READY);
	ck_assert_uint_eq(sc.n, SQLSCRIPT_MAX);
	ck_assert_ptr_null(strstr(edited(), "EXECUTE a;"));
	sc.run = 0;
	strcat(text, "EXECUTE a");
	ck_assert_int_eq(read_it(text), SQLSCRIPT_LONG);
	/* no memory for one more */
	conf.max_statement_memory = 1;
	ck_assert_int_eq(read_it("PREPARE b AS SELECT 2"), SQLSCRIPT_MEMORY);
	ck_assert_int_eq(read_it("DEALLOCATE a"), SQLSCRIPT_MEMORY);
	end();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = { TEST(steps), TEST(written),
		TEST(one_identity), TEST(all_different), TEST(under_way),
		TEST(exits), TEST(bounded), NO_MORE_TESTS };

	return run_tests("sqlscript", tests, 30);
}
