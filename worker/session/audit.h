/*
 * audit.h - what may a client's statements have done to its session?
 *
 * The text of a statement tells beforehand what is in doubt: which settings,
 * or any; whether there may be temporary tables, locks, cursors.  What came
 * of it nobody can read off a text: it may have failed, been rolled back, or
 * been spelled in another way.  So at the clean boundary, before the backend
 * goes back, the server is asked what is in doubt and nothing else.
 *
 *   audit_sql()       from texts to doubts
 *   audit_question()  from doubts to one Query
 *   audit_read()      from its answers to what the backend has now
 *
 * A setting named in a SET is asked for by its name, at the price of any small
 * query; where it may have been put back, or nobody can tell which it was, all
 * that differ are looked up, which is some ten times as dear.  Settings with a
 * dot in their name are in no catalogue: who set one from inside a DO block
 * or a procedure keeps it only if its name was known already, and the backend
 * is not taken for known (AUDIT_HIDDEN).
 *
 * Pure.  Never blocks, allocates or logs.
 */
#ifndef WORKER_SESSION_AUDIT_H
#define WORKER_SESSION_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/proto/frame.h"
#include "worker/proto/report.h"
#include "worker/proto/sqllex.h"
#include "worker/session/vars.h"

enum audit_bit {
	AUDIT_NAMES = 1 << 0,  /* the settings in `names` */
	AUDIT_ALL = 1 << 1,    /* any setting */
	AUDIT_HIDDEN = 1 << 2, /* and some that cannot be asked for */
	AUDIT_TEMP = 1 << 3,   /* temporary tables */
	AUDIT_LOCK = 1 << 4,   /* advisory locks of the session */
	AUDIT_CURSOR = 1 << 5, /* cursors WITH HOLD */
	AUDIT_LOAD = 1 << 6,   /* no question: stays to the end */
	AUDIT_OTHER = 1 << 7,  /* the same: dblink, replication origins, ... */
	AUDIT_SEQUENCE = 1 << 8, /* no question: currval() or lastval() */
	AUDIT_RESET = 1 << 9,    /* of what is in doubt something was reset */
	AUDIT_RESET_ALL = 1 << 10,
	AUDIT_LISTEN = 1 << 11,   /* channels; they end with the question */
	AUDIT_PREPARED = 1 << 12, /* statements under the client's own names */
};

/* What pins a client to its backend; also the bits of audit_answer.pins. */
#define AUDIT_PINS                                                           \
	(AUDIT_TEMP | AUDIT_LOCK | AUDIT_CURSOR | AUDIT_LOAD | AUDIT_OTHER | \
	    AUDIT_PREPARED)
/* What a statement may do of which nobody knows anything. */
#define AUDIT_ANYTHING                                                       \
	(AUDIT_ALL | AUDIT_HIDDEN | AUDIT_TEMP | AUDIT_LOCK | AUDIT_CURSOR | \
	    AUDIT_LISTEN | AUDIT_PREPARED)

enum {
	AUDIT_NAMES_MAX = 480,
	AUDIT_QUERY = 32 * 1024,
	AUDIT_CHANNELS = 256 /* that one transaction may LISTEN to */
};

struct audit {
	uint16_t bits;      /* enum audit_bit: in doubt since the last answer */
	uint16_t later;     /* what EXECUTE may bring into doubt */
	uint16_t names_len; /* each with its NUL, in lower case */
	char names[AUDIT_NAMES_MAX];
};

/*
 * Add what the statements of this text may do; `flags` are sqllex.h's.
 * Returns the bits of this text alone.
 */
unsigned
audit_sql(struct audit *a, const char *text, size_t len, unsigned flags);

/* One setting more is in doubt; is this one, by its name? */
void audit_name(struct audit *a, const char *name);
bool audit_is_named(const struct audit *a, const char *name);

/* All has been answered: nothing is in doubt but what EXECUTE may do. */
void audit_clear(struct audit *a);

/*
 * The question, as a Query.  `vars` is the set that the backend had: names
 * with a dot are asked for by name.  w->full: it is too long.
 */
void audit_question(
    struct wire *w, const struct audit *a, const char *vars, uint32_t vars_len);

struct audit_answer {
	struct vars_edit vars; /* what the backend has now */
	uint32_t params_set;   /* tracked parameters that a SET has changed:
	                          bit i is params_name(i); with AUDIT_ALL */
	unsigned pins;         /* of what was asked: what there is */
	uint32_t n_channels;   /* that the backend has listened to */
	char channels[AUDIT_CHANNELS][SQLLEX_NAME];
	bool is_too_long; /* the set does not fit */
	bool has_error;
	struct report error; /* valid if has_error */
	/* given by the caller */
	const struct audit *asked;
	const struct interned *startup; /* what the session began with */
	const char *login;  /* the user that the backend has logged in as */
	const char *params; /* as the server reports them */
	uint32_t params_len;
};

/* Before the first byte; `had` is the set that the backend had. */
void audit_begin(struct audit_answer *r, const char *vars, uint32_t vars_len);

/* Whole messages of the answer.  -1: this is none. */
int audit_read(struct audit_answer *r, const uint8_t *p, size_t len);

/*
 * Some settings must not stay on a backend that nobody uses: they would end
 * it, or the next client's first words.  Builds the Query that resets those
 * of the set; false: there are none.
 */
bool audit_rest(struct wire *w, struct vars_edit *vars);

#endif
