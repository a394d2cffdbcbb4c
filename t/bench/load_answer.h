/*
 * load_answer.h - is what came what had to come?
 *
 * Reads a client's bytes as messages and holds them against its script; tells
 * load_client.h what follows.  Never blocks.
 */
#ifndef BENCH_LOAD_ANSWER_H
#define BENCH_LOAD_ANSWER_H

#include "t/bench/load.h"

/* Take the whole messages that stand in c->in. */
void load_answer_take(struct load *l, struct load_client *c);

#endif
