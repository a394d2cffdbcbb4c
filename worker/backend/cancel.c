#include "worker/backend/cancel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/hostlist.h"
#include "shm/crash.h"
#include "worker/backend/lend.h"
#include "worker/backend/servertls.h"
#include "worker/backend/target.h"
#include "worker/io/outer.h"
#include "worker/io/stream.h"
#include "worker/proto/startup.h"
#include "worker/self.h"

enum { CANCEL_BYTES = STARTUP_KEY_MAX + 16 };

/*
 *   CONNECT -> [REPLY -> SHAKE] -> SEND -> SENT -> over (end of file)
 *   any -> over
 *
 * A backend that is reached through TLS is cancelled through TLS, too: the
 * key would otherwise be there for everybody to read.
 */
enum cancel_state { CONNECT, REPLY, SHAKE, SEND, SENT };

struct cancel {
	enum cancel_state state;
	bool has_tls;
	struct tls *tls; /* from SHAKE on */
	char host[HOSTLIST_HOST];
	struct watch watch;
	struct deadline deadline;
	struct cancel *next, *prev; /* of all in flight */
	uint32_t slot, pool;
	uint64_t gen;
	int requester;
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
	tls_drop(c->tls);
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

/* --- its steps: DONE is the next state's turn, FAIL is said in `why` --------- */

static enum result
send_request(struct cancel *c, const char **why)
{
	ssize_t n = stream_send(c->watch.fd, c->tls, c->bytes, c->len);

	/* a failed connect shows here as an error */
	if (n == -1 && buf_is_later(errno))
		return WAIT;
	*why = n == -1 ? strerror(errno) : "short write";
	if (n != (ssize_t)c->len)
		return FAIL;
	c->state = SENT;
	return DONE;
}

static enum result
ask_for_tls(struct cancel *c, const char **why)
{
	uint8_t bytes[16];
	struct wire w;
	ssize_t n;

	c->state = SEND;
	if (!c->has_tls)
		return DONE;
	c->state = SHAKE;
	if (servertls_is_direct())
		return DONE;
	wire_init(&w, bytes, sizeof(bytes));
	startup_build_ssl(&w);
	n = send(c->watch.fd, bytes, w.len, MSG_NOSIGNAL);
	*why = n == -1 ? strerror(errno) : "short write";
	if (n != (ssize_t)w.len)
		return FAIL;
	c->state = REPLY;
	return DONE;
}

static enum result
take_reply(struct cancel *c, const char **why)
{
	char reply;
	ssize_t n = recv(c->watch.fd, &reply, 1, 0);

	if (n == -1 && buf_is_later(errno))
		return WAIT;
	*why = "server refused TLS";
	if (n != 1 || reply != 'S')
		return FAIL;
	c->state = SHAKE;
	return DONE;
}

static enum result
shake(struct cancel *c, const char **why)
{
	struct err e;
	enum result r;

	*why = "TLS handshake failed";
	if (c->tls == NULL)
		c->tls = servertls_is_on()
		    ? servertls_connect(c->watch.fd, c->host, &e)
		    : NULL;
	if (c->tls == NULL)
		return FAIL;
	r = tls_run(c->tls, &e);
	if (r == DONE)
		c->state = SEND;
	return r;
}

/* What a state waits for. */
static unsigned
interest(const struct cancel *c)
{
	switch (c->state) {
	case CONNECT:
	case SEND:
		return LOOP_WRITE;
	case SHAKE:
		return c->tls == NULL ? LOOP_WRITE : tls_wants(c->tls);
	case REPLY:
	case SENT:
		break;
	}
	return LOOP_READ;
}

static void
on_event(struct watch *w, unsigned events)
{
	struct cancel *c = OUTER_OF(w, struct cancel, watch);
	const char *why = "";
	enum result r = DONE;
	uint8_t rest[64];
	ssize_t n;

	(void)events;
	while (r == DONE && c->state != SENT) {
		enum cancel_state before = c->state;

		r = before == CONNECT ? ask_for_tls(c, &why)
		    : before == REPLY ? take_reply(c, &why)
		    : before == SHAKE ? shake(c, &why)
				      : send_request(c, &why);
	}
	if (r == FAIL || loop_want(w, interest(c)) == -1) {
		log_warn(NULL, "cancel request could not be sent: %s", why);
		over(c, false);
		return;
	}
	if (c->state != SENT)
		return;
	/* the end of file is all that counts, through TLS or not */
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
	c->has_tls = info->tls[0] != '\0';
	compat_strlcpy(c->host, info->host, sizeof(c->host));
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
		tls_drop(c->tls);
		close(c->watch.fd);
		if (c->requester != -1)
			close(c->requester);
		free(c);
	}
}
