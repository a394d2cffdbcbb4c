/*
 * cancel.h - bring a cancel request to a server.
 *
 * A connection of its own per request: connect, send CancelRequest, wait for
 * the end of file, which PostgreSQL sends only after it has signalled the
 * backend.  Until then the backend must not be lent to anybody else: a late
 * cancel would hit a stranger's query.
 *
 * The requester's connection is closed when ours is over.
 * Source: PostgreSQL protocol, "Canceling Requests in Progress".
 */
#ifndef WORKER_BACKEND_CANCEL_H
#define WORKER_BACKEND_CANCEL_H

#include <stdint.h>

#include "worker/backend/backend.h"

/*
 * Cancel what runs on `b`, which is ours.  `requester` is a descriptor to
 * close at the end, or -1; taken in any case.  A cancel that cannot be sent
 * is given up and logged; a requester's beyond twice the pool's size is
 * dropped.
 */
void cancel_send(struct backend *b, int requester);

/* How many are in flight for pool `pool` (SHOW POOLS). */
uint32_t cancel_count(uint32_t pool);

void cancel_fini(void);

#endif
