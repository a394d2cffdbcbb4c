/* tokens_test.c - the run-length queue beside a plain one. */
#include "worker/proto/tokens.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

#define PLAIN  4096
#define NOT(k) (~(UINT32_C(1) << (k)))

START_TEST(test_beside_plain)
{
	static uint8_t plain[PLAIN];
	struct tokens q;

	srandom(7);
	for (int round = 0; round < 300; round++) {
		uint32_t first = 0, end = 0;
		int lean = (int)(random() % 10);

		tokens_init(&q);
		while (end < PLAIN) {
			uint8_t k = (uint8_t)(1 + random() % TOKENS_TOP);

			if (random() % 3 == 0 && end > first)
				k = plain[end - 1];
			if (random() % 12 > lean || end == first) {
				if (tokens_push(&q, k) == -1)
					ck_abort_msg("push failed");
				plain[end++] = k;
			} else {
				k = plain[first];
				tokens_pop(&q);
				if (random() % 4 == 0)
					tokens_unpop(&q, k);
				else
					first++;
			}
			if (tokens_front(&q) !=
			    (first < end ? plain[first] : TOKENS_NONE))
				ck_abort_msg("front is another");
		}
		for (; first < end; first++) {
			ck_assert_uint_eq(tokens_front(&q), plain[first]);
			tokens_pop(&q);
		}
		ck_assert_uint_eq(tokens_front(&q), TOKENS_NONE);
		ck_assert_ptr_null(q.heap);
		tokens_clear(&q);
	}
}
END_TEST

/* The same token takes a byte for 8; different ones end at the bound. */
START_TEST(test_size)
{
	struct tokens q;
	uint32_t n = 0;

	tokens_init(&q);
	for (int i = 0; i < 8 * TOKENS_INLINE; i++)
		ck_assert_int_eq(tokens_push(&q, 3), 0);
	ck_assert_ptr_null(q.heap);
	ck_assert_int_eq(tokens_push(&q, 3), 0);
	ck_assert_ptr_nonnull(q.heap);
	tokens_clear(&q);
	while (tokens_push(&q, n % 2 == 0 ? 1 : 2) == 0)
		if (++n > TOKENS_MAX)
			break;
	ck_assert_uint_eq(n, TOKENS_MAX);
	ck_assert_uint_eq(tokens_front(&q), 1);
	ck_assert_uint_eq(tokens_count(&q, NOT(1), n), n / 2);
	tokens_pop(&q);
	tokens_unpop(&q, 1); /* a full queue takes back what it gave */
	ck_assert_uint_eq(tokens_count(&q, NOT(2), n), n / 2);
	tokens_clear(&q);
	ck_assert_uint_eq(tokens_front(&q), TOKENS_NONE);
}
END_TEST

START_TEST(test_count)
{
	struct tokens q;

	tokens_init(&q);
	ck_assert_uint_eq(tokens_count(&q, NOT(1), 9), 0);
	for (int i = 0; i < 5; i++) {
		tokens_push(&q, 1);
		tokens_push(&q, 2);
		tokens_push(&q, 2);
	}
	ck_assert_uint_eq(tokens_count(&q, NOT(1), 99), 10);
	ck_assert_uint_eq(tokens_count(&q, NOT(2), 99), 5);
	ck_assert_uint_eq(tokens_count(&q, NOT(1), 3), 3);
	tokens_clear(&q);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tokens");
	TCase *tc = tcase_create("tokens");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_beside_plain);
	tcase_add_test(tc, test_size);
	tcase_add_test(tc, test_count);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
