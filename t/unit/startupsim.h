/*
 * startupsim.h - for tests: startup packets as they come in.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_UNIT_STARTUPSIM_H
#define T_UNIT_STARTUPSIM_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"
#include "worker/proto/startup.h"

static uint8_t packet[STARTUP_MAX + 64];

/* A packet of code and body, its length in front; the bytes of it. */
static inline size_t
make(const char *body, size_t len)
{
	frame_put32(packet, (uint32_t)(len + 4));
	memcpy(packet + 4, body, len);
	return len + 4;
}

/*
 * Parse it as it comes in: one byte more each time, in a block of its own so
 * that reading on is seen.  Nothing but WAIT may come before the last.
 */
static inline enum result
parse(size_t len, struct startup *out, struct err *e)
{
	for (size_t n = 0; n < len; n++) {
		uint8_t *p = malloc(n + 1);
		enum result rc;

		memcpy(p + 1, packet, n);
		rc = startup_parse(p + 1, n, out, e);
		free(p);
		ck_assert_int_eq(rc, WAIT);
	}
	return startup_parse(packet, len, out, e);
}

#define PARSE(body, s, e) parse(make(body, sizeof(body) - 1), s, e)

#endif
