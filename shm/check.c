#include "shm/check.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "shm/clientrow.h"
#include "shm/limits.h"
#include "shm/pool.h"
#include "shm/proc.h"
#include "shm/queue.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "shm/stmts.h"

enum { LOCK_ROUNDS = 2000 }; /* tries of limits_try(): milliseconds in all */

/* One look at the segment: what was counted, and the first thing found. */
struct look {
	bool strict;
	uint32_t *pools, *dbs, *users; /* counted from the slots */
	const char *what, *fault;      /* fault NULL: none yet */
	uint64_t idx, value;
};

/* Remember the first; its text is made later, when no lock is held. */
static void
found(struct look *l, const char *what, uint64_t idx, const char *fault,
    uint64_t value)
{
	if (l->fault != NULL)
		return;
	l->what = what;
	l->idx = idx;
	l->fault = fault;
	l->value = value;
}

static bool
is_gone(uint32_t n)
{
	const struct proc *p = proc_at(n);

	return p != NULL && atomic_load(&p->gone) != 0;
}

/* May `n` hold a lock? */
static bool
may_hold(uint32_t n)
{
	return n == PROC_SUPERVISOR || (proc_at(n) != NULL && !is_gone(n));
}

/* --- slots and what they count for; under the limits lock --- */

static void
check_owner(struct look *l, uint32_t i, uint64_t word)
{
	enum slot_state state = slot_state(word);
	uint32_t owner = slot_owner(word);
	bool is_worker = owner < segtab.nworkers;

	if (state > SLOT_CLOSING)
		found(l, "slot", i, "no such state", word);
	else if (slot_gen(word) == 0)
		found(l, "slot", i, "generation 0", word);
	else if (state == SLOT_FREE && owner != PROC_NOBODY)
		found(l, "slot", i, "free, but owned", word);
	else if (state == SLOT_FREE)
		return;
	else if (!is_worker && !(state == SLOT_CLOSING && owner == PROC_NOBODY))
		found(l, "slot", i, "no such owner", word);
	else if (is_worker && is_gone(owner) && state != SLOT_IDLE &&
	    (l->strict || state != SLOT_GRANTED))
		found(l, "slot", i, "its owner is gone", word);
}

static void
check_idle(struct look *l, uint32_t i, const struct slot *s)
{
	const char *fault;

	if (atomic_load(&s->client) != 0)
		found(l, "slot", i, "idle, but linked to client",
		    atomic_load(&s->client));
	if (atomic_load(&s->cancels) != 0)
		found(l, "slot", i, "idle with cancels in flight",
		    atomic_load(&s->cancels));
	fault = stmts_check(i, slot_gen(slot_look(s)), true);
	if (fault != NULL)
		found(l, "slot", i, fault, stmts_count(i));
}

static void
check_place(struct look *l, uint32_t i, const struct slot *s)
{
	uint32_t pool = atomic_load(&s->pool), d, u;
	const struct pool *p = pool_at(pool);

	if (p == NULL) {
		found(l, "slot", i, "no such pool", pool);
		return;
	}
	if (atomic_load(&p->gen) == 0 ||
	    atomic_load(&p->gen) != atomic_load(&s->pool_gen))
		found(l, "slot", i, "its pool is another by now", pool);
	d = atomic_load(&p->db);
	u = atomic_load(&p->user);
	if (db_at(d) == NULL || user_at(u) == NULL) {
		found(l, "pool", pool, "no such database or user",
		    db_at(d) == NULL ? d : u);
		return;
	}
	l->pools[pool]++;
	l->dbs[d]++;
	l->users[u]++;
}

static void
check_slots(struct look *l)
{
	uint32_t used = atomic_load(&seg->slots_used);

	for (uint32_t i = 0; i < segtab.nslots; i++) {
		const struct slot *s = &segtab.slots[i];
		uint64_t word = slot_look(s);

		check_owner(l, i, word);
		if (slot_state(word) == SLOT_FREE)
			continue;
		if (i >= used)
			found(l, "slot", i, "in use above the mark", used);
		check_place(l, i, s);
		if (l->strict && slot_state(word) == SLOT_IDLE)
			check_idle(l, i, s);
	}
}

/* A row that nobody reaches yet has not even been touched. */
static void
check_parties(struct look *l, const struct party *row, uint32_t n,
    const uint32_t *counted)
{
	for (uint32_t i = 0; i < n && atomic_load(&row[i].gen) != 0; i++) {
		uint32_t count = atomic_load(&row[i].count);
		uint32_t max = atomic_load(&row[i].max);

		if (count != counted[i])
			found(l, "database or user", i, "its counter says",
			    count);
		if (l->strict && max < POOL_UNLIMITED && count > max)
			found(l, "database or user", i, "count is too many",
			    count);
	}
}

static void
check_pools(struct look *l)
{
	uint32_t used = atomic_load(&seg->pools_used);

	for (uint32_t i = 0; i < used && i < segtab.npools; i++) {
		const struct pool *p = &segtab.pools[i];
		uint32_t count = atomic_load(&p->count);
		uint32_t size = atomic_load(&p->size);
		uint32_t login = atomic_load(&p->login);

		if (count != l->pools[i])
			found(l, "pool", i, "its counter says", count);
		if (atomic_load(&p->gen) == 0)
			continue;
		if (l->strict && size < POOL_UNLIMITED &&
		    count > (uint64_t)size + atomic_load(&p->reserve))
			found(l, "pool", i, "count is too many", count);
		if (login != 0 && !may_hold(login - 1))
			found(l, "pool", i, "its login's owner is gone",
			    login - 1);
	}
}

/* --- what the dead leave --- */

static void
check_gone(struct look *l, uint32_t w)
{
	uint32_t used = atomic_load(&seg->pools_used), slot;
	uint64_t gen;

	for (uint32_t i = 0; i < used && i < segtab.npools; i++) {
		size_t at = (size_t)w * segtab.npools + i;

		if (queue_look(w, i, NULL) != 0)
			found(l, "worker", w, "gone, but waits for pool", i);
		if (l->strict && grant_look(w, i, &slot, &gen))
			found(l, "worker", w, "gone, with a grant of pool", i);
		if (atomic_load(&segtab.members[at]) != 0)
			found(l, "worker", w, "gone, but a member of pool", i);
	}
	for (uint32_t i = 0; i < segtab.nslots; i++)
		if (have_look(w, i) != 0)
			found(l, "worker", w, "gone, but has slot", i);
	for (uint32_t i = 0; i < clientrow_high(w); i++)
		if (atomic_load(&segtab.clients[clientrow_first(w) + i].gen) &
		    1)
			found(l, "worker", w, "gone, but has client row", i);
}

static void
check_dead(struct look *l)
{
	uint32_t lock = atomic_load(&seg->pools_lock);

	if (lock != 0 && !may_hold(lock - 1))
		found(l, "process", lock - 1, "gone, but holds the pools lock",
		    lock);
	for (uint32_t w = 0; w < segtab.nworkers; w++)
		if (is_gone(w))
			check_gone(l, w);
}

static bool
try_long(uint32_t me)
{
	for (int i = 0; i < LOCK_ROUNDS; i++)
		if (limits_try(me))
			return true;
	return false;
}

/* Slots and counters, as of one moment; false: the lock is busy. */
static bool
check_counted(struct look *l, uint32_t me)
{
	uint32_t lock = atomic_load(&seg->limits_lock);

	if (!try_long(me)) {
		if (lock != 0 && !may_hold(lock - 1))
			found(l, "process", lock - 1,
			    "gone, but holds the limits lock", lock);
		return false;
	}
	check_slots(l);
	check_pools(l);
	check_parties(l, segtab.dbs, segtab.ndbs, l->dbs);
	check_parties(l, segtab.users, segtab.nusers, l->users);
	limits_drop(me);
	return true;
}

int
check_segment(uint32_t me, bool strict, char *why, size_t len)
{
	struct look l = { .strict = strict };
	uint32_t *counted;
	bool whole;

	snprintf(why, len, "%s", "");
	counted = calloc((size_t)segtab.npools + segtab.ndbs + segtab.nusers,
	    sizeof(*counted));
	if (counted == NULL)
		return 1;
	l.pools = counted;
	l.dbs = l.pools + segtab.npools;
	l.users = l.dbs + segtab.ndbs;
	check_dead(&l);
	whole = check_counted(&l, me);
	free(counted);
	if (l.fault != NULL) {
		snprintf(why, len, "%s %llu: %s (%llx)", l.what,
		    (unsigned long long)l.idx, l.fault,
		    (unsigned long long)l.value);
		return -1;
	}
	return whole ? 0 : 1;
}
