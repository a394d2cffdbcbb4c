/* arena_test.c - many small pieces, none over another, all gone at once. */
#include "conf/arena.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

START_TEST(pieces)
{
	struct arena a;
	unsigned char *p[500];

	arena_init(&a);
	for (size_t i = 0; i < 500; i++) {
		p[i] = arena_alloc(&a, i + 1);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert_uint_eq((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		for (size_t k = 0; k <= i; k++)
			ck_assert_uint_eq(p[i][k], 0);
		memset(p[i], (int)(i % 251), i + 1);
	}
	for (size_t i = 0; i < 500; i++)
		for (size_t k = 0; k <= i; k++)
			ck_assert_uint_eq(p[i][k], i % 251);
	arena_fini(&a);
	ck_assert_ptr_null(a.head);
	arena_fini(&a);
}
END_TEST

START_TEST(strings)
{
	struct arena a;
	char *s, *m;

	arena_init(&a);
	s = arena_strdup(&a, "abc");
	m = arena_memdup(&a, "a\0c", 3);
	ck_assert_str_eq(s, "abc");
	ck_assert_mem_eq(m, "a\0c", 4);
	ck_assert_str_eq(arena_memdup(&a, NULL, 0), "");
	ck_assert_str_eq(arena_strdup(&a, ""), "");
	arena_fini(&a);
}
END_TEST

START_TEST(too_large)
{
	struct arena a;
	char *big;

	arena_init(&a);
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - 16));
	ck_assert_ptr_null(arena_memdup(&a, "", SIZE_MAX));
	big = arena_alloc(&a, 1 << 20);
	ck_assert_ptr_nonnull(big);
	memset(big, 1, 1 << 20);
	ck_assert_ptr_nonnull(arena_alloc(&a, 0));
	arena_fini(&a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("arena");
	TCase *tc = tcase_create("arena");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, pieces);
	tcase_add_test(tc, strings);
	tcase_add_test(tc, too_large);
	return run_suite(s);
}
