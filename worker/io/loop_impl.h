/*
 * loop_impl.h - what a mechanism (epoll, kqueue, poll) does for loop.c.
 *
 * Private to worker/io.  A mechanism knows descriptors and events; which of
 * the fetched events may still be delivered, loop_event() alone decides.
 */
#ifndef WORKER_IO_LOOP_IMPL_H
#define WORKER_IO_LOOP_IMPL_H

#include "conf/err.h"
#include "worker/io/loop.h"

int loop_impl_open(struct err *e);
void loop_impl_close(void);

/*
 * Register `w`, or change its interest if is_added.  w->want still is the
 * old one; loop.c updates both fields afterwards.  0, or -1 with errno.
 */
int loop_impl_set(struct watch *w, unsigned want);

/* `w` is in the loop and leaves it.  Cannot fail. */
void loop_impl_remove(struct watch *w);

/* Wait at most `ms` (-1: for ever): the one system call of a turn. */
void loop_impl_wait(int ms);

/* Hand what was fetched to loop_event(). */
void loop_impl_dispatch(void);

/* loop.c: deliver `events`, unless `w` has left the loop since the wait. */
void loop_event(struct watch *w, unsigned events);

#endif
