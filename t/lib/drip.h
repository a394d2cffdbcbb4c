/*
 * drip.h - a TCP relay that passes bytes on in pieces of its own choosing.
 *
 * Put between client and pooler, or pooler and server, it makes every message
 * arrive split at every byte.  A process of its own; ends with the test.
 */
#ifndef T_LIB_DRIP_H
#define T_LIB_DRIP_H

#include <stddef.h>
#include <sys/types.h>

struct drip {
	pid_t pid;
	int port; /* on 127.0.0.1 */
};

/* Pass on to 127.0.0.1:`to`, at most `piece` bytes a segment. */
struct drip drip_start(int to, size_t piece);
void drip_stop(struct drip *r);

#endif
