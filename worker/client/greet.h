/*
 * greet.h - from the startup packet to the first ReadyForQuery.
 *
 * What is known of a client before it is in; freed, and wiped, when it is.
 * Nothing here survives the login: names are looked up again when they are
 * needed, since the configuration may be replaced meanwhile.
 *
 * Source: PostgreSQL protocol, "Start-up".
 */
#ifndef WORKER_CLIENT_GREET_H
#define WORKER_CLIENT_GREET_H

#include "conf/hba.h"
#include "worker/backend/dedicate.h"
#include "worker/backend/params.h"
#include "worker/client/client.h"
#include "worker/client/secret.h"
#include "worker/proto/startup.h"

enum greet_method {
	GREET_TRUST,
	GREET_PLAIN,
	GREET_MD5,
	GREET_SCRAM,
};

struct outside;
struct peer;
struct proof;
struct vars_edit;

struct greet {
	char database[STARTUP_DATABASE_MAX + 1];
	char user[STARTUP_USER_MAX + 1];
	bool was_ssl, was_gss; /* already asked for, and refused */
	bool is_console;
	bool is_long_key;         /* of protocol 3.2 */
	enum hba_method wanted;   /* what the settings ask of it */
	enum greet_method method; /* and what it is asked for */
	struct secret secret;     /* what its proof is checked against */
	bool is_unknown;          /* no such user: fails whatever is said */
	bool is_verifier;         /* proves what a server may have, too */
	uint8_t salt[4];          /* of md5 */
	struct proof *proof;      /* what proof.c holds; NULL: nothing */
	struct outside *outside;  /* the same of outside.c */
	struct peer *peer;        /* and of peer.c */
	struct params_edit params;
	struct dedicate own; /* of who replicates */
	struct vars_edit
	    *vars; /* what else it wants to be set; NULL: nothing */
};

/*
 * Ask for a proof, or see that none is needed.  WAIT: the client has been
 * asked.  DONE: it is who it says.  FAIL: *e.
 */
enum result auth_start(struct client *c, struct greet *g, struct err *e);

/* The body of a password message.  As auth_start(). */
enum result auth_on_message(struct client *c, struct greet *g,
    const uint8_t *body, size_t len, struct err *e);

/*
 * A proof that took its time has been checked: as auth_on_message() would have
 * returned.  `e` is looked at for FAIL.
 */
void greet_checked(struct client *c, enum result r, const struct err *e);

/*
 * The user of a client in AUTH has been looked up: c->greet->secret, or
 * `failed`.  Goes on where auth_start() has left.
 */
void auth_found(struct client *c, const struct err *failed);

/* The client's system user may be this user: goes on there, too. */
void auth_peered(struct client *c);

/* May this user use the console?  *is_admin: may do everything. */
bool
auth_console(const struct client *c, const struct greet *g, bool *is_admin);

/* A console client on a Unix socket, of our own user, by the name of the
 * console itself: needs no password. */
bool auth_is_self(const struct client *c, const struct greet *g);

#endif
