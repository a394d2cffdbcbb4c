/* channel.c - channels and their ears.  Data: the listener's. */
#include "worker/client/channel.h"

#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "worker/client/client.h"

struct channel *
channel_find(struct channel *first, const char *name)
{
	struct channel *ch = first;

	while (ch != NULL && strcmp(ch->name, name) != 0)
		ch = ch->next;
	return ch;
}

struct channel *
channel_new(struct channel **first, const char *name)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	if (ch == NULL)
		return NULL;
	compat_strlcpy(ch->name, name, sizeof(ch->name));
	ch->next = *first;
	*first = ch;
	return ch;
}

void
channel_sweep(struct channel **first)
{
	struct channel **at = first, *ch;

	while ((ch = *at) != NULL) {
		if (ch->ears != NULL || ch->is_heard ||
		    ch->asked != CHANNEL_QUIET) {
			at = &ch->next;
			continue;
		}
		*at = ch->next;
		free(ch);
	}
}

void
channel_fini(struct channel **first)
{
	struct channel *ch;

	while ((ch = *first) != NULL) {
		*first = ch->next;
		free(ch);
	}
}

void
channel_turn(struct channel *ch, enum ear_state from, enum ear_state to)
{
	for (struct ear *e = ch->ears; e != NULL; e = e->next)
		if (e->state == from)
			e->state = to;
}

enum channel_asked
channel_to_ask(const struct channel *ch)
{
	if (ch->ears == NULL)
		return ch->is_heard ? CHANNEL_UNLISTEN : CHANNEL_QUIET;
	for (const struct ear *e = ch->ears; e != NULL; e = e->next)
		if (e->state == EAR_NEW)
			return CHANNEL_LISTEN;
	return CHANNEL_QUIET;
}

void
channel_put(struct wire *w, const struct channel *ch)
{
	const char *verb =
	    ch->asked == CHANNEL_LISTEN ? "LISTEN \"" : "UNLISTEN \"";

	wire_text(w, verb);
	for (const char *p = ch->name; *p != '\0'; p++) {
		if (*p == '"')
			wire_byte(w, '"');
		wire_byte(w, (uint8_t)*p);
	}
	wire_text(w, "\";");
}

/* One whose client waits, and need not any more. */
static struct ear *
settled(const struct channel *ch)
{
	struct ear *e = ch->ears;

	while (e != NULL && (!e->is_waiting || e->state < EAR_TUNED))
		e = e->next;
	return e;
}

void
channel_resume(struct channel *ch)
{
	struct ear *e;

	/* from the first again: it may have taken others with it */
	while ((e = settled(ch)) != NULL) {
		struct client *c = e->client;

		e->is_waiting = c->is_asking = false;
		if (c->state == CLIENT_LENT)
			pass_resume(c);
		else if (c->state == CLIENT_IDLE)
			want_resume(c);
		client_rewatch(c);
	}
}
