/*
 * procs_bsd.c - procs.h from ps(1), for systems without Linux's /proc.
 *
 * ps gives hundredths of a second at best, and counts shared pages once for
 * each process.
 */
#include "t/bench/procs.h"

#include "t/bench/procs_tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 65536

int
procs_list(pid_t parent, int deep, pid_t *pids, int max)
{
	static struct procs_pair all[PAIRS_MAX];
	int pid, ppid, n = 0;
	FILE *f;

	f = popen("ps -ax -o pid= -o ppid=", "r");
	if (f == NULL)
		return -1;
	while (n < PAIRS_MAX && fscanf(f, "%d %d", &pid, &ppid) == 2) {
		all[n].pid = pid;
		all[n++].parent = ppid;
	}
	pclose(f);
	return procs_tree_pick(all, n, parent, deep, pids, max);
}

/* [[hours:]minutes:]seconds[.fraction] */
static uint64_t
parse_time_us(const char *text)
{
	double total = 0;
	char *end;

	for (;;) {
		total = total * 60 + strtod(text, &end);
		if (*end != ':' || end == text)
			return (uint64_t)(total * 1e6);
		text = end + 1;
	}
}

void
procs_cost(const pid_t *pids, int n, struct procs_cost *out)
{
	char command[128], time[64];
	uint64_t rss_kb;
	FILE *f;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < n; i++) {
		snprintf(command, sizeof(command), "ps -o time= -o rss= -p %d",
		    (int)pids[i]);
		f = popen(command, "r");
		if (f == NULL)
			continue;
		if (fscanf(f, "%63s %" SCNu64, time, &rss_kb) == 2) {
			out->processes++;
			out->cpu_us += parse_time_us(time);
			out->mem_kb += rss_kb;
		}
		pclose(f);
	}
}
