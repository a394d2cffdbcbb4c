/*
 * admit.h - what the settings say of this client: by which method, if at all.
 *
 * With auth_type = hba the first rule that fits decides; else auth_type does.
 * A client's certificate is looked at here, before anything is asked.
 */
#ifndef WORKER_CLIENT_ADMIT_H
#define WORKER_CLIENT_ADMIT_H

#include "worker/client/greet.h"

/*
 * DONE: g->wanted is the method; what it demands beside a proof by message is
 * fulfilled.  *rule: the rule that says so, as long as the configuration; NULL:
 * none does.  FAIL: *e, as PostgreSQL words it.
 */
enum result admit(struct client *c, struct greet *g,
    const struct hba_rule **rule, struct err *e);

#endif
