/*
 * changes.h - what was sent to change a client's statements, unanswered.
 *
 * A queue beside the tokens of track.h: one entry for each message that these
 * call a change of the books, in the order of sending.  The server answers in
 * that order, so the oldest is the one that on_books() speaks of.  Only then
 * does it become true, for the client's names (names.h) and for what the
 * backend has (stmts.h).
 *
 * Data: this process's own.  Never blocks; allocates, and gives that back when
 * the client's backend is.
 */
#ifndef WORKER_SESSION_CHANGES_H
#define WORKER_SESSION_CHANGES_H

#include <stdint.h>

#include "shm/stmts.h"
#include "worker/session/names.h"

enum change_kind {
	CHANGE_PARSE,       /* the client's: name and entry */
	CHANGE_TAKEN,       /* the client's, under a name that it has already:
	                       must fail */
	CHANGE_FAKE,        /* we say ParseComplete: name */
	CHANGE_FORGET,      /* we say CloseComplete: name */
	CHANGE_OWN_PARSE,   /* entry */
	CHANGE_OWN_CLOSE,   /* entry, which is parsed again */
	CHANGE_EVICT,       /* entry, closed for another */
	CHANGE_DUMMY,       /* nothing that matters */
	CHANGE_TOLD,        /* the client's Describe: name, stmt */
	CHANGE_ASKED,       /* our own: stmt */
	CHANGE_UNNAMED,     /* the client's Parse without a name; ... */
	CHANGE_OWN_UNNAMED, /* ours, or a Close: `entry` is the round */
};

struct change {
	struct stmt *stmt; /* with a reference, or NULL */
	struct name *name;
	uint16_t entry; /* of the backend's set */
	uint8_t kind;   /* enum change_kind */
};

struct changes {
	struct change *ring;
	uint32_t cap, head, len;
	uint32_t popped; /* in all, modulo 2^32 */
};

/* At the end.  -1: no memory; nothing has changed then, and `stmt` is still
 * the caller's. */
int changes_push(struct changes *q, struct change e);
/* The newest was not sent after all; its `stmt` is the caller's again. */
void changes_unpush(struct changes *q);

/* NULL: there is none. */
const struct change *changes_oldest(const struct changes *q);
/* Take it; its `stmt` is the caller's. */
struct change changes_pop(struct changes *q);

void changes_fini(struct changes *q);

#endif
