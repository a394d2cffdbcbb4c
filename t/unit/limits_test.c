/* limits_test.c - how many backends: every limit, alone. */
#include "shm/limits.h"

#include "conf/clock.h"
#include "shm/queue.h"
#include "shm/slot.h"
#include "t/unit/sane.h"
#include "t/unit/shmtest.h"

enum { MS = 1000 };

static uint32_t
open_one(uint32_t me, uint32_t pool, uint64_t *gen)
{
	uint32_t slot;

	ck_assert_int_eq(limits_open(me, pool, 0, 0, &slot, gen), LIMITS_OK);
	return slot;
}

static enum limits_answer
try_one(uint32_t pool, uint32_t extra)
{
	uint32_t slot;
	uint64_t gen;
	enum limits_answer hint = limits_hint(pool, extra);
	enum limits_answer a = limits_open(0, pool, extra, 0, &slot, &gen);

	ck_assert(a == hint || a == LIMITS_SLOTS || a == LIMITS_BUSY);
	return a;
}

static void
start_closing(uint32_t slot)
{
	struct slot *s = slot_at(slot);
	uint64_t w = slot_look(s);

	ck_assert(slot_move(s, w, SLOT_CLOSING, slot_owner(w)));
}

START_TEST(opens)
{
	uint32_t p, slot;
	uint64_t gen, before;
	struct slot *s;

	fresh_segment(2, 8, 4);
	p = join(1, "d", "u", 3);
	before = slot_gen(slot_look(slot_at(0)));
	atomic_store(&slot_at(0)->client, 5);
	atomic_store(&slot_at(0)->flags, 5);
	atomic_store(&slot_at(0)->backend_pid, 5);
	atomic_store(&slot_at(0)->cancels, 5);
	pool_obsolete(p);
	slot = open_one(1, p, &gen);
	ck_assert_uint_eq(slot, 0);
	ck_assert_uint_eq(gen, before + 1);
	s = slot_at(slot);
	ck_assert_uint_eq(slot_look(s), slot_word(SLOT_LOGIN, 1, gen));
	ck_assert_uint_eq(atomic_load(&s->pool), p);
	ck_assert_uint_eq(
	    atomic_load(&s->pool_gen), atomic_load(&pool_at(p)->gen));
	ck_assert_uint_eq(atomic_load(&s->epoch), 1);
	ck_assert_uint_le(clock_now_us() - atomic_load(&s->born_us), 1000000);
	ck_assert_uint_eq(atomic_load(&s->client), 0);
	ck_assert_uint_eq(atomic_load(&s->flags), 0);
	ck_assert_int_eq(atomic_load(&s->backend_pid), 0);
	ck_assert_uint_eq(atomic_load(&s->cancels), 0);
	ck_assert_uint_eq(atomic_load(&pool_at(p)->count), 1);
	ck_assert_uint_eq(atomic_load(&db_at(0)->count), 1);
	ck_assert_uint_eq(atomic_load(&user_at(0)->count), 1);
	ck_assert_uint_eq(atomic_load(&seg->slots_used), 1);
	expect_sane(true);
	segment_drop();
}
END_TEST

START_TEST(every_limit)
{
	uint32_t a, b, c, slot;
	uint64_t gen;

	fresh_segment(1, 16, 4);
	a = join(0, "d", "u", 2);
	b = join(0, "d", "v", 5);
	c = join(0, "e", "v", POOL_UNLIMITED);
	ck_assert_int_eq(limits_open(0, a, 0, 1, &slot, &gen), LIMITS_CONF);
	ck_assert_int_eq(
	    limits_open(0, seg->npools, 0, 0, &slot, &gen), LIMITS_POOL);
	ck_assert_int_eq(limits_open(0, c + 1, 0, 0, &slot, &gen),
	    LIMITS_POOL); /* a free row */
	ck_assert_int_eq(limits_hint(c + 1, 0), LIMITS_POOL);
	ck_assert(limits_try(PROC_SUPERVISOR));
	ck_assert_int_eq(try_one(a, 0), LIMITS_BUSY);
	limits_drop(PROC_SUPERVISOR);
	ck_assert_int_eq(try_one(a, 0), LIMITS_OK);
	ck_assert_int_eq(try_one(a, 0), LIMITS_OK);
	ck_assert_int_eq(try_one(a, 0), LIMITS_POOL);
	ck_assert_int_eq(try_one(a, 1), LIMITS_OK); /* the reserve */
	ck_assert_int_eq(try_one(a, 1), LIMITS_POOL);
	atomic_store(&db_at(pool_at(a)->db)->max, 4);
	ck_assert_int_eq(try_one(b, 0), LIMITS_OK);
	ck_assert_int_eq(try_one(b, 0), LIMITS_DB);
	atomic_store(&user_at(pool_at(c)->user)->max, 2);
	ck_assert_int_eq(try_one(c, 0), LIMITS_OK);
	ck_assert_int_eq(try_one(c, 0), LIMITS_USER);
	atomic_store(&user_at(pool_at(c)->user)->max, POOL_UNLIMITED);
	/* no wrap-around */
	ck_assert_int_eq(try_one(a, UINT32_MAX), LIMITS_DB);
	for (uint32_t n = 5; n < seg->nslots; n++)
		ck_assert_int_eq(try_one(c, 0), LIMITS_OK);
	ck_assert_int_eq(try_one(c, 0), LIMITS_SLOTS);
	ck_assert_uint_eq(atomic_load(&seg->limits_lock), 0);
	segment_drop();
}
END_TEST

START_TEST(closes)
{
	uint32_t p, slot, to, to_pool;
	uint64_t gen, to_gen, again;

	fresh_segment(2, 8, 4);
	p = join(0, "d", "u", 3);
	slot = open_one(0, p, &gen);
	/* not CLOSING, not mine, another generation: nothing happens */
	ck_assert(limits_close(0, slot, gen, &to, &to_pool, &to_gen));
	start_closing(slot);
	ck_assert(limits_close(1, slot, gen, &to, &to_pool, &to_gen));
	ck_assert(limits_close(0, slot, gen - 1, &to, &to_pool, &to_gen));
	ck_assert(limits_close(0, seg->nslots, gen, &to, &to_pool, &to_gen));
	ck_assert_uint_eq(atomic_load(&pool_at(p)->count), 1);
	ck_assert(limits_try(1));
	ck_assert(!limits_close(0, slot, gen, &to, &to_pool, &to_gen));
	limits_drop(1);
	atomic_store(&slot_at(slot)->client, 5);
	atomic_store(&slot_at(slot)->cancels, 5);
	ck_assert(limits_close(0, slot, gen, &to, &to_pool, &to_gen));
	ck_assert_uint_eq(to, PROC_NOBODY);
	ck_assert_uint_eq(atomic_load(&slot_at(slot)->client), 0);
	ck_assert_uint_eq(atomic_load(&slot_at(slot)->cancels), 0);
	ck_assert_uint_eq(to_pool, POOL_NONE);
	ck_assert_int_eq(slot_state(slot_look(slot_at(slot))), SLOT_FREE);
	ck_assert_uint_eq(atomic_load(&pool_at(p)->count), 0);
	ck_assert_uint_eq(atomic_load(&db_at(0)->count), 0);
	ck_assert_uint_eq(atomic_load(&user_at(0)->count), 0);
	expect_sane(true);
	/* low places first, with a new generation */
	ck_assert_uint_eq(open_one(0, p, &again), slot);
	ck_assert_uint_eq(again, gen + 1);
	segment_drop();
}
END_TEST

/* Close one backend of `pool`; who gets its place? */
static uint32_t
close_one(uint32_t slot, uint64_t gen, uint32_t *to_pool)
{
	uint32_t to;
	uint64_t to_gen;

	start_closing(slot);
	ck_assert(limits_close(0, slot, gen, &to, to_pool, &to_gen));
	if (to != PROC_NOBODY) {
		ck_assert_uint_eq(to_gen, gen + 1);
		ck_assert_uint_eq(slot_look(slot_at(slot)),
		    slot_word(SLOT_RESERVED, to, to_gen));
		ck_assert_uint_eq(atomic_load(&slot_at(slot)->pool), *to_pool);
	}
	expect_sane(true);
	return to;
}

/* Whom would it help if this place came free? */
START_TEST(wanted)
{
	uint64_t now = clock_now_us(), gen;
	uint32_t a, b, slot;

	fresh_segment(4, 8, 4);
	a = join(0, "d", "u", 1);
	b = join(0, "d", "v", 1);
	slot = open_one(0, a, &gen);
	ck_assert(!limits_is_wanted(slot));
	/* that one waits for a place of its own pool, which is not full */
	queue_publish(1, b, 1, now);
	ck_assert(!limits_is_wanted(slot));
	atomic_store(&db_at(atomic_load(&pool_at(a)->db))->max, 1);
	ck_assert(limits_is_wanted(slot));
	queue_publish(1, b, 0, 0);
	ck_assert(!limits_is_wanted(slot));
	queue_publish(2, a, 1, now);
	ck_assert(limits_is_wanted(slot));
	ck_assert(!limits_is_wanted(seg->nslots));
	segment_drop();
}
END_TEST

START_TEST(passes_to_the_longest_waiter)
{
	uint64_t now = clock_now_us(), gen;
	uint32_t a, b, slot, to_pool;

	fresh_segment(4, 8, 4);
	a = join(0, "d", "u", 1);
	b = join(0, "d", "v", 1);
	queue_publish(1, a, 1, now - 10 * MS);
	queue_publish(2, a, 1, now - 20 * MS);
	queue_publish(3, b, 1, now - 30 * MS);
	/* the pool was full, the database not: b waits for its own */
	slot = open_one(0, a, &gen);
	ck_assert_uint_eq(close_one(slot, gen, &to_pool), 2);
	ck_assert_uint_eq(to_pool, a);
	ck_assert_uint_eq(atomic_load(&pool_at(a)->count), 1);
	segment_drop();
}
END_TEST

START_TEST(passes_within_a_shared_limit)
{
	uint64_t now = clock_now_us(), gen;
	uint32_t a, b, c, slot, to_pool;

	fresh_segment(4, 8, 4);
	a = join(0, "d", "u", 5);
	b = join(0, "d", "v", 5);
	c = join(0, "e", "u", 5);
	queue_publish(1, a, 1, now - 10 * MS);
	queue_publish(2, b, 1, now - 20 * MS);
	queue_publish(3, c, 1, now - 30 * MS);
	atomic_store(&db_at(pool_at(a)->db)->max, 1);
	slot = open_one(0, a, &gen);
	ck_assert_uint_eq(close_one(slot, gen, &to_pool), 2);
	ck_assert_uint_eq(to_pool, b);
	ck_assert_uint_eq(atomic_load(&pool_at(a)->count), 0);
	ck_assert_uint_eq(atomic_load(&pool_at(b)->count), 1);
	ck_assert_uint_eq(atomic_load(&db_at(pool_at(a)->db)->count), 1);
	ck_assert_uint_eq(atomic_load(&user_at(pool_at(a)->user)->count), 0);
	atomic_store(&db_at(pool_at(a)->db)->max, POOL_UNLIMITED);
	atomic_store(&user_at(pool_at(a)->user)->max, 1);
	slot = open_one(0, a, &gen);
	ck_assert_uint_eq(close_one(slot, gen, &to_pool), 3);
	ck_assert_uint_eq(to_pool, c);
	segment_drop();
}
END_TEST

START_TEST(passes_over_who_cannot_take_it)
{
	uint64_t now = clock_now_us(), gen;
	uint32_t a, slot, to_pool;

	fresh_segment(4, 8, 4);
	a = join(0, "d", "u", 1);
	queue_publish(1, a, 1, now - 10 * MS);
	queue_publish(2, a, 1, now - 20 * MS);
	queue_publish(3, a, 1, now - 30 * MS);
	queue_publish(0, a, 1, now - 1 * MS);
	atomic_store(&proc_at(3)->gone, 1);
	queue_publish(3, a, 0, 0);
	ck_assert(grant_offer(2, a, 7, 7));
	slot = open_one(0, a, &gen);
	ck_assert_uint_eq(close_one(slot, gen, &to_pool), 1);
	ck_assert(grant_offer(1, a, slot, gen + 1));
	/* back, and once more: now to the closer itself */
	bool busy;
	ck_assert(limits_giveback(0, slot, gen + 1, &busy));
	slot = open_one(0, a, &gen);
	ck_assert_uint_eq(close_one(slot, gen, &to_pool), 0);
	ck_assert(limits_giveback(0, slot, gen + 1, &busy));
	/* a login is in progress: its end passes the right on */
	ck_assert(pool_login_take(pool_at(a), 2));
	slot = open_one(0, a, &gen);
	ck_assert_uint_eq(close_one(slot, gen, &to_pool), PROC_NOBODY);
	pool_login_drop(pool_at(a), 2);
	/* nobody may open one while it is paused */
	atomic_store(&db_at(0)->paused, 1);
	slot = open_one(0, a, &gen);
	ck_assert_uint_eq(close_one(slot, gen, &to_pool), PROC_NOBODY);
	atomic_store(&db_at(0)->paused, 0);
	/* a lowered limit shrinks */
	atomic_store(&pool_at(a)->size, 2);
	slot = open_one(0, a, &gen);
	(void)open_one(0, a, &now);
	atomic_store(&pool_at(a)->size, 1);
	ck_assert_uint_eq(close_one(slot, gen, &to_pool), PROC_NOBODY);
	segment_drop();
}
END_TEST

START_TEST(passes_when_slots_are_scarce)
{
	uint64_t now = clock_now_us(), gen, first = 0;
	uint32_t a, b, slot = 0, to_pool, got;
	enum limits_answer answer;

	fresh_segment(2, 8, 4);
	a = join(0, "d", "u", POOL_UNLIMITED);
	b = join(0, "e", "v", POOL_UNLIMITED);
	while ((answer = limits_open(0, a, 0, 0, &got, &gen)) == LIMITS_OK) {
		slot = got;
		first = gen;
	}
	ck_assert_int_eq(answer, LIMITS_SLOTS);
	queue_publish(1, b, 1, now - 10 * MS);
	ck_assert_uint_eq(close_one(slot, first, &to_pool), 1);
	ck_assert_uint_eq(to_pool, b);
	segment_drop();
}
END_TEST

START_TEST(keeps)
{
	uint32_t a, b, slot, to;
	uint64_t gen, to_gen;

	fresh_segment(2, 8, 4);
	a = join(0, "d", "u", 2);
	b = join(0, "d", "v", 2);
	atomic_store(&db_at(0)->max, 2);
	slot = open_one(0, a, &gen);
	start_closing(slot);
	ck_assert(limits_try(1));
	ck_assert(!limits_keep(0, slot, gen, b, &to, &to_gen));
	limits_drop(1);
	ck_assert(limits_keep(0, slot, gen, b, &to, &to_gen));
	ck_assert_uint_eq(to, 0);
	ck_assert_uint_eq(
	    slot_look(slot_at(slot)), slot_word(SLOT_RESERVED, 0, to_gen));
	ck_assert_uint_eq(atomic_load(&pool_at(a)->count), 0);
	ck_assert_uint_eq(atomic_load(&pool_at(b)->count), 1);
	/* only its own, only once */
	ck_assert(
	    !limits_take(1, slot, to_gen, atomic_load(&seg->conf_number)));
	ck_assert(!limits_take(0, slot, gen, atomic_load(&seg->conf_number)));
	ck_assert(
	    !limits_take(0, seg->nslots, gen, atomic_load(&seg->conf_number)));
	pool_obsolete(b);
	ck_assert(limits_take(0, slot, to_gen, atomic_load(&seg->conf_number)));
	ck_assert(
	    !limits_take(0, slot, to_gen, atomic_load(&seg->conf_number)));
	ck_assert_uint_eq(
	    slot_look(slot_at(slot)), slot_word(SLOT_LOGIN, 0, to_gen));
	ck_assert_uint_eq(atomic_load(&slot_at(slot)->epoch), 1);
	expect_sane(true);
	/* another's login in that pool: the place is free for all */
	start_closing(slot);
	ck_assert(pool_login_take(pool_at(a), 1));
	ck_assert(limits_keep(0, slot, to_gen, a, &to, &gen));
	ck_assert_uint_eq(to, PROC_NOBODY);
	ck_assert_int_eq(slot_state(slot_look(slot_at(slot))), SLOT_FREE);
	expect_sane(true);
	segment_drop();
}
END_TEST

START_TEST(gives_back)
{
	uint32_t a, slot, to;
	uint64_t gen, to_gen;
	bool busy;

	fresh_segment(2, 8, 4);
	a = join(0, "d", "u", 2);
	slot = open_one(0, a, &gen);
	ck_assert(!limits_giveback(1, slot, gen, &busy)); /* it is LOGIN */
	ck_assert(!busy);
	start_closing(slot);
	ck_assert(limits_keep(0, slot, gen, a, &to, &to_gen));
	ck_assert(!limits_giveback(1, slot, gen, &busy)); /* stale */
	ck_assert(!busy);
	ck_assert(limits_try(0));
	ck_assert(!limits_giveback(1, slot, to_gen, &busy));
	ck_assert(busy);
	limits_drop(0);
	ck_assert(limits_giveback(1, slot, to_gen, &busy));
	ck_assert(!limits_giveback(1, slot, to_gen, &busy));
	ck_assert(!limits_giveback(1, seg->nslots, to_gen, &busy));
	ck_assert_uint_eq(atomic_load(&pool_at(a)->count), 0);
	expect_sane(true);
	segment_drop();
}
END_TEST

START_TEST(recounts)
{
	uint32_t a, b;
	uint64_t gen;

	fresh_segment(2, 8, 4);
	a = join(0, "d", "u", 5);
	b = join(0, "d", "v", 5);
	for (int i = 0; i < 3; i++)
		(void)open_one(0, a, &gen);
	(void)open_one(1, b, &gen);
	atomic_store(&pool_at(a)->count, 77);
	atomic_store(&pool_at(b)->count, 0);
	atomic_store(&db_at(0)->count, 1);
	atomic_store(&user_at(1)->count, 9);
	atomic_store(&seg->slot_hint, 7);
	ck_assert(limits_try(0));
	limits_recount();
	limits_drop(0);
	ck_assert_uint_eq(atomic_load(&pool_at(a)->count), 3);
	ck_assert_uint_eq(atomic_load(&pool_at(b)->count), 1);
	ck_assert_uint_eq(atomic_load(&db_at(0)->count), 4);
	expect_sane(true);
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(opens),
		TEST(every_limit),
		TEST(closes),
		TEST(wanted),
		TEST(passes_to_the_longest_waiter),
		TEST(passes_within_a_shared_limit),
		TEST(passes_over_who_cannot_take_it),
		TEST(passes_when_slots_are_scarce),
		TEST(keeps),
		TEST(gives_back),
		TEST(recounts),
		NO_MORE_TESTS,
	};

	return run_tests("limits", tests, 60);
}
