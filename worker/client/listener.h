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
#include <stdint.h>

#include "conf/err.h"

struct client;
struct lend;
struct listener;

enum { LISTENER_NAME = 64 }; /* of a channel, with its NUL */

enum channel_asked { CHANNEL_QUIET, CHANNEL_LISTEN, CHANNEL_UNLISTEN };

struct channel {
	struct channel *next;
	struct listener *listener;
	struct ear *ears;
	bool is_heard; /* the server sends us what is said on it */
	uint8_t asked; /* enum channel_asked: what it is being told */
	char name[LISTENER_NAME];
};

/*
 *   NEW -> ASKED -> TUNED      A LISTEN has been answered since it came: what
 *     `------`----> REFUSED    was said before that is not for it.
 */
enum ear_state { EAR_NEW, EAR_ASKED, EAR_TUNED, EAR_REFUSED };

struct ear {
	struct ear *next, **at; /* of its channel; what points here */
	struct ear *more;       /* of its client */
	struct client *client;
	struct channel *channel;
	uint8_t state;     /* enum ear_state; the listener's */
	bool is_waiting;   /* the client is not read until it is tuned */
	bool is_confirmed; /* its LISTEN is committed */
	bool is_leaving;   /* an UNLISTEN was sent */
};

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
