#include "shm/pool.h"

#include <stddef.h>
#include <string.h>

#include "conf/clock.h"
#include "shm/count.h"
#include "shm/crash.h"
#include "shm/limits.h"
#include "shm/queue.h"
#include "shm/segment.h"

enum { HINTS = 256 };

/*
 * Where this process last saw the pool of a (database, user), by hash: saves
 * most walks over the table, and is believed only after the names were
 * compared.
 */
static uint32_t hints[HINTS];

struct pool *
pool_at(uint32_t idx)
{
	return idx < segtab.npools ? &segtab.pools[idx] : NULL;
}

const char *
pool_db_name(const struct pool *p)
{
	const struct party *d = db_at(atomic_load(&p->db));

	return d == NULL ? "" : d->name;
}

const char *
pool_user_name(const struct pool *p)
{
	const struct party *u = user_at(atomic_load(&p->user));

	return u == NULL ? "" : u->name;
}

/* --- pools --- */

static uint32_t *
hint_of(const char *db, const char *user)
{
	uint32_t h = 2166136261u;

	for (const char *s = db; *s != '\0'; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	h = (h ^ '/') * 16777619u;
	for (const char *s = user; *s != '\0'; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return &hints[(h ^ h >> 16) % HINTS];
}

static bool
pool_is(uint32_t idx, const char *db, const char *user)
{
	const struct pool *p = pool_at(idx);
	const struct party *d, *u;
	uint32_t gen;

	if (p == NULL || (gen = atomic_load(&p->gen)) == 0)
		return false;
	d = db_at(atomic_load(&p->db));
	u = user_at(atomic_load(&p->user));
	return d != NULL && u != NULL && party_is(d, db) && party_is(u, user) &&
	    atomic_load(&p->gen) == gen;
}

uint32_t
pool_find(const char *db, const char *user)
{
	uint32_t *hint = hint_of(db, user);
	uint32_t used = atomic_load(&seg->pools_used);

	if (pool_is(*hint, db, user))
		return *hint;
	for (uint32_t i = 0; i < used; i++)
		if (pool_is(i, db, user))
			return *hint = i;
	return POOL_NONE;
}

static void
store_limits(struct pool *p, const struct pool_limits *l)
{
	atomic_store(&p->size, l->size);
	atomic_store(&p->min_size, l->min_size);
	atomic_store(&p->reserve, l->reserve);
	atomic_store(&p->mode, l->mode);
	atomic_store(&p->forced, l->forced);
	atomic_store(&p->lifetime_ms, l->lifetime_ms);
}

void
pool_refresh(uint32_t idx, const struct pool_limits *limits)
{
	struct pool *p = pool_at(idx);
	struct party *d, *u;

	if (p == NULL || atomic_load(&p->gen) == 0)
		return;
	store_limits(p, limits);
	d = db_at(atomic_load(&p->db));
	u = user_at(atomic_load(&p->user));
	if (d != NULL)
		atomic_store(&d->max, limits->db_max);
	if (u != NULL)
		atomic_store(&u->max, limits->user_max);
}

void
pool_obsolete(uint32_t idx)
{
	struct pool *p = pool_at(idx);

	if (p != NULL)
		atomic_fetch_add(&p->epoch, 1);
}

void
pool_plans_old(const struct pool *p)
{
	uint32_t db = atomic_load(&p->db);

	for (uint32_t i = 0; i < segtab.npools; i++) {
		struct pool *other = &segtab.pools[i];

		if (atomic_load(&other->gen) != 0 &&
		    atomic_load(&other->db) == db)
			atomic_fetch_add(&other->plans, 1);
	}
}

bool
pool_is_paused(const struct pool *p)
{
	const struct party *d = db_at(atomic_load(&p->db));
	const struct party *u = user_at(atomic_load(&p->user));

	return (d != NULL && atomic_load(&d->paused) != 0) ||
	    (u != NULL && atomic_load(&u->paused) != 0);
}

static uint32_t
free_row(void)
{
	for (uint32_t i = 0; i < segtab.npools; i++)
		if (atomic_load(&segtab.pools[i].gen) == 0)
			return i;
	return POOL_NONE;
}

/* The caller holds the pools lock. */
static uint32_t
pool_make(const char *db, const char *user, const struct pool_limits *limits)
{
	uint32_t i = free_row();
	uint32_t d, u;
	struct pool *p;

	if (i == POOL_NONE)
		return POOL_NONE;
	d = db_make(db, limits->db_max);
	u = user_make(user, limits->user_max);
	/* A database or user without a pool: the next reclaim frees it. */
	CRASH_POINT("pool.make.parties");
	if (d == POOL_NONE || u == POOL_NONE)
		return POOL_NONE;
	p = &segtab.pools[i];
	atomic_store(&p->db, d);
	atomic_store(&p->user, u);
	store_limits(p, limits);
	atomic_store(&p->login, 0);
	atomic_store(&p->idle_since_ms, 0);
	pool_login_forget(p);
	pool_keys_forget(p);
	count_reset(i);
	if (atomic_load(&seg->pools_used) <= i)
		atomic_store(&seg->pools_used, i + 1);
	atomic_store(&p->last_gen, atomic_load(&p->last_gen) + 1);
	if (atomic_load(&p->last_gen) == 0)
		atomic_store(&p->last_gen, 1);
	/* Filled, but still free: the next who needs a row fills it again. */
	CRASH_POINT("pool.make.filled");
	atomic_store(&p->gen, atomic_load(&p->last_gen));
	return i;
}

static _Atomic uint32_t *
members_word(uint32_t worker, uint32_t pool)
{
	if (worker >= segtab.nworkers || pool >= segtab.npools)
		return NULL;
	return &segtab.members[(size_t)worker * segtab.npools + pool];
}

static bool
is_newest(const struct pool_limits *limits)
{
	return atomic_load(&seg->conf_number) == limits->conf_number;
}

/*
 * The supervisor publishes a number and then refreshes the rows that it sees:
 * one that was made of older limits, and not seen, would keep them.
 */
static uint32_t
pool_make_newest(const char *db, const char *user,
    const struct pool_limits *limits, bool *is_old)
{
	uint32_t i;

	*is_old = !is_newest(limits);
	i = *is_old ? POOL_NONE : pool_make(db, user, limits);
	if (i == POOL_NONE || is_newest(limits))
		return i;
	*is_old = true;
	atomic_store(&segtab.pools[i].gen, 0);
	return POOL_NONE;
}

uint32_t
pool_join(uint32_t me, const char *db, const char *user,
    const struct pool_limits *limits, bool *busy)
{
	uint32_t i;

	*busy = false;
	if (me >= segtab.nworkers || !party_is_name(db) || !party_is_name(user))
		return POOL_NONE;
	if (!pools_lock_try(me)) {
		*busy = true;
		return POOL_NONE;
	}
	i = pool_find(db, user);
	if (i == POOL_NONE)
		i = pool_make_newest(db, user, limits, busy);
	/* A row that nobody uses yet, and a lock that repair frees. */
	CRASH_POINT("pool.join.found");
	if (i != POOL_NONE)
		atomic_fetch_add(members_word(me, i), 1);
	CRASH_POINT("pool.join.joined");
	pools_lock_drop(me);
	return i;
}

void
pool_leave(uint32_t me, uint32_t idx)
{
	_Atomic uint32_t *w = members_word(me, idx);

	/* Only this process writes the word: no step comes in between. */
	if (w != NULL && atomic_load(w) > 0)
		atomic_fetch_sub(w, 1);
}

uint32_t
pool_members(uint32_t idx)
{
	uint32_t sum = 0;

	if (idx >= segtab.npools)
		return 0;
	for (uint32_t w = 0; w < segtab.nworkers; w++)
		sum += atomic_load(members_word(w, idx));
	return sum;
}

/* --- giving rows back --- */

static bool
is_unused(uint32_t idx)
{
	const struct pool *p = &segtab.pools[idx];
	uint32_t slot;
	uint64_t gen;

	if (pool_members(idx) != 0 || atomic_load(&p->count) != 0 ||
	    atomic_load(&p->login) != 0 || queue_total(idx, NULL) != 0)
		return false;
	for (uint32_t w = 0; w < segtab.nworkers; w++)
		if (grant_look(w, idx, &slot, &gen))
			return false;
	return true;
}

static bool
reclaim_one(uint32_t me, uint32_t idx, uint64_t before_ms, uint64_t now_ms)
{
	struct pool *p = &segtab.pools[idx];
	bool freed = false;
	uint64_t since;

	if (atomic_load(&p->gen) == 0)
		return false;
	if (!is_unused(idx)) {
		atomic_store(&p->idle_since_ms, 0);
		return false;
	}
	since = atomic_load(&p->idle_since_ms);
	if (since == 0) {
		atomic_store(&p->idle_since_ms, now_ms);
		return false;
	}
	if (since > before_ms)
		return false;
	/* Under both locks nobody can join it and no place can pass to it. */
	if (!limits_try(me))
		return false;
	if (is_unused(idx)) {
		pool_keys_forget(p);
		atomic_store(&p->gen, 0);
		freed = true;
	}
	limits_drop(me);
	return freed;
}

uint32_t
pool_reclaim(uint32_t me, uint64_t before_ms)
{
	uint64_t now_ms = clock_now_ms();
	uint32_t n = 0, used = atomic_load(&seg->pools_used);

	if (!pools_lock_try(me))
		return 0;
	for (uint32_t i = 0; i < used && i < segtab.npools; i++)
		if (reclaim_one(me, i, before_ms, now_ms))
			n++;
	/* A pool's row freed, its database's not yet: the next call's work. */
	CRASH_POINT("pool.reclaim.freed");
	party_sweep();
	pools_lock_drop(me);
	return n;
}
