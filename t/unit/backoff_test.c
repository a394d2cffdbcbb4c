/* backoff_test.c - how long a dead child waits before it is forked anew. */
#include "master/backoff.h"

#include <check.h>
#include <stdlib.h>

#include "t/unit/run.h"

static uint32_t
die_after(struct backoff *b, uint64_t *now_ms, uint64_t life_ms)
{
	backoff_born(b, *now_ms);
	*now_ms += life_ms;
	return backoff_died(b, *now_ms);
}

START_TEST(grows_to_a_limit)
{
	static const uint32_t want[] = { 0, 100, 200, 400, 800, 1600, 3200,
		5000, 5000, 5000 };
	struct backoff b = { 0 };
	uint64_t now_ms = 1000;

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		ck_assert_uint_eq(die_after(&b, &now_ms, 1), want[i]);
	for (int i = 0; i < 100000; i++)
		ck_assert_uint_eq(die_after(&b, &now_ms, 1), BACKOFF_MAX_MS);
}
END_TEST

START_TEST(long_life_forgives_all)
{
	struct backoff b = { 0 };
	uint64_t now_ms = 0;

	for (int i = 0; i < 20; i++)
		(void)die_after(&b, &now_ms, 1);
	ck_assert_uint_ne(die_after(&b, &now_ms, BACKOFF_RESET_MS - 1), 0);
	ck_assert_uint_eq(die_after(&b, &now_ms, BACKOFF_RESET_MS), 0);
	ck_assert_uint_eq(die_after(&b, &now_ms, 1), BACKOFF_FIRST_MS);
}
END_TEST

START_TEST(one_death_a_second_never_adds_up)
{
	struct backoff b = { 0 };
	uint64_t now_ms = 0;

	for (int i = 0; i < 1000; i++)
		ck_assert_uint_eq(die_after(&b, &now_ms, 1000), 0);
	/* and a served life takes one step back, not all */
	for (int i = 0; i < 4; i++)
		(void)die_after(&b, &now_ms, 1);
	ck_assert_uint_eq(die_after(&b, &now_ms, BACKOFF_SERVED_MS - 1), 1600);
	ck_assert_uint_eq(die_after(&b, &now_ms, BACKOFF_SERVED_MS), 1600);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("backoff");
	TCase *tc = tcase_create("backoff");

	tcase_add_test(tc, grows_to_a_limit);
	tcase_add_test(tc, long_life_forgives_all);
	tcase_add_test(tc, one_death_a_second_never_adds_up);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
