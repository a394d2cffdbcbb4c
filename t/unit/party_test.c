/* party_test.c - databases and users: rows by name, the pools lock. */
#include "shm/party.h"

#include <string.h>

#include "t/unit/shmtest.h"

START_TEST(the_lock_names_its_holder)
{
	fresh_segment(2, 8, 4);
	ck_assert(pools_lock_try(1));
	ck_assert_uint_eq(atomic_load(&seg->pools_lock), 2);
	ck_assert(!pools_lock_try(0));
	ck_assert(!pools_lock_try(1));
	pools_lock_drop(0); /* not its */
	ck_assert_uint_eq(atomic_load(&seg->pools_lock), 2);
	pools_lock_drop(1);
	ck_assert(pools_lock_try(PROC_SUPERVISOR));
	pools_lock_drop(PROC_SUPERVISOR);
	ck_assert_uint_eq(atomic_load(&seg->pools_lock), 0);
	segment_drop();
}
END_TEST

START_TEST(define_and_find)
{
	uint32_t a, b, u;
	bool busy;

	fresh_segment(1, 8, 4);
	ck_assert_uint_eq(db_find("app"), POOL_NONE);
	a = db_define(PROC_SUPERVISOR, "app", 10, &busy);
	b = db_define(PROC_SUPERVISOR, "other", 20, &busy);
	u = user_define(PROC_SUPERVISOR, "app", 5, &busy);
	ck_assert_uint_ne(a, b);
	ck_assert_uint_eq(db_find("app"), a);
	ck_assert_uint_eq(db_find("other"), b);
	ck_assert_uint_eq(db_find("ap"), POOL_NONE);
	ck_assert_uint_eq(user_find("app"), u);
	ck_assert_uint_eq(user_find("other"), POOL_NONE);
	ck_assert_str_eq(db_at(b)->name, "other");
	ck_assert_uint_eq(atomic_load(&db_at(b)->max), 20);
	ck_assert_uint_eq(atomic_load(&db_at(b)->defined), 1);
	ck_assert_uint_eq(atomic_load(&db_at(b)->gen) & 1, 1);
	/* again: the same row, the new limit */
	atomic_store(&db_at(a)->paused, 1);
	ck_assert_uint_eq(db_define(PROC_SUPERVISOR, "app", 11, &busy), a);
	ck_assert_uint_eq(atomic_load(&db_at(a)->max), 11);
	ck_assert_uint_eq(atomic_load(&db_at(a)->paused), 1);
	segment_drop();
}
END_TEST

START_TEST(busy_full_or_too_long)
{
	char name[POOL_NAME + 1];
	bool busy;

	fresh_segment(1, 8, 2);
	ck_assert(pools_lock_try(0));
	ck_assert_uint_eq(db_define(PROC_SUPERVISOR, "x", 1, &busy), POOL_NONE);
	ck_assert(busy);
	pools_lock_drop(0);
	memset(name, 'n', sizeof(name));
	name[POOL_NAME] = '\0';
	ck_assert_uint_eq(
	    db_define(PROC_SUPERVISOR, name, 1, &busy), POOL_NONE);
	ck_assert(!busy);
	name[POOL_NAME - 1] = '\0';
	ck_assert_uint_eq(db_define(PROC_SUPERVISOR, name, 1, &busy), 0);
	ck_assert_uint_eq(db_find(name), 0);
	ck_assert_uint_eq(db_define(PROC_SUPERVISOR, "2", 1, &busy), 1);
	ck_assert_uint_eq(db_define(PROC_SUPERVISOR, "3", 1, &busy), POOL_NONE);
	ck_assert(!busy);
	ck_assert_uint_eq(atomic_load(&seg->pools_lock), 0);
	segment_drop();
}
END_TEST

START_TEST(swept_when_nothing_names_it)
{
	uint32_t pool, d, gen;
	bool busy;

	fresh_segment(1, 8, 4);
	d = db_define(PROC_SUPERVISOR, "kept", 1, &busy);
	pool = join(0, "used", "me", 2);
	ck_assert(pools_lock_try(0));
	gen = atomic_load(&db_at(db_make("orphan", 3))->gen);
	ck_assert_uint_eq(gen & 1, 1);
	party_sweep();
	pools_lock_drop(0);
	ck_assert_uint_eq(db_find("orphan"), POOL_NONE);
	ck_assert_uint_eq(db_find("kept"), d);
	ck_assert_uint_ne(db_find("used"), POOL_NONE);
	ck_assert_uint_eq(user_find("me"), atomic_load(&pool_at(pool)->user));
	db_undefine(d);
	ck_assert(pools_lock_try(0));
	party_sweep();
	party_sweep();
	pools_lock_drop(0);
	ck_assert_uint_eq(db_find("kept"), POOL_NONE);
	/* its row has another generation when it is used again */
	gen = atomic_load(&db_at(d)->gen);
	ck_assert_uint_eq(db_define(PROC_SUPERVISOR, "new", 1, &busy), d);
	ck_assert_uint_eq(atomic_load(&db_at(d)->gen), gen + 1);
	ck_assert_uint_eq(atomic_load(&db_at(d)->paused), 0);
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(the_lock_names_its_holder),
		TEST(define_and_find),
		TEST(busy_full_or_too_long),
		TEST(swept_when_nothing_names_it),
		NO_MORE_TESTS,
	};

	return run_tests("party", tests, 10);
}
