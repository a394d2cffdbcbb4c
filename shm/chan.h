/*
 * chan.h - messages between the supervisor and one child, and bells.
 *
 * A channel is one end of a private SOCK_SEQPACKET pair, made for one fork.  A
 * message is whole or absent and carries at most one descriptor.  What the
 * kernel does not take at once waits in the channel's own bounded queue, in
 * order; chan_flush() goes on when the socket is writable.
 *
 * A bell is a non-blocking pipe for each process number, made before the first
 * fork and inherited by all.  Its bytes mean nothing ("look at everything"),
 * and full means rung.
 *
 * Never blocks.  Allocates only to queue what the kernel did not take.
 */
#ifndef SHM_CHAN_H
#define SHM_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/err.h"
#include "shm/msg.h"

struct chan_queued;

struct chan {
	int fd; /* -1: closed */
	uint32_t queued;
	struct chan_queued *first, *last;
};

enum { CHAN_QUEUE_MAX = 4096 };

/* A pair: one end each, non-blocking and close-on-exec. */
int chan_pair(struct chan *a, struct chan *b, struct err *e);
void chan_close(struct chan *c);

/*
 * Send `m`, with descriptor `fd` or -1 (the channel makes its own duplicate
 * when it has to wait).  0: sent or queued.  -1: the queue is full, there is
 * no memory, or the peer has gone (errno EPIPE).
 */
int chan_send(struct chan *c, const struct msg *m, int fd);

/* Send what is queued; true when nothing is left. */
bool chan_flush(struct chan *c);

/* Does it wait for the socket to be writable? */
bool chan_is_waiting(const struct chan *c);

/*
 * Receive one message.  DONE: *m is filled, *fd is a descriptor that is now
 * the caller's, or -1.  WAIT: nothing there.  FAIL: the peer has gone.  A
 * message of unknown type or wrong length is dropped with its descriptor.
 * *truncated: a descriptor was lost for want of numbers (MSG_CTRUNC); on some
 * systems its message went with it, so look at it after WAIT too.
 */
enum result chan_recv(struct chan *c, struct msg *m, int *fd, bool *truncated);

/* --- bells --- */

/* Make one for each of n processes. */
int bell_make(uint32_t n, struct err *e);
void bell_drop(void);
/* The end that process `me` waits on. */
int bell_fd(uint32_t me);
void bell_ring(uint32_t n);
/* Only if it says that it sleeps. */
void bell_wake(uint32_t n);
void bell_clear(uint32_t me);
void bell_ring_all(void);

#endif
