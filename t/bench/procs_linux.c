/*
 * procs_linux.c - procs.h from /proc.
 */
#include "t/bench/procs.h"

#include "t/bench/procs_tree.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAIRS_MAX 65536

struct stat_line {
	pid_t parent;
	uint64_t ticks; /* own and of ended children */
};

static bool
read_stat(pid_t pid, struct stat_line *out)
{
	uint64_t user, system, child_user, child_system;
	char path[64], line[1024], *after;
	size_t n;
	FILE *f;
	int parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	line[n] = '\0';
	/* the second field is a name in brackets, with whatever in it */
	after = strrchr(line, ')');
	if (after == NULL ||
	    sscanf(after + 1,
		" %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64
		" %" SCNu64 " %" SCNu64 " %" SCNu64,
		&parent, &user, &system, &child_user, &child_system) != 5)
		return false;
	out->parent = parent;
	out->ticks = user + system + child_user + child_system;
	return true;
}

static uint64_t
read_pss_kb(pid_t pid)
{
	char path[64], line[256];
	uint64_t kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Pss: %" SCNu64, &kb) == 1)
			break;
	fclose(f);
	return kb;
}

int
procs_list(pid_t parent, int deep, pid_t *pids, int max)
{
	static struct procs_pair all[PAIRS_MAX];
	struct stat_line st;
	struct dirent *e;
	int n = 0;
	DIR *d;

	d = opendir("/proc");
	if (d == NULL)
		return -1;
	while (n < PAIRS_MAX && (e = readdir(d)) != NULL) {
		int pid = atoi(e->d_name);

		if (pid <= 0 || !read_stat(pid, &st))
			continue;
		all[n].pid = pid;
		all[n++].parent = st.parent;
	}
	closedir(d);
	return procs_tree_pick(all, n, parent, deep, pids, max);
}

void
procs_cost(const pid_t *pids, int n, struct procs_cost *out)
{
	uint64_t tick_us = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	struct stat_line st;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < n; i++) {
		if (!read_stat(pids[i], &st))
			continue;
		out->processes++;
		out->cpu_us += st.ticks * tick_us;
		out->mem_kb += read_pss_kb(pids[i]);
	}
}
