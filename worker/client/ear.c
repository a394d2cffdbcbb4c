#include "worker/client/ear.h"

#include <stdlib.h>
#include <string.h>

#include "worker/backend/scan.h"
#include "worker/client/channel.h"
#include "worker/client/client.h"
#include "worker/client/listener.h"
#include "worker/client/raise.h"
#include "worker/proto/sql.h"

/* A client that takes nothing for so long has to go: memory is bounded. */
enum { KEPT_MAX = 16 * 1024 * 1024 };

struct ears {
	struct ear *first;
	struct buf kept;     /* whole NotificationResponses */
	uint32_t tags;       /* of the answers since the last settlement */
	bool is_rolled_back; /* something was, since */
};

static struct ear *
get(struct client *c, struct channel *ch)
{
	struct ear *e;

	if (c->ears == NULL)
		c->ears = calloc(1, sizeof(*c->ears));
	if (c->ears == NULL)
		return NULL;
	for (e = c->ears->first; e != NULL; e = e->more)
		if (e->channel == ch)
			return e;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	e->client = c;
	e->channel = ch;
	e->more = c->ears->first;
	c->ears->first = e;
	e->next = ch->ears;
	e->at = &ch->ears;
	if (e->next != NULL)
		e->next->at = &e->next;
	ch->ears = e;
	return e;
}

static void
end(struct ear *e)
{
	struct ear **at = &e->client->ears->first;

	while (*at != e)
		at = &(*at)->more;
	*at = e->more;
	*e->at = e->next;
	if (e->next != NULL)
		e->next->at = e->at;
	free(e);
}

static struct ear *
ear_at(const struct client *c, const char *channel)
{
	struct ear *e = c->ears == NULL ? NULL : c->ears->first;

	while (e != NULL && strcmp(e->channel->name, channel) != 0)
		e = e->more;
	return e;
}

static bool
is_any_leaving(const struct ears *all)
{
	for (const struct ear *e = all->first; e != NULL; e = e->more)
		if (e->is_leaving)
			return true;
	return false;
}

/* An UNLISTEN is sent (NULL: of all).  What was rolled back before the first
 * of them does not matter. */
static void
mark(struct client *c, const char *channel)
{
	if (c->ears == NULL)
		return;
	if (!is_any_leaving(c->ears)) {
		c->ears->tags = 0;
		c->ears->is_rolled_back = false;
	}
	for (struct ear *e = c->ears->first; e != NULL; e = e->more)
		if (channel == NULL || strcmp(e->channel->name, channel) == 0)
			e->is_leaving = true;
}

/* DONE: what is said there is kept from now on; WAIT: it will be; FAIL: *e. */
static enum result
hear(struct client *c, const char *channel, struct err *e)
{
	struct channel *ch = listener_channel(c->lend, channel);
	struct ear *ear = ch == NULL ? NULL : get(c, ch);

	if (ear == NULL) {
		if (ch != NULL)
			listener_less(ch->listener);
		err_set(
		    e, "53200", "out of memory", "out of memory for LISTEN");
		return FAIL;
	}
	if (ear->state == EAR_TUNED)
		return DONE;
	if (ear->state == EAR_REFUSED)
		*e = *listener_refusal(ch->listener);
	if (ear->state == EAR_REFUSED ||
	    listener_begin(ch->listener, e) == -1) {
		end(ear);
		listener_less(ch->listener);
		return FAIL;
	}
	ear->is_waiting = c->is_asking = true;
	return WAIT;
}

enum look
ear_look(struct client *c, struct look_at *m, const char *sql, size_t len,
    unsigned flags)
{
	static struct err e; /* `why` points there until the look is over */
	struct sql_walk w;
	struct sql_stmt s;

	sql_walk_init(&w, sql, len, flags);
	while (sql_next(&w, &s)) {
		if (s.kind == SQL_UNLISTEN ||
		    (s.kind == SQL_DISCARD && s.sub == SQL_ALL))
			mark(c, s.sub == SQL_ALL ? NULL : s.name);
		if (s.kind != SQL_LISTEN)
			continue;
		switch (hear(c, s.name, &e)) {
		case DONE:
			break;
		case WAIT:
			return LOOK_WAIT;
		case FAIL:
			return raise_look(m, e.sqlstate, e.say);
		}
		c->backend->is_muted = true;
	}
	return LOOK_PASS;
}

void
ear_on_tags(struct client *c, uint32_t tags, bool has_error)
{
	c->ears->tags |= tags;
	c->ears->is_rolled_back |= has_error || tags & SCAN_TAG_ROLLBACK;
}

/* Its LISTEN is committed.  -1: *e. */
static int
confirm(struct client *c, const char *channel, struct err *e)
{
	struct ear *ear = ear_at(c, channel);
	struct channel *ch;

	if (ear == NULL) {
		ch = listener_channel(c->lend, channel);
		ear = ch == NULL ? NULL : get(c, ch);
		if (ear == NULL)
			return err_set(e, "53200", "out of memory",
			    "out of memory for LISTEN");
		if (listener_begin(ch->listener, e) == -1)
			return -1;
	}
	ear->is_confirmed = true;
	return 0;
}

static bool
is_among(const char *name, const char *const *names, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* What was gathered on this channel. */
static void
throw_away(struct buf *kept, const char *channel)
{
	struct buf rest = { 0 };
	const uint8_t *p = kept->p + kept->from;
	size_t left = buf_len(kept);

	while (left > 0) {
		size_t len = 1 + (size_t)frame_get32(p + 1);
		const char *name = (const char *)p + FRAME_HEAD + 4;

		if (strcmp(name, channel) != 0 && buf_put(&rest, p, len) == -1)
			break; /* no memory for what would be told */
		p += len;
		left -= len;
	}
	buf_fini(kept);
	*kept = rest;
}

static void
settle(struct client *c, const char *const *channels, uint32_t n)
{
	struct ears *all = c->ears;
	struct ear *e, *more;
	bool has_left;

	if (all == NULL)
		return;
	has_left = !all->is_rolled_back &&
	    all->tags & (SCAN_TAG_UNLISTEN | SCAN_TAG_DISCARD);
	for (e = all->first; e != NULL; e = more) {
		bool is_there = is_among(e->channel->name, channels, n);
		bool is_left = e->is_leaving && has_left;

		more = e->more;
		e->is_leaving = false;
		if (is_there || e->is_waiting || (e->is_confirmed && !is_left))
			continue;
		if (buf_len(&all->kept) > 0)
			throw_away(&all->kept, e->channel->name);
		end(e);
	}
	all->tags = 0;
	all->is_rolled_back = false;
}

int
ear_settle(
    struct client *c, const char *const *channels, uint32_t n, struct err *e)
{
	for (uint32_t i = 0; i < n; i++)
		if (confirm(c, channels[i], e) == -1)
			return -1;
	settle(c, channels, n);
	if (c->lend->listener != NULL)
		listener_less(c->lend->listener);
	return 0;
}

/* No transaction is open, and no answer is half told. */
static bool
is_ready(const struct client *c)
{
	if (c->state == CLIENT_IDLE)
		return true;
	return c->state == CLIENT_LENT && scan_is_boundary(c->backend) &&
	    c->backend->up_remain == 0;
}

static void
too_much(struct client *c)
{
	client_fail(c, "53400", "too many notifications were not taken");
}

void
ear_tell(struct ear *e, const uint8_t *frame, size_t len)
{
	struct client *c = e->client;
	struct buf *kept = &c->ears->kept;

	if (e->state != EAR_TUNED)
		return;
	if (e->is_confirmed && buf_len(kept) == 0 && is_ready(c)) {
		(void)client_send(c, frame, len);
		if (c->state != CLIENT_GONE && buf_len(&c->out) > KEPT_MAX)
			too_much(c);
		return;
	}
	if (buf_len(kept) > KEPT_MAX || buf_put(kept, frame, len) == -1)
		too_much(c);
	else
		ear_deliver(c);
}

void
ear_deliver(struct client *c)
{
	struct buf kept;

	if (c->ears == NULL || buf_len(&c->ears->kept) == 0 || !is_ready(c))
		return;
	for (struct ear *e = c->ears->first; e != NULL; e = e->more)
		if (!e->is_confirmed)
			return; /* its transaction is not settled yet */
	kept = c->ears->kept;
	memset(&c->ears->kept, 0, sizeof(kept));
	(void)client_send(c, kept.p + kept.from, buf_len(&kept));
	buf_fini(&kept);
}

void
ear_leave(struct client *c)
{
	struct listener *l = c->lend == NULL ? NULL : c->lend->listener;
	struct ear *e, *more;

	if (c->ears == NULL)
		return;
	for (e = c->ears->first; e != NULL; e = more) {
		more = e->more;
		end(e);
	}
	buf_fini(&c->ears->kept);
	free(c->ears);
	c->ears = NULL;
	if (l != NULL)
		listener_less(l);
}
