#include "shm/queue.h"

#include <stdatomic.h>
#include <stddef.h>

#include "conf/clock.h"
#include "shm/crash.h"
#include "shm/proc.h"
#include "shm/segment.h"
#include "shm/slot.h"

/*
 * The word: the oldest waiter's time in the high 44 bits, the number of
 * waiters in the low 20; 0 is nobody.  44 bits of microseconds are 203 days,
 * so the time is taken to be the one of these moments nearest to now.
 */
#define COUNT_BITS 20
#define COUNT_MAX  ((UINT32_C(1) << COUNT_BITS) - 1)
#define SINCE_BITS 44
#define SINCE_MASK ((UINT64_C(1) << SINCE_BITS) - 1)

enum { MILLISECOND = 1000 };

static _Atomic uint64_t *
word_of(_Atomic uint64_t *table, uint32_t w, uint32_t pool)
{
	if (w >= segtab.nworkers || pool >= segtab.npools)
		return NULL;
	return &table[(size_t)pool * segtab.nwords + w];
}

static uint64_t
whole_since(uint64_t word, uint64_t now_us)
{
	uint64_t age = (now_us - (word >> COUNT_BITS)) & SINCE_MASK;

	/* more than half way round: it lies a little ahead of `now_us` */
	if (age > SINCE_MASK / 2 || age > now_us)
		return now_us;
	return now_us - age;
}

void
queue_publish(uint32_t me, uint32_t pool, uint32_t count, uint64_t since_us)
{
	_Atomic uint64_t *w = word_of(segtab.waiting, me, pool);

	if (w == NULL)
		return;
	if (count > COUNT_MAX)
		count = COUNT_MAX;
	atomic_store(
	    w, count == 0 ? 0 : (since_us & SINCE_MASK) << COUNT_BITS | count);
	CRASH_POINT("queue.published");
}

static uint32_t
look_at(uint32_t w, uint32_t pool, uint64_t now_us, uint64_t *since_us)
{
	_Atomic uint64_t *word = word_of(segtab.waiting, w, pool);
	uint64_t v = word == NULL ? 0 : atomic_load(word);

	*since_us = v == 0 ? 0 : whole_since(v, now_us);
	return (uint32_t)(v & COUNT_MAX);
}

uint32_t
queue_look(uint32_t w, uint32_t pool, uint64_t *since_us)
{
	uint64_t since;
	uint32_t n = look_at(w, pool, clock_now_us(), &since);

	if (since_us != NULL)
		*since_us = since;
	return n;
}

uint32_t
queue_total(uint32_t pool, uint64_t *since_us)
{
	uint64_t now_us = clock_now_us(), since, oldest = 0;
	uint32_t sum = 0;

	for (uint32_t w = 0; w < segtab.nworkers; w++) {
		uint32_t n = look_at(w, pool, now_us, &since);

		if (n > 0 && (sum == 0 || since < oldest))
			oldest = since;
		sum += n;
	}
	if (since_us != NULL)
		*since_us = oldest;
	return sum;
}

static bool
has_grant(uint32_t w, uint32_t pool)
{
	_Atomic uint64_t *word = word_of(segtab.grants, w, pool);

	return word == NULL || atomic_load(word) != 0;
}

/* Has `other_us` waited out of proportion to my own oldest? */
static bool
is_unfair(uint64_t other_us, uint64_t own_since_us, uint64_t now_us)
{
	uint64_t mine, other;

	if (own_since_us == 0)
		return true;
	mine = now_us > own_since_us ? now_us - own_since_us : 0;
	other = now_us > other_us ? now_us - other_us : 0;
	return other > mine + mine / 4 + MILLISECOND;
}

uint32_t
queue_next(uint32_t me, uint32_t pool, uint32_t slot, uint64_t gen,
    uint64_t own_since_us, uint64_t now_us)
{
	uint32_t best = PROC_NOBODY;
	uint64_t best_us = 0, since;

	for (uint32_t w = 0; w < segtab.nworkers; w++) {
		if (w == me || look_at(w, pool, now_us, &since) == 0)
			continue;
		if (best != PROC_NOBODY && since >= best_us)
			continue;
		if (!is_unfair(since, own_since_us, now_us) ||
		    have_look(w, slot) != gen || has_grant(w, pool) ||
		    !proc_is_there(w))
			continue;
		best = w;
		best_us = since;
	}
	return best;
}

bool
grant_offer(uint32_t w, uint32_t pool, uint32_t slot, uint64_t gen)
{
	_Atomic uint64_t *word = word_of(segtab.grants, w, pool);
	uint64_t value = gen << 16 | slot, none = 0;

	CRASH_POINT("grant.offer.before");
	if (word == NULL || !atomic_compare_exchange_strong(word, &none, value))
		return false;
	/* To one who is gone: the next repair withdraws it. */
	CRASH_POINT("grant.offer.after");
	if (proc_is_there(w))
		return true;
	(void)atomic_compare_exchange_strong(word, &value, 0);
	return false;
}

bool
grant_look(uint32_t me, uint32_t pool, uint32_t *slot, uint64_t *gen)
{
	_Atomic uint64_t *word = word_of(segtab.grants, me, pool);
	uint64_t v = word == NULL ? 0 : atomic_load(word);

	*slot = (uint32_t)(v & 0xffff);
	*gen = v >> 16;
	return v != 0;
}

void
grant_clear(uint32_t me, uint32_t pool)
{
	_Atomic uint64_t *word = word_of(segtab.grants, me, pool);

	if (word != NULL)
		atomic_store(word, 0);
	CRASH_POINT("grant.cleared");
}

void
queue_withdraw(uint32_t w)
{
	if (w >= segtab.nworkers)
		return;
	for (uint32_t pool = 0; pool < segtab.npools; pool++) {
		_Atomic uint64_t *waits = word_of(segtab.waiting, w, pool);
		_Atomic uint64_t *grant = word_of(segtab.grants, w, pool);

		/* reading first: a page that nobody touched stays so */
		if (atomic_load(waits) != 0)
			atomic_store(waits, 0);
		if (atomic_load(grant) != 0)
			atomic_store(grant, 0);
	}
}
