/*
 * admit.c - the rule for a client, and the reasons to turn it away.
 *
 * Rules are asked before anybody is looked up: who may not come at all learns
 * nothing of who exists.
 */
#include "worker/client/admit.h"

#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/hba.h"
#include "shm/clientrow.h"
#include "worker/io/tls.h"
#include "worker/self.h"

enum { CERT_NAME = 256 }; /* bytes of a common name, with its NUL */

/* The client's side of a rule; -1: its address is not known any more. */
static int
ask_for(const struct client *c, const struct greet *g, struct hba_query *q)
{
	struct clientrow_info i;

	memset(q, 0, sizeof(*q));
	q->is_local = c->is_unix;
	q->is_tls = c->tls != NULL;
	q->is_replication = g->own.kind == STARTUP_PHYSICAL;
	q->user = g->user;
	/* it has two names: a rule for it holds for both */
	q->database = g->is_console ? "pgbouncer" : g->database;
	if (q->is_local)
		return 0;
	if (!clientrow_info_look(c->row, &i) ||
	    (i.peer.family != 4 && i.peer.family != 6))
		return -1;
	q->addr.family = (uint8_t)i.peer.family;
	memcpy(q->addr.bytes, i.peer.addr, i.peer.family == 4 ? 4 : 16);
	return 0;
}

/* No rule, or one that says reject. */
static enum result
turn_away(const struct greet *g, const struct hba_query *q,
    const struct hba_rule *rule, struct err *e)
{
	static const char *const first[2][2] = {
		{ "pg_hba.conf rejects connection for",
		    "pg_hba.conf rejects replication connection for" },
		{ "no pg_hba.conf entry for",
		    "no pg_hba.conf entry for replication connection from" }
	};
	char say[sizeof(e->say)], host[NETADDR_TEXT];

	snprintf(say, sizeof(say),
	    "%s host \"%s\", user \"%s\", database \"%s\", %s",
	    first[rule == NULL][q->is_replication],
	    netaddr_text(&q->addr, host), g->user, g->database,
	    q->is_tls ? "SSL encryption" : "no encryption");
	if (rule == NULL)
		(void)err_set(e, "28000", say, "%s", say);
	else
		(void)err_set(
		    e, "28000", say, "%s (%s:%u)", say, rule->file, rule->line);
	return FAIL;
}

/* Its certificate: a valid one, and of this user where that is asked for. */
static enum result
check_cert(const struct client *c, const struct greet *g,
    enum hba_clientcert how, const char *map, struct err *e)
{
	char name[CERT_NAME], say[sizeof(e->say)];

	if (how == HBA_NO_CERT)
		return DONE;
	if (c->tls == NULL || !tls_peer_name(c->tls, name, sizeof(name))) {
		(void)err_set(e, "28000",
		    "connection requires a valid client certificate",
		    "connection requires a valid client certificate");
		return FAIL;
	}
	if (how == HBA_VERIFY_CA ||
	    ident_allows(self.conf->idents, map, name, g->user))
		return DONE;
	snprintf(say, sizeof(say),
	    "certificate authentication failed for user \"%s\"", g->user);
	(void)err_set(
	    e, "28000", say, "%s: its certificate is of \"%s\"", say, name);
	return FAIL;
}

static enum result
by_rule(const struct client *c, struct greet *g, const struct hba_rule **found,
    struct err *e)
{
	const struct hba_rule *rule;
	struct hba_query q;

	if (ask_for(c, g, &q) == -1) {
		(void)err_set(e, "28000", "login failed",
		    "the client's address is not known");
		return FAIL;
	}
	rule = hba_find(self.conf->hba, &q);
	if (rule == NULL || rule->method == HBA_REJECT)
		return turn_away(g, &q, rule, e);
	*found = rule;
	g->wanted = rule->method;
	return check_cert(c, g, rule->clientcert, rule->map, e);
}

enum result
admit(struct client *c, struct greet *g, const struct hba_rule **rule,
    struct err *e)
{
	*rule = NULL;
	switch ((enum auth_type)self.conf->auth_type) {
	case AUTH_HBA:
		return by_rule(c, g, rule, e);
	case AUTH_ANY:
	case AUTH_TRUST:
		g->wanted = HBA_TRUST;
		break;
	case AUTH_PLAIN:
		g->wanted = HBA_PASSWORD;
		break;
	case AUTH_MD5:
		g->wanted = HBA_MD5;
		break;
	case AUTH_SCRAM:
		g->wanted = HBA_SCRAM;
		break;
	case AUTH_LDAP:
		g->wanted = HBA_LDAP;
		*rule = hba_at(self.conf->hba, 0);
		break;
	case AUTH_PAM:
		g->wanted = HBA_PAM;
		break;
	case AUTH_CERT:
		g->wanted = HBA_CERT;
		return check_cert(c, g, HBA_VERIFY_FULL, NULL, e);
	}
	return DONE;
}
