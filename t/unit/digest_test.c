/* digest_test.c - md5 as PostgreSQL reckons it; strict base64. */
#include "worker/proto/digest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

static const uint8_t salt[4] = { 0x93, 0x00, 0xff, 0x7a };

/* md5 of "secretjoe", and of that and the salt: by md5sum(1) */
#define SECRET "md5c59ec932d911ffdf487595b5a2adf973"
#define ANSWER "md504ae37d4c9fbd7076f8a5ff108d20d90"

START_TEST(test_md5)
{
	char out[DIGEST_MD5_SIZE];

	ck_assert_int_eq(digest_md5_secret("secret", "joe", out), 0);
	ck_assert_str_eq(out, SECRET);
	ck_assert(digest_is_md5(out));
	ck_assert_int_eq(digest_md5_answer("secret", "joe", salt, out), 0);
	ck_assert_str_eq(out, ANSWER);
	ck_assert_int_eq(digest_md5_answer(SECRET, "joe", salt, out), 0);
	ck_assert_str_eq(out, ANSWER);
}
END_TEST

START_TEST(test_is_md5)
{
	ck_assert(digest_is_md5("md5"
				"0123456789abcdef0123456789abcdef"));
	ck_assert(!digest_is_md5("md5"
				 "0123456789abcdef0123456789abcde"));
	ck_assert(!digest_is_md5("md5"
				 "0123456789abcdef0123456789abcdef0"));
	ck_assert(!digest_is_md5("md5"
				 "0123456789abcdef0123456789abcdeg"));
	ck_assert(!digest_is_md5("md5"
				 "0123456789ABCDEF0123456789ABCDEF"));
	ck_assert(!digest_is_md5("md4"
				 "0123456789abcdef0123456789abcdef"));
	ck_assert(!digest_is_md5("md5"));
	ck_assert(!digest_is_md5(""));
}
END_TEST

START_TEST(test_md5_check)
{
	static const uint8_t other[4] = { 0x93, 0x00, 0xff, 0x7b };
	char cut[] = ANSWER;

	ck_assert(digest_md5_check("secret", "joe", salt, ANSWER));
	ck_assert(digest_md5_check(SECRET, "joe", salt, ANSWER));
	ck_assert(!digest_md5_check("Secret", "joe", salt, ANSWER));
	ck_assert(!digest_md5_check("secret", "jo", salt, ANSWER));
	ck_assert(!digest_md5_check("secret", "joe", other, ANSWER));
	ck_assert(!digest_md5_check("secret", "joe", salt, ""));
	ck_assert(!digest_md5_check("secret", "joe", salt, "secret"));
	ck_assert(!digest_md5_check("secret", "joe", salt, ANSWER "0"));
	ck_assert(!digest_md5_check("", "joe", salt, ANSWER));
	/* the stored hash itself must not let anybody in */
	ck_assert(!digest_md5_check(SECRET, "joe", salt, SECRET));
	for (size_t i = 0; i < sizeof(cut) - 1; i++) {
		cut[i] ^= 1;
		ck_assert(!digest_md5_check("secret", "joe", salt, cut));
		cut[i] ^= 1;
	}
	cut[34] = '\0';
	ck_assert(!digest_md5_check("secret", "joe", salt, cut));
}
END_TEST

START_TEST(test_plain_check)
{
	ck_assert(digest_plain_check("secret", "joe", "secret"));
	ck_assert(digest_plain_check(SECRET, "joe", "secret"));
	ck_assert(!digest_plain_check("secret", "joe", "secre"));
	ck_assert(!digest_plain_check("secret", "joe", "secret1"));
	ck_assert(!digest_plain_check("secret", "joe", ""));
	ck_assert(!digest_plain_check("", "joe", ""));
	ck_assert(!digest_plain_check(SECRET, "joe", SECRET));
	ck_assert(!digest_plain_check(SECRET, "jo", "secret"));
}
END_TEST

static const struct {
	const char *plain, *text;
} base64[] = {
	/* RFC 4648, section 10 */
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" }, { "\xff\xef\xfe", "/+/+" }, { "n,,", "biws" },
	{ "y,,", "eSws" }
};

START_TEST(test_base64)
{
	const char *plain = base64[_i].plain, *text = base64[_i].text;
	size_t n = strlen(plain), m = strlen(text);
	uint8_t back[16];
	char out[16];

	ck_assert_int_eq(
	    digest_base64_encode((const uint8_t *)plain, n, out, m + 1),
	    (int)m);
	ck_assert_str_eq(out, text);
	ck_assert_int_eq(
	    digest_base64_encode((const uint8_t *)plain, n, out, m), -1);
	ck_assert_int_eq(digest_base64_decode(text, m, back, n), (int)n);
	ck_assert_mem_eq(back, plain, n);
	if (n > 0)
		ck_assert_int_eq(
		    digest_base64_decode(text, m, back, n - 1), -1);
}
END_TEST

START_TEST(test_not_base64)
{
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg===", "=",
		"====", "Zg=v", "=g==", "Zm9vZg", "Zh==", "Zm9=", "Zm 9",
		"Zm9\n", "Z-_v", "Zg==Zg==", "Z===", "Zm9v=", "Zm\xff=" };
	uint8_t out[16];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(digest_base64_decode(bad[i], strlen(bad[i]), out,
				  sizeof(out)) == -1,
		    "taken: %s", bad[i]);
	ck_assert_int_eq(digest_base64_decode("Zm\0v", 4, out, 16), -1);
	ck_assert_int_eq(digest_base64_encode((const uint8_t *)"x", SIZE_MAX,
			     (char *)out, sizeof(out)),
	    -1);
}
END_TEST

/* What is decoded encodes to the same text; and all bytes make the round. */
START_TEST(test_round)
{
	srandom(11);
	for (int i = 0; i < 20000; i++) {
		size_t len = (size_t)random() % 48;
		uint8_t in[48], back[48];
		char text[DIGEST_BASE64_SIZE(48)], again[sizeof(text)];
		int n;

		for (size_t j = 0; j < len; j++)
			in[j] = (uint8_t)random();
		n = digest_base64_encode(in, len, text, sizeof(text));
		if (n < 0 ||
		    digest_base64_decode(text, (size_t)n, back, len) !=
			(int)len ||
		    memcmp(in, back, len) != 0)
			ck_abort_msg("round");
		if (n == 0)
			continue;
		text[random() % n] = (char)random();
		n = digest_base64_decode(text, (size_t)n, back, sizeof(back));
		if (n < 0)
			continue;
		digest_base64_encode(back, (size_t)n, again, sizeof(again));
		ck_assert_str_eq(text, again);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("digest");
	TCase *tc = tcase_create("digest");

	tcase_add_test(tc, test_md5);
	tcase_add_test(tc, test_is_md5);
	tcase_add_test(tc, test_md5_check);
	tcase_add_test(tc, test_plain_check);
	tcase_add_loop_test(
	    tc, test_base64, 0, sizeof(base64) / sizeof(*base64));
	tcase_add_test(tc, test_not_base64);
	tcase_add_test(tc, test_round);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
