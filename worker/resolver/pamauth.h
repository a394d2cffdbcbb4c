/*
 * pamauth.h - is this the user's password, and may he come, by PAM?
 *
 * The service is "pgbouncer", unless a rule says pamservice.  Its modules may
 * ask for the password, which they get, and for nothing else; the account must
 * be good for a login now.  Sessions and new passwords are not dealt with.
 *
 * Modules run in this process, with its rights and without root's.
 *
 * Blocks: for the resolver's threads.
 */
#ifndef WORKER_RESOLVER_PAMAUTH_H
#define WORKER_RESOLVER_PAMAUTH_H

#include <stdbool.h>

#include "worker/resolver/prove.h"

struct pamauth {
	const char *service; /* NULL: PgBouncer's */
	const char *user;
	const char *password;
	const char *from; /* an address; "": a Unix socket */
	bool is_by_name;  /* modules get its name, where it has one */
};

/* `why`: what is wrong, for the log. */
enum prove_result pamauth_check(const struct pamauth *p, char why[PROVE_WHY]);

#endif
