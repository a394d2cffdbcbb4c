/*
 * raise.h - an error of ours that the server itself raises.
 *
 * A message of the client's that must not be run is refused by its server, in
 * our words: in its place the server is sent a DO block that does nothing but
 * fail with them.  So all that follows from an error is true: the transaction
 * has failed, the rest of the batch is skipped up to the client's Sync, each
 * ReadyForQuery says what is, and the client keeps its connection.
 *
 *   Query, FunctionCall   a Query of the block
 *   Parse, Bind, ...      Parse, Bind and Execute of it; of the answers the
 *                         client gets the error alone, to its own message
 *
 * The message itself is dropped, whether it is in hand or still to come.  A
 * server that cannot run the block, as in a failed transaction, says why not;
 * that is passed on, and is an error as well.  The statement and the portal
 * without a name are lost by it, as by any message of ours.
 *
 * Not for what the client may send in COPY, or behind a COPY whose end is not
 * known: then it is closed, with the same error.
 *
 * Never blocks or allocates.  No data.
 */
#ifndef WORKER_CLIENT_RAISE_H
#define WORKER_CLIENT_RAISE_H

#include <stddef.h>
#include <stdint.h>

#include "worker/backend/backend.h"
#include "worker/client/look.h"

struct client;

enum { RAISE_WHY_MAX = 200 }; /* bytes of `why` that are told */

/*
 * What a look returns: LOOK_RAISE.  `sqlstate` has five characters, digits and
 * capital letters; of `why` only what is printable ASCII is told.  Both must
 * live until the look is over.
 */
enum look raise_look(struct look_at *m, const char *sqlstate, const char *why);

/*
 * Send it in the message's place; the caller drops the message.  -1: it cannot
 * be sent now: close the client, with m->sqlstate and m->why.
 */
int raise_send(struct client *c, const struct look_at *m);

/* An error that was raised so: without the traces of how.  0: it was not; else
 * the length of what was written to `out`. */
size_t raise_on_error(const struct lessee_error *e, uint8_t *out, size_t room);

#endif
