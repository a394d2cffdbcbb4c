/*
 * depart.h - the end of a backend: from the decision to its end of file.
 *
 *   CLOSING: [cancel] [Terminate] shutdown(SHUT_WR), read and throw away
 *     -> end of file        PostgreSQL has exited: the place is free
 *     -> deadline           reset the connection, log it, count it as gone
 *
 * PostgreSQL closes its socket by exiting, so its end of file is the moment
 * when the place may be given on.  close(2) alone would end nothing, since
 * other processes hold duplicates.
 *
 * Never blocks.
 */
#ifndef WORKER_BACKEND_DEPART_H
#define WORKER_BACKEND_DEPART_H

#include "shm/msg.h"
#include "worker/backend/backend.h"

/* Retire `b`; its user, if there is one, gets on_gone with `e`. */
void depart_begin(struct backend *b, const char *why, const struct err *e);

/* CLOSING(me) by repair, whatever was going on there. */
void depart_adopted(struct backend *b);

/* A place that is CLOSING(me) and never had a connection. */
void depart_placeless(uint32_t slot, uint64_t gen);

/* A place RESERVED for somebody who cannot use it: free it, and tell those who
 * wait for the room.  Done later if the limits lock is busy. */
void depart_giveback(uint32_t slot, uint64_t gen);

/* Once a turn: places whose release waits for the limits lock.  True while
 * some still do. */
bool depart_turn(void);

void depart_on_event(struct backend *b);
void depart_on_deadline(struct backend *b);

/* Tell the supervisor about the slot; -1: it could not be sent. */
int depart_tell(const struct backend *b, enum msg_type type, int fd);

int depart_init(void);
void depart_fini(void);

#endif
