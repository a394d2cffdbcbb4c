/*
 * pass.c - from a client that has a backend to that backend.
 *
 * Walks over types and lengths, keeps the books (track.h), and passes on.
 * A message that somebody must look at first (look.h) is shown; one that must
 * be seen whole is collected, in memory of its own that lasts as long.
 *
 * Never blocks.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "shm/count.h"
#include "worker/backend/scan.h"
#include "worker/client/client.h"
#include "worker/client/ear.h"
#include "worker/client/look.h"
#include "worker/client/prepare.h"
#include "worker/client/raise.h"
#include "worker/client/session.h"
#include "worker/client/sqlprep.h"
#include "worker/client/upstream.h"
#include "worker/self.h"

static void
count_message(struct client *c, uint8_t type)
{
	c->has_sent = true;
	if (c->query_us == 0)
		c->query_us = loop_now_us;
	if (c->xact_us == 0)
		c->xact_us = loop_now_us;
	if (type == 'P')
		count_add(c->lend->count, COUNT_CLIENT_PARSES, 1);
	else if (type == 'B')
		count_add(c->lend->count, COUNT_BINDS, 1);
}

/*
 * What becomes of a client's message.  END: the client is closed; `why` in
 * struct look_at is what it is told, NULL: it says goodbye itself.
 */
enum verdict { PASS, DROP, TOOK, MORE, WHOLE, STOP, END };

static enum verdict
refuse(struct look_at *m, const char *sqlstate, const char *why)
{
	m->sqlstate = sqlstate;
	m->why = why;
	return END;
}

/* May it do something to the session? */
static bool
is_for_session(uint8_t type)
{
	switch (type) {
	case 'Q':
	case 'P':
	case 'F':
		return true;
	case 'B':
		return self.conf->session_state == SESSION_STATE_STRICT;
	default:
		return false;
	}
}

/* Those who care for this message, in transaction and statement mode. */
static enum look
show(struct client *c, struct look_at *m)
{
	enum look seen = LOOK_PASS;

	if (c->backend->mode == POOL_SESSION)
		return LOOK_PASS;
	if (c->prepare != NULL && prepare_is_held(c) &&
	    (seen = prepare_held(c, m)) != LOOK_PASS)
		return seen;
	if (c->prepare != NULL && sqlprep_is_gated(c->prepare))
		return sqlprep_wait(c);
	/* before the prepared statements: it may send something ahead */
	if (is_for_session(m->f.type))
		seen = session_look(c, m);
	if (seen == LOOK_PASS && c->prepare != NULL &&
	    !session_is_tracking(c) && (m->f.type == 'Q' || m->f.type == 'P'))
		seen = prepare_look_text(c, m);
	if (seen != LOOK_PASS)
		return seen;
	switch (m->f.type) {
	case 'P':
	case 'B':
	case 'D':
	case 'C':
		return prepare_look(c, m);
	case 'E':
		return c->prepare != NULL && sqlprep_is_bound(c->prepare)
		    ? prepare_look(c, m)
		    : LOOK_PASS;
	case 'Q':
		if (!m->is_plain)
			seen = sqlprep_query(c, m);
		if (seen != LOOK_PASS && seen != LOOK_TOOK)
			return seen;
		/* fall through */
	case 'S':
	case 'F':
		if (c->prepare != NULL)
			prepare_turn(c, m);
		return seen;
	default:
		return LOOK_PASS;
	}
}

static int
enter(struct track *t, const struct look_at *m)
{
	if (!m->is_booked)
		return track_client(t, m->f.type);
	return m->f.type == 'D' ? track_describe(t) : track_parse(t);
}

/* The server refuses it in our name; nobody gets the message itself. */
static enum verdict
raise_at(struct client *c, struct look_at *m)
{
	if (raise_send(c, m) == -1)
		return END;
	count_message(c, m->f.type);
	return DROP;
}

static enum verdict
judge(struct client *c, struct look_at *m)
{
	struct track *t = &c->backend->track;

	if (m->f.type == 'X')
		return refuse(m, NULL, NULL);
	if (!frame_is_request(m->f.type))
		return refuse(m, "08P01", "invalid frontend message type");
	if (track_is_stray(t, m->f.type))
		return DROP;
	switch (show(c, m)) {
	case LOOK_PASS:
		break;
	case LOOK_MORE:
		if (m->have < LOOK_MORE_MAX)
			return MORE;
		(void)raise_look(
		    m, "54000", "message names something too long");
		return raise_at(c, m);
	case LOOK_WHOLE:
		return WHOLE;
	case LOOK_WAIT:
		return STOP;
	case LOOK_TOOK:
		count_message(c, m->f.type);
		return TOOK;
	case LOOK_RAISE:
		return raise_at(c, m);
	case LOOK_END:
		return END;
	}
	if (enter(t, m) == -1)
		return refuse(m, "54000", "too many requests are outstanding");
	count_message(c, m->f.type);
	return PASS;
}

static void
end(struct client *c, const struct look_at *m)
{
	if (m->why == NULL)
		client_close(c, NULL);
	else
		client_fail(c, m->sqlstate, m->why);
}

/* --- messages that are collected whole ------------------------------------------ */

enum { COLLECT_FIRST = 16 * 1024 };

/* In memory that grows with what has come, not with what was promised. */
struct collect {
	uint32_t size; /* of the message, header and all */
	uint32_t have;
	uint32_t cap;
	uint8_t bytes[];
};

static bool
collect_grow(struct client *c, uint32_t need)
{
	struct collect *k = c->collect;
	uint32_t cap = k->cap, size = k->size;

	while (cap < need)
		cap = cap > size / 2 ? size : cap * 2;
	if (cap == k->cap)
		return true;
	k = realloc(k, sizeof(*k) + cap);
	if (k == NULL)
		return false;
	k->cap = cap;
	c->collect = k;
	return true;
}

static bool
collect_begin(struct client *c, const struct frame *f)
{
	uint32_t size = FRAME_HEAD + f->body;
	uint32_t cap = size < COLLECT_FIRST ? size : COLLECT_FIRST;

	c->collect = malloc(sizeof(*c->collect) + cap);
	if (c->collect == NULL)
		return false;
	*c->collect = (struct collect){ .size = size, .cap = cap };
	return true;
}

void
pass_fini(struct client *c)
{
	free(c->collect);
	c->collect = NULL;
}

/* All of it is here: show it again. */
static int
collected(struct client *c)
{
	struct collect *k = c->collect;
	struct look_at m = { .body = k->bytes + FRAME_HEAD,
		.have = k->size - FRAME_HEAD };
	enum verdict v;

	m.f = (struct frame){ .type = k->bytes[0], .body = (uint32_t)m.have };
	v = judge(c, &m);
	assert(v != MORE && v != WHOLE);
	if (v == STOP)
		return 0; /* it is whole, and stays */
	if (v == PASS)
		upstream_put(c, k->bytes, k->size);
	else if (v == TOOK)
		upstream_put(c, m.body + m.used, m.have - m.used);
	if (v == PASS || v == TOOK || v == DROP) {
		pass_fini(c);
		return 0;
	}
	if (upstream_flush(c) == 0)
		end(c, &m);
	return -1;
}

static bool
is_collected(const struct client *c)
{
	return c->collect != NULL && c->collect->have == c->collect->size;
}

/* Bytes of the message that is being collected: how many, or -1: closed. */
static ssize_t
collect(struct client *c, const uint8_t *p, size_t left)
{
	struct collect *k = c->collect;
	size_t n = k->size - k->have;

	if (n > left)
		n = left;
	if (!collect_grow(c, k->have + (uint32_t)n)) {
		if (upstream_flush(c) == 0)
			client_fail(c, "53200", "out of memory");
		return -1;
	}
	k = c->collect;
	memcpy(k->bytes + k->have, p, n);
	k->have += (uint32_t)n;
	if (is_collected(c) && collected(c) == -1)
		return -1;
	return (ssize_t)n;
}

/* --- the walk -------------------------------------------------------------------- */

/* The body of a message that nobody gets. */
static ssize_t
drop(struct client *c, size_t left)
{
	size_t n = c->drop_remain < left ? c->drop_remain : left;

	c->drop_remain -= (uint32_t)n;
	return (ssize_t)n;
}

/*
 * Answers that we give, and that nothing of the server's stands before.  WAIT:
 * there are none; FAIL: the client has been closed.
 */
static enum result
answer_due(struct client *c)
{
	uint8_t bytes[SCAN_ROOM];
	size_t n = scan_due(c->backend, bytes);

	if (n == 0)
		return WAIT;
	return client_send(c, bytes, n) == -1 ? FAIL : DONE;
}

/* Bytes in hand: [at, stop) is to come. */
struct walk {
	const uint8_t *at, *stop;
};

static void
pass(struct client *c, struct walk *w, size_t len)
{
	upstream_pass(c, w->at, len);
	w->at += len;
}

/* More of a message that was begun before.  -1: closed. */
static int
walk_on(struct client *c, struct walk *w)
{
	uint32_t *up = &c->backend->up_remain;
	size_t left = (size_t)(w->stop - w->at);
	ssize_t n;

	if (*up > 0) {
		size_t len = *up < left ? *up : left;

		*up -= (uint32_t)len;
		pass(c, w, len);
		return 0;
	}
	n = c->collect != NULL ? collect(c, w->at, left) : drop(c, left);
	if (n == -1)
		return -1;
	w->at += n;
	return 0;
}

/*
 * It has to wait, and nothing of it has gone to this backend: others may have
 * that meanwhile, once what was set ahead is done.
 */
static void
let_go(struct client *c)
{
	static const uint8_t sync[FRAME_HEAD] = { 'S', 0, 0, 0, 4 };
	struct track *t = &c->backend->track;

	if (!c->has_sent && t->open && track_own(t, 'S') == 0)
		upstream_put(c, sync, sizeof(sync));
}

/*
 * A message whose header is here.  WAIT: what is left is kept until there is
 * more; FAIL: the client has been closed.
 */
static enum result
walk_message(struct client *c, struct walk *w, const struct frame *f)
{
	size_t left = (size_t)(w->stop - w->at) - FRAME_HEAD;
	struct look_at m = { .f = *f,
		.body = w->at + FRAME_HEAD,
		.have = left < f->body ? left : f->body,
		.after = left < f->body ? 0 : left - f->body };

	switch (judge(c, &m)) {
	case PASS:
		c->backend->up_remain = f->body - (uint32_t)m.have;
		pass(c, w, FRAME_HEAD + m.have);
		return DONE;
	case TOOK:
		c->backend->up_remain = f->body - m.used;
		w->at += FRAME_HEAD + m.used;
		return DONE;
	case DROP:
		c->drop_remain = f->body;
		w->at += FRAME_HEAD;
		return DONE;
	case WHOLE:
		if (collect_begin(c, f))
			return DONE;
		refuse(&m, "53200", "out of memory");
		break;
	case STOP:
		let_go(c);
		return WAIT;
	case MORE:
		return WAIT;
	case END:
		break;
	}
	if (upstream_flush(c) == 0)
		end(c, &m);
	return FAIL;
}

/* All that is in hand; false: the client has been closed. */
static bool
walk(struct client *c, struct walk *w)
{
	uint32_t max = (uint32_t)self.conf->max_packet_size;
	struct look_at bad = { .sqlstate = "08P01",
		.why = "invalid message length" };
	struct frame f;
	enum result r;

	if (is_collected(c) && collected(c) == -1)
		return false;
	while (w->at < w->stop && !is_collected(c)) {
		if (c->backend->up_remain > 0 || c->drop_remain > 0 ||
		    c->collect != NULL) {
			if (walk_on(c, w) == -1)
				return false;
			continue;
		}
		r = frame_parse(w->at, (size_t)(w->stop - w->at), max, &f);
		if (r == FAIL) {
			if (upstream_flush(c) == 0)
				end(c, &bad);
			return false;
		}
		if (r == DONE)
			r = walk_message(c, w, &f);
		if (r == FAIL)
			return false;
		if (r == WAIT)
			break;
	}
	return upstream_flush(c) == 0 &&
	    client_hold(c, w->at, (size_t)(w->stop - w->at)) == 0;
}

/*
 * Walk over what a client with a backend has sent, and pass it on.  What is
 * no whole header is kept; a message that nobody may get is dropped.
 */
void
pass_up(struct client *c, const uint8_t *p, size_t len)
{
	struct walk w = { .at = p, .stop = p + len };
	struct backend *b = c->backend;

	if (!walk(c, &w))
		return;
	/* else they go before the ReadyForQuery that is owed */
	if (b->track.fakes > 0 && b->track.owes == 0) {
		enum result r = answer_due(c);

		if (r == FAIL)
			return;
		if (r == DONE && c->prepare != NULL && prepare_wake(c))
			return;
	}
	if (backend_is_full(b) || c->is_asking)
		client_rewatch(c);
	if (c->state == CLIENT_LENT && !backend_is_full(b))
		relay_settle(c);
	if (c->ears != NULL)
		ear_deliver(c);
}

void
pass_resume(struct client *c)
{
	struct buf stash = c->in;

	memset(&c->in, 0, sizeof(c->in));
	pass_up(c, stash.p + stash.from, buf_len(&stash));
	buf_wipe(&stash);
}
