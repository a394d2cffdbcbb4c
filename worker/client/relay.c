/*
 * relay.c - pass messages between a client and the backend lent to it.
 *
 * Bytes are read into the scratch buffer, walked over in place and sent
 * straight on: one recv(2) and one send(2) a readable event, however many
 * messages it holds.  Only what a slow peer did not take is copied, and then
 * the other side is not read until it has gone.
 *
 *   client -> server   up()     walks types and lengths, keeps the books
 *   server -> client   down()   scan.c walks; here statistics and hand-back
 *
 * The backend is given back, at a clean boundary, before the client gets its
 * last bytes: whoever has seen the answer finds the books up to date.
 *
 * Never blocks.
 */
#include "worker/client/client.h"

#include <errno.h>
#include <string.h>

#include "conf/compat.h"
#include "shm/count.h"
#include "shm/crash.h"
#include "worker/backend/params.h"
#include "worker/backend/scan.h"
#include "worker/io/outer.h"
#include "worker/proto/report.h"
#include "worker/self.h"

enum {
	SYNC_MAX = 4 * SLOT_PARAMS, /* bytes of a Query with all SETs */
	ROUNDS = 8, /* reads in a row while the server fills the buffer */
};

static void up(struct client *c, const uint8_t *p, size_t len);
static void settle(struct client *c);

static struct client *
of_waiter(struct waiter *w)
{
	return OUTER_OF(w, struct client, waiter);
}

static struct client *
of_lessee(struct lessee *l)
{
	return OUTER_OF(l, struct client, lessee);
}

/* --- from client to server --------------------------------------------------- */

static bool
is_known(uint8_t type)
{
	return type != 0 && strchr("QPBDECHSFdcfX", type) != NULL;
}

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

/*
 * Walk over what a client with a backend has sent, and pass it on.  What is
 * no whole header is kept; a message that nobody may get is dropped.
 */
static void
up(struct client *c, const uint8_t *p, size_t len)
{
	const uint8_t *at = p, *from = p, *end = p + len;
	struct backend *b = c->backend;
	uint32_t max = (uint32_t)self.conf->max_packet_size;

	while (at < end) {
		size_t left = (size_t)(end - at), n;
		struct frame f;
		enum result r;

		if (b->up_remain > 0 || c->drop_remain > 0) {
			uint32_t *rest =
			    b->up_remain > 0 ? &b->up_remain : &c->drop_remain;

			n = *rest < left ? *rest : left;
			if (rest == &c->drop_remain)
				from = at + n;
			*rest -= (uint32_t)n;
			at += n;
			continue;
		}
		r = frame_parse(at, left, max, &f);
		if (r == WAIT) {
			if (client_hold(c, at, left) == -1)
				return;
			break;
		}
		/* what ends here goes on first: the books say that it has */
		if (r == FAIL || !is_known(f.type)) {
			if (forward(c, from, at) == 0)
				client_fail(c, "08P01",
				    r == FAIL
					? "invalid message length"
					: "invalid frontend message type");
			return;
		}
		if (f.type == 'X') {
			if (forward(c, from, at) == 0)
				client_close(c, NULL);
			return;
		}
		if (track_is_stray(&b->track, f.type)) {
			if (forward(c, from, at) == -1)
				return;
			c->drop_remain = f.body;
			at += FRAME_HEAD;
			from = at;
			continue;
		}
		if (track_client(&b->track, f.type) == -1) {
			if (forward(c, from, at) == 0)
				client_fail(c, "54000",
				    "too many requests are outstanding");
			return;
		}
		count_message(c, f.type);
		b->up_remain = f.body;
		at += FRAME_HEAD;
	}
	if (forward(c, from, at) == -1)
		return;
	if (backend_is_full(b))
		client_rewatch(c);
	else
		settle(c);
}

/* A backend has been lent, and the parameters are as the client wants. */
static void
begin(struct client *c)
{
	struct buf stash = c->in;

	client_set_state(c, CLIENT_LENT);
	memset(&c->in, 0, sizeof(c->in));
	up(c, stash.p + stash.from, buf_len(&stash));
	buf_wipe(&stash);
	client_rewatch(c);
}

static bool
is_in_sync(const struct client *c)
{
	const struct slot_info *info = backend_info(c->backend);

	return c->params->len == info->params_len &&
	    memcmp(c->params->text, info->params, c->params->len) == 0;
}

/* Set what differs first: true if that is under way. */
static bool
sync_params(struct client *c)
{
	const struct slot_info *info = backend_info(c->backend);
	uint8_t bytes[SYNC_MAX];
	struct wire w;

	if (is_in_sync(c))
		return false;
	wire_init(&w, bytes, sizeof(bytes));
	if (params_sync(&w, info->params, info->params_len, c->params->text,
		c->params->len) == 0)
		return false;
	client_set_state(c, CLIENT_SYNC);
	if (w.full || track_client(&c->backend->track, 'Q') == -1 ||
	    backend_send(c->backend, bytes, w.len) == -1)
		backend_close(c->backend, "parameters could not be set");
	return true;
}

static void
take(struct client *c, struct backend *b)
{
	struct slot *s = slot_at(b->slot);

	backend_lend(b, &c->lessee);
	c->backend = b;
	atomic_store_explicit(
	    &s->client, (uint64_t)c->row + 1, memory_order_relaxed);
	CRASH_POINT("relay.lent");
}

static void
on_ready(struct waiter *w, struct backend *b)
{
	struct client *c = of_waiter(w);

	take(c, b);
	if (!sync_params(c))
		begin(c);
}

static void
on_error(struct waiter *w, const struct err *e)
{
	client_close(of_waiter(w), e);
}

/* Bytes of a client without a backend: throw away what PostgreSQL would
 * ignore, say goodbye, or find a backend. */
static void
want(struct client *c, const uint8_t *p, size_t len)
{
	struct frame f;
	struct backend *b;
	struct err e;
	bool failed;

	for (;;) {
		size_t n = c->drop_remain < len ? c->drop_remain : len;

		c->drop_remain -= (uint32_t)n;
		p += n;
		len -= n;
		switch (frame_parse(
		    p, len, (uint32_t)self.conf->max_packet_size, &f)) {
		case WAIT:
			if (len > 0)
				(void)client_hold(c, p, len);
			return;
		case FAIL:
			client_fail(c, "08P01", "invalid message length");
			return;
		case DONE:
			break;
		}
		if (f.type == 0 || strchr("dcfH", f.type) == NULL)
			break;
		c->drop_remain = f.body;
		p += FRAME_HEAD;
		len -= FRAME_HEAD;
	}
	if (f.type == 'X') {
		client_close(c, NULL);
		return;
	}
	if (!is_known(f.type)) {
		client_fail(c, "08P01", "invalid frontend message type");
		return;
	}
	c->query_us = c->xact_us = loop_now_us;
	c->waiter.on_ready = on_ready;
	c->waiter.on_error = on_error;
	b = lend_take(c->lend, &c->waiter, &failed, &e);
	if (b == NULL && failed) {
		client_close(c, &e);
		return;
	}
	if (b == NULL) {
		if (client_hold(c, p, len) == 0) {
			client_set_state(c, CLIENT_QUEUED);
			client_rewatch(c);
		}
		return;
	}
	take(c, b);
	if (is_in_sync(c)) {
		client_set_state(c, CLIENT_LENT);
		up(c, p, len);
		return;
	}
	if (client_hold(c, p, len) == 0 && !sync_params(c))
		begin(c);
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
		want(c, p, len);
		return;
	case CLIENT_LENT:
		up(c, p, len);
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

/* The server has reported parameters: these are what the client has set. */
static void
follow_params(struct client *c)
{
	const struct slot_info *info = backend_info(c->backend);
	struct params_edit e;
	struct params *p;

	params_edit_copy(&e, info->params, info->params_len);
	params_edit_fill(&e, c->params->text, c->params->len);
	p = params_intern(&e);
	if (p == NULL)
		return; /* no memory: it keeps what it had */
	params_drop(c->params);
	c->params = p;
	relay_show_app(c);
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
		follow_params(c);
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

/* The answer to our own SETs. */
static void
on_synced(struct client *c, struct backend *b, const struct scan *sc)
{
	struct err e;

	if (sc->has_error) {
		err_set(&e,
		    sc->error.sqlstate[0] ? sc->error.sqlstate : "08P01",
		    sc->error.message, "parameter refused: %s",
		    sc->error.message);
		client_close(c, &e);
		return;
	}
	if (!scan_is_boundary(b))
		return;
	/* as the server spells them: else they would differ for ever */
	follow_params(c);
	begin(c);
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
			on_synced(c, b, &sc);
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

void
relay_resume(struct client *c)
{
	struct buf stash = c->in;

	if (buf_len(&stash) == 0)
		return;
	memset(&c->in, 0, sizeof(c->in));
	want(c, stash.p + stash.from, buf_len(&stash));
	buf_wipe(&stash);
	/* it may have been too much to go on reading */
	client_rewatch(c);
}

/*
 * PostgreSQL would answer the query with an error and go on.  We have not
 * looked at what it sent, so we do not know how many answers it expects: the
 * connection ends with the error.
 */
void
relay_cancel_queued(struct client *c)
{
	client_fail(c, "57014", "canceling statement due to user request");
}

void
relay_show_app(struct client *c)
{
	const char *name = params_value(
	    c->params->text, c->params->len, params_find("application_name"));
	struct clientrow_info i;

	if (!clientrow_info_look(c->row, &i))
		return;
	compat_strlcpy(
	    i.app_name, name == NULL ? "" : name, sizeof(i.app_name));
	clientrow_info_write(c->row, &i);
}
