/* track.c - where in a backend's conversation may it be handed on? */
#include "worker/proto/track.h"

#include <string.h>

#include "worker/proto/report.h"

enum token {
	NOTHING,
	QUERY,
	CALL,
	SYNC,
	EXEC,
	STEP,
	END,
	PARSE,
	OWN_PARSE,
	OWN_CLOSE,
	OWN_STEP,
	OWN_EXEC,
	OWN_SYNC,
	FAKE_PARSE,
	FAKE_CLOSE
};

_Static_assert(NOTHING == TOKENS_NONE, "the queue's own");
_Static_assert(FAKE_CLOSE <= TOKENS_TOP, "they fit");

#define SET_OF(k) (1u << (k))
#define FAKES     (SET_OF(FAKE_PARSE) | SET_OF(FAKE_CLOSE))
#define BOOKED    (SET_OF(PARSE) | SET_OF(OWN_PARSE) | SET_OF(OWN_CLOSE) | FAKES)
#define OWN                                                         \
	(SET_OF(OWN_PARSE) | SET_OF(OWN_CLOSE) | SET_OF(OWN_STEP) | \
	    SET_OF(OWN_EXEC) | SET_OF(OWN_SYNC))
#define STEPS                                               \
	(SET_OF(STEP) | SET_OF(PARSE) | SET_OF(OWN_PARSE) | \
	    SET_OF(OWN_CLOSE) | SET_OF(OWN_STEP))
#define EXECS (SET_OF(EXEC) | SET_OF(OWN_EXEC))

static bool
is_in(enum token k, unsigned set)
{
	return (SET_OF(k) & set) != 0;
}

/* --- the queue ----------------------------------------------------------- */

static enum token
front(const struct track *t)
{
	return (enum token)tokens_front(&t->queue);
}

static bool
wants_ready(enum token k)
{
	return k == QUERY || k == CALL || k == SYNC || k == OWN_SYNC;
}

static int
push(struct track *t, enum token k)
{
	if (tokens_push(&t->queue, k) == -1)
		return -1;
	t->owes += wants_ready(k);
	t->fakes += is_in(k, FAKES);
	return 0;
}

static void
pop(struct track *t)
{
	enum token k = front(t);

	t->owes -= wants_ready(k);
	t->fakes -= is_in(k, FAKES);
	tokens_pop(&t->queue);
}

/* The front is done with; a COPY's end that comes to the front is ignored. */
static void
advance(struct track *t)
{
	pop(t);
	while (front(t) == END)
		pop(t);
}

static void
answer_front(struct track *t)
{
	t->books_done += is_in(front(t), BOOKED);
	advance(t);
}

/* --- doubt --------------------------------------------------------------- */

static void
lose(struct track *t)
{
	t->books_lost += tokens_count(&t->queue, BOOKED, UINT32_MAX);
	tokens_clear(&t->queue);
	t->owes = t->fakes = 0;
	t->doubt = TRACK_LOST;
	t->copy = TRACK_COPY_NONE;
	t->early = t->extra = 0;
}

/*
 * The front was answered by something else than ReadyForQuery.  In doubt at
 * most one ReadyForQuery is owed at a time, so one on top would have come
 * before, and would have been counted: no more can come.
 */
static void
prove(struct track *t)
{
	if (t->doubt == TRACK_DOUBT) {
		t->doubt = TRACK_SURE;
		t->extra = 0;
		t->late = false;
	}
}

/* No answer to anything, unless our picture is what is wrong. */
static enum result
violation(struct track *t)
{
	if (t->doubt == TRACK_SURE)
		return FAIL;
	lose(t);
	return DONE;
}

/* --- what the client sends ----------------------------------------------- */

void
track_init(struct track *t, uint8_t status)
{
	memset(t, 0, sizeof(*t));
	tokens_init(&t->queue);
	t->status = status;
}

void
track_fini(struct track *t)
{
	tokens_clear(&t->queue);
	t->owes = t->fakes = 0;
}

/* The token of a client's message; -1 if no client may send it. */
static int
token_of(uint8_t type)
{
	switch (type) {
	case 'Q':
		return QUERY;
	case 'F':
		return CALL;
	case 'S':
		return SYNC;
	case 'E':
		return EXEC;
	case 'P':
	case 'B':
	case 'D':
	case 'C':
		return STEP;
	case 'c':
	case 'f':
		return END;
	case 'd':
	case 'H':
	case 'X':
		return NOTHING;
	default:
		return -1;
	}
}

/* Queue it; the server will come to it in its turn. */
static int
enqueue(struct track *t, enum token k)
{
	if (t->doubt == TRACK_DOUBT && k != END && t->owes > 0) {
		lose(t);
		return 0;
	}
	if (push(t, k) == -1)
		return -1;
	if (k == END)
		return 0;
	t->open = is_in(k, STEPS | EXECS | FAKES);
	t->late = t->late || (t->doubt == TRACK_DOUBT && !t->skip);
	return 0;
}

/* The server reads it in copy-in, or has failed by then. */
static int
client_in_copy(struct track *t, enum token k)
{
	if (k == SYNC) {
		t->early++;
		return 0;
	}
	if (k == END) {
		t->copy = TRACK_COPY_ENDING;
		return 0;
	}
	if (enqueue(t, k) == -1)
		return -1;
	if (t->doubt != TRACK_LOST)
		t->copy = TRACK_COPY_BROKEN;
	return 0;
}

/* The client sends what makes the token `k`. */
static int
client(struct track *t, enum token k)
{
	if (k == NOTHING || t->doubt == TRACK_LOST)
		return 0;
	if (t->copy == TRACK_COPY_IN)
		return client_in_copy(t, k);
	if (k == END && t->queue.len == 0)
		return 0;
	if (!t->skip)
		return enqueue(t, k);
	if (k != SYNC) {
		/* was it skipped, or had an early Sync ended that already? */
		if (t->doubt == TRACK_DOUBT)
			lose(t);
		return 0;
	}
	if (enqueue(t, SYNC) == -1)
		return -1;
	t->skip = false;
	return 0;
}

int
track_client(struct track *t, uint8_t type)
{
	int k = token_of(type);

	if (k == -1)
		return -1;
	if (type == 'X')
		t->dying = true;
	return client(t, (enum token)k);
}

int
track_parse(struct track *t)
{
	return client(t, PARSE);
}

int
track_own(struct track *t, uint8_t type)
{
	enum token k = type == 'P' ? OWN_PARSE
	    : type == 'C'          ? OWN_CLOSE
	    : type == 'E'          ? OWN_EXEC
	    : type == 'S'          ? OWN_SYNC
				   : OWN_STEP;

	if (!track_is_sure(t) || t->skip || t->dying)
		return -1;
	return enqueue(t, k);
}

int
track_fake(struct track *t, uint8_t answer)
{
	if (!track_is_sure(t) || t->skip || t->fakes >= TRACK_FAKES)
		return -1;
	return enqueue(t, answer == '1' ? FAKE_PARSE : FAKE_CLOSE);
}

uint8_t
track_due(struct track *t)
{
	enum token k = front(t);

	if (!is_in(k, FAKES))
		return 0;
	advance(t);
	return k == FAKE_PARSE ? '1' : '3';
}

/* --- what the server sends ----------------------------------------------- */

static enum result
on_ready(struct track *t, const uint8_t *body, size_t have)
{
	enum token k = front(t);
	bool greeting = t->status == 0 && k == NOTHING;

	if (have < 1 || (*body != 'I' && *body != 'T' && *body != 'E'))
		return FAIL;
	if (t->doubt != TRACK_LOST && t->copy != TRACK_COPY_NONE)
		return violation(t);
	if (wants_ready(k) && t->late) {
		lose(t); /* is it for what was sent late, or on top? */
	} else if (wants_ready(k)) {
		answer_front(t);
	} else if (t->doubt == TRACK_DOUBT && t->extra > 0) {
		/* an early Sync's: the server does not skip any more */
		if (t->skip)
			t->skip = t->open = false;
		if (--t->extra == 0)
			prove(t);
	} else if (!greeting && t->doubt != TRACK_LOST) {
		return violation(t);
	}
	t->status = *body;
	return DONE;
}

/* Drop what the server skips; how much of it could have been answered. */
static uint32_t
skip_to_sync(struct track *t)
{
	uint32_t dropped = 0;

	while (!is_in(
	    front(t), SET_OF(NOTHING) | SET_OF(SYNC) | SET_OF(OWN_SYNC))) {
		dropped += front(t) != END;
		t->books_lost += is_in(front(t), BOOKED);
		pop(t);
	}
	t->skip = front(t) == NOTHING;
	return dropped;
}

static enum result
on_error(struct track *t, const uint8_t *body, size_t have)
{
	enum token k = front(t);
	bool broken = t->copy == TRACK_COPY_BROKEN && k == QUERY;
	uint32_t early = t->early, dropped = 0;
	struct report r;

	report_parse(body, have, &r);
	if (report_is_fatal(&r)) {
		t->dying = true;
		return DONE;
	}
	if (t->doubt == TRACK_LOST)
		return DONE;
	if (k == NOTHING)
		return violation(t);
	if (k != SYNC)
		prove(t);
	t->copy = TRACK_COPY_NONE;
	t->early = 0;
	t->has_failed = k == OWN_STEP || k == OWN_EXEC;
	if (is_in(k, STEPS | EXECS))
		dropped = skip_to_sync(t);
	if (early > 0) {
		t->doubt = TRACK_DOUBT;
		t->extra += early;
	}
	/* the server read it in copy-in, or after the error: answers differ */
	if (broken ||
	    (early > 0 &&
		(dropped > 1 ||
		    tokens_count(&t->queue, (uint16_t)~SET_OF(END), 2) > 1)))
		lose(t);
	return DONE;
}

/* A statement's end. */
static enum result
on_complete(struct track *t, uint8_t type)
{
	enum token k = front(t);

	if (!is_in(k, EXECS) && (k != QUERY || type == 's'))
		return violation(t);
	if (t->copy == TRACK_COPY_IN || t->copy == TRACK_COPY_BROKEN)
		return violation(t);
	prove(t);
	t->copy = TRACK_COPY_NONE;
	t->early = 0;
	if (k != QUERY)
		answer_front(t);
	return DONE;
}

static enum result
on_step(struct track *t, uint8_t type)
{
	enum token k = front(t);

	if (!is_in(k, STEPS) ||
	    (is_in(k, SET_OF(PARSE) | SET_OF(OWN_PARSE)) && type != '1') ||
	    (k == OWN_CLOSE && type != '3'))
		return violation(t);
	prove(t);
	answer_front(t);
	return DONE;
}

/* An answer that takes nothing away: right only while `ok`. */
static enum result
on_part(struct track *t, bool ok)
{
	if (!ok)
		return violation(t);
	prove(t);
	return DONE;
}

/* The server reads what was sent behind the COPY as a part of it. */
static enum result
on_copy_in(struct track *t)
{
	enum token k = front(t), next;

	if ((k != EXEC && k != QUERY) || t->copy != TRACK_COPY_NONE)
		return violation(t);
	prove(t);
	t->copy = TRACK_COPY_IN;
	pop(t);
	while ((next = front(t)) == SYNC) {
		t->early++;
		pop(t);
	}
	if (next == END) {
		t->copy = TRACK_COPY_ENDING;
		pop(t);
	} else if (next != NOTHING) {
		t->copy = TRACK_COPY_BROKEN;
	}
	/* no Sync is left behind it, and an early one will not end the batch */
	if (k == EXEC && t->owes == 0)
		t->open = true;
	tokens_unpop(&t->queue, k);
	t->owes += wants_ready(k);
	return DONE;
}

static enum result
on_copy_out(struct track *t)
{
	enum token k = front(t);

	if ((k != EXEC && k != QUERY) || t->copy != TRACK_COPY_NONE)
		return violation(t);
	prove(t);
	t->copy = TRACK_COPY_OUT;
	return DONE;
}

/* Messages that may come in doubt as well as out of it; else WAIT. */
static enum result
on_any(struct track *t, uint8_t type, const uint8_t *body, size_t have)
{
	switch (type) {
	case 'A': /* NotificationResponse */
	case 'N':
	case 'S': /* ParameterStatus */
		return DONE;
	case 'E':
		return on_error(t, body, have);
	case 'Z':
		return on_ready(t, body, have);
	case 'K': /* of the login */
	case 'R':
	case 'v':
		return t->status == 0 ? DONE : FAIL;
	case 'W': /* CopyBothResponse: replication */
		return FAIL;
	default:
		return t->doubt == TRACK_LOST ? DONE : WAIT;
	}
}

enum result
track_server(struct track *t, uint8_t type, const uint8_t *body, size_t have)
{
	enum token k = front(t);
	enum result rc;

	t->books_done = t->books_lost = 0;
	t->has_failed = false;
	t->is_own = is_in(k, OWN) && type != 'E' && type != 'A';
	rc = on_any(t, type, body, have);
	if (rc != WAIT)
		return rc;
	switch (type) {
	case '1': /* ParseComplete */
	case '2': /* BindComplete */
	case '3': /* CloseComplete */
	case 'n': /* NoData */
		return on_step(t, type);
	case 'T': /* RowDescription */
		return k == QUERY ? on_part(t, true) : on_step(t, type);
	case 't': /* ParameterDescription; RowDescription or NoData follows */
		return on_part(t, k == STEP);
	case 'D': /* DataRow */
		return on_part(t, k == QUERY || is_in(k, EXECS));
	case 'V': /* FunctionCallResponse */
		return on_part(t, k == CALL);
	case 'C': /* CommandComplete */
	case 'I': /* EmptyQueryResponse */
	case 's': /* PortalSuspended */
		return on_complete(t, type);
	case 'G':
		return on_copy_in(t);
	case 'H':
		return on_copy_out(t);
	case 'c': /* CopyDone; CommandComplete follows */
	case 'd':
		return on_part(t, t->copy == TRACK_COPY_OUT);
	default:
		return FAIL;
	}
}
