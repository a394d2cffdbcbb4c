/* params_test.c - sets of session parameters. */
#include "worker/backend/params.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/shmtest.h"

static void
begin(void)
{
	params_init("IntervalStyle, search_path,,datestyle\tsearch_path");
}

/* In their order; what is named twice is there once. */
START_TEST(names)
{
	begin();
	ck_assert_int_eq(params_count(), 7);
	ck_assert_int_eq(params_find("CLIENT_encoding"), 0);
	ck_assert_int_eq(params_find("application_name"), 4);
	ck_assert_int_eq(params_find("intervalstyle"), 5);
	ck_assert_int_eq(params_find("search_path"), 6);
	ck_assert_str_eq(params_name(6), "search_path");
	ck_assert_int_eq(params_find(""), -1);
	ck_assert_int_eq(params_find("work_mem"), -1);
}
END_TEST

/* No more names than there is room for, none that is too long. */
START_TEST(too_many_names)
{
	char extra[4096] = "";
	char name[80];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 2 * PARAMS_MAX; i++)
		snprintf(extra + strlen(extra), sizeof(extra) - strlen(extra),
		    "g%d,%s,", i, i == 0 ? name : "");
	params_init(extra);
	ck_assert_int_eq(params_count(), PARAMS_MAX);
	ck_assert_int_eq(params_find("g0"), 5);
	ck_assert_int_eq(params_find(name), -1);
}
END_TEST

START_TEST(set_and_look)
{
	static const char *const values[] = { "UTF8", "", "a longer one", "x",
		"", "UTF8" };
	struct params_edit e;

	begin();
	params_edit_init(&e);
	for (int i = 0; i < params_count(); i++)
		ck_assert_ptr_null(params_value(e.text, e.len, i));
	for (int i = 0; i < params_count(); i++)
		ck_assert(params_edit_set(&e, i, "first"));
	for (size_t k = 0; k < sizeof(values) / sizeof(*values); k++) {
		ck_assert(params_edit_set(&e, 2, values[k]));
		ck_assert_str_eq(params_value(e.text, e.len, 2), values[k]);
		for (int i = 0; i < params_count(); i++)
			if (i != 2)
				ck_assert_str_eq(
				    params_value(e.text, e.len, i), "first");
		ck_assert_uint_eq(e.len, 6 * 6 + strlen(values[k]) + 1);
	}
	ck_assert_ptr_null(params_value(e.text, e.len, params_count()));
	ck_assert(!params_edit_set(&e, params_count(), "x"));
}
END_TEST

/* To the last byte, and not one further; what does not fit changes nothing. */
START_TEST(set_up_to_the_end)
{
	char value[SLOT_PARAMS + 1];
	struct params_edit e, before;
	size_t room;

	begin();
	params_edit_init(&e);
	room = sizeof(e.text) - e.len + 1; /* the mark goes */
	memset(value, 'v', sizeof(value));
	value[room + 1] = '\0';
	before = e;
	ck_assert(!params_edit_set(&e, 3, value));
	ck_assert_mem_eq(&e, &before, sizeof(e));
	value[room] = '\0';
	ck_assert(params_edit_set(&e, 3, value));
	ck_assert_uint_eq(e.len, sizeof(e.text));
	ck_assert_str_eq(params_value(e.text, e.len, 3), value);
	ck_assert_ptr_null(params_value(e.text, e.len, 4));
	ck_assert(!params_edit_set(&e, 0, "xx"));
	ck_assert(params_edit_set(&e, 0, "x"));
}
END_TEST

/* A record that its writer left torn, cut at every byte. */
START_TEST(torn)
{
	struct params_edit e, copy;

	begin();
	params_edit_init(&e);
	params_edit_set(&e, 0, "UTF8");
	params_edit_set(&e, 4, "app");
	for (uint32_t len = 0; len <= e.len; len++) {
		char *exact = malloc(len + 1);

		memcpy(exact, e.text, len);
		params_edit_copy(&copy, exact, len);
		for (int i = 0; i < params_count(); i++) {
			const char *is = params_value(copy.text, copy.len, i);
			const char *was = params_value(e.text, e.len, i);

			ck_assert(is == NULL ||
			    (was != NULL && strcmp(is, was) == 0));
		}
		free(exact);
	}
	ck_assert_str_eq(params_value(copy.text, copy.len, 4), "app");
}
END_TEST

START_TEST(fill)
{
	struct params_edit e, from;

	begin();
	params_edit_init(&e);
	params_edit_init(&from);
	params_edit_set(&e, 0, "mine");
	params_edit_set(&from, 0, "theirs");
	params_edit_set(&from, 2, "UTC");
	params_edit_fill(&e, from.text, from.len);
	ck_assert_str_eq(params_value(e.text, e.len, 0), "mine");
	ck_assert_str_eq(params_value(e.text, e.len, 2), "UTC");
	ck_assert_ptr_null(params_value(e.text, e.len, 1));
}
END_TEST

START_TEST(intern)
{
	struct interned *a, *b, *c, *many[1000];
	struct params_edit e;
	char value[16];

	begin();
	params_edit_init(&e);
	a = params_intern(&e);
	b = params_intern(&e);
	ck_assert_ptr_eq(a, b);
	ck_assert_uint_eq(a->refs, 2);
	params_edit_set(&e, 1, "ISO");
	c = params_intern(&e);
	ck_assert_ptr_ne(a, c);
	for (int i = 0; i < 1000; i++) {
		snprintf(value, sizeof(value), "%d", i);
		params_edit_set(&e, 4, value);
		many[i] = params_intern(&e);
	}
	for (int i = 0; i < 1000; i++)
		intern_drop(many[(i * 7) % 1000]);
	intern_drop(a);
	ck_assert_uint_eq(b->refs, 1);
	intern_drop(b);
	intern_drop(c);
	intern_drop(NULL);
	intern_fini();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(names),
		TEST(too_many_names),
		TEST(set_and_look),
		TEST(set_up_to_the_end),
		TEST(torn),
		TEST(fill),
		TEST(intern),
		NO_MORE_TESTS,
	};

	return run_tests("params", tests, 30);
}
