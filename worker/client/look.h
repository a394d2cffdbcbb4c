/*
 * look.h - what a client's message asks of us before the server gets it.
 *
 * In transaction and statement mode some messages cannot be passed as they
 * are: they name statements, or they touch what belongs to the session.
 * relay.c shows each message that may to the modules that care, which answer:
 *
 *   PASS   pass it as it is; relay.c enters it in the books
 *   MORE   too little of it is in hand: show it again with more bytes; for
 *          what stands near its beginning (LOOK_MORE_MAX bytes at most)
 *   WHOLE  collect all of it in memory of its own, then show it again
 *   TOOK   done: what the server shall get is in upstream.h, the books are
 *          kept; the first `used` bytes of the body are thereby spent, the
 *          rest of it, if any, is passed as it is
 *   WAIT   not yet: the callee has stopped the client's being read, and will
 *          have this message shown again when the time has come
 *   RAISE  the server refuses it in our name, and all follows from that
 *          (raise.h): `sqlstate` and `why` are the error
 *   END    close the client: `sqlstate` and `why` are what it is told
 */
#ifndef WORKER_CLIENT_LOOK_H
#define WORKER_CLIENT_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/proto/frame.h"

struct client;

enum { LOOK_MORE_MAX = 48 * 1024 };

enum look {
	LOOK_PASS,
	LOOK_MORE,
	LOOK_WHOLE,
	LOOK_TOOK,
	LOOK_WAIT,
	LOOK_RAISE,
	LOOK_END
};

struct look_at {
	struct frame f;
	const uint8_t *body;
	size_t have;  /* bytes of the body that are in hand */
	size_t after; /* and of what stands behind the body */
	uint32_t used;
	bool is_plain;  /* its text is sql_is_plain(), as session.c has seen */
	bool is_booked; /* at PASS: a Parse or Describe of the books' */
	const char *sqlstate, *why;
	const char *routine; /* at RAISE, if drivers go by it; else NULL */
};

#endif
