/* repair_test.c - what each death leaves, and what is made of it. */
#include "shm/repair.h"

#include <poll.h>

#include "shm/chan.h"
#include "t/unit/repairsim.h"

static bool
has_none(uint32_t slot, uint64_t gen)
{
	(void)slot;
	(void)gen;
	return false;
}

/* Slot 0 in the state, of worker 1 or of who is named. */
static uint64_t
put(enum slot_state state, uint32_t owner, uint32_t *pool)
{
	struct slot *s;
	uint32_t slot;
	uint64_t gen;

	fresh_segment(4, SIM_SLOTS, 4);
	s = slot_at(0);
	*pool = join(0, "d", "u", 5);
	ck_assert_int_eq(limits_open(1, *pool, 0, 0, &slot, &gen), LIMITS_OK);
	ck_assert_uint_eq(slot, 0);
	atomic_store(&s->flags, SLOT_SHARED);
	atomic_store(&s->hold, slot_word(state, owner, gen));
	return gen;
}

static void
expect_word(enum slot_state state, uint32_t owner, uint64_t gen)
{
	uint64_t w = slot_look(slot_at(0));

	ck_assert_str_eq(
	    slot_state_name(slot_state(w)), slot_state_name(state));
	ck_assert_uint_eq(slot_owner(w), owner);
	ck_assert_uint_eq(slot_gen(w), gen);
	expect_sane(true);
}

/* The table of DESIGN: the dead worker's slot, and what repair makes it. */
START_TEST(each_state)
{
	static const struct {
		enum slot_state before, after;
		uint32_t owner, heir, count;
		uint32_t flags;
		bool stored;
	} rows[] = {
		{ SLOT_LOGIN, SLOT_CLOSING, 1, 0, 1, 0, true },
		{ SLOT_LOGIN, SLOT_FREE, 1, PROC_NOBODY, 0, 0, false },
		{ SLOT_ACTIVE, SLOT_CLOSING, 1, 0, 1, SLOT_SHARED, true },
		{ SLOT_ACTIVE, SLOT_CLOSING, 1, 0, 1, SLOT_PINNED, true },
		{ SLOT_ACTIVE, SLOT_FREE, 1, PROC_NOBODY, 0, 0, false },
		{ SLOT_CLOSING, SLOT_CLOSING, 1, 0, 1, 0, true },
		{ SLOT_CLOSING, SLOT_FREE, 1, PROC_NOBODY, 0, 0, false },
		{ SLOT_IDLE, SLOT_IDLE, 1, 1, 1, SLOT_SHARED, true },
		{ SLOT_IDLE, SLOT_CLOSING, 1, 0, 1, SLOT_PINNED, true },
		{ SLOT_IDLE, SLOT_FREE, 1, PROC_NOBODY, 0, 0, false },
		{ SLOT_GRANTED, SLOT_IDLE, 1, 1, 1, SLOT_SHARED, true },
		{ SLOT_RESERVED, SLOT_FREE, 1, PROC_NOBODY, 0, 0, false },
		/* another's */
		{ SLOT_LOGIN, SLOT_LOGIN, 2, 2, 1, 0, false },
		{ SLOT_ACTIVE, SLOT_ACTIVE, 2, 2, 1, 0, false },
		{ SLOT_GRANTED, SLOT_GRANTED, 2, 2, 1, 0, true },
		{ SLOT_RESERVED, SLOT_RESERVED, 2, 2, 1, 0, false },
		{ SLOT_CLOSING, SLOT_CLOSING, 2, 2, 1, 0, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t pool;
		uint64_t gen = put(rows[i].before, rows[i].owner, &pool);
		bool moved =
		    rows[i].after == SLOT_CLOSING && rows[i].owner == 1;

		atomic_store(&slot_at(0)->flags, rows[i].flags);
		/* the lightest one inherits */
		atomic_store(&proc_at(2)->clients, 5);
		atomic_store(&proc_at(3)->clients, 7);
		repair_process(1, rows[i].stored ? has_all : has_none, &result);
		ck_assert(!result.deferred);
		expect_word(rows[i].after, rows[i].heir, gen);
		ck_assert_uint_eq(
		    atomic_load(&pool_at(pool)->count), rows[i].count);
		ck_assert_uint_eq(result.ntodo, moved);
		if (moved) {
			ck_assert_uint_eq(todo[0].slot, 0);
			ck_assert_uint_eq(todo[0].gen, gen);
			ck_assert_uint_eq(todo[0].heir, 0);
		}
		segment_drop();
	}
}
END_TEST

START_TEST(what_it_withdraws)
{
	struct clientrow_info info = { .id = 3 };
	uint32_t pool, row, slot;
	uint64_t gen, repairs;

	put(SLOT_IDLE, 1, &pool);
	(void)join(1, "d", "u", 5);
	ck_assert_int_eq(clientrow_init(1), 0);
	row = clientrow_take();
	clientrow_info_write(row, &info);
	atomic_store(&clientrow_at(row)->key, 9);
	clientrow_fini();
	have_set(1, 0, 1);
	have_set(2, 0, 1);
	queue_publish(1, pool, 3, clock_now_us());
	queue_publish(2, pool, 3, clock_now_us());
	ck_assert(grant_offer(1, pool, 0, 1));
	atomic_store(&proc_at(1)->clients, 7);
	atomic_store(&proc_at(1)->sleeping, 1);
	ck_assert(pool_login_take(pool_at(pool), 1));
	ck_assert(pools_lock_try(1));
	atomic_store(&seg->keeper, 2);
	repairs = atomic_load(&seg->repairs);
	repair_process(1, has_all, &result);
	ck_assert_uint_eq(atomic_load(&proc_at(1)->gone), 1);
	ck_assert_uint_eq(atomic_load(&proc_at(1)->clients), 0);
	ck_assert_uint_eq(atomic_load(&proc_at(1)->sleeping), 0);
	ck_assert_uint_eq(atomic_load(&clientrow_at(row)->gen) & 1, 0);
	ck_assert_uint_eq(atomic_load(&clientrow_at(row)->key), 0);
	ck_assert_uint_eq(have_look(1, 0), 0);
	ck_assert_uint_eq(have_look(2, 0), 1);
	ck_assert_uint_eq(queue_look(1, pool, NULL), 0);
	ck_assert_uint_eq(queue_look(2, pool, NULL), 3);
	ck_assert(!grant_look(1, pool, &slot, &gen));
	ck_assert_uint_eq(pool_members(pool), 1);
	ck_assert_uint_eq(atomic_load(&pool_at(pool)->login), 0);
	ck_assert_uint_eq(atomic_load(&seg->pools_lock), 0);
	ck_assert_uint_ne(atomic_load(&seg->keeper), 2);
	ck_assert_uint_ne(atomic_load(&seg->keeper), 0);
	ck_assert_uint_eq(atomic_load(&seg->repairs), repairs + 1);
	/* others than workers die too */
	repair_process(proc_resolver(), has_all, &result);
	ck_assert_uint_eq(atomic_load(&proc_at(proc_resolver())->gone), 1);
	repair_process(seg->nprocs, has_all, &result);
	repair_process(PROC_NOBODY, has_all, &result);
	expect_sane(true);
	segment_drop();
}
END_TEST

START_TEST(a_dead_holder_s_lock)
{
	uint32_t pool;
	uint64_t gen = put(SLOT_ACTIVE, 2, &pool);

	/* died between the word and the counters */
	ck_assert(limits_try(1));
	atomic_store(&pool_at(pool)->count, 40);
	atomic_store(&db_at(0)->count, 0);
	repair_process(1, has_all, &result);
	ck_assert(!result.deferred);
	ck_assert_uint_eq(atomic_load(&seg->limits_lock), 0);
	ck_assert_uint_eq(atomic_load(&pool_at(pool)->count), 1);
	ck_assert_uint_eq(atomic_load(&db_at(0)->count), 1);
	expect_word(SLOT_ACTIVE, 2, gen);
	segment_drop();
}
END_TEST

START_TEST(a_living_holder_defers)
{
	uint32_t pool;
	uint64_t gen = put(SLOT_RESERVED, 1, &pool);

	ck_assert(limits_try(2));
	repair_process(1, has_none, &result);
	ck_assert(result.deferred);
	ck_assert_uint_eq(
	    slot_look(slot_at(0)), slot_word(SLOT_RESERVED, 1, gen));
	limits_drop(2);
	repair_process(1, has_none, &result);
	ck_assert(!result.deferred);
	expect_word(SLOT_FREE, PROC_NOBODY, gen);
	segment_drop();

	gen = put(SLOT_LOGIN, 1, &pool);
	ck_assert(limits_try(2));
	repair_process(1, has_none, &result);
	ck_assert(result.deferred);
	/* the holder dies too, and its repair does both */
	repair_process(2, has_none, &result);
	ck_assert(!result.deferred);
	expect_word(SLOT_FREE, PROC_NOBODY, gen);
	repair_process(1, has_none, &result);
	ck_assert(!result.deferred);
	ck_assert_uint_eq(result.ntodo, 0);
	segment_drop();
}
END_TEST

START_TEST(when_its_end_was_seen)
{
	uint32_t pool;
	uint64_t gen = put(SLOT_CLOSING, 1, &pool);

	/* the supervisor has forgotten it, worker 3 is about to */
	have_set(3, 0, gen);
	repair_process(1, has_none, &result);
	ck_assert_uint_eq(result.ntodo, 0);
	ck_assert_int_eq(slot_state(slot_look(slot_at(0))), SLOT_FREE);
	ck_assert_uint_eq(atomic_load(&pool_at(pool)->count), 0);
	segment_drop();
}
END_TEST

/* Its repair waits for the lock; a worker that begins cannot end it. */
START_TEST(when_its_end_was_seen_and_the_lock_is_busy)
{
	uint32_t pool;
	uint64_t gen = put(SLOT_CLOSING, 1, &pool);

	ck_assert(limits_try(0));
	repair_process(1, has_none, &result);
	ck_assert(result.deferred);
	atomic_store(&proc_at(2)->state, PROC_STARTING);
	repair_adopt(2, has_none, &result);
	ck_assert_uint_eq(result.ntodo, 0);
	ck_assert_uint_eq(
	    slot_look(slot_at(0)), slot_word(SLOT_CLOSING, PROC_NOBODY, gen));
	limits_drop(0);
	repair_process(1, has_none, &result);
	ck_assert(!result.deferred);
	ck_assert_int_eq(slot_state(slot_look(slot_at(0))), SLOT_FREE);
	ck_assert_uint_eq(atomic_load(&pool_at(pool)->count), 0);
	segment_drop();
}
END_TEST

/* They may sleep, and what it has freed may be what they wait for. */
START_TEST(everybody_is_rung)
{
	struct pollfd bells[5];
	struct err e;

	fresh_segment(3, SIM_SLOTS, 4);
	ck_assert_int_eq(bell_make(5, &e), 0);
	repair_process(1, has_all, &result);
	for (uint32_t n = 0; n < 5; n++)
		bells[n] =
		    (struct pollfd){ .fd = bell_fd(n), .events = POLLIN };
	ck_assert_int_eq(poll(bells, 5, 0), 5);
	bell_drop();
	segment_drop();
}
END_TEST

START_TEST(heirs)
{
	uint32_t pool, slot;
	uint64_t gen = put(SLOT_ACTIVE, 1, &pool);
	uint32_t got[4] = { 0 };

	/* spread over those who live */
	atomic_store(&pool_at(pool)->size, 100);
	for (int i = 0; i < 11; i++)
		ck_assert_int_eq(
		    limits_open(1, pool, 0, 0, &slot, &gen), LIMITS_OK);
	repair_process(1, has_all, &result);
	ck_assert_uint_eq(result.ntodo, 12);
	for (uint32_t i = 0; i < 12; i++)
		got[todo[i].heir]++;
	ck_assert(got[0] == 4 && got[1] == 0 && got[2] == 4 && got[3] == 4);
	/* an heir dies: the next ones */
	repair_process(0, has_all, &result);
	ck_assert_uint_eq(result.ntodo, 4);
	repair_process(2, has_all, &result);
	ck_assert_uint_eq(result.ntodo, 6);
	/* nobody left: they wait for the first who comes */
	repair_process(3, has_all, &result);
	ck_assert_uint_eq(result.ntodo, 12);
	for (uint32_t i = 0; i < 12; i++)
		ck_assert_uint_eq(todo[i].heir, PROC_NOBODY);
	ck_assert_uint_eq(atomic_load(&seg->keeper), 0);
	expect_sane(true);
	repair_process(3, has_all, &result);
	ck_assert_uint_eq(result.ntodo, 0);
	repair_adopt(2, has_all, &result); /* not there yet */
	ck_assert_uint_eq(result.ntodo, 0);
	atomic_store(&proc_at(2)->state, PROC_STARTING);
	atomic_store(&proc_at(2)->gone, 0);
	repair_adopt(2, has_all, &result);
	ck_assert_uint_eq(result.ntodo, 12);
	for (uint32_t i = 0; i < 12; i++)
		ck_assert_uint_eq(todo[i].heir, 2);
	ck_assert_uint_eq(atomic_load(&seg->keeper), 3);
	expect_sane(true);
	repair_adopt(2, has_all, &result);
	ck_assert_uint_eq(result.ntodo, 0);
	segment_drop();
}
END_TEST

/* A granter that died after a worker that had just died too. */
START_TEST(a_grant_to_the_dead)
{
	uint32_t pool, slot;
	uint64_t gen = put(SLOT_ACTIVE, 1, &pool), got;

	repair_process(2, has_all, &result);
	ck_assert(slot_move(
	    slot_at(0), slot_word(SLOT_ACTIVE, 1, gen), SLOT_GRANTED, 2));
	atomic_store(&segtab.grants[pool * segtab.nwords + 2], gen << 16);
	repair_process(1, has_all, &result);
	ck_assert(!grant_look(2, pool, &slot, &got));
	expect_word(SLOT_IDLE, 2, gen);
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(each_state),
		TEST(what_it_withdraws),
		TEST(a_dead_holder_s_lock),
		TEST(a_living_holder_defers),
		TEST(when_its_end_was_seen),
		TEST(when_its_end_was_seen_and_the_lock_is_busy),
		TEST(everybody_is_rung),
		TEST(heirs),
		TEST(a_grant_to_the_dead),
		NO_MORE_TESTS,
	};

	return run_tests("repair", tests, 120);
}
