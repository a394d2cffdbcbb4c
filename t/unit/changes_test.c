/* changes_test.c - first in, first out, in a ring that grows. */
#include "worker/session/changes.h"

#include "t/unit/shmtest.h"

enum { TURNS = 20000 };

static struct change
number(uint32_t i)
{
	return (struct change){ .entry = (uint16_t)i, .kind = i % 8 };
}

START_TEST(in_order)
{
	struct changes q = { 0 };
	uint32_t in = 0, out = 0, r = 1;

	for (int turn = 0; turn < TURNS; turn++) {
		uint32_t n = (r = r * 1103515245u + 12345u) / 65536 % 20;
		struct change e;

		for (uint32_t i = 0; i < n && in - out < 5000; i++)
			ck_assert_int_eq(changes_push(&q, number(in++)), 0);
		for (uint32_t i = 0; i < (r >> 24) % 20 && out < in; i++) {
			ck_assert_uint_eq(
			    changes_oldest(&q)->entry, (uint16_t)out);
			e = changes_pop(&q);
			ck_assert_uint_eq(e.entry, (uint16_t)out);
			ck_assert_uint_eq(e.kind, out % 8);
			out++;
		}
		ck_assert_uint_eq(q.len, in - out);
	}
	ck_assert_uint_gt(in, 10000);
	changes_fini(&q);
	ck_assert_ptr_null(changes_oldest(&q));
}
END_TEST

/* What was not sent after all is not there. */
START_TEST(taken_back)
{
	struct changes q = { 0 };

	ck_assert_ptr_null(changes_oldest(&q));
	changes_push(&q, number(1));
	changes_push(&q, number(2));
	changes_unpush(&q);
	changes_push(&q, number(3));
	ck_assert_uint_eq(changes_pop(&q).entry, 1);
	ck_assert_uint_eq(changes_pop(&q).entry, 3);
	ck_assert_ptr_null(changes_oldest(&q));
	/* and it can be used again */
	changes_fini(&q);
	changes_push(&q, number(4));
	ck_assert_uint_eq(changes_oldest(&q)->entry, 4);
	changes_fini(&q);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = { TEST(in_order),
		TEST(taken_back), NO_MORE_TESTS };

	return run_tests("changes", tests, 30);
}
