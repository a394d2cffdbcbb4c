/*
 * peer.h - which system user is at the other end of a Unix socket, and may he
 * be this user?
 *
 * The kernel knows his number, the system's databases of users his name.
 * These may block, so the resolver asks them; the client waits in AUTH.
 */
#ifndef WORKER_CLIENT_PEER_H
#define WORKER_CLIENT_PEER_H

#include "worker/client/greet.h"

struct hba_rule;

/*
 * WAIT: auth_peered() comes later, or greet_checked() with a failure.  FAIL:
 * *e.  What the rule says is copied.
 */
enum result peer_ask(struct client *c, struct greet *g,
    const struct hba_rule *rule, struct err *e);

void peer_drop(struct greet *g);

#endif
