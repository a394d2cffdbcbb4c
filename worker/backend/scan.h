/*
 * scan.h - receive what a server has sent, and walk through it.
 *
 * Follows message boundaries over any cut of the bytes, keeps the books that
 * every reader of a backend needs (track.h, reported parameters), and says
 * how much may be passed on.  What must be seen whole (ReadyForQuery,
 * ParameterStatus, a CommandComplete's tag, the head of an ErrorResponse) is
 * held back until it is.
 *
 * On the way answers to messages of our own are cut out, and those that we
 * give in the server's place are put in (track.h), where they belong in the
 * order: what may be passed on is still one piece, but it need not begin where
 * the server's bytes did.
 *
 * The walk is pure but for the backend's own state, and its user's books.
 * Never blocks.
 */
#ifndef WORKER_BACKEND_SCAN_H
#define WORKER_BACKEND_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/backend/backend.h"
#include "worker/proto/report.h"

/* Tags of CommandComplete that tell of the session; bits. */
enum scan_tag {
	SCAN_TAG_SET = 1 << 0,
	SCAN_TAG_RESET = 1 << 1,
	SCAN_TAG_DISCARD = 1 << 2,
	SCAN_TAG_PREPARE = 1 << 3,
	SCAN_TAG_DEALLOCATE = 1 << 4,
	SCAN_TAG_ALL_GONE = 1 << 5, /* DISCARD ALL, DEALLOCATE ALL */
	SCAN_TAG_LISTEN = 1 << 6,
	SCAN_TAG_UNLISTEN = 1 << 7,
	SCAN_TAG_LOAD = 1 << 8,
	SCAN_TAG_DECLARE = 1 << 9,
	SCAN_TAG_CLOSE = 1 << 10,
	SCAN_TAG_CREATE = 1 << 11, /* whatever is created */
	SCAN_TAG_DROP = 1 << 12,
	SCAN_TAG_DO = 1 << 13,
	SCAN_TAG_CALL = 1 << 14,
	SCAN_TAG_ROLLBACK = 1 << 15,
	SCAN_TAG_ALTER = 1 << 16, /* whatever is altered */
};

enum {
	/* bytes in front of what is scanned, for answers that are put in */
	SCAN_ROOM = 5 * TRACK_FAKES + 1024
};

struct scan {
	size_t received;     /* bytes that scan_recv() got from the socket */
	uint8_t *from;       /* what may be passed on */
	size_t pass;         /* and how many bytes of it */
	uint32_t tags;       /* enum scan_tag, not of our own messages */
	uint32_t readies;    /* ReadyForQuery messages among them */
	uint32_t idles;      /* of these, with status 'I' */
	bool is_inside;      /* they begin in the middle of a message */
	bool has_params;     /* a tracked parameter was reported */
	bool has_error;      /* an ErrorResponse, and this was the first: */
	bool has_own_failed; /* a message of ours was refused: close it */
	struct report error; /* valid if has_error */
};

/*
 * Receive what is there and walk over it.  WAIT: nothing is there.  FAIL: the
 * connection is of no use any more, `*why` says it: close it; `received` is 0
 * if it has ended.
 */
enum result scan_recv(struct backend *b, struct scan *out, const char **why);

/*
 * Walk over [p, p + len), and change it; SCAN_ROOM bytes in front of it may be
 * written.  What follows has been kept in
 * b->in.  -1: this is no server's answer, or there is no memory: close it.
 */
int scan_run(struct backend *b, uint8_t *p, size_t len, struct scan *out);

/*
 * Answers of ours whose turn has come without any of the server's: write them
 * at `p`, which has room for SCAN_ROOM bytes.  Returns their length.
 */
size_t scan_due(struct backend *b, uint8_t *p);

/* Nothing is held back, no message is half passed, and track says clean. */
bool scan_is_boundary(const struct backend *b);

#endif
