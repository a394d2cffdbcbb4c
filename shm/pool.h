/*
 * pool.h - databases, users and pools by index + generation.
 *
 * A pool is one (database, server user) pair.  Its row carries the limits and
 * switches that all workers obey at once, the counters that the limits lock
 * guards, the last failed login, and the greeting (the ParameterStatus set of
 * a fresh backend) that clients are welcomed with.
 *
 * Rows are found and made under the pools lock, a try-lock that names its
 * holder: a row is filled first and gets its generation last, so a holder
 * that dies leaves nothing to mend.  A row is taken back under that lock when
 * no process uses it (members) and no slot belongs to it.
 *
 * Writes:  names, db, user         who makes the row, before its generation
 *          limits, mode, paused, epoch   the supervisor; who makes the row
 *          count                   under the limits lock
 *          login                   compare-and-swap; names the worker
 *          failure, greeting       the worker that holds `login`; poollogin.h
 *          keys                    under keys_lock; poolkeys.h
 * Never blocks or allocates.
 */
#ifndef SHM_POOL_H
#define SHM_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/party.h"
#include "shm/poolkeys.h"
#include "shm/poollogin.h"

struct pool {
	_Atomic uint32_t gen;      /* 0: free row */
	_Atomic uint32_t last_gen; /* newest generation it had; pools lock */
	_Atomic uint32_t db, user; /* rows of dbs, users */
	_Atomic uint32_t size;     /* limits: POOL_UNLIMITED for none */
	_Atomic uint32_t min_size;
	_Atomic uint32_t reserve;
	_Atomic uint32_t mode;   /* enum pool_mode of conf/conf.h */
	_Atomic uint32_t login;  /* 0, or worker + 1: one login at a time */
	_Atomic uint32_t count;  /* slots that are not FREE; limits lock */
	_Atomic uint32_t forced; /* 1: user is the database's forced user */
	_Atomic uint32_t plans;  /* goes up when what was prepared is no good */
	_Atomic uint64_t epoch;  /* slots of an older one are closed */
	_Atomic uint64_t lifetime_ms;
	_Atomic uint64_t idle_since_ms; /* no member and no slot since; hint */
	_Atomic uint32_t failure_seq, greeting_seq[2];
	_Atomic uint64_t failure_number;  /* a copy for a quick look */
	_Atomic uint64_t greeting_number; /* its last bit: which one it is */
	_Alignas(64) _Atomic uint64_t failure[sizeof(struct pool_failure) / 8];
	_Atomic uint64_t greeting[2][sizeof(struct pool_greeting) / 8];
	_Atomic uint32_t keys_lock; /* 0, or worker + 1: it writes keys */
	_Atomic uint32_t keys_seq;
	_Atomic uint64_t keys[sizeof(struct pool_keys) / 8];
};

/* What a pool's row is made or refreshed with. */
struct pool_limits {
	uint32_t size, min_size, reserve, mode, forced;
	uint32_t db_max, user_max;
	uint64_t lifetime_ms;
	uint64_t conf_number; /* whose limits these are; of pool_join() only */
};

struct pool *pool_at(uint32_t idx); /* NULL: out of range */
const char *pool_db_name(const struct pool *p);
const char *pool_user_name(const struct pool *p);

/*
 * Find the pool of (db, user) or make its row with `limits`, and raise
 * process `me`'s member count of it.  POOL_NONE: the lock was busy, or a row
 * cannot be made since `limits` are of an older configuration (*busy is true:
 * try at the next turn), or no row is free.
 */
uint32_t pool_join(uint32_t me, const char *db, const char *user,
    const struct pool_limits *limits, bool *busy);
void pool_leave(uint32_t me, uint32_t idx);

/* Look without joining; POOL_NONE when there is none. */
uint32_t pool_find(const char *db, const char *user);

/* New limits for an existing row (supervisor).  Raises no epoch. */
void pool_refresh(uint32_t idx, const struct pool_limits *limits);
/* Every backend of the pool is obsolete from now on. */
void pool_obsolete(uint32_t idx);
bool pool_is_paused(const struct pool *p);

/* What was prepared in its database, by whichever pool, may not be as things
 * are: it is parsed anew before its next use (stmts.h). */
void pool_plans_old(const struct pool *p);

/* Sum of all processes' members of a pool. */
uint32_t pool_members(uint32_t idx);

/*
 * Free rows that nobody uses and that have been so since before_ms, and then
 * the databases and users that no pool and no configuration names; returns
 * how many pools.  A row is seen to be unused by one call and freed by a
 * later one, so the keeper calls it now and then.
 */
uint32_t pool_reclaim(uint32_t me, uint64_t before_ms);

#endif
