/*
 * secret.h - what a user's proof is checked against.
 *
 * A copy, since the configuration may be replaced before the login is over;
 * wiped with the login.
 */
#ifndef WORKER_CLIENT_SECRET_H
#define WORKER_CLIENT_SECRET_H

#include <stdbool.h>

#include "conf/err.h"
#include "conf/users.h"

struct client;
struct greet;

struct secret {
	bool is_known;       /* there is such a user */
	enum user_kind kind; /* NONE: nothing proves this user */
	char *text;          /* NULL for NONE */
};

/* Look the user up: g->secret.  DONE, or FAIL with *e. */
enum result secret_find(struct client *c, struct greet *g, struct err *e);

void secret_fini(struct secret *s); /* wipes */

#endif
