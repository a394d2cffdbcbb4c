/*
 * dedicate.h - backends that are opened for one client and end with it.
 *
 * A replication connection is no session that anybody else could go on with:
 * the server's process is a walsender from its first packet to its last.  So
 * it is never idle, granted or shared.  What it has in common with the others
 * is its place: it counts in the limits of its pool, database and user from
 * LOGIN until its end has been seen, like any.
 *
 *   waits -> a place -> LOGIN, with the client's own startup parameters
 *         -> ACTIVE -> CLOSING
 *
 * Who waits for one stands in a queue beside the pool's (struct lend), since
 * an idle backend is of no use to it but for its place.  In its turn, which
 * comes by the time that it has waited, it takes
 *   - the room that is there, like any waiter: open.c;
 *   - a place that has become free and is RESERVED for this worker: open.c;
 *   - the place of a backend of its pool that is idle or comes free, which is
 *     closed for it: dedicate_takes(), and again open.c.
 *
 * Other workers hear of it, so that they grant it what they release, only
 * while it could do something with that; or two that wait would send one
 * backend to and fro.  The timer of the pool's view looks again.
 *
 * What a server says to such a login is told to its client alone: that a role
 * may not replicate is no reason to keep others of this pool out.
 *
 * Data: this process's own.  Never blocks.
 */
#ifndef WORKER_BACKEND_DEDICATE_H
#define WORKER_BACKEND_DEDICATE_H

#include "worker/backend/lend.h"
#include "worker/proto/startup.h"

/* What a client wants a backend of its own opened with. */
struct dedicate {
	enum startup_replication kind;
	uint8_t *params; /* of its startup packet: as in struct startup */
	size_t params_len;
	struct backend *opening; /* being opened for it: it waits no more */
	/* in on_ready only: what the server has said of itself */
	const struct pool_greeting *greeting;
};

/*
 * Wait for a backend of one's own: w->own says how it is opened.  on_ready
 * brings it, HELD; on_error says why not.  false: *err, and it does not wait.
 */
bool dedicate_wait(struct lend *l, struct waiter *w, struct err *err);

/* Out of the queue, or away from the backend that is being opened for it. */
void dedicate_forget(struct waiter *w);

/* --- for lend.c and open.c ------------------------------------------------- */

/* Is it the turn of one that could do with the place of a backend? */
bool dedicate_is_next(struct lend *l);

/* Ours, clean, and about to be handed on.  true: it has been closed, and its
 * place comes back for the next who waits. */
bool dedicate_takes(struct lend *l, struct backend *b);

/* Look at idle backends, for who waits now. */
void dedicate_serve_idle(struct lend *l);

/* A tick of the pool's timer: who has waited too long; who may be shown? */
void dedicate_tick(struct lend *l);

/* Those that others should know of: how many, and since when one waits. */
uint32_t dedicate_shown(const struct lend *l, uint64_t *since_us);

/* --- for login.c ------------------------------------------------------------ */

/* `b` is about to be opened: if it is the turn of one who waits, it is for
 * that one alone, who leaves the queue: b->own. */
void dedicate_assign(struct backend *b);

/* b->own is set: the server is ready, and this is what it has said. */
void dedicate_ready(struct backend *b, const struct pool_greeting *greeting);

/* b->own is set: it could not be opened, or has gone; tells its client. */
void dedicate_failed(struct backend *b, const struct err *e);

#endif
