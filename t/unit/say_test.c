/* say_test.c - our own commands byte by byte, and where there is no room. */
#include "worker/proto/say.h"

#include <check.h>
#include <stdlib.h>

#include "t/unit/run.h"

static void
both(struct wire *w)
{
	say_query(w, "A");
	say_command(w, "BC");
}

static const uint8_t want[] = "Q\0\0\0\6"
			      "A\0"
			      "P\0\0\0\12"
			      "\0BC\0\0\0"
			      "B\0\0\0\14"
			      "\0\0\0\0\0\0\0\0"
			      "E\0\0\0\11"
			      "\0\0\0\0\0";

enum { WANT = sizeof(want) - 1 };

START_TEST(bytes)
{
	uint8_t out[64];
	struct wire w;

	wire_init(&w, out, sizeof(out));
	both(&w);
	ck_assert(!w.full);
	ck_assert_uint_eq(w.len, WANT);
	ck_assert_mem_eq(out, want, WANT);
}
END_TEST

START_TEST(no_room)
{
	for (size_t cap = 0; cap < WANT; cap++) {
		uint8_t *out = malloc(cap + 1);
		struct wire w;

		wire_init(&w, out + 1, cap);
		both(&w);
		ck_assert(w.full);
		ck_assert_uint_lt(w.len, WANT);
		ck_assert_mem_eq(out + 1, want, w.len);
		free(out);
	}
}
END_TEST

/* In any text, whatever the server makes of backslashes. */
START_TEST(constants)
{
	static const char *const of[][2] = { { "", "''" }, { "a b", "'a b'" },
		{ "it's", "'it''s'" }, { "\\", " E'\\\\'" },
		{ "'\\'", " E'''\\\\'''" } };
	char out[64];
	struct wire w;

	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
		wire_init(&w, out, sizeof(out));
		say_constant(&w, of[i][0]);
		wire_byte(&w, '\0');
		ck_assert(!w.full);
		ck_assert_str_eq(out, of[i][1]);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("say");
	TCase *tc = tcase_create("say");

	tcase_add_test(tc, bytes);
	tcase_add_test(tc, no_room);
	tcase_add_test(tc, constants);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
