/*
 * prepare.h - prepared statements, whichever backend a client has.
 *
 * In transaction and statement mode a client's named statements are our own
 * affair: a backend knows them by what they are (stmt.h), not by what a client
 * calls them.  So Parse, Bind, Describe and Close are written anew:
 *
 *   Parse     the backend has it already: nothing is sent, and ParseComplete
 *             is given in its turn.  Else it goes on under its name there.
 *   Bind,     under the name there; ahead of it, if the backend lacks the
 *   Describe  statement, a Parse of our own, whose answer nobody sees.
 *   Close     CloseComplete is given in its turn; backends keep the statement
 *             for others, and lose what was used longest ago.
 *
 * A name that is taken is refused by the server itself, in the order of things
 * and with all that follows from it: the client's Parse is sent under the name
 * of a statement that is surely there.  A name that does not exist passes as
 * it is, and the server says so.
 *
 * DEALLOCATE in SQL forgets a name as Close does; DEALLOCATE ALL and DISCARD
 * ALL are told by the server's own word that it has done it.
 *
 * The statement without a name passes as it is, and is remembered: what is
 * bound on a backend that was somebody else's in between is sent ahead.
 *
 * What a batch changes becomes true when the server has answered it
 * (changes.h).  Within a batch the next message may rest on it: if it fails,
 * the server skips both.  In a later batch it must not, so the client's next
 * message waits until the answer is here (LOOK_WAIT).
 *
 * When the server says that a plan does not fit any more ("cached plan must
 * not change result type"), or that something has been altered, every backend
 * of the database gets its statements anew before their next use; when it misses a statement, this one does.  The
 * batch that has met this is run again where that is safe (rerun.c).
 *
 * Data: this process's own, and the set in the slot of the client's backend.
 * Never blocks; allocates when a client first prepares something.
 */
#ifndef WORKER_CLIENT_PREPARE_H
#define WORKER_CLIENT_PREPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/backend/backend.h"
#include "worker/client/look.h"

struct client;
struct prepare;

/* A Parse, Bind, Describe or Close. */
enum look prepare_look(struct client *c, struct look_at *m);

/* A Query or Parse, for what its text says of prepared statements; only for a
 * client that has `prepare`. */
enum look prepare_look_text(struct client *c, struct look_at *m);

/* A Parse without a name: is it the last one again, and that text plain? */
bool prepare_is_plain_again(const struct client *c, const struct look_at *m);

/* A Query, Sync or FunctionCall is passed on: what was sent is a batch. */
void prepare_turn(struct client *c, const struct look_at *m);

/* In place of this one the server gets what it refuses (raise.h). */
void prepare_raised(struct client *c, const struct look_at *m);

/* A backend has been lent to it; it is about to be taken away. */
void prepare_begin(struct client *c);
void prepare_end(struct client *c);

/* Has it statements with names?  For a client that has `prepare`. */
bool prepare_has_any(const struct client *c);

/* At the client's end. */
void prepare_free(struct client *c);

/* See struct lessee. */
void prepare_on_books(struct client *c, enum books what);
size_t prepare_on_error(
    struct client *c, const struct lessee_error *e, uint8_t *out, size_t room);

/*
 * Something has been answered: what waits is shown again.  False: nothing
 * does; else look at the client's state.
 */
bool prepare_wake(struct client *c);

/* These bytes are about to be sent: the client's batch, maybe all of it. */
void prepare_keep(struct client *c, const uint8_t *bytes, size_t len);
/* It has failed for a reason of ours, and been answered: send it again. */
bool prepare_is_rerunning(const struct client *c);
void prepare_rerun(struct client *c);
/* The client is about to be sent something. */
void prepare_answered(struct client *c);

/* At the process's end. */
void prepare_fini(void);

/* Ahead of what the client says next, and behind all the answers to what it has
 * said, session_go_back() has its turn.  No memory: it has none. */
void prepare_hold(struct client *c);
/* Does its next message wait?  For a client that has `prepare`. */
bool prepare_is_held(const struct client *c);
/* It comes: LOOK_PASS, if it may go on. */
enum look prepare_held(struct client *c, struct look_at *m);

/* The backend's statement without a name was used by us. */
void prepare_lose_unnamed(struct client *c);

/* DEALLOCATE of a name in SQL has been answered: was it a name of ours? */
bool prepare_forget(struct client *c, const char *name);

#endif
