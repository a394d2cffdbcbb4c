/*
 * shmtest.h - a small segment to try things in.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_UNIT_SHMTEST_H
#define T_UNIT_SHMTEST_H

#include <check.h>

#include "shm/pool.h"
#include "shm/proc.h"
#include "shm/segment.h"
#include "t/unit/run.h"

/* Workers are all there, as the supervisor would have said. */
static inline void
fresh_segment(uint32_t workers, uint32_t slots, uint32_t pools)
{
	struct segment_sizes sizes = { .workers = workers,
		.slots = slots,
		.pools = pools,
		.dbs = pools,
		.users = pools,
		.clients = 64 };
	struct err e;

	ck_assert_msg(segment_make(&sizes, &e) == 0, "%s", e.log);
	for (uint32_t i = 0; i < workers; i++)
		atomic_store(&proc_at(i)->state, PROC_RUNNING);
}

static inline struct pool_limits
limits_for(uint32_t size)
{
	return (struct pool_limits){ .size = size,
		.db_max = POOL_UNLIMITED,
		.user_max = POOL_UNLIMITED };
}

static inline uint32_t
join(uint32_t me, const char *db, const char *user, uint32_t size)
{
	struct pool_limits l = limits_for(size);
	bool busy;
	uint32_t i = pool_join(me, db, user, &l, &busy);

	ck_assert_uint_ne(i, POOL_NONE);
	return i;
}

#endif
