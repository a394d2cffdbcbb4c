/* cancelkey_test.c - keys lead to their row, and tell nobody which. */
#include "shm/cancelkey.h"

#include <string.h>

#include "shm/clientrow.h"
#include "t/unit/shmtest.h"

static struct cancelkey
keyed_row(uint32_t *row, bool is_long)
{
	struct cancelkey key;

	*row = clientrow_take();
	ck_assert_uint_ne(*row, CLIENTROW_NONE);
	cancelkey_give(*row, is_long, &key);
	ck_assert_uint_ne(key.pid, 0);
	ck_assert_uint_eq(key.len, is_long ? 32 : 4);
	return key;
}

static bool
find(const struct cancelkey *k, uint32_t *row, uint32_t *gen)
{
	return cancelkey_find(k->pid, k->secret, k->len, row, gen);
}

START_TEST(leads_to_its_row)
{
	struct cancelkey keys[40];
	uint32_t rows[40], row, gen;

	fresh_segment(3, 8, 4);
	ck_assert_int_eq(clientrow_init(2), 0);
	for (int i = 0; i < 40; i++)
		keys[i] = keyed_row(&rows[i], i % 2 == 0);
	for (int i = 0; i < 40; i++) {
		ck_assert(find(&keys[i], &row, &gen));
		ck_assert_uint_eq(row, rows[i]);
		ck_assert_uint_eq(gen, atomic_load(&clientrow_at(row)->gen));
	}
	clientrow_fini();
	segment_drop();
}
END_TEST

START_TEST(only_while_the_row_holds_it)
{
	struct cancelkey key, old, none = { .len = 4 };
	uint32_t a, row, gen;

	fresh_segment(1, 8, 4);
	ck_assert_int_eq(clientrow_init(0), 0);
	key = keyed_row(&a, false);
	ck_assert(!find(&none, &row, &gen));
	clientrow_free(a);
	ck_assert(!find(&key, &row, &gen));
	/* the row's next client has another key */
	old = key;
	key = keyed_row(&row, false);
	ck_assert_uint_eq(row, a);
	ck_assert(!find(&old, &row, &gen));
	ck_assert(find(&key, &row, &gen));
	/* withdrawn but for its key, as a crash may leave it */
	atomic_fetch_add(&clientrow_at(a)->gen, 1);
	ck_assert(!find(&key, &row, &gen));
	clientrow_fini();
	segment_drop();
}
END_TEST

/* Every bit counts, and so does the length. */
static void
only_this_one(bool is_long)
{
	struct cancelkey key, other;
	uint8_t longer[257];
	uint32_t a, row, gen;

	fresh_segment(1, 8, 4);
	ck_assert_int_eq(clientrow_init(0), 0);
	key = keyed_row(&a, is_long);
	for (uint32_t bit = 0; bit < 32 + 8 * key.len; bit++) {
		other = key;
		if (bit < 32)
			other.pid ^= UINT32_C(1) << bit;
		else
			other.secret[(bit - 32) / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert(!find(&other, &row, &gen));
	}
	memset(longer, 0, sizeof(longer));
	memcpy(longer, key.secret, key.len);
	for (size_t len = 0; len <= sizeof(longer); len++)
		ck_assert_int_eq(
		    cancelkey_find(key.pid, longer, len, &row, &gen),
		    len == key.len);
	clientrow_fini();
	segment_drop();
}

START_TEST(short_and_nothing_else)
{
	only_this_one(false);
}
END_TEST

START_TEST(long_and_nothing_else)
{
	only_this_one(true);
}
END_TEST

/* Two keys of one row agree in about half of their bits. */
START_TEST(tells_nothing)
{
	struct cancelkey a, b;
	int same = 0, rounds = 200;
	uint32_t row;

	fresh_segment(1, 8, 4);
	ck_assert_int_eq(clientrow_init(0), 0);
	a = keyed_row(&row, true);
	for (int i = 0; i < rounds; i++) {
		cancelkey_give(row, true, &b);
		ck_assert_int_ne(memcmp(&a, &b, sizeof(a)), 0);
		for (int bit = 0; bit < 32; bit++)
			same += ((a.pid ^ b.pid) >> bit & 1) == 0;
		for (int bit = 0; bit < 8 * CANCELKEY_LONG; bit++)
			same += ((a.secret[bit / 8] ^ b.secret[bit / 8]) >>
					bit % 8 &
				    1) == 0;
		a = b;
	}
	ck_assert_int_gt(same, rounds * 144 * 9 / 10);
	ck_assert_int_lt(same, rounds * 144 * 11 / 10);
	clientrow_fini();
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(leads_to_its_row),
		TEST(only_while_the_row_holds_it),
		TEST(short_and_nothing_else),
		TEST(long_and_nothing_else),
		TEST(tells_nothing),
		NO_MORE_TESTS,
	};

	return run_tests("cancelkey", tests, 20);
}
