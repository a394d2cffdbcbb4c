/*
 * track.h - where in a backend's conversation may it be handed on?
 *
 * A backend may go to another client only when it owes nothing to this one.
 * Its answers do not say whose they are, but a server works strictly in order:
 * so what was sent to it is kept as a queue of tokens, and every answer takes
 * away what it answers.  When the queue is empty, the last ReadyForQuery said
 * 'I', no batch is open and no COPY runs, the backend is clean.
 *
 *   token   sent as    taken away by
 *   QUERY   Q          ReadyForQuery
 *   CALL    F          ReadyForQuery
 *   SYNC    S          ReadyForQuery
 *   EXEC    E          CommandComplete, EmptyQueryResponse, PortalSuspended
 *   STEP    P B D C    ParseComplete, BindComplete, CloseComplete,
 *                      RowDescription, NoData
 *   END     c f        coming to the front: outside COPY a server ignores it
 *   none    d H        CopyData and Flush are never answered
 *
 * Among them are messages of our own, which the client knows nothing of: their
 * answers are not passed on (`is_own`).  And there are answers that we give in
 * the server's place, because it has what the client asks for already: they
 * wait in the queue for their turn (track_due()).
 *
 *   PARSE                the client's Parse, passed on: ParseComplete
 *   DESCRIBE             the client's Describe, passed on: RowDescription or
 *                        NoData, maybe behind a ParameterDescription
 *   OWN_PARSE OWN_CLOSE  ours: ParseComplete, CloseComplete
 *   OWN_STEP OWN_EXEC    ours, as STEP and EXEC
 *   OWN_ASK              ours, as STEP, in place of a message of the client's:
 *                        an error to it is an error to that
 *   OWN_DESCRIBE         ours, as OWN_ASK
 *   OWN_SYNC             ours: ReadyForQuery
 *   FAKE_PARSE, _CLOSE   nothing was sent
 *
 * PARSE, OWN_PARSE, OWN_CLOSE and the FAKEs change which statements are
 * prepared, the DESCRIBEs what is known of them: `books_done` and `books_lost` tell, in the order of sending, how many have
 * been answered, or skipped by an error.
 *
 * An ErrorResponse to a STEP or an EXEC makes the server skip to the next
 * Sync: the tokens up to it go, and if it has not been sent yet, whatever is
 * sent before it makes no token (`skip`).
 *
 *                 CopyInResponse          END             CommandComplete
 *   COPY:   NONE ---------------> IN ----------> ENDING -----------------> NONE
 *                                  `- STEP, EXEC, QUERY, CALL -> BROKEN
 *           NONE ---------------> OUT -----------------------------------> NONE
 *                 CopyOutResponse         CopyDone, CommandComplete
 *           any  --------------------- ErrorResponse --------------------> NONE
 *
 * In copy-in the server ignores Sync; libpq relies on it.  But an error may
 * strike before the server has read such an early Sync, which then does get
 * its ReadyForQuery, and nobody outside can know.  Then the conversation is in
 * DOUBT: what is surely owed is still awaited, but the backend must not go to
 * anybody else until an answer proves that nothing more can come.
 * track_is_spent() tells when the client needs it no longer; then close it.
 * If the client sent more into the doubt than can be told apart, the backend
 * is LOST: nothing is counted any more, it serves this client to its end and
 * is closed.
 *
 * Written by the backend's owner only.  Never blocks or logs; allocates only
 * for a deep pipeline, and frees when that has drained.
 */
#ifndef WORKER_PROTO_TRACK_H
#define WORKER_PROTO_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/err.h"
#include "worker/proto/tokens.h"

enum track_copy {
	TRACK_COPY_NONE,
	TRACK_COPY_IN,     /* the server wants CopyData */
	TRACK_COPY_ENDING, /* the client has ended it, the server not yet */
	TRACK_COPY_BROKEN, /* the client sent what has no place in COPY */
	TRACK_COPY_OUT
};

enum { TRACK_FAKES = 1000 }; /* what scan.c has room for */

enum track_doubt { TRACK_SURE, TRACK_DOUBT, TRACK_LOST };

struct track {
	struct tokens queue; /* what the server has still to answer */
	uint32_t owes;       /* tokens that ReadyForQuery takes away */
	uint32_t early; /* Syncs that this COPY swallows, if it goes well */
	uint32_t extra; /* in DOUBT: ReadyForQuery that may come on top */
	uint32_t fakes; /* of the queue */
	uint32_t books_lost; /* set by the last message of the server */
	uint32_t books_done; /* the same; never both */
	uint8_t status;      /* of the last ReadyForQuery; 0 before the first */
	uint8_t copy;        /* enum track_copy */
	uint8_t doubt;       /* enum track_doubt */
	bool open;       /* extended messages were sent, and no Sync since */
	bool skip;       /* the server skips to a Sync that is not sent yet */
	bool late;       /* in DOUBT: more was sent after what is surely owed */
	bool dying;      /* FATAL was said, or Terminate sent */
	bool is_own;     /* the server's last message was for us alone */
	bool has_failed; /* and it was an error to an OWN_STEP or OWN_EXEC */
	bool is_shape;   /* or of an answer to a Describe, for the books */
};

_Static_assert(sizeof(struct track) <= 112, "embedded in every backend");

/* --- what is sent: track.c --------------------------------------------- */

/*
 * `status` is 0 for a connection that still has to log in, whose first
 * ReadyForQuery is owed to nobody, or 'I' for one that was taken over idle.
 */
void track_init(struct track *t, uint8_t status);
void track_fini(struct track *t);

/*
 * A message of this type was, or is about to be, sent to the server.  -1: no
 * message that a client may send, out of memory, or more outstanding than
 * TOKENS_MAX; nothing has changed then, and the message must not be sent.
 */
int track_client(struct track *t, uint8_t type);

/* The same of a Parse or a Describe whose answer changes the books of
 * statements. */
int track_parse(struct track *t);
int track_describe(struct track *t);

/*
 * A message of our own: 'P' or 'C', which change the books of statements, 'p'
 * (a Parse that does not), 'B' or 'E'; 'a', a step in place of a message of
 * the client's; 'D', for the books; or 'S', where all since the last Sync is ours.
 * -1 as above, and while the server would not run it surely and now: in COPY,
 * in doubt, skipping to a Sync.
 */
int track_own(struct track *t, uint8_t type);

/*
 * An answer that we give in the server's place: '1' or '3'.  -1 as above; at
 * most TRACK_FAKES wait at a time.
 */
int track_fake(struct track *t, uint8_t answer);

/*
 * The answer of ours whose turn has come, which must be given before anything
 * that the server says from now on; 0: none.  Changes the books as done.
 */
uint8_t track_due(struct track *t);

/* --- what is answered: trackserver.c ------------------------------------- */

/*
 * The server has sent a message.  `body` holds its first `have` bytes: all of
 * a ReadyForQuery, and the first fields of an ErrorResponse; else `have` may
 * be 0.  DONE, or FAIL: this is no answer to what was sent.  Then the backend
 * must be closed, whatever the questions below say.
 */
enum result
track_server(struct track *t, uint8_t type, const uint8_t *body, size_t have);

/* --- questions: trackview.c ---------------------------------------------- */

/* Nothing is owed, status 'I', no batch, no COPY, no doubt: hand it on. */
bool track_is_clean(const struct track *t);

/* The client has all its answers, status 'I', but the backend must go. */
bool track_is_spent(const struct track *t);

/* 'I', 'T', 'E', or 0 before the first ReadyForQuery. */
uint8_t track_tx_status(const struct track *t);

bool track_is_copy_in(const struct track *t);
bool track_is_copy_out(const struct track *t);

/* The server has said FATAL: it is about to close. */
bool track_is_dying(const struct track *t);

/* It ignores all that is sent before a Sync that has not been sent yet. */
bool track_is_skipping(const struct track *t);

/* No COPY and no doubt: messages of our own can be told from the client's. */
bool track_is_sure(const struct track *t);

/* ReadyForQuery messages that will surely come; 0 once it is LOST. */
uint32_t track_owes(const struct track *t);

/*
 * CopyData, CopyDone or CopyFail that no COPY can be waiting for: what a
 * client was still sending when its COPY failed.  The server would ignore it,
 * so drop it: it must neither borrow a backend nor hold one.
 */
bool track_is_stray(const struct track *t, uint8_t type);

#endif
