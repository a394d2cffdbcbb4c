/* audit_test.c - what a text puts in doubt, the question, the answer. */
#include "worker/session/audit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/shmtest.h"
#include "worker/backend/params.h"

static struct audit a;
static uint8_t bytes[AUDIT_QUERY];

/* The bits of one text, and in `a` what it leaves. */
static unsigned
bits(const char *sql)
{
	memset(&a, 0, sizeof(a));
	return audit_sql(&a, sql, strlen(sql), 0);
}

static const struct {
	const char *sql, *names; /* each name ends with a space */
	unsigned bits;
} texts[] = {
	{ "SELECT 1", "", 0 },
	{ "BEGIN; SELECT 1; COMMIT", "", 0 },
	{ "SET work_mem = 1", "work_mem ", AUDIT_NAMES },
	{ "SET \"Work_Mem\" = 1; SET work_mem = 2", "work_mem ", AUDIT_NAMES },
	{ "SET LOCAL work_mem = 1", "", 0 },
	{ "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "", 0 },
	{ "SET transaction_isolation = 'serializable'", "", 0 },
	{ "SET SEED TO 0.5", "", 0 },
	{ "SET TIME ZONE 'UTC'", "timezone ", AUDIT_NAMES },
	{ "SET ROLE x", "role ", AUDIT_NAMES },
	{ "SET SESSION AUTHORIZATION x", "session_authorization role ",
	    AUDIT_NAMES },
	{ "SET a.b = 1", "a.b ", AUDIT_NAMES },
	{ "SET work_mem TO DEFAULT", "work_mem ",
	    AUDIT_NAMES | AUDIT_ALL | AUDIT_RESET },
	{ "RESET work_mem", "work_mem ",
	    AUDIT_NAMES | AUDIT_ALL | AUDIT_RESET },
	{ "RESET ALL", "", AUDIT_ALL | AUDIT_RESET | AUDIT_RESET_ALL },
	{ "DISCARD ALL", "",
	    AUDIT_ALL | AUDIT_RESET | AUDIT_RESET_ALL | AUDIT_TEMP |
		AUDIT_LOCK | AUDIT_CURSOR | AUDIT_LISTEN },
	{ "LISTEN x", "", AUDIT_LISTEN },
	{ "SELECT 1; UNLISTEN *", "", AUDIT_LISTEN },
	{ "NOTIFY x", "", 0 },
	{ "DISCARD PLANS", "", 0 },
	{ "DISCARD TEMP", "", AUDIT_TEMP },
	{ "SELECT set_config('work_mem', '1', false)", "work_mem ",
	    AUDIT_NAMES },
	{ "SELECT set_config('work_mem', '1', true)", "", 0 },
	{ "SELECT set_config(x, '1', false)", "", AUDIT_ALL | AUDIT_HIDDEN },
	{ "DO 'BEGIN END'", "", AUDIT_ANYTHING },
	{ "CALL x()", "", AUDIT_ANYTHING },
	{ "SELECT 'not ended", "", AUDIT_ANYTHING },
	{ "CREATE TEMP TABLE x (n int)", "", AUDIT_TEMP },
	{ "CREATE TEMP TABLE x (n int) ON COMMIT DROP", "", 0 },
	{ "SELECT pg_advisory_lock(1)", "", AUDIT_LOCK },
	{ "SELECT pg_advisory_unlock(1)", "", AUDIT_LOCK },
	{ "SELECT pg_advisory_xact_lock(1)", "", 0 },
	{ "DECLARE c CURSOR FOR SELECT 1", "", 0 },
	{ "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "", AUDIT_CURSOR },
	{ "CLOSE c", "", AUDIT_CURSOR },
	{ "LOAD 'x'", "", AUDIT_LOAD },
	{ "SELECT dblink_connect('x')", "", AUDIT_OTHER },
	{ "SELECT lastval()", "", AUDIT_SEQUENCE },
	{ "PREPARE p AS SELECT set_config($1, $2, false)", "", 0 },
};

START_TEST(doubts)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		unsigned got = bits(texts[i].sql);
		char names[256] = "";

		for (uint16_t at = 0; at < a.names_len;
		     at = (uint16_t)(at + strlen(a.names + at) + 1))
			snprintf(names + strlen(names),
			    sizeof(names) - strlen(names), "%s ", a.names + at);
		ck_assert_msg(
		    got == texts[i].bits, "%s: %x", texts[i].sql, got);
		ck_assert_msg(strcmp(names, texts[i].names) == 0, "%s: %s",
		    texts[i].sql, names);
		ck_assert_uint_eq(a.bits, got);
	}
}
END_TEST

/* What was prepared does it when it is executed, however often. */
START_TEST(executed)
{
	static const char prepare[] = "PREPARE p AS SELECT set_config('work_"
				      "mem', $1, false), pg_advisory_lock(1)",
			  execute[] = "EXECUTE p('1')";

	memset(&a, 0, sizeof(a));
	ck_assert_uint_eq(audit_sql(&a, execute, sizeof(execute) - 1, 0), 0);
	ck_assert_uint_eq(audit_sql(&a, prepare, sizeof(prepare) - 1, 0), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(
		    audit_sql(&a, execute, sizeof(execute) - 1, 0),
		    AUDIT_ALL | AUDIT_HIDDEN | AUDIT_LOCK);
		audit_clear(&a);
		ck_assert_uint_eq(a.bits, 0);
	}
}
END_TEST

/* More names than there is room for: any. */
START_TEST(many_names)
{
	char name[70];

	memset(&a, 0, sizeof(a));
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "x%060d", i);
		audit_name(&a, name);
	}
	ck_assert_uint_eq(a.bits, AUDIT_NAMES | AUDIT_ALL);
	ck_assert_uint_le(a.names_len, sizeof(a.names));
	snprintf(name, sizeof(name), "x.%060d", 1);
	audit_name(&a, name);
	ck_assert_uint_eq(a.bits, AUDIT_NAMES | AUDIT_ALL | AUDIT_HIDDEN);
	ck_assert(audit_is_named(&a,
	    "X0000000000000000000000000000000000000000"
	    "00000000000000000003"));
	ck_assert(!audit_is_named(&a, "x"));
}
END_TEST

/* --- the question --------------------------------------------------------------- */

static const char *
question(const char *vars, uint32_t len)
{
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	audit_question(&w, &a, vars, len);
	ck_assert(!w.full);
	ck_assert_int_eq(bytes[0], 'Q');
	return (const char *)bytes + FRAME_HEAD;
}

#define BEGIN  "BEGIN ISOLATION LEVEL READ COMMITTED"
#define ASK(n) "'s','" n "',pg_catalog.current_setting('" n "',true)"

START_TEST(questions)
{
	bits("SET work_mem = 1; SET search_path = x");
	ck_assert_str_eq(question("", 0),
	    BEGIN ";SELECT " ASK("work_mem") " UNION ALL SELECT " ASK(
		"search_path") ";COMMIT");
	memset(&a, 0, sizeof(a));
	audit_name(&a, "a.it's \\");
	ck_assert_str_eq(question("", 0),
	    BEGIN ";SELECT 's', E'a.it''s \\\\',pg_catalog.current_setting( "
		  "E'a.it''s \\\\',true);COMMIT");
	/* all: names with a dot apart, which no catalogue has */
	bits("SET a.b = 1; RESET work_mem");
	ck_assert_str_eq(question("a.b\0x\0c.d\0y\0work_mem\0z\0", 22),
	    BEGIN ";SELECT " ASK("a.b") " UNION ALL SELECT " ASK(
		"session_authorization") " UNION ALL SELECT " ASK("role") " UNI"
									  "ON "
									  "ALL "
									  "SELE"
									  "CT"
									  " " ASK(
									      "c.d") ";SELECT 'v',name,pg_catalog.current_setting(name)"
										     " FROM pg_catalog.pg_settings WHERE source"
										     " OPERATOR(pg_catalog.=) 'session';COMMIT");
	bits("SELECT pg_advisory_lock(1)");
	ck_assert_ptr_nonnull(strstr(question("", 0), "pg_catalog.pg_locks"));
	ck_assert_ptr_null(strstr(question("", 0), "pg_settings"));
}
END_TEST

/* --- the answer ------------------------------------------------------------------- */

static struct audit_answer r;
static struct wire answer;

static void
begin(const char *sql, const char *had, uint32_t len)
{
	static struct params_edit params;

	params_init("");
	params_edit_init(&params);
	params_edit_set(&params, params_find("TimeZone"), "UTC");
	bits(sql);
	r.asked = &a;
	r.startup = NULL;
	r.login = "app";
	r.params = params.text;
	r.params_len = params.len;
	audit_begin(&r, had, len);
	wire_init(&answer, bytes, sizeof(bytes));
}

static void
cell(const char *text)
{
	size_t len = text == NULL ? 0 : strlen(text);

	wire_int32(&answer, text == NULL ? UINT32_MAX : (uint32_t)len);
	wire_bytes(&answer, text == NULL ? "" : text, len);
}

static void
row(const char *kind, const char *name, const char *value)
{
	wire_begin(&answer, 'D');
	wire_int16(&answer, 3);
	cell(kind);
	cell(name);
	cell(value);
	wire_end(&answer);
}

static void
is(const char *text, size_t len)
{
	ck_assert_int_eq(audit_read(&r, bytes, answer.len), 0);
	ck_assert_uint_eq(r.vars.len, len);
	ck_assert_mem_eq(r.vars.text, text, len);
}
#define IS(s) is(s, sizeof(s) - 1)

START_TEST(answers)
{
	begin("SET work_mem = 1; SET a.b = 1; SET c = 1",
	    "a.b\0x\0c\0y\0d\0z\0", 14);
	row("s", "work_mem", "1kB");
	row("s", "a.b", NULL);
	row("s", "c", "");
	wire_begin(&answer, 'C');
	wire_str(&answer, "SELECT 3");
	wire_end(&answer);
	IS("c\0\0d\0z\0work_mem\0001kB\0");
	/* all: what is not there is not set */
	begin("RESET ALL", "a\0x\0c.d\0y\0", 10);
	row("s", "c.d", "y");
	row("s", "role", "none");
	row("s", "session_authorization", "app");
	row("v", "work_mem", "7MB");
	row("v", "TimeZone", "UTC");
	row("v", "DateStyle", "ISO");
	IS("c.d\0y\0datestyle\0ISO\0work_mem\0007MB\0");
	ck_assert_uint_eq(r.params_set, 1u << params_find("TimeZone"));
	begin("SET ROLE x; SET SESSION AUTHORIZATION x", "role\0y\0", 7);
	row("s", "role", "x");
	row("s", "session_authorization", "z");
	IS("role\0x\0session_authorization\0z\0");
}
END_TEST

START_TEST(pins)
{
	begin("DISCARD ALL", "", 0);
	row("t", "", "");
	row("c", "", "");
	IS("");
	ck_assert_uint_eq(r.pins, AUDIT_TEMP | AUDIT_CURSOR);
	begin("DISCARD ALL", "", 0);
	row("l", "", "");
	IS("");
	ck_assert_uint_eq(r.pins, AUDIT_LOCK);
}
END_TEST

START_TEST(channels)
{
	begin("LISTEN x", "", 0);
	row("n", "news", "");
	row("n", "Other News", "");
	IS("");
	ck_assert_uint_eq(r.n_channels, 2);
	ck_assert_str_eq(r.channels[0], "news");
	ck_assert_str_eq(r.channels[1], "Other News");
	for (int i = 0; i < AUDIT_CHANNELS - 2; i++)
		row("n", "x", "");
	IS("");
	ck_assert_uint_eq(r.n_channels, AUDIT_CHANNELS);
	row("n", "one too many", "");
	ck_assert_int_eq(audit_read(&r, bytes, answer.len), 0);
	ck_assert(r.is_too_long);
}
END_TEST

START_TEST(bad_answers)
{
	static char big[VARS_MAX + 1];
	size_t whole;

	begin("RESET ALL", "", 0);
	row("v", "work_mem", "7MB");
	whole = answer.len;
	/* cut anywhere, and a length that promises more than there is */
	for (size_t n = 1; n < whole; n++)
		ck_assert_int_eq(audit_read(&r, bytes, n), -1);
	bytes[FRAME_HEAD + 2 + 3] = 0xff;
	ck_assert_int_eq(audit_read(&r, bytes, whole), -1);
	begin("RESET ALL", "", 0);
	row("x", "work_mem", "7MB");
	ck_assert_int_eq(audit_read(&r, bytes, answer.len), -1);
	begin("RESET ALL", "", 0);
	row(NULL, "work_mem", "7MB");
	ck_assert_int_eq(audit_read(&r, bytes, answer.len), -1);
	memset(big, 'x', sizeof(big) - 1);
	begin("RESET ALL", "", 0);
	row("v", "work_mem", big);
	IS("");
	ck_assert(r.is_too_long);
	begin("RESET ALL", "", 0);
	wire_begin(&answer, 'E');
	wire_bytes(&answer, "SERROR\0C57014\0Mno\0", 18);
	wire_byte(&answer, 0);
	wire_end(&answer);
	IS("");
	ck_assert(r.has_error);
	ck_assert_str_eq(r.error.sqlstate, "57014");
}
END_TEST

/* --- rest -------------------------------------------------------------------------- */

START_TEST(resting)
{
	static struct vars_edit e;
	struct wire w;

	vars_edit_init(&e, NULL);
	vars_edit_put(&e, "statement_timeout", "1s");
	vars_edit_put(&e, "work_mem", "1MB");
	wire_init(&w, bytes, sizeof(bytes));
	ck_assert(!audit_rest(&w, &e));
	vars_edit_put(&e, "statement_timeout", "999ms");
	vars_edit_put(&e, "idle_session_timeout", "1h");
	wire_init(&w, bytes, sizeof(bytes));
	ck_assert(audit_rest(&w, &e));
	ck_assert_str_eq((char *)bytes + FRAME_HEAD,
	    "RESET idle_session_timeout;RESET statement_timeout");
	ck_assert_uint_eq(e.len, sizeof("work_mem\0001MB"));
	vars_edit_put(&e, "statement_timeout", "1500ms");
	ck_assert(!audit_rest(&w, &e));
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(doubts),
		TEST(executed),
		TEST(many_names),
		TEST(questions),
		TEST(answers),
		TEST(pins),
		TEST(channels),
		TEST(bad_answers),
		TEST(resting),
		NO_MORE_TESTS,
	};

	return run_tests("audit", tests, 30);
}
