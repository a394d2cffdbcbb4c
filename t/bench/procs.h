/*
 * procs.h - what a process and all its descendants cost.
 *
 * /proc on Linux (procs_linux.c), ps(1) elsewhere (procs_bsd.c).  Reads only;
 * a process that ends meanwhile is a normal event.
 */
#ifndef BENCH_PROCS_H
#define BENCH_PROCS_H

#include <stdint.h>
#include <sys/types.h>

struct procs_cost {
	int processes;
	uint64_t cpu_us; /* user + system, ended children included */
	uint64_t mem_kb; /* Linux: PSS, so shared pages count once; else RSS */
};

/*
 * Write the children of `parent` into `pids`, at most `max`; with `deep`, its
 * descendants and itself.  Their number, or -1 if processes cannot be listed.
 */
int procs_list(pid_t parent, int deep, pid_t *pids, int max);

/* Add up what these cost; those that have ended count as nothing. */
void procs_cost(const pid_t *pids, int n, struct procs_cost *out);

#endif
