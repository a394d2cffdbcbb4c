/*
 * auth.c - by which method must this client prove who it is?
 *
 * Has the rules asked (admit.c) and the user's secret found (secret.c), picks
 * the method, and has the proof asked for and checked (proof.c).
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "worker/client/admit.h"
#include "worker/client/greet.h"
#include "worker/client/outside.h"
#include "worker/client/peer.h"
#include "worker/client/proof.h"
#include "worker/self.h"

/* Where all have verifiers, nobody is asked for less. */
static bool
is_all_scram(void)
{
	return secret_is_usual(USER_SCRAM) && !secret_is_usual(USER_PLAIN) &&
	    !secret_is_usual(USER_MD5);
}

/* What this user is asked for, by the method and the kind of secret. */
static enum greet_method
method_for(const struct greet *g)
{
	switch (g->wanted) {
	case HBA_TRUST:
	case HBA_CERT: /* admit.c has seen to it */
	case HBA_PEER: /* peer.c has */
		return GREET_TRUST;
	case HBA_PASSWORD:
		return GREET_PLAIN;
	case HBA_MD5:
		return g->secret.kind == USER_SCRAM ||
			(g->secret.kind == USER_NONE && is_all_scram())
		    ? GREET_SCRAM
		    : GREET_MD5;
	default:
		return GREET_SCRAM;
	}
}

static enum result
trust(const struct greet *g, struct err *e)
{
	char say[sizeof(e->say)];

	if (g->secret.is_known)
		return DONE;
	snprintf(say, sizeof(say), "role \"%.64s\" does not exist", g->user);
	return err_set(e, "28000", say, "%s", say), FAIL;
}

/* The user's secret is there: have the proof asked for. */
static enum result
ask(struct client *c, struct greet *g, struct err *e)
{
	g->method = method_for(g);
	if (g->method == GREET_TRUST)
		return trust(g, e);
	return proof_ask(c, g, e);
}

enum result
auth_start(struct client *c, struct greet *g, struct err *e)
{
	const struct hba_rule *rule;
	enum result r;

	/* before any rule: who owns the process, or a pooler that lets in all */
	if (self.conf->auth_type == AUTH_ANY || auth_is_self(c, g))
		return DONE;
	if (admit(c, g, &rule, e) == FAIL)
		return FAIL;
	if (g->wanted == HBA_LDAP || g->wanted == HBA_PAM)
		return outside_ask(c, g, rule, e);
	if (g->wanted == HBA_PEER)
		return peer_ask(c, g, rule, e);
	r = secret_find(c, g, e);
	return r == DONE ? ask(c, g, e) : r;
}

void
auth_peered(struct client *c)
{
	struct err e;
	enum result r = secret_find(c, c->greet, &e);

	greet_checked(c, r == DONE ? ask(c, c->greet, &e) : r, &e);
}

void
auth_found(struct client *c, const struct err *failed)
{
	enum result r = FAIL;
	struct err e;

	if (failed == NULL) {
		r = ask(c, c->greet, &e);
		failed = &e;
	}
	greet_checked(c, r, failed);
}

enum result
auth_on_message(struct client *c, struct greet *g, const uint8_t *body,
    size_t len, struct err *e)
{
	return g->outside != NULL ? outside_check(g, body, len, e)
				  : proof_check(c, g, body, len, e);
}

/* --- the console ------------------------------------------------------------------ */

bool
auth_is_self(const struct client *c, const struct greet *g)
{
	uid_t uid;
	gid_t gid;

	return g->is_console && c->is_unix &&
	    (strcmp(g->user, "pgbouncer") == 0 ||
		strcmp(g->user, "pooler") == 0) &&
	    compat_getpeereid(c->watch.fd, &uid, &gid) == 0 && uid == geteuid();
}

bool
auth_console(const struct client *c, const struct greet *g, bool *is_admin)
{
	*is_admin = auth_is_self(c, g) ||
	    conf_list_has(self.conf->admin_users, g->user);
	return *is_admin || self.conf->auth_type == AUTH_ANY ||
	    conf_list_has(self.conf->stats_users, g->user);
}
