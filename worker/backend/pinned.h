/*
 * pinned.h - backends whose bytes only their own worker can read.
 *
 * TLS keeps its state in the process (unless the kernel does it), so such a
 * backend is never granted to another worker: it would be of no use there.
 * What moves instead is the place: the owner closes the backend, and limits.c
 * passes the place on to whoever waits longest, who opens one of his own.
 *
 *   a worker waits, and no place is free -> it rings the owners: pinned_ask()
 *   an owner, rung or done with one     -> pinned_look(), pinned_part()
 *
 * No worker below its fair share (limit / workers that wait) waits for long,
 * and a backend lives for a second before it goes: two busy workers do not
 * take each other's places in turn.
 *
 * Data: none of its own.  Never blocks; counts by the slots' words.
 */
#ifndef WORKER_BACKEND_PINNED_H
#define WORKER_BACKEND_PINNED_H

#include "worker/backend/lend_impl.h"

/* Ours, pinned, and done with its client: has somebody else a better right to
 * its place?  Then it has been closed, and true is returned. */
bool pinned_part(struct lend *l, struct backend *b);

/* Rung: those that lie idle here, and are wanted elsewhere, go. */
void pinned_look(void);

/* Clients of ours wait for the pool, and it may not open another backend:
 * ring whoever has a pinned one that lies idle. */
void pinned_ask(const struct lend *l);

#endif
