/*
 * obituary.h - what the operator reads of a death.
 *
 * One line for each, with what it cost; in the build for crash tests a second
 * one, which says whether the segment is whole again.  Writes to the log
 * alone.
 */
#ifndef MASTER_OBITUARY_H
#define MASTER_OBITUARY_H

#include <sys/types.h>
#include <stdbool.h>
#include <stdint.h>

struct obituary {
	const char *name; /* "worker 2" */
	pid_t pid;
	int status;       /* of waitpid(2) */
	uint32_t clients; /* that it served */
	uint32_t wait_ms; /* before its replacement */
	bool is_stopping; /* there will be none, and exit code 0 is normal */
};

void obituary_log(const struct obituary *o);

/* After a repair; does nothing outside of a crash-test build. */
void obituary_check(void);

#endif
