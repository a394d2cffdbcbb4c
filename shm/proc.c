#include "shm/proc.h"

#include <stddef.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "conf/clock.h"
#include "shm/segment.h"

struct proc *
proc_at(uint32_t n)
{
	return n < segtab.nprocs ? &segtab.procs[n] : NULL;
}

uint32_t
proc_resolver(void)
{
	return segtab.nworkers;
}

uint32_t
proc_monitor(void)
{
	return segtab.nworkers + 1;
}

enum proc_kind
proc_kind(uint32_t n)
{
	if (n < segtab.nworkers)
		return PROC_WORKER;
	return n == segtab.nworkers ? PROC_RESOLVER : PROC_MONITOR;
}

bool
proc_is_there(uint32_t n)
{
	if (n >= segtab.nworkers ||
	    atomic_load(&segtab.procs[n].state) == PROC_DOWN)
		return false;
	return atomic_load(&segtab.procs[n].gone) == 0;
}

uint32_t
proc_clients(void)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < segtab.nworkers; i++)
		sum += atomic_load(&segtab.procs[i].clients);
	return sum;
}

static uint64_t
timeval_us(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000 + (uint64_t)tv->tv_usec;
}

void
proc_alive(uint32_t me)
{
	struct proc *p = proc_at(me);
	struct rusage ru;

	if (p == NULL)
		return;
	if (getrusage(RUSAGE_SELF, &ru) == 0)
		atomic_store_explicit(&p->cpu_us,
		    timeval_us(&ru.ru_utime) + timeval_us(&ru.ru_stime),
		    memory_order_relaxed);
	atomic_store(&p->alive_ms, clock_now_ms());
}
