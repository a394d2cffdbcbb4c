/* answer.c - what the server's answers make of a client's statements. */
#include <string.h>

#include "worker/client/prepare_impl.h"
#include "worker/client/sqlprep.h"
#include "worker/proto/field.h"

/* --- the books -------------------------------------------------------------------- */

/* It was answered as it should be. */
static void
did(struct prepare *p, struct change *e, const struct shape *told)
{
	switch ((enum change_kind)e->kind) {
	case CHANGE_PARSE:
		stmts_did(p->set, e->entry, true);
		names_did(&p->names, e->name, e->stmt);
		return;
	case CHANGE_TAKEN:
		/* it has taken what it must refuse: who knows what it has */
		p->set->broken = 1;
		return;
	case CHANGE_FAKE:
	case CHANGE_FORGET:
		names_did(&p->names, e->name, e->stmt);
		return;
	case CHANGE_OWN_PARSE:
		stmts_did(p->set, e->entry, true);
		return;
	case CHANGE_EVICT:
		p->evicting--;
		stmts_did(p->set, e->entry, false);
		return;
	case CHANGE_OWN_CLOSE:
		stmts_did(p->set, e->entry, false);
		return;
	case CHANGE_TOLD:
		names_told(&p->names, e->name, e->stmt, told);
		stmts_told(p->set, e->stmt->hash, told->rows, told->params);
		return;
	case CHANGE_ASKED:
		p->asking--;
		stmts_told(p->set, e->stmt->hash, told->rows, told->params);
		return;
	case CHANGE_DUMMY:
		return;
	case CHANGE_UNNAMED:
	case CHANGE_OWN_UNNAMED:
		if (e->entry != p->unnamed_round)
			return;
		p->unnamed_sent--;
		p->is_unnamed_ours = true;
		return;
	}
}

/* It failed, or was skipped. */
static void
lost(struct prepare *p, struct change *e)
{
	switch ((enum change_kind)e->kind) {
	case CHANGE_PARSE:
		stmts_lost(p->set, e->entry);
		names_lost(&p->names, e->name);
		return;
	case CHANGE_TAKEN:
		return;
	case CHANGE_FAKE:
	case CHANGE_FORGET:
		names_lost(&p->names, e->name);
		return;
	case CHANGE_EVICT:
		p->evicting--;
		stmts_lost(p->set, e->entry);
		return;
	case CHANGE_OWN_PARSE:
	case CHANGE_OWN_CLOSE:
		stmts_lost(p->set, e->entry);
		return;
	case CHANGE_TOLD:
		names_told(&p->names, e->name, e->stmt, NULL);
		return;
	case CHANGE_ASKED:
		p->asking--;
		return;
	case CHANGE_DUMMY:
		return;
	case CHANGE_UNNAMED:
	case CHANGE_OWN_UNNAMED:
		if (e->entry == p->unnamed_round && --p->unnamed_sent == 0 &&
		    e->kind == CHANGE_UNNAMED)
			prepare_forget_text(p);
		return;
	}
}

static void
show_number(const struct client *c)
{
	atomic_store_explicit(&clientrow_at(c->row)->stmts,
	    names_count(&c->prepare->names), memory_order_relaxed);
}

void
prepare_on_books(struct client *c, enum books what)
{
	struct prepare *p = c->prepare;
	struct change e;

	if (what == BOOKS_GONE) {
		if (p == NULL)
			return;
		names_gone(&p->names);
		show_number(c);
		return;
	}
	if (what == BOOKS_PREPARED || what == BOOKS_DEALLOCATED) {
		if (p == NULL)
			return;
		sqlprep_on_tag(p, what);
		show_number(c);
		return;
	}
	if (p == NULL || changes_oldest(&p->changes) == NULL)
		return;
	e = changes_pop(&p->changes);
	if (what == BOOKS_DONE)
		did(p, &e, &c->backend->shape);
	else
		lost(p, &e);
	stmt_drop(e.stmt);
	show_number(c);
}

void
prepare_end(struct client *c)
{
	struct prepare *p = c->prepare;

	if (p == NULL)
		return;
	sqlprep_end(p);
	if (p->changes.len > 0 && p->set != NULL)
		stmts_abandon(p->set);
	if (p->set != NULL && stmts_is_broken(p->set) && c->backend != NULL)
		atomic_fetch_or(&slot_at(c->backend->slot)->flags, SLOT_DIRTY);
	while (p->changes.len > 0) {
		struct change e = changes_pop(&p->changes);

		if (e.kind == CHANGE_TOLD)
			names_told(&p->names, e.name, e.stmt, NULL);
		else if (e.name != NULL && e.kind != CHANGE_TAKEN)
			names_lost(&p->names, e.name);
		stmt_drop(e.stmt);
	}
	changes_fini(&p->changes);
	if (p->kept != NULL)
		prepare_drop_kept(p);
	p->keep_for = NULL;
	p->held = 0;
	p->evicting = p->asking = 0;
	p->set = NULL;
}

bool
prepare_has_any(const struct client *c)
{
	return names_count(&c->prepare->names) > 0;
}

bool
prepare_forget(struct client *c, const char *name)
{
	struct prepare *p = c->prepare;
	struct name *e =
	    p == NULL ? NULL : names_find(&p->names, name, strlen(name));

	if (e == NULL || e->is == NULL)
		return false;
	names_will(e, NULL, 0);
	names_did(&p->names, e, NULL);
	show_number(c);
	return true;
}

bool
prepare_wake(struct client *c)
{
	struct prepare *p = c->prepare;

	if (!p->is_waiting || p->held & HELD_RERUN)
		return false;
	p->is_waiting = false;
	c->is_asking = false;
	if (c->state == CLIENT_LENT)
		pass_resume(c);
	else if (c->state == CLIENT_IDLE)
		want_resume(c);
	client_rewatch(c);
	return true;
}

/* --- errors ----------------------------------------------------------------------- */

/* The fields of an ErrorResponse that matter here; "" what it lacks. */
struct error {
	const char *sqlstate, *routine;
	const char *text;     /* its message */
	const char *position; /* behind it */
};

static void
read_error(const uint8_t *body, size_t len, struct error *e)
{
	struct field f;
	uint8_t code;

	e->sqlstate = e->routine = e->text = e->position = "";
	field_init(&f, body, len);
	while ((code = field_byte(&f)) != 0) {
		const char *value = field_str(&f);

		if (f.bad)
			return;
		if (code == 'C')
			e->sqlstate = value;
		else if (code == 'R')
			e->routine = value;
		else if (code == 'M')
			e->text = value;
		else if (code == 'P' && e->text[0] != '\0')
			e->position = value;
	}
}

/* A backend's name of a statement, in a text; NULL: there is none. */
static const char *
find_name(const char *text, uint8_t hash[STMTS_NAME])
{
	const char *at = text;

	while ((at = strstr(at, STMT_PREFIX)) != NULL) {
		if (stmt_is_name((const uint8_t *)at, strlen(at), hash))
			return at;
		at++;
	}
	return NULL;
}

/* What the client calls it; NULL: nobody knows. */
static const char *
name_of(struct prepare *p, const uint8_t hash[STMTS_NAME])
{
	const struct change *e = changes_oldest(&p->changes);
	const struct name *n;
	const char *said;

	/* the answer that comes now is the one to this */
	if (e == NULL || e->kind != CHANGE_TAKEN)
		e = sqlprep_failing(p, hash);
	n = e != NULL ? e->name : NULL;
	if (n == NULL && (said = sqlprep_said(p, hash)) != NULL)
		return said;
	if (n == NULL)
		n = names_of(&p->names, hash);
	return n == NULL ? NULL : n->text;
}

/* The server says that our books are wrong. */
static void
doubt(struct client *c, const struct error *e, const uint8_t hash[STMTS_NAME])
{
	struct prepare *p = c->prepare;
	const struct change *oldest = changes_oldest(&p->changes);

	if (strcmp(e->sqlstate, "26000") == 0)
		stmts_doubt(p->set);
	else if (strcmp(e->sqlstate, "42P05") == 0 &&
	    (oldest == NULL || oldest->kind != CHANGE_TAKEN) &&
	    sqlprep_failing(p, hash) == NULL)
		p->set->broken = 1;
}

/* Instead of `old` bytes at `at`, which point into w's message. */
static void
replace(struct wire *w, const uint8_t **from, const char *at, size_t old,
    const char *text, size_t len)
{
	wire_bytes(w, *from, (size_t)((const uint8_t *)at - *from));
	wire_bytes(w, text, len);
	*from = (const uint8_t *)at + old;
}

/* In the client's words: the name, and where in its text it was. */
static size_t
reword(struct prepare *p, const uint8_t *msg, size_t len, struct wire *w,
    const struct error *e)
{
	const uint8_t *from = msg;
	uint8_t hash[STMTS_NAME];
	const char *at = find_name(e->text, hash);
	const char *name = at == NULL ? NULL : name_of(p, hash);
	char pos[16];

	/* the message stands in front of the position */
	if (name != NULL)
		replace(w, &from, at, STMT_NAME - 1, name, strlen(name));
	if (e->position[0] != '\0' && sqlprep_place(p, e->position, pos))
		replace(w, &from, e->position, strlen(e->position), pos,
		    strlen(pos));
	if (from == msg)
		return 0;
	wire_bytes(w, from, (size_t)(msg + len - from));
	if (w->full)
		return 0;
	frame_put32(
	    w->p + 1, frame_get32(msg + 1) + (uint32_t)w->len - (uint32_t)len);
	return w->len;
}

size_t
prepare_on_error(struct client *c, const struct lessee_error *error,
    uint8_t *out, size_t room)
{
	struct prepare *p = c->prepare;
	uint8_t hash[STMTS_NAME];
	struct error e;
	struct wire w;
	bool is_stale, is_named;

	if (p == NULL || p->set == NULL)
		return 0;
	read_error(error->msg + FRAME_HEAD, error->len - FRAME_HEAD, &e);
	is_stale = strcmp(e.sqlstate, "0A000") == 0 &&
	    strcmp(e.routine, "RevalidateCachedQuery") == 0;
	if (is_stale)
		pool_plans_old(c->lend->row);
	is_named = find_name(e.text, hash) != NULL;
	if (is_named)
		doubt(c, &e, hash);
	if ((is_stale || (is_named && strcmp(e.sqlstate, "26000") == 0)) &&
	    prepare_may_rerun(c, error->is_first, is_stale))
		return LESSEE_SILENT;
	wire_init(&w, out, room);
	return reword(p, error->msg, error->len, &w, &e);
}
