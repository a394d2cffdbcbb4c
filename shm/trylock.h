/*
 * trylock.h - a lock that is tried, never waited for.
 *
 * The word is 0, or the holder's process number + 1, so that whoever finds it
 * taken knows by whom.  Who does not get it tries at its next turn.  What a
 * dead holder leaves is repair.c's, which mends what the lock guards first.
 *
 * Writes:  who takes it, and then its holder; repair for a dead one.
 * Never blocks: a try is a microsecond at most.
 */
#ifndef SHM_TRYLOCK_H
#define SHM_TRYLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { TRYLOCK_TRIES = 64 }; /* loads: a microsecond at most */

static inline bool
trylock_take(_Atomic uint32_t *lock, uint32_t me)
{
	for (int i = 0; i < TRYLOCK_TRIES; i++) {
		uint32_t nobody = 0;

		/* the load keeps the line shared while another holds it */
		if (atomic_load_explicit(lock, memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_strong(lock, &nobody, me + 1))
			return true;
	}
	return false;
}

/* Of one that `me` does not hold: nothing happens. */
static inline void
trylock_drop(_Atomic uint32_t *lock, uint32_t me)
{
	uint32_t mine = me + 1;

	(void)atomic_compare_exchange_strong(lock, &mine, 0);
}

#endif
