/*
 * session.h - what belongs to a client's session, on whichever backend.
 *
 *   session_begin()  a backend has been lent: what it lacks goes ahead (fit.h)
 *   session_look()   a Query or a Parse: what may it do to the session?
 *   session_end()    a clean boundary: may the backend go back?
 *                    yes | not yet, the server is asked (audit.h) in
 *                    CLIENT_AUDIT | no, the client keeps it: pinned (pin.h)
 *
 * What a client has set is known from the server alone.  Until it has
 * answered, the backend stays with the client, and what the client sends
 * meanwhile waits.  A client that goes before that, or while it is pinned,
 * leaves a backend that is cleaned (clean.h) or retired.
 *
 * Nothing of this in session mode; with session_state = off only the tracked
 * parameters follow a client.
 *
 * A client that sets nothing owns no struct session.  Never blocks.
 */
#ifndef WORKER_CLIENT_SESSION_H
#define WORKER_CLIENT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/client/look.h"

struct backend;
struct client;
struct scan;
struct vars_edit;

/* What it has asked for at its start, beside the tracked parameters.  -1: no
 * memory. */
int session_open(struct client *c, const struct vars_edit *startup);
void session_free(struct client *c);

/*
 * Its backend has been lent to it just now: send ahead what makes the session
 * the client's.  Before anything of the client's is passed; upstream.h is not
 * flushed.  -1: the client has been closed.
 */
int session_begin(struct client *c);

/*
 * In WELCOME, with a backend: is what it has asked for at its start any good?
 * The client is closed, or relay_done() comes.
 */
void session_try(struct client *c);

/*
 * Q, and P for the text in it; F for its function; see look.h.
 *
 * session_state = track goes by the text alone.  What it calls may set things,
 * too: functions, triggers, what views and policies are made of.  In strict
 * whatever may call something may do anything (inert.h), and so does
 * each Bind, B: which is shown in strict only.
 */
enum look session_look(struct client *c, struct look_at *m);

/* A statement that was parsed before, by this text, is bound. */
enum look
session_bound(struct client *c, struct look_at *m, const char *sql, size_t len);
/* The same of the statement without a name. */
void session_bound_unnamed(struct client *c);

/*
 * The client prepares or drops something in SQL that may have a name of its
 * own on the server.  `is_made`: it may be there now; else it may be gone.
 */
void session_prepared(struct client *c, bool is_made);

/*
 * What the server has just done may have put something back (goback.h): it has
 * been answered, its transaction goes on, and the client is about to say more.
 * LOOK_PASS, or LOOK_END.
 */
enum look session_go_back(struct client *c, struct look_at *m);

/* Is its session looked after? */
bool session_is_tracking(const struct client *c);

/* How the server reads its texts: SQLLEX_*. */
unsigned session_text_flags(const struct client *c);

/* The server has answered with these tags (scan.h), and errors. */
void session_on_tags(struct client *c, uint32_t tags, bool has_error);

/* At a clean boundary.  False: it stays; relay_done() when that is over. */
bool session_end(struct client *c);

/* In CLIENT_AUDIT: the server has said this. */
void
session_on_answer(struct client *c, struct backend *b, const struct scan *sc);

/* Its backend is closed, and the client stays: with what it had before. */
void session_lose(struct client *c);

/* The client goes, and has a backend: in what state does it leave it? */
enum session_left {
	SESSION_KNOWN,   /* as the books say */
	SESSION_DOUBTED, /* it has to be cleaned */
	SESSION_SPENT,   /* with what DISCARD ALL does not take away */
};
enum session_left session_part(struct client *c);

/* session_state has changed: what is lent is looked after as it says now. */
void session_on_conf(void);

/* In LENT, CLIENT_AUDIT: its deadline has passed. */
void session_on_deadline(struct client *c);

#endif
