/*
 * fit.h - bring a backend from what it has to what a client wants.
 *
 * The messages go ahead of the client's first one, in the same send(2), and
 * without a Sync of their own:
 *
 *   BEGIN; SELECT set_config(...), ...; COMMIT      each as Parse, Bind, Execute
 *
 * The client's query does not wait for them, and when one of them fails the
 * server skips everything up to the next Sync, a Query too: nothing ever runs
 * with settings that are not the client's.  The transaction of their own
 * keeps them when the client's is rolled back, and leaves none open before
 * its BEGIN.
 *
 * What only the former client had is reset; set_config(name, NULL) does that.
 * Role and session authorization are reset before and set behind all others,
 * which may need the rights of the login.  client_encoding goes ahead in a
 * SELECT of its own: what comes behind is in the client's bytes already.
 * When nobody knows what a backend has, RESET ALL stands in front.
 *
 * Pure.  Never blocks, allocates or logs.
 */
#ifndef WORKER_SESSION_FIT_H
#define WORKER_SESSION_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/proto/frame.h"

enum { FIT_MAX = 48 * 1024 }; /* bytes of all messages */

/* One side: params in the form of params.h, vars in that of vars.h. */
struct fit_side {
	const char *params;
	uint32_t params_len;
	const char *vars;
	uint32_t vars_len;
};

struct fit {
	struct fit_side has, want;
	bool is_unknown;    /* what it has beside `params` */
	bool is_forgetting; /* sequences: currval() and lastval() */
};

/* Is there nothing to do?  The fast path: two comparisons. */
bool fit_is_done(const struct fit *f);

/*
 * Build them all.  Returns how many messages; 0: there is nothing to do.
 * w->full when they are too many, or too long.
 */
unsigned fit_build(struct wire *w, const struct fit *f);

#endif
