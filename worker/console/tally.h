/*
 * tally.h - clients and servers, counted for each pool.
 *
 * Made of one pass over all rows of the segment, for a table of the console.
 * What comes or goes meanwhile is in it or is not.
 *
 * Never blocks; allocates what it returns.
 */
#ifndef WORKER_CONSOLE_TALLY_H
#define WORKER_CONSOLE_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "shm/pool.h"
#include "worker/console/show.h"

struct tally {
	uint32_t pool; /* index; POOL_NONE: the console */
	uint32_t mode; /* enum pool_mode */
	char database[POOL_NAME], user[POOL_NAME];
	uint32_t n[SHOW_KINDS];
	uint32_t cancels; /* cancel connections in flight */
	uint32_t pinned;  /* servers that clients keep (pin.h) */
};

/* All pools, sorted by names; the caller's to free.  NULL: no memory. */
struct tally *tally_new(size_t *n);

/* All of its clients; all of its servers that are not on their way out. */
uint32_t tally_clients(const struct tally *t);
uint32_t tally_servers(const struct tally *t);

#endif
