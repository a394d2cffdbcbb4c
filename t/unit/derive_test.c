/*
 * derive_test.c - one derivation for all who want the same keys, slice by
 * slice, and what happens to those who leave.
 */
#include "worker/derive.h"

#include <check.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "t/unit/run.h"

enum { WAITERS = 8 };

static struct derive who[WAITERS];
static struct scram_keys got[WAITERS];
static int told[WAITERS], failed[WAITERS];
static struct derive *leaves; /* cancelled by the first who is told */

static void
on_keys(struct derive *d, const struct scram_keys *k)
{
	ptrdiff_t i = d - who;

	told[i]++;
	if (k == NULL)
		failed[i]++;
	else
		got[i] = *k;
	if (leaves != NULL)
		derive_cancel(leaves);
}

static void
setup(void)
{
	for (int i = 0; i < WAITERS; i++)
		who[i].on_keys = on_keys;
}

static struct scram_keys
wanted(uint8_t salt, uint32_t iterations)
{
	struct scram_keys k;

	memset(&k, 0, sizeof(k));
	memset(k.salt, salt, SCRAM_SALT);
	k.salt_len = SCRAM_SALT;
	k.iterations = iterations;
	return k;
}

static enum result
start(int i, const char *secret, uint8_t salt, uint32_t iterations)
{
	struct scram_keys k = wanted(salt, iterations);

	return derive_start(&who[i], secret, &k);
}

/* Turns until nothing is left to do. */
static int
turns(void)
{
	int n = 1;

	while (derive_turn())
		n++;
	return n;
}

START_TEST(test_shared)
{
	struct scram_keys want, k = wanted(1, 5000);

	for (int i = 0; i < WAITERS; i++)
		ck_assert_int_eq(start(i, "pencil", 1, 5000), WAIT);
	for (int i = 1; i < WAITERS; i++)
		ck_assert_ptr_eq(who[i].job, who[0].job);
	turns();
	ck_assert_int_eq(
	    scram_keys_derive(&want, "pencil", k.salt, k.salt_len, 5000), 0);
	for (int i = 0; i < WAITERS; i++) {
		ck_assert_int_eq(told[i], 1);
		ck_assert_int_eq(failed[i], 0);
		ck_assert_ptr_null(who[i].job);
		ck_assert_mem_eq(got[i].client, want.client, SCRAM_KEY);
		ck_assert_mem_eq(got[i].stored, want.stored, SCRAM_KEY);
		ck_assert_mem_eq(got[i].server, want.server, SCRAM_KEY);
	}
	/* kept: no derivation, no wait */
	ck_assert_int_eq(derive_start(&who[0], "pencil", &k), DONE);
	ck_assert(k.has_client);
	ck_assert_mem_eq(k.client, want.client, SCRAM_KEY);
	ck_assert_mem_eq(k.stored, want.stored, SCRAM_KEY);
	ck_assert_mem_eq(k.server, want.server, SCRAM_KEY);
	ck_assert(!derive_turn());
	derive_fini();
	ck_assert_int_eq(start(0, "pencil", 1, 5000), WAIT);
	derive_cancel(&who[0]);
}
END_TEST

/* Each of the three makes other keys. */
START_TEST(test_apart)
{
	ck_assert_int_eq(start(0, "pencil", 1, 100), WAIT);
	ck_assert_int_eq(start(1, "pencik", 1, 100), WAIT);
	ck_assert_int_eq(start(2, "pencil", 2, 100), WAIT);
	ck_assert_int_eq(start(3, "pencil", 1, 101), WAIT);
	turns();
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < i; j++)
			ck_assert_mem_ne(
			    got[i].stored, got[j].stored, SCRAM_KEY);
	ck_assert_int_eq(start(4, "pencil", 1, 100), DONE);
	derive_fini();
}
END_TEST

START_TEST(test_guess)
{
	who[0].is_guess = true;
	ck_assert_int_eq(start(0, "wrong", 1, 100), WAIT);
	turns();
	ck_assert_int_eq(told[0], 1);
	ck_assert_int_eq(start(0, "wrong", 1, 100), WAIT);
	/* one who knows joins it */
	ck_assert_int_eq(start(1, "wrong", 1, 100), WAIT);
	turns();
	ck_assert_int_eq(start(0, "wrong", 1, 100), DONE);
	derive_fini();
}
END_TEST

START_TEST(test_leave)
{
	/* the last one takes the derivation with it */
	ck_assert_int_eq(start(0, "pencil", 1, INT_MAX), WAIT);
	ck_assert_int_eq(start(1, "pencil", 1, INT_MAX), WAIT);
	ck_assert(derive_turn());
	derive_cancel(&who[0]);
	derive_cancel(&who[0]);
	ck_assert(derive_turn());
	derive_cancel(&who[1]);
	ck_assert(!derive_turn());
	/* one that starts anew leaves what it waited for */
	ck_assert_int_eq(start(0, "pencil", 1, INT_MAX), WAIT);
	ck_assert_int_eq(start(0, "pencil", 1, 100), WAIT);
	turns();
	ck_assert_int_eq(told[0], 1);
	ck_assert_int_eq(told[1], 0);
	/* while others are told */
	for (int i = 2; i < 5; i++)
		ck_assert_int_eq(start(i, "pencil", 9, 100), WAIT);
	leaves = &who[3];
	turns();
	ck_assert_int_eq(told[2] + told[4], 2);
	ck_assert_int_eq(told[3], 0);
	derive_fini();
}
END_TEST

/* A slice is short, and a long derivation keeps no short one waiting; nor do
 * short ones that come and come keep a long one from its end. */
START_TEST(test_slices)
{
	clock_t began = clock(); /* our own time, not that of a busy machine */
	int n = 0;

	ck_assert_int_eq(start(0, "pencil", 1, INT_MAX), WAIT);
	ck_assert(derive_turn());
	ck_assert_int_lt((clock() - began) * 1000 / CLOCKS_PER_SEC, 20);
	ck_assert_int_eq(start(1, "pencil", 2, 4096), WAIT);
	while (told[1] == 0 && n++ < 1000)
		ck_assert(derive_turn());
	ck_assert_int_lt(n, 200);
	derive_cancel(&who[0]);
	ck_assert_int_eq(start(0, "pencil", 3, 50000), WAIT);
	for (n = 0; told[0] == 0 && n < 2000; n++) {
		if (who[2].job == NULL)
			start(2, "pencil", 4, 100000 + (uint32_t)n);
		derive_turn();
		if (n % 3 == 0 && who[3].job == NULL)
			start(3, "pencil", 5, 400 + (uint32_t)n);
	}
	ck_assert_int_eq(told[0], 1);
	derive_cancel(&who[2]);
	derive_cancel(&who[3]);
	derive_fini();
}
END_TEST

/* More than there is room for: the oldest make room, none is wrong. */
START_TEST(test_full)
{
	struct scram_keys k;
	char secret[16];
	int there = 0;

	for (int i = 0; i < 20000; i++) {
		snprintf(secret, sizeof(secret), "s%d", i);
		if (start(0, secret, 1, 1) == WAIT)
			turns();
	}
	for (int i = 0; i < 20000; i++) {
		snprintf(secret, sizeof(secret), "s%d", i);
		k = wanted(1, 1);
		if (derive_start(&who[0], secret, &k) == DONE) {
			there++;
			if (i % 1000 == 0) {
				ck_assert_int_eq(
				    scram_keys_derive(
					&got[1], secret, k.salt, k.salt_len, 1),
				    0);
				ck_assert_mem_eq(
				    k.stored, got[1].stored, SCRAM_KEY);
			}
		}
		derive_cancel(&who[0]);
	}
	ck_assert_int_gt(there, 8000);
	ck_assert_int_lt(there, 16385);
	derive_fini();
}
END_TEST

START_TEST(test_bounds)
{
	struct scram_keys k = wanted(1, 0);

	ck_assert_int_eq(derive_start(&who[0], "x", &k), FAIL);
	k = wanted(1, 1);
	k.salt_len = 0;
	ck_assert_int_eq(derive_start(&who[0], "x", &k), FAIL);
	k.salt_len = SCRAM_SALT_MAX + 1;
	ck_assert_int_eq(derive_start(&who[0], "x", &k), FAIL);
	ck_assert_ptr_null(who[0].job);
	ck_assert(!derive_turn());
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("derive");
	TCase *tc = tcase_create("derive");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_shared);
	tcase_add_test(tc, test_apart);
	tcase_add_test(tc, test_guess);
	tcase_add_test(tc, test_leave);
	tcase_add_test(tc, test_slices);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_bounds);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
