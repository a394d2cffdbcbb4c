/*
 * proc.h - processes by number: pid, kind, state, last sign of life.
 *
 * Workers are 0 .. seg->nworkers - 1, then the resolver, then the monitor; the
 * supervisor has no row and the number PROC_SUPERVISOR.  A number outlives the
 * process that bears it: the replacement takes it over.
 *
 * Writes:  pid, state (DOWN, STARTING), restarts, gone: the supervisor.
 *          the rest: the process itself.
 * Never blocks or allocates.
 */
#ifndef SHM_PROC_H
#define SHM_PROC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { PROC_SUPERVISOR = 254, PROC_NOBODY = 255 };

enum proc_kind { PROC_WORKER, PROC_RESOLVER, PROC_MONITOR };

enum proc_state {
	PROC_DOWN,     /* reaped, or never started */
	PROC_STARTING, /* forked, not yet in its loop */
	PROC_RUNNING,
	PROC_DRAINING, /* takes no new clients */
};

struct proc {
	_Atomic int32_t pid;
	_Atomic uint32_t state;    /* enum proc_state */
	_Atomic uint32_t gone;     /* 1 from its reaping to the next fork */
	_Atomic uint32_t sleeping; /* 1: waits for events, ring its bell */
	_Atomic uint32_t clients;  /* clients it serves, consoles excepted */
	_Atomic uint32_t restarts; /* times it was forked anew */
	_Atomic uint64_t alive_ms; /* monotonic; set at least once a second */
	_Atomic uint64_t started_ms;
	_Atomic uint64_t conf_number; /* configuration it acts on */
	_Atomic uint64_t repairs;     /* count of repairs it has looked at */
	_Atomic uint64_t cpu_us;      /* user + system, as of alive_ms */
	_Atomic uint64_t connections; /* clients accepted so far, all lives */
	_Atomic uint32_t rows_high;   /* its client rows in use lie below */
	uint8_t pad[52];
};

_Static_assert(sizeof(struct proc) == 128, "two cache lines a process");

/* NULL when `n` has no row. */
struct proc *proc_at(uint32_t n);

/* Number of the resolver and of the monitor. */
uint32_t proc_resolver(void);
uint32_t proc_monitor(void);

/* Kind of process number `n`, which has a row. */
enum proc_kind proc_kind(uint32_t n);

/* May worker `n` be handed something?  False from reaping to fork. */
bool proc_is_there(uint32_t n);

/* Clients of all workers together. */
uint32_t proc_clients(void);

/* Publish a sign of life (now, CPU used). */
void proc_alive(uint32_t me);

#endif
