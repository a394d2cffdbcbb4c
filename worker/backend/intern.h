/*
 * intern.h - bytes that many hold alike are kept once.
 *
 * Thousands of clients set the same few things.  What they set is a set in the
 * form of a text (params.h, worker/session/vars.h); equal texts are one object,
 * counted, and go with the last who holds them.  So who holds a set owns a
 * pointer, and a set is never changed: another one is taken in its place.
 *
 * Data: this process's own; const to all but intern.c.  Never blocks;
 * allocates for a text that nobody holds yet.
 */
#ifndef WORKER_BACKEND_INTERN_H
#define WORKER_BACKEND_INTERN_H

#include <stdint.h>

struct interned {
	struct interned *next; /* in its hash chain */
	uint32_t refs;
	uint32_t hash;
	uint32_t len;
	char text[]; /* `len` bytes; no NUL is added */
};

/* The object with these bytes, one reference taken; NULL: no memory. */
struct interned *intern_take(const char *text, uint32_t len);

/* One reference more, or less; NULL is allowed. */
struct interned *intern_share(struct interned *s);
void intern_drop(struct interned *s);

/* At the process's end: all are freed, whoever holds them. */
void intern_fini(void);

#endif
