/*
 * upstream.h - what goes from a client to its backend in this turn.
 *
 * Most bytes go as they came, straight out of the buffer that they were read
 * into.  Where messages are put in or written anew, these and what stands
 * around them are gathered in one worker-wide stage, so that a turn is one
 * send(2) whatever is in it.
 *
 * It is one client's from the first call to upstream_flush(), and empty
 * outside.  Never blocks; allocates only for what the server does not take.
 */
#ifndef WORKER_CLIENT_UPSTREAM_H
#define WORKER_CLIENT_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>

struct client;

/* The client's bytes as they came.  They must stay until the flush. */
void upstream_pass(struct client *c, const void *p, size_t len);

/* Bytes of our own, or a message of the client's written anew: copied. */
void upstream_put(struct client *c, const void *p, size_t len);

/* What is put from now on is the client's batch (prepare_keep()). */
void upstream_mark(void);

/* Nothing has been put into it since the last flush. */
bool upstream_is_empty(void);

/*
 * Send it.  -1: something could not be sent since the last flush; the backend
 * has been closed, and with it the client.
 */
int upstream_flush(struct client *c);

#endif
