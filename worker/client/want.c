/*
 * want.c - from the first byte of a query to a backend that is fit for it.
 *
 *   IDLE -> QUEUED -> LENT    QUEUED: none was idle
 *       `-----------^
 *
 * A client's parameters are a set that many clients share (params.h).  What
 * the server reports while it serves a client is what that client has set,
 * and follows it to its next backend, where it goes ahead of the query
 * (session.h).
 *
 * Never blocks.
 */
#include "worker/client/client.h"

#include <string.h>

#include "conf/compat.h"
#include "shm/crash.h"
#include "worker/backend/intern.h"
#include "worker/backend/params.h"
#include "worker/client/prepare.h"
#include "worker/client/session.h"
#include "worker/io/outer.h"
#include "worker/self.h"

/* --- parameters ---------------------------------------------------------- */

void
want_show_app(struct client *c)
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

/* The server has reported parameters: these are what the client has set. */
void
want_follow(struct client *c)
{
	const struct slot_info *info = backend_info(c->backend);
	struct params_edit e;
	struct interned *p;

	params_edit_copy(&e, info->params, info->params_len);
	params_edit_fill(&e, c->params->text, c->params->len);
	p = params_intern(&e);
	if (p == NULL)
		return; /* no memory: it keeps what it had */
	intern_drop(c->params);
	c->params = p;
	want_show_app(c);
}

/* --- a backend ----------------------------------------------------------- */

/* A backend has been lent, and what it lacks is on its way. */
static void
begin(struct client *c)
{
	client_set_state(c, CLIENT_LENT);
	client_unhold(c, pass_up);
	client_rewatch(c);
}

/* In session mode its statements and channels would not be followed. */
static bool
is_followed(const struct client *c)
{
	return c->ears != NULL || (c->prepare != NULL && prepare_has_any(c));
}

void
want_take(struct client *c, struct backend *b)
{
	struct slot *s = slot_at(b->slot);

	backend_lend(b, &c->lessee);
	if (b->mode == POOL_SESSION && is_followed(c))
		b->mode = POOL_TRANSACTION; /* it began in that */
	c->backend = b;
	c->has_sent = false;
	prepare_begin(c);
	atomic_store_explicit(
	    &s->client, (uint64_t)c->row + 1, memory_order_relaxed);
	CRASH_POINT("want.lent");
}

static void
on_ready(struct waiter *w, struct backend *b)
{
	struct client *c = OUTER_OF(w, struct client, waiter);

	want_take(c, b);
	if (session_begin(c) == 0)
		begin(c);
}

static void
on_error(struct waiter *w, const struct err *e)
{
	client_close(OUTER_OF(w, struct client, waiter), e);
}

/*
 * Past what PostgreSQL would ignore, to the header of the first request in
 * [*p, *p + *len).  WAIT: there is none yet; FAIL: the client is closed.
 */
static enum result
find_request(struct client *c, const uint8_t **p, size_t *len, struct frame *f)
{
	uint32_t max = (uint32_t)self.conf->max_packet_size;

	for (;;) {
		size_t n = c->drop_remain < *len ? c->drop_remain : *len;

		c->drop_remain -= (uint32_t)n;
		*p += n;
		*len -= n;
		switch (frame_parse(*p, *len, max, f)) {
		case WAIT:
			return WAIT;
		case FAIL:
			client_fail(c, "08P01", "invalid message length");
			return FAIL;
		case DONE:
			break;
		}
		if (f->type == 0 || strchr("dcfH", f->type) == NULL)
			return DONE;
		c->drop_remain = f->body;
		*p += FRAME_HEAD;
		*len -= FRAME_HEAD;
	}
}

/* Bytes of a client without a backend: it says goodbye, or needs one. */
void
want_on_bytes(struct client *c, const uint8_t *p, size_t len)
{
	enum result r;
	struct frame f;
	struct backend *b;
	struct err e;
	bool failed;

	r = find_request(c, &p, &len, &f);
	if (r == WAIT && len > 0)
		(void)client_hold(c, p, len);
	if (r != DONE)
		return;
	if (f.type == 'X') {
		client_close(c, NULL);
		return;
	}
	if (!frame_is_request(f.type)) {
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
	want_take(c, b);
	if (session_begin(c) == -1)
		return;
	client_set_state(c, CLIENT_LENT);
	pass_up(c, p, len);
}

void
want_resume(struct client *c)
{
	if (buf_len(&c->in) == 0)
		return;
	client_unhold(c, want_on_bytes);
	/* it may have been too much to go on reading */
	client_rewatch(c);
}

/*
 * PostgreSQL would answer the query with an error and go on.  We have not
 * looked at what it sent, so we do not know how many answers it expects: the
 * connection ends with the error.
 */
void
want_cancel(struct client *c)
{
	client_fail(c, "57014", "canceling statement due to user request");
}
