/*
 * kept.h - is there a backend of this pool that its client may ever give back?
 *
 * Clients that need their session keep their backend between transactions
 * (SLOT_KEPT).  When all backends of a pool are kept, waiting is in vain until
 * one of these clients is done.
 *
 * Reads slots only.  Never blocks.
 */
#ifndef WORKER_BACKEND_KEPT_H
#define WORKER_BACKEND_KEPT_H

#include <stdint.h>

struct backend;
struct lend;

/* How many, if it is all of the pool's, and no more may be opened; else 0. */
uint32_t kept_all(const struct lend *l);

/* A client has begun to keep `b`: told in the log when it was the last that
 * could be had, at most once a minute for each pool. */
void kept_tell(const struct backend *b);

#endif
