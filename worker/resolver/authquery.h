/*
 * authquery.h - users' secrets, asked of their databases by auth_query.
 *
 * A place is a server, a database at it, and the auth_user who logs in there:
 * up to AUTHQUERY_CONNS connections, and the look-ups that wait for one.
 * Equal look-ups (place, query, user) are one.  Nothing that was found is kept:
 * a changed password holds from the next login on.  Connections are kept for
 * AUTHCONN_KEEP_MS, and until the configuration changes.
 *
 *   look-up  QUEUED -> RUNNING -> answered
 *               ^---------'       once, if the connection broke under it
 *            any -> answered      at its deadline
 *
 * A place that cannot be connected to answers at once, for
 * server_login_retry.  What is wrong with one user's row is in the log; he is
 * told what one who does not exist is told.
 *
 * For the resolver's main thread alone.  Never blocks.
 */
#ifndef WORKER_RESOLVER_AUTHQUERY_H
#define WORKER_RESOLVER_AUTHQUERY_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/msg.h"
#include "worker/resolver/dns.h"

struct conf;

enum {
	AUTHQUERY_CONNS = 4, /* of one place */
	AUTHQUERY_ALL = 128, /* of all */
	AUTHQUERY_LOOKUPS = 8192,
	AUTHQUERY_PLACES = 1024,
	AUTHQUERY_LIMIT_MS = 9000, /* an asker gives up somewhat later */
};

/*
 * Once.  `me` is this process's number; answers, all of them, go through
 * `answer`, which must not keep the message.
 */
void authquery_open(
    uint32_t me, const struct conf *c, void (*answer)(const struct msg *m));
void authquery_close(void);

/*
 * Other settings from now on.  Connections are closed: the idle ones at once,
 * the others after their answer.  `c` must live until the next call.
 */
void authquery_conf(const struct conf *c);

/* A MSG_SECRET has come.  One that is being worked on already is dropped. */
void authquery_ask(const struct msg *m, uint64_t now_ms);

/* An answer to one of our own questions for a name. */
void authquery_on_name(const struct dns_answer *a, uint64_t now_ms);

/*
 * What to wait for: at most AUTHQUERY_ALL descriptors; and what came of it,
 * to be told before anything else here is called.
 */
uint32_t authquery_poll(struct pollfd *p);
void authquery_run(const struct pollfd *p, uint32_t n, uint64_t now_ms);

/* The longest wait in ms before something is out of time; or -1. */
int authquery_wait_ms(uint64_t now_ms);

#endif
