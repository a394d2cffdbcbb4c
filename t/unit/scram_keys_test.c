/*
 * scram_keys_test.c - keys from a password, from a verifier, from nothing.
 */
#include "worker/proto/scram.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t salt[SCRAM_SALT] = "sixteen bytes...";

START_TEST(test_verifier)
{
	static const char *const bad[] = { "", "SCRAM-SHA-256",
		"SCRAM-SHA-256$", "SCRAM-SHA-256$4096",
		"SCRAM-SHA-256$4096:", "SCRAM-SHA-256$4096:AAAA",
		"SCRAM-SHA-256$4096:AAAA$AAAA:AAAA",
		"md5e4de2bbf9a31ca28e4d6e7b4b5ea5ec2" };
	static const char good[] =
	    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
	struct scram_keys k, derived;
	char text[sizeof(good)];

	ck_assert_int_eq(scram_keys_parse(&k, good), 0);
	ck_assert_int_eq(scram_keys_derive(&derived, "pencil", k.salt,
			     k.salt_len, k.iterations),
	    0);
	ck_assert_mem_eq(k.stored, derived.stored, SCRAM_KEY);
	ck_assert_mem_eq(k.server, derived.server, SCRAM_KEY);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert(!scram_is_verifier(bad[i]));
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		memcpy(text, good, sizeof(good));
		text[i] = '\0';
		ck_assert(!scram_is_verifier(text));
		text[i] = '!';
		ck_assert(!scram_is_verifier(text));
	}
	ck_assert(!scram_is_verifier("SCRAM-SHA-256$0" /* iterations */
				     ":W22ZaJ0SNY7soEsUEjb6gQ==$"
				     "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT"
				     "4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrm"
				     "fPwDl2dU="));
	ck_assert_int_eq(scram_keys_derive(&k, "x", salt, 0, 4096), -1);
	ck_assert_int_eq(scram_keys_derive(&k, "x", salt, 16, 0), -1);
	ck_assert_int_eq(scram_keys_derive(&k, "x", salt, SIZE_MAX, 1), -1);
	ck_assert_int_eq(
	    scram_keys_derive(&k, "x", salt, 16, SCRAM_ITERATIONS_MAX + 1), -1);
}
END_TEST

/* The same user has the same salt for ever, and no other user has it. */
START_TEST(test_mock)
{
	struct scram_keys a, b;

	ck_assert_int_eq(
	    scram_keys_mock(&a, (const uint8_t *)"key", 3, "joe"), 0);
	ck_assert_int_eq(
	    scram_keys_mock(&b, (const uint8_t *)"key", 3, "joe"), 0);
	ck_assert_mem_eq(&a.salt, &b.salt, SCRAM_SALT);
	ck_assert_uint_eq(a.salt_len, SCRAM_SALT);
	ck_assert_uint_eq(a.iterations, SCRAM_ITERATIONS);
	ck_assert_int_eq(
	    scram_keys_mock(&b, (const uint8_t *)"key", 3, "jim"), 0);
	ck_assert_mem_ne(&a.salt, &b.salt, SCRAM_SALT);
	ck_assert_int_eq(
	    scram_keys_mock(&b, (const uint8_t *)"kex", 3, "joe"), 0);
	ck_assert_mem_ne(&a.salt, &b.salt, SCRAM_SALT);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scram_keys");
	TCase *tc = tcase_create("scram_keys");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, test_verifier);
	tcase_add_test(tc, test_mock);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
