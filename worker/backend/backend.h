/*
 * backend.h - one server connection as this process knows it.
 *
 * There is a struct backend for every slot whose descriptor this process
 * holds, whoever uses the slot now: the slot's word (shm/slot.h) tells that.
 * While the word names us, `state` says what for:
 *
 *   CACHED -> HELD -> LENT -> [CLEANING] -> [RESET] -> HELD -> CACHED
 *   LOGIN  ---^          any but CACHED -> CLOSING -> gone
 *
 *   LOGIN    not yet a backend            RESET    server_reset_query runs
 *   LENT     serves b->user               CLOSING  half-closed, read to its end
 *   CLEANING its user has gone in the middle (clean.h)
 *   HELD     ours, nobody's: just claimed, until a cancel is over, or until
 *            the turn ends, when one of our own waiters gets it
 *   CACHED   not ours: idle, or somebody else's; the descriptor is known
 *
 * A backend reaches its client only through struct lessee.  The only door out
 * is backend_close(): it retires the connection whatever its state, and the
 * place counts in every limit until the server's end of file.
 *
 * Never blocks.
 */
#ifndef WORKER_BACKEND_BACKEND_H
#define WORKER_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/err.h"
#include "conf/log.h"
#include "shm/slot.h"
#include "worker/backend/clean.h"
#include "worker/io/buf.h"
#include "worker/io/deadline.h"
#include "worker/io/loop.h"
#include "worker/proto/frame.h"
#include "worker/proto/shape.h"
#include "worker/proto/track.h"

struct backend;
struct lend;
struct login;
struct waiter;

enum backend_state {
	BACKEND_CACHED,
	BACKEND_LOGIN,
	BACKEND_LENT,
	BACKEND_CLEANING,
	BACKEND_RESET,
	BACKEND_HELD,
	BACKEND_CLOSING,
};

/* What the server's answers say of the statements that are prepared there. */
enum books {
	BOOKS_DONE, /* the oldest change that was asked for is made; if that is
	               a Describe, b->shape is what it told */
	BOOKS_LOST, /* it was skipped, or refused */
	BOOKS_GONE, /* all of them are dropped; tells of no change asked for */
	BOOKS_PREPARED, /* a PREPARE in SQL of the user's is done; the same */
	BOOKS_DEALLOCATED, /* a DEALLOCATE of one name; the same */
};

#define LESSEE_SILENT SIZE_MAX

struct lessee_error {
	const uint8_t *msg; /* header and all */
	size_t len;         /* of it, or of its first bytes */
	bool is_first;      /* nothing stands before it in this turn */
};

/* Who uses a backend; embedded in the client. */
struct lessee {
	/* The server has sent something: read it. */
	void (*on_readable)(struct lessee *, struct backend *);
	/* What backend_send() kept back has all been sent. */
	void (*on_drained)(struct lessee *, struct backend *);
	/* The backend has been closed; do not touch it any more. */
	void (*on_gone)(struct lessee *, const struct err *);
	/* Prepared statements: what has become of what was sent to change
	   them.  Called from within scan_run(): do not close anything here. */
	void (*on_books)(struct lessee *, struct backend *, enum books);
	/* An error for it: what it is to be told instead, written to `out`; 0:
	   that; LESSEE_SILENT: nothing.  As on_books; may be NULL. */
	size_t (*on_error)(struct lessee *, const struct lessee_error *,
	    uint8_t *out, size_t room);
};

struct backend {
	struct watch watch;
	uint32_t slot;
	uint64_t gen;
	struct lend *lend;          /* the pool's view here */
	struct lessee *user;        /* in LENT */
	struct login *login;        /* in LOGIN */
	struct waiter *own;         /* in LOGIN: for whom alone; or NULL */
	struct tls *tls;            /* NULL: plain, or not ours */
	struct lend *keep_for;      /* in CLOSING: who gets the place */
	struct backend *next_ready; /* lend.c: served when the turn ends */
	struct deadline deadline;
	struct track track;
	struct clean clean;         /* in CLEANING */
	struct shape_reader reader; /* of a Describe's answer, for the books */
	struct shape shape;         /* of the last: while BOOKS_DONE is told */
	struct buf in;              /* held back until its message is whole */
	struct buf out;             /* what the server did not take yet */
	uint32_t remain;    /* bytes of a server message still to pass */
	uint32_t up_remain; /* bytes of a client message still to send */
	uint32_t cancels;   /* cancel connections in flight */
	bool is_ready;      /* in that list */
	bool is_cut;        /* what remains is an answer for us alone */
	bool is_shape;      /* it is a Describe's, for the books */
	bool is_fresh;      /* nothing has been answered in this lease */
	bool was_cancelled; /* we have sent a cancel in this lease */
	bool is_muted;      /* its notifications are told by another */
	bool has_altered;   /* something, in the transaction that is open */
	uint8_t state;      /* enum backend_state */
	uint8_t mode;       /* enum pool_mode that it was lent in; LENT on */
};

int backend_init(void);
void backend_fini(void);

/* What this process has for a slot, or NULL. */
struct backend *backend_at(uint32_t slot);

/* How a log line calls it. */
void backend_who(const struct backend *b, struct log_who *who);

/* What its slot knows of the server and the session; for the owner. */
const struct slot_info *backend_info(const struct backend *b);

/* A shared slot's descriptor has arrived (or was inherited): keep it, or
 * close it when it is stale.  Takes `fd`. */
void backend_learn(uint32_t slot, uint64_t gen, int fd);

/* The slot's backend has gone: close our duplicate. */
void backend_forget(uint32_t slot, uint64_t gen);

/* Our duplicates of slots that have gone meanwhile (rescan). */
void backend_rescan(void);

/* CLOSING(me) by repair: cancel, half-close, read to the end.  Takes `fd`,
 * which is -1 if it was lost on the way. */
void backend_adopt(uint32_t slot, uint64_t gen, int fd);

/* A place that is LOGIN(me): connect and log in, for `lend`. */
void backend_start(struct lend *lend, uint32_t slot, uint64_t gen);

/* Make an IDLE one ours; false: it is not idle, or not ours to have. */
bool backend_claim(struct backend *b);

/* The slot's word has just been made ACTIVE(me) from IDLE or GRANTED: watch
 * it, begin its books.  false: it cannot be watched and was closed. */
bool backend_taken(struct backend *b);

/*
 * Ours and clean: serves `user` from now on, in the mode that its pool has
 * now.  That stays until it is given back: nobody could tell what a client has
 * left that was not looked after from the beginning.
 */
void backend_lend(struct backend *b, struct lessee *user);

/*
 * The user is done with it and it is clean (or may be closed: then it is).
 * Resets it first where that is asked for, then hands it on.
 */
void backend_give(struct backend *b);

/* It takes one cancel more, or that one is over. */
void backend_cancel_begins(struct backend *b);
void backend_cancel_ends(struct backend *b);

/* Only this process can read its bytes: it is never lent elsewhere. */
bool backend_is_pinned(const struct backend *b);

/* --- its bytes: traffic.c ----------------------------------------------- */

/*
 * Send; what the kernel does not take is kept and sent later.  -1: the
 * connection is broken: the caller closes it.
 */
int backend_send(struct backend *b, const void *p, size_t len);

/* Does something wait to be sent? */
static inline bool
backend_is_full(const struct backend *b)
{
	return buf_len(&b->out) > 0;
}

/* Read interest of a lent backend. */
void backend_want_read(struct backend *b, bool want);

/*
 * Receive into the scratch buffer, behind what was held back: *p and *len are
 * all bytes in hand.  Bytes received; 0 at end of file; -1 with errno
 * (EAGAIN: nothing there).
 */
ssize_t backend_recv(struct backend *b, uint8_t **p, size_t *len);

/* Keep bytes that are no whole message yet. */
int backend_hold(struct backend *b, const uint8_t *p, size_t len);

/* A ParameterStatus has come: note it in the slot.  Returns the index of a
 * tracked parameter and *value, or -1. */
int backend_parameter(
    struct backend *b, const uint8_t *body, size_t len, const char **value);

/* What else its session had is gone (`len` 0), or not known any more
 * (SLOT_VARS_UNKNOWN). */
void backend_vars(struct backend *b, uint32_t len);

/* --- the way out -------------------------------------------------------- */

/*
 * Retire it: detach the user (on_gone is not called for a user that closes
 * it itself: clear b->user first), cancel what may still run, Terminate, read
 * to the end of file.  `why` is logged.
 */
void backend_close(struct backend *b, const char *why, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, and the place goes to `lend` (a pool under the same limit). */
void backend_evict(struct backend *b, struct lend *lend);

/* --- for login.c --- */

/* Login is over: well, and then it is ACTIVE(me) and handed on. */
void backend_logged_in(struct backend *b);

#endif
