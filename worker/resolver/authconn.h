/*
 * authconn.h - one connection on which auth_query is run.
 *
 *   NAME -> CONNECT -> SETUP -> IDLE <-> BUSY
 *     ^--------'  the next host of the list
 *   any -> DEAD, and c->why says why
 *
 * NAME waits for an address, CONNECT for libpq's login, SETUP for the server
 * to have taken our statement_timeout, BUSY for an answer.  A query that takes
 * too long is ended by the server before the connection is by us: no backend
 * is left behind.
 *
 * Nothing that a client has chosen comes here but the user's name, and that as
 * the parameter $1.  The server is not trusted: the row must be the one of
 * the user who was asked for.
 *
 * Never blocks: names are looked up in dns.c, the rest is libpq's
 * asynchronous interface.
 */
#ifndef WORKER_RESOLVER_AUTHCONN_H
#define WORKER_RESOLVER_AUTHCONN_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/msg.h"
#include "worker/resolver/dns.h"

enum {
	AUTHCONN_LIMIT_MS = 8000, /* to log in at one host; for one answer */
	AUTHCONN_QUERY_MS = 7000, /* the server's own limit */
	AUTHCONN_KEEP_MS = 60000, /* idle for so long */
	AUTHCONN_USER = 128,
	AUTHCONN_WHY = 200,
};

/* Where it leads to, and as whom: the texts. */
enum authconn_text {
	AUTHCONN_HOSTS, /* by commas; "" is the Unix socket in ... */
	AUTHCONN_DIR,   /* ... this directory */
	AUTHCONN_PORT,
	AUTHCONN_DBNAME,
	AUTHCONN_AS, /* auth_user, and the next his password */
	AUTHCONN_PASSWORD,
	AUTHCONN_SSLMODE,
	AUTHCONN_CA_FILE,
	AUTHCONN_CERT_FILE,
	AUTHCONN_KEY_FILE,
	AUTHCONN_TEXTS,
};

enum authconn_state {
	AUTHCONN_NAME,
	AUTHCONN_CONNECT,
	AUTHCONN_SETUP,
	AUTHCONN_IDLE,
	AUTHCONN_BUSY,
	AUTHCONN_DEAD,
};

/* What a query has answered. */
enum authconn_answer {
	AUTHCONN_NOTHING, /* nothing yet */
	AUTHCONN_FOUND,   /* c->secret; "" for none */
	AUTHCONN_UNKNOWN, /* no row, or c->why: one that counts as none */
	AUTHCONN_FAULT,   /* c->why: the query does not do */
};

struct authconn {
	struct authconn *next;
	char *const *texts; /* the owner's; as long as this lives */
	uint32_t me;        /* the asker of names */
	uint64_t name_id;   /* NAME: of the question in flight */
	uint32_t first;     /* entry of the host list to begin with */
	uint32_t tried;
	enum authconn_state state;
	uint32_t polled;       /* the owner's: its place in poll(2), plus 1 */
	short events, revents; /* of poll(2) */
	uint64_t due_ms;       /* of the state */
	bool is_missing;       /* DEAD: the server has no such database */
	bool was_ready;        /* has been IDLE */
	PGconn *pg;            /* NULL in NAME */
	void *question;        /* BUSY: the owner's; NULL: nobody's any more */
	enum authconn_answer answer;
	int rows;
	char user[AUTHCONN_USER];
	char secret[MSG_TEXT];
	char why[AUTHCONN_WHY];
};

/* Once, for the process: libpq reads no environment and no home directory. */
void authconn_setup(void);

/* Begin; `texts` and `me` are set, all else is 0. */
void authconn_open(struct authconn *c, uint64_t now_ms);

/* IDLE -> BUSY (or DEAD). */
void authconn_ask(
    struct authconn *c, const char *query, const char *user, uint64_t now_ms);

/* Is this answer its own?  Then it has gone on with it. */
bool authconn_on_name(
    struct authconn *c, const struct dns_answer *a, uint64_t now_ms);

/*
 * Its socket is ready for `revents`, or its time is up.  Afterwards look at
 * c->answer, which is yours to set back to NOTHING, and at c->state.
 */
void authconn_run(struct authconn *c, short revents, uint64_t now_ms);

/* Its socket, or -1. */
int authconn_fd(const struct authconn *c);

/* Close and wipe.  The server sees a goodbye. */
void authconn_close(struct authconn *c);

#endif
