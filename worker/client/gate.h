/*
 * gate.h - clients that have not proved who they are: how many there may be,
 * and how much of a turn they get.
 *
 * A handshake takes a millisecond of CPU and a client that is in wants its
 * answer in less.  So the steps of logins get SLICE_US of each turn of the
 * loop, one step at least; what comes in beyond that waits in a queue, out of
 * the loop, and everybody else is served meanwhile.  Nothing is lost by it:
 * with a queue the loop does not sleep.
 *
 *   enter -> [event -> step, or queue -> step]* -> leave
 *
 * Each worker has its share of max_client_logins.  Who comes beyond it is left
 * in the listen backlog, which refuses nobody in a burst.  But he who lets us
 * wait holds up others then: while the share is used up, those that are older
 * than PATIENCE_US and have not said what we wait for make room, the oldest
 * first.  They do, too, where a client would be refused for want of a place.
 *
 * Data: this process's own.  Never blocks.
 */
#ifndef WORKER_CLIENT_GATE_H
#define WORKER_CLIENT_GATE_H

#include <stdbool.h>

struct client;
struct gate_pass; /* what it holds of a client, until that is in */

/* It was accepted.  -1: no memory. */
int gate_enter(struct client *c);

/* It has proved who it is, or is closed; harmless for who has left. */
void gate_leave(struct client *c);

/* The events of one that is here: client_step() now, or later. */
void gate_on_event(struct client *c, unsigned events);

/* One that has used up our patience makes room.  False: nobody has. */
bool gate_evict(void);

/* Once a turn.  True: there is more to do, do not sleep. */
bool gate_turn(void);

/* At the end, when no client is left. */
void gate_fini(void);

#endif
