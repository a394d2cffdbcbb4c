/*
 * lend_impl.h - what the two halves of lend.h share.
 *
 * lendview.c knows the pools and the descriptors, lend.c the queues and the
 * hand-over.  For these two files alone.
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

/* It no longer waits for the end of the turn (harmless if it does not). */
void lend_unready(struct lend *l, struct backend *b);

void lend_on_timer(struct deadline *d);

#endif
