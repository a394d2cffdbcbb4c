/*
 * client.c - client connections: open, watch, close.
 *
 * Data: this process's own; the client's row in the segment is written in this
 * folder and nowhere else but for repair.  Never blocks.
 */
#include "worker/client/client.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/crash.h"
#include "shm/proc.h"
#include "shm/segment.h"
#include "worker/backend/intern.h"
#include "worker/backend/scan.h"
#include "worker/client/ear.h"
#include "worker/client/gate.h"
#include "worker/client/prepare.h"
#include "worker/client/replicate.h"
#include "worker/client/session.h"
#include "worker/io/outer.h"
#include "worker/io/stream.h"
#include "worker/io/tune.h"
#include "worker/proto/report.h"
#include "worker/self.h"
#include "worker/session/stmt.h"

enum { ERROR_MAX = 1024 };

const struct client_console *client_console;

static struct client *all;
static uint32_t number;
static struct client **by_row; /* of this worker's range */

static void on_event(struct watch *w, unsigned events);
static void on_deadline(struct deadline *d);

struct client *
client_first(void)
{
	return all;
}

uint32_t
client_number(void)
{
	return number;
}

struct client *
client_at_row(uint32_t row)
{
	uint32_t first = clientrow_first(self.me);

	if (by_row == NULL || row < first || row - first >= seg->nclients)
		return NULL;
	return by_row[row - first];
}

void
client_set_state(struct client *c, enum client_state state)
{
	static const uint8_t shown[] = {
		[CLIENT_STARTUP] = CLIENTROW_LOGIN,
		[CLIENT_TLS] = CLIENTROW_LOGIN,
		[CLIENT_AUTH] = CLIENTROW_LOGIN,
		[CLIENT_WELCOME] = CLIENTROW_LOGIN,
		[CLIENT_IDLE] = CLIENTROW_IDLE,
		[CLIENT_QUEUED] = CLIENTROW_WAITING,
		[CLIENT_LENT] = CLIENTROW_ACTIVE,
		[CLIENT_OWN] = CLIENTROW_ACTIVE,
		[CLIENT_AUDIT] = CLIENTROW_ACTIVE,
		[CLIENT_CONSOLE] = CLIENTROW_ACTIVE,
		[CLIENT_GONE] = CLIENTROW_IDLE,
	};
	struct clientrow *r = clientrow_at(c->row);
	uint32_t slot = c->backend == NULL ? 0 : c->backend->slot + 1;

	c->state = (uint8_t)state;
	atomic_store_explicit(&r->state, shown[state], memory_order_relaxed);
	atomic_store_explicit(&r->slot, slot, memory_order_relaxed);
	atomic_store_explicit(
	    &r->request_us, loop_now_us, memory_order_relaxed);
}

/* --- the way in ----------------------------------------------------------------- */

static void
refuse(int fd, const char *why)
{
	uint8_t bytes[ERROR_MAX];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	report_error(&w, "FATAL", "53300", why);
	(void)send(fd, bytes, w.len, MSG_NOSIGNAL);
	close(fd);
}

static bool
take_row(struct client *c)
{
	if (by_row == NULL)
		by_row = calloc(seg->nclients, sizeof(struct client *));
	if (by_row == NULL)
		return false;
	c->row = clientrow_take();
	if (c->row == CLIENTROW_NONE)
		return false;
	by_row[c->row - clientrow_first(self.me)] = c;
	return true;
}

void
client_open(int fd, const struct sockaddr_storage *peer, socklen_t len,
    uint32_t listener)
{
	uint64_t limit_us = (uint64_t)self.conf->client_login_timeout_ms * 1000;
	struct client *c = fd >= self.fd_limit ? NULL : calloc(1, sizeof(*c));

	(void)listener;
	(void)len;
	if (c == NULL || !(take_row(c) || (gate_evict() && take_row(c)))) {
		free(c);
		refuse(fd, "no more connections allowed");
		return;
	}
	c->is_unix = peer->ss_family == AF_UNIX;
	tune_socket(fd, peer->ss_family, self.conf);
	watch_init(&c->watch, fd, on_event);
	c->watch.tells_drained = true;
	deadline_init(&c->deadline, on_deadline);
	c->since_us = loop_now_us;
	c->next = all;
	if (all != NULL)
		all->prev = c;
	all = c;
	number++;
	c->is_counted = true;
	atomic_fetch_add(&proc_at(self.me)->clients, 1);
	atomic_fetch_add_explicit(
	    &proc_at(self.me)->connections, 1, memory_order_relaxed);
	CRASH_POINT("client.open");
	client_describe(c, fd, peer);
	client_set_state(c, CLIENT_STARTUP);
	relay_init(c);
	if ((limit_us > 0 &&
		deadline_set(&c->deadline, loop_now_us + limit_us) == -1) ||
	    loop_want(&c->watch, LOOP_READ) == -1 || gate_enter(c) == -1) {
		client_fail(c, "53200", "out of memory");
		return;
	}
	/* its startup packet is mostly there already: no need to wait for it */
	gate_on_event(c, LOOP_READ);
}

/* --- events --------------------------------------------------------------------------- */

static void
on_readable(struct client *c)
{
	switch ((enum client_state)c->state) {
	case CLIENT_STARTUP:
	case CLIENT_AUTH:
	case CLIENT_WELCOME:
		greet_on_bytes(c);
		return;
	case CLIENT_IDLE:
	case CLIENT_QUEUED:
	case CLIENT_LENT:
	case CLIENT_AUDIT:
		relay_on_bytes(c);
		return;
	case CLIENT_OWN:
		replicate_on_bytes(c);
		return;
	case CLIENT_CONSOLE:
		client_console->on_bytes(c);
		return;
	case CLIENT_TLS:
	case CLIENT_GONE:
		return;
	}
}

void
client_step(struct client *c, unsigned events)
{
	if (c->state == CLIENT_TLS) {
		tunnel_on_event(c);
		return;
	}
	if (events & LOOP_WRITE && buf_len(&c->out) > 0) {
		client_flush(c);
		if (c->state == CLIENT_GONE)
			return;
	} else if (events & LOOP_WRITE) {
		/* TLS had to write before it could read on */
		events |= LOOP_READ;
		client_rewatch(c);
	}
	if (c->watch.want & LOOP_READ) {
		if (events & (LOOP_READ | LOOP_HANGUP))
			on_readable(c);
	} else if (events & LOOP_HANGUP) {
		client_eof(c);
	}
}

static void
on_event(struct watch *w, unsigned events)
{
	struct client *c = OUTER_OF(w, struct client, watch);

	if (c->pass != NULL)
		gate_on_event(c, events);
	else
		client_step(c, events);
}

static void
on_deadline(struct deadline *d)
{
	struct client *c = OUTER_OF(d, struct client, deadline);

	if (c->backend != NULL && c->greet == NULL) {
		session_on_deadline(c);
		return;
	}
	if (c->state == CLIENT_WELCOME && welcome_again(c))
		return;
	client_fail(c, "08P01", "client_login_timeout");
}

/* --- the door out ------------------------------------------------------------------------ */

/*
 * The backend goes to others, once it is clean.  `is_lost`: the client has not
 * said goodbye.  In AUDIT nothing of the client's runs.
 */
static void
part(struct client *c, bool is_lost)
{
	struct backend *b = c->backend;
	enum session_left left;

	if (b == NULL)
		return;
	left = session_part(c);
	c->backend = NULL;
	b->user = NULL;
	if (left == SESSION_SPENT)
		backend_close(b, "its session cannot be cleaned");
	else if (c->state == CLIENT_LENT && left == SESSION_KNOWN &&
	    scan_is_boundary(b) && b->up_remain == 0)
		backend_give(b);
	else if (c->state == CLIENT_OWN)
		backend_close(b, "its client has gone");
	else
		clean_start(b, is_lost && c->state != CLIENT_AUDIT);
}

static void
say_why(struct client *c, const struct err *e)
{
	uint8_t bytes[ERROR_MAX];
	struct wire w;

	/* never into the middle of another message */
	if (e == NULL || e->say[0] == '\0' || c->is_dying ||
	    c->state == CLIENT_TLS || buf_len(&c->out) > 0 ||
	    (c->backend != NULL && c->state >= CLIENT_LENT &&
		c->backend->remain > 0))
		return;
	wire_init(&w, bytes, sizeof(bytes));
	report_fatal(&w, e);
	if (!w.full)
		(void)stream_send(c->watch.fd, c->tls, bytes, w.len);
}

static void
log_close(const struct client *c, const struct err *e)
{
	struct log_who who;
	const char *why = "client close request";
	bool is_error = e != NULL && e->say[0] != '\0';

	if (e != NULL)
		why = e->log[0] ? e->log : e->say;
	if (!is_error && !self.conf->log_disconnections)
		return;
	client_who(c, &who);
	if (is_error && self.conf->log_pooler_errors)
		log_warn(&who, "pooler error: %s", why);
	if (self.conf->log_disconnections)
		log_info(&who, "closing because: %s (age=%llus)", why,
		    (unsigned long long)((loop_now_us - c->since_us) /
			1000000));
}

static void
free_client(void *p)
{
	struct client *c = p;

	buf_wipe(&c->in);
	pass_fini(c);
	buf_fini(&c->out);
	free(c);
}

/* Everything but the socket. */
static void
let_go(struct client *c, bool is_lost)
{
	gate_leave(c);
	loop_remove(&c->watch);
	deadline_clear(&c->deadline);
	if (c->ears != NULL)
		ear_leave(c);
	lend_forget(&c->waiter);
	greet_free(c);
	prepare_free(c);
	part(c, is_lost);
	c->state = CLIENT_GONE;
	if (c->lend != NULL)
		lend_leave(c->lend);
	c->lend = NULL;
	intern_drop(c->params);
	intern_drop(c->asked);
	c->params = c->asked = NULL;
	session_free(c);
	CRASH_POINT("client.close");
	if (c->is_counted)
		atomic_fetch_sub(&proc_at(self.me)->clients, 1);
	by_row[c->row - clientrow_first(self.me)] = NULL;
	clientrow_free(c->row);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		all = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	number--;
	loop_defer(c, free_client);
}

void
client_close(struct client *c, const struct err *e)
{
	int fd = c->watch.fd;

	if (c->state == CLIENT_GONE)
		return;
	log_close(c, e);
	say_why(c, e);
	tls_close(c->tls);
	c->tls = NULL;
	let_go(c, e != NULL);
	close(fd);
}

void
client_fail(struct client *c, const char *sqlstate, const char *say)
{
	struct err e;

	err_set(&e, sqlstate, say, "%s", say);
	client_close(c, &e);
}

int
client_detach(struct client *c)
{
	int fd = c->watch.fd;

	/* without a goodbye, which would tell it that all is done */
	tls_drop(c->tls);
	c->tls = NULL;
	let_go(c, true);
	return fd;
}

void
client_drain(bool is_all)
{
	struct client *c, *next;

	for (c = all; c != NULL; c = next) {
		next = c->next;
		if (c->state == CLIENT_CONSOLE && !is_all)
			continue;
		/* who replicates would never be done */
		if (is_all || c->state == CLIENT_OWN ||
		    (c->backend == NULL && buf_len(&c->out) == 0))
			client_fail(c, "57P01", "server shutting down");
	}
}

void
client_fini(void)
{
	while (all != NULL) {
		struct client *c = all;

		tls_close(c->tls);
		let_go(c, true);
	}
	prepare_fini();
	stmt_fini();
	free(by_row);
	by_row = NULL;
}
