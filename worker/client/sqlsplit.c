#include "worker/client/sqlsplit.h"

#include <string.h>

#include "worker/client/prepare_impl.h"
#include "worker/client/upstream.h"
#include "worker/proto/say.h"

enum { FIRST_MAX = 4096 }; /* bytes of a first statement */

static const uint8_t sync[FRAME_HEAD] = { 'S', 0, 0, 0, 4 };

/* Does it lack something that it can be given only by a Parse of a query? */
static bool
is_lacking(struct prepare *p, const struct sqlscript *sc)
{
	bool is_stale;
	uint32_t entry;

	for (uint32_t i = 0; i < sc->n; i++) {
		const struct sqlscript_step *st = &sc->steps[i];

		if (st->kind == SQLSCRIPT_EXECUTE && !st->is_here &&
		    (supply_look(p, st->stmt, &entry, &is_stale) != DONE ||
			is_stale))
			return true;
	}
	return false;
}

bool
sqlsplit_is_due(struct client *c, const struct sqlscript *sc)
{
	return track_tx_status(&c->backend->track) == 'E' && sc->exit > 0 &&
	    sc->exit < FIRST_MAX && is_lacking(c->prepare, sc);
}

/* The answer to the Execute is the client's. */
static bool
enter(struct track *t)
{
	for (int i = 0; i < 2; i++) /* Parse and Bind are ours */
		if (track_own(t, 'a') == -1)
			return false;
	return track_client(t, 'E') == 0 && track_own(t, 'S') == 0;
}

enum look
sqlsplit_begin(struct client *c, struct look_at *m, uint32_t len)
{
	static uint8_t bytes[FIRST_MAX + 64];
	char text[FIRST_MAX];
	struct wire w;

	memcpy(text, m->body, len);
	text[len] = '\0';
	wire_init(&w, bytes, sizeof(bytes));
	say_command(&w, text);
	if (w.full || !enter(&c->backend->track))
		return prepare_refuse_failed(c, m);
	upstream_put(c, bytes, w.len);
	upstream_put(c, sync, sizeof(sync));
	prepare_lose_unnamed(c);
	c->prepare->run = len;
	c->prepare->run_of = m->f.body;
	return prepare_stall(c);
}

uint32_t
sqlsplit_run(const struct prepare *p, const struct look_at *m)
{
	return p->run_of == m->f.body ? p->run : 0;
}

bool
sqlsplit_has_failed(const struct client *c, const struct look_at *m)
{
	return sqlsplit_run(c->prepare, m) > 0 &&
	    track_tx_status(&c->backend->track) == 'E';
}

enum look
sqlsplit_end(struct client *c, struct look_at *m)
{
	if (track_client(&c->backend->track, 'S') == -1)
		return prepare_refuse_failed(c, m);
	upstream_put(c, sync, sizeof(sync));
	return prepare_took(m, m->f.body);
}
