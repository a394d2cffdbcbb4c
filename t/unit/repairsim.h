/*
 * repairsim.h - for tests: who dies, and what repair makes of it.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_UNIT_REPAIRSIM_H
#define T_UNIT_REPAIRSIM_H

#include "shm/repair.h"
#include "t/unit/sane.h"
#include "t/unit/shmsim.h"

static struct repair_todo todo[SIM_SLOTS];
static struct repair result = { .todo = todo };

/* The supervisor has the descriptor of every backend. */
static inline bool
has_all(uint32_t slot, uint64_t gen)
{
	(void)slot;
	(void)gen;
	return true;
}

#endif
