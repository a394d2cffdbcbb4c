/*
 * params.h - the session parameters that follow a client from backend to
 * backend.
 *
 * The tracked names are fixed at start: client_encoding, DateStyle, TimeZone,
 * standard_conforming_strings, application_name, and those of
 * track_extra_parameters.  A set holds one value for each, in that order,
 * each NUL-terminated; PARAMS_UNSET (one byte that no value has) stands for
 * "nobody has said".  Clients that agree share one (intern.h).
 *
 * Two sides differ when their bytes differ: one memcmp(3) on the fast path.
 */
#ifndef WORKER_BACKEND_PARAMS_H
#define WORKER_BACKEND_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slot.h"
#include "worker/backend/intern.h"

enum { PARAMS_MAX = 32 }; /* tracked names */

#define PARAMS_UNSET "\001"

/* A set being made. */
struct params_edit {
	uint32_t len;
	char text[SLOT_PARAMS];
};

/* Fix the tracked names.  `extra`: comma-separated. */
void params_init(const char *extra);

int params_count(void);
const char *params_name(int i);
/* Index of a tracked name (case-insensitive), or -1. */
int params_find(const char *name);

/* A set with every value unset. */
void params_edit_init(struct params_edit *e);
void params_edit_copy(struct params_edit *e, const char *text, uint32_t len);
/* Put one value; false: it does not fit (nothing changed). */
bool params_edit_set(struct params_edit *e, int i, const char *value);
/* Value i of a set in the form of `text`; NULL when unset or torn. */
const char *params_value(const char *text, uint32_t len, int i);
/* Fill what is unset in `e` from another set. */
void params_edit_fill(struct params_edit *e, const char *text, uint32_t len);

/* What has been made, one reference taken; NULL: no memory. */
static inline struct interned *
params_intern(const struct params_edit *e)
{
	return intern_take(e->text, e->len);
}

#endif
