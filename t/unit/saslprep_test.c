/*
 * saslprep_test.c - RFC 4013's examples, what PostgreSQL takes as it is, and
 * strings at the edges of UTF-8 and of the normalisation.
 */
#include "worker/proto/saslprep.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

static const struct {
	const char *in, *out; /* out NULL: taken as it is */
} vector[] = {
	/* RFC 4013, section 3 */
	{ "I\xc2\xadX", "IX" },
	{ "user", NULL },
	{ "USER", NULL },
	{ "\xc2\xaa", "a" },
	{ "\xe2\x85\xa8", "IX" },
	{ "\x07", NULL },
	{ "\xd8\xa7\x31", NULL },
	/* ASCII is not looked at */
	{ "", NULL },
	{ "a\tb\x7f", NULL },
	/* mapped: a space that is none, and to nothing; nothing is left */
	{ "a\xc2\xa0\x62\xe3\x80\x80", "a b " },
	{ "\xe2\x80\x8b\xc3\xa4", " \xc3\xa4" },
	{ "\xc2\xad", NULL },
	{ "\xc2\xad\xe2\x81\xa0", NULL },
	/* prohibited; unassigned in Unicode 3.2 */
	{ "\xc2\xad\x07", NULL },
	{ "\xc3\xa4\x07\xc2\xad", NULL },
	{ "\xc2\xad\xee\x80\x80", NULL },
	{ "\xc2\xad\xc8\xa1", NULL },
	{ "\xc2\xad\xf0\x9f\x98\x80", NULL },
	/* right to left: all of it, and at both ends */
	{ "\xd8\xa7\x31\xd8\xa8\xc2\xad", "\xd8\xa7\x31\xd8\xa8" },
	{ "\xd8\xa7\x61\xd8\xa8\xc2\xad", NULL },
	{ "\xc2\xad\x31\xd8\xa8", NULL },
	{ "\xd8\xa7\x31\xc2\xad", NULL },
	/* looked for before the normalisation: U+00B4 becomes a space first */
	{ "\xc2\xb4", " \xcc\x81" },
	/* composed, put in order, decomposed for good, excluded */
	{ "a\xcc\x88", "\xc3\xa4" },
	{ "A\xcc\x8a\xcc\xa3", "\xe1\xba\xa0\xcc\x8a" },
	{ "\xe2\x84\xab", "\xc3\x85" },
	{ "\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc" },
	{ "a\xcc\x85\xcc\x88", "a\xcc\x85\xcc\x88" },
	/* U+0345 is of class 240, the highest there is */
	{ "a\xcd\x85\xcc\x81", "\xc3\xa1\xcd\x85" },
	{ "\xef\xac\x81", "fi" },
	{ "\xef\xbc\xa1\xef\xbd\x81", "Aa" },
	{ "\xc2\xbd", "1\xe2\x81\x84\x32" },
	/* Hangul, both ways; U+11A7 is no trailing consonant */
	{ "\xe1\x84\x80\xe1\x85\xa1", "\xea\xb0\x80" },
	{ "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81" },
	{ "\xea\xb0\x80\xe1\x86\xa8", "\xea\xb0\x81" },
	{ "\xea\xb0\x81\xe1\x86\xa8", NULL },
	{ "\xed\x9e\xa3", NULL },
	/* U+11C3, the first behind those that are composed */
	{ "\xea\xb0\x80\xe1\x87\x83", NULL },
	/* 16 bits are not enough for it */
	{ "\xf0\xaf\xa0\x80", "\xe4\xb8\xbd" },
	{ "\xf0\xaf\xa0\x83", "\xf0\xa0\x84\xa2" },
	{ "\xf0\x9d\x90\x80", "A" },
	/* not UTF-8: cut, too long, a surrogate, too large, stray */
	{ "\xff\xfe", NULL },
	{ "\xc2\xad\xc3", NULL },
	{ "\xc2\xad\xe2\x80", NULL },
	{ "\xc2\xad\xf0\x9d\x90", NULL },
	{ "\xc2\xad\xc0\xaf", NULL },
	{ "\xc2\xad\xe0\x80\xaf", NULL },
	{ "\xc2\xad\xf0\x80\x80\xaf", NULL },
	{ "\xc2\xad\xed\xa0\x80", NULL },
	{ "\xc2\xad\xf4\x90\x80\x80", NULL },
	{ "\xc2\xad\xf8\x88\x80\x80\x80", NULL },
	{ "\xc2\xad\x80", NULL },
	{ "\xc2\xad\xaa", NULL },
	{ "\xc2\xad\xc3\x28", NULL },
};

START_TEST(test_vector)
{
	const char *in = vector[_i].in;
	const char *want = vector[_i].out != NULL ? vector[_i].out : in;
	char *got = saslprep_new(in);

	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got, want);
	saslprep_free(got);
}
END_TEST

/* What was prepared stays as it is: each character of the first planes. */
START_TEST(test_twice)
{
	for (unsigned c = 0x80; c < 0x30000; c++) {
		char in[5] = { 0 }, *once, *twice;

		if (c < 0x800) {
			in[0] = (char)(0xc0 | c >> 6);
			in[1] = (char)(0x80 | (c & 63));
		} else if (c < 0x10000) {
			in[0] = (char)(0xe0 | c >> 12);
			in[1] = (char)(0x80 | (c >> 6 & 63));
			in[2] = (char)(0x80 | (c & 63));
		} else {
			in[0] = (char)(0xf0 | c >> 18);
			in[1] = (char)(0x80 | (c >> 12 & 63));
			in[2] = (char)(0x80 | (c >> 6 & 63));
			in[3] = (char)(0x80 | (c & 63));
		}
		once = saslprep_new(in);
		twice = saslprep_new(once);
		if (strcmp(once, twice) != 0)
			ck_abort_msg("U+%04X", c);
		saslprep_free(once);
		saslprep_free(twice);
	}
}
END_TEST

/* As long as a password may be, of what grows most, and of unsorted marks:
 * neither takes longer than it may. */
START_TEST(test_long)
{
	enum { N = 65529 / 3 };
	char *in = malloc(3 * N + 1), *got;

	for (size_t i = 0; i < N; i++)
		memcpy(in + 3 * i, "\xef\xb7\xba", 3);
	in[3 * N] = '\0';
	got = saslprep_new(in);
	ck_assert_uint_eq(strlen(got), N * (size_t)33);
	saslprep_free(got);
	/* U+3099 and U+20D2, of classes 8 and 1, in turn */
	for (size_t i = 0; i < N; i++)
		memcpy(in + 3 * i, i % 2 ? "\xe2\x83\x92" : "\xe3\x82\x99", 3);
	got = saslprep_new(in);
	ck_assert_uint_eq(strlen(got), 3 * N);
	ck_assert_mem_eq(got, "\xe2\x83\x92\xe2\x83\x92", 6);
	ck_assert_mem_eq(got + 3 * (N - 1), "\xe3\x82\x99", 3);
	saslprep_free(got);
	free(in);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("saslprep");
	TCase *tc = tcase_create("saslprep");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(
	    tc, test_vector, 0, sizeof(vector) / sizeof(*vector));
	tcase_add_test(tc, test_twice);
	tcase_add_test(tc, test_long);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
