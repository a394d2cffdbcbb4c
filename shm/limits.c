#include "shm/limits.h"

#include <stdatomic.h>
#include <stddef.h>

#include "conf/clock.h"
#include "shm/crash.h"
#include "shm/pool.h"
#include "shm/proc.h"
#include "shm/queue.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "shm/trylock.h"

/* Where the counters of one pool are; all NULL for a row that is not one. */
struct place {
	struct pool *pool;
	struct party *db, *user;
};

/* --- the lock --- */

bool
limits_try(uint32_t me)
{
	return trylock_take(&seg->limits_lock, me);
}

void
limits_drop(uint32_t me)
{
	trylock_drop(&seg->limits_lock, me);
}

/* --- counters; who changes them holds the lock --- */

static bool
place_of(uint32_t pool, struct place *p)
{
	p->pool = pool_at(pool);
	if (p->pool == NULL || atomic_load(&p->pool->gen) == 0)
		return false;
	p->db = db_at(atomic_load(&p->pool->db));
	p->user = user_at(atomic_load(&p->pool->user));
	return p->db != NULL && p->user != NULL;
}

static void
place_raise(const struct place *p)
{
	atomic_fetch_add(&p->pool->count, 1);
	/* One counter raised, the others not: repair counts anew. */
	CRASH_POINT("limits.raise.half");
	atomic_fetch_add(&p->db->count, 1);
	atomic_fetch_add(&p->user->count, 1);
}

static void
place_lower(const struct place *p)
{
	atomic_fetch_sub(&p->pool->count, 1);
	/* One counter lowered, the others not: repair counts anew. */
	CRASH_POINT("limits.lower.half");
	atomic_fetch_sub(&p->db->count, 1);
	atomic_fetch_sub(&p->user->count, 1);
}

static bool
is_full(uint32_t count, uint32_t max, uint32_t extra)
{
	return max < POOL_UNLIMITED && (uint64_t)count >= (uint64_t)max + extra;
}

static enum limits_answer
place_room(const struct place *p, uint32_t extra)
{
	if (is_full(atomic_load(&p->pool->count), atomic_load(&p->pool->size),
		extra))
		return LIMITS_POOL;
	if (is_full(atomic_load(&p->db->count), atomic_load(&p->db->max), 0))
		return LIMITS_DB;
	if (is_full(
		atomic_load(&p->user->count), atomic_load(&p->user->max), 0))
		return LIMITS_USER;
	return LIMITS_OK;
}

enum limits_answer
limits_hint(uint32_t pool, uint32_t extra)
{
	struct place p;

	return place_of(pool, &p) ? place_room(&p, extra) : LIMITS_POOL;
}

/*
 * A slot becomes FREE, and ceases to be so, only under the lock: no slot
 * below the hint is FREE for whoever holds it.
 */
static struct slot *
free_slot(void)
{
	uint32_t i = atomic_load(&seg->slot_hint);

	for (; i < segtab.nslots; i++)
		if (slot_state(slot_look(&segtab.slots[i])) == SLOT_FREE) {
			atomic_store(&seg->slot_hint, i);
			return &segtab.slots[i];
		}
	atomic_store(&seg->slot_hint, segtab.nslots);
	return NULL;
}

/* FREE, just now: nobody is linked to it, and no cancel counts any more. */
static void
note_free(struct slot *s)
{
	uint32_t idx = slot_idx(s);

	atomic_store(&s->client, 0);
	atomic_store(&s->cancels, 0);
	if (idx < atomic_load(&seg->slot_hint))
		atomic_store(&seg->slot_hint, idx);
}

/* What a slot starts its new generation with, for pool `pool`. */
static void
slot_fill(struct slot *s, uint32_t pool, const struct place *p, uint64_t epoch,
    uint64_t now_us)
{
	atomic_store(&s->pool, pool);
	atomic_store(&s->pool_gen, atomic_load(&p->pool->gen));
	atomic_store(&s->epoch, epoch);
	atomic_store(&s->born_us, now_us);
	atomic_store(&s->since_us, now_us);
	atomic_store(&s->client, 0);
	atomic_store(&s->flags, 0);
	atomic_store(&s->backend_pid, 0);
	atomic_store(&s->cancels, 0);
}

static enum limits_answer
open_locked(uint32_t me, uint32_t pool, uint32_t extra, uint64_t epoch,
    struct slot **out)
{
	enum limits_answer answer;
	struct slot *s;
	struct place p;
	uint64_t word;

	if (!place_of(pool, &p))
		return LIMITS_POOL;
	answer = place_room(&p, extra);
	if (answer != LIMITS_OK)
		return answer;
	s = free_slot();
	if (s == NULL)
		return LIMITS_SLOTS;
	slot_fill(s, pool, &p, epoch, clock_now_us());
	if (atomic_load(&seg->slots_used) <= slot_idx(s))
		atomic_store(&seg->slots_used, slot_idx(s) + 1);
	/* The slot is FREE yet: its fields mean nothing. */
	CRASH_POINT("limits.open.filled");
	word = slot_look(s);
	(void)slot_turn(s, word, SLOT_LOGIN, me, slot_next_gen(slot_gen(word)));
	/* LOGIN, but not counted: repair counts anew, for the lock is held. */
	CRASH_POINT("limits.open.moved");
	place_raise(&p);
	*out = s;
	return LIMITS_OK;
}

static uint64_t
epoch_of(uint32_t pool)
{
	const struct pool *p = pool_at(pool);

	return p == NULL ? 0 : atomic_load(&p->epoch);
}

enum limits_answer
limits_open(uint32_t me, uint32_t pool, uint32_t extra, uint64_t conf_number,
    uint32_t *slot, uint64_t *gen)
{
	enum limits_answer answer;
	struct slot *s = NULL;
	/* Before the number: it is published first, then the epochs rise.  An
	 * opener that is late goes by the old configuration and has an old
	 * epoch, so what it opens is found out. */
	uint64_t epoch = epoch_of(pool);

	if (!limits_try(me))
		return LIMITS_BUSY;
	CRASH_POINT("limits.open.locked");
	if (atomic_load(&seg->conf_number) != conf_number)
		answer = LIMITS_CONF;
	else
		answer = open_locked(me, pool, extra, epoch, &s);
	limits_drop(me);
	if (answer == LIMITS_OK) {
		*slot = slot_idx(s);
		*gen = slot_gen(slot_look(s));
	}
	/* A slot in LOGIN without a socket: repair frees it. */
	CRASH_POINT("limits.open.done");
	return answer;
}

/* --- a place that comes free --- */

/* Which limits were full while the place was taken. */
struct kept_back {
	uint32_t pool, db, user; /* the place's */
	bool is_pool, is_db, is_user, is_all;
};

static void
look_kept_back(uint32_t pool, const struct place *p, struct kept_back *k)
{
	k->pool = pool;
	k->db = atomic_load(&p->pool->db);
	k->user = atomic_load(&p->pool->user);
	k->is_pool = is_full(
	    atomic_load(&p->pool->count), atomic_load(&p->pool->size), 0);
	k->is_db =
	    is_full(atomic_load(&p->db->count), atomic_load(&p->db->max), 0);
	k->is_user = is_full(
	    atomic_load(&p->user->count), atomic_load(&p->user->max), 0);
	k->is_all = atomic_load(&seg->slot_hint) >= segtab.nslots;
}

/* Is pool `q` one that waits for this very place? */
static bool
is_kept_back(const struct kept_back *k, uint32_t q, const struct pool *p)
{
	if (atomic_load(&p->gen) == 0 || atomic_load(&p->login) != 0 ||
	    pool_is_paused(p))
		return false;
	return k->is_all || (k->is_pool && q == k->pool) ||
	    (k->is_db && atomic_load(&p->db) == k->db) ||
	    (k->is_user && atomic_load(&p->user) == k->user);
}

static bool
may_take(uint32_t w, uint32_t pool, uint64_t *since_us)
{
	uint32_t slot;
	uint64_t gen;

	return queue_look(w, pool, since_us) > 0 && proc_is_there(w) &&
	    !grant_look(w, pool, &slot, &gen);
}

/*
 * The longest waiter of all pools that share a limit that was full.  Looked
 * for without the lock, so that it is held for a moment only: what is found
 * is looked at again under it.
 */
static uint32_t
longest_waiter(const struct kept_back *k, uint32_t *pool)
{
	bool is_one = !k->is_db && !k->is_user && !k->is_all;
	uint32_t first = is_one ? k->pool : 0, best = PROC_NOBODY;
	uint32_t end = is_one ? k->pool + 1 : atomic_load(&seg->pools_used);
	uint64_t best_us = 0, since;

	for (uint32_t q = first; q < end && q < segtab.npools; q++) {
		if (!is_kept_back(k, q, &segtab.pools[q]))
			continue;
		for (uint32_t w = 0; w < segtab.nworkers; w++)
			if (may_take(w, q, &since) &&
			    (best == PROC_NOBODY || since < best_us)) {
				best = w;
				best_us = since;
				*pool = q;
			}
	}
	return best;
}

bool
limits_is_wanted(uint32_t slot)
{
	struct slot *s = slot_at(slot);
	struct kept_back k;
	struct place p;
	uint32_t pool;

	if (s == NULL || !place_of(atomic_load(&s->pool), &p))
		return false;
	look_kept_back(atomic_load(&s->pool), &p, &k);
	return longest_waiter(&k, &pool) != PROC_NOBODY;
}

/* Whom a freed place is meant for; w is PROC_NOBODY for nobody. */
struct heir {
	uint32_t w, pool;
	bool is_own; /* it asked for it itself, and waits for no grant word */
};

static bool
still_may(const struct heir *h, uint32_t me, const struct place *to)
{
	uint32_t login = atomic_load(&to->pool->login);
	uint64_t since;

	if (place_room(to, 0) != LIMITS_OK)
		return false;
	if (h->is_own)
		return login == 0 || login == me + 1;
	return login == 0 && may_take(h->w, h->pool, &since);
}

/*
 * The step itself, under the lock: the place leaves the counters of its pool,
 * and enters those of the heir's if there is one who still may.  True: it
 * went to the heir, with generation *gen.
 */
static bool
pass_locked(uint32_t me, struct slot *s, uint64_t word, const struct heir *h,
    uint64_t now_us, uint64_t *gen)
{
	struct place from, to;

	if (place_of(atomic_load(&s->pool), &from))
		place_lower(&from);
	/* CLOSING, but no longer counted: repair counts anew. */
	CRASH_POINT("limits.close.lowered");
	if (h->w == PROC_NOBODY || !place_of(h->pool, &to) ||
	    !still_may(h, me, &to)) {
		(void)slot_turn(
		    s, word, SLOT_FREE, PROC_NOBODY, slot_gen(word));
		CRASH_POINT("limits.close.freed");
		note_free(s);
		return false;
	}
	*gen = slot_next_gen(slot_gen(word));
	slot_fill(s, h->pool, &to, atomic_load(&to.pool->epoch), now_us);
	/* CLOSING of another pool already: repair goes by what stands here. */
	CRASH_POINT("limits.close.filled");
	(void)slot_turn(s, word, SLOT_RESERVED, h->w, *gen);
	CRASH_POINT("limits.close.reserved");
	place_raise(&to);
	return true;
}

/* False: the lock is busy. */
static bool
pass_on(
    uint32_t me, uint32_t slot, uint64_t gen, struct heir *h, uint64_t *to_gen)
{
	uint64_t now_us = clock_now_us(), word;
	struct slot *s = slot_at(slot);

	if (!limits_try(me))
		return false;
	CRASH_POINT("limits.close.locked");
	word = slot_look(s);
	/* a stale name: the place has been passed on before */
	if (word != slot_word(SLOT_CLOSING, me, gen) ||
	    !pass_locked(me, s, word, h, now_us, to_gen))
		h->w = PROC_NOBODY;
	limits_drop(me);
	/* RESERVED without a word to its heir: it lies untaken for a while. */
	CRASH_POINT("limits.close.done");
	return true;
}

bool
limits_close(uint32_t me, uint32_t slot, uint64_t gen, uint32_t *to,
    uint32_t *to_pool, uint64_t *to_gen)
{
	struct heir h = { PROC_NOBODY, POOL_NONE, false };
	struct kept_back k;
	struct slot *s = slot_at(slot);
	struct place p;

	*to = PROC_NOBODY;
	*to_pool = POOL_NONE;
	*to_gen = 0;
	if (s == NULL)
		return true;
	if (place_of(atomic_load(&s->pool), &p)) {
		look_kept_back(atomic_load(&s->pool), &p, &k);
		h.w = longest_waiter(&k, &h.pool);
	}
	if (!pass_on(me, slot, gen, &h, to_gen))
		return false;
	*to = h.w;
	if (h.w != PROC_NOBODY)
		*to_pool = h.pool;
	return true;
}

bool
limits_keep(uint32_t me, uint32_t slot, uint64_t gen, uint32_t pool,
    uint32_t *to, uint64_t *to_gen)
{
	struct heir h = { me, pool, true };

	*to = PROC_NOBODY;
	*to_gen = 0;
	if (slot_at(slot) == NULL)
		return true;
	if (!pass_on(me, slot, gen, &h, to_gen))
		return false;
	*to = h.w;
	return true;
}

bool
limits_take(uint32_t me, uint32_t slot, uint64_t gen, uint64_t conf_number)
{
	struct slot *s = slot_at(slot);
	uint64_t epoch;

	if (s == NULL)
		return false;
	epoch = epoch_of(atomic_load(&s->pool));
	if (atomic_load(&seg->conf_number) != conf_number ||
	    !slot_move(s, slot_word(SLOT_RESERVED, me, gen), SLOT_LOGIN, me))
		return false;
	/* Its times are those of the reservation until here. */
	CRASH_POINT("limits.take.moved");
	atomic_store(&s->born_us, clock_now_us());
	atomic_store(&s->epoch, epoch);
	return true;
}

bool
limits_free(struct slot *s, uint64_t word)
{
	struct place p;

	if (!slot_turn(s, word, SLOT_FREE, PROC_NOBODY, slot_gen(word)))
		return false;
	/* FREE, but still counted: repair counts anew. */
	CRASH_POINT("limits.free.moved");
	note_free(s);
	if (place_of(atomic_load(&s->pool), &p))
		place_lower(&p);
	return true;
}

bool
limits_giveback(uint32_t me, uint32_t slot, uint64_t gen, bool *busy)
{
	struct slot *s = slot_at(slot);
	bool done = false;
	uint64_t word;

	*busy = false;
	if (s == NULL)
		return false;
	if (!limits_try(me)) {
		*busy = true;
		return false;
	}
	word = slot_look(s);
	/* it may become LOGIN at any time, lock or no lock */
	if (slot_state(word) == SLOT_RESERVED && slot_gen(word) == gen)
		done = limits_free(s, word);
	limits_drop(me);
	return done;
}

static void
zero_counts(void)
{
	uint32_t used = atomic_load(&seg->pools_used);

	for (uint32_t i = 0; i < used && i < segtab.npools; i++)
		atomic_store(&segtab.pools[i].count, 0);
	for (uint32_t i = 0; i < segtab.ndbs; i++) {
		if (atomic_load(&segtab.dbs[i].gen) == 0)
			break;
		atomic_store(&segtab.dbs[i].count, 0);
	}
	for (uint32_t i = 0; i < segtab.nusers; i++) {
		if (atomic_load(&segtab.users[i].gen) == 0)
			break;
		atomic_store(&segtab.users[i].count, 0);
	}
}

void
limits_recount(void)
{
	zero_counts();
	for (uint32_t i = 0; i < segtab.nslots; i++) {
		struct slot *s = &segtab.slots[i];
		struct place p;

		if (slot_state(slot_look(s)) != SLOT_FREE &&
		    place_of(atomic_load(&s->pool), &p))
			place_raise(&p);
	}
	atomic_store(&seg->slot_hint, 0);
}
