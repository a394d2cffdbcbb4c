/*
 * fdstore.h - a duplicate of every server connection, by slot and generation.
 *
 * The supervisor keeps one descriptor for each backend from before its
 * connect(2) until it has gone.  So a replacement is born holding every
 * backend that may be lent, and a dead worker's backends can be handed to
 * an heir that ends them.
 *
 * A shared backend's descriptor goes to every other worker once.  What has
 * arrived is known from that worker's `have` row; what was sent and has not
 * arrived is "in flight", at most FDSTORE_FLIGHT for each worker: one that
 * does not run collects no more.  A message that is lost (the receiver was out
 * of numbers) is sent again after its receiver has shown life.
 *
 * All names come from children and are checked.  Never blocks; allocates at
 * start alone.
 */
#ifndef MASTER_FDSTORE_H
#define MASTER_FDSTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/err.h"
#include "shm/msg.h"
#include "worker/child.h"

enum {
	FDSTORE_FLIGHT = 64,   /* unacknowledged for each worker */
	FDSTORE_RETRY_MS = 50, /* how often to look while some are */
};

/* Send to worker `w`; false: it does not run, or its queue is full. */
typedef bool fdstore_send_fn(uint32_t w, const struct msg *m, int fd);

/* For the segment's slots and workers. */
int fdstore_init(fdstore_send_fn *send_fn, struct err *e);
void fdstore_fini(void); /* closes all */

/* MSG_FD_STORE: takes `fd`, whatever happens. */
void fdstore_put(uint32_t slot, uint64_t gen, int fd);

/* MSG_FD_SHARE: from now on every worker may have it. */
void fdstore_share(uint32_t slot, uint64_t gen, uint64_t now_ms);

/* MSG_FD_GONE by worker `from`: close it, and tell the others. */
void fdstore_gone(uint32_t slot, uint64_t gen, uint32_t from);

/* Is there a descriptor of that generation?  (repair.h) */
bool fdstore_has(uint32_t slot, uint64_t gen);

/* Slot is CLOSING(heir): see that it gets the descriptor and the order. */
void fdstore_adopt(uint32_t slot, uint64_t gen, uint32_t heir, uint64_t now_ms);

/* Worker `w` was reaped: what was in flight to it is lost. */
void fdstore_lost(uint32_t w);

/*
 * Before the fork of worker `w`: what it will inherit, entered in its `have`
 * row.  `out` has room for seg->nslots.
 */
uint32_t fdstore_inherit(uint32_t w, struct child_fd *out);

/* In the child: close all but the `n` that it inherits. */
void fdstore_child(const struct child_fd *fds, uint32_t n);

/* Deliver what is still to be delivered; true while anything is. */
bool fdstore_run(uint64_t now_ms);

/* Close what slots no longer speak of; once a second. */
void fdstore_rescan(void);

/* Descriptors held. */
uint32_t fdstore_count(void);

#endif
