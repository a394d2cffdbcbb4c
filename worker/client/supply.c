/*
 * supply.c - give a backend the statements that its client needs.
 *
 * Own messages go ahead of the client's; their answers are cut out (track.h).
 * A set that is full loses what was used longest ago, but nothing that the
 * batches under way have used: then it grows beyond max_prepared_statements,
 * and shrinks again with the messages to come.
 */
#include <string.h>

#include "shm/count.h"
#include "shm/segment.h"
#include "worker/client/prepare_impl.h"
#include "worker/client/upstream.h"
#include "worker/self.h"

enum { EVICT_ONCE = 4 }; /* most that one new statement closes */

void
supply_parse_head(struct client *c, const char *name, size_t rest)
{
	uint8_t head[FRAME_HEAD + STMT_NAME] = { 'P' };
	size_t len = strlen(name) + 1;

	frame_put32(head + 1, (uint32_t)(4 + len + rest));
	memcpy(head + FRAME_HEAD, name, len);
	upstream_put(c, head, FRAME_HEAD + len);
}

/* A Close or Describe. */
static void
put_named(struct client *c, uint8_t type, const char *name)
{
	uint8_t head[FRAME_HEAD + 1 + STMT_NAME] = { type };
	size_t len = strlen(name) + 1;

	frame_put32(head + 1, (uint32_t)(4 + 1 + len));
	head[FRAME_HEAD] = 'S';
	memcpy(head + FRAME_HEAD + 1, name, len);
	upstream_put(c, head, FRAME_HEAD + 1 + len);
}

/* An own message of the books. */
static bool
enter(struct client *c, uint8_t type, enum change_kind kind, uint32_t i)
{
	struct prepare *p = c->prepare;
	struct change e = { .kind = (uint8_t)kind, .entry = (uint16_t)i };

	if (changes_push(&p->changes, e) == -1)
		return false;
	if (track_own(&c->backend->track, type) == 0)
		return true;
	changes_unpush(&p->changes);
	return false;
}

static bool
own_close(struct client *c, enum change_kind kind, uint32_t i)
{
	const struct stmts_entry *e = stmts_at(c->prepare->set, i);
	char name[STMT_NAME];

	if (!enter(c, 'C', kind, i))
		return false;
	stmt_spell(name, e->name);
	put_named(c, 'C', name);
	stmts_will(c->prepare->set, i, false, 0);
	return true;
}

static bool
own_parse(struct client *c, const struct stmt *s, uint32_t i)
{
	struct prepare *p = c->prepare;

	if (!enter(c, 'P', CHANGE_OWN_PARSE, i))
		return false;
	supply_parse_head(c, s->name, s->len);
	upstream_put(c, s->body, s->len);
	stmts_will(p->set, i, true, p->plan);
	stmts_use(p->set, i);
	count_add(c->lend->count, COUNT_SERVER_PARSES, 1);
	return true;
}

/* --- room ------------------------------------------------------------------- */

/* Was it used by what the server has not finished yet? */
static bool
is_in_use(const struct prepare *p, const struct stmts_entry *e)
{
	return (int32_t)(e->used - p->used_from) >= 0;
}

static uint32_t
limit(void)
{
	uint32_t max = (uint32_t)self.conf->max_prepared_statements;

	if (max > segtab.nstmts)
		return segtab.nstmts;
	return max > 0 ? max : 1;
}

/* Has it more than it should? */
static bool
is_over(const struct client *c)
{
	return stmts_count(c->backend->slot) > limit() + c->prepare->evicting;
}

/* Close what was used longest ago, until one more has its place. */
static bool
evict(struct client *c, bool is_forced)
{
	struct prepare *p = c->prepare;
	uint32_t i = stmts_oldest(p->set), n = 0, done = 0;

	while (i != STMTS_NONE && done < EVICT_ONCE && n++ < segtab.nstmts &&
	    stmts_count(c->backend->slot) >= limit() + p->evicting) {
		struct stmts_entry *e = stmts_at(p->set, i);
		uint32_t next = stmts_newer(p->set, i);

		if (e == NULL || (is_in_use(p, e) && !is_forced))
			break;
		if (e->will && e->pending == 0) {
			if (!own_close(c, CHANGE_EVICT, i))
				return false;
			p->evicting++;
			done++;
		}
		i = next;
	}
	return true;
}

/* An entry for one that has none. */
static enum result
make_room(struct client *c, const struct stmt *s, uint32_t *i)
{
	struct prepare *p = c->prepare;

	if (!evict(c, false))
		return FAIL;
	*i = stmts_add(p->set, s->hash);
	if (*i != STMTS_NONE)
		return DONE;
	if (stmts_is_broken(p->set))
		return FAIL;
	/* the server works in order: what it still runs is not disturbed */
	if (p->changes.len == 0 && !evict(c, true))
		return FAIL;
	return p->changes.len > 0 ? WAIT : FAIL;
}

/* --- named statements --------------------------------------------------------- */

enum result
supply_look(
    struct prepare *p, const struct stmt *s, uint32_t *i, bool *is_stale)
{
	const struct stmts_entry *e;

	*is_stale = false;
	*i = stmts_find(p->set, s->hash);
	if (*i == STMTS_NONE)
		return FAIL;
	e = stmts_at(p->set, *i);
	if (e->pending > 0 && e->batch != p->set->batch)
		return WAIT;
	*is_stale = e->will && e->plan != p->plan;
	return e->will ? DONE : FAIL;
}

enum result
supply_entry(struct client *c, const struct stmt *s, uint32_t *i)
{
	struct prepare *p = c->prepare;
	bool is_stale;

	switch (supply_look(p, s, i, &is_stale)) {
	case WAIT:
		return WAIT;
	case DONE:
		return own_close(c, CHANGE_OWN_CLOSE, *i) ? DONE : FAIL;
	case FAIL:
		break;
	}
	return *i != STMTS_NONE ? DONE : make_room(c, s, i);
}

enum result
supply(struct client *c, const struct stmt *s)
{
	struct prepare *p = c->prepare;
	bool is_stale;
	uint32_t i;
	enum result r = supply_look(p, s, &i, &is_stale);

	if (r == DONE && !is_stale) {
		stmts_use(p->set, i);
		return !is_over(c) || evict(c, false) ? DONE : FAIL;
	}
	if (r != WAIT)
		r = supply_entry(c, s, &i);
	if (r == DONE && !own_parse(c, s, i))
		return FAIL;
	return r;
}

enum result
supply_asked(struct client *c, struct stmt *s)
{
	struct prepare *p = c->prepare;
	struct change ask = { .kind = CHANGE_ASKED, .stmt = s };
	uint32_t i = stmts_find(p->set, s->hash);
	struct stmts_entry *e = i == STMTS_NONE ? NULL : stmts_at(p->set, i);

	/* an old one may not fit any more, which its Describe would refuse */
	if (e == NULL ||
	    (e->pending == 0 &&
		(!own_close(c, CHANGE_OWN_CLOSE, i) || !own_parse(c, s, i))))
		return FAIL;
	if (changes_push(&p->changes, ask) == -1)
		return FAIL;
	if (track_own(&c->backend->track, 'D') == -1) {
		changes_unpush(&p->changes);
		return FAIL;
	}
	stmt_hold(s);
	p->asking++;
	put_named(c, 'D', s->name);
	return DONE;
}

bool
supply_dummy(struct client *c, const char *name)
{
	/* no query at all: a failed transaction takes it, too */
	static const uint8_t body[3] = { 0 };

	if (!enter(c, 'C', CHANGE_DUMMY, 0) || !enter(c, 'P', CHANGE_DUMMY, 0))
		return false;
	put_named(c, 'C', name);
	supply_parse_head(c, name, sizeof(body));
	upstream_put(c, body, sizeof(body));
	return true;
}

/* --- the statement without a name ------------------------------------------------ */

enum result
supply_unnamed(struct client *c)
{
	struct prepare *p = c->prepare;

	if (p->is_unnamed_ours)
		return DONE;
	if (p->unnamed_sent > 0)
		return p->unnamed_batch == p->set->batch ? DONE : WAIT;
	/* without one of its own it must not get somebody else's */
	if (!enter(c, p->text == NULL ? 'C' : 'P', CHANGE_OWN_UNNAMED,
		p->unnamed_round))
		return FAIL;
	if (p->text == NULL) {
		put_named(c, 'C', "");
	} else {
		supply_parse_head(c, "", p->text_len);
		upstream_put(c, p->text, p->text_len);
		count_add(c->lend->count, COUNT_SERVER_PARSES, 1);
	}
	p->unnamed_sent++;
	p->unnamed_batch = p->set->batch;
	return DONE;
}

bool
supply_passing(struct client *c, size_t rest)
{
	struct prepare *p = c->prepare;

	prepare_lose_unnamed(c);
	if (!enter(c, 'P', CHANGE_OWN_UNNAMED, p->unnamed_round))
		return false;
	/* whatever comes of it is not what the client knows of */
	prepare_lose_unnamed(c);
	supply_parse_head(c, "", rest);
	return true;
}
