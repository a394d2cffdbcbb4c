/*
 * session_impl.h - what session.c (a lease begins), session_look.c (texts are
 * read) and session_end.c (what they have left is asked for) share.
 */
#ifndef WORKER_CLIENT_SESSION_IMPL_H
#define WORKER_CLIENT_SESSION_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/client/session.h"
#include "worker/io/buf.h"
#include "worker/session/audit.h"
#include "worker/session/vars.h"

/* In CLIENT_AUDIT: what was asked, and is not answered yet. */
enum session_phase {
	SESSION_QUIET,
	SESSION_ASKED,    /* audit_question() */
	SESSION_DROPPING, /* DISCARD TEMP */
	SESSION_RESTING,  /* audit_rest() */
	SESSION_SETTLED, /* nothing; what is said late comes before its answer */
};

struct session {
	struct audit audit;       /* what is in doubt */
	struct interned *now;     /* what its transactions are to have */
	struct interned *startup; /* what a RESET goes back to */
	struct buf answer;        /* in CLIENT_AUDIT */
	struct buf back;          /* what the last text wants behind it */
	uint64_t asked_us;        /* the last question */
	uint16_t unnamed;         /* what the statement without a name may do */
	uint16_t pins;            /* AUDIT_PINS: why it keeps its backend */
	uint8_t phase;            /* enum session_phase */
	uint8_t tries;            /* of this question */
	bool is_read;        /* a text has told what it does, in this lease */
	bool uses_sequences; /* currval(), lastval() */
};

/* The client's, made if it has none; NULL: no memory. */
struct session *session_get(struct client *c);

/* Ahead of what the client says next: messages of our own, without a Sync.  -1:
 * they could not be sent. */
int session_send_own(struct client *c, const uint8_t *p, size_t len);
struct fit;
int session_send_fit(struct client *c, const struct fit *f);

/* What the slot's backend has from now on; NULL, or more than fits: nobody
 * knows. */
void session_note_vars(struct backend *b, const char *text, uint32_t len);

#endif
