/* cancelkey_test.c - keys lead to their row, and tell nobody which. */
#include "shm/cancelkey.h"

#include "shm/clientrow.h"
#include "t/unit/shmtest.h"

static uint64_t
keyed_row(uint32_t *row)
{
	uint64_t key;

	*row = clientrow_take();
	ck_assert_uint_ne(*row, CLIENTROW_NONE);
	key = cancelkey_make(*row);
	atomic_store(&clientrow_at(*row)->key, key);
	return key;
}

START_TEST(leads_to_its_row)
{
	uint32_t rows[40], row, gen;
	uint64_t keys[40];

	fresh_segment(3, 8, 4);
	ck_assert_int_eq(clientrow_init(2), 0);
	for (int i = 0; i < 40; i++)
		keys[i] = keyed_row(&rows[i]);
	for (int i = 0; i < 40; i++) {
		ck_assert_uint_ne(keys[i] >> 32, 0);
		ck_assert(cancelkey_find(keys[i], &row, &gen));
		ck_assert_uint_eq(row, rows[i]);
		ck_assert_uint_eq(gen, atomic_load(&clientrow_at(row)->gen));
	}
	clientrow_fini();
	segment_drop();
}
END_TEST

START_TEST(only_while_the_row_holds_it)
{
	uint32_t a, row, gen;
	uint64_t key, old;

	fresh_segment(1, 8, 4);
	ck_assert_int_eq(clientrow_init(0), 0);
	key = keyed_row(&a);
	for (int bit = 0; bit < 64; bit++)
		ck_assert(
		    !cancelkey_find(key ^ UINT64_C(1) << bit, &row, &gen));
	ck_assert(!cancelkey_find(0, &row, &gen));
	clientrow_free(a);
	ck_assert(!cancelkey_find(key, &row, &gen));
	/* the row's next client has another key */
	old = key;
	key = keyed_row(&row);
	ck_assert_uint_eq(row, a);
	ck_assert(!cancelkey_find(old, &row, &gen));
	ck_assert(cancelkey_find(key, &row, &gen));
	/* withdrawn but for its key, as a crash may leave it */
	atomic_fetch_add(&clientrow_at(a)->gen, 1);
	ck_assert(!cancelkey_find(key, &row, &gen));
	clientrow_fini();
	segment_drop();
}
END_TEST

/* Two keys of one row agree in about half of their bits. */
START_TEST(tells_nothing)
{
	int same = 0, rounds = 200;
	uint64_t a, b;

	fresh_segment(1, 8, 4);
	a = cancelkey_make(3);
	for (int i = 0; i < rounds; i++) {
		b = cancelkey_make(3);
		ck_assert_uint_ne(a, b);
		for (int bit = 0; bit < 64; bit++)
			same += ((a ^ b) >> bit & 1) == 0;
		a = b;
	}
	ck_assert_int_gt(same, rounds * 32 * 9 / 10);
	ck_assert_int_lt(same, rounds * 32 * 11 / 10);
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(leads_to_its_row),
		TEST(only_while_the_row_holds_it),
		TEST(tells_nothing),
		NO_MORE_TESTS,
	};

	return run_tests("cancelkey", tests, 20);
}
