/* pool_test.c - pools: one row a pair, members, taken back when unused. */
#include "shm/pool.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/clock.h"
#include "shm/count.h"
#include "shm/limits.h"
#include "shm/queue.h"
#include "shm/slot.h"
#include "t/unit/shmtest.h"

START_TEST(one_row_a_pair)
{
	uint32_t a, b, c;

	fresh_segment(2, 8, 8);
	a = join(0, "db", "u1", 3);
	b = join(0, "db", "u2", 4);
	c = join(1, "db2", "u1", 5);
	ck_assert_uint_eq(join(1, "db", "u1", 99), a);
	ck_assert_uint_ne(a, b);
	ck_assert_uint_ne(b, c);
	ck_assert_uint_ne(a, c);
	ck_assert_uint_eq(pool_find("db", "u2"), b);
	ck_assert_uint_eq(pool_find("db2", "u2"), POOL_NONE);
	ck_assert_str_eq(pool_db_name(pool_at(c)), "db2");
	ck_assert_str_eq(pool_user_name(pool_at(c)), "u1");
	ck_assert_uint_eq(pool_at(a)->db, pool_at(b)->db);
	ck_assert_uint_eq(pool_at(a)->user, pool_at(c)->user);
	ck_assert_uint_eq(atomic_load(&pool_at(a)->size), 3);
	ck_assert_uint_eq(pool_members(a), 2);
	pool_leave(0, a);
	ck_assert_uint_eq(pool_members(a), 1);
	pool_leave(0, a); /* once too often: nothing */
	ck_assert_uint_eq(pool_members(a), 1);
	segment_drop();
}
END_TEST

START_TEST(refusals)
{
	struct pool_limits l = limits_for(1);
	char name[200];
	bool busy;

	fresh_segment(1, 8, 16);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_uint_eq(pool_join(0, name, "u", &l, &busy), POOL_NONE);
	ck_assert_uint_eq(pool_join(0, "d", name, &l, &busy), POOL_NONE);
	ck_assert_uint_eq(pool_find("d", name), POOL_NONE);
	ck_assert_uint_eq(pool_join(7, "d", "u", &l, &busy), POOL_NONE);
	ck_assert(!busy);
	ck_assert(pools_lock_try(PROC_SUPERVISOR));
	ck_assert_uint_eq(pool_join(0, "d", "u", &l, &busy), POOL_NONE);
	ck_assert(busy);
	pools_lock_drop(PROC_SUPERVISOR);
	/* nobody makes a row with the limits of yesterday; who finds one may */
	atomic_store(&seg->conf_number, 2);
	l.conf_number = 1;
	ck_assert_uint_eq(pool_join(0, "d", "u", &l, &busy), POOL_NONE);
	ck_assert(busy);
	ck_assert_uint_eq(pool_find("d", "u"), POOL_NONE);
	l.conf_number = 2;
	ck_assert_uint_ne(pool_join(0, "d", "u", &l, &busy), POOL_NONE);
	l.conf_number = 1;
	ck_assert_uint_ne(pool_join(0, "d", "u", &l, &busy), POOL_NONE);
	l.conf_number = 0;
	atomic_store(&seg->conf_number, 0);
	for (int i = 0; i < 15; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		(void)join(0, "d", name, 1);
	}
	ck_assert_uint_eq(pool_join(0, "d", "more", &l, &busy), POOL_NONE);
	ck_assert(!busy);
	ck_assert_uint_eq(pool_find("d", "more"), POOL_NONE);
	ck_assert_uint_eq(atomic_load(&seg->pools_lock), 0);
	segment_drop();
}
END_TEST

START_TEST(refresh_and_obsolete)
{
	struct pool_limits l = limits_for(9);
	uint32_t a;

	fresh_segment(1, 8, 4);
	a = join(0, "d", "u", 3);
	l.db_max = 50;
	l.user_max = 60;
	l.reserve = 2;
	l.mode = 1;
	pool_refresh(a, &l);
	ck_assert_uint_eq(atomic_load(&pool_at(a)->size), 9);
	ck_assert_uint_eq(atomic_load(&pool_at(a)->reserve), 2);
	ck_assert_uint_eq(atomic_load(&pool_at(a)->mode), 1);
	ck_assert_uint_eq(atomic_load(&db_at(pool_at(a)->db)->max), 50);
	ck_assert_uint_eq(atomic_load(&user_at(pool_at(a)->user)->max), 60);
	ck_assert_uint_eq(atomic_load(&pool_at(a)->epoch), 0);
	pool_obsolete(a);
	ck_assert_uint_eq(atomic_load(&pool_at(a)->epoch), 1);
	pool_refresh(seg->npools, &l);
	pool_obsolete(seg->npools);
	ck_assert(!pool_is_paused(pool_at(a)));
	atomic_store(&db_at(pool_at(a)->db)->paused, 1);
	ck_assert(pool_is_paused(pool_at(a)));
	segment_drop();
}
END_TEST

/* Call twice: once to see it unused, once to free it. */
static uint32_t
reclaim(void)
{
	(void)pool_reclaim(0, 0);
	return pool_reclaim(0, clock_now_ms() + 1000);
}

START_TEST(taken_back)
{
	uint32_t a, b, gen, slot, to, to_pool;
	uint64_t slot_gen_now, to_gen;

	fresh_segment(2, 8, 4);
	a = join(0, "d", "u", 3);
	b = join(1, "d", "v", 3);
	gen = atomic_load(&pool_at(a)->gen);
	atomic_store(&count_at(1, a)->n[COUNT_XACTS], 5);
	ck_assert_uint_eq(reclaim(), 0);
	pool_leave(0, a);
	/* each of these holds it */
	ck_assert_int_eq(
	    limits_open(0, a, 0, 0, &slot, &slot_gen_now), LIMITS_OK);
	ck_assert_uint_eq(reclaim(), 0);
	ck_assert(slot_move(
	    slot_at(slot), slot_look(slot_at(slot)), SLOT_CLOSING, 0));
	ck_assert(limits_close(0, slot, slot_gen_now, &to, &to_pool, &to_gen));
	ck_assert(pool_login_take(pool_at(a), 1));
	ck_assert_uint_eq(reclaim(), 0);
	pool_login_drop(pool_at(a), 1);
	queue_publish(1, a, 1, 1000);
	ck_assert_uint_eq(reclaim(), 0);
	queue_publish(1, a, 0, 0);
	ck_assert(grant_offer(1, a, 1, 1));
	ck_assert_uint_eq(reclaim(), 0);
	grant_clear(1, a);
	/* not at once, and not while the limits lock is held */
	ck_assert_uint_eq(pool_reclaim(0, clock_now_ms() + 1000), 0);
	ck_assert(limits_try(1));
	ck_assert_uint_eq(pool_reclaim(0, clock_now_ms() + 1000), 0);
	limits_drop(1);
	ck_assert_uint_eq(pool_reclaim(0, clock_now_ms() - 1000), 0);
	ck_assert_uint_eq(pool_reclaim(0, clock_now_ms() + 1000), 1);
	ck_assert_uint_eq(pool_find("d", "u"), POOL_NONE);
	ck_assert_uint_eq(pool_find("d", "v"), b);
	ck_assert_uint_ne(db_find("d"), POOL_NONE);
	ck_assert_uint_eq(user_find("u"), POOL_NONE);
	/* the next one in its row is another, and starts from nothing */
	ck_assert_uint_eq(join(0, "e", "w", 3), a);
	ck_assert_uint_gt(atomic_load(&pool_at(a)->gen), gen);
	ck_assert_uint_eq(atomic_load(&count_at(1, a)->n[COUNT_XACTS]), 0);
	segment_drop();
}
END_TEST

/* Many processes ask for the same few pools: still one row each. */
START_TEST(joined_by_many)
{
	enum { KIDS = 4, ROUNDS = 3000, POOLS = 8 };
	pid_t kids[KIDS];
	int status;

	fresh_segment(KIDS, 8, 32);
	for (uint32_t k = 0; k < KIDS; k++) {
		kids[k] = fork();
		ck_assert_int_ne(kids[k], -1);
		if (kids[k] != 0)
			continue;
		for (int n = 0; n < ROUNDS; n++) {
			struct pool_limits l = limits_for(3);
			char user[16];
			bool busy;
			uint32_t i;

			snprintf(user, sizeof(user), "u%d", n % POOLS);
			do
				i = pool_join(k, "d", user, &l, &busy);
			while (i == POOL_NONE && busy);
			if (i == POOL_NONE || pool_members(i) == 0 ||
			    strcmp(pool_user_name(pool_at(i)), user) != 0)
				_exit(1);
			if (n >= POOLS)
				pool_leave(k, i);
		}
		_exit(0);
	}
	for (int k = 0; k < KIDS; k++) {
		ck_assert_int_eq(waitpid(kids[k], &status, 0), kids[k]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_eq(atomic_load(&seg->pools_used), POOLS);
	for (uint32_t i = 0; i < POOLS; i++)
		ck_assert_uint_eq(pool_members(i), KIDS);
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(one_row_a_pair),
		TEST(refusals),
		TEST(refresh_and_obsolete),
		TEST(taken_back),
		TEST(joined_by_many),
		NO_MORE_TESTS,
	};

	return run_tests("pool", tests, 30);
}
