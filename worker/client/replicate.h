/*
 * replicate.h - clients that replicate: a backend of their own, bytes as
 * they come.
 *
 *   WELCOME, queued for a backend opened for it alone -> OWN
 *
 * The server is told what the client has said at startup, and the client what
 * the server answers.  From then on bytes pass unread but for the headers of
 * messages: neither side's place in the conversation matters, since the
 * backend ends with its client, whatever the pool mode.  So CopyBoth, in
 * which both sides talk at once, needs no books; a base backup passes in
 * pieces like any answer, and no more is kept than its reader has left of
 * one.
 *
 * Headers are walked to see a Terminate, the server's last words, whether
 * something runs that has to be cancelled at the end, and where a message
 * ends, since an error of our own may stand only there.
 *
 * Never blocks.
 */
#ifndef WORKER_CLIENT_REPLICATE_H
#define WORKER_CLIENT_REPLICATE_H

#include "worker/client/client.h"
#include "worker/proto/startup.h"

/* Its startup packet asks for it: keep what it says.  -1: *e. */
int replicate_take(struct client *c, const struct startup *s, struct err *e);

/* In WELCOME, and in its pool: open a backend for it; maybe later. */
void replicate_start(struct client *c);

/* In OWN: what is readable. */
void replicate_on_bytes(struct client *c);

#endif
