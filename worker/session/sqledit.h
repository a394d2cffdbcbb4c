/*
 * sqledit.h - a text in which some names are others.
 *
 * The edits stand in the order of the text and do not overlap.  Nothing is
 * copied until the edited text is put, piece by piece, where it goes.
 *
 * Pure: points into the caller's text.  Never blocks or allocates.
 */
#ifndef WORKER_SESSION_SQLEDIT_H
#define WORKER_SESSION_SQLEDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/proto/sql.h"

enum { SQLEDIT_MAX = 257 };

struct sqledit {
	const char *text;
	size_t len;
	size_t edited; /* its length */
	uint32_t n;
	struct {
		struct sql_span where;
		const char *name; /* NUL-terminated, the caller's; or NULL */
	} at[SQLEDIT_MAX];
};

void sqledit_init(struct sqledit *e, const char *text, size_t len);

/*
 * Instead of what stands at `where`, behind all the others: the identifier
 * `name`, quoted.  False: there are too many.
 */
bool sqledit_name(struct sqledit *e, struct sql_span where, const char *name);

/* The same of blanks, as many as there are bytes. */
bool sqledit_blank(struct sqledit *e, struct sql_span where);

/* e->edited bytes. */
void sqledit_put(const struct sqledit *e,
    void (*put)(void *arg, const void *p, size_t len), void *arg);

/*
 * Where the server says that an error is, it counts characters of the edited
 * text.  What that is in the client's own text is told by these, when both
 * texts are gone.
 */
struct sqledit_shift {
	uint32_t at;  /* position of the name in the edited text, from 1 */
	uint32_t now; /* characters that it has there */
	uint32_t was; /* and had in the client's */
};

/* Of the first `max` edits.  Characters are UTF-8's, or bytes.  How many. */
uint32_t sqledit_shifts(const struct sqledit *e, bool is_utf8,
    struct sqledit_shift *to, uint32_t max);

uint32_t
sqledit_back(const struct sqledit_shift *shifts, uint32_t n, uint32_t pos);

#endif
