/* parse.c - what a client's Parse becomes. */
#include <stdlib.h>
#include <string.h>

#include "shm/count.h"
#include "worker/client/prepare_impl.h"
#include "worker/self.h"

enum {
	TEXT_MAX = 64 * 1024, /* longest Parse without a name that is kept */
};

/* The client's Parse goes on, under `name`. */
static enum look
pass_parse(struct client *c, struct look_at *m, struct change e,
    const char *name, size_t own_name)
{
	struct prepare *p = c->prepare;

	if (changes_push(&p->changes, e) == -1)
		return prepare_refuse(m, "53200", "out of memory");
	if (track_parse(&c->backend->track) == -1) {
		changes_unpush(&p->changes);
		return prepare_refuse_failed(c, m);
	}
	supply_parse_head(c, name, m->f.body - own_name);
	count_add(c->lend->count, COUNT_SERVER_PARSES, 1);
	return prepare_took(m, own_name);
}

/* Under a name that is surely taken: the server refuses it. */
static enum look
parse_taken(struct client *c, struct look_at *m, struct name *e, size_t skip)
{
	struct change change = { .kind = CHANGE_TAKEN, .name = e };
	enum result r = supply(c, e->will);

	if (r != DONE)
		return prepare_not_done(c, m, r);
	return pass_parse(c, m, change, e->will->name, skip);
}

/* The backend has it: say so when its turn has come. */
static enum look
parse_fake(struct client *c, struct look_at *m, struct name *e, struct stmt *s)
{
	struct prepare *p = c->prepare;
	struct change change = { .kind = CHANGE_FAKE, .name = e, .stmt = s };

	if (changes_push(&p->changes, change) == -1)
		return prepare_refuse(m, "53200", "out of memory");
	if (track_fake(&c->backend->track, '1') == -1) {
		changes_unpush(&p->changes);
		return prepare_refuse_failed(c, m);
	}
	stmt_hold(s);
	names_will(e, s, p->set->batch);
	return prepare_took(m, m->f.body);
}

static enum look
parse_real(struct client *c, struct look_at *m, struct name *e, struct stmt *s,
    size_t skip)
{
	struct prepare *p = c->prepare;
	struct change change = { .kind = CHANGE_PARSE, .name = e, .stmt = s };
	enum look look;
	uint32_t i;
	enum result r = supply_entry(c, s, &i);

	if (r != DONE)
		return prepare_not_done(c, m, r);
	change.entry = (uint16_t)i;
	look = pass_parse(c, m, change, s->name, skip);
	if (look != LOOK_TOOK)
		return look;
	stmt_hold(s);
	names_will(e, s, p->set->batch);
	stmts_will(p->set, i, true, p->plan);
	stmts_use(p->set, i);
	return look;
}

/*
 * Can it be answered without the server?  Not where a transaction may have
 * failed before, which refuses nearly every Parse.
 */
static bool
is_there(struct client *c, const struct stmt *s)
{
	struct prepare *p = c->prepare;
	bool is_stale;
	uint32_t i;

	if (!p->is_well || supply_look(p, s, &i, &is_stale) != DONE || is_stale)
		return false;
	stmts_use(p->set, i);
	return true;
}

/* `len`: of the name; the statement stands behind it. */
static enum look
parse_new(struct client *c, struct look_at *m, size_t len)
{
	struct prepare *p = c->prepare;
	struct stmt *s = stmt_intern(m->body + len + 1, m->f.body - len - 1);
	enum look look;
	struct name *e;

	if (s == NULL)
		return prepare_refuse_memory(m);
	if (!names_has_room(&p->names, s) ||
	    (e = names_make(&p->names, (const char *)m->body, len)) == NULL)
		look = prepare_refuse_memory(m);
	else if (!is_there(c, s))
		look = parse_real(c, m, e, s, len + 1);
	else if (c->backend->track.fakes < TRACK_FAKES)
		look = parse_fake(c, m, e, s);
	else
		look = prepare_stall(c);
	stmt_drop(s);
	return look;
}

static enum look
parse_named(struct client *c, struct look_at *m)
{
	struct prepare *p = c->prepare;
	ssize_t len;
	struct name *e;

	if (m->have < m->f.body)
		return m->f.body <= (uint32_t)self.conf->max_statement_memory
		    ? LOOK_WHOLE
		    : prepare_refuse_memory(m);
	len = prepare_text_at(m, 0);
	if (len == -1 ||
	    !stmt_is_valid(m->body + len + 1, m->f.body - (size_t)len - 1))
		return LOOK_PASS; /* the server refuses it */
	e = names_find(&p->names, (const char *)m->body, (size_t)len);
	if (prepare_is_uncertain(p, e))
		return prepare_stall(c);
	if (e != NULL && e->will != NULL)
		return parse_taken(c, m, e, (size_t)len + 1);
	return parse_new(c, m, (size_t)len);
}

void
prepare_forget_text(struct prepare *p)
{
	free(p->text);
	stmt_refund(p->text_cap);
	p->text = NULL;
	p->text_len = p->text_cap = 0;
}

static bool
is_same_text(const struct prepare *p, const uint8_t *text, uint32_t len)
{
	return p->text != NULL && p->text_len == len &&
	    memcmp(p->text, text, len) == 0;
}

bool
prepare_is_plain_again(const struct client *c, const struct look_at *m)
{
	const struct prepare *p = c->prepare;

	return p != NULL && p->is_text_plain && m->have == m->f.body &&
	    m->have > 0 && m->body[0] == '\0' &&
	    is_same_text(p, m->body + 1, m->f.body - 1);
}

/* What is bound to it may be bound on another backend. */
static void
remember_text(
    struct prepare *p, const uint8_t *text, uint32_t len, bool is_plain)
{
	if (is_same_text(p, text, len))
		return;
	p->is_text_plain = is_plain;
	if (p->text == NULL || len > p->text_cap || len < p->text_cap / 4) {
		prepare_forget_text(p);
		if (len == 0 || !stmt_charge(len))
			return;
		p->text_cap = len;
		p->text = malloc(len);
		if (p->text == NULL) {
			prepare_forget_text(p);
			return;
		}
	}
	memcpy(p->text, text, len);
	p->text_len = len;
	p->is_text_sql =
	    stmt_is_sql((const char *)text, strnlen((const char *)text, len));
}

static enum look
parse_unnamed(struct client *c, struct look_at *m)
{
	struct prepare *p = c->prepare;
	struct change e = { .kind = CHANGE_UNNAMED, .entry = p->unnamed_round };

	if (m->f.body > TEXT_MAX)
		prepare_forget_text(p);
	else if (m->have < m->f.body)
		return LOOK_WHOLE;
	else
		remember_text(p, m->body + 1, m->f.body - 1, m->is_plain);
	if (p->is_unnamed_ours)
		return LOOK_PASS;
	/* until the server has read it, it has somebody else's */
	if (changes_push(&p->changes, e) == -1)
		return prepare_refuse(m, "53200", "out of memory");
	p->unnamed_sent++;
	p->unnamed_batch = p->set->batch;
	m->is_booked = true;
	return LOOK_PASS;
}

enum look
prepare_look_parse(struct client *c, struct look_at *m)
{
	if (m->have == 0)
		return prepare_torn(m);
	return m->body[0] == '\0' ? parse_unnamed(c, m) : parse_named(c, m);
}
