/*
 * listener.h - the server connection that listens for a pool's clients here.
 *
 * It is taken from the pool when the first client of this worker listens, and
 * goes back when none does.  It never takes the last server of a pool.  What
 * the server has been told follows the ears at its channels: one Query at a
 * time, for all that has changed.
 *
 * Channels are the listener's, ears the clients' (ear.c); for these two files,
 * and the worker's end.  Never blocks; allocates for new channels.
 */
#ifndef WORKER_CLIENT_LISTENER_H
#define WORKER_CLIENT_LISTENER_H

#include <stdbool.h>

#include "conf/err.h"

struct client;
struct lend;
struct listener;

enum { LISTENER_NAME = 64 }; /* of a channel, with its NUL */

struct channel {
	struct channel *next;
	struct listener *listener;
	struct ear *ears;
	bool is_heard;   /* the server sends us what is said on it */
	bool is_asked;   /* it is being told otherwise */
	bool is_refused; /* it, or we, could not: see the listener's error */
	char name[LISTENER_NAME];
};

struct ear {
	struct ear *next, **at; /* of its channel; what points here */
	struct ear *more;       /* of its client */
	struct client *client;
	struct channel *channel;
	bool is_waiting;   /* the client waits for its channel */
	bool is_confirmed; /* its LISTEN is committed */
	bool is_leaving;   /* an UNLISTEN was sent */
};

/* The pool's channel of this name, made when missing: give it an ear at once,
 * or call listener_less().  NULL: no memory. */
struct channel *listener_channel(struct lend *lend, const char *name);

/* A channel has got its first ear: see that it comes to be heard.  -1: *e. */
int listener_begin(struct listener *l, struct err *e);

/* Ears have gone. */
void listener_less(struct listener *l);

/* Why a channel is_refused. */
const struct err *listener_refusal(const struct listener *l);

/* At the end, when the pool has no clients any more. */
void listener_fini(struct lend *lend);

#endif
