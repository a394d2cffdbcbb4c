/* sqlprep.c - what a client's message with SQL of this kind becomes. */
#include "worker/client/sqlprep.h"

#include <stdlib.h>
#include <string.h>

#include "worker/backend/params.h"
#include "worker/client/prepare_impl.h"
#include "worker/client/raise.h"
#include "worker/client/session.h"
#include "worker/client/sqlsplit.h"
#include "worker/client/upstream.h"
#include "worker/self.h"

enum {
	HEAD = 1024, /* of a long text are looked at, to know what it is */
};

static struct sqlscript script; /* of the message in hand */

static struct sqlprep *
get(struct client *c)
{
	struct prepare *p = prepare_get(c);

	if (p != NULL && p->sql == NULL)
		p->sql = calloc(1, sizeof(*p->sql));
	return p == NULL ? NULL : p->sql;
}

static bool
is_utf8(const struct client *c)
{
	const char *charset = params_value(
	    c->params->text, c->params->len, params_find("client_encoding"));

	return charset != NULL && strcmp(charset, "UTF8") == 0;
}

/* --- what the backend needs ---------------------------------------------------- */

/* What the client's statement does to the session when it is executed. */
static void
tell_session(struct client *c, const struct stmt *s)
{
	const char *sql = (const char *)s->body;
	struct look_at unused = { .have = 0 };

	/* LISTEN cannot be prepared in SQL: there is nothing to wait for */
	if (!s->is_plain)
		(void)session_bound(c, &unused, sql, strnlen(sql, s->len));
}

/* The name as it is now; it must be there. */
static struct name *
find(struct prepare *p, const char *name)
{
	return names_find(&p->names, name, strlen(name));
}

/* What becomes true when the server answers; `i`: the entry of `s`. */
static enum result
push(struct client *c, enum sqlprep_op kind, struct name *e, struct stmt *s,
    uint32_t i)
{
	struct prepare *p = c->prepare;
	struct change op = { .kind = (uint8_t)kind,
		.name = e,
		.stmt = s,
		.entry = (uint16_t)i };

	if (changes_push(&p->sql->ops, op) == -1)
		return FAIL;
	if (s != NULL)
		stmt_hold(s);
	if (kind == SQLPREP_PREPARE) {
		names_will(e, s, p->set->batch);
		stmts_will(p->set, i, true, p->plan);
		stmts_use(p->set, i);
	} else if (kind == SQLPREP_DEALLOCATE) {
		names_will(e, NULL, p->set->batch);
		stmts_will(p->set, i, false, 0);
	}
	return DONE;
}

/* The client's PREPARE makes `s`, which must not be there. */
static enum result
op_prepare(struct client *c, const char *name, struct stmt *s)
{
	struct prepare *p = c->prepare;
	struct name *e;
	uint32_t i;
	enum result r = supply_entry(c, s, &i);

	if (r != DONE)
		return r;
	e = names_make(&p->names, name, strlen(name));
	return e == NULL ? FAIL : push(c, SQLPREP_PREPARE, e, s, i);
}

/* It is to fail, since `s` is there. */
static enum result
op_taken(struct client *c, const char *name, struct stmt *s, bool is_here)
{
	enum result r = is_here ? DONE : supply(c, s);

	if (r != DONE)
		return r;
	return push(c, SQLPREP_TAKEN, find(c->prepare, name), s, 0);
}

static enum result
op_deallocate(struct client *c, const char *name, struct stmt *s, bool is_here)
{
	struct prepare *p = c->prepare;
	struct name *e = find(p, name);
	enum result r = is_here ? DONE : supply(c, s);

	if (r != DONE)
		return r;
	if (e == NULL) /* since it was bound: no name of the client's goes */
		return push(c, SQLPREP_OTHER, NULL, NULL, 0);
	return push(c, SQLPREP_DEALLOCATE, e, s, stmts_find(p->set, s->hash));
}

static enum result
do_step(struct client *c, const struct sqlscript_step *st)
{
	switch (st->kind) {
	case SQLSCRIPT_EXECUTE:
		tell_session(c, st->stmt);
		return st->is_here ? DONE : supply(c, st->stmt);
	case SQLSCRIPT_PREPARE:
		return op_prepare(c, st->name, st->stmt);
	case SQLSCRIPT_TAKEN:
		return op_taken(c, st->name, st->stmt, st->is_here);
	case SQLSCRIPT_DEALLOCATE:
		return op_deallocate(c, st->name, st->stmt, st->is_here);
	case SQLSCRIPT_STRANGE:
	case SQLSCRIPT_OTHER:
		return st->is_tagged ? push(c, SQLPREP_OTHER, NULL, NULL, 0)
				     : DONE;
	case SQLSCRIPT_ALL:
		return DONE;
	}
	return FAIL;
}

/* --- reading ------------------------------------------------------------------------ */

static enum look
refuse(struct client *c, struct look_at *m, enum sqlscript_is is)
{
	switch (is) {
	case SQLSCRIPT_UNCERTAIN:
		return prepare_stall(c);
	case SQLSCRIPT_LONG:
		return raise_look(
		    m, "54000", "too many prepared statements in one query");
	default:
		return prepare_refuse_memory(m);
	}
}

static enum sqlscript_is
read_text(struct client *c, const char *text, size_t len)
{
	struct prepare *p = c->prepare;
	enum sqlscript_is is = sqlscript_read(&script, &p->names, p->set->batch,
	    text, len, session_text_flags(c));

	if (script.n > 0 || script.is_raw)
		session_prepared(c, script.is_raw);
	return is;
}

/* Errors speak of the backend's names, and of places in the edited text. */
static void
note_edits(struct client *c)
{
	struct sqlprep *q = c->prepare->sql;

	q->nsaid = 0;
	for (uint32_t i = 0; i < script.n && q->nsaid < SQLPREP_SAID; i++) {
		const struct sqlscript_step *st = &script.steps[i];
		struct sqlprep_said *said = &q->said[q->nsaid];

		if (st->kind != SQLSCRIPT_EXECUTE)
			continue;
		memcpy(said->hash, st->stmt->hash, STMTS_NAME);
		strcpy(said->name, st->name);
		q->nsaid++;
	}

	q->shifts_from = c->prepare->changes.popped + c->prepare->changes.len;
	q->nshifts =
	    sqledit_shifts(&script.edit, is_utf8(c), q->shifts, SQLPREP_SHIFTS);
}

static void
put(void *arg, const void *p, size_t len)
{
	upstream_put(arg, p, len);
}

/* --- Query ------------------------------------------------------------------------------ */

/* Does any of what is in hand speak of it? */
static bool
is_sql(const struct look_at *m)
{
	const char *text = (const char *)m->body;
	struct sql_walk w;
	struct sql_stmt s;

	if (sql_is_plain(text, m->have) && m->have == m->f.body)
		return false;
	sql_walk_init(&w, text, m->have, 0);
	while (sql_next(&w, &s))
		if (s.kind == SQL_PREPARE || s.kind == SQL_EXECUTE ||
		    s.kind == SQL_DEALLOCATE)
			return true;
	return false;
}

/* The edited text, behind what it needs. */
static enum look
send_query(struct client *c, struct look_at *m)
{
	struct prepare *p = c->prepare;
	uint8_t head[FRAME_HEAD] = { 'Q' };

	for (uint32_t i = 0; i < script.n; i++) {
		enum result r = do_step(c, &script.steps[i]);

		if (r == FAIL)
			return prepare_refuse_failed(c, m);
		if (r == WAIT)
			return prepare_refuse(m, "54000",
			    "too many prepared statements in one query");
	}
	if (track_client(&c->backend->track, 'Q') == -1)
		return prepare_refuse_failed(c, m);
	frame_put32(head + 1, (uint32_t)(4 + script.edit.edited + 1));
	upstream_put(c, head, sizeof(head));
	sqledit_put(&script.edit, put, c);
	upstream_put(c, "", 1);
	note_edits(c);
	p->sql->is_gated = p->changes.len > 0;
	return prepare_took(m, m->f.body);
}

static enum look
look_query(struct client *c, struct look_at *m)
{
	struct prepare *p = c->prepare;
	const char *text = (const char *)m->body;
	enum sqlscript_is is;
	enum look look;

	if (track_owes(&c->backend->track) > 0 || p->changes.len > 0 ||
	    p->sql->ops.len > 0)
		return prepare_stall(c);
	if (sqlsplit_has_failed(c, m))
		return sqlsplit_end(c, m);
	script.run = sqlsplit_run(p, m);
	is = read_text(c, text, strlen(text));
	script.run = 0;
	if (is == SQLSCRIPT_PLAIN)
		look = LOOK_PASS;
	else if (is == SQLSCRIPT_READY && sqlsplit_is_due(c, &script))
		look = sqlsplit_begin(c, m, script.exit);
	else if (is == SQLSCRIPT_READY)
		look = send_query(c, m);
	else
		look = refuse(c, m, is);
	sqlscript_drop(&script);
	return look;
}

enum look
sqlprep_query(struct client *c, struct look_at *m)
{
	enum look look;

	if (!session_is_tracking(c) || prepare_is_off(c))
		return LOOK_PASS;
	if (m->have < m->f.body && m->have < HEAD)
		return LOOK_MORE;
	if (!is_sql(m))
		return LOOK_PASS;
	if (m->have < m->f.body)
		return m->f.body <= (uint32_t)self.conf->max_statement_memory
		    ? LOOK_WHOLE
		    : prepare_refuse_memory(m);
	if (memchr(m->body, '\0', m->have) == NULL)
		return LOOK_PASS; /* the server refuses it */
	if (get(c) == NULL)
		return prepare_refuse(m, "53200", "out of memory");
	return prepare_ready(c, m, &look) ? look_query(c, m) : look;
}

/* --- Bind and Describe -------------------------------------------------------------------- */

static struct sqlprep_portal *
portal_at(struct sqlprep *q, const char *portal)
{
	for (uint32_t i = 0; i < q->nportals; i++)
		if (strcmp(q->portals[i].portal, portal) == 0)
			return &q->portals[i];
	return NULL;
}

static void
drop_portal(struct sqlprep *q, struct sqlprep_portal *o)
{
	stmt_drop(o->stmt);
	*o = q->portals[--q->nportals];
}

void
sqlprep_unbind(struct prepare *p, const char *portal)
{
	struct sqlprep_portal *o;

	if (p->sql != NULL && (o = portal_at(p->sql, portal)) != NULL)
		drop_portal(p->sql, o);
}

static enum look
refuse_portals(struct look_at *m)
{
	return raise_look(
	    m, "54000", "too many portals of prepared statements");
}

/* What its Execute has to see to.  False: there is no room. */
static bool
bind_portal(
    struct prepare *p, const char *portal, const struct sqlscript_step *st)
{
	struct sqlprep *q = p->sql;
	struct sqlprep_portal *o = &q->portals[q->nportals];

	if (q->nportals == SQLPREP_PORTALS ||
	    strlen(portal) >= sizeof(o->portal))
		return false;
	o->kind = (uint8_t)st->kind;
	o->stmt = st->stmt;
	if (o->stmt != NULL)
		stmt_hold(o->stmt);
	strcpy(o->portal, portal);
	strcpy(o->name, st->name);
	q->nportals++;
	return true;
}

/* The one statement of the script is parsed without a name, and used. */
static enum look
use_it(struct client *c, struct look_at *m, size_t at, size_t len,
    struct sql_span types)
{
	const struct sqlscript_step *st = &script.steps[0];
	enum result r = DONE;

	if (st->kind == SQLSCRIPT_EXECUTE) {
		tell_session(c, st->stmt);
		r = supply(c, st->stmt);
	}
	if (r == DONE && !supply_passing(c, script.edit.edited + 1 + types.len))
		r = FAIL;
	if (r != DONE)
		return prepare_not_done(c, m, r);
	sqledit_put(&script.edit, put, c);
	upstream_put(c, "", 1);
	upstream_put(c, types.p, types.len);
	note_edits(c);
	if (m->f.type == 'B' &&
	    !bind_portal(c->prepare, (const char *)m->body, st))
		return refuse_portals(m);
	return prepare_rename(c, m, at, len, "");
}

enum look
sqlprep_use(struct client *c, struct look_at *m, size_t at, size_t len,
    const uint8_t *body, size_t body_len)
{
	const char *text = (const char *)body;
	size_t text_len = strnlen(text, body_len);
	struct sql_span types = { text + text_len + 1,
		body_len - text_len - 1 };
	enum sqlscript_is is;
	enum look look;

	if (text_len == body_len || !session_is_tracking(c))
		return LOOK_PASS;
	if (get(c) == NULL)
		return prepare_refuse(m, "53200", "out of memory");
	if (c->prepare->sql->ops.len > 0)
		return prepare_stall(c);
	is = read_text(c, text, text_len);
	if (is == SQLSCRIPT_PLAIN && m->f.type == 'B' && script.n == 1 &&
	    script.steps[0].kind == SQLSCRIPT_ALL &&
	    !bind_portal(c->prepare, (const char *)m->body, script.steps))
		look = refuse_portals(m);
	else if (is == SQLSCRIPT_PLAIN || script.n != 1)
		look = LOOK_PASS;
	else if (is == SQLSCRIPT_READY)
		look = use_it(c, m, at, len, types);
	else
		look = refuse(c, m, is);
	sqlscript_drop(&script);
	return look;
}

/* --- Execute ---------------------------------------------------------------------------------- */

static enum result
execute(struct client *c, const struct sqlprep_portal *o)
{
	struct name *e = find(c->prepare, o->name);
	bool is_taken = e != NULL && e->will != NULL;

	switch ((enum sqlscript_kind)o->kind) {
	case SQLSCRIPT_EXECUTE:
		return supply(c, o->stmt);
	case SQLSCRIPT_PREPARE:
		/* another may have been made since */
		return is_taken ? op_taken(c, o->name, o->stmt, false)
				: op_prepare(c, o->name, o->stmt);
	case SQLSCRIPT_TAKEN:
		return op_taken(c, o->name, o->stmt, false);
	case SQLSCRIPT_DEALLOCATE:
		return op_deallocate(c, o->name, o->stmt, false);
	case SQLSCRIPT_ALL:
		c->prepare->is_behind_all = true;
		return DONE;
	default:
		return DONE;
	}
}

bool
sqlprep_is_bound(const struct prepare *p)
{
	return p->sql != NULL && p->sql->nportals > 0;
}

bool
sqlprep_is_gated(const struct prepare *p)
{
	return p->sql != NULL && p->sql->is_gated && p->changes.len > 0;
}

enum look
sqlprep_wait(struct client *c)
{
	return prepare_stall(c);
}

enum look
sqlprep_execute(struct client *c, struct look_at *m)
{
	struct prepare *p = c->prepare;
	const struct sqlprep_portal *o;
	enum result r;

	if (!sqlprep_is_bound(p))
		return LOOK_PASS;
	if (prepare_text_at(m, 0) == -1)
		return prepare_torn(m);
	o = portal_at(p->sql, (const char *)m->body);
	if (o == NULL || o->kind == SQLSCRIPT_STRANGE)
		return LOOK_PASS;
	if (p->sql->ops.len > 0 ||
	    (o->kind != SQLSCRIPT_EXECUTE && o->kind != SQLSCRIPT_ALL &&
		track_owes(&c->backend->track) > 0) ||
	    prepare_is_uncertain(p, find(p, o->name)))
		return prepare_stall(c);
	r = execute(c, o);
	return r == DONE ? LOOK_PASS : prepare_not_done(c, m, r);
}
