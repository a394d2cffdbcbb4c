/* intern_test.c - what many hold is there once, and as long as one does. */
#include "worker/backend/intern.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "t/unit/shmtest.h"

enum { MANY = 4000 }; /* more than there are chains */

START_TEST(equal_bytes_are_one)
{
	struct interned *a = intern_take("ab\0c", 4);
	struct interned *b = intern_take("ab\0c", 4);
	struct interned *shorter = intern_take("ab\0c", 3);
	struct interned *other = intern_take("ab\0d", 4);

	ck_assert_ptr_eq(a, b);
	ck_assert_uint_eq(a->refs, 2);
	ck_assert_uint_eq(a->len, 4);
	ck_assert_mem_eq(a->text, "ab\0c", 4);
	ck_assert_ptr_ne(a, shorter);
	ck_assert_ptr_ne(a, other);
	intern_drop(other);
	intern_drop(shorter);
	intern_drop(b);
	ck_assert_uint_eq(a->refs, 1);
	ck_assert_mem_eq(a->text, "ab\0c", 4);
	intern_drop(a);
}
END_TEST

START_TEST(empty_is_one_too)
{
	struct interned *a = intern_take("", 0);

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_eq(a, intern_take("", 0));
	intern_drop(a);
	intern_drop(a);
}
END_TEST

START_TEST(shared)
{
	struct interned *a = intern_take("x", 1);

	ck_assert_ptr_eq(intern_share(a), a);
	intern_drop(a);
	ck_assert_mem_eq(a->text, "x", 1);
	ck_assert_ptr_eq(intern_take("x", 1), a);
	intern_drop(a);
	intern_drop(a);
	ck_assert_ptr_null(intern_share(NULL));
	intern_drop(NULL);
}
END_TEST

/* Texts of one hash: of one length, and one that begins with the other. */
START_TEST(colliding)
{
	struct interned *a = intern_take("declinate", 9);
	struct interned *b = intern_take("macallums", 9);
	struct interned *longer = intern_take("\xcc$1\xc4\0", 5);
	struct interned *shorter = intern_take("\xcc$1\xc4", 4);

	ck_assert_uint_eq(a->hash, b->hash);
	ck_assert_ptr_ne(a, b);
	ck_assert_uint_eq(longer->hash, shorter->hash);
	ck_assert_ptr_ne(longer, shorter);
	intern_fini();
}
END_TEST

static struct interned *
number(int i)
{
	char text[16];

	return intern_take(
	    text, (uint32_t)snprintf(text, sizeof(text), "%d", i));
}

/* Each is found while others of its chain come and go, in any order. */
START_TEST(many)
{
	struct interned *all[MANY];

	for (int i = 0; i < MANY; i++)
		all[i] = number(i);
	for (int i = 0; i < MANY; i++) {
		int at = i * 7 % MANY;

		ck_assert_ptr_eq(number(at), all[at]);
		ck_assert_uint_eq(all[at]->refs, 2);
		intern_drop(all[at]);
		if (at % 2 == 0)
			intern_drop(all[at]);
	}
	for (int i = 1; i < MANY; i += 2) {
		ck_assert_ptr_eq(number(i), all[i]);
		intern_drop(all[i]);
	}
	intern_fini(); /* with half of them held */
	all[0] = number(0);
	ck_assert_uint_eq(all[0]->refs, 1);
	intern_drop(all[0]);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(equal_bytes_are_one),
		TEST(empty_is_one_too),
		TEST(shared),
		TEST(colliding),
		TEST(many),
		NO_MORE_TESTS,
	};

	return run_tests("intern", tests, 30);
}
