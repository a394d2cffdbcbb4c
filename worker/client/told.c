/*
 * told.c - are a statement's rows still what its client was told?
 *
 * Drivers describe a statement once, by its name or by its first portal, and
 * from then on read its rows so.  On a connection of one's own that is safe: a
 * statement whose rows have become others is refused there, "cached plan must
 * not change result type", and drivers then prepare anew.  But a backend that
 * gets the statement only now parses it as things are now, and would send rows
 * that the client misreads.
 *
 * So a name has what its client was told (names.h), an entry of the backend's
 * set what that backend's statement is like (stmts.h).  At a Bind whose batch
 * does not ask anew:
 *
 *   the same    it goes on
 *   unknown,    the backend gets the statement anew and is asked, once; until
 *   different   the answer is here the Bind waits
 *   different, as just asked
 *               the server refuses it in PostgreSQL's words (raise.h)
 *
 * Who is told with each batch, or never asks, waits for nothing.  Of what the
 * statement without a name is like nothing is kept.
 */
#include <string.h>

#include "worker/client/prepare_impl.h"
#include "worker/client/raise.h"

/* --- what it is told -------------------------------------------------------- */

/* What becomes true when it is answered. */
static int
push(struct client *c, struct name *e)
{
	struct change told = {
		.kind = CHANGE_TOLD, .name = e, .stmt = e->will
	};

	return changes_push(&c->prepare->changes, told);
}

static void
note(struct name *e)
{
	stmt_hold(e->will);
	names_ask(e);
}

int
told_describe(struct client *c, struct name *e)
{
	if (push(c, e) == -1)
		return -1;
	if (track_describe(&c->backend->track) == -1) {
		changes_unpush(&c->prepare->changes);
		return -1;
	}
	note(e);
	return 0;
}

/* It may be described by this portal, and has not been yet. */
static void
expect_portal(struct prepare *p, const struct look_at *m, struct name *e)
{
	const char *portal = (const char *)m->body;
	size_t len = strlen(portal);

	if (len >= sizeof(p->telling_portal))
		return;
	memcpy(p->telling_portal, portal, len + 1);
	p->telling = e;
}

/* Nearly all pass: whoever describes with each batch was told long ago. */
enum look
told_portal(struct client *c, struct look_at *m)
{
	struct prepare *p = c->prepare;
	const char *portal = (const char *)m->body + 1;
	struct name *e;

	if (p == NULL || p->telling == NULL)
		return LOOK_PASS;
	if (m->have < m->f.body && m->have < 1 + sizeof(p->telling_portal))
		return LOOK_MORE;
	e = p->telling;
	p->telling = NULL;
	/* it may be gone by now, with all that the server had */
	if (e != p->names.last || e->will == NULL ||
	    !track_is_sure(&c->backend->track) ||
	    memchr(portal, '\0', m->have - 1) == NULL ||
	    strcmp(portal, p->telling_portal) != 0)
		return LOOK_PASS;
	if (push(c, e) == -1)
		return prepare_refuse(m, "53200", "out of memory");
	note(e);
	m->is_booked = true;
	return LOOK_PASS;
}

/* --- what it is --------------------------------------------------------------- */

/* Does the next message ask what its rows are like? */
static bool
is_asking_itself(const struct look_at *m)
{
	const uint8_t *next = m->body + m->f.body;

	return m->after > FRAME_HEAD && next[0] == 'D' &&
	    next[FRAME_HEAD] == 'P';
}

/* What other backends have of it is as old as what the client was told. */
static enum look
refuse(struct client *c, struct look_at *m)
{
	pool_plans_old(c->lend->row);
	(void)raise_look(m, "0A000", "cached plan must not change result type");
	/* drivers go by who has said it */
	m->routine = "RevalidateCachedQuery";
	return LOOK_RAISE;
}

static enum look
ask(struct client *c, struct look_at *m, struct name *e)
{
	if (supply_asked(c, e->will) != DONE)
		return prepare_refuse_failed(c, m);
	c->prepare->asked_for = e->will;
	/* the answer is worth having only here */
	c->has_sent = true;
	return prepare_stall(c);
}

static enum look
compare(struct client *c, struct look_at *m, struct name *e)
{
	struct prepare *p = c->prepare;
	uint32_t i = stmts_find(p->set, e->will->hash);
	const struct stmts_entry *at =
	    i == STMTS_NONE ? NULL : stmts_at(p->set, i);
	struct shape is = { 0 };
	bool was_asked = p->asked_for == e->will;

	if (p->asking > 0)
		return prepare_stall(c);
	p->asked_for = NULL;
	if (at != NULL)
		is = (struct shape){ at->rows, at->params };
	if (shape_fits(e->told, is))
		return LOOK_PASS;
	return was_asked && shape_is_known(e->told, is) ? refuse(c, m)
							: ask(c, m, e);
}

enum look
told_bind(struct client *c, struct look_at *m, struct name *e)
{
	if (e->told.rows == 0) {
		expect_portal(c->prepare, m, e);
		return LOOK_PASS;
	}
	/* in a failed transaction it has no rows; what it is told in this batch
	   comes from this backend */
	if (is_asking_itself(m) || e->pending > 0 || e->asks > 0 ||
	    track_tx_status(&c->backend->track) == 'E')
		return LOOK_PASS;
	return compare(c, m, e);
}
