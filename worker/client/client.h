/*
 * client.h - one client connection: its states, its way in, its way out.
 *
 *   STARTUP -> AUTH -> WELCOME -> IDLE <-> LENT      IDLE -> QUEUED -> LENT
 *    ^ |  |      |         `-> OWN
 *    | |  |      `-> CONSOLE                          LENT <-> AUDIT -> IDLE
 *    | |  `-> gone (cancel request)
 *    TLS
 *
 * A state is named for what the client waits for, or has:
 *   STARTUP  its startup packet          IDLE    nothing: no backend
 *   TLS      its half of the handshake
 *   AUTH     its proof                   QUEUED  waits for a backend
 *   WELCOME  the pool's greeting         LENT    a backend serves it
 *   CONSOLE  a console command           AUDIT   what it has left of its
 *                                                session (session.h)
 *                                        OWN     one does that nobody shares:
 *                                                it replicates
 *
 * An idle client owns this struct, a row in the segment, and no buffer.  The
 * only door out is client_close(): it logs, counts, releases; the memory is
 * freed at the end of the loop's turn.
 *
 * Never blocks.
 */
#ifndef WORKER_CLIENT_CLIENT_H
#define WORKER_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "conf/err.h"
#include "conf/log.h"
#include "shm/clientrow.h"
#include "shm/msg.h"
#include "worker/backend/lend.h"
#include "worker/io/buf.h"
#include "worker/io/deadline.h"
#include "worker/io/loop.h"
#include "worker/proto/frame.h"

struct collect;
struct ears;
struct gate_pass;
struct greet;
struct interned;
struct prepare;
struct scan;
struct session;

enum client_state {
	CLIENT_STARTUP,
	CLIENT_TLS,
	CLIENT_AUTH,
	CLIENT_WELCOME,
	CLIENT_IDLE,
	CLIENT_QUEUED,
	CLIENT_LENT,
	CLIENT_AUDIT,
	CLIENT_OWN,
	CLIENT_CONSOLE,
	CLIENT_GONE,
};

struct client {
	struct watch watch;
	struct deadline deadline; /* of the login; of a pinned client */
	struct waiter waiter;
	struct lessee lessee;
	struct lend *lend;          /* its pool; NULL before WELCOME, console */
	struct backend *backend;    /* in LENT, AUDIT, OWN */
	struct greet *greet;        /* only until it is in */
	struct gate_pass *pass;     /* only until it is proved */
	struct tls *tls;            /* NULL: plain */
	struct interned *params;    /* what it wants to be set */
	struct interned *asked;     /* of these, what it began with */
	struct session *session;    /* NULL: it has set nothing else */
	struct collect *collect;    /* a message that must be seen whole */
	struct prepare *prepare;    /* its statements; NULL: never any */
	struct ears *ears;          /* where it listens; NULL: nowhere */
	struct buf in;              /* read, and not yet passed on */
	struct buf out;             /* what it did not take yet */
	struct client *next, *prev; /* all of this worker */
	uint64_t since_us;          /* when it was accepted */
	uint64_t query_us, xact_us; /* when these began; 0: none runs */
	uint32_t row;
	uint32_t drop_remain; /* bytes of a stray message to throw away */
	uint8_t state;        /* enum client_state */
	bool is_counted;      /* in the process's number of clients */
	bool is_admin;        /* console: may do everything */
	bool is_unix;
	bool is_fitted; /* messages of ours went ahead of its own */
	bool has_sent;  /* something, to the backend that it has now */
	bool is_dying;  /* its server has said FATAL: say no more */
	bool is_asking; /* waits for the supervisor (console), or for the
	                   listener: is not read */
};

/* A socket that accept.c took; owns `fd`. */
void client_open(int fd, const struct sockaddr_storage *peer, socklen_t len,
    uint32_t listener);

/*
 * The only way out.  `e` (or NULL: as it should be) is told to the client as
 * FATAL and logged as the reason.
 */
void client_close(struct client *c, const struct err *e);
/* The same with a fresh error; `say` is also what is logged. */
void client_fail(struct client *c, const char *sqlstate, const char *say);

/* Without closing the socket, whose descriptor it returns: it has become
 * somebody else's (cancel requests). */
int client_detach(struct client *c);

/*
 * Send; what is not taken is kept, and the backend is not read meanwhile.
 * -1: the connection is broken and the client has been closed.
 */
int client_send(struct client *c, const void *p, size_t len);
int client_send_wire(struct client *c, const struct wire *w);

/* Its socket is ready: do what its state can do with that. */
void client_step(struct client *c, unsigned events);

/* It can take bytes again: what was kept for it. */
void client_flush(struct client *c);

/* Its end of file: closed, and so logged. */
void client_eof(struct client *c);

/* Interest as its state and buffers demand. */
void client_rewatch(struct client *c);

/*
 * Receive into the scratch buffer behind what c->in holds: *p, *len are all
 * bytes in hand, and c->in is empty.  false: nothing came, or it is closed.
 */
bool client_recv(struct client *c, uint8_t **p, size_t *len);

/* Keep bytes for later.  -1: no memory, and the client has been closed. */
int client_hold(struct client *c, const uint8_t *p, size_t len);
/* Give all that is kept to `take`, which may keep a part of it anew. */
void client_unhold(
    struct client *c, void (*take)(struct client *, const uint8_t *, size_t));

/* One function stores the state, here and in the row. */
void client_set_state(struct client *c, enum client_state state);

/* Fill its row with an id and its addresses. */
void
client_describe(struct client *c, int fd, const struct sockaddr_storage *peer);

/* How a log line calls it. */
void client_who(const struct client *c, struct log_who *who);

/* All clients of this worker. */
struct client *client_first(void);
uint32_t client_number(void);
struct client *client_at_row(uint32_t row); /* NULL: none of ours */

/* Memory of the tables (at the end). */
void client_fini(void);

/* Shutting down: close those that have no backend and all their answers, or
 * that replicate (WAIT_SERVERS), or all. */
void client_drain(bool all);

/* --- what the other files of this folder do --- */

/* greet.c: bytes in STARTUP and AUTH; in WELCOME they are kept. */
void greet_on_bytes(struct client *c);
void greet_free(struct client *c);
/* Not the client lets us wait, but others whom its proof was given to. */
bool greet_is_busy(const struct client *c);
/* What it asked for, until it is in. */
const char *greet_database(const struct client *c);

/* tunnel.c: the settings have changed (or are there for the first time). */
void tunnel_conf(void);
void tunnel_fini(void);
/* May clients have TLS? */
bool tunnel_is_offered(void);
/* Begin a handshake; `is_direct`: the client did, without asking first.  -1:
 * the client has been closed. */
int tunnel_start(struct client *c, bool is_direct);
/* In TLS: go on. */
void tunnel_on_event(struct client *c);
/* What SHOW and the log say of its TLS; "" without. */
void tunnel_show(const struct client *c);

/* welcome.c: it has proved who it is, and comes in; maybe later. */
void welcome_start(struct client *c);
/* What it asked to be set has been: it is let in. */
void welcome_tried(struct client *c);
/* In WELCOME, its deadline: true: it was only time to try again. */
bool welcome_again(struct client *c);

/* want.c: bytes in IDLE: find a backend, with the parameters as wanted. */
void want_on_bytes(struct client *c, const uint8_t *p, size_t len);
/* A backend has been lent to it. */
void want_take(struct client *c, struct backend *b);
/* It has come in with bytes already in hand: go on with them. */
void want_resume(struct client *c);
/* The server has reported parameters: these are what the client has set. */
void want_follow(struct client *c);
/* Its application_name, for SHOW. */
void want_show_app(struct client *c);
/* A cancel request for a client in QUEUED. */
void want_cancel(struct client *c);

/* relay.c: what is readable in IDLE, QUEUED, LENT, AUDIT. */
void relay_init(struct client *c);
void relay_on_bytes(struct client *c);
/* Part, if client and backend have no more to do with each other. */
void relay_settle(struct client *c);
/* What had to be done before the backend could go has been done. */
void relay_done(struct client *c);

/* pass.c: in LENT: pass on what the client has sent. */
void pass_up(struct client *c, const uint8_t *p, size_t len);
/* What had to wait (LOOK_WAIT) need not any more. */
void pass_resume(struct client *c);
/* A message that was being collected. */
void pass_fini(struct client *c);

/*
 * The console, which stands above this folder (worker/console): what it does
 * for a client in CONSOLE.  Set before the first client is opened.
 */
struct client_console {
	/* Proved, and may use it; `is_long_key`: what cancel key to tell. */
	void (*welcome)(struct client *, bool is_long_key);
	void (*on_bytes)(struct client *);
	/* It may take commands again: go on with what is in hand. */
	void (*resume)(struct client *);
};
extern const struct client_console *client_console;

#endif
