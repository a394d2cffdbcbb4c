/*
 * vars.h - what a session has set, beside the tracked parameters.
 *
 * A set is a text: name, value, name, value, ... each NUL-terminated, names
 * in lower case and in ascending order; the empty set has no bytes at all.
 * It says in what a session differs from a fresh one of its pool.  Clients
 * that agree share one (intern.h), and a client that has set nothing owns
 * NULL.  What a backend has now stands in its slot in the same form
 * (slot_info.vars), so two sides differ when their bytes differ.
 *
 * The parameters that the server reports are not here but in params.h.
 *
 * Never blocks.
 */
#ifndef WORKER_SESSION_VARS_H
#define WORKER_SESSION_VARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/backend/intern.h"

enum { VARS_MAX = 16 * 1024 }; /* bytes of a client's set */

/* A set being made. */
struct vars_edit {
	uint32_t len;
	char text[VARS_MAX];
};

/* A copy of `from`; NULL: the empty set. */
void vars_edit_init(struct vars_edit *e, const struct interned *from);
/* Put one, in place of what it was; false: it does not fit (nothing changed),
 * or is no name. */
bool vars_edit_put(struct vars_edit *e, const char *name, const char *value);
void vars_edit_drop(struct vars_edit *e, const char *name);

/* Walk a set: `*pos` is 0 at first.  false: no more, or torn. */
bool vars_next(const char *text, uint32_t len, uint32_t *pos, const char **name,
    const char **value);
/* The value of `name` (any case); NULL: it is not there. */
const char *vars_value(const char *text, uint32_t len, const char *name);

/* Has it a dot, and so no place in pg_settings? */
bool vars_is_custom(const char *name);
/* Does it last no longer than a transaction, or cannot be read back? */
bool vars_is_fleeting(const char *name);

/*
 * What has been made in *out, one reference taken; NULL for the empty set.
 * -1: no memory.
 */
int vars_intern(const struct vars_edit *e, struct interned **out);

/* The bytes of an interned set, NULL included. */
static inline const char *
vars_text(const struct interned *s)
{
	return s == NULL ? "" : s->text;
}

static inline uint32_t
vars_len(const struct interned *s)
{
	return s == NULL ? 0 : s->len;
}

#endif
