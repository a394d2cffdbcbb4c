/* limits_test.c - how many backends: every limit, alone and under a race. */
#include "shm/limits.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/clock.h"
#include "shm/check.h"
#include "shm/queue.h"
#include "shm/slot.h"
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

static void
expect_sane(void)
{
	char why[200];

	ck_assert_msg(
	    check_segment(PROC_SUPERVISOR, true, why, sizeof(why)) == 0, "%s",
	    why);
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
	expect_sane();
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
	expect_sane();
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
	expect_sane();
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
	expect_sane();
	/* another's login in that pool: the place is free for all */
	start_closing(slot);
	ck_assert(pool_login_take(pool_at(a), 1));
	ck_assert(limits_keep(0, slot, to_gen, a, &to, &gen));
	ck_assert_uint_eq(to, PROC_NOBODY);
	ck_assert_int_eq(slot_state(slot_look(slot_at(slot))), SLOT_FREE);
	expect_sane();
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
	expect_sane();
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
	expect_sane();
	segment_drop();
}
END_TEST

/* --- under a race --- */

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
	expect_sane();
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
		TEST(exact_under_a_race),
		NO_MORE_TESTS,
	};

	return run_tests("limits", tests, 60);
}
