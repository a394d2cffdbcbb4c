/*
 * watch.h - a process that counts backends as often as it can and remembers
 * the most that there ever were at once.
 */
#ifndef T_LIB_WATCH_H
#define T_LIB_WATCH_H

#include <sys/types.h>

#include "t/lib/pg.h"

struct watch {
	pid_t pid;
	struct watch_seen {
		_Atomic int most;
		_Atomic long looks;
	} * seen;
};

/* Client backends that satisfy `where`. */
struct watch watch_start(struct pg *server, const char *where);
/* Stop it, and say how many there were at most. */
int watch_stop(struct watch *w);

#endif
