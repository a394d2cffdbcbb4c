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
 *          failure, greeting       the worker that holds `login`
 * Never blocks or allocates.
 */
#ifndef SHM_POOL_H
#define SHM_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define POOL_NONE UINT32_MAX /* no pool, no row */

enum {
	POOL_NAME = 128,       /* bytes of a name with its NUL */
	POOL_GREETING = 4088,
	POOL_UNLIMITED = 0x7fffffff,
};

/* A database, or a user, as far as limits go: the same shape. */
struct party {
	_Atomic uint32_t gen;    /* odd while in use; 0 never used */
	_Atomic uint32_t max;    /* server connections; POOL_UNLIMITED */
	_Atomic uint32_t count;  /* server connections; limits lock */
	_Atomic uint32_t paused;
	_Atomic uint32_t disabled;
	_Atomic uint32_t defined; /* 1: stands in the configuration */
	char name[POOL_NAME];
	uint8_t pad[40];
};

/* Why the last login did not succeed. */
struct pool_failure {
	uint64_t number;   /* 0: none yet; +1 a failure */
	uint64_t when_ms;  /* monotonic */
	uint64_t born_us;  /* when the failed login had begun */
	uint32_t told;     /* 1: the server said so, in an ErrorResponse */
	char sqlstate[8];
	char say[244];     /* the server's words, or ours */
};

_Static_assert(sizeof(struct pool_failure) % 8 == 0, "seqcopy takes words");

struct pool_greeting {
	uint64_t number;   /* 0: none yet; +1 whenever its text changes */
	uint32_t len;
	uint32_t nparams;
	char text[POOL_GREETING]; /* name NUL value NUL ... */
};

struct pool {
	_Atomic uint32_t gen;  /* 0: free row */
	_Atomic uint32_t last_gen; /* newest generation it had; pools lock */
	_Atomic uint32_t db, user; /* rows of dbs, users */
	_Atomic uint32_t size; /* limits: POOL_UNLIMITED for none */
	_Atomic uint32_t min_size;
	_Atomic uint32_t reserve;
	_Atomic uint32_t mode;    /* enum pool_mode of conf/conf.h */
	_Atomic uint32_t login;   /* 0, or worker + 1: one login at a time */
	_Atomic uint32_t count;   /* slots that are not FREE; limits lock */
	_Atomic uint32_t forced;  /* 1: user is the database's forced user */
	_Atomic uint64_t epoch;   /* slots of an older one are closed */
	_Atomic uint64_t lifetime_ms;
	_Atomic uint64_t idle_since_ms; /* no member and no slot since; hint */
	_Atomic uint32_t failure_seq, greeting_seq;
	_Atomic uint64_t failure_number;  /* copies for a quick look */
	_Atomic uint64_t greeting_number;
	_Alignas(64) _Atomic uint64_t failure[sizeof(struct pool_failure) / 8];
	_Atomic uint64_t greeting[sizeof(struct pool_greeting) / 8];
};

/* What a pool's row is made or refreshed with. */
struct pool_limits {
	uint32_t size, min_size, reserve, mode, forced;
	uint32_t db_max, user_max;
	uint64_t lifetime_ms;
};

struct pool *pool_at(uint32_t idx);   /* NULL: out of range */
struct party *db_at(uint32_t idx);
struct party *user_at(uint32_t idx);
const char *pool_db_name(const struct pool *p);
const char *pool_user_name(const struct pool *p);

/*
 * Find the pool of (db, user) or make its row with `limits`, and raise
 * process `me`'s member count of it.  POOL_NONE: the lock was busy (*busy is
 * true: try at the next turn) or no row is free.
 */
uint32_t pool_join(uint32_t me, const char *db, const char *user,
    const struct pool_limits *limits, bool *busy);
void pool_leave(uint32_t me, uint32_t idx);

/* Look without joining; POOL_NONE when there is none. */
uint32_t pool_find(const char *db, const char *user);
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

/* New limits for an existing row (supervisor).  Raises no epoch. */
void pool_refresh(uint32_t idx, const struct pool_limits *limits);
/* Every backend of the pool is obsolete from now on. */
void pool_obsolete(uint32_t idx);
bool pool_is_paused(const struct pool *p);

/* Sum of all processes' members of a pool. */
uint32_t pool_members(uint32_t idx);

/*
 * Free rows that nobody uses and that have been so since before_ms, and then
 * the databases and users that no pool and no configuration names; returns
 * how many pools.  A row is seen to be unused by one call and freed by a
 * later one, so the keeper calls it now and then.
 */
uint32_t pool_reclaim(uint32_t me, uint64_t before_ms);

/* The one login: take it, or false; give it up. */
bool pool_login_take(struct pool *p, uint32_t me);
void pool_login_drop(struct pool *p, uint32_t me);

/*
 * Both writers number their record themselves (`number` of the argument is
 * not looked at): a failure one higher than the last, a greeting one higher
 * if it differs from the one that stands there.  A cleared failure keeps its
 * number, so that the next one is new to everybody; its when_ms is 0.
 */
void pool_failure_write(struct pool *p, const struct pool_failure *f);
bool pool_failure_look(const struct pool *p, struct pool_failure *out);
void pool_failure_clear(struct pool *p); /* a login has succeeded */
void pool_greeting_write(struct pool *p, const struct pool_greeting *g);
bool pool_greeting_look(const struct pool *p, struct pool_greeting *out);

/* A try at the pools lock, and its end; for repair.c and check.c too. */
bool pool_lock_try(uint32_t me);
void pool_lock_drop(uint32_t me);

/* What a dead worker left half written while it had the login (repair). */
void pool_login_mend(struct pool *p, uint32_t dead);

#endif
