/*
 * scramsay.h - a login by SCRAM, said by hand.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_SYSTEM_SCRAMSAY_H
#define T_SYSTEM_SCRAMSAY_H

#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

/* A client that has named itself, and is asked for a proof. */
static inline struct wire *
ask(const struct pooler *p, const char *user)
{
	struct wire *w = wire_open("127.0.0.1", p->port);
	char buf[512];

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", user, "database",
		"app", NULL));
	wire_expect(w, "R");
	return w;
}

/* Its first message: the mechanism, and what client-first is to be. */
static inline void
say(struct wire *w, const char *mechanism, const char *first)
{
	wire_put(
	    w, 'p', "six", mechanism, (int)strlen(first), first, strlen(first));
}

#endif
