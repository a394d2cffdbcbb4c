/* fit_test.c - from what a backend has to what a client wants. */
#include "worker/session/fit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/shmtest.h"
#include "worker/backend/params.h"
#include "worker/session/vars.h"

static struct params_edit has_params, want_params;
static struct vars_edit has_vars, want_vars;
static uint8_t bytes[FIT_MAX];
static struct wire w;
static char seen[8192];

static void
begin(void)
{
	params_init("");
	params_edit_init(&has_params);
	params_edit_init(&want_params);
	vars_edit_init(&has_vars, NULL);
	vars_edit_init(&want_vars, NULL);
}

static void
param(struct params_edit *e, const char *name, const char *value)
{
	ck_assert(params_edit_set(e, params_find(name), value));
}

/* Text of the value at `p`, with a NUL for SQL's; returns what it takes. */
static size_t
bound(const uint8_t *p, char *to, size_t size)
{
	uint32_t len = frame_get32(p);

	if (len == UINT32_MAX) {
		snprintf(to, size, "NULL");
		return 4;
	}
	snprintf(to, size, "%.*s", (int)len, (const char *)p + 4);
	return 4 + (size_t)len;
}

/* What it would do, in words: each statement with what is bound to it. */
static const char *
build(bool is_unknown, bool is_forgetting)
{
	struct fit f = { .has = { has_params.text, has_params.len,
			     has_vars.text, has_vars.len },
		.want = { want_params.text, want_params.len, want_vars.text,
		    want_vars.len },
		.is_unknown = is_unknown,
		.is_forgetting = is_forgetting };
	unsigned n, count = 0;
	struct frame m;

	wire_init(&w, bytes, sizeof(bytes));
	n = fit_build(&w, &f);
	ck_assert(!fit_is_done(&f) || n == 0);
	seen[0] = '\0';
	for (size_t at = 0; at < w.len; at += FRAME_HEAD + m.body, count++) {
		const uint8_t *body = bytes + at + FRAME_HEAD;
		char *end = seen + strlen(seen), a[256], b[256];
		size_t room = sizeof(seen) - strlen(seen), pos = 6;

		ck_assert_int_eq(
		    frame_parse(bytes + at, w.len - at, FRAME_MAX, &m), DONE);
		ck_assert_uint_le(m.body, w.len - at - FRAME_HEAD);
		if (m.type == 'P' &&
		    strncmp((const char *)body + 1, "SELECT", 6) != 0)
			snprintf(end, room, "%s;", (const char *)body + 1);
		if (m.type != 'B')
			continue;
		for (int i = 0; i < frame_get16(body + 4); i += 2) {
			pos += bound(body + pos, a, sizeof(a));
			pos += bound(body + pos, b, sizeof(b));
			snprintf(end + strlen(end), room - strlen(end),
			    "%s=%s,", a, b);
		}
		if (pos > 6)
			strcat(seen, ";");
	}
	ck_assert(w.full || n == count);
	return seen;
}

#define BEGIN "BEGIN ISOLATION LEVEL READ COMMITTED;"

START_TEST(nothing)
{
	begin();
	param(&has_params, "TimeZone", "UTC");
	param(&want_params, "TimeZone", "UTC");
	ck_assert_str_eq(build(false, false), "");
	/* nobody has said what it has: it cannot be set */
	param(&want_params, "DateStyle", "ISO");
	ck_assert_str_eq(build(false, false), "");
	ck_assert_str_eq(build(false, true), BEGIN "DISCARD SEQUENCES;COMMIT;");
}
END_TEST

START_TEST(params_alone)
{
	begin();
	param(&has_params, "TimeZone", "UTC");
	param(&has_params, "application_name", "a");
	param(&want_params, "TimeZone", "UTC");
	param(&want_params, "application_name", "it's");
	/* who it is stays as it is */
	vars_edit_put(&has_vars, "role", "r");
	vars_edit_put(&want_vars, "role", "r");
	ck_assert_str_eq(
	    build(false, false), BEGIN "application_name=it's,;COMMIT;");
}
END_TEST

/* The query has as many pairs as are bound. */
START_TEST(query_text)
{
	begin();
	vars_edit_put(&want_vars, "a", "1");
	vars_edit_put(&want_vars, "b", "2");
	build(false, false);
	ck_assert_ptr_nonnull(memmem(bytes, w.len,
	    "\0SELECT pg_catalog.set_config($1,$2,false),"
	    "pg_catalog.set_config($3,$4,false)\0\0",
	    sizeof("\0SELECT pg_catalog.set_config($1,$2,false),"
		   "pg_catalog.set_config($3,$4,false)\0\0") -
		1));
}
END_TEST

/* The former's go, what both have stays, identity around all the others. */
START_TEST(vars_differ)
{
	begin();
	vars_edit_put(&has_vars, "role", "former");
	vars_edit_put(&has_vars, "statement_timeout", "5s");
	vars_edit_put(&has_vars, "work_mem", "5MB");
	vars_edit_put(&want_vars, "work_mem", "5MB");
	vars_edit_put(&want_vars, "role", "r");
	vars_edit_put(&want_vars, "session_authorization", "s");
	vars_edit_put(&want_vars, "lock_timeout", "1s");
	vars_edit_put(&want_vars, "app.x", "");
	ck_assert_str_eq(build(false, false),
	    BEGIN "role=NULL,statement_timeout=NULL,app.x=,lock_timeout=1s,"
		  "session_authorization=s,role=r,;COMMIT;");
	vars_edit_init(&want_vars, NULL);
	ck_assert_str_eq(build(false, false),
	    BEGIN "role=NULL,statement_timeout=NULL,work_mem=NULL,;COMMIT;");
}
END_TEST

/* The encoding first, and the former's names in the former's encoding. */
START_TEST(encoding)
{
	begin();
	param(&has_params, "client_encoding", "UTF8");
	param(&has_params, "TimeZone", "UTC");
	param(&want_params, "client_encoding", "LATIN1");
	param(&want_params, "TimeZone", "GMT");
	vars_edit_put(&has_vars, "a.h", "1");
	vars_edit_put(&want_vars, "a.w", "2");
	ck_assert_str_eq(build(false, false),
	    BEGIN "a.h=NULL,client_encoding=LATIN1,;TimeZone=GMT,a.w=2,;"
		  "COMMIT;");
}
END_TEST

START_TEST(unknown)
{
	begin();
	param(&has_params, "client_encoding", "UTF8");
	param(&want_params, "client_encoding", "UTF8");
	param(&has_params, "TimeZone", "UTC");
	param(&want_params, "TimeZone", "UTC");
	vars_edit_put(&want_vars, "role", "r");
	ck_assert_str_eq(build(true, false),
	    BEGIN "role=NULL,session_authorization=NULL,;RESET ALL;"
		  "client_encoding=UTF8,;TimeZone=UTC,role=r,;COMMIT;");
}
END_TEST

START_TEST(too_much)
{
	char name[16];

	begin();
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "a.n%d", i);
		ck_assert(vars_edit_put(&want_vars, name, "v"));
	}
	build(false, false);
	ck_assert(w.full);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(nothing),
		TEST(params_alone),
		TEST(query_text),
		TEST(vars_differ),
		TEST(encoding),
		TEST(unknown),
		TEST(too_much),
		NO_MORE_TESTS,
	};

	return run_tests("fit", tests, 30);
}
