/*
 * secret.h - what a user's proof is checked against.
 *
 * From auth_file; for who is not there, from auth_query, which the resolver
 * runs while the client waits in AUTH.  A copy, since the configuration may be
 * replaced before the login is over; wiped with the login.
 */
#ifndef WORKER_CLIENT_SECRET_H
#define WORKER_CLIENT_SECRET_H

#include <stdbool.h>

#include "conf/err.h"
#include "conf/users.h"
#include "worker/asksecret.h"

struct client;
struct greet;

struct secret {
	bool is_known;         /* there is such a user */
	enum user_kind kind;   /* NONE: nothing proves this user */
	char *text;            /* NULL for NONE */
	bool is_asked;         /* auth_query has said so, not auth_file */
	char *typed;           /* the password that the client sent; or NULL */
	struct asksecret ask;  /* while auth_query runs */
	struct client *client; /* for whom */
};

/*
 * Look the user up: g->secret.  DONE, or FAIL with *e.  WAIT: the client is in
 * AUTH, and auth_found() will be called.
 */
enum result secret_find(struct client *c, struct greet *g, struct err *e);

/*
 * Has anybody such a secret, as far as is known here: in auth_file, or by what
 * auth_query has said?  Who does not exist is treated like those who do.
 */
bool secret_is_usual(enum user_kind kind);

/* It is being looked up: whatever the client sends waits. */
bool secret_is_asked_for(const struct secret *s);

/* The client has sent this password, right or wrong. */
int secret_type(struct secret *s, const char *password, struct err *e);

/*
 * Of one who has proved it: what serves to log in at a server, and auth_file
 * has not.  NULL: nothing.
 */
const char *secret_for_server(const struct secret *s);

void secret_fini(struct secret *s); /* wipes */

#endif
