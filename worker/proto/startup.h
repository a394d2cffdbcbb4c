/*
 * startup.h - the packets that come before any type byte, both ways.
 *
 * A connection begins with a packet of length and code: a startup message, a
 * request for TLS or GSSAPI, or a cancel request.  It comes from anybody at
 * all, before any proof of who it is: nothing in it is believed.
 *
 * What is parsed here is form, not policy: which parameters may stand in a
 * startup message is for the caller, who walks them with startup_next() and
 * startup_options() and refuses with startup_refuse().
 *
 * Strings point into the packet and live as long as it does.
 * Pure.  Never blocks, allocates or logs.
 */
#ifndef WORKER_PROTO_STARTUP_H
#define WORKER_PROTO_STARTUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/err.h"
#include "worker/proto/frame.h"

#define STARTUP_MIN          8
#define STARTUP_MAX          10000 /* PostgreSQL's limit, length included */
#define STARTUP_DATABASE_MAX 63
#define STARTUP_USER_MAX     127
#define STARTUP_KEY_MIN      4
#define STARTUP_KEY_MAX      256
#define STARTUP_MINOR        2 /* of protocol 3, the newest spoken */

enum startup_kind {
	STARTUP_SSL,
	STARTUP_GSSENC,
	STARTUP_CANCEL,
	STARTUP_SESSION
};

/* What kind of server process the client asks for. */
enum startup_replication {
	STARTUP_NORMAL,
	STARTUP_LOGICAL, /* a walsender in a database */
	STARTUP_PHYSICAL /* one of the whole server */
};

struct startup {
	enum startup_kind kind;
	size_t size; /* bytes of the packet; more in hand is for the caller */

	/* STARTUP_CANCEL */
	int32_t pid;
	const uint8_t *key;
	size_t key_len;

	/* STARTUP_SESSION */
	uint16_t minor;       /* of protocol 3, as asked for */
	uint16_t pq_options;  /* how many names begin with _pq_. */
	const char *user;     /* not empty */
	const char *database; /* the user's name if none was sent */
	const char *options;  /* raw; NULL if not sent */
	enum startup_replication replication;
	const uint8_t *params; /* name, value, name, value, ... each with NUL */
	size_t params_len;
};

/*
 * Parse the packet at `p`.  WAIT until it is whole; a length out of bounds
 * fails at its fourth byte.  After STARTUP_SSL and STARTUP_GSSENC the caller
 * must refuse bytes beyond `size`: they were not sent through the tunnel.
 */
enum result startup_parse(
    const uint8_t *p, size_t avail, struct startup *out, struct err *e);

/*
 * Walk all name and value pairs, in their order, those above included.
 * `*pos` is 0 at first.  false: no more.
 */
bool startup_next(const struct startup *s, size_t *pos, const char **name,
    const char **value);

/*
 * Take the startup parameter "options" apart: -c name=value, -cname=value,
 * --name=value, separated by white space, a backslash taking the next
 * character as it is.  As in PostgreSQL, a dash in a name means an underscore.
 * Calls `on` for each; stops with -1 when it returns -1 (it has filled `e`) or
 * when something else than these stands there.  The strings given to `on` are
 * gone when it returns.
 */
int startup_options(const char *options,
    int (*on)(void *arg, const char *name, const char *value, struct err *e),
    void *arg, struct err *e);

/*
 * Refuse a parameter: 08P01, `unsupported startup parameter: name`, or
 * `unsupported startup parameter in options: name`.  Returns -1.
 */
int startup_refuse(struct err *e, const char *name, bool in_options);

/*
 * The minor version that is spoken with a client: what it asks for, as far as
 * it is known here.  There is no 3.1: who asks for it gets 3.0.
 */
uint16_t startup_minor(const struct startup *s);

/* Is that less than it has asked for, be it an option only?  Then it needs
 * NegotiateProtocolVersion, once, before anything else. */
bool startup_is_newer(const struct startup *s);

/* NegotiateProtocolVersion: startup_minor(), and none of the _pq_. options. */
void startup_negotiate(struct wire *w, const struct startup *s);

struct startup_pair {
	const char *name;
	const char *value;
};

/* What a client sends: here, what we send to a server.  `minor` is the
 * version asked for. */
void startup_build(struct wire *w, uint16_t minor, const char *user,
    const char *database, const struct startup_pair *more, size_t n_more);

/*
 * The same with all that a client's own packet had in `params` (as in struct
 * startup), but for who and where it is; these come behind `more`, so that
 * they hold.
 */
void startup_build_own(struct wire *w, uint16_t minor, const char *user,
    const char *database, enum startup_replication kind,
    const struct startup_pair *more, size_t n_more, const uint8_t *params,
    size_t params_len);

/*
 * The body of a server's NegotiateProtocolVersion, which was asked for `minor`
 * and no option.  -1: `e`: it is malformed, or is no answer to that.
 */
int startup_negotiated(
    const uint8_t *body, size_t len, uint16_t minor, struct err *e);

void startup_build_ssl(struct wire *w);
void startup_build_cancel(
    struct wire *w, int32_t pid, const uint8_t *key, size_t key_len);

#endif
