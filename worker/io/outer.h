/*
 * outer.h - from an embedded struct to the one that embeds it.
 *
 * Watches, deadlines, waiters and the like are fields of what they serve; a
 * callback gets the field and finds its owner with this.
 */
#ifndef WORKER_IO_OUTER_H
#define WORKER_IO_OUTER_H

#include <stddef.h>

/* The `type` whose `field` is what `p` points to. */
#define OUTER_OF(p, type, field) \
	((type *)(void *)((char *)(p)-offsetof(type, field)))

#endif
