/*
 * ear.h - a client at a channel, and what is kept for it.
 *
 * A client that listens, or is about to, has an ear at each channel, and one
 * queue of notifications for all of them, in the order in which they came.
 * An ear that its transaction has not confirmed yet only gathers.
 *
 * The channels are the listener's (listener.c), the ears the client's.  For
 * these two files alone.  Never blocks.
 */
#ifndef WORKER_CLIENT_EAR_H
#define WORKER_CLIENT_EAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/client/client.h"
#include "worker/client/listener.h"

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
};

/* The client's ear at a channel, made when missing; NULL: no memory. */
struct ear *ear_get(struct client *c, struct channel *ch);
void ear_free(struct ear *e);

/* Its LISTEN is committed; false: it has no ear there. */
bool ear_confirm(struct client *c, const char *channel);

/*
 * End those at channels that are not among `names`, and throw away what was
 * gathered there: all of them, or (`is_all` false) those not confirmed.
 */
void
ear_forget(struct client *c, const char *const *names, uint32_t n, bool is_all);

/* The i-th channel of a confirmed ear, or NULL. */
const char *ear_name(const struct client *c, uint32_t i);

/* A NotificationResponse for it: sent, or kept.  May close the client. */
void ear_tell(struct ear *e, const uint8_t *frame, size_t len);

/* Send what is kept, if the client has no transaction open. */
void ear_deliver(struct client *c);

/* All of the client's. */
void ear_fini(struct client *c);

#endif
