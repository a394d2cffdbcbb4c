/*
 * relay.c - pass messages between a client and the backend lent to it.
 *
 * Bytes are read into the scratch buffer, walked over in place and sent
 * straight on: one recv(2) and one send(2) a readable event, however many
 * messages it holds.  Only what a slow peer did not take is copied, and then
 * the other side is not read until it has gone.
 *
 *   client -> server   pass.c  walks types and lengths, keeps the books
 *   server -> client   down()  scan.c walks; here statistics and hand-back
 *
 * The backend is given back, at a clean boundary, before the client gets its
 * last bytes: whoever has seen the answer finds the books up to date.
 *
 * Never blocks.
 */
#include "worker/client/client.h"

#include "shm/count.h"
#include "shm/crash.h"
#include "worker/backend/scan.h"
#include "worker/client/ear.h"
#include "worker/client/prepare.h"
#include "worker/client/raise.h"
#include "worker/client/session.h"
#include "worker/client/sqlprep.h"
#include "worker/io/outer.h"
#include "worker/self.h"

enum {
	ROUNDS = 8,    /* reads in a row while the server fills the buffer */
	READY_LEN = 6, /* of a ReadyForQuery */
};

static struct client *
of_lessee(struct lessee *l)
{
	return OUTER_OF(l, struct client, lessee);
}

void
relay_on_bytes(struct client *c)
{
	uint8_t *p;
	size_t len;

	if (!client_recv(c, &p, &len))
		return;
	switch ((enum client_state)c->state) {
	case CLIENT_IDLE:
		want_on_bytes(c, p, len);
		return;
	case CLIENT_LENT:
		pass_up(c, p, len);
		return;
	default:
		/* QUEUED, AUDIT: a little may come ahead, then it must wait */
		if (client_hold(c, p, len) == 0)
			client_rewatch(c);
		return;
	}
}

/* --- from server to client ------------------------------------------------------ */

static void
count_answers(struct client *c, const struct scan *sc)
{
	struct count_block *n = c->lend->count;

	count_add(n, COUNT_QUERIES, sc->readies);
	if (c->query_us != 0)
		count_add(n, COUNT_QUERY_US, loop_now_us - c->query_us);
	c->query_us = track_owes(&c->backend->track) > 0 ? loop_now_us : 0;
	if (sc->idles == 0)
		return;
	count_add(n, COUNT_XACTS, sc->idles);
	if (c->xact_us != 0)
		count_add(n, COUNT_XACT_US, loop_now_us - c->xact_us);
	c->xact_us = c->query_us;
}

/* Statement mode has no transactions over several queries. */
static bool
is_refused_mode(const struct client *c, const struct scan *sc)
{
	return sc->readies > 0 && c->backend->mode == POOL_STATEMENT &&
	    track_tx_status(&c->backend->track) != 'I';
}

static void
hand_back(struct client *c)
{
	struct backend *b = c->backend;

	prepare_end(c);
	c->backend = NULL;
	client_set_state(c, CLIENT_IDLE);
	CRASH_POINT("relay.done");
	backend_give(b);
}

/*
 * Part, if client and backend have no more to do with each other.  Looked at
 * after each answer, and again when the rest of a message has gone out that
 * the server did not wait for (COPY data after the COPY had failed).
 */
void
relay_settle(struct client *c)
{
	struct backend *b = c->backend;

	if (b->mode == POOL_SESSION || b->up_remain > 0 || b->remain > 0 ||
	    buf_len(&b->in) > 0 || c->collect != NULL || backend_is_full(b))
		return;
	if (track_is_clean(&b->track)) {
		if (session_end(c))
			hand_back(c);
	} else if (track_is_spent(&b->track)) {
		prepare_end(c);
		session_lose(c);
		c->backend = NULL;
		b->user = NULL;
		client_set_state(c, CLIENT_IDLE);
		backend_close(b, "its conversation is in doubt");
	}
}

void
relay_done(struct client *c)
{
	hand_back(c);
	if (c->greet != NULL) {
		welcome_tried(c);
		return;
	}
	if (c->ears != NULL)
		ear_deliver(c);
	if (c->state == CLIENT_GONE)
		return;
	want_resume(c);
	client_rewatch(c);
}

/*
 * What we set ahead of the client's query was refused, so the server has
 * skipped the query: it must not run in a state that is not the client's.
 */
static void
refuse_own(struct client *c, const struct scan *sc)
{
	struct err e;

	err_set(&e, sc->error.sqlstate[0] ? sc->error.sqlstate : "08P01",
	    sc->error.message, "session state refused: %s", sc->error.message);
	client_close(c, &e);
}

/*
 * The client's batch is to be run again: of the answer to its first run it
 * gets all but the ReadyForQuery, which is the last when it has come.
 */
static void
down_again(struct client *c, const struct scan *sc)
{
	size_t ready = sc->readies > 0 ? READY_LEN : 0;

	if (sc->has_params)
		want_follow(c);
	if (client_send(c, sc->from, sc->pass - ready) == -1)
		return;
	if (ready > 0)
		prepare_rerun(c);
	client_rewatch(c);
}

static void
down(struct client *c, const struct scan *sc)
{
	if (c->prepare != NULL) {
		if (prepare_is_rerunning(c) &&
		    !track_is_dying(&c->backend->track)) {
			down_again(c, sc);
			return;
		}
		if (sc->pass > 0)
			prepare_answered(c);
	}
	if (sc->readies > 0)
		count_answers(c, sc);
	if (c->prepare != NULL && sqlprep_on_answers(c, sc) == -1)
		return;
	if (sc->has_params)
		want_follow(c);
	if (sc->has_own_failed) {
		refuse_own(c, sc);
		return;
	}
	/* not by sc->error: another may have come before it */
	if (track_is_dying(&c->backend->track))
		c->is_dying = true;
	if (is_refused_mode(c, sc)) {
		c->is_dying |= sc->is_inside;
		client_fail(c, "08P01",
		    "transaction blocks not allowed in statement pooling mode");
		return;
	}
	if (sc->tags != 0 || sc->has_error)
		session_on_tags(c, sc->tags, sc->has_error);
	if (c->state == CLIENT_GONE)
		return;
	relay_settle(c);
	if (c->state == CLIENT_GONE)
		return;
	if (client_send(c, sc->from, sc->pass) == 0 && c->ears != NULL)
		ear_deliver(c);
	if (c->prepare != NULL)
		(void)prepare_wake(c);
}

static void
on_readable(struct lessee *l, struct backend *b)
{
	struct client *c = of_lessee(l);

	for (int i = 0; i < ROUNDS; i++) {
		struct scan sc;
		const char *why;
		enum result r = scan_recv(b, &sc, &why);

		if (r == FAIL)
			backend_close(b, "%s", why);
		if (r != DONE)
			return;
		if (c->state == CLIENT_AUDIT) {
			session_on_answer(c, b, &sc);
			return;
		}
		down(c, &sc);
		/* go on only while it is still lent, fast, and has filled the
		   buffer: then there is surely more */
		if (c->state != CLIENT_LENT || c->backend != b ||
		    buf_len(&c->out) > 0 ||
		    sc.received < SELF_SCRATCH - SELF_HOLD)
			return;
	}
}

static void
on_drained(struct lessee *l, struct backend *b)
{
	struct client *c = of_lessee(l);

	(void)b;
	if (c->state == CLIENT_LENT)
		relay_settle(c);
	if (c->ears != NULL)
		ear_deliver(c);
	client_rewatch(c);
}

static void
on_books(struct lessee *l, struct backend *b, enum books what)
{
	(void)b;
	prepare_on_books(of_lessee(l), what);
}

static size_t
on_error(
    struct lessee *l, const struct lessee_error *e, uint8_t *out, size_t room)
{
	size_t n = raise_on_error(e, out, room);

	return n > 0 ? n : prepare_on_error(of_lessee(l), e, out, room);
}

static void
on_gone(struct lessee *l, const struct err *e)
{
	struct client *c = of_lessee(l);

	/* an error in the middle of a message would be read as its body */
	if (c->state == CLIENT_LENT && c->backend->remain > 0)
		c->is_dying = true;
	c->backend = NULL;
	/* a server that said FATAL has told the client why */
	client_close(c, e);
}

void
relay_init(struct client *c)
{
	c->lessee.on_readable = on_readable;
	c->lessee.on_drained = on_drained;
	c->lessee.on_gone = on_gone;
	c->lessee.on_books = on_books;
	c->lessee.on_error = on_error;
}
