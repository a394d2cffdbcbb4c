#include "worker/client/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "conf/hba.h"
#include "worker/askpass.h"
#include "worker/io/outer.h"
#include "worker/self.h"

enum {
	MAP_NAME = 128,
	PLACE = 160, /* the rule's file and line, for the log */
	LIMIT_MS = 5000,
};

struct peer {
	struct client *client;
	struct askpass ask;
	bool has_map;
	char map[MAP_NAME];
	char place[PLACE];
};

void
peer_drop(struct greet *g)
{
	struct peer *p = g->peer;

	if (p == NULL)
		return;
	g->peer = NULL;
	askpass_fini(&p->ask);
	free(p);
}

static enum result
failed(
    const struct greet *g, const char *name, const char *place, struct err *e)
{
	char say[sizeof(e->say)];

	snprintf(say, sizeof(say), "Peer authentication failed for user \"%s\"",
	    g->user);
	(void)err_set(e, "28000", say, "%s: it is system user \"%s\" (%s)", say,
	    name[0] == '\0' ? "(unknown)" : name, place);
	return FAIL;
}

/* By the maps as they are now. */
static void
on_answer(struct askpass *a, enum msg_proved what)
{
	struct peer *p = OUTER_OF(a, struct peer, ask);
	struct client *c = p->client;
	struct greet *g = c->greet;
	struct err e;

	if (what == MSG_PROVED_RIGHT &&
	    ident_allows(self.conf->idents, p->has_map ? p->map : NULL, a->name,
		g->user)) {
		peer_drop(g);
		auth_peered(c);
		return;
	}
	(void)failed(g, what == MSG_PROVED_RIGHT ? a->name : "", p->place, &e);
	peer_drop(g);
	greet_checked(c, FAIL, &e);
}

/* -1: does not fit. */
static int
prepare(struct peer *p, const struct greet *g, const struct hba_rule *rule,
    uid_t uid)
{
	char number[24];

	p->has_map = rule->map != NULL;
	if (p->has_map &&
	    compat_strlcpy(p->map, rule->map, sizeof(p->map)) >= sizeof(p->map))
		return -1;
	snprintf(p->place, sizeof(p->place), "%.*s:%u", PLACE - 16, rule->file,
	    rule->line);
	snprintf(number, sizeof(number), "%lu", (unsigned long)uid);
	askpass_init(&p->ask, MSG_PROVE_PEER);
	return askpass_add(&p->ask, g->user) == -1 ||
		askpass_add(&p->ask, number) == -1 ||
		askpass_add(&p->ask, "") == -1
	    ? -1
	    : 0;
}

enum result
peer_ask(struct client *c, struct greet *g, const struct hba_rule *rule,
    struct err *e)
{
	uid_t uid;
	gid_t gid;

	peer_drop(g);
	if (compat_getpeereid(c->watch.fd, &uid, &gid) == -1)
		return failed(g, "", rule->file, e);
	g->peer = calloc(1, sizeof(*g->peer));
	if (g->peer == NULL)
		return err_set(e, "53200", "out of memory", "out of memory"),
		       FAIL;
	g->peer->client = c;
	if (prepare(g->peer, g, rule, uid) == -1)
		return err_set(e, "28000", "login failed",
			   "the name of a map is too long"),
		       FAIL;
	client_set_state(c, CLIENT_AUTH);
	if (askpass(&g->peer->ask, LIMIT_MS, on_answer) == -1)
		return err_set(e, "53200", "out of memory", "out of memory"),
		       FAIL;
	return WAIT;
}
