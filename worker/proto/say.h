/*
 * say.h - commands of our own, as messages to a server.
 *
 * Into a struct wire (frame.h): what does not fit sets `full`.  They use the
 * unnamed statement and the unnamed portal; what a client had there is gone.
 *
 * Pure: bytes in, bytes out.  Never blocks, allocates or logs.
 */
#ifndef WORKER_PROTO_SAY_H
#define WORKER_PROTO_SAY_H

#include "worker/proto/frame.h"

/* Query. */
void say_query(struct wire *w, const char *sql);

/* Parse, Bind and Execute of a statement without parameters; no Sync. */
void say_command(struct wire *w, const char *sql);

/* Execute, to the end. */
void say_execute(struct wire *w);

/* In a text: a constant that means the same whatever
 * standard_conforming_strings says. */
void say_constant(struct wire *w, const char *s);

#endif
