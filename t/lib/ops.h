/*
 * ops.h - what is done to a pooler and its server while a crowd is there: the
 * work of operators, and of bad luck.
 *
 * Each is a switch of the crowd's (SOAK_OFF, SOAK_ONLY):
 *   kill       a worker dies, and its clients with it
 *   terminate  a backend is ended at the server: whose it was has lost it
 *   restart    the server is restarted: everybody may lose what he has
 *   change     RELOAD, and SET of settings: nobody notices
 * The first three cost connections only where the crowd knows that it may
 * lose some (may_lose).  ops_loss() is the most that they may have cost.
 */
#ifndef T_LIB_OPS_H
#define T_LIB_OPS_H

#include <stdint.h>

#include "t/lib/crowd.h"
#include "t/lib/pooler.h"
#include "t/lib/watch.h"

struct ops {
	struct pooler *p;
	struct crowd *c;
	const char *where; /* which backends are the pooler's */
	struct watch w;
	int most;        /* backends, as far as it was watched */
	int places;      /* of the pool `app`; SET changes it downwards */
	int64_t next[4]; /* when each is due */
	uint64_t seed;
	int kills, ends, restarts, changes;
	long clients; /* those that killed workers, and listeners, had */
};

/* From now on. */
struct ops
ops_begin(struct pooler *p, struct crowd *c, const char *where, int places);
/* Do what is due. */
void ops_run(struct ops *o);
/* At the end: the most backends that there ever were. */
int ops_end(struct ops *o);
long ops_loss(const struct ops *o);
/* A line of it. */
const char *ops_line(const struct ops *o);

#endif
