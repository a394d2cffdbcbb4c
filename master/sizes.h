/*
 * sizes.h - how large the segment is made, and how many descriptors it takes.
 *
 * The segment is sized once, at start, and reloads may add databases, users
 * and connections to it; so it is reserved generously, which costs address
 * space alone.  Descriptors are another matter: all clients may be at one
 * worker, which also keeps a number free for every slot.  Where the kernel's
 * limit is too low for the generous size, the slots shrink to what fits, but
 * never below what the configuration asks for today.
 *
 * Pure.
 */
#ifndef MASTER_SIZES_H
#define MASTER_SIZES_H

#include <stdint.h>

#include "conf/conf.h"
#include "shm/segment.h"

enum {
	SIZES_MISC = 64,    /* log, loop, channel, console, name look-ups */
	SIZES_SLOTS = 1024, /* reserved in any case where the limit allows */
};

struct sizes {
	struct segment_sizes segment;
	uint32_t min_slots;       /* what the configuration asks for today */
	uint64_t descriptors;     /* that each process may come to hold */
	uint64_t min_descriptors; /* the same with min_slots */
};

/* What `c` asks for, for processes that may have up to `hard` descriptors. */
void sizes_of(const struct conf *c, uint64_t hard, struct sizes *out);

#endif
