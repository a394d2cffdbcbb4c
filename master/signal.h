/*
 * signal.h - a signal becomes a flag; handlers do nothing else.
 *
 * All signals that the supervisor listens to are blocked but for the moment
 * of its wait, so that none can come between a look at the flags and going to
 * sleep.
 *
 * Written by the handlers (the flags) and by the supervisor.  Only
 * signal_wait() blocks, and only as long as it is told.
 */
#ifndef MASTER_SIGNAL_H
#define MASTER_SIGNAL_H

#include <poll.h>

enum signal_flag {
	SIGNAL_CHILD = 1,
	SIGNAL_HUP = 2,
	SIGNAL_TERM = 4,
	SIGNAL_INT = 8,
	SIGNAL_QUIT = 16,
	SIGNAL_USR1 = 32,
	SIGNAL_USR2 = 64,
};

/* Install the handlers and block the signals; once, in the supervisor. */
void signal_start(void);

/* What has come since the last call: enum signal_flag, or-ed together. */
unsigned signal_take(void);

/*
 * As poll(2), with the signals let in.  A signal ends it: -1 with EINTR.
 * timeout_ms -1: until something happens.
 */
int signal_wait(struct pollfd *fds, nfds_t n, int timeout_ms);

/*
 * After fork(2), in the child.  What a terminal, a service manager or a
 * careless pkill sends to all is ignored: the supervisor leads.
 */
void signal_child(void);

#endif
