/* clock_test.c - the two clocks, and a time as text. */
#include "conf/clock.h"

#include <check.h>
#include <stdlib.h>

#include "t/unit/run.h"

START_TEST(monotonic)
{
	uint64_t a = clock_now_us(), b = a;

	for (int i = 0; i < 10000; i++) {
		uint64_t c = clock_now_us();

		ck_assert_uint_ge(c, b);
		b = c;
	}
	ck_assert_uint_gt(b, a);
	ck_assert_uint_ge(clock_now_ms(), b / 1000);
	ck_assert_uint_le(clock_now_ms(), b / 1000 + 10000);
}
END_TEST

START_TEST(wall)
{
	uint64_t now = clock_wall_us();
	uint64_t ago = clock_wall_of_us(clock_now_us() - 5000000);

	ck_assert_uint_ge((time_t)(now / 1000000) + 1, time(NULL));
	ck_assert_uint_ge(ago + 5000000, now - 1000000);
	ck_assert_uint_le(ago + 5000000, now + 1000000);
}
END_TEST

START_TEST(text)
{
	char t[CLOCK_TEXT];
	uint64_t us = UINT64_C(1769860800123456); /* 2026-01-31 12:00 UTC */

	setenv("TZ", "UTC", 1);
	tzset();
	ck_assert_str_eq(clock_text(t, us, 1), "2026-01-31 12:00:00.123 UTC");
	ck_assert_str_eq(clock_text(t, us, 0), "2026-01-31 12:00:00 UTC");
	setenv("TZ", "CET-1", 1);
	tzset();
	/* another second: the text of the last one is kept */
	ck_assert_str_eq(
	    clock_text(t, us + 1000000, 0), "2026-01-31 13:00:01 CET");
	ck_assert_str_eq(clock_text(t, 0, 1), "1970-01-01 01:00:00.000 CET");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("clock");
	TCase *tc = tcase_create("clock");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, monotonic);
	tcase_add_test(tc, wall);
	tcase_add_test(tc, text);
	return run_suite(s);
}
