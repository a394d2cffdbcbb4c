/*
 * queue.h - who waits for which pool, since when, and whom to serve next.
 *
 * Per pool each worker publishes one word {how many, since when} and has one
 * grant word {slot, generation}.  Who releases a backend looks at the others'
 * words; who is granted one finds it in its grant word.  A worker has at most
 * one grant outstanding per pool: releasers pass over a word that is not 0,
 * and only the worker itself (or repair, for a dead one) clears it.  So a
 * worker that does not run delays one backend, once.
 *
 * Store the waiter, then look for an idle slot; release the slot, then look
 * for waiters; store `sleeping`, then look for grants: all sequentially
 * consistent.
 *
 * Writes:  waiting   its worker.
 *          grant     0 -> value: any granter, by compare-and-swap, after the
 *                    slot's word says GRANTED or RESERVED; value -> 0: the
 *                    worker that it is for.
 * Never blocks or allocates.
 */
#ifndef SHM_QUEUE_H
#define SHM_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* Publish my waiters of a pool; `since_us` of the oldest (count > 0). */
void
queue_publish(uint32_t me, uint32_t pool, uint32_t count, uint64_t since_us);

/* How many wait in worker `w`, and since when (*since_us, may be NULL). */
uint32_t queue_look(uint32_t w, uint32_t pool, uint64_t *since_us);

/* All workers' waiters of a pool, and the oldest's time. */
uint32_t queue_total(uint32_t pool, uint64_t *since_us);

/*
 * Which other worker should get slot `slot` (generation `gen`, just released
 * by `me`): the one whose oldest waits longest, has the descriptor and no
 * untaken grant, and has waited out of proportion to `own_since_us` (0: no
 * waiter of my own): a quarter longer and a millisecond.  (Twice as long
 * let the slowest of 1000 clients wait three times the median instead of two;
 * hand-overs stay below one in a hundred.)  PROC_NOBODY:
 * none.
 */
uint32_t queue_next(uint32_t me, uint32_t pool, uint32_t slot, uint64_t gen,
    uint64_t own_since_us, uint64_t now_us);

/*
 * Offer after the slot's word was moved; false: it has one already, or it is
 * gone (looked at after the offer).  The granter then takes the slot back.
 */
bool grant_offer(uint32_t w, uint32_t pool, uint32_t slot, uint64_t gen);

/* My grant for a pool; false: none.  Then clear it, taken or not. */
bool grant_look(uint32_t me, uint32_t pool, uint32_t *slot, uint64_t *gen);
void grant_clear(uint32_t me, uint32_t pool);

/* Worker `w` leaves no waiter and no grant behind (repair). */
void queue_withdraw(uint32_t w);

#endif
