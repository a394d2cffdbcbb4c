/*
 * stmt.h - what clients have prepared, each different statement once.
 *
 * A statement is the text of a query and the types of its parameters, as they
 * stand in a Parse message behind its name.  Clients that prepare the same
 * share it, and so do the backends: there its name is a keyed hash of it,
 * which all workers make alike (the key is in the segment).  Nobody outside
 * can choose two statements of one name.
 *
 * What all statements, and what clients keep beside them, take in this worker
 * is bounded by `max_statement_memory`.
 *
 * Data: this process's own.  Never blocks; allocates for new ones.
 */
#ifndef WORKER_SESSION_STMT_H
#define WORKER_SESSION_STMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/stmts.h"

#define STMT_PREFIX "pooler_"

enum {
	STMT_NAME = sizeof(STMT_PREFIX) + 2 * STMTS_NAME, /* with its NUL */
};

struct stmt {
	struct stmt *next; /* in its chain */
	uint32_t refs;
	uint32_t len;  /* of the body */
	bool is_plain; /* it does nothing to the session (sql.h) */
	bool is_sql;   /* what it does hangs on names: see stmt_is_sql() */
	uint8_t hash[STMTS_NAME];
	char name[STMT_NAME]; /* what backends call it */
	uint8_t body[];       /* of a Parse, from the query on */
};

/*
 * The statement of a Parse's `body`, with one reference more.  NULL: there is
 * no memory, or no more may be taken.
 */
struct stmt *stmt_intern(const uint8_t *body, size_t len);
void stmt_hold(struct stmt *s);
void stmt_drop(struct stmt *s); /* NULL is allowed */

/* Is this a whole query and its parameter types, as PostgreSQL takes it? */
bool stmt_is_valid(const uint8_t *body, size_t len);

/* Is it a PREPARE, EXECUTE or DEALLOCATE, or DISCARD ALL?  (Not for certain:
 * the settings of who reads it count; see sqlprep.h.) */
bool stmt_is_sql(const char *text, size_t len);

/* What a backend calls the one of this hash. */
void stmt_spell(char name[STMT_NAME], const uint8_t hash[STMTS_NAME]);

/* Does `text` begin with a name of a backend's statement?  Its hash. */
bool stmt_is_name(const uint8_t *text, size_t len, uint8_t hash[STMTS_NAME]);

/* What takes memory beside statements counts with them.  False: too much. */
bool stmt_charge(size_t bytes);
void stmt_refund(size_t bytes);

/* What is taken of it, and how many statements there are. */
size_t stmt_memory(void);
uint32_t stmt_number(void);

/* At the end, when no client has any. */
void stmt_fini(void);

#endif
