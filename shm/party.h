/*
 * party.h - databases and users, as far as limits and switches go.
 *
 * A party is a database or a user: pools belong to one of each.  Its row
 * carries what all those pools share, a limit and its counter, paused and
 * disabled.  Rows are found by name, made under the pools lock, and freed
 * when neither a pool nor the configuration names them.
 *
 * The pools lock is a word that names its holder and is only ever tried.  All
 * that is made under it is filled first and gets its generation last, so a
 * holder that dies leaves nothing to mend; repair.c only frees the lock.
 *
 * Writes:  name                     who makes the row, before its generation
 *          max, paused, disabled, defined   the supervisor, the console's
 *                                   worker; who makes the row
 *          count                    under the limits lock
 * Never blocks or allocates.
 */
#ifndef SHM_PARTY_H
#define SHM_PARTY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define POOL_NONE UINT32_MAX /* no pool, no row */

enum {
	POOL_NAME = 128, /* bytes of a name with its NUL */
	POOL_UNLIMITED = 0x7fffffff,
};

/* The same shape for both. */
struct party {
	_Atomic uint32_t gen;   /* odd while in use; 0 never used */
	_Atomic uint32_t max;   /* server connections; POOL_UNLIMITED */
	_Atomic uint32_t count; /* server connections; limits lock */
	_Atomic uint32_t paused;
	_Atomic uint32_t disabled;
	_Atomic uint32_t defined; /* 1: stands in the configuration */
	char name[POOL_NAME];
	uint8_t pad[40];
};

struct party *db_at(uint32_t idx); /* NULL: out of range */
struct party *user_at(uint32_t idx);

/* Without the lock; POOL_NONE when there is none. */
uint32_t db_find(const char *name);
uint32_t user_find(const char *name);

/*
 * The database's or the user's row, made when missing (supervisor, at
 * publishing).  What is no longer in the configuration is undefined: its row
 * goes when its last pool does.
 */
uint32_t db_define(uint32_t me, const char *name, uint32_t max, bool *busy);
uint32_t user_define(uint32_t me, const char *name, uint32_t max, bool *busy);
void db_undefine(uint32_t idx);
void user_undefine(uint32_t idx);

/* The pools lock: a try, and its end. */
bool pools_lock_try(uint32_t me);
void pools_lock_drop(uint32_t me);

/* --- for pool.c; the caller of the last three holds the pools lock --- */

/* Short enough for a row? */
bool party_is_name(const char *name);
/* Is this row in use, and of this name? */
bool party_is(const struct party *p, const char *name);
/* Find or make; POOL_NONE: no row is free. */
uint32_t db_make(const char *name, uint32_t max);
uint32_t user_make(const char *name, uint32_t max);
/* Free rows that nothing names; looks at a few rows a call. */
void party_sweep(void);

#endif
