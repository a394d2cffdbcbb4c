/* field_test.c - fields whole, cut at each byte, and from noise. */
#include "worker/proto/field.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

static const uint8_t body[] = "\7\xff\xfe\x80\0\0\1name\0\0abc";
#define BODY_LEN (sizeof(body) - 1)

/* Read what `body` holds; the sum of what was there. */
static size_t
read_all(struct field *f)
{
	size_t n = 0;

	n += field_byte(f) == 7;
	n += field_int16(f) == -2;
	n += field_int32(f) == INT32_MIN + 1;
	n += strcmp(field_str(f), "name") == 0;
	n += !f->bad && *field_str(f) == '\0' && !f->bad;
	n += field_bytes(f, 3) != NULL;
	return n;
}

START_TEST(test_whole)
{
	struct field f;

	field_init(&f, body, BODY_LEN);
	ck_assert(!field_is_done(&f));
	ck_assert_uint_eq(read_all(&f), 6);
	ck_assert(field_is_done(&f));
	ck_assert_ptr_nonnull(field_bytes(&f, 0));
	ck_assert(field_is_done(&f));
	ck_assert_ptr_null(field_bytes(&f, 1));
	ck_assert(!field_is_done(&f));
	ck_assert_ptr_null(field_bytes(&f, 0)); /* sticky */
}
END_TEST

START_TEST(test_truncated)
{
	static const size_t end[] = { 1, 3, 7, 12, 13, 16 };

	for (size_t len = 0; len < BODY_LEN; len++) {
		uint8_t *p = malloc(len + 1);
		struct field f;
		size_t whole = 0;

		while (whole < 6 && end[whole] <= len)
			whole++;
		memcpy(p + 1, body, len);
		field_init(&f, p + 1, len);
		ck_assert_uint_eq(read_all(&f), whole);
		ck_assert(f.bad);
		ck_assert(!field_is_done(&f));
		free(p);
	}
}
END_TEST

START_TEST(test_huge)
{
	static const size_t huge[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2,
		UINT32_MAX, (size_t)INT32_MAX + 1, BODY_LEN + 1 };

	for (size_t i = 0; i < sizeof(huge) / sizeof(*huge); i++) {
		struct field f;

		field_init(&f, body, BODY_LEN);
		field_byte(&f);
		ck_assert_ptr_null(field_bytes(&f, huge[i]));
		ck_assert(f.bad);
		ck_assert_str_eq(field_str(&f), "");
		ck_assert_int_eq(field_int32(&f), 0);
	}
}
END_TEST

START_TEST(test_empty)
{
	struct field f;

	field_init(&f, NULL, 0);
	ck_assert(field_is_done(&f));
	ck_assert_str_eq(field_str(&f), "");
	ck_assert(f.bad);
}
END_TEST

START_TEST(test_noise)
{
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		size_t len = (size_t)random() % 40;
		uint8_t *p = malloc(len + 1);
		struct field f;

		for (size_t j = 0; j < len; j++)
			p[j] = (uint8_t)(random() % 4);
		field_init(&f, p, len);
		while (!f.bad && !field_is_done(&f)) {
			size_t left = f.left;

			switch (random() % 4) {
			case 0:
				field_int16(&f);
				break;
			case 1:
				field_int32(&f);
				break;
			case 2:
				ck_assert_uint_le(strlen(field_str(&f)), left);
				break;
			default:
				field_bytes(&f, 1 + (size_t)random() % 9);
			}
			ck_assert(f.bad || f.left < left);
		}
		free(p);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("field");
	TCase *tc = tcase_create("field");

	tcase_add_test(tc, test_whole);
	tcase_add_test(tc, test_truncated);
	tcase_add_test(tc, test_huge);
	tcase_add_test(tc, test_empty);
	tcase_add_test(tc, test_noise);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
