/*
 * bytes.c - what a client sends and what it takes.
 *
 * Received into the scratch buffer, behind what was held back; sent at once,
 * and what it does not take is kept while nobody reads its backend.
 *
 * Never blocks.
 */
#include <errno.h>
#include <string.h>

#include "shm/count.h"
#include "worker/client/client.h"
#include "worker/io/stream.h"
#include "worker/proto/report.h"
#include "worker/self.h"

enum {
	/* a waiting client is read no further: the longest message that must
	   be whole, a password, is no longer than this */
	HOLD_MAX = 64 * 1024,
};

void
client_rewatch(struct client *c)
{
	unsigned want = LOOP_READ;

	if (c->state == CLIENT_GONE)
		return;
	/* without a backend first it takes its answers: memory is bounded */
	if (buf_len(&c->in) >= HOLD_MAX || c->is_asking ||
	    (c->backend != NULL ? backend_is_full(c->backend)
				: buf_len(&c->out) > 0))
		want = 0;
	if (buf_len(&c->out) > 0 || stream_wants(c->tls) & LOOP_WRITE)
		want |= LOOP_WRITE;
	if (loop_want(&c->watch, want) == -1)
		client_fail(c, "53200", "out of memory");
}

void
client_eof(struct client *c)
{
	struct err e;

	err_set(&e, "08006", "", "client unexpected eof");
	client_close(c, &e);
}

bool
client_recv(struct client *c, uint8_t **p, size_t *len)
{
	size_t held = buf_len(&c->in), room = SELF_SCRATCH - SELF_HOLD;
	uint8_t *at = self.scratch + SELF_HOLD;
	ssize_t n;

	/* what is held goes in front; more than fits there is a rare case */
	if (held > SELF_HOLD) {
		at = self.scratch + held;
		room = SELF_SCRATCH - held;
	}
	n = stream_recv(c->watch.fd, c->tls, at, room);
	if (n == -1 && buf_is_later(errno)) {
		if (stream_wants(c->tls) & LOOP_WRITE)
			client_rewatch(c);
		return false;
	}
	if (n <= 0) {
		client_eof(c);
		return false;
	}
	if (c->tls == NULL && (size_t)n < room)
		loop_drained(&c->watch);
	if (held > 0) {
		memcpy(at - held, c->in.p + c->in.from, held);
		buf_wipe(&c->in);
	}
	*p = at - held;
	*len = (size_t)n + held;
	if (c->lend != NULL)
		count_add(c->lend->count, COUNT_RECEIVED, (uint64_t)n);
	return true;
}

void
client_unhold(
    struct client *c, void (*take)(struct client *, const uint8_t *, size_t))
{
	struct buf stash = c->in;

	if (buf_len(&stash) == 0)
		return;
	memset(&c->in, 0, sizeof(c->in));
	take(c, stash.p + stash.from, buf_len(&stash));
	buf_wipe(&stash);
}

int
client_hold(struct client *c, const uint8_t *p, size_t len)
{
	if (len == 0 || buf_put(&c->in, p, len) == 0)
		return 0;
	client_fail(c, "53200", "out of memory");
	return -1;
}

/* Nothing is told: a part of a message may have gone out. */
static void
write_failed(struct client *c)
{
	struct err e;

	err_set(&e, "08006", "", "client write: %s", strerror(errno));
	client_close(c, &e);
}

int
client_send(struct client *c, const void *p, size_t len)
{
	ssize_t left;

	if (len == 0)
		return 0;
	if (c->lend != NULL)
		count_add(c->lend->count, COUNT_SENT, len);
	left = buf_send(&c->out, c->watch.fd, c->tls, p, len);
	if (left == -1)
		write_failed(c);
	if (left <= 0)
		return (int)left;
	/* what is asked in AUDIT is not for it, and must not wait for it */
	if (c->backend != NULL && c->state != CLIENT_AUDIT)
		backend_want_read(c->backend, false);
	client_rewatch(c);
	return c->state == CLIENT_GONE ? -1 : 0;
}

int
client_send_wire(struct client *c, const struct wire *w)
{
	if (w->full) {
		client_fail(c, "53400", "answer is too long");
		return -1;
	}
	return client_send(c, w->p, w->len);
}

void
client_flush(struct client *c)
{
	ssize_t left = buf_flush(&c->out, c->watch.fd, c->tls);

	if (left == -1)
		write_failed(c);
	if (c->state == CLIENT_GONE)
		return;
	if (left > 0)
		return;
	if (c->backend != NULL)
		backend_want_read(c->backend, true);
	client_rewatch(c);
	if (c->state == CLIENT_CONSOLE)
		client_console->resume(c);
}
