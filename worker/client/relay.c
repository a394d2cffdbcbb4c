/*
 * relay.c - pass messages between a client and the backend lent to it.
 *
 * Bytes are read into the scratch buffer, walked over in place and sent
 * straight on: one recv(2) and one send(2) a readable event, however many
 * messages it holds.  Only what a slow peer did not take is copied, and then
 * the other side is not read until it has gone.
 *
 *   client -> server   relay_up()  walks types and lengths, keeps the books
 *   server -> client   down()      scan.c walks; here statistics and hand-back
 *
 * The backend is given back, at a clean boundary, before the client gets its
 * last bytes: whoever has seen the answer finds the books up to date.
 *
 * Never blocks.
 */
#include "worker/client/client.h"

#include <errno.h>

#include "shm/count.h"
#include "shm/crash.h"
#include "worker/backend/scan.h"
#include "worker/io/outer.h"
#include "worker/self.h"

enum { ROUNDS = 8 }; /* reads in a row while the server fills the buffer */

static void settle(struct client *c);

static struct client *
of_lessee(struct lessee *l)
{
	return OUTER_OF(l, struct client, lessee);
}

/* --- from client to server --------------------------------------------------- */

static void
count_message(struct client *c, uint8_t type)
{
	if (c->query_us == 0)
		c->query_us = loop_now_us;
	if (c->xact_us == 0)
		c->xact_us = loop_now_us;
	if (type == 'P')
		count_add(c->lend->count, COUNT_CLIENT_PARSES, 1);
	else if (type == 'B')
		count_add(c->lend->count, COUNT_BINDS, 1);
}

static int
forward(struct client *c, const uint8_t *from, const uint8_t *to)
{
	if (from == to ||
	    backend_send(c->backend, from, (size_t)(to - from)) == 0)
		return 0;
	backend_close(c->backend, "write to server failed");
	return -1; /* on_gone has closed the client */
}

/* What becomes of a client's message. */
enum verdict { PASS, DROP, END };

/*
 * Look at the header of the next message; what stands before it has to go on
 * first if this one does not, since the books say that it has.  `why` is what
 * the client is told at END; NULL: it says goodbye itself.
 */
static enum verdict
judge(struct client *c, const struct frame *f, const char **sqlstate,
    const char **why)
{
	struct track *t = &c->backend->track;

	*sqlstate = "08P01";
	*why = NULL;
	if (f->type == 'X')
		return END;
	if (!frame_is_request(f->type)) {
		*why = "invalid frontend message type";
		return END;
	}
	if (track_is_stray(t, f->type))
		return DROP;
	if (track_client(t, f->type) == -1) {
		*sqlstate = "54000";
		*why = "too many requests are outstanding";
		return END;
	}
	count_message(c, f->type);
	return PASS;
}

static void
end(struct client *c, const char *sqlstate, const char *why)
{
	if (why == NULL)
		client_close(c, NULL);
	else
		client_fail(c, sqlstate, why);
}

/* The body of a message that was begun: bytes of [at, at + left) in it. */
static size_t
body_bytes(struct client *c, size_t left)
{
	uint32_t *rest = c->backend->up_remain > 0 ? &c->backend->up_remain
						   : &c->drop_remain;
	size_t n = *rest < left ? *rest : left;

	*rest -= (uint32_t)n;
	return n;
}

/*
 * Walk over what a client with a backend has sent, and pass it on.  What is
 * no whole header is kept; a message that nobody may get is dropped.
 */
void
relay_up(struct client *c, const uint8_t *p, size_t len)
{
	const uint8_t *at = p, *from = p, *stop = p + len;
	uint32_t max = (uint32_t)self.conf->max_packet_size;
	const char *sqlstate = "08P01", *why;
	struct backend *b = c->backend;
	struct frame f;

	while (at < stop) {
		size_t left = (size_t)(stop - at);
		enum verdict v = END;
		enum result r;

		if (b->up_remain > 0 || c->drop_remain > 0) {
			bool is_passed = b->up_remain > 0;

			at += body_bytes(c, left);
			if (!is_passed)
				from = at;
			continue;
		}
		r = frame_parse(at, left, max, &f);
		if (r == WAIT) {
			if (client_hold(c, at, left) == -1)
				return;
			break;
		}
		why = "invalid message length";
		if (r == DONE)
			v = judge(c, &f, &sqlstate, &why);
		if (v != PASS && forward(c, from, at) == -1)
			return;
		if (v == END) {
			end(c, sqlstate, why);
			return;
		}
		at += FRAME_HEAD;
		if (v == PASS) {
			b->up_remain = f.body;
		} else {
			c->drop_remain = f.body;
			from = at;
		}
	}
	if (forward(c, from, at) == -1)
		return;
	if (backend_is_full(b))
		client_rewatch(c);
	else
		settle(c);
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
		relay_up(c, p, len);
		return;
	default:
		/* QUEUED, SYNC: a little may come ahead, then it must wait */
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
	return sc->readies > 0 && c->lend->set.pool_mode == POOL_STATEMENT &&
	    track_tx_status(&c->backend->track) != 'I';
}

static void
hand_back(struct client *c)
{
	struct backend *b = c->backend;

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
static void
settle(struct client *c)
{
	struct backend *b = c->backend;

	if (c->lend->set.pool_mode == POOL_SESSION || b->up_remain > 0 ||
	    b->remain > 0 || buf_len(&b->in) > 0 || backend_is_full(b))
		return;
	if (track_is_clean(&b->track)) {
		hand_back(c);
	} else if (track_is_spent(&b->track)) {
		c->backend = NULL;
		b->user = NULL;
		client_set_state(c, CLIENT_IDLE);
		backend_close(b, "its conversation is in doubt");
	}
}

static void
down(struct client *c, const uint8_t *p, const struct scan *sc)
{
	if (sc->readies > 0)
		count_answers(c, sc);
	if (sc->has_params)
		want_follow(c);
	/* not by sc->error: another may have come before it */
	if (track_is_dying(&c->backend->track))
		c->is_dying = true;
	if (is_refused_mode(c, sc)) {
		c->is_dying |= sc->is_inside;
		client_fail(c, "08P01",
		    "transaction blocks not allowed in statement pooling mode");
		return;
	}
	settle(c);
	(void)client_send(c, p, sc->pass);
}

static void
on_readable(struct lessee *l, struct backend *b)
{
	struct client *c = of_lessee(l);

	for (int i = 0; i < ROUNDS; i++) {
		struct scan sc;
		uint8_t *p;
		size_t len;
		ssize_t n = backend_recv(b, &p, &len);

		if (n == -1 && buf_is_later(errno))
			return;
		if (n <= 0) {
			backend_close(
			    b, "server closed the connection unexpectedly");
			return;
		}
		if (scan_run(b, p, len, &sc) == -1) {
			backend_close(b, "server broke the protocol");
			return;
		}
		if (c->state == CLIENT_SYNC) {
			want_on_synced(c, b, &sc);
			return;
		}
		down(c, p, &sc);
		/* go on only while it is still lent, fast, and has filled the
		   buffer: then there is surely more */
		if (c->state != CLIENT_LENT || c->backend != b ||
		    buf_len(&c->out) > 0 ||
		    (size_t)n < SELF_SCRATCH - SELF_HOLD)
			return;
	}
}

static void
on_drained(struct lessee *l, struct backend *b)
{
	struct client *c = of_lessee(l);

	(void)b;
	if (c->state == CLIENT_LENT)
		settle(c);
	client_rewatch(c);
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
}
