/* limits_race_test.c - how many backends: every limit under a race. */
#include "shm/limits.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/clock.h"
#include "shm/queue.h"
#include "shm/slot.h"
#include "t/unit/sane.h"
#include "t/unit/shmtest.h"

enum { KIDS = 4, POOLS = 3, RACE_MS = 1200, MINE = 8 };

/* What the processes themselves know to be open, never counted too high. */
struct tally {
	_Atomic uint32_t pool[POOLS], db[2], user[2], opened, passed;
};

static const uint32_t pool_max[POOLS] = { 3, 4, 5 };
static const uint32_t pool_db[POOLS] = { 0, 0, 1 };
static const uint32_t pool_user[POOLS] = { 0, 1, 1 };
static const uint32_t db_max[2] = { 5, POOL_UNLIMITED };
static const uint32_t user_max[2] = { POOL_UNLIMITED, 7 };

static void
tally_in(struct tally *t, uint32_t p)
{
	if (atomic_fetch_add(&t->pool[p], 1) >= pool_max[p] ||
	    atomic_fetch_add(&t->db[pool_db[p]], 1) >= db_max[pool_db[p]] ||
	    atomic_fetch_add(&t->user[pool_user[p]], 1) >=
		user_max[pool_user[p]])
		_exit(1);
}

static void
tally_out(struct tally *t, uint32_t p)
{
	atomic_fetch_sub(&t->pool[p], 1);
	atomic_fetch_sub(&t->db[pool_db[p]], 1);
	atomic_fetch_sub(&t->user[pool_user[p]], 1);
}

/* A place that passed to whoever waits: it is opened, or given back. */
static void
race_passed(uint32_t me, struct tally *t, uint32_t slot, uint32_t to,
    uint32_t pool, uint64_t gen)
{
	bool busy = true, gone = false;
	uint64_t old = gen;

	atomic_fetch_add(&t->passed, 1);
	if (to == me &&
	    limits_take(me, slot, gen, atomic_load(&seg->conf_number))) {
		tally_in(t, pool);
		tally_out(t, pool);
		if (!slot_move(slot_at(slot), slot_word(SLOT_LOGIN, me, gen),
			SLOT_CLOSING, me))
			_exit(2);
		while (!limits_close(me, slot, old, &to, &pool, &gen))
			;
		if (to == PROC_NOBODY)
			return;
	}
	while (!gone && busy)
		gone = limits_giveback(me, slot, gen, &busy);
	if (!gone)
		_exit(3);
}

static void
race_close(uint32_t me, struct tally *t, uint32_t slot, uint64_t gen)
{
	uint32_t to, to_pool;
	uint64_t to_gen;

	tally_out(t, atomic_load(&slot_at(slot)->pool));
	if (!slot_move(slot_at(slot), slot_word(SLOT_LOGIN, me, gen),
		SLOT_CLOSING, me))
		_exit(4);
	while (!limits_close(me, slot, gen, &to, &to_pool, &to_gen))
		;
	if (to != PROC_NOBODY)
		race_passed(me, t, slot, to, to_pool, to_gen);
}

static _Noreturn void
race(uint32_t me, struct tally *t)
{
	struct {
		uint32_t slot;
		uint64_t gen;
	} mine[MINE];
	uint64_t end = clock_now_ms() + RACE_MS;
	uint32_t n = 0;

	srand(me + 1);
	while (clock_now_ms() < end) {
		uint32_t p = (uint32_t)rand() % POOLS;

		queue_publish(me, p, rand() % 2, clock_now_us());
		if (n < MINE &&
		    limits_open(me, p, 0, 0, &mine[n].slot, &mine[n].gen) ==
			LIMITS_OK) {
			tally_in(t, p);
			atomic_fetch_add(&t->opened, 1);
			n++;
		} else if (n > 0) {
			uint32_t i = (uint32_t)rand() % n;

			race_close(me, t, mine[i].slot, mine[i].gen);
			mine[i] = mine[--n];
		}
	}
	while (n-- > 0)
		race_close(me, t, mine[n].slot, mine[n].gen);
	_exit(0);
}

START_TEST(exact_under_a_race)
{
	struct tally *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t kids[KIDS];
	int status;

	ck_assert_ptr_ne(t, MAP_FAILED);
	fresh_segment(KIDS, 64, 16);
	ck_assert_uint_eq(join(0, "d0", "u0", pool_max[0]), 0);
	ck_assert_uint_eq(join(0, "d0", "u1", pool_max[1]), 1);
	ck_assert_uint_eq(join(0, "d1", "u1", pool_max[2]), 2);
	atomic_store(&db_at(0)->max, db_max[0]);
	atomic_store(&user_at(1)->max, user_max[1]);
	for (uint32_t i = 0; i < KIDS; i++) {
		kids[i] = fork();
		ck_assert_int_ne(kids[i], -1);
		if (kids[i] == 0)
			race(i, t);
	}
	for (int i = 0; i < KIDS; i++) {
		ck_assert_int_eq(waitpid(kids[i], &status, 0), kids[i]);
		ck_assert_int_eq(status, 0);
	}
	expect_sane(true);
	for (uint32_t p = 0; p < POOLS; p++)
		ck_assert_uint_eq(atomic_load(&pool_at(p)->count), 0);
	ck_assert_uint_gt(atomic_load(&t->opened), 100);
	ck_assert_uint_gt(atomic_load(&t->passed), 10);
	segment_drop();
	munmap(t, sizeof(*t));
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(exact_under_a_race),
		NO_MORE_TESTS,
	};

	return run_tests("limits_race", tests, 60);
}
