/*
 * arena.h - memory that is taken in small pieces and given back at once.
 *
 * A configuration's strings live exactly as long as the configuration, and
 * some of them are secrets: so there is one place that frees, and it wipes.
 *
 * Written by its owner alone.  Never blocks.
 */
#ifndef CONF_ARENA_H
#define CONF_ARENA_H

#include <stddef.h>

struct arena {
	struct arena_chunk *head;
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a); /* wipes, then frees */

/* `n` zero bytes, aligned for anything; NULL when there is no memory. */
void *arena_alloc(struct arena *a, size_t n);

/* A copy with a NUL behind it; NULL when there is no memory. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_memdup(struct arena *a, const void *p, size_t n);

#endif
