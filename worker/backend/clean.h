/*
 * clean.h - a backend whose client has gone in the middle: back to the pool.
 *
 *   FINISH ---> CANCEL ---> DISCARD ---> backend_give()
 *       `-------------------^
 *   any -> retired: it takes too long, says too much, or is in doubt
 *
 *   FINISH    what was asked for runs to its end.  Who says Terminate behind a
 *             request wants it done: PostgreSQL reads the Terminate after it.
 *   CANCEL    the client was lost: what runs is cancelled, at once and, since
 *             a cancel may come before its query or hit only the first of
 *             many, again until everything has been answered.
 *   DISCARD   ROLLBACK, if there is a transaction, and DISCARD ALL: nothing
 *             of the client's session is seen by the next.
 *
 * What the client has left open is ended as the end of its connection would
 * have ended it: a COPY fails; a batch without its Sync is rolled back, never
 * committed.  Answers are thrown away.  No query is sent while a cancel is in
 * flight, and no cancel while DISCARD ALL runs.
 *
 * Bounds: CLEAN_FINISH_MS, then cancel_wait_timeout (CLEAN_WAIT_MS if that is
 * 0) for each of the others, and CLEAN_BYTES of answers each, those aside
 * that come while a cancel is on its way.  Beyond them, and where the books
 * (track.h) are not certain, it is closed.
 *
 * Never blocks.
 */
#ifndef WORKER_BACKEND_CLEAN_H
#define WORKER_BACKEND_CLEAN_H

#include <stdbool.h>
#include <stdint.h>

struct backend;

enum {
	CLEAN_FINISH_MS = 5000,
	CLEAN_WAIT_MS = 10000,
	CLEAN_BYTES = 16 * 1024 * 1024,
};

enum clean_phase { CLEAN_FINISH, CLEAN_CANCEL, CLEAN_DISCARD };

/* Embedded in struct backend; clean.c's own. */
struct clean {
	uint64_t until_us; /* the phase ends */
	uint64_t pause_us; /* from this cancel to the next */
	uint32_t bytes;    /* thrown away in this phase */
	uint8_t phase;     /* enum clean_phase */
};

/*
 * `b` is LENT, not at a clean boundary, and its client has gone; `is_lost`:
 * without a Terminate.  Clean it, or retire it where that cannot be.
 */
void clean_start(struct backend *b, bool is_lost);

/* In BACKEND_CLEANING: it can be read; it has taken what was kept back for
 * it, or a cancel is over; its deadline has passed. */
void clean_on_readable(struct backend *b);
void clean_on_progress(struct backend *b);
void clean_on_deadline(struct backend *b);

#endif
