/* prepare.c - what a client's message that names a statement becomes. */
#include "worker/client/prepare.h"

#include <stdlib.h>
#include <string.h>

#include "shm/count.h"
#include "worker/client/prepare_impl.h"
#include "worker/client/raise.h"
#include "worker/client/session.h"
#include "worker/client/sqlprep.h"
#include "worker/client/upstream.h"
#include "worker/self.h"

/* --- what becomes of it --------------------------------------------------------- */

enum look
prepare_refuse(struct look_at *m, const char *sqlstate, const char *why)
{
	m->sqlstate = sqlstate;
	m->why = why;
	return LOOK_END;
}

enum look
prepare_refuse_memory(struct look_at *m)
{
	return raise_look(
	    m, "53200", "too much memory is used by prepared statements");
}

/* There is no memory, or the backend's books are nonsense. */
enum look
prepare_refuse_failed(struct client *c, struct look_at *m)
{
	if (!stmts_is_broken(c->prepare->set))
		return prepare_refuse(
		    m, "54000", "too many requests are outstanding");
	atomic_fetch_or(&slot_at(c->backend->slot)->flags, SLOT_DIRTY);
	return prepare_refuse(
	    m, "58000", "server's prepared statements are unknown");
}

/* Until the server has answered, which it is asked to do now. */
enum look
prepare_stall(struct client *c)
{
	static const uint8_t flush[FRAME_HEAD] = { 'H', 0, 0, 0, 4 };

	if (c->backend->track.open)
		upstream_put(c, flush, sizeof(flush));
	c->prepare->is_waiting = true;
	c->is_asking = true;
	return LOOK_WAIT;
}

enum look
prepare_not_done(struct client *c, struct look_at *m, enum result r)
{
	return r == WAIT ? prepare_stall(c) : prepare_refuse_failed(c, m);
}

enum look
prepare_took(struct look_at *m, size_t used)
{
	m->used = (uint32_t)used;
	return LOOK_TOOK;
}

/* A string that begins at `at` of the body.  Its length; -1: its end is not
 * in hand. */
ssize_t
prepare_text_at(const struct look_at *m, size_t at)
{
	const uint8_t *end =
	    at < m->have ? memchr(m->body + at, '\0', m->have - at) : NULL;

	return end == NULL ? -1 : end - (m->body + at);
}

/* What is not whole: more of it, or what the server itself will refuse. */
enum look
prepare_torn(const struct look_at *m)
{
	return m->have < m->f.body ? LOOK_MORE : LOOK_PASS;
}

/* --- a message, its batch, and its backend ----------------------------------------- */

/* `name` has changed in a batch whose outcome is not known. */
bool
prepare_is_uncertain(const struct prepare *p, const struct name *e)
{
	return e != NULL && e->pending > 0 && e->batch != p->set->batch;
}

/*
 * In COPY, and when nobody can tell what the server makes of it, it passes as
 * it is; then the backend may get statements that no book knows of.
 */
static enum look
look_unsure(struct client *c)
{
	const struct track *t = &c->backend->track;

	if (t->doubt == TRACK_SURE &&
	    (t->copy == TRACK_COPY_OUT || t->copy == TRACK_COPY_ENDING))
		return prepare_stall(c);
	atomic_fetch_or(&slot_at(c->backend->slot)->flags, SLOT_DIRTY);
	return LOOK_PASS;
}

/* More is sent, so it is not alone. */
static void
forget_batch(struct prepare *p)
{
	p->keep_for = NULL;
	if (p->kept != NULL)
		prepare_drop_kept(p);
}

/* What a lease begins with, our own messages, is no matter of the client's. */
static void
begin_batch(struct prepare *p, const struct track *t)
{
	bool is_alone = p->is_new_lease || t->queue.len == 0;

	p->is_new_batch = p->is_new_lease = false;
	p->set->batch++;
	p->is_well = is_alone && track_tx_status(t) != 'E';
	if (is_alone)
		p->used_from = p->set->batch;
}

void
prepare_look_at_pool(struct client *c)
{
	struct prepare *p = c->prepare;

	if (p->set == NULL) {
		p->set = stmts_of(c->backend->slot, c->backend->gen);
		/* each set counts batches of its own */
		p->used_from = p->set->batch + 1;
	}
	p->plan = 1 +
	    atomic_load_explicit(&c->lend->row->plans, memory_order_relaxed);
	if (p->plan == 0)
		p->plan = 1;
	if (p->is_new_batch)
		begin_batch(p, &c->backend->track);
}

/* --- all of them ----------------------------------------------------------------------- */

/* max_prepared_statements = 0: all passes as it is, but for clients that have
 * prepared some already. */
bool
prepare_is_off(struct client *c)
{
	if (self.conf->max_prepared_statements > 0)
		return false;
	return c->prepare == NULL || names_count(&c->prepare->names) == 0;
}

struct prepare *
prepare_get(struct client *c)
{
	if (c->prepare == NULL &&
	    (c->prepare = calloc(1, sizeof(*c->prepare))) != NULL) {
		prepare_begin(c);
		c->prepare->is_new_lease = !c->has_sent;
	}
	return c->prepare;
}

bool
prepare_ready(struct client *c, struct look_at *m, enum look *look)
{
	struct track *t = &c->backend->track;
	struct prepare *p = c->prepare;

	*look = LOOK_PASS;
	if (track_is_skipping(t))
		return false;
	forget_batch(p);
	if (!track_is_sure(t)) {
		*look = look_unsure(c);
		return false;
	}
	prepare_look_at_pool(c);
	if (stmts_is_broken(p->set)) {
		*look = prepare_refuse_failed(c, m);
		return false;
	}
	if ((p->is_behind_query && track_owes(t) > 0) ||
	    (p->is_behind_all && t->queue.len > 0)) {
		*look = prepare_stall(c);
		return false;
	}
	p->is_behind_query = p->is_behind_all = false;
	return true;
}

enum look
prepare_look(struct client *c, struct look_at *m)
{
	bool is_portal = m->f.type == 'D' || m->f.type == 'C';
	enum look look;

	if (prepare_is_off(c) || track_is_skipping(&c->backend->track))
		return LOOK_PASS;
	if (is_portal && m->have == 0)
		return prepare_torn(m);
	if (is_portal && m->body[0] != 'S')
		return m->f.type == 'D' ? told_portal(c, m) : LOOK_PASS;
	if (prepare_get(c) == NULL)
		return prepare_refuse(m, "53200", "out of memory");
	if (!prepare_ready(c, m, &look))
		return look;
	if (m->f.type != 'D')
		c->prepare->telling = NULL;
	switch (m->f.type) {
	case 'P':
		return prepare_look_parse(c, m);
	case 'B':
		return prepare_look_bind(c, m);
	case 'D':
		return prepare_look_describe(c, m);
	case 'E':
		return sqlprep_execute(c, m);
	default:
		return prepare_look_close(c, m);
	}
}

/* Does the text speak of DISCARD or DEALLOCATE, or go on where it is not in
 * hand? */
static bool
may_drop_all(const struct look_at *m)
{
	static const char *const words[] = { "discard", "deallocate" };

	for (size_t i = 0; i < m->have; i++) {
		if ((m->body[i] | 0x20) != 'd')
			continue;
		for (size_t w = 0; w < 2; w++) {
			size_t n = 0;

			while (words[w][n] != '\0' && n < m->have - i &&
			    (m->body[i + n] | 0x20) == words[w][n])
				n++;
			if (words[w][n] == '\0')
				return true;
		}
	}
	return m->have < m->f.body;
}

void
prepare_turn(struct client *c, const struct look_at *m)
{
	struct prepare *p = c->prepare;

	p->is_new_batch = true;
	p->is_new_lease = false;
	p->telling = NULL;
	p->asked_for = NULL;
	if (m->f.type != 'S')
		forget_batch(p);
	if (m->f.type != 'Q')
		return;
	p->run = 0;
	/* a simple query destroys the statement without a name */
	prepare_forget_text(p);
	p->is_behind_query |= may_drop_all(m);
}

void
prepare_raised(struct client *c, const struct look_at *m)
{
	const struct look_at query = { .f.type = 'Q' };
	bool is_unnamed = m->f.type == 'P' && m->have > 0 && *m->body == '\0';

	if (c->prepare == NULL)
		return;
	forget_batch(c->prepare);
	if (m->f.type == 'Q' || m->f.type == 'F')
		prepare_turn(c, &query);
	else
		prepare_lose_unnamed(c);
	/* a Parse that fails has dropped it */
	if (is_unnamed)
		prepare_forget_text(c->prepare);
}

bool
prepare_is_rerunning(const struct client *c)
{
	return (c->prepare->held & HELD_RERUN) != 0;
}

void
prepare_hold(struct client *c)
{
	if (!prepare_is_off(c) && prepare_get(c) != NULL)
		c->prepare->held |= HELD_SESSION;
}

bool
prepare_is_held(const struct client *c)
{
	return c->prepare->held != 0;
}

enum look
prepare_held(struct client *c, struct look_at *m)
{
	struct prepare *p = c->prepare;
	const struct track *t = &c->backend->track;

	if (p->held & HELD_RERUN)
		return LOOK_WAIT;
	if (track_is_sure(t) && t->queue.len > 0)
		return prepare_stall(c);
	p->held = 0;
	/* has it failed, or ended its transaction? */
	if (!track_is_sure(t) || track_is_skipping(t) ||
	    (!t->open && track_tx_status(t) != 'T'))
		return LOOK_PASS;
	return session_go_back(c, m);
}

void
prepare_answered(struct client *c)
{
	if (c->prepare->kept != NULL)
		prepare_drop_kept(c->prepare);
}

void
prepare_begin(struct client *c)
{
	struct prepare *p = c->prepare;

	if (p == NULL)
		return;
	p->set = NULL;
	p->telling = NULL;
	p->asked_for = NULL;
	p->is_new_batch = p->is_new_lease = true;
	p->is_behind_query = p->is_behind_all = false;
	prepare_lose_unnamed(c);
}

void
prepare_lose_unnamed(struct client *c)
{
	struct prepare *p = c->prepare;

	if (p == NULL)
		return;
	p->is_unnamed_ours = false;
	p->unnamed_round++;
	p->unnamed_sent = 0;
}

void
prepare_free(struct client *c)
{
	struct prepare *p = c->prepare;

	if (p == NULL)
		return;
	prepare_end(c);
	sqlprep_free(p);
	names_fini(&p->names);
	prepare_forget_text(p);
	free(p);
	c->prepare = NULL;
}
