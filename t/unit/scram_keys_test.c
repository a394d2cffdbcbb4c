/*
 * scram_keys_test.c - keys from a password, from a verifier, from nothing.
 */
#include "worker/proto/scram.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

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
	    scram_keys_derive(&k, "x", salt, 16, 1u + SCRAM_ITERATIONS_MAX),
	    -1);
	ck_assert_int_eq(scram_keys_derive(&k, "x", salt, 129, 1), -1);
}
END_TEST

/* As libcrypto's PBKDF2 has it, in pieces of any size, for keys of any length:
 * shorter than a block of the hash, as long, and longer. */
START_TEST(test_derive)
{
	static const uint32_t piece[] = { 1, 7, 99, 100, 1000, UINT32_MAX };
	char password[200];
	uint8_t salted[SCRAM_KEY], key[SCRAM_KEY];
	unsigned n = SCRAM_KEY;

	for (size_t len = 0; len < sizeof(password); len += 13) {
		struct scram_derive d;
		uint32_t by = piece[len % 6];
		enum result r;

		memset(password, 'x', len);
		password[len] = '\0';
		ck_assert_int_eq(PKCS5_PBKDF2_HMAC(password, (int)len, salt, 16,
				     100, EVP_sha256(), SCRAM_KEY, salted),
		    1);
		ck_assert_ptr_nonnull(HMAC(EVP_sha256(), salted, SCRAM_KEY,
		    (const uint8_t *)"Client Key", 10, key, &n));
		ck_assert_int_eq(
		    scram_derive_begin(&d, password, salt, 16, 100), 0);
		for (uint32_t did = 1; did + by < 100 && by < 100; did += by)
			ck_assert_int_eq(scram_derive_run(&d, by), WAIT);
		r = scram_derive_run(&d, by);
		ck_assert_int_eq(r, DONE);
		ck_assert_mem_eq(d.keys.client, key, SCRAM_KEY);
		ck_assert_uint_eq(d.keys.iterations, 100);
		ck_assert(d.keys.has_client);
		scram_derive_fini(&d);
		ck_assert(!d.keys.has_client);
	}
}
END_TEST

/* A password that SASLprep changes has the keys of what it becomes. */
START_TEST(test_prepared)
{
	struct scram_keys a, b;

	ck_assert_int_eq(
	    scram_keys_derive(&a, "I\xc2\xadX", salt, SCRAM_SALT, 1), 0);
	ck_assert_int_eq(
	    scram_keys_derive(&b, "\xe2\x85\xa8", salt, SCRAM_SALT, 1), 0);
	ck_assert_mem_eq(a.stored, b.stored, SCRAM_KEY);
	ck_assert_int_eq(scram_keys_derive(&b, "IX", salt, SCRAM_SALT, 1), 0);
	ck_assert_mem_eq(a.stored, b.stored, SCRAM_KEY);
}
END_TEST

START_TEST(test_iterations)
{
	static const char *const rest =
	    ":W22ZaJ0SNY7soEsUEjb6gQ==$"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
	static const struct {
		const char *text;
		uint32_t n; /* 0: refused */
	} i[] = { { "1", 1 }, { "2147483647", INT_MAX }, { "2147483648", 0 },
		{ "18446744073709551617", 0 }, { "0", 0 }, { "01", 0 },
		{ "-1", 0 }, { "+1", 0 }, { " 1", 0 }, { "1 ", 0 }, { "", 0 } };
	struct scram_keys k;

	for (size_t j = 0; j < sizeof(i) / sizeof(*i); j++) {
		char text[256];

		snprintf(
		    text, sizeof(text), "SCRAM-SHA-256$%s%s", i[j].text, rest);
		ck_assert_int_eq(
		    scram_keys_parse(&k, text), i[j].n != 0 ? 0 : -1);
		ck_assert_uint_eq(k.iterations, i[j].n);
	}
}
END_TEST

/* The same user has the same salt for ever, and no other user has it. */
/* One salt is not the beginning of another. */
START_TEST(test_fit)
{
	struct scram_keys a, b;

	ck_assert_int_eq(scram_keys_derive(&a, "pencil", salt, 16, 9), 0);
	ck_assert_int_eq(scram_keys_derive(&b, "pencil", salt, 16, 9), 0);
	ck_assert(scram_keys_fit(&a, &b));
	ck_assert_int_eq(scram_keys_derive(&b, "pencil", salt, 15, 9), 0);
	ck_assert(!scram_keys_fit(&a, &b));
	ck_assert(!scram_keys_fit(&b, &a));
	ck_assert_int_eq(scram_keys_derive(&b, "pencil", salt, 16, 8), 0);
	ck_assert(!scram_keys_fit(&a, &b));
	ck_assert_int_eq(scram_keys_derive(&b, "pencil",
			     (const uint8_t *)"another salt 16", 16, 9),
	    0);
	ck_assert(!scram_keys_fit(&a, &b));
}
END_TEST

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
	Suite *s = suite_create("scram_keys");
	TCase *tc = tcase_create("scram_keys");

	tcase_add_test(tc, test_verifier);
	tcase_add_test(tc, test_derive);
	tcase_add_test(tc, test_prepared);
	tcase_add_test(tc, test_iterations);
	tcase_add_test(tc, test_fit);
	tcase_add_test(tc, test_mock);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
