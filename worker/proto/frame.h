/*
 * frame.h - one protocol message: its header read, its bytes written.
 *
 * Every message after the startup packet is a type byte and a big-endian
 * length that counts itself and the body, but not the type.  Reading takes
 * the header alone, so that a body of any size can be passed on in pieces.
 *
 * A struct wire is a bounded place to build messages in.  A message that does
 * not fit sets `full` and leaves nothing of itself behind: what stands in the
 * wire is always whole messages.  So a builder is a row of calls, and `full`
 * is looked at once, at the end.
 *
 * Pure: bytes in, bytes out.  Never blocks, allocates or logs.
 */
#ifndef WORKER_PROTO_FRAME_H
#define WORKER_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "conf/err.h"

#define FRAME_HEAD 5           /* type byte and length */
#define FRAME_MAX  0x3fffffffu /* the longest body PostgreSQL itself takes */

struct frame {
	uint8_t type;
	uint32_t body; /* bytes that follow the header */
};

/*
 * Read the header at `p`, of which `avail` bytes are there.  DONE with `out`
 * filled; WAIT if the header is not complete; FAIL if the length is less than
 * its own 4 bytes or the body longer than `max`.  A bad length is seen in the
 * first bytes that prove it.
 */
static inline enum result
frame_parse(const uint8_t *p, size_t avail, uint32_t max, struct frame *out);

/* Is the part of a header that is there already bad? */
bool frame_is_bad(const uint8_t *p, size_t avail, uint32_t max);

/* May a client that is in send a message of this type?  (Not: may it now.) */
static inline bool
frame_is_request(uint8_t type)
{
	switch (type) {
	case 'Q':
	case 'P':
	case 'B':
	case 'D':
	case 'E':
	case 'C':
	case 'H':
	case 'S':
	case 'F':
	case 'd':
	case 'c':
	case 'f':
	case 'X':
		return true;
	default:
		return false;
	}
}

/* Big-endian integers at any address. */
static inline uint16_t
frame_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
frame_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

/* In line: it is called for every message that passes. */
static inline enum result
frame_parse(const uint8_t *p, size_t avail, uint32_t max, struct frame *out)
{
	uint32_t len;

	if (avail < FRAME_HEAD)
		return frame_is_bad(p, avail, max) ? FAIL : WAIT;
	len = frame_get32(p + 1);
	if (len < 4 || len - 4 > max)
		return FAIL;
	out->type = p[0];
	out->body = len - 4;
	return DONE;
}

void frame_put16(uint8_t *p, uint16_t v);
void frame_put32(uint8_t *p, uint32_t v);

struct wire {
	uint8_t *p;   /* the caller's */
	size_t cap;   /* bytes at p */
	size_t len;   /* bytes written */
	size_t start; /* where the open message begins */
	size_t size;  /* where its length goes */
	bool full;    /* something did not fit; nothing is written any more */
};

void wire_init(struct wire *w, void *p, size_t cap);

/* Begin a message; type 0 begins a packet that has no type byte. */
void wire_begin(struct wire *w, uint8_t type);
void wire_byte(struct wire *w, uint8_t v);
void wire_int16(struct wire *w, uint16_t v);
void wire_int32(struct wire *w, uint32_t v);
void wire_int64(struct wire *w, uint64_t v);
void wire_str(struct wire *w, const char *s);  /* with its NUL */
void wire_text(struct wire *w, const char *s); /* without it */
void wire_bytes(struct wire *w, const void *p, size_t n);
void wire_end(struct wire *w);

#endif
