/*
 * outside.h - a password that LDAP or PAM checks, in the resolver.
 *
 * The client is asked for it in clear, and waits in AUTH until the answer.
 * Whoever fails is told the same, whatever the reason; the resolver's log has
 * it.  What was proved is kept as the user's secret, until the login is over:
 * servers may ask for it.
 */
#ifndef WORKER_CLIENT_OUTSIDE_H
#define WORKER_CLIENT_OUTSIDE_H

#include "worker/client/greet.h"

struct hba_rule;

enum { OUTSIDE_PASSWORD = 2048 }; /* with its NUL */

/*
 * WAIT: the client has been asked, and is in AUTH (or has been closed).  FAIL:
 * *e.  `rule` (or NULL: there are none) has the options; they are copied.
 */
enum result outside_ask(struct client *c, struct greet *g,
    const struct hba_rule *rule, struct err *e);

/* The body of the password message.  WAIT: greet_checked() comes later. */
enum result
outside_check(struct greet *g, const uint8_t *body, size_t len, struct err *e);

/* Is the password being checked? */
bool outside_is_busy(const struct greet *g);

void outside_drop(struct greet *g); /* wipes */

#endif
