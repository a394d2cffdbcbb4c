/*
 * count.h - statistics: one block for each (worker number, pool).
 *
 * Only that worker adds to its block, with plain relaxed stores; readers add
 * the blocks up.  A replacement goes on from the same numbers.
 *
 * Averages over the last stats_period are kept by the keeper, one row a pool.
 * Never blocks.
 */
#ifndef SHM_COUNT_H
#define SHM_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

enum count_what {
	COUNT_ASSIGNMENTS, /* backends lent to a client */
	COUNT_XACTS,
	COUNT_QUERIES,
	COUNT_RECEIVED, /* bytes from clients */
	COUNT_SENT,     /* bytes to clients */
	COUNT_XACT_US,
	COUNT_QUERY_US,
	COUNT_WAIT_US,
	COUNT_CLIENT_PARSES,
	COUNT_SERVER_PARSES,
	COUNT_BINDS,
	COUNT_LOGINS, /* client logins */
	COUNT_PINS,   /* times that a client began to keep its backend */
	COUNT_N,
	COUNT_PAD = 16,
};

struct count_block {
	_Atomic uint64_t n[COUNT_PAD];
};

/* What the keeper remembers of a pool, and how it stands in the segment. */
struct count_average {
	uint64_t at_us;     /* when the totals were taken; 0: never */
	uint64_t period_us; /* length of the last whole period; 0: none yet */
	uint64_t total[COUNT_N];
	uint64_t added[COUNT_N]; /* in that period */
};

struct count_row {
	_Atomic uint32_t seq;
	_Atomic uint32_t pad;
	_Atomic uint64_t words[sizeof(struct count_average) / 8];
};

/* NULL when either is out of range. */
struct count_block *count_at(uint32_t worker, uint32_t pool);

/* Add to a block of my own. */
static inline void
count_add(struct count_block *b, enum count_what what, uint64_t by)
{
	atomic_store_explicit(&b->n[what],
	    atomic_load_explicit(&b->n[what], memory_order_relaxed) + by,
	    memory_order_relaxed);
}

/* A pool's row is taken into use: all its numbers are 0 (pools lock). */
void count_reset(uint32_t pool);

/* Sum over all workers. */
void count_sum(uint32_t pool, uint64_t out[COUNT_N]);

/* The keeper, once a period: remember the totals and what the last period
 * (of `period_us`) added. */
void count_tick(uint64_t now_us);
/* What the last whole period added to a pool, and its length (0: none yet). */
uint64_t count_period(uint32_t pool, uint64_t out[COUNT_N]);

#endif
