/*
 * clean.c - make a backend fit for others when its client has gone.
 *
 * Data: the backend's own.  Never blocks.
 */
#include "worker/backend/clean.h"

#include "shm/crash.h"
#include "shm/segment.h"
#include "shm/stmts.h"
#include "worker/backend/backend.h"
#include "worker/backend/cancel.h"
#include "worker/backend/scan.h"
#include "worker/proto/say.h"
#include "worker/self.h"

enum {
	AGAIN_US = 20000, /* the first pause between two cancels; it doubles */
	OWN_BYTES = 128,  /* all messages of our own that are sent at once */
};

static void
give_up(struct backend *b, const char *why)
{
	backend_close(b, "client disconnected while in use: %s", why);
}

/* --- questions ----------------------------------------------------------- */

/* Why the books cannot tell any more when it is clean; NULL: they can. */
static const char *
doubt(const struct backend *b)
{
	const struct track *t = &b->track;

	if (track_is_dying(t))
		return "server says goodbye";
	if (t->doubt != TRACK_SURE || t->copy == TRACK_COPY_BROKEN)
		return "its conversation is in doubt";
	return NULL;
}

/* Why it cannot be made clean from here; NULL: it may. */
static const char *
hindrance(const struct backend *b, bool is_lost)
{
	if (b->up_remain > 0)
		return "half a message was sent";
	/* nobody has asked for it: who knows whether the rest will come */
	if (b->track.queue.len == 0 && (b->remain > 0 || buf_len(&b->in) > 0))
		return "half a message was read";
	/* it must not begin what nobody waits for; a COPY's data it ignores */
	if (is_lost && backend_is_full(b) && !track_is_copy_in(&b->track))
		return "requests were not taken yet";
	if (is_lost && b->track.queue.len > 0 && backend_info(b)->key_len == 0)
		return "it has no cancel key";
	if (atomic_load(&seg->stopping) == SEG_NOW)
		return "shutting down";
	return doubt(b);
}

/* The server owes nothing, and waits for nothing; maybe in a transaction. */
static bool
is_answered(const struct backend *b)
{
	const struct track *t = &b->track;

	return b->remain == 0 && buf_len(&b->in) == 0 && !backend_is_full(b) &&
	    t->queue.len == 0 && !t->open && !t->skip &&
	    t->copy == TRACK_COPY_NONE;
}

/* --- messages of our own --------------------------------------------------- */

/* The messages that were put, one letter each; false: the books refuse. */
static bool
book(struct backend *b, const char *types)
{
	for (; *types != '\0'; types++)
		if (track_client(&b->track, (uint8_t)*types) == -1)
			return false;
	return true;
}

static bool
add_query(struct backend *b, struct wire *w, const char *query)
{
	say_query(w, query);
	return book(b, "Q");
}

static bool
add_copy_fail(struct backend *b, struct wire *w)
{
	wire_begin(w, 'f');
	wire_str(w, "client has gone");
	wire_end(w);
	return book(b, "f");
}

/* Sync alone would commit what came before it in the batch. */
static bool
add_batch_end(struct backend *b, struct wire *w)
{
	say_command(w, "ROLLBACK");
	wire_begin(w, 'S');
	wire_end(w);
	return book(b, "PBES");
}

/* End what waits for the client; nothing to do where nothing does. */
static bool
end_requests(struct backend *b)
{
	uint8_t bytes[OWN_BYTES];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	if (track_is_copy_in(&b->track) && !add_copy_fail(b, &w))
		return false;
	/* it skips a Query, too, when what was set ahead of that has failed */
	if ((b->track.open || track_is_skipping(&b->track)) &&
	    !add_batch_end(b, &w))
		return false;
	return w.len == 0 || (!w.full && backend_send(b, bytes, w.len) == 0);
}

/* --- phases ---------------------------------------------------------------- */

static void
enter(struct backend *b, enum clean_phase phase, uint64_t ms)
{
	b->clean.phase = (uint8_t)phase;
	b->clean.bytes = 0;
	b->clean.until_us = loop_now_us + ms * 1000;
	if (deadline_set(&b->deadline, b->clean.until_us) == -1)
		give_up(b, "out of memory");
}

static uint64_t
wait_ms(void)
{
	int64_t ms = self.conf->cancel_wait_timeout_ms;

	return ms > 0 ? (uint64_t)ms : CLEAN_WAIT_MS;
}

/* When to look whether it needs another cancel. */
static void
plan_cancel(struct backend *b, uint64_t pause_us)
{
	uint64_t at_us = loop_now_us + pause_us;

	b->clean.pause_us = pause_us;
	if (at_us > b->clean.until_us)
		at_us = b->clean.until_us;
	if (deadline_set(&b->deadline, at_us) == -1)
		give_up(b, "out of memory");
}

static void
cancel(struct backend *b)
{
	enter(b, CLEAN_CANCEL, wait_ms());
	if (b->state != BACKEND_CLEANING)
		return;
	plan_cancel(b, AGAIN_US);
	if (b->state == BACKEND_CLEANING)
		cancel_send(b, -1);
}

static void
discard(struct backend *b)
{
	uint8_t bytes[OWN_BYTES];
	struct wire w;

	enter(b, CLEAN_DISCARD, wait_ms());
	if (b->state != BACKEND_CLEANING)
		return;
	CRASH_POINT("clean.discard");
	wire_init(&w, bytes, sizeof(bytes));
	/* not in one query: that would be a transaction, too */
	if ((track_tx_status(&b->track) != 'I' &&
		!add_query(b, &w, "ROLLBACK")) ||
	    !add_query(b, &w, "DISCARD ALL") || w.full ||
	    backend_send(b, bytes, w.len) == -1)
		give_up(b, "DISCARD ALL could not be sent");
}

/*
 * DISCARD ALL has been answered.  The parameters in slot_info have followed
 * what the server reported; other books of what a session leaves at the
 * server are emptied here.
 */
static void
on_discarded(struct backend *b)
{
	struct stmts *prepared = stmts_of(b->slot, b->gen);

	if (prepared != NULL)
		stmts_clear(prepared);
	backend_vars(b, 0);
	deadline_clear(&b->deadline);
	CRASH_POINT("clean.over");
	backend_give(b);
}

/* Too long, or too much. */
static void
escalate(struct backend *b, const char *why)
{
	if (b->clean.phase == CLEAN_FINISH && backend_info(b)->key_len > 0)
		cancel(b);
	else
		give_up(b, why);
}

void
clean_on_progress(struct backend *b)
{
	const char *why = doubt(b);

	if (why == NULL && !end_requests(b))
		why = "write to server failed";
	if (why != NULL)
		give_up(b, why);
	else if (!is_answered(b) || b->cancels > 0)
		return;
	else if (b->clean.phase == CLEAN_DISCARD)
		on_discarded(b);
	else
		discard(b);
}

void
clean_start(struct backend *b, bool is_lost)
{
	const char *why = hindrance(b, is_lost);
	bool is_running = b->track.queue.len > 0;

	b->user = NULL;
	atomic_store_explicit(
	    &slot_at(b->slot)->client, 0, memory_order_relaxed);
	if (why == NULL && !end_requests(b))
		why = "write to server failed";
	if (why != NULL) {
		give_up(b, why);
		return;
	}
	b->state = BACKEND_CLEANING;
	CRASH_POINT("clean.start");
	backend_want_read(b, true);
	if (is_lost && is_running)
		cancel(b);
	else
		enter(b, CLEAN_FINISH, CLEAN_FINISH_MS);
	if (b->state == BACKEND_CLEANING)
		clean_on_progress(b);
}

/* --- events ---------------------------------------------------------------- */

void
clean_on_readable(struct backend *b)
{
	struct scan sc;
	const char *why;
	enum result r = scan_recv(b, &sc, &why);

	if (r == FAIL)
		give_up(b, why);
	if (r != DONE)
		return;
	if (b->clean.phase == CLEAN_DISCARD && sc.has_error) {
		give_up(b, "DISCARD ALL failed");
		return;
	}
	/* until a cancel has arrived there is no telling how many are right */
	if (b->cancels == 0)
		b->clean.bytes += (uint32_t)sc.received;
	if (b->clean.bytes > CLEAN_BYTES && !is_answered(b)) {
		escalate(b, "too many answers");
		return;
	}
	/* another query of a pipeline may be running now */
	if (b->clean.phase == CLEAN_CANCEL && sc.readies > 0)
		plan_cancel(b, AGAIN_US);
	if (b->state == BACKEND_CLEANING)
		clean_on_progress(b);
}

void
clean_on_deadline(struct backend *b)
{
	if (loop_now_us >= b->clean.until_us) {
		escalate(b, "not clean in time");
		return;
	}
	plan_cancel(b, b->clean.pause_us * 2);
	if (b->state == BACKEND_CLEANING && b->cancels == 0 && !is_answered(b))
		cancel_send(b, -1);
}
