/*
 * replace.c - kill one child of a process, and time its replacement.
 *
 * replace PARENT CHILD   "replaced_ms N by_pid N": from SIGKILL to the moment
 *                        when PARENT has a child that it did not have before.
 *                        Exit code 1 if none comes within ten seconds.
 */
#include "t/bench/clock_us.h"
#include "t/bench/procs.h"

#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CHILDREN_MAX 1024
#define PATIENCE_US  10000000

static bool
is_in(const pid_t *pids, int n, pid_t pid)
{
	for (int i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	pid_t before[CHILDREN_MAX], after[CHILDREN_MAX], parent, child;
	int64_t start_us;
	int n_before, n;

	if (argc != 3 || atoi(argv[1]) <= 0 || atoi(argv[2]) <= 0)
		errx(2, "usage: replace PARENT CHILD");
	parent = atoi(argv[1]);
	child = atoi(argv[2]);
	n_before = procs_list(parent, 0, before, CHILDREN_MAX);
	if (n_before == -1 || !is_in(before, n_before, child))
		errx(1, "%s is not a child of %s", argv[2], argv[1]);
	start_us = clock_us();
	if (kill(child, SIGKILL) == -1)
		err(1, "kill %s", argv[2]);
	do {
		n = procs_list(parent, 0, after, CHILDREN_MAX);
		for (int i = 0; i < n; i++) {
			if (is_in(before, n_before, after[i]))
				continue;
			printf("replaced_ms %.1f by_pid %d\n",
			    (double)(clock_us() - start_us) / 1e3,
			    (int)after[i]);
			return 0;
		}
		nanosleep(&pause, NULL);
	} while (clock_us() - start_us < PATIENCE_US);
	warnx("no replacement within ten seconds");
	return 1;
}
