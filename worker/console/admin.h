/*
 * admin.h - the console: what a client says there, and what is done.
 *
 * Only the simple protocol, one command a message.  A command is carried out
 * at once, or the supervisor is asked (RELOAD, SET, SHUTDOWN) and the client is
 * not read until the answer has come.  A client that does not take its
 * answers is not read either: nobody can make this process hold more than one
 * table for each console.
 *
 * Data: this process's own.  Never blocks.
 */
#ifndef WORKER_CONSOLE_ADMIN_H
#define WORKER_CONSOLE_ADMIN_H

#include "shm/msg.h"

/* Before the first client: serve those in CONSOLE (client.h). */
void admin_init(void);
void admin_fini(void);

/* The supervisor's answer to this worker's question `m->id` (a client id). */
void admin_on_done(const struct msg *m);

#endif
