/*
 * supervisor.h - the one loop: ppoll() over channels and signals.
 *
 * Holds the sockets, the segment and a duplicate of every backend, forks the
 * rest and mends what the dead leave.  It never parses a client's byte, takes
 * no lock that it would wait for, and sleeps nowhere but in the loop's wait.
 */
#ifndef MASTER_SUPERVISOR_H
#define MASTER_SUPERVISOR_H

#include "conf/conf.h"
#include "conf/err.h"
#include "master/children.h"
#include "master/reload.h"
#include "shm/segment.h"

struct supervisor_start {
	const struct child_kind *kinds; /* one row per enum proc_kind */
	const struct candidate_source *source;
	struct conf *conf;        /* becomes the supervisor's */
	struct conf_files *files; /* its bytes; freed here */
	const struct segment_sizes *sizes;
};

/* Make the segment, fork everybody.  The listeners are open (listen.h). */
int supervisor_open(const struct supervisor_start *start, struct err *e);

/* Until the last child has ended after a request to stop. */
void supervisor_run(void);

/* Give everything back, the listeners too. */
void supervisor_close(void);

#endif
