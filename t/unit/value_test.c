/* value_test.c - one value from its text: what is taken, what is refused. */
#include "conf/value.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

START_TEST(ints)
{
	static const struct {
		const char *text;
		int64_t want;
	} good[] = {
		{ "0", 0 },
		{ "42", 42 },
		{ "+7", 7 },
		{ "-1", -1 },
		{ "0777", 511 },
		{ "0x1F", 31 },
		{ "0Xff", 255 },
		{ "00", 0 },
		{ "2147483647", INT_MAX },
	};
	static const char *const bad[] = { "", "-", "+", "0x", "08", "1a", " 1",
		"1 ", "1.0", "--1", "0x-1", "2147483648", "-2",
		"99999999999999999999", "0xffffffffffffffffffff" };
	int64_t n;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		ck_assert_int_eq(value_int(good[i].text, -1, INT_MAX, &n), 0);
		ck_assert_int_eq(n, good[i].want);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		n = 12345;
		ck_assert_msg(
		    value_int(bad[i], -1, INT_MAX, &n) == -1, "%s", bad[i]);
		ck_assert_int_eq(n, 12345);
	}
	ck_assert_int_eq(value_int("5", 5, 5, &n), 0);
	ck_assert_int_eq(value_int("4", 5, 5, &n), -1);
	ck_assert_int_eq(value_int("6", 5, 5, &n), -1);
}
END_TEST

START_TEST(bools)
{
	static const char *const yes[] = { "1", "on", "YES", "True" };
	static const char *const no[] = { "0", "Off", "no", "FALSE" };
	int n;

	for (size_t i = 0; i < 4; i++) {
		n = 7;
		ck_assert_int_eq(value_bool(yes[i], &n), 0);
		ck_assert_int_eq(n, 1);
		ck_assert_int_eq(value_bool(no[i], &n), 0);
		ck_assert_int_eq(n, 0);
	}
	n = 7;
	ck_assert_int_eq(value_bool("2", &n), -1);
	ck_assert_int_eq(value_bool("", &n), -1);
	ck_assert_int_eq(value_bool("yess", &n), -1);
	ck_assert_int_eq(n, 7);
}
END_TEST

START_TEST(times)
{
	static const struct {
		const char *text;
		int64_t want;
	} good[] = {
		{ "0", 0 },
		{ "15", 15000 },
		{ "0.5", 500 },
		{ ".25", 250 },
		{ "1.", 1000 },
		{ "1.2345", 1234 },
		{ "0.0001", 1 },
		{ "0.0000", 0 },
		{ "007", 7000 },
		{ "3600", 3600000 },
		{ "2147483647", INT64_C(2147483647000) },
	};
	static const char *const bad[] = { "", ".", "-1", "+1", "1e3", "1s",
		"nan", "inf", "0x10", "1.2.3", " 1", "1 ", "99999999999",
		"999999999999999999999999" };
	char text[VALUE_TIME_TEXT];
	int64_t ms;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		ck_assert_msg(
		    value_time(good[i].text, &ms) == 0, "%s", good[i].text);
		ck_assert_int_eq(ms, good[i].want);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(value_time(bad[i], &ms) == -1, "%s", bad[i]);
	ck_assert_str_eq(value_time_text(text, 0), "0");
	ck_assert_str_eq(value_time_text(text, 15000), "15");
	ck_assert_str_eq(value_time_text(text, 500), "0.5");
	ck_assert_str_eq(value_time_text(text, 1001), "1.001");
	ck_assert_str_eq(value_time_text(text, 100), "0.1");
	ck_assert_str_eq(value_time_text(text, 3600000), "3600");
}
END_TEST

/* What is written can be read again, to the millisecond. */
START_TEST(times_round_trip)
{
	char text[VALUE_TIME_TEXT];
	int64_t back;

	for (int64_t ms = 0; ms < 25000; ms += 7) {
		value_time_text(text, ms);
		ck_assert_int_eq(value_time(text, &back), 0);
		ck_assert_int_eq(back, ms);
	}
}
END_TEST

START_TEST(choices)
{
	static const struct value_choice c[] = { { "one", 1 }, { "two", 2 },
		{ NULL, 0 } };
	int n = 9;

	ck_assert_int_eq(value_choice("TWO", c, &n), 0);
	ck_assert_int_eq(n, 2);
	ck_assert_int_eq(value_choice("tw", c, &n), -1);
	ck_assert_int_eq(value_choice("", c, &n), -1);
	ck_assert_int_eq(n, 2);
	ck_assert_str_eq(value_choice_name(c, 1), "one");
	ck_assert_ptr_null(value_choice_name(c, 0));
}
END_TEST

START_TEST(words)
{
	const char *list = " ,a, b c ,,\td,";
	static const char *const want[] = { "a", "b c", "d" };
	const char *word;
	size_t len, n = 0;

	while ((word = value_word(&list, &len)) != NULL) {
		ck_assert_uint_lt(n, 3);
		ck_assert_uint_eq(len, strlen(want[n]));
		ck_assert_mem_eq(word, want[n], len);
		n++;
	}
	ck_assert_uint_eq(n, 3);
	list = "";
	ck_assert_ptr_null(value_word(&list, &len));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("value");
	TCase *tc = tcase_create("value");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, ints);
	tcase_add_test(tc, bools);
	tcase_add_test(tc, times);
	tcase_add_test(tc, times_round_trip);
	tcase_add_test(tc, choices);
	tcase_add_test(tc, words);
	return run_suite(s);
}
