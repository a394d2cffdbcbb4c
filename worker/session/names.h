/*
 * names.h - what one client calls its prepared statements.
 *
 * A name has a statement as the server has answered (`is`), and one as it will
 * be when all that is under way goes well (`will`); either may be none.  A
 * name with neither is forgotten.
 *
 *   sent      names_will()   pending + 1
 *   answered  names_did()    pending - 1, `is` changes
 *   skipped   names_lost()   pending - 1
 *
 * A name also has what its client was told of its statement's rows, until it
 * has another statement (told.c).
 *
 * Names are compared by what PostgreSQL compares, their first 63 bytes.  A
 * client with few names has a list, one with many a table.  What they take
 * counts with the statements (stmt.h), and a client may have only its part of
 * that: a statement counts in full for each client that has it.
 *
 * Data: this process's own.  Never blocks; allocates for new names.
 */
#ifndef WORKER_SESSION_NAMES_H
#define WORKER_SESSION_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "worker/proto/shape.h"
#include "worker/session/stmt.h"

enum {
	NAMES_LEN = 63,    /* bytes of a name that count */
	NAMES_MAX = 65536, /* of one client */
	NAMES_PART = 4     /* and its part of all memory for statements */
};

struct name {
	struct name *next; /* in its chain */
	struct stmt *is;   /* with a reference of its own */
	struct stmt *will; /* held by who waits for the answer, or by `is` */
	uint32_t hash;
	uint32_t batch;    /* in which batch it was changed last */
	uint32_t pending;  /* changes that are under way */
	uint32_t asks;     /* Describes that are; it stays for them */
	struct shape told; /* of `is`, by the answer to the last that counts */
	uint8_t len;
	char text[]; /* and a NUL */
};

struct names {
	struct name **chains; /* NULL: all are in `few` */
	struct name *few;
	struct name *last; /* used last; NULL: none */
	uint32_t nchains;
	uint32_t count;
	size_t bytes; /* of them, and of the statements that they have */
};

/* NULL: no such name. */
struct name *names_find(struct names *n, const char *text, size_t len);

/* The same, made if there is none; then it must have a change at once.  NULL:
 * no memory, or there are too many. */
struct name *names_make(struct names *n, const char *text, size_t len);

/* Its changes.  `s` (NULL: forgotten) must stay held until it is answered;
 * names_did() takes a reference of its own. */
void names_will(struct name *e, struct stmt *s, uint32_t batch);
void names_did(struct names *n, struct name *e, struct stmt *s);
void names_lost(struct names *n, struct name *e);

/* A Describe of it is sent; it was answered (`told`, of `s`), or skipped
 * (NULL). */
void names_ask(struct name *e);
void names_told(struct names *n, struct name *e, const struct stmt *s,
    const struct shape *told);

/* May the client have this one, too? */
bool names_has_room(const struct names *n, const struct stmt *s);

/* A name whose statement has this hash; NULL: none. */
struct name *names_of(struct names *n, const uint8_t hash[STMTS_NAME]);

/* The server has forgotten them all; what is under way still is. */
void names_gone(struct names *n);

/* How many the server has confirmed or will. */
uint32_t names_count(const struct names *n);

/* All, when nothing is under way. */
void names_fini(struct names *n);

#endif
