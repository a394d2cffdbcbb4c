/*
 * open.h - when to open one more backend, and what to do when that fails.
 *
 * One login at a time per pool, over all workers: the pool's login word.  Its
 * end, well or badly, passes the right to whoever waits.  A failed login
 * leaves its number, time and text in the pool's row.  What the server itself
 * said is told to those who waited before it, and to those who come within
 * server_login_retry; and so is it when the server asked for what nobody here
 * can answer, but for the workers whose clients have brought it since.  While
 * no server can be reached they wait.
 *
 * Part of lend.c's job in a file of its own.  Never blocks.
 */
#ifndef WORKER_BACKEND_OPEN_H
#define WORKER_BACKEND_OPEN_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/poollogin.h"
#include "worker/backend/lend.h"

enum open_answer {
	OPEN_NO, /* there is no room, or it is not the time */
	OPEN_STARTED,
	OPEN_AGAIN, /* a lock was busy: at the next turn */
};

/* Open one more for a pool, if it may have one.  `is_spare`: for
 * min_pool_size, with nobody waiting. */
enum open_answer open_try(struct lend *l, bool is_spare);

/* A place RESERVED(me) for `l`: log in there, or give it back. */
void open_reserved(struct lend *l, uint32_t slot, uint64_t gen);

/* The login of `b` failed.  Closes `b` and tells who waits.  `mark`: of the
 * keys that did not do. */
void open_failed(
    struct backend *b, const struct err *e, enum pool_told told, uint32_t mark);

/* Has a failure come that our waiters must be told?  Tells them. */
void open_look(struct lend *l);

/* May nobody come in now?  True: *e is the cached error. */
bool open_is_failing(struct lend *l, struct err *e);

/* The same, for who could do with any server: there is none to wait for. */
bool open_is_hopeless(struct lend *l, struct err *e);

/* When the next login may be tried (loop_now_us's clock); 0: now. */
uint64_t open_retry_us(const struct lend *l);

#endif
