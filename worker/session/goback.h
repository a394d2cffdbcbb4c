/*
 * goback.h - a RESET goes back to what the client began with.
 *
 * What a client has asked for at its start is set on each backend that it is
 * lent; a RESET there goes to the server's own default.  At the end of the
 * transaction that comes right (session_end.c).  But the transaction may go on
 * first: so what the last statements of a text have put back is set once more,
 * behind the server's word that it has been done and ahead of whatever the
 * client says next (prepare_hold()).
 *
 * It is set by SET.  A SELECT would take a snapshot, and the transaction could
 * not become SERIALIZABLE any more.
 *
 * Not what is followed by another statement in the same text, or was by the
 * time of the answer: it may have been set anew.  Not SESSION AUTHORIZATION,
 * SET LOCAL ... TO DEFAULT, set_config(..., NULL, ...); nor a value that is not
 * ASCII, which the server would read by a client_encoding that may have just
 * been put back itself.
 *
 * Pure.  Never blocks, allocates or logs.
 */
#ifndef WORKER_SESSION_GOBACK_H
#define WORKER_SESSION_GOBACK_H

#include <stddef.h>
#include <stdint.h>

#include "worker/proto/frame.h"

/* What it began with, as in params.h and vars.h; `has`: what the server has
 * reported, without which a parameter is not there to be set. */
struct goback {
	const char *params, *has, *vars;
	uint32_t params_len, has_len, vars_len;
};

/*
 * What must follow this text: a Parse, Bind and Execute for each SET; nothing,
 * mostly.  `flags` are sqllex.h's.  w->full: there is too much of it.
 */
void goback_build(struct wire *w, const struct goback *g, const char *text,
    size_t len, unsigned flags);

#endif
