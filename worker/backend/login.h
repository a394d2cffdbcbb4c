/*
 * login.h - log in to a server: from a host name to its first ReadyForQuery.
 *
 *   HOST -> STORE -> CONNECT -> [TLS_REPLY -> TLS] -> AUTH -> [SASL]
 *        -> PARAMS -> [QUERY] -> done
 *   any -> failed, with l->err filled
 *
 * HOST waits for the resolver, STORE until the supervisor's channel has taken
 * the socket's duplicate, CONNECT for the socket, TLS_REPLY for the answer to
 * SSLRequest, TLS for the server's half of the handshake, AUTH and SASL for the
 * server's questions, PARAMS for ReadyForQuery, QUERY for the end of
 * connect_query.  One deadline covers the whole.  The server is not trusted:
 * every length is checked, every field may be missing.
 *
 * The socket is given to the supervisor before it connects: from then on the
 * backend's end can be seen even if this worker dies.
 *
 * Source: PostgreSQL protocol, "Start-up" (message flow) and "SASL
 * Authentication".  Never blocks.
 */
#ifndef WORKER_BACKEND_LOGIN_H
#define WORKER_BACKEND_LOGIN_H

#include "shm/poollogin.h"
#include "worker/backend/backend.h"
#include "worker/proto/scram.h"

/* Begin; b->lend, b->slot, b->gen are set, b->state is BACKEND_LOGIN. */
void login_start(struct backend *b);

/*
 * Does auth_file have but a verifier for the user of this pool, or nothing, and
 * his clients prove what auth_query says?  Then a server that asks wants what
 * one of them has brought: his secret, or keys that fit the verifier.  Is there
 * any?
 */
bool login_needs_keys(const struct lend *lend);
bool login_has_keys(const struct lend *lend);

/* The keys that a client of the pool has proved.  False: there are none. */
bool login_keys(const struct lend *lend, struct scram_keys *out);

/* Sets of keys are told apart by it; never 0. */
uint32_t login_mark(const struct scram_keys *k);

/*
 * The secret for a server, of whatever kind: its database's, the one of
 * auth_file, or what clients have brought here; "" when there is none.
 */
const char *login_secret(const struct lend *lend);

/*
 * A login has failed since a server asked for what there was not, somewhere:
 * has this worker got it?
 */
bool login_can_answer(const struct lend *lend, const struct pool_failure *f);

/* A client of this pool has proved these. */
void login_keep_keys(const struct lend *lend, const struct scram_keys *k);

/*
 * The same of a secret in plain text, or of an md5 secret: the newest counts,
 * for this worker.  NULL: forget it.
 */
void login_keep_secret(struct lend *lend, const char *secret);

/* The socket is ready. */
void login_on_event(struct backend *b, unsigned events);

/* Give up what login.c holds for `b` (its deadline, its question); says
 * nothing to anybody. */
void login_drop(struct backend *b);

#endif
