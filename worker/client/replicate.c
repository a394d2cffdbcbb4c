#include "worker/client/replicate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "shm/cancelkey.h"
#include "shm/count.h"
#include "shm/crash.h"
#include "worker/backend/dedicate.h"
#include "worker/client/greet.h"
#include "worker/io/outer.h"
#include "worker/proto/report.h"
#include "worker/self.h"

enum {
	WELCOME_MAX = 2 * POOL_GREETING + 1024,
	ROUNDS = 8, /* reads in a row while the server fills the buffer */
};

int
replicate_take(struct client *c, const struct startup *s, struct err *e)
{
	struct dedicate *own = &c->greet->own;
	uint32_t flag = s->replication == STARTUP_LOGICAL ? CLIENTROW_LOGICAL
							  : CLIENTROW_PHYSICAL;

	if (c->greet->is_console)
		return err_set(e, "0A000", "the console does not replicate",
		    "the console does not replicate");
	own->params = malloc(s->params_len + 1);
	if (own->params == NULL)
		return err_set(e, "53200", "out of memory", "out of memory");
	memcpy(own->params, s->params, s->params_len);
	own->params_len = s->params_len;
	own->kind = s->replication;
	atomic_fetch_or(&clientrow_at(c->row)->flags, flag);
	return 0;
}

/* --- from client to server ---------------------------------------------------- */

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
 * The books of such a backend are one bit: 'I', nothing runs, or 0.  It is
 * what decides whether it is cancelled when its client has gone.
 */
static void
note_request(struct backend *b, uint8_t type)
{
	if (type != 'd' && track_tx_status(&b->track) != 0)
		track_init(&b->track, 0);
}

/* The next header at `at`.  WAIT: it is not whole.  FAIL: the client is done,
 * and closed. */
static enum result
judge(struct client *c, const uint8_t *at, size_t left, struct frame *f)
{
	enum result r =
	    frame_parse(at, left, (uint32_t)self.conf->max_packet_size, f);

	if (r == FAIL)
		client_fail(c, "08P01", "invalid message length");
	if (r != DONE)
		return r;
	if (f->type == 'X') {
		client_close(c, NULL);
		return FAIL;
	}
	if (frame_is_request(f->type))
		return DONE;
	client_fail(c, "08P01", "invalid frontend message type");
	return FAIL;
}

static void
up(struct client *c, const uint8_t *p, size_t len)
{
	const uint8_t *at = p, *stop = p + len;
	struct backend *b = c->backend;
	struct frame f;

	while (at < stop) {
		size_t left = (size_t)(stop - at);
		enum result r;

		if (b->up_remain > 0) {
			size_t n = b->up_remain < left ? b->up_remain : left;

			b->up_remain -= (uint32_t)n;
			at += n;
			continue;
		}
		/* what stands before it goes first, whatever this one is */
		if (left < FRAME_HEAD || *at == 'X') {
			if (forward(c, p, at) == -1)
				return;
			p = at;
		}
		r = judge(c, at, left, &f);
		if (r == FAIL || (r == WAIT && client_hold(c, at, left) == -1))
			return;
		if (r == WAIT)
			break;
		note_request(b, f.type);
		b->up_remain = f.body;
		at += FRAME_HEAD;
	}
	if (forward(c, p, at) == 0 && backend_is_full(b))
		client_rewatch(c);
}

void
replicate_on_bytes(struct client *c)
{
	uint8_t *p;
	size_t len;

	if (client_recv(c, &p, &len))
		up(c, p, len);
}

/* --- from server to client ------------------------------------------------------ */

static bool
is_last_word(const uint8_t *body, size_t len)
{
	struct report r;

	(void)report_parse(body, len, &r);
	return report_is_fatal(&r);
}

/* Bytes of `p` to pass on; a header that is not whole is held back.  -1: that
 * is no server. */
static ssize_t
walk(struct client *c, const uint8_t *p, size_t len)
{
	struct backend *b = c->backend;
	size_t at = 0;
	struct frame f;

	while (at < len) {
		size_t left = len - at;

		if (b->remain > 0) {
			size_t n = b->remain < left ? b->remain : left;

			b->remain -= (uint32_t)n;
			at += n;
			continue;
		}
		switch (frame_parse(p + at, left, FRAME_MAX, &f)) {
		case WAIT:
			if (backend_hold(b, p + at, left) == -1)
				return -1;
			return (ssize_t)at;
		case FAIL:
			return -1;
		case DONE:
			break;
		}
		at += FRAME_HEAD;
		b->remain = f.body;
		left -= FRAME_HEAD;
		if (f.type == 'Z')
			track_init(&b->track, 'I');
		else if (f.type == 'E' &&
		    is_last_word(p + at, left < f.body ? left : f.body))
			c->is_dying = true;
	}
	return (ssize_t)at;
}

static void
on_readable(struct lessee *l, struct backend *b)
{
	struct client *c = OUTER_OF(l, struct client, lessee);

	for (int i = 0; i < ROUNDS; i++) {
		uint8_t *p;
		size_t len;
		ssize_t n = backend_recv(b, &p, &len), pass;

		if (n == -1 && buf_is_later(errno))
			return;
		if (n <= 0) {
			backend_close(
			    b, "server closed the connection unexpectedly");
			return;
		}
		pass = walk(c, p, len);
		if (pass == -1) {
			backend_close(b, "server broke the protocol");
			return;
		}
		if (client_send(c, p, (size_t)pass) == -1 ||
		    buf_len(&c->out) > 0 ||
		    (size_t)n < SELF_SCRATCH - SELF_HOLD)
			return;
	}
}

static void
on_drained(struct lessee *l, struct backend *b)
{
	(void)b;
	client_rewatch(OUTER_OF(l, struct client, lessee));
}

static void
on_gone(struct lessee *l, const struct err *e)
{
	struct client *c = OUTER_OF(l, struct client, lessee);

	/* an error in the middle of a message would be read as its body */
	if (c->backend->remain > 0)
		c->is_dying = true;
	c->backend = NULL;
	client_close(c, e);
}

/* --- the way in ------------------------------------------------------------------- */

static void
show_app(const struct client *c, const char *name)
{
	struct clientrow_info i;

	if (!clientrow_info_look(c->row, &i))
		return;
	compat_strlcpy(i.app_name, name, sizeof(i.app_name));
	clientrow_info_write(c->row, &i);
}

/* What the server has said to us, but for the key, which is ours. */
static void
welcome(struct client *c, const struct pool_greeting *text, struct wire *w)
{
	const char *name, *value;
	struct cancelkey key;
	uint32_t pos = 0;

	report_auth_ok(w);
	while (pool_greeting_next(text, &pos, &name, &value)) {
		report_parameter(w, name, value);
		if (strcmp(name, "application_name") == 0)
			show_app(c, value);
	}
	cancelkey_give(c->row, c->greet->is_long_key, &key);
	report_key(w, (int32_t)key.pid, key.secret, key.len);
	report_ready(w, 'I');
}

static void
on_ready(struct waiter *waiter, struct backend *b)
{
	struct client *c = OUTER_OF(waiter, struct client, waiter);
	uint8_t bytes[WELCOME_MAX];
	struct wire w;

	c->lessee.on_readable = on_readable;
	c->lessee.on_drained = on_drained;
	c->lessee.on_gone = on_gone;
	backend_lend(b, &c->lessee);
	c->backend = b;
	atomic_store(&slot_at(b->slot)->client, (uint64_t)c->row + 1);
	wire_init(&w, bytes, sizeof(bytes));
	welcome(c, waiter->own->greeting, &w);
	waiter->own = NULL;
	greet_free(c);
	count_add(c->lend->count, COUNT_LOGINS, 1);
	client_set_state(c, CLIENT_OWN);
	CRASH_POINT("replicate.in");
	if (client_send_wire(c, &w) == -1)
		return;
	client_unhold(c, up);
	client_rewatch(c);
}

static void
on_error(struct waiter *waiter, const struct err *e)
{
	client_close(OUTER_OF(waiter, struct client, waiter), e);
}

void
replicate_start(struct client *c)
{
	struct err e;

	/* from here on query_wait_timeout counts, and the login's own */
	deadline_clear(&c->deadline);
	c->waiter.on_ready = on_ready;
	c->waiter.on_error = on_error;
	c->waiter.own = &c->greet->own;
	if (!dedicate_wait(c->lend, &c->waiter, &e)) {
		c->waiter.own = NULL;
		client_close(c, &e);
	}
}
