/*
 * proof.h - ask a client for a proof, and check it.
 *
 * What is asked goes by g->method, what is right by g->secret.  A user who is
 * not known is asked just so, and fails at the end.
 *
 * Sources: PostgreSQL protocol, "Start-up"; RFC 5802, RFC 7677.
 */
#ifndef WORKER_CLIENT_PROOF_H
#define WORKER_CLIENT_PROOF_H

#include "worker/client/greet.h"
#include "worker/proto/scram.h"

/*
 * Ask.  WAIT: the client has been asked, and is in AUTH (or has been closed).
 * DONE: g->method asks for nothing.  FAIL: *e.
 */
enum result proof_ask(struct client *c, struct greet *g, struct err *e);

/* The body of a password message.  As proof_ask(); DONE: it is who it says. */
enum result proof_check(struct client *c, struct greet *g, const uint8_t *body,
    size_t len, struct err *e);

/* What every wrong proof is told; -1. */
int proof_failed(const struct greet *g, struct err *e);

/* The client's last message waits for keys; greet_checked() will come. */
bool proof_is_busy(const struct greet *g);

/*
 * The keys that the client has proved, if a server may have the same verifier;
 * NULL: none.
 */
const struct scram_keys *proof_keys(const struct greet *g);

/* Give up and wipe what belongs to its proof. */
void proof_drop(struct greet *g);

#endif
