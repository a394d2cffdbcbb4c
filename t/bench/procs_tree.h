/*
 * procs_tree.h - from (process, parent) pairs to a family.
 */
#ifndef BENCH_PROCS_TREE_H
#define BENCH_PROCS_TREE_H

#include <sys/types.h>

struct procs_pair {
	pid_t pid;
	pid_t parent;
};

/* procs_list() of procs.h, from all pairs of the system. */
int procs_tree_pick(const struct procs_pair *all, int all_n, pid_t parent,
    int deep, pid_t *pids, int max);

#endif
