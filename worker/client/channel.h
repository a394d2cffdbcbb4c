/*
 * channel.h - the channels of a listener, and the ears at them.
 *
 * A channel is the listener's (listener.c); an ear is one client's at one
 * channel (ear.c).  A channel stays while somebody has an ear at it, and while
 * the server sends us what is said on it.
 *
 * All data is this worker's own.  Never blocks; allocates for a new channel.
 */
#ifndef WORKER_CLIENT_CHANNEL_H
#define WORKER_CLIENT_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/proto/frame.h"

struct client;
struct listener;

enum { CHANNEL_NAME = 64 }; /* of a channel, with its NUL */

enum channel_asked { CHANNEL_QUIET, CHANNEL_LISTEN, CHANNEL_UNLISTEN };

struct channel {
	struct channel *next;
	struct listener *listener;
	struct ear *ears;
	bool is_heard; /* the server sends us what is said on it */
	uint8_t asked; /* enum channel_asked: what it is being told */
	char name[CHANNEL_NAME];
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

/* NULL: there is none of this name. */
struct channel *channel_find(struct channel *first, const char *name);

/* One more, which has no ears yet and is silent.  NULL: no memory. */
struct channel *channel_new(struct channel **first, const char *name);

/* Those that nobody wants and the server knows nothing of go. */
void channel_sweep(struct channel **first);

/* All of them go; no client has an ear any more. */
void channel_fini(struct channel **first);

/* All its ears of one state get another. */
void channel_turn(struct channel *ch, enum ear_state from, enum ear_state to);

/* What the server is to be told of it, by its ears. */
enum channel_asked channel_to_ask(const struct channel *ch);

/* The command that tells it, as `asked` says. */
void channel_put(struct wire *w, const struct channel *ch);

/* Clients that need not wait any more are served again.  May close them. */
void channel_resume(struct channel *ch);

#endif
