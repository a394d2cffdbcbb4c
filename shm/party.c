#include "shm/party.h"

#include <stddef.h>
#include <string.h>

#include "shm/crash.h"
#include "shm/pool.h"
#include "shm/segment.h"
#include "shm/trylock.h"

enum { SWEEP_STEP = 16 }; /* rows that one sweep looks at */

struct party *
db_at(uint32_t idx)
{
	return idx < segtab.ndbs ? &segtab.dbs[idx] : NULL;
}

struct party *
user_at(uint32_t idx)
{
	return idx < segtab.nusers ? &segtab.users[idx] : NULL;
}

bool
pools_lock_try(uint32_t me)
{
	return trylock_take(&seg->pools_lock, me);
}

void
pools_lock_drop(uint32_t me)
{
	trylock_drop(&seg->pools_lock, me);
}

struct parties {
	struct party *row;
	uint32_t n;
};

static struct parties
all_dbs(void)
{
	return (struct parties){ segtab.dbs, segtab.ndbs };
}

static struct parties
all_users(void)
{
	return (struct parties){ segtab.users, segtab.nusers };
}

/*
 * Without the lock a name may change under our eyes: it counts only if the
 * generation is odd and the same before and after.  Its last byte is never
 * anything but 0.
 */
bool
party_is(const struct party *p, const char *name)
{
	uint32_t gen = atomic_load(&p->gen);
	bool same;

	if ((gen & 1) == 0)
		return false;
	same = strcmp(p->name, name) == 0;
	atomic_thread_fence(memory_order_acquire);
	return same && atomic_load(&p->gen) == gen;
}

/* Rows are taken lowest first: one that was never used ends the table. */
static uint32_t
party_find(struct parties t, const char *name)
{
	for (uint32_t i = 0; i < t.n; i++) {
		if (atomic_load(&t.row[i].gen) == 0)
			break;
		if (party_is(&t.row[i], name))
			return i;
	}
	return POOL_NONE;
}

bool
party_is_name(const char *name)
{
	return strnlen(name, POOL_NAME) < POOL_NAME;
}

/* The caller holds the pools lock. */
static uint32_t
party_make(struct parties t, const char *name, uint32_t max)
{
	uint32_t i = party_find(t, name);
	struct party *p;

	if (i != POOL_NONE)
		return i;
	for (i = 0; i < t.n; i++)
		if ((atomic_load(&t.row[i].gen) & 1) == 0)
			break;
	if (i == t.n)
		return POOL_NONE;
	p = &t.row[i];
	memset(p->name, 0, sizeof(p->name));
	memcpy(p->name, name, strnlen(name, POOL_NAME - 1));
	atomic_store(&p->max, max);
	atomic_store(&p->paused, 0);
	atomic_store(&p->disabled, 0);
	atomic_store(&p->defined, 0);
	/* Filled, but still free: the next who needs a row fills it again. */
	CRASH_POINT("pool.party.filled");
	atomic_fetch_add(&p->gen, 1);
	return i;
}

uint32_t
db_make(const char *name, uint32_t max)
{
	return party_make(all_dbs(), name, max);
}

uint32_t
user_make(const char *name, uint32_t max)
{
	return party_make(all_users(), name, max);
}

static uint32_t
party_define(
    struct parties t, uint32_t me, const char *name, uint32_t max, bool *busy)
{
	uint32_t i;

	*busy = false;
	if (!party_is_name(name))
		return POOL_NONE;
	if (!pools_lock_try(me)) {
		*busy = true;
		return POOL_NONE;
	}
	i = party_make(t, name, max);
	if (i != POOL_NONE) {
		atomic_store(&t.row[i].max, max);
		atomic_store(&t.row[i].defined, 1);
	}
	pools_lock_drop(me);
	return i;
}

uint32_t
db_find(const char *name)
{
	return party_find(all_dbs(), name);
}

uint32_t
user_find(const char *name)
{
	return party_find(all_users(), name);
}

uint32_t
db_define(uint32_t me, const char *name, uint32_t max, bool *busy)
{
	return party_define(all_dbs(), me, name, max, busy);
}

uint32_t
user_define(uint32_t me, const char *name, uint32_t max, bool *busy)
{
	return party_define(all_users(), me, name, max, busy);
}

void
db_undefine(uint32_t idx)
{
	if (idx < segtab.ndbs)
		atomic_store(&segtab.dbs[idx].defined, 0);
}

void
user_undefine(uint32_t idx)
{
	if (idx < segtab.nusers)
		atomic_store(&segtab.users[idx].defined, 0);
}

static bool
party_has_pool(bool is_db, uint32_t idx)
{
	uint32_t used = atomic_load(&seg->pools_used);

	for (uint32_t i = 0; i < used; i++) {
		const struct pool *p = pool_at(i);

		if (p != NULL && atomic_load(&p->gen) != 0 &&
		    atomic_load(is_db ? &p->db : &p->user) == idx)
			return true;
	}
	return false;
}

/*
 * Free what no pool and no configuration names: a few rows a call, since each
 * costs a walk over the pools under the lock.
 */
static void
sweep(struct parties t, bool is_db, uint32_t *cursor)
{
	for (uint32_t n = 0; n < SWEEP_STEP && n < t.n; n++) {
		uint32_t i = *cursor < t.n ? *cursor : 0;
		uint32_t gen = atomic_load(&t.row[i].gen);

		*cursor = gen == 0 ? 0 : i + 1;
		if ((gen & 1) != 0 && atomic_load(&t.row[i].defined) == 0 &&
		    !party_has_pool(is_db, i))
			atomic_store(&t.row[i].gen, gen + 1);
	}
}

void
party_sweep(void)
{
	static uint32_t db_cursor, user_cursor;

	sweep(all_dbs(), true, &db_cursor);
	sweep(all_users(), false, &user_cursor);
}
