/*
 * ear.h - LISTEN for clients that have no backend of their own.
 *
 * A pool's clients of this worker share one server connection that listens for
 * all of them: the listener (listener.h).  It is taken from the pool like any other, counts
 * in its limits (SLOT_LISTENS, for SHOW), and goes back when nobody listens.
 *
 * A client's own LISTEN runs on whatever backend it has, in its own
 * transaction; what the listener adds is that nothing gets lost:
 *
 *   1. before the LISTEN goes to the server (ear_look()), the listener
 *      has its channel, or the client waits until it has.  From then on what
 *      arrives is kept for the client.
 *   2. at the end of its transaction the backend is asked which channels it
 *      has; ear_settle() takes these for the client's, beside those that
 *      it had.  What was kept of others is thrown away, the rest is sent.
 *   3. that backend stops listening (UNLISTEN *) before anybody else gets it;
 *      what it had to tell meanwhile is not passed on (is_muted).
 *
 * An UNLISTEN names what another backend was told, so the server cannot say
 * what came of it: it counts if its tag was seen and nothing of the
 * transaction was rolled back.  In doubt the client goes on listening.
 *
 * A client gets its notifications when it has no transaction open, in the
 * order in which they came.  When the listener is lost, so are notifications:
 * its clients are closed, as they would be without a pooler.
 *
 * All data is this worker's own.  Never blocks; allocates when a client begins
 * to listen, and for what it is not ready to take.
 */
#ifndef WORKER_CLIENT_EAR_H
#define WORKER_CLIENT_EAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/err.h"
#include "worker/client/look.h"

struct client;
struct ear;

/*
 * The client is about to have this text run or parsed: LOOK_PASS, LOOK_WAIT or
 * LOOK_RAISE (look.h).  `flags`: sqllex.h's.
 */
enum look ear_look(struct client *c, struct look_at *m, const char *sql,
    size_t len, unsigned flags);

/* The server has answered the client: tags of scan.h, and errors. */
void ear_on_tags(struct client *c, uint32_t tags, bool has_error);

/*
 * Its transaction has ended, and its backend says that it listens to these `n`
 * channels.  One that no text has told (a LISTEN inside a DO block) is listened
 * to from now on.  -1: *e: that cannot be, and it has to be closed.
 */
int ear_settle(
    struct client *c, const char *const *channels, uint32_t n, struct err *e);

/* It may take what was kept for it: send that, if there is any. */
void ear_deliver(struct client *c);

/* It is leaving. */
void ear_leave(struct client *c);

/* For listener.c: a NotificationResponse for it.  May close the client. */
void ear_tell(struct ear *e, const uint8_t *frame, size_t len);

#endif
