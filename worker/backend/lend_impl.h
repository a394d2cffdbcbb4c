/*
 * lend_impl.h - what the three files behind lend.h share.
 *
 * lendview.c knows the pools and the descriptors, lend.c the queues,
 * handover.c what goes from worker to worker.  For these files alone.
 */
#ifndef WORKER_BACKEND_LEND_IMPL_H
#define WORKER_BACKEND_LEND_IMPL_H

#include "worker/backend/lend.h"

/* The best idle backend of the pool, ours and fit; NULL: there is none. */
struct backend *lend_claim(struct lend *l);

/* Why a backend must not be lent any more; NULL: it may. */
const char *lend_unfit(const struct lend *l, const struct slot *s);

/* Ours, just claimed: may it be lent?  If not, it is closed or given back. */
bool lend_is_fit(struct lend *l, struct backend *b);

/* Idle backends for those who wait here. */
void lend_serve_idle(struct lend *l);

/* A backend that is ours and fit goes to our oldest; false: nobody waits. */
bool lend_serve(struct lend *l, struct backend *b);

/* Who waits here, and since when, as others may know it. */
void lend_publish(struct lend *l);

/* It no longer waits for the end of the turn (harmless if it does not). */
void lend_unready(struct lend *l, struct backend *b);

void lend_on_timer(struct deadline *d);

/* --- handover.c --- */

/*
 * Grant the slot, whose word is `word` (ACTIVE(me) or IDLE), to whichever
 * other worker should have it before one who waits here since `own_since_us`
 * (0: nobody).  True: it is no longer ours to dispose of.
 */
bool handover_give(
    struct lend *l, struct backend *b, uint64_t word, uint64_t own_since_us);

/* The slot has just become idle: did somebody begin to wait meanwhile? */
void handover_idle(struct lend *l, struct backend *b);

/* Slots that are GRANTED or RESERVED to us and that no grant word names: the
 * granter may have died before he wrote it. */
void handover_find(void);

/* There is room under the limits of this pool: ring whoever waits for it, or
 * for a pool that shares a limit with it. */
void handover_room(uint32_t pool);

/* A grant or a reservation for us?  True: something was done. */
bool handover_take(struct lend *l);

/* Take back grants and reservations that nobody takes; in one pool, or (NULL)
 * in all: where nobody waits any more they would keep others from their
 * places. */
void handover_recover(const struct lend *l);

#endif
