/*
 * interrupt.h - a cancel request, from whoever accepts it to whoever obeys.
 *
 * The key tells the client's row and the row its worker.  The request, with
 * the requester's socket, goes there by way of the supervisor, since only
 * that worker knows at that moment whether the client has a backend:
 *
 *   lent      the server is asked (backend/cancel.h); the requester's
 *             connection is closed when that is over
 *   queued    it is cancelled in its queue
 *   idle      nothing is done
 *
 * Wrong keys are answered like right ones, and limited in number a second.
 * Never blocks.
 */
#ifndef WORKER_CLIENT_INTERRUPT_H
#define WORKER_CLIENT_INTERRUPT_H

#include "worker/client/client.h"

/* Client `c` turns out to be a cancel request; it ends here. */
void interrupt_request(
    struct client *c, int32_t pid, const uint8_t *key, size_t key_len);

/* For a client of ours: row and generation; takes `requester`. */
void interrupt_deliver(uint32_t row, uint32_t gen, int requester);

#endif
