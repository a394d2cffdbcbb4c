/*
 * sqlscript.h - what a text does to its client's prepared statements.
 *
 * Each statement that names one is a step.  Names are looked up as they will
 * be when the server comes to the step: what an earlier step has prepared is
 * there, what it has deallocated is not.  What stands in the text instead of
 * the client's name, so that the server does what it would have done:
 *
 *   EXECUTE     what a backend calls the statement
 *   PREPARE     the same of the new one; the client's own PREPARE makes it
 *   TAKEN       PREPARE of a name that is taken: a spare statement that is
 *               there, so that it is refused
 *   DEALLOCATE  a spare one that is there: the statement itself may stay, for
 *               others.  But if this text has prepared it: that
 *   STRANGE     a name of the kind that only backends have, which the client
 *               does not: one that nobody has
 *   OTHER       its own name: it is not there, or it is not for us to say
 *   ALL         DEALLOCATE ALL, DISCARD ALL; nothing is edited
 *
 * A spare is an empty query that does nothing.  The statements of one text are
 * all different, and none that it prepares is one that it has used before.
 *
 * What has been run of it already is blank in the edited text.
 *
 * Worker-wide, for one message at a time.  Never blocks; allocates statements.
 */
#ifndef WORKER_SESSION_SQLSCRIPT_H
#define WORKER_SESSION_SQLSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/session/names.h"
#include "worker/session/sqledit.h"
#include "worker/session/stmt.h"

enum sqlscript_kind {
	SQLSCRIPT_EXECUTE,
	SQLSCRIPT_PREPARE,
	SQLSCRIPT_TAKEN,
	SQLSCRIPT_DEALLOCATE,
	SQLSCRIPT_STRANGE,
	SQLSCRIPT_OTHER,
	SQLSCRIPT_ALL,
};

struct sqlscript_step {
	enum sqlscript_kind kind;
	bool is_here;      /* `stmt` is of an earlier step of this text */
	bool is_tagged;    /* the server says PREPARE or DEALLOCATE to it */
	struct stmt *stmt; /* held; NULL of STRANGE, OTHER and ALL */
	char name[SQLLEX_NAME]; /* the client's; of STRANGE what is written */
};

/* Steps of one text; one edit more blanks what has been run. */
enum { SQLSCRIPT_MAX = SQLEDIT_MAX - 1 };

struct sqlscript {
	uint32_t run;  /* given: so many bytes at its front have been run */
	uint32_t exit; /* to the end of its first statement, if that is one that
	                  ends a failed transaction; else 0 */
	uint32_t n;
	uint32_t spares;
	bool is_raw; /* it may prepare something under the client's own name */
	struct sqlscript_step steps[SQLSCRIPT_MAX];
	struct sqledit edit;
};

enum sqlscript_is {
	SQLSCRIPT_PLAIN,     /* there is nothing to be done */
	SQLSCRIPT_READY,     /* it is to be edited */
	SQLSCRIPT_UNCERTAIN, /* a name has changes under way */
	SQLSCRIPT_LONG,      /* too many steps */
	SQLSCRIPT_MEMORY     /* there is none for it */
};

/*
 * Read it.  `batch`: changes of it are no uncertainty.  Whatever comes of it,
 * it must be dropped.
 */
enum sqlscript_is sqlscript_read(struct sqlscript *sc, struct names *names,
    uint32_t batch, const char *text, size_t len, unsigned flags);
void sqlscript_drop(struct sqlscript *sc);

#endif
