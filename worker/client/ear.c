#include "worker/client/ear.h"

#include <stdlib.h>
#include <string.h>

#include "worker/backend/scan.h"

/* A client that takes nothing for so long has to go: memory is bounded. */
enum { KEPT_MAX = 16 * 1024 * 1024 };

struct ears {
	struct ear *first;
	struct buf kept; /* whole NotificationResponses */
};

struct ear *
ear_get(struct client *c, struct channel *ch)
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

void
ear_free(struct ear *e)
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

bool
ear_confirm(struct client *c, const char *channel)
{
	if (c->ears == NULL)
		return false;
	for (struct ear *e = c->ears->first; e != NULL; e = e->more)
		if (strcmp(e->channel->name, channel) == 0) {
			e->is_confirmed = true;
			return true;
		}
	return false;
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

void
ear_forget(struct client *c, const char *const *names, uint32_t n, bool is_all)
{
	struct ear *e, *more;

	for (e = c->ears == NULL ? NULL : c->ears->first; e != NULL; e = more) {
		more = e->more;
		if ((e->is_confirmed && !is_all) ||
		    is_among(e->channel->name, names, n))
			continue;
		if (buf_len(&c->ears->kept) > 0)
			throw_away(&c->ears->kept, e->channel->name);
		ear_free(e);
	}
}

const char *
ear_name(const struct client *c, uint32_t i)
{
	for (const struct ear *e = c->ears == NULL ? NULL : c->ears->first;
	     e != NULL; e = e->more)
		if (e->is_confirmed && i-- == 0)
			return e->channel->name;
	return NULL;
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
ear_fini(struct client *c)
{
	if (c->ears == NULL)
		return;
	while (c->ears->first != NULL)
		ear_free(c->ears->first);
	buf_fini(&c->ears->kept);
	free(c->ears);
	c->ears = NULL;
}
