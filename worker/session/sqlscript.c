#include "worker/session/sqlscript.h"

#include <stdlib.h>
#include <string.h>

#include "worker/proto/frame.h"
#include "worker/session/sqltypes.h"

/* What reading needs beside the script. */
struct reading {
	struct sqlscript *sc;
	struct names *names;
	uint32_t batch;
	unsigned flags;
};

/* --- names as they will be ---------------------------------------------------- */

/* At the end of the steps so far; NULL: no such statement. */
static enum sqlscript_is
look_up(
    const struct reading *r, const char *name, struct stmt **s, bool *is_here)
{
	struct name *e;

	*s = NULL;
	*is_here = false;
	for (uint32_t i = r->sc->n; i-- > 0;) {
		struct sqlscript_step *st = &r->sc->steps[i];

		if (st->kind == SQLSCRIPT_ALL)
			return SQLSCRIPT_READY;
		if (strcmp(st->name, name) != 0)
			continue;
		if (st->kind == SQLSCRIPT_DEALLOCATE)
			return SQLSCRIPT_READY;
		if (st->kind == SQLSCRIPT_PREPARE) {
			*s = st->stmt;
			*is_here = true;
			return SQLSCRIPT_READY;
		}
	}
	e = names_find(r->names, name, strlen(name));
	if (e != NULL && e->pending > 0 && e->batch != r->batch)
		return SQLSCRIPT_UNCERTAIN;
	*s = e == NULL ? NULL : e->will;
	return SQLSCRIPT_READY;
}

static bool
is_used(const struct sqlscript *sc, const struct stmt *s)
{
	for (uint32_t i = 0; i < sc->n; i++)
		if (sc->steps[i].stmt == s)
			return true;
	return false;
}

/* --- statements ----------------------------------------------------------------- */

/* As a Parse has it; `spaces` behind it make another one of the same. */
static struct stmt *
intern(struct sql_span query, size_t spaces, const uint32_t *types, int n)
{
	size_t len = query.len + spaces + 1 + 2 + 4 * (size_t)n;
	uint8_t *body = malloc(len), *p = body;
	struct stmt *s;

	if (body == NULL)
		return NULL;
	memcpy(p, query.p, query.len);
	p += query.len;
	memset(p, ' ', spaces);
	p += spaces;
	*p++ = '\0';
	frame_put16(p, (uint16_t)n);
	p += 2;
	for (int i = 0; i < n; i++, p += 4)
		frame_put32(p, types[i]);
	s = stmt_intern(body, len);
	free(body);
	return s;
}

/* One that does nothing. */
static struct stmt *
spare(struct sqlscript *sc)
{
	struct sql_span nothing = { "", 0 };

	return intern(nothing, sc->spares++, NULL, 0);
}

/* What it prepares; NULL: no memory. */
static struct stmt *
fresh(const struct sqlscript *sc, struct sql_span body, const uint32_t *types,
    int n)
{
	for (size_t spaces = 0;; spaces++) {
		struct stmt *s = intern(body, spaces, types, n);

		if (s == NULL || !is_used(sc, s))
			return s;
		stmt_drop(s);
	}
}

/* --- steps ---------------------------------------------------------------------- */

static bool
is_of_backends(const char *name)
{
	return strncmp(name, STMT_PREFIX, sizeof(STMT_PREFIX) - 1) == 0;
}

/* Its own name, if that is not one of a backend's. */
static enum sqlscript_is
leave(const struct reading *r, struct sqlscript_step *st, struct sql_span where)
{
	st->kind = SQLSCRIPT_OTHER;
	if (!is_of_backends(st->name))
		return SQLSCRIPT_PLAIN;
	st->kind = SQLSCRIPT_STRANGE;
	st->name[0] = 'P';
	(void)sqledit_name(&r->sc->edit, where, st->name);
	return SQLSCRIPT_READY;
}

/* Written is the name of st->stmt, which must be there. */
static enum sqlscript_is
write_it(
    const struct reading *r, struct sqlscript_step *st, struct sql_span where)
{
	if (st->stmt == NULL)
		return SQLSCRIPT_MEMORY;
	(void)sqledit_name(&r->sc->edit, where, st->stmt->name);
	return SQLSCRIPT_READY;
}

static enum sqlscript_is
read_execute(const struct reading *r, struct sqlscript_step *st,
    const struct sql_stmt *s, struct stmt *is)
{
	if (is == NULL)
		return leave(r, st, s->where);
	st->kind = SQLSCRIPT_EXECUTE;
	stmt_hold(is);
	st->stmt = is;
	return write_it(r, st, s->where);
}

static enum sqlscript_is
read_deallocate(const struct reading *r, struct sqlscript_step *st,
    const struct sql_stmt *s, struct stmt *is)
{
	if (is == NULL)
		return leave(r, st, s->where);
	st->kind = SQLSCRIPT_DEALLOCATE;
	if (st->is_here)
		stmt_hold(is);
	st->stmt = st->is_here ? is : spare(r->sc);
	return write_it(r, st, s->where);
}

static enum sqlscript_is
read_prepare(const struct reading *r, struct sqlscript_step *st,
    const struct sql_stmt *s, struct stmt *is)
{
	static uint32_t types[SQLTYPES_MAX];
	int n = 0;

	if (is != NULL) {
		st->kind = SQLSCRIPT_TAKEN;
		if (st->is_here)
			stmt_hold(is);
		st->stmt = st->is_here ? is : spare(r->sc);
		return write_it(r, st, s->where);
	}
	if (s->arg.p != NULL)
		n = sqltypes_read(s->arg.p, s->arg.len, r->flags, types);
	if (n == -1 || s->body.p == NULL) {
		r->sc->is_raw = true;
		return leave(r, st, s->where);
	}
	st->kind = SQLSCRIPT_PREPARE;
	st->stmt = fresh(r->sc, s->body, types, n);
	if (st->stmt != NULL && !names_has_room(r->names, st->stmt))
		return SQLSCRIPT_MEMORY;
	return write_it(r, st, s->where);
}

/* PLAIN: no edit. */
static enum sqlscript_is
read_step(const struct reading *r, struct sqlscript_step *st,
    const struct sql_stmt *s)
{
	enum sqlscript_is is;
	struct stmt *now;

	*st = (struct sqlscript_step){ .kind = SQLSCRIPT_OTHER,
		.is_tagged = s->kind != SQL_EXECUTE };
	if (s->kind == SQL_DISCARD || s->sub == SQL_ALL) {
		st->kind = SQLSCRIPT_ALL;
		st->is_tagged = false;
		return SQLSCRIPT_PLAIN;
	}
	if (s->name[0] == '\0' || strlen(s->name) >= sizeof(st->name)) {
		r->sc->is_raw |= s->kind == SQL_PREPARE;
		return SQLSCRIPT_PLAIN;
	}
	strcpy(st->name, s->name);
	is = look_up(r, st->name, &now, &st->is_here);
	if (is != SQLSCRIPT_READY)
		return is;
	switch (s->kind) {
	case SQL_PREPARE:
		return read_prepare(r, st, s, now);
	case SQL_EXECUTE:
		return read_execute(r, st, s, now);
	default:
		return read_deallocate(r, st, s, now);
	}
}

static bool
is_step(const struct sql_stmt *s)
{
	return s->kind == SQL_PREPARE || s->kind == SQL_EXECUTE ||
	    s->kind == SQL_DEALLOCATE ||
	    (s->kind == SQL_DISCARD && s->sub == SQL_ALL);
}

/* --- the text ------------------------------------------------------------------- */

/* Of these hangs how the server reads the rest. */
static bool
is_reading(const char *setting)
{
	return setting == NULL || setting[0] == '\0' ||
	    strcmp(setting, "standard_conforming_strings") == 0 ||
	    strcmp(setting, "client_encoding") == 0;
}

/* Does it say that it changes one of them, for itself or (RESET) by going back
 * from what is not the usual? */
static bool
is_changing(const struct sql_walk *w, const struct sql_stmt *s)
{
	const char *pos = NULL;
	static struct sql_config config;

	switch (s->kind) {
	case SQL_SET:
		return is_reading(sql_setting(s, 0));
	case SQL_RESET:
		return w->lex.flags != 0 && is_reading(sql_setting(s, 0));
	case SQL_DISCARD:
		return w->lex.flags != 0 && s->sub == SQL_ALL;
	default:
		break;
	}
	if (s->flags & SQL_F_SET_CONFIG)
		while (sql_config_next(w, s, &pos, &config))
			if (is_reading(config.name))
				return true;
	return false;
}

/* Is what follows read in one way only? */
static bool
is_certain(const struct sqllex *l)
{
	for (const char *p = l->p; p < l->end; p++)
		if (*p == '\\' || (unsigned char)*p >= 0x80)
			return false;
	return true;
}

/* Is it run where a transaction has failed? */
static bool
is_exit(const struct sql_stmt *s)
{
	return s->kind == SQL_TX &&
	    (s->sub == SQL_TX_COMMIT || s->sub == SQL_TX_ROLLBACK ||
		s->sub == SQL_TX_ROLLBACK_TO || s->sub == SQL_TX_PREPARE);
}

enum sqlscript_is
sqlscript_read(struct sqlscript *sc, struct names *names, uint32_t batch,
    const char *text, size_t len, unsigned flags)
{
	struct reading r = { sc, names, batch, flags };
	enum sqlscript_is is, all = SQLSCRIPT_PLAIN;
	struct sql_walk w;
	struct sql_stmt s;

	sc->n = sc->spares = sc->exit = 0;
	sc->is_raw = false;
	sqledit_init(&sc->edit, text, len);
	if (sc->run > len)
		sc->run = (uint32_t)len;
	if (sc->run > 0) {
		(void)sqledit_blank(
		    &sc->edit, (struct sql_span){ text, sc->run });
		all = SQLSCRIPT_READY;
	}
	sql_walk_init(&w, text + sc->run, len - sc->run, flags);
	for (bool is_first = true; sql_next(&w, &s); is_first = false) {
		bool is_last = is_changing(&w, &s) && !is_certain(&w.lex);

		if (is_first && is_exit(&s))
			sc->exit = (uint32_t)(s.text.p + s.text.len - text);
		sc->is_raw |= is_last || s.kind == SQL_UNSURE;
		if (is_last && !is_step(&s))
			break;
		if (!is_step(&s))
			continue;
		if (sc->n == SQLSCRIPT_MAX)
			return SQLSCRIPT_LONG;
		is = read_step(&r, &sc->steps[sc->n], &s);
		sc->n++;
		if (is == SQLSCRIPT_READY)
			all = SQLSCRIPT_READY;
		else if (is != SQLSCRIPT_PLAIN)
			return is;
		if (is_last)
			break;
	}
	return all;
}

void
sqlscript_drop(struct sqlscript *sc)
{
	for (uint32_t i = 0; i < sc->n; i++)
		stmt_drop(sc->steps[i].stmt);
	sc->n = 0;
}
