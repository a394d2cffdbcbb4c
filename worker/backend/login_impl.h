/*
 * login_impl.h - what the files of a login share.
 *
 * login.c finds the server and holds the deadline; loginstart.c begins to speak
 * with it, loginmsg.c goes on.  For these files alone.
 */
#ifndef WORKER_BACKEND_LOGIN_IMPL_H
#define WORKER_BACKEND_LOGIN_IMPL_H

#include "conf/err.h"
#include "conf/hostlist.h"
#include "shm/pool.h"
#include "worker/ask.h"
#include "worker/backend/backend.h"
#include "worker/backend/params.h"
#include "worker/derive.h"
#include "worker/proto/scram.h"

enum login_state {
	LOGIN_HOST,
	LOGIN_STORE,
	LOGIN_CONNECT,
	LOGIN_TLS_REPLY,
	LOGIN_TLS,
	LOGIN_AUTH,
	LOGIN_SASL,
	LOGIN_PARAMS,
	LOGIN_QUERY,
};

struct login {
	enum login_state state;
	struct backend *b;
	struct deadline deadline;
	struct deadline retry; /* in STORE */
	struct ask ask;
	uint32_t tried;   /* entries of the host list, this one included */
	uint32_t address; /* of this entry's, the one being tried */
	char host[HOSTLIST_HOST]; /* of this entry: what a certificate is for */
	enum pool_told told;      /* why it failed, */
	uint32_t mark;            /* and with which keys; 0: none */
	char *secret; /* wiped at the end; NULL: not asked for yet */
	bool has_scram;
	struct derive derive; /* in SASL: keys of the secret */
	struct scram_client scram;
	struct slot_info info;
	uint16_t minor; /* of protocol 3: asked for, then spoken */
	int32_t pid;
	struct params_edit params;
	struct pool_greeting greeting;
	struct err err;
};

/* Does this server get asked for TLS?  One on a Unix socket does not. */
bool logintls_is_wanted(const struct login *l);
/* Ask, or begin at once; then go on.  WAIT, or what loginmsg_start() says
 * when TLS is there or is not to be had.  FAIL: l->err. */
enum result logintls_start(struct login *l);
enum result logintls_run(struct login *l);
/* Into l->info, for SHOW. */
void logintls_describe(struct login *l);

/* loginstart.c: the first message to a server whose socket is connected. */
enum result loginmsg_start(struct login *l);

/* WAIT: it is on its way.  FAIL: l->err. */
enum result loginmsg_send(struct login *l, const struct wire *w);

/*
 * All whole messages in hand.  DONE: the server is ready, and everything that
 * it said is in `l`.  FAIL: l->err.
 */
enum result loginmsg_run(struct login *l);

/* It has failed between two events, with l->err: ends the login, frees `l`. */
void login_fail(struct login *l);

/* Forget the secret and the conversation. */
void loginmsg_fini(struct login *l);

#endif
