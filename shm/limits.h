/*
 * limits.h - how many backends there may be, exactly, over all workers.
 *
 * Slots leave and enter FREE, change their pool, and move the counters of
 * pool, database and user in one step under one lock; all limits are looked
 * at together and nothing is ever taken back.  The lock is a word that names
 * its holder, is only ever tried, and is held for tens of nanoseconds with no
 * system call.  A place counts from LOGIN until FREE, which comes after the
 * backend's end of file: PostgreSQL never has more of our backends than the
 * limit.
 *
 * When a holder dies the supervisor takes the lock over, recounts all three
 * kinds of counter from the slot words, and only then unlocks (repair.c).
 *
 * Never blocks, allocates or logs.
 */
#ifndef SHM_LIMITS_H
#define SHM_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

struct slot;

enum limits_answer {
	LIMITS_OK,
	LIMITS_BUSY,  /* lock not got: at the next turn */
	LIMITS_POOL,  /* the pool is full */
	LIMITS_DB,    /* max_db_connections */
	LIMITS_USER,  /* max_user_connections */
	LIMITS_SLOTS, /* no slot is left in the segment */
	LIMITS_CONF,  /* this process acts on an older configuration */
};

/*
 * Take a FREE slot for pool `pool` and make it LOGIN(me) with a new
 * generation.  `extra` is how much of the reserve may be used (0, or the
 * pool's reserve).  `conf_number` is the configuration that the caller acts
 * on.  On LIMITS_OK *slot and *gen name it.
 */
enum limits_answer limits_open(uint32_t me, uint32_t pool, uint32_t extra,
    uint64_t conf_number, uint32_t *slot, uint64_t *gen);

/*
 * CLOSING(me) of generation `gen` whose backend has gone: to RESERVED(w') for
 * the longest waiter of those pools that a limit in common kept back, or to
 * FREE.  *to is w' or PROC_NOBODY, *to_pool its pool; the caller offers the
 * grant word and rings (queue.h).  False: lock busy, call again.
 */
bool limits_close(uint32_t me, uint32_t slot, uint64_t gen, uint32_t *to,
    uint32_t *to_pool, uint64_t *to_gen);

/* As limits_close(), but the place goes to `me` for `pool` if it fits, which
 * is known by *to == me (a waiter closed another pool's backend for it). */
bool limits_keep(uint32_t me, uint32_t slot, uint64_t gen, uint32_t pool,
    uint32_t *to, uint64_t *to_gen);

/* RESERVED(me) -> LOGIN(me); generation is the one it was reserved with. */
bool
limits_take(uint32_t me, uint32_t slot, uint64_t gen, uint64_t conf_number);

/* RESERVED(any) -> FREE; also for one that lies untaken.  False: lock busy
 * (*busy) or it is no longer so. */
bool limits_giveback(uint32_t me, uint32_t slot, uint64_t gen, bool *busy);

/* Might pool `pool` open one more?  A look without the lock: a hint. */
enum limits_answer limits_hint(uint32_t pool, uint32_t extra);

/*
 * Does anybody wait whom the place of `slot` would help: a pool that a limit
 * in common keeps back, or one that finds no slot?  A hint, as above.
 */
bool limits_is_wanted(uint32_t slot);

/* The lock itself, for check.c and repair.c. */
bool limits_try(uint32_t me);
void limits_drop(uint32_t me);
/* CLOSING or RESERVED, as `word` says, to FREE; the caller holds the lock.
 * False: the slot's word is another. */
bool limits_free(struct slot *s, uint64_t word);
/* All three counters from the slot words; the caller holds the lock. */
void limits_recount(void);

#endif
