/*
 * track_impl.h - the tokens, for the two files that move them.
 *
 * track.c puts them in, as the client sends; trackserver.c takes them out, as
 * the server answers.  In line, since each message passes here.
 */
#ifndef WORKER_PROTO_TRACK_IMPL_H
#define WORKER_PROTO_TRACK_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/proto/tokens.h"
#include "worker/proto/track.h"

/* As the table in track.h has them. */
enum token {
	NOTHING,
	QUERY,
	CALL,
	SYNC,
	EXEC,
	STEP,
	END,
	PARSE,
	DESCRIBE,
	OWN_PARSE,
	OWN_CLOSE,
	OWN_STEP,
	OWN_EXEC,
	OWN_SYNC,
	OWN_ASK,
	OWN_DESCRIBE,
	FAKE_PARSE,
	FAKE_CLOSE
};

_Static_assert(NOTHING == TOKENS_NONE, "the queue's own");
_Static_assert(FAKE_CLOSE <= TOKENS_TOP, "they fit");

/* Sets of tokens. */
#define SET_OF(k) (1u << (k))
#define FAKES     (SET_OF(FAKE_PARSE) | SET_OF(FAKE_CLOSE))
#define DESCRIBES (SET_OF(DESCRIBE) | SET_OF(OWN_DESCRIBE))
#define BOOKED                                                           \
	(SET_OF(PARSE) | SET_OF(OWN_PARSE) | SET_OF(OWN_CLOSE) | FAKES | \
	    DESCRIBES)
#define OWN                                                         \
	(SET_OF(OWN_PARSE) | SET_OF(OWN_CLOSE) | SET_OF(OWN_STEP) | \
	    SET_OF(OWN_EXEC) | SET_OF(OWN_SYNC) | SET_OF(OWN_ASK) | \
	    SET_OF(OWN_DESCRIBE))
#define STEPS                                                        \
	(SET_OF(STEP) | SET_OF(PARSE) | SET_OF(OWN_PARSE) |          \
	    SET_OF(OWN_CLOSE) | SET_OF(OWN_STEP) | SET_OF(OWN_ASK) | \
	    DESCRIBES)
#define EXECS (SET_OF(EXEC) | SET_OF(OWN_EXEC))

static inline bool
token_is_in(enum token k, unsigned set)
{
	return (SET_OF(k) & set) != 0;
}

static inline enum token
track_front(const struct track *t)
{
	return (enum token)tokens_front(&t->queue);
}

static inline bool
token_wants_ready(enum token k)
{
	return k == QUERY || k == CALL || k == SYNC || k == OWN_SYNC;
}

static inline void
track_pop(struct track *t)
{
	enum token k = track_front(t);

	t->owes -= token_wants_ready(k);
	t->fakes -= token_is_in(k, FAKES);
	tokens_pop(&t->queue);
}

/* The front is done with; a COPY's end that comes to the front is ignored. */
static inline void
track_advance(struct track *t)
{
	track_pop(t);
	while (track_front(t) == END)
		track_pop(t);
}

/* Too much was sent into the doubt: nothing is counted from here on. */
void track_lose(struct track *t);

#endif
