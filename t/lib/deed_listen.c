/*
 * deed_listen.c - LISTEN, UNLISTEN and NOTIFY: each notification reaches all
 * who listen, once, in its sender's order, and nobody else.
 *
 * A payload is "guest.life.number".  Numbers on a channel are consecutive
 * within a life of their sender, so a gap is a loss.  Before the first that a
 * listener has to hear stands what each guest had begun to say when LISTEN was
 * answered: `since`.  Who has notified waits until it has heard what everybody
 * had said by then, its own word too.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "t/lib/crowd.h"
#include "t/lib/deed.h"
#include "t/lib/spawn.h"

void
deed_forget_channels(struct guest *g)
{
	memset(g->listens, 0, sizeof(g->listens));
}

static uint64_t
word(uint32_t life, uint32_t number)
{
	return (uint64_t)life << 32 | number;
}

/* The first that has to come behind `w`. */
static bool
follows(uint64_t v, uint64_t w)
{
	return v >> 32 == w >> 32 ? v == w + 1 : (uint32_t)v == 1;
}

void
deed_notified(struct guest *g)
{
	char name[32], payload[64];
	unsigned id, life, number;
	uint64_t v, *heard, since;
	int c;

	if (g->len < 6 || g->len > 90 ||
	    sscanf(g->body + 4, "%31s", name) != 1 ||
	    sscanf(name, "soak%d", &c) != 1 || c < 0 || c >= GUEST_CHANNELS)
		guest_wrong(g, "a notification of %zu bytes", g->len);
	snprintf(
	    payload, sizeof(payload), "%.60s", g->body + 4 + strlen(name) + 1);
	if (sscanf(payload, "%u.%u.%u", &id, &life, &number) != 3 ||
	    id >= GUESTS_MAX)
		guest_wrong(g, "notified of \"%s\"", payload);
	if (!g->listens[c])
		guest_wrong(g, "notified on %s, without listening", name);
	v = word(life, number);
	heard = &g->heard[c][id];
	since = g->since[c][id];
	if (v <= *heard)
		guest_wrong(g, "%s on %s, and %u.%u before it", payload, name,
		    (unsigned)(*heard >> 32), (unsigned)*heard);
	if (v > since && !follows(v, *heard > since ? *heard : since))
		guest_wrong(g, "%s on %s, and the last was %u.%u, since %u.%u",
		    payload, name, (unsigned)(*heard >> 32), (unsigned)*heard,
		    (unsigned)(since >> 32), (unsigned)since);
	*heard = v;
	g->seen->notified++;
}

static const char *
listen_of(int c)
{
	return text("LISTEN soak%d", c);
}

static void
in_a_block(struct guest *g, const char *sql)
{
	if (!deed_is_on("tx")) {
		guest_do(g, "BEGIN; %s; COMMIT", sql);
		return;
	}
	guest_query(g, "BEGIN");
	guest_query(g, "%s", sql);
	guest_do(g, "COMMIT");
}

/*
 * It listens from somewhere within the query on; what is under way may come
 * or not, what is begun afterwards must.
 */
static void
listen(struct guest *g, int c)
{
	bool was = g->listens[c];
	const char *sql = listen_of(c);

	if (!was) {
		memset(g->heard[c], 0, sizeof(g->heard[c]));
		memset(g->since[c], 0xff, sizeof(g->since[c]));
	}
	g->listens[c] = true;
	switch (guest_draw(g, 5)) {
	case 0:
		guest_extended(g, "%s", sql);
		break;
	case 1:
		in_a_block(g, sql);
		break;
	case 2:
		guest_do(g, "BEGIN; %s; COMMIT", sql);
		break;
	case 3:
		guest_named(g, &g->has_ear[c], text("ear%d", c), sql, NULL);
		break;
	default:
		guest_do(g, "%s", sql);
	}
	for (int i = 0; !was && i < GUESTS_MAX; i++)
		g->since[c][i] = atomic_load(&g->seen->begun[c][i]);
}

static void
unlisten(struct guest *g, int c)
{
	bool all = guest_draw(g, 4) == 0;

	if (guest_draw(g, 5) == 0 && deed_is_on("tx")) {
		guest_query(g, "BEGIN");
		guest_query(g, "UNLISTEN *");
		guest_do(g, "ROLLBACK");
		return;
	}
	if (all)
		guest_do(g, "UNLISTEN *");
	else if (guest_draw(g, 4) == 0 && deed_is_on("endagain"))
		guest_named(g, &g->has_end[c], text("end%d", c),
		    text("UNLISTEN soak%d", c), NULL);
	else
		guest_do(g, "UNLISTEN soak%d", c);
	for (int i = 0; i < GUEST_CHANNELS; i++)
		if (all || i == c)
			g->listens[i] = false;
}

void
deed_listen(struct guest *g)
{
	int c = (int)guest_draw(g, GUEST_CHANNELS);

	if (!g->listens[c] && guest_draw(g, 5) == 0) {
		guest_query(g, "BEGIN; %s; ROLLBACK", listen_of(c));
		return;
	}
	if (g->listens[c] && guest_draw(g, 2))
		unlisten(g, c);
	else
		listen(g, c);
}

/* All that has been said by now has to come, one's own word last of all. */
static void
hear_all(struct guest *g, int c)
{
	uint64_t said[GUESTS_MAX];

	for (int i = 0; i < GUESTS_MAX; i++)
		said[i] = atomic_load(&g->seen->said[c][i]);
	for (int i = 0; i < GUESTS_MAX; i++)
		while (said[i] > g->since[c][i] && g->heard[c][i] < said[i])
			guest_hear(g);
}

static const char *
notify_of(struct guest *g, int c, const char *payload)
{
	return guest_draw(g, 2)
	    ? text("NOTIFY soak%d, '%s'", c, payload)
	    : text("SELECT pg_notify('soak%d', '%s')", c, payload);
}

void
deed_notify(struct guest *g)
{
	int c = (int)guest_draw(g, GUEST_CHANNELS);
	uint64_t own = word(g->life, ++g->said[c]);
	const char *sql =
	    notify_of(g, c, text("%d.%u.%u", g->id, g->life, g->said[c]));

	if (guest_draw(g, 6) == 0)
		guest_query(g, "BEGIN; NOTIFY soak%d, 'never'; ROLLBACK", c);
	atomic_store(&g->seen->begun[c][g->id], own);
	switch (guest_draw(g, 4)) {
	case 0:
		guest_extended(g, "%s", sql);
		break;
	case 1:
		in_a_block(g, sql);
		break;
	default:
		guest_do(g, "%s", sql);
	}
	atomic_store(&g->seen->said[c][g->id], own);
	if (g->listens[c])
		hear_all(g, c);
}
