#include "worker/backend/cancel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/compat.h"
#include "shm/crash.h"
#include "worker/backend/lend.h"
#include "worker/io/outer.h"
#include "worker/proto/startup.h"
#include "worker/self.h"

enum { CANCEL_BYTES = STARTUP_KEY_MAX + 16 };

/*
 *   CONNECT -> SENT -> over (end of file)        any -> over
 */
struct cancel {
	struct watch watch;
	struct deadline deadline;
	struct cancel *next, *prev; /* of all in flight */
	uint32_t slot, pool;
	uint64_t gen;
	int requester;
	bool is_sent;
	size_t len;
	uint8_t bytes[CANCEL_BYTES];
};

static struct cancel *all;

static void
over(struct cancel *c, bool is_late)
{
	struct backend *b = backend_at(c->slot);

	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		all = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	loop_remove(&c->watch);
	deadline_clear(&c->deadline);
	close(c->watch.fd);
	if (c->requester != -1)
		close(c->requester);
	compat_bzero(c->bytes, sizeof(c->bytes));
	loop_defer(c, free);
	if (b == NULL || b->gen != c->gen || b->state == BACKEND_CACHED ||
	    b->cancels == 0)
		return;
	CRASH_POINT("cancel.over");
	/* a cancel that may still arrive must not hit the next client */
	if (is_late && b->state != BACKEND_CLOSING)
		backend_close(b, "cancel_wait_timeout");
	else
		backend_cancel_ends(b);
}

static void
on_deadline(struct deadline *d)
{
	over(OUTER_OF(d, struct cancel, deadline), true);
}

static void
on_event(struct watch *w, unsigned events)
{
	struct cancel *c = OUTER_OF(w, struct cancel, watch);
	uint8_t rest[64];
	ssize_t n;

	(void)events;
	if (!c->is_sent) {
		/* a failed connect shows here as an error */
		n = send(w->fd, c->bytes, c->len, MSG_NOSIGNAL);
		if (n == -1 && buf_is_later(errno))
			return;
		if (n != (ssize_t)c->len || loop_want(w, LOOP_READ) == -1) {
			log_warn(NULL, "cancel request could not be sent: %s",
			    n == -1 ? strerror(errno) : "short write");
			over(c, false);
			return;
		}
		c->is_sent = true;
		return;
	}
	n = recv(w->fd, rest, sizeof(rest), 0);
	if (n > 0 || (n == -1 && buf_is_later(errno)))
		return;
	over(c, false);
}

static struct cancel *
new_cancel(struct backend *b)
{
	const struct slot_info *info = backend_info(b);
	struct cancel *c;
	struct wire w;
	int fd;
	struct sockaddr_storage ss;

	if (info->addr.len == 0 || info->addr.len > sizeof(info->addr.sa) ||
	    info->key_len == 0 || info->key_len > SLOT_KEY)
		return NULL;
	memset(&ss, 0, sizeof(ss));
	memcpy(&ss, info->addr.sa, info->addr.len);
	fd = socket(ss.ss_family, SOCK_STREAM, 0);
	if (fd == -1)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL || compat_cloexec_nonblock(fd) == -1 ||
	    (connect(fd, (struct sockaddr *)&ss, info->addr.len) == -1 &&
		errno != EINPROGRESS)) {
		close(fd);
		free(c);
		return NULL;
	}
	wire_init(&w, c->bytes, sizeof(c->bytes));
	startup_build_cancel(&w, atomic_load(&slot_at(b->slot)->backend_pid),
	    info->key, info->key_len);
	c->len = w.len;
	watch_init(&c->watch, fd, on_event);
	deadline_init(&c->deadline, on_deadline);
	c->slot = b->slot;
	c->gen = b->gen;
	c->pool = b->lend == NULL ? POOL_NONE : b->lend->pool;
	return c;
}

/* A client's requests: no more at once than twice the pool's size. */
static bool
is_too_many(const struct backend *b)
{
	uint64_t size = b->lend == NULL ? 0 : atomic_load(&b->lend->row->size);

	return b->lend != NULL && cancel_count(b->lend->pool) >= 2 * size;
}

void
cancel_send(struct backend *b, int requester)
{
	uint64_t wait_us = (uint64_t)self.conf->cancel_wait_timeout_ms * 1000;
	struct cancel *c;

	if (requester != -1 && is_too_many(b)) {
		close(requester);
		return;
	}
	c = new_cancel(b);
	if (c == NULL) {
		log_warn(NULL, "cancel request could not be sent: %s",
		    strerror(errno));
		if (requester != -1)
			close(requester);
		return;
	}
	c->requester = requester;
	c->next = all;
	if (all != NULL)
		all->prev = c;
	all = c;
	backend_cancel_begins(b);
	CRASH_POINT("cancel.begun");
	if (wait_us == 0)
		wait_us = 10000000;
	if (deadline_set(&c->deadline, loop_now_us + wait_us) == -1 ||
	    loop_want(&c->watch, LOOP_WRITE) == -1)
		over(c, true);
}

uint32_t
cancel_count(uint32_t pool)
{
	uint32_t n = 0;

	for (const struct cancel *c = all; c != NULL; c = c->next)
		n += c->pool == pool;
	return n;
}

void
cancel_fini(void)
{
	while (all != NULL) {
		struct cancel *c = all;

		all = c->next;
		deadline_clear(&c->deadline);
		close(c->watch.fd);
		if (c->requester != -1)
			close(c->requester);
		free(c);
	}
}
