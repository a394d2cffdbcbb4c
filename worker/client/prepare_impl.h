/*
 * prepare_impl.h - what the files of prepare.h share, and nobody else sees.
 *
 *   prepare.c  what a client's message becomes
 *   parse.c    the same of a Parse
 *   bind.c     of a Bind, Describe or Close
 *   told.c     are the rows still what the client was told?
 *   supply.c   what its backend must be sent first
 *   dealloc.c  DEALLOCATE of what the protocol has prepared
 *   rerun.c    a batch that is sent once more
 *   answer.c   what the server's answers make of it
 */
#ifndef WORKER_CLIENT_PREPARE_IMPL_H
#define WORKER_CLIENT_PREPARE_IMPL_H

#include <sys/types.h>

#include "worker/client/client.h"
#include "worker/client/prepare.h"
#include "worker/session/changes.h"
#include "worker/session/names.h"
#include "worker/session/stmt.h"

/* Why a message of the client's must not pass yet; bits. */
enum prepare_held {
	HELD_RERUN = 1 << 0,   /* its error was kept from the client */
	HELD_SESSION = 1 << 1, /* for session_go_back(), when all is answered */
};

struct prepare {
	struct names names;
	struct changes changes;

	/* The Parse without a name that was sent last, from the query on. */
	uint8_t *text; /* NULL: none, or forgotten */
	uint32_t text_len;
	uint32_t text_cap;

	/* While it has a backend. */
	struct stmts *set;      /* of that backend; NULL: not looked at yet */
	uint32_t plan;          /* what its entries are to be of */
	uint32_t used_from;     /* the batch that the server began idle with */
	uint32_t evicting;      /* entries that are being closed for others */
	uint32_t run;           /* bytes of the Query that waits (sqlsplit.h) */
	uint32_t run_of;        /* and how long that is */
	uint32_t unnamed_sent;  /* Parses without a name that are under way */
	uint32_t unnamed_batch; /* in which the last of them was sent */
	uint16_t unnamed_round; /* goes up when the server's is made ours */
	bool is_unnamed_ours;   /* the server's is what the client knows of */
	bool is_text_sql;       /* see stmt_is_sql() */
	bool is_text_plain;     /* it was seen to be sql_is_plain() */

	/* What is described next, maybe, by its portal (told.c). */
	struct name *telling; /* if it is names.last; else NULL */
	char telling_portal[NAMES_LEN + 1];
	const struct stmt *asked_for; /* its Bind waits; to compare, no more */
	uint32_t asking;              /* Describes of ours that are under way */

	struct stmt *keep_for; /* of a batch that may be kept; else NULL */
	struct kept *kept;     /* it is (rerun.c) */

	uint8_t held;         /* enum prepare_held: what it says next waits */
	bool is_well;         /* this batch has no failed transaction */
	bool is_new_lease;    /* nothing of the client's has been sent */
	bool is_new_batch;    /* the next message begins one */
	bool is_behind_query; /* a Query may drop all statements */
	bool is_behind_all;   /* an Execute was sent that drops all */
	bool is_waiting;      /* a message of the client's waits */

	struct sqlprep *sql; /* NULL: it has prepared nothing in SQL */
};

/* --- prepare.c --- */

/* The client's, made if it has none; NULL: no memory. */
struct prepare *prepare_get(struct client *c);
/* All passes as it is. */
bool prepare_is_off(struct client *c);
/* Is all known that a message's look needs?  Else what becomes of it. */
bool prepare_ready(struct client *c, struct look_at *m, enum look *look);
/* Write it anew up to the name, which is the string at `at`, and enter it. */
enum look prepare_rename(
    struct client *c, struct look_at *m, size_t at, size_t len, const char *to);

enum look
prepare_refuse(struct look_at *m, const char *sqlstate, const char *why);
/* There would be too much of them: the server says so. */
enum look prepare_refuse_memory(struct look_at *m);
/* There is no memory, or the backend's books are nonsense. */
enum look prepare_refuse_failed(struct client *c, struct look_at *m);

/* Wait until the server has answered, which it is asked to do now. */
enum look prepare_stall(struct client *c);
/* What `r`, which is not DONE, comes to. */
enum look prepare_not_done(struct client *c, struct look_at *m, enum result r);

/* The first `used` bytes of the body are dealt with. */
enum look prepare_took(struct look_at *m, size_t used);

/* A string that begins at `at` of the body.  Its length; -1: its end is not
 * in hand. */
ssize_t prepare_text_at(const struct look_at *m, size_t at);
/* What is not whole: more of it, or what the server itself will refuse. */
enum look prepare_torn(const struct look_at *m);

/* `e` (or NULL) has changed in a batch whose outcome is not known. */
bool prepare_is_uncertain(const struct prepare *p, const struct name *e);

void prepare_look_at_pool(struct client *c);

/* --- parse.c --- */

enum look prepare_look_parse(struct client *c, struct look_at *m);
void prepare_forget_text(struct prepare *p);

/* --- bind.c --- */

enum look prepare_look_bind(struct client *c, struct look_at *m);
enum look prepare_look_describe(struct client *c, struct look_at *m);
enum look prepare_look_close(struct client *c, struct look_at *m);

/* --- told.c --- */

/* A Describe of a statement that the client calls `e`, or of a portal, is about
 * to be sent: its answer is noted.  -1: out of something. */
int told_describe(struct client *c, struct name *e);
enum look told_portal(struct client *c, struct look_at *m);

/* A Bind of it, which the backend has: may it go on? */
enum look told_bind(struct client *c, struct look_at *m, struct name *e);

/* --- rerun.c --- */

/* The batch has been answered, or is not alone any more. */
void prepare_drop_kept(struct prepare *p);

/* It has failed with its first answer (`is_first`), through no fault of the
 * client's; `is_stale`: its rows may be of another type now.  True: the client
 * shall not know. */
bool prepare_may_rerun(struct client *c, bool is_first, bool is_stale);

/* --- supply.c --- */

/* DONE; WAIT: only the server's answers can tell; FAIL: out of something. */

/* Does the backend have it now?  DONE: yes; FAIL: no; WAIT.  `*i`: its entry,
 * or STMTS_NONE; `*is_stale`: it has, but must not be used as it is. */
enum result supply_look(
    struct prepare *p, const struct stmt *s, uint32_t *i, bool *is_stale);

/* See to it that it has. */
enum result supply(struct client *c, const struct stmt *s);

/* An entry for a statement that is parsed next: made, or closed first. */
enum result supply_entry(struct client *c, const struct stmt *s, uint32_t *i);

/* It has: what is it like, as of now?  DONE: the server has been asked. */
enum result supply_asked(struct client *c, struct stmt *s);

/* The same of the statement without a name. */
enum result supply_unnamed(struct client *c);

/* One that is surely there, under this name, and nobody's. */
bool supply_dummy(struct client *c, const char *name);

/* Parse something else without a name, for the next message alone: the head;
 * `rest` bytes must follow it.  False: out of something. */
bool supply_passing(struct client *c, size_t rest);

/* The head of a message, with all that stands before `rest` more bytes. */
void supply_parse_head(struct client *c, const char *name, size_t rest);

#endif
