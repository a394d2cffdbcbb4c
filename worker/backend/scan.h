/*
 * scan.h - walk through what a server has sent.
 *
 * Follows message boundaries over any cut of the bytes, keeps the books that
 * every reader of a backend needs (track.h, reported parameters), and says
 * how much may be passed on.  What must be seen whole (ReadyForQuery,
 * ParameterStatus, the head of an ErrorResponse) is held back until it is.
 *
 * Pure but for the backend's own state.  Never blocks.
 */
#ifndef WORKER_BACKEND_SCAN_H
#define WORKER_BACKEND_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/backend/backend.h"
#include "worker/proto/report.h"

struct scan {
	size_t pass;         /* bytes that may be passed on */
	uint32_t readies;    /* ReadyForQuery messages among them */
	uint32_t idles;      /* of these, with status 'I' */
	bool is_inside;      /* they begin in the middle of a message */
	bool has_params;     /* a tracked parameter was reported */
	bool has_error;      /* an ErrorResponse, and this was the first: */
	struct report error; /* valid if has_error */
};

/*
 * Walk over [p, p + len); what follows `pass` has been kept in b->in.
 * -1: this is no server's answer, or there is no memory: close it.
 */
int scan_run(struct backend *b, const uint8_t *p, size_t len, struct scan *out);

/* Nothing is held back, no message is half passed, and track says clean. */
bool scan_is_boundary(const struct backend *b);

#endif
