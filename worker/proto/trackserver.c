/* trackserver.c - what a server answers: the tokens that this takes away. */
#include "worker/proto/track.h"

#include "worker/proto/report.h"
#include "worker/proto/track_impl.h"

static void
answer_front(struct track *t)
{
	t->books_done += token_is_in(track_front(t), BOOKED);
	track_advance(t);
}

/* --- doubt ---------------------------------------------------------------- */

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
	track_lose(t);
	return DONE;
}

/* --- answers -------------------------------------------------------------- */

static enum result
on_ready(struct track *t, const uint8_t *body, size_t have)
{
	enum token k = track_front(t);
	bool greeting = t->status == 0 && k == NOTHING;

	if (have < 1 || (*body != 'I' && *body != 'T' && *body != 'E'))
		return FAIL;
	if (t->doubt != TRACK_LOST && t->copy != TRACK_COPY_NONE)
		return violation(t);
	if (token_wants_ready(k) && t->late) {
		track_lose(t); /* is it for what was sent late, or on top? */
	} else if (token_wants_ready(k)) {
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

	while (!token_is_in(track_front(t),
	    SET_OF(NOTHING) | SET_OF(SYNC) | SET_OF(OWN_SYNC))) {
		dropped += track_front(t) != END;
		t->books_lost += token_is_in(track_front(t), BOOKED);
		track_pop(t);
	}
	t->skip = track_front(t) == NOTHING;
	return dropped;
}

static enum result
on_error(struct track *t, const uint8_t *body, size_t have)
{
	enum token k = track_front(t);
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
	if (token_is_in(k, STEPS | EXECS))
		dropped = skip_to_sync(t);
	if (early > 0) {
		t->doubt = TRACK_DOUBT;
		t->extra += early;
	}
	/* the server read it in copy-in, or after the error: answers differ */
	if (broken ||
	    (early > 0 &&
		(dropped > 1 || tokens_count(&t->queue, ~SET_OF(END), 2) > 1)))
		track_lose(t);
	return DONE;
}

/* A statement's end. */
static enum result
on_complete(struct track *t, uint8_t type)
{
	enum token k = track_front(t);

	if (!token_is_in(k, EXECS) && (k != QUERY || type == 's'))
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
	enum token k = track_front(t);

	if (!token_is_in(k, STEPS) ||
	    (token_is_in(k, SET_OF(PARSE) | SET_OF(OWN_PARSE)) &&
		type != '1') ||
	    (token_is_in(k, DESCRIBES) && type != 'T' && type != 'n') ||
	    (k == OWN_CLOSE && type != '3'))
		return violation(t);
	prove(t);
	t->is_shape = token_is_in(k, DESCRIBES);
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
	enum token k = track_front(t), next;

	if ((k != EXEC && k != QUERY) || t->copy != TRACK_COPY_NONE)
		return violation(t);
	prove(t);
	t->copy = TRACK_COPY_IN;
	track_pop(t);
	while ((next = track_front(t)) == SYNC) {
		t->early++;
		track_pop(t);
	}
	if (next == END) {
		t->copy = TRACK_COPY_ENDING;
		track_pop(t);
	} else if (next != NOTHING) {
		t->copy = TRACK_COPY_BROKEN;
	}
	/* no Sync is left behind it, and an early one will not end the batch */
	if (k == EXEC && t->owes == 0)
		t->open = true;
	tokens_unpop(&t->queue, k);
	t->owes += token_wants_ready(k);
	return DONE;
}

static enum result
on_copy_out(struct track *t)
{
	enum token k = track_front(t);

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
	enum token k = track_front(t);
	enum result rc;

	t->books_done = t->books_lost = 0;
	t->has_failed = t->is_shape = false;
	t->is_own = token_is_in(k, OWN) && type != 'E' && type != 'A';
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
		t->is_shape = token_is_in(k, DESCRIBES);
		return on_part(t, k == STEP || t->is_shape);
	case 'D': /* DataRow */
		return on_part(t, k == QUERY || token_is_in(k, EXECS));
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
