/*
 * listener.h - the server connection that listens for a pool's clients here.
 *
 * It is taken from the pool when the first client of this worker listens, and
 * goes back when none does.  It never takes the last server of a pool.  What
 * the server has been told follows the ears at its channels: one Query at a
 * time, for all that has changed.
 *
 * Channels are the listener's, ears the clients' (channel.h).  For ear.c, and
 * the worker's end.  Never blocks; allocates for new channels.
 */
#ifndef WORKER_CLIENT_LISTENER_H
#define WORKER_CLIENT_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/err.h"

struct channel;
struct lend;
struct listener;

/* The pool's channel of this name, made when missing: give it an ear at once,
 * or call listener_less().  NULL: no memory. */
struct channel *listener_channel(struct lend *lend, const char *name);

/* A channel has got an ear that is new: see that it is tuned.  -1: *e. */
int listener_begin(struct listener *l, struct err *e);

/* Ears have gone. */
void listener_less(struct listener *l);

/* Why an ear is refused. */
const struct err *listener_refusal(const struct listener *l);

/* At the end, when the pool has no clients any more. */
void listener_fini(struct lend *lend);

#endif
