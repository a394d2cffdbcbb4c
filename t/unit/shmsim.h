/*
 * shmsim.h - workers that do by chance what workers do to the segment.
 *
 * A worker here keeps nothing of its own: it finds what is its in the slot
 * words, so it goes on with whatever repair left it.  Sockets are words: the
 * supervisor's store, and each worker's `have` row.  `users` is the witness:
 * two at a time on one slot is a failure.  Included by one test program only.
 */
#ifndef T_UNIT_SHMSIM_H
#define T_UNIT_SHMSIM_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/clock.h"
#include "shm/clientrow.h"
#include "shm/crash.h"
#include "shm/limits.h"
#include "shm/queue.h"
#include "shm/slot.h"
#include "t/unit/shmtest.h"

enum {
	SIM_WORKERS = 4,
	SIM_SLOTS = 24,
	SIM_POOLS = 4,
	SIM_STALE_US = 3000, /* a grant that lies longer is taken back */
};

/* Beside the segment, shared by all. */
struct sim {
	_Atomic uint64_t stored[SIM_SLOTS]; /* the supervisor's descriptors */
	_Atomic uint32_t users[SIM_SLOTS];  /* worker + 1 inside */
	_Atomic uint32_t stop, done[SIM_WORKERS];
	_Atomic uint64_t turns, claims, grants, reserves;
};

static struct sim *sim;

static inline void
sim_fail(const char *what)
{
	(void)!write(STDERR_FILENO, what, strlen(what));
	(void)!write(STDERR_FILENO, "\n", 1);
	_exit(99);
}

static inline bool
sim_has_fd(uint32_t slot, uint64_t gen)
{
	return slot < SIM_SLOTS && atomic_load(&sim->stored[slot]) == gen;
}

static inline void
sim_enter(uint32_t me, uint32_t slot)
{
	if (atomic_exchange(&sim->users[slot], me + 1) != 0)
		sim_fail("two on one slot");
	atomic_store(&slot_at(slot)->client, me + 1);
}

static inline void
sim_leave(uint32_t me, uint32_t slot)
{
	atomic_store(&slot_at(slot)->client, 0);
	if (atomic_exchange(&sim->users[slot], 0) != me + 1)
		sim_fail("somebody else was on my slot");
}

static inline uint32_t
sim_chance(uint32_t n)
{
	return (uint32_t)rand() % n;
}

/* What the words say that slot i is, if it is mine. */
static inline bool
sim_is_mine(uint32_t me, uint32_t i, enum slot_state state, uint64_t *word)
{
	*word = slot_look(slot_at(i));
	return slot_state(*word) == state && slot_owner(*word) == me;
}

static inline void
sim_offer(uint32_t me, uint32_t to, uint32_t pool, uint32_t slot, uint64_t gen)
{
	bool busy;

	if (to == PROC_NOBODY)
		return;
	atomic_fetch_add(&sim->reserves, 1);
	if (!grant_offer(to, pool, slot, gen))
		(void)limits_giveback(me, slot, gen, &busy);
}

/* LOGIN to ACTIVE, and a moment later what every new backend leaves. */
static inline void
sim_log_in(uint32_t me, struct pool *p, uint32_t slot, uint64_t gen)
{
	struct pool_greeting g = { .len = 4, .nparams = sim_chance(3) };
	struct pool_failure f = { .when_ms = 1 };
	struct slot_info info = { .id = gen };

	atomic_store(&sim->stored[slot], gen);
	have_set(me, slot, gen);
	slot_info_write(slot, &info);
	if (sim_chance(8) == 0) {
		pool_failure_write(p, &f);
		(void)slot_move(slot_at(slot), slot_word(SLOT_LOGIN, me, gen),
		    SLOT_CLOSING, me);
	} else {
		pool_greeting_write(p, &g);
		if (!slot_move(slot_at(slot), slot_word(SLOT_LOGIN, me, gen),
			SLOT_ACTIVE, me))
			sim_fail("somebody moved my login");
		sim_enter(me, slot);
		atomic_store(&slot_at(slot)->flags,
		    sim_chance(10) == 0 ? SLOT_PINNED : SLOT_SHARED);
	}
}

static inline void
sim_open(uint32_t me, uint32_t pool)
{
	struct pool *p = pool_at(pool);
	uint32_t slot;
	uint64_t gen;

	if (!pool_login_take(p, me))
		return;
	if (limits_open(me, pool, 0, 0, &slot, &gen) == LIMITS_OK)
		sim_log_in(me, p, slot, gen);
	pool_login_drop(p, me);
}

static inline void
sim_claim(uint32_t me, uint32_t i)
{
	struct slot *s = slot_at(i);
	uint64_t w = slot_look(s);

	/* as if the supervisor had sent it */
	if (slot_state(w) != SLOT_FREE &&
	    (atomic_load(&s->flags) & SLOT_SHARED) != 0)
		have_set(me, i, slot_gen(w));
	if (slot_state(w) != SLOT_IDLE || have_look(me, i) != slot_gen(w) ||
	    !slot_move(s, w, SLOT_ACTIVE, me))
		return;
	sim_enter(me, i);
	atomic_fetch_add(&sim->claims, 1);
}

static inline void
sim_release(uint32_t me, uint32_t i)
{
	struct slot *s = slot_at(i);
	uint32_t pool = atomic_load(&s->pool), to;
	uint64_t w, gen;

	if (!sim_is_mine(me, i, SLOT_ACTIVE, &w))
		return;
	gen = slot_gen(w);
	sim_leave(me, i);
	atomic_store(&s->since_us, clock_now_us());
	if (sim_chance(4) == 0) {
		if (!slot_move(s, w, SLOT_CLOSING, me))
			sim_fail("somebody closed my slot");
		return;
	}
	to = queue_next(me, pool, i, gen, 0, clock_now_us());
	if ((atomic_load(&s->flags) & SLOT_PINNED) != 0 || to == PROC_NOBODY) {
		if (!slot_move(s, w, SLOT_IDLE, me))
			sim_fail("somebody moved my slot");
		return;
	}
	if (!slot_move(s, w, SLOT_GRANTED, to))
		sim_fail("somebody granted my slot");
	if (!grant_offer(to, pool, i, gen))
		(void)slot_move(
		    s, slot_word(SLOT_GRANTED, to, gen), SLOT_IDLE, me);
}

static inline void
sim_close(uint32_t me, uint32_t i)
{
	uint32_t to, to_pool;
	uint64_t w, to_gen;

	if (!sim_is_mine(me, i, SLOT_CLOSING, &w))
		return;
	have_set(me, i, 0);
	if (sim_chance(3) == 0) {
		to_pool = sim_chance(SIM_POOLS);
		if (limits_keep(me, i, slot_gen(w), to_pool, &to, &to_gen))
			sim_offer(me, to, to_pool, i, to_gen);
	} else if (limits_close(me, i, slot_gen(w), &to, &to_pool, &to_gen)) {
		sim_offer(me, to, to_pool, i, to_gen);
	}
}

static inline void
sim_take_grant(uint32_t me, uint32_t pool)
{
	uint32_t slot;
	uint64_t gen, w;
	bool busy;

	if (!grant_look(me, pool, &slot, &gen) || sim_chance(3) == 0)
		return;
	w = slot < SIM_SLOTS ? slot_look(slot_at(slot)) : 0;
	if (w == slot_word(SLOT_GRANTED, me, gen)) {
		if (slot_move(slot_at(slot), w, SLOT_ACTIVE, me)) {
			sim_enter(me, slot);
			atomic_fetch_add(&sim->grants, 1);
		}
	} else if (w == slot_word(SLOT_RESERVED, me, gen)) {
		if (pool_login_take(pool_at(pool), me)) {
			if (limits_take(
				me, slot, gen, atomic_load(&seg->conf_number)))
				sim_log_in(me, pool_at(pool), slot, gen);
			pool_login_drop(pool_at(pool), me);
		} else {
			(void)limits_giveback(me, slot, gen, &busy);
		}
	}
	grant_clear(me, pool);
}

static inline void
sim_take_back(uint32_t me, uint32_t i)
{
	struct slot *s = slot_at(i);
	uint64_t w = slot_look(s);
	uint64_t age = clock_now_us() - atomic_load(&s->since_us);
	bool busy;

	if (age < SIM_STALE_US || age > INT64_MAX)
		return;
	if (slot_state(w) == SLOT_GRANTED)
		(void)slot_move(s, w, SLOT_IDLE, me);
	else if (slot_state(w) == SLOT_RESERVED)
		(void)limits_giveback(me, i, slot_gen(w), &busy);
}

static inline void
sim_client(uint32_t me)
{
	struct clientrow_info info = { .id = 1 };
	struct pool_limits l = limits_for(3);
	char user[2] = { (char)('a' + sim_chance(26)), '\0' };
	uint32_t row = clientrow_take(), pool;
	bool busy;

	if (row != CLIENTROW_NONE) {
		clientrow_info_write(row, &info);
		clientrow_free(row);
	}
	/* rows that come and go, behind those of the pools in use */
	pool = pool_join(me, "x", user, &l, &busy);
	if (pool != POOL_NONE && sim_chance(4) != 0)
		pool_leave(me, pool);
	if (pool != POOL_NONE && sim_chance(8) == 0)
		while (
		    atomic_load(
			&segtab.members[(size_t)me * segtab.npools + pool]) > 0)
			pool_leave(me, pool);
	if (sim_chance(4) == 0)
		(void)pool_reclaim(me, clock_now_ms() + 1);
}

static inline void
sim_turn(uint32_t me)
{
	uint32_t i = sim_chance(SIM_SLOTS), pool = sim_chance(SIM_POOLS);

	switch (sim_chance(9)) {
	case 0:
		sim_open(me, pool);
		break;
	case 1:
	case 2:
		sim_claim(me, i);
		break;
	case 3:
		sim_release(me, i);
		break;
	case 4:
		sim_close(me, i);
		break;
	case 5:
		sim_take_grant(me, pool);
		break;
	case 6:
		sim_take_back(me, i);
		break;
	case 7:
		queue_publish(me, pool, sim_chance(3), clock_now_us());
		break;
	case 8:
		if (sim_chance(4) == 0)
			sim_client(me);
		break;
	}
}

/* Everything is given back, as by one who drains. */
static inline void
sim_drain(uint32_t me)
{
	for (uint32_t p = 0; p < SIM_POOLS; p++)
		queue_publish(me, p, 0, 0);
	for (uint64_t end = clock_now_ms() + 50; clock_now_ms() < end;) {
		uint32_t i = sim_chance(SIM_SLOTS);

		sim_release(me, i);
		sim_close(me, i);
		sim_take_back(me, i);
		sim_take_grant(me, sim_chance(SIM_POOLS));
	}
}

/* Membership dies with its worker: each joins the pools that stay. */
static inline void
sim_join(uint32_t me)
{
	struct pool_limits l = limits_for(1);
	char db[3] = "d0", user[3] = "u0";
	bool busy;

	for (uint32_t p = 0; p < SIM_POOLS; p++) {
		uint32_t i;

		db[1] = (char)('0' + p / 2);
		user[1] = (char)('0' + p % 2);
		do
			i = pool_join(me, db, user, &l, &busy);
		while (i == POOL_NONE && busy);
		if (i != p)
			sim_fail("a pool in use was taken back");
	}
}

static inline _Noreturn void
sim_worker(uint32_t me, unsigned seed)
{
	srand(seed);
	if (clientrow_init(me) != 0)
		sim_fail("no client rows");
	crash_arm(me);
	sim_join(me);
	atomic_store(&proc_at(me)->state, PROC_RUNNING);
	for (uint64_t n = 0; atomic_load(&sim->stop) == 0; n++) {
		sim_turn(me);
		if (n % 64 == 0)
			atomic_fetch_add(&sim->turns, 64);
	}
	sim_drain(me);
	clientrow_fini();
	_exit(0);
}

static inline void
sim_make(void)
{
	sim = mmap(NULL, sizeof(*sim), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(sim, MAP_FAILED);
	fresh_segment(SIM_WORKERS, SIM_SLOTS, 16);
	ck_assert_uint_eq(seg->nslots, SIM_SLOTS);
	ck_assert_uint_eq(join(0, "d0", "u0", 5), 0);
	ck_assert_uint_eq(join(0, "d0", "u1", 6), 1);
	ck_assert_uint_eq(join(0, "d1", "u0", 4), 2);
	ck_assert_uint_eq(join(0, "d1", "u1", 20), 3);
	atomic_store(&db_at(0)->max, 9);
	atomic_store(&user_at(1)->max, 14);
}

#endif
