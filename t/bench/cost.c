/*
 * cost.c - what processes cost, alone or beside a run of pgbench.
 *
 * cost PID            "cpu_us N mem_kb N processes N" of PID and all its
 *                     descendants
 * cost --beside PID   read the output of pgbench -P 1 and, at each of its
 *                     progress lines, look at the processes; at the end print
 *                     "tps N latency_ms N cpu_us N mem_kb N": throughput, mean
 *                     latency, CPU for each transaction, the most memory.
 *                     PID 0 is nobody.
 *
 * The second form counts from the first progress line to the last: what
 * connecting and warming up cost stays outside.  CPU and transactions are both
 * taken as rates, each by its own clock, so that a sample taken late on a busy
 * machine does no harm.
 */
#include "t/bench/clock_us.h"
#include "t/bench/procs.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIDS_MAX 4096

/* What lies between the first progress line and the last one so far. */
struct span {
	int lines;
	double first_s, last_s; /* by pgbench's clock */
	double transactions;
	double latency_sum_ms;
	int64_t first_us, last_us; /* by our clock */
	uint64_t first_cpu_us, last_cpu_us;
	uint64_t mem_kb;
};

static pid_t pids[PIDS_MAX];
static int pid_count;

static void
find_family(pid_t root)
{
	pid_count = root == 0 ? 0 : procs_list(root, 1, pids, PIDS_MAX);
	if (pid_count == -1)
		err(1, "list the processes");
}

static void
take_line(struct span *s, double at_s, double tps, double latency_ms)
{
	struct procs_cost cost;
	int64_t now_us = clock_us();
	double count = tps * (at_s - s->last_s);

	procs_cost(pids, pid_count, &cost);
	if (s->lines++ == 0) {
		s->first_s = at_s;
		s->first_us = now_us;
		s->first_cpu_us = cost.cpu_us;
	} else {
		s->transactions += count;
		s->latency_sum_ms += count * latency_ms;
	}
	s->last_s = at_s;
	s->last_us = now_us;
	s->last_cpu_us = cost.cpu_us;
	if (cost.mem_kb > s->mem_kb)
		s->mem_kb = cost.mem_kb;
}

static int
beside(void)
{
	struct span s = { 0 };
	double at_s, tps, ms, cpu_rate;
	char line[1024];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "progress: %lf s, %lf tps, lat %lf ms", &at_s,
			&tps, &ms) == 3)
			take_line(&s, at_s, tps, ms);
		else if (strstr(line, "error") != NULL ||
		    strstr(line, "FATAL") != NULL)
			fputs(line, stderr);
	}
	if (s.lines < 2 || s.transactions < 1 || s.last_us == s.first_us) {
		fprintf(stderr,
		    "cost: %d progress lines, %.0f transactions: "
		    "too few to tell\n",
		    s.lines, s.transactions);
		return 1;
	}
	tps = s.transactions / (s.last_s - s.first_s);
	cpu_rate = (double)(s.last_cpu_us - s.first_cpu_us) * 1e6 /
	    (double)(s.last_us - s.first_us);
	printf("tps %.1f latency_ms %.3f cpu_us %.3f mem_kb %" PRIu64 "\n", tps,
	    s.latency_sum_ms / s.transactions, cpu_rate / tps, s.mem_kb);
	return 0;
}

int
main(int argc, char **argv)
{
	struct procs_cost cost;

	if (argc == 3 && strcmp(argv[1], "--beside") == 0) {
		find_family(atoi(argv[2]));
		return beside();
	}
	if (argc != 2 || atoi(argv[1]) <= 0)
		errx(2, "usage: cost [--beside] PID");
	find_family(atoi(argv[1]));
	procs_cost(pids, pid_count, &cost);
	printf("cpu_us %" PRIu64 " mem_kb %" PRIu64 " processes %d\n",
	    cost.cpu_us, cost.mem_kb, cost.processes);
	return 0;
}
