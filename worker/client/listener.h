/*
 * listener.h - LISTEN for clients that have no backend of their own.
 *
 * A pool's clients of this worker share one server connection that listens for
 * all of them: the listener.  It is taken from the pool like any other, counts
 * in its limits (SLOT_LISTENS, for SHOW), and goes back when nobody listens.
 *
 * A client's own LISTEN runs on whatever backend it has, in its own
 * transaction; what the listener adds is that nothing gets lost:
 *
 *   1. before the LISTEN goes to the server, listener_hear(): the listener has
 *      its channel, or the client waits until it has.  From then on what
 *      arrives is kept for the client.
 *   2. at the end of its transaction the backend is asked which channels it
 *      has; listener_settle() takes these for the client's.  What was kept of
 *      others is thrown away, the rest is sent.
 *   3. that backend stops listening (UNLISTEN *) before anybody else gets it;
 *      what it had to tell meanwhile is not passed on (is_muted).
 *
 * An UNLISTEN may name what another backend was told: then the client's
 * channels are given to its backend first (listener_names()), and step 2 says
 * what remains of them.
 *
 * A client gets its notifications when it has no transaction open, in the
 * order in which they came.  When the listener is lost, so are notifications:
 * its clients are closed, as they would be without a pooler.
 *
 * All data is this worker's own.  Never blocks; allocates when a client begins
 * to listen, and for what it is not ready to take.
 */
#ifndef WORKER_CLIENT_LISTENER_H
#define WORKER_CLIENT_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/err.h"

struct client;
struct lend;

enum { LISTENER_NAME = 64 }; /* of a channel, with its NUL */

/*
 * The client is about to LISTEN.  DONE: go on.  WAIT: not yet; it is read no
 * more, and what is kept in c->in is looked at again when the time has come.
 * FAIL: *e says why it cannot.
 */
enum result listener_hear(struct client *c, const char *channel, struct err *e);

/*
 * Its transaction has ended, and these `n` channels are what its backend says.
 * `is_all`: its own were given to that backend before, so that what is not
 * among them is dropped; else they come on top.  -1: *e: it does not hear one
 * of them, and has to be closed.
 */
int listener_settle(struct client *c, const char *const *channels, uint32_t n,
    bool is_all, struct err *e);

/* The i-th channel that it listens to; NULL: there are no more. */
const char *listener_names(const struct client *c, uint32_t i);

/* It may take what was kept for it: send that, if there is any. */
void listener_deliver(struct client *c);

/* It is leaving. */
void listener_leave(struct client *c);

/* At the end, when the pool has no clients any more. */
void listener_fini(struct lend *lend);

#endif
