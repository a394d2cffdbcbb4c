/* clientrow_test.c - rows of clients: taken, given back, withdrawn. */
#include "shm/clientrow.h"

#include <stdio.h>
#include <string.h>

#include "t/unit/shmtest.h"

static bool
in_use(uint32_t idx)
{
	return (atomic_load(&clientrow_at(idx)->gen) & 1) != 0;
}

START_TEST(taken_and_given_back)
{
	uint32_t a, b, gen;

	fresh_segment(3, 8, 4);
	ck_assert_uint_eq(clientrow_take(), CLIENTROW_NONE); /* no list */
	ck_assert_int_eq(clientrow_init(1), 0);
	a = clientrow_take();
	b = clientrow_take();
	ck_assert_uint_eq(a, clientrow_first(1));
	ck_assert_uint_eq(b, a + 1);
	ck_assert_uint_eq(clientrow_high(1), 2);
	ck_assert_uint_eq(clientrow_high(0), 0);
	ck_assert_uint_eq(clientrow_worker(a), 1);
	ck_assert(in_use(a) && in_use(b));
	ck_assert_uint_eq(atomic_load(&clientrow_at(a)->pool), POOL_NONE);
	gen = atomic_load(&clientrow_at(a)->gen);
	atomic_store(&clientrow_at(a)->key, 5);
	clientrow_free(a);
	ck_assert(!in_use(a));
	ck_assert_uint_eq(atomic_load(&clientrow_at(a)->key), 0);
	clientrow_free(a); /* twice: once */
	clientrow_free(clientrow_first(0));
	clientrow_free(CLIENTROW_NONE);
	ck_assert_uint_eq(clientrow_take(), a);
	ck_assert_uint_eq(atomic_load(&clientrow_at(a)->gen), gen + 2);
	ck_assert_uint_eq(clientrow_take(), b + 1);
	clientrow_fini();
	segment_drop();
}
END_TEST

START_TEST(until_none_is_left)
{
	uint32_t n;

	fresh_segment(2, 8, 4);
	ck_assert_int_eq(clientrow_init(0), 0);
	for (n = 0; clientrow_take() != CLIENTROW_NONE; n++)
		;
	ck_assert_uint_eq(n, seg->nclients);
	ck_assert(!in_use(clientrow_first(1)));
	clientrow_free(7);
	ck_assert_uint_eq(clientrow_take(), 7);
	ck_assert_uint_eq(clientrow_take(), CLIENTROW_NONE);
	ck_assert_int_eq(clientrow_init(2), -1);
	clientrow_fini();
	segment_drop();
}
END_TEST

START_TEST(a_replacement_goes_on)
{
	uint32_t rows[5];

	fresh_segment(2, 8, 4);
	ck_assert_int_eq(clientrow_init(1), 0);
	for (int i = 0; i < 5; i++)
		rows[i] = clientrow_take();
	clientrow_free(rows[2]);
	clientrow_fini(); /* as if it had died */
	clientrow_withdraw(1);
	for (int i = 0; i < 5; i++)
		ck_assert(!in_use(rows[i]));
	ck_assert_int_eq(clientrow_init(1), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(clientrow_take(), rows[i]);
	ck_assert_uint_eq(clientrow_take(), rows[4] + 1);
	/* a row in use is not handed out again */
	clientrow_fini();
	ck_assert_int_eq(clientrow_init(1), 0);
	ck_assert_uint_eq(clientrow_take(), rows[4] + 2);
	clientrow_fini();
	segment_drop();
}
END_TEST

START_TEST(what_it_says)
{
	struct clientrow_info in = { .id = 9 }, out;
	uint32_t a;

	fresh_segment(1, 8, 4);
	ck_assert_int_eq(clientrow_init(0), 0);
	a = clientrow_take();
	snprintf(in.user, sizeof(in.user), "me");
	clientrow_info_write(a, &in);
	ck_assert(clientrow_info_look(a, &out));
	ck_assert_mem_eq(&in, &out, sizeof(in));
	clientrow_info_write(CLIENTROW_NONE, &in);
	ck_assert(!clientrow_info_look(CLIENTROW_NONE, &out));
	/* died inside */
	atomic_fetch_add(&clientrow_at(a)->seq, 1);
	ck_assert(!clientrow_info_look(a, &out));
	clientrow_withdraw(0);
	ck_assert(clientrow_info_look(a, &out));
	ck_assert_uint_eq(out.id, 0);
	clientrow_fini();
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(taken_and_given_back),
		TEST(until_none_is_left),
		TEST(a_replacement_goes_on),
		TEST(what_it_says),
		NO_MORE_TESTS,
	};

	return run_tests("clientrow", tests, 10);
}
