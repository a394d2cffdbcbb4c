/*
 * child.h - what a child process is born with, and where it begins.
 *
 * The supervisor fills this before fork(2) and calls the entry point after it,
 * in the child, which owns everything in it from then on: it never returns to
 * the supervisor's code but for its exit code.  Signals that the supervisor
 * leads (SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2) and SIGPIPE are
 * ignored when it begins; none is blocked.
 *
 * The segment (shm/segment.h), the bells and the log are inherited as they
 * are.  The child's `have` row already names exactly the descriptors in
 * `fds`: it was entered before the fork, so that nobody sends them again.
 */
#ifndef WORKER_CHILD_H
#define WORKER_CHILD_H

#include <stdint.h>

#include "shm/chan.h"

struct conf;

/* An inherited descriptor of a SHARED backend. */
struct child_fd {
	uint32_t slot;
	uint64_t gen;
	int fd;
};

struct child_start {
	uint32_t me;             /* process number */
	struct chan chan;        /* its end of the channel */
	const struct conf *conf; /* configuration, already parsed */
	uint64_t conf_number;
	int *listeners; /* shared listening sockets; none for the resolver */
	uint32_t nlisteners;
	int life; /* read end of the supervisor's life pipe: EOF = it died */
	struct child_fd *fds;
	uint32_t nfds;
};

/* Each returns the process's exit code. */
int worker_main(struct child_start *start);   /* worker/worker.c */
int resolver_main(struct child_start *start); /* worker/resolver/resolver.c */

#endif
