/*
 * lend.h - which waiting client gets which backend: the policy.
 *
 * A struct lend is this worker's view of one pool: the descriptors that it
 * holds (last used here on top), the clients that wait here in order, and the
 * settings that hold.  What other workers do is seen in the segment only.
 *
 *   lend_take     a client wants a backend: claim an idle one, or wait
 *   lend_release  a clean backend is free: another worker's waiter if it has
 *                 waited out of proportion, our oldest, or nobody: idle
 *   lend_turn     once a turn: grants, room to open, before going to sleep
 *
 * The order of stores and looks is DESIGN's (waiting): store the waiter, then
 * look for idle slots and for room; store IDLE, then look for waiters; store
 * `sleeping`, then look for grants.
 *
 * Never blocks.
 */
#ifndef WORKER_BACKEND_LEND_H
#define WORKER_BACKEND_LEND_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "shm/count.h"
#include "shm/pool.h"
#include "worker/backend/backend.h"
#include "worker/io/deadline.h"

struct dedicate;

/* One who waits; embedded in the client. */
struct waiter {
	struct waiter *next, *prev;
	struct lend *lend; /* NULL: does not wait */
	uint64_t since_us;
	bool is_greeting;     /* wants the pool's greeting, not a backend */
	struct dedicate *own; /* wants one opened for it alone; NULL */
	/* A backend is lent to you (greeting: NULL, look at the row). */
	void (*on_ready)(struct waiter *, struct backend *);
	/* It will not be; you are out of the queue. */
	void (*on_error)(struct waiter *, const struct err *);
};

struct listener;

struct lend {
	uint32_t pool;
	uint32_t gen; /* of the pool's row; 0: view is empty */
	struct pool *row;
	struct count_block *count; /* this worker's statistics of the pool */
	uint32_t members;          /* clients here */
	const struct conf_db *db;  /* NULL: not in this configuration */
	struct conf_pool set;
	uint64_t conf_number; /* that db and set are of */
	bool is_forced;       /* the server user is the database's */
	bool is_hot;          /* in the list of those to look at */
	bool is_evicting;     /* a place is on its way from another pool */
	char user[POOL_NAME]; /* at the server */

	struct waiter *first, *last;
	uint32_t nwaiting;
	uint32_t ngreeting; /* of these, who want only the greeting */
	struct waiter *first_own, *last_own; /* who wait for one of their own */
	uint32_t nown;
	bool is_own_shown; /* these are published, too */

	struct backend *first_ready, *last_ready; /* for the turn's end */
	uint32_t nready;

	uint32_t *stack; /* slots, last used here on top */
	uint32_t nstack, cap;

	struct lend *next_hot;
	struct deadline timer;     /* the next thing that waiting needs */
	uint64_t failure_seen;     /* number of the failure last told */
	uint64_t told_us;          /* when all being kept was told (kept.h) */
	uint32_t next_host;        /* round robin over a host list */
	struct listener *listener; /* client/listener.c's; NULL: none */
	char *secret;              /* what a client of this worker has proved
	                          to have, for logins; NULL: none; wiped */
};

int lend_init(void);
void lend_fini(void);

/*
 * Join the pool of (db, user): one client more here.  NULL: *busy (try at
 * the next turn; a newer configuration may be on its way), or no row is free.  `db` is the entry, `dbname` the name
 * that the client gave (they differ for "*").
 */
struct lend *lend_join(const struct conf_db *db, const char *dbname,
    const char *user, bool is_forced, bool *busy);
void lend_leave(struct lend *l);

/* The view of a pool by index, made when missing; NULL: no memory. */
struct lend *lend_at(uint32_t pool);

/* Settings of the newest configuration (cheap when nothing changed). */
void lend_refresh(struct lend *l);

/*
 * A backend for `w` now, LENT to nobody yet (call backend_lend()); or NULL:
 * it waits, and on_ready or on_error will come later, or, with *err filled
 * and true in *failed, it may not even wait.
 */
struct backend *
lend_take(struct lend *l, struct waiter *w, bool *failed, struct err *err);

/* Wait for the pool's greeting; false: *err says why it will not come. */
bool lend_greeting(struct lend *l, struct waiter *w, struct err *err);

/* More servers than a limit of this pool allows, those that are on their way
 * out aside. */
bool lend_is_above(const struct lend *l);

/* Has it what its books do not tell, in a pool where clients count on them? */
bool lend_is_untended(const struct lend *l, const struct slot *s);

/* Out of the queue (harmless if not in it). */
void lend_forget(struct waiter *w);

/* A clean backend, ACTIVE(me), used by nobody: hand it on, or retire it. */
void lend_release(struct backend *b);

/* A descriptor of this pool has come, or gone. */
void lend_learn(struct lend *l, struct backend *b);
void lend_unlearn(struct lend *l, struct backend *b);

/* A login in this pool has ended, or a place has become free. */
void lend_login_ended(struct lend *l, bool well);
void lend_room(struct lend *l);

/* Others have waiters in this pool: there may be something for them. */
void lend_wake_others(struct lend *l);

/*
 * Once a turn, before the wait: look at grants and at room for pools that
 * have waiters.  `rung`: look at all pools.  True: something was done, look
 * again before sleeping.
 */
bool lend_turn(bool rung);

/* Everything: grants, idle slots, room, stale words (after a repair, and
 * once a second). */
void lend_rescan(void);

/* Iterate over all views: NULL ends. */
struct lend *lend_next(uint32_t *pool);

#endif
