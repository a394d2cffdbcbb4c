/*
 * load_client.h - one client's life: connect, log in, ask, check, repeat.
 *
 * Never blocks.
 */
#ifndef BENCH_LOAD_CLIENT_H
#define BENCH_LOAD_CLIENT_H

#include "t/bench/load.h"

/* Its moment on the agenda has come: connect, or begin a transaction. */
void load_client_due(struct load *l, struct load_client *c);

/* Its socket can be read or written. */
void
load_client_event(struct load *l, struct load_client *c, bool in, bool out);

/* Say goodbye and be OVER. */
void load_client_end(struct load *l, struct load_client *c);

/* What load_answer.c has read. */
void load_client_logged_in(struct load *l, struct load_client *c);
void load_client_ready(struct load *l, struct load_client *c, char status);

/* The connection did not come about, or has ended, because of `why`. */
void load_client_lost(struct load *l, struct load_client *c, const char *why);

/* `what` is said of `got`, which is not the answer; ends the connection. */
void load_client_wrong(struct load *l, struct load_client *c, const char *what,
    const char *got, size_t len);

/* Send what stands in c->out.  -1: the connection is gone. */
int load_client_flush(struct load *l, struct load_client *c);

#endif
