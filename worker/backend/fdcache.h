/*
 * fdcache.h - the descriptors that this process holds, by slot.
 *
 * The table behind backend_at(), backend_learn(), backend_forget(),
 * backend_rescan() and backend_adopt() of backend.h; here what backend.c and
 * depart.c need besides.
 */
#ifndef WORKER_BACKEND_FDCACHE_H
#define WORKER_BACKEND_FDCACHE_H

#include "worker/backend/backend.h"

/* A new object for a slot, whose place in the table is empty; `fd` (or -1)
 * is its from now on.  NULL: no memory, and `fd` is still the caller's. */
struct backend *fdcache_add(uint32_t slot, uint64_t gen, int fd);

/* Forget the object and close its descriptor. */
void fdcache_drop(struct backend *b);

/* backend.c: callbacks of a new object. */
void backend_embed(struct backend *b, int fd);

#endif
