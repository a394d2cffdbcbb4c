/*
 * sqlprep.h - PREPARE, EXECUTE and DEALLOCATE in SQL, whichever backend.
 *
 * PostgreSQL has one space of names for what is prepared in SQL and by the
 * protocol, and so have we (prepare.h): a PREPARE makes the same statement as
 * a Parse of the same query and types, and either can be bound or executed.
 * A client's text goes to its backend with the backend's names in it
 * (sqlscript.h), behind a Parse of what that lacks.
 *
 *   Query    What a text does to the client's names becomes true step by step,
 *            by the tags that the server answers with.  Nothing that may hang
 *            on them is passed on meanwhile.
 *   Parse    passes as it is: names are looked up only later.
 *   Bind,    of such a statement: a Parse without a name of the edited text
 *   Describe goes ahead, and that is what is bound.
 *   Execute  of such a portal: as a Query.
 *
 * When a Parse sent ahead of a Query fails, the server skips the Query and the
 * client is told of the failure; a Sync of ours then makes the ReadyForQuery.
 *
 * What cannot be told for certain passes as it is, and so does a PREPARE with
 * types that only the server knows.  Then it is asked whether it has anything
 * prepared that is not ours: as long as it has, the client keeps it (pin.h).
 *
 * Not with session_state = off or max_prepared_statements = 0.  Data: this
 * process's own.  Never blocks; allocates at a client's first use of it.
 */
#ifndef WORKER_CLIENT_SQLPREP_H
#define WORKER_CLIENT_SQLPREP_H

#include <stddef.h>
#include <stdint.h>

#include "worker/backend/backend.h"
#include "worker/client/look.h"
#include "worker/session/changes.h"
#include "worker/session/sqlscript.h"

struct client;
struct prepare;
struct scan;

enum { SQLPREP_PORTALS = 16, SQLPREP_SHIFTS = 8, SQLPREP_SAID = 4 };

/* A name of the last text's, for the errors that speak of it. */
struct sqlprep_said {
	uint8_t hash[STMTS_NAME]; /* what it was then */
	char name[SQLLEX_NAME];
};

/* What becomes of a name; the kinds of `ops`, whose changes are told by tags. */
enum sqlprep_op {
	SQLPREP_PREPARE,    /* name, stmt, entry */
	SQLPREP_TAKEN,      /* must fail, since `stmt` is there: name */
	SQLPREP_DEALLOCATE, /* name; of stmt its entry */
	SQLPREP_OTHER,      /* nothing of ours */
};

/* A portal that was bound to a statement of SQL. */
struct sqlprep_portal {
	uint8_t kind; /* enum sqlscript_kind */
	char portal[SQLLEX_NAME];
	char name[SQLLEX_NAME];
	struct stmt *stmt; /* held */
};

struct sqlprep {
	struct changes ops; /* of names, by statements not answered yet */
	uint32_t nportals;
	uint32_t nsaid;
	uint32_t nshifts;
	uint32_t shifts_from; /* they hold when so many changes are popped */
	struct sqlprep_portal portals[SQLPREP_PORTALS];
	struct sqlprep_said said[SQLPREP_SAID];
	struct sqledit_shift shifts[SQLPREP_SHIFTS]; /* of the last text */
	bool
	    is_gated; /* the Query may yet be skipped: nothing goes behind it */
};

/* A Query. */
enum look sqlprep_query(struct client *c, struct look_at *m);

/*
 * A Bind or Describe of a statement with this text, whose name is the string
 * of `len` bytes at `at` of the message.  LOOK_PASS: it is like any other.
 */
enum look sqlprep_use(struct client *c, struct look_at *m, size_t at,
    size_t len, const uint8_t *body, size_t body_len);

/* A Bind makes this portal anew. */
void sqlprep_unbind(struct prepare *p, const char *portal);

/* An Execute. */
enum look sqlprep_execute(struct client *c, struct look_at *m);

/* Is there a portal whose Execute is to be shown? */
bool sqlprep_is_bound(const struct prepare *p);

/* Must the next message wait?  It does. */
bool sqlprep_is_gated(const struct prepare *p);
enum look sqlprep_wait(struct client *c);

/* The server has said PREPARED or DEALLOCATED. */
void sqlprep_on_tag(struct prepare *p, enum books tag);

/* The server's bytes have been looked at.  -1: the client is closed. */
int sqlprep_on_answers(struct client *c, const struct scan *sc);

/* What the last text called the statement of this hash; NULL: nothing. */
const char *
sqlprep_said(const struct prepare *p, const uint8_t hash[STMTS_NAME]);

/* The PREPARE that was to fail on this statement, if it comes next; or NULL. */
const struct change *
sqlprep_failing(const struct prepare *p, const uint8_t hash[STMTS_NAME]);

/* An error's position: what it is in the client's text, if that is another. */
bool sqlprep_place(const struct prepare *p, const char *pos, char to[16]);

/* Its lease is over; at its end. */
void sqlprep_end(struct prepare *p);
void sqlprep_free(struct prepare *p);

#endif
