/*
 * tls.h - TLS over a descriptor that somebody else owns, without ever waiting.
 *
 * A context is what all connections of one side share: key, certificate,
 * authorities, versions, ciphers.  It is built from the bytes that the
 * configuration holds, never from a disk.  Connections keep their context:
 * those of an old one live on when a reload replaces it.
 *
 * A connection is a handshake, tls_run(), and then two calls that behave as
 * recv(2) and send(2) do on a non-blocking socket:
 *
 *   accept/connect -> tls_run() -> WAIT: tls_wants() says for what
 *                               -> DONE: tls_recv(), tls_send()
 *                               -> FAIL: tls_close()
 *
 * The process must ignore SIGPIPE.  Nothing here logs, or closes the socket.
 * Not for threads: OpenSSL's queue of errors is one for all connections.
 */
#ifndef WORKER_IO_TLS_H
#define WORKER_IO_TLS_H

#include <sys/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/err.h"
#include "conf/settings.h"

struct tls_ctx;
struct tls;

enum {
	TLS_SECRET = 32,     /* bytes of what ticket keys are derived from */
	TLS_HASH_MAX = 64,   /* bytes of the longest tls_server_end_point() */
	TLS_DESCRIBE = 128,  /* room for any tls_describe() */
	TLS_FIRST_BYTE = 22, /* of direct TLS; no startup packet has it */
};

/* --- contexts ----------------------------------------------------------- */

enum tls_change {
	TLS_KEPT,    /* the same settings, the same bytes: the same context */
	TLS_RENEWED, /* another one, or none where sslmode is disable */
	TLS_REFUSED, /* `e` is filled, the old one stays */
};

/*
 * Bring `*x` (NULL at first, and while sslmode is disable) to what `c` says.
 * The reference to the old one is given up.  `secret`, which all workers
 * share, lets a client resume at any of them what it began at another; NULL:
 * no sessions are resumed.  Nor are they where certificates are asked for.
 */
enum tls_change tls_ctx_renew(struct tls_ctx **x, enum tls_side side,
    const struct conf *c, const uint8_t secret[TLS_SECRET], struct err *e);

void tls_ctx_unref(struct tls_ctx *x); /* NULL is allowed */

/* --- one connection ----------------------------------------------------- */

/*
 * `fd` is connected and non-blocking, and stays the caller's; nothing of the
 * peer's first TLS message may have been read from it (look with MSG_PEEK).
 * `is_direct` says that TLS came first, without an SSLRequest: then both
 * sides must agree on the application protocol "postgresql".  NULL with `e`.
 */
struct tls *
tls_accept(struct tls_ctx *x, int fd, bool is_direct, struct err *e);

/*
 * `host` is the name or address as the configuration has it, without a port:
 * sent as server name, and with verify-full what the certificate must be for.
 */
struct tls *tls_connect(
    struct tls_ctx *x, int fd, const char *host, bool is_direct, struct err *e);

/*
 * Go on with the handshake.  FAIL fills `e`: 08P01 from a client's side, 08006
 * from a server's.  An alert has been sent to the peer then, where the
 * socket took it.
 */
enum result tls_run(struct tls *t, struct err *e);

/*
 * LOOP_READ or LOOP_WRITE.  During the handshake: what it waits for.  Later:
 * 0, or what a call that said EAGAIN waits for against its nature: tls_recv()
 * to write, tls_send() to read.
 */
unsigned tls_wants(const struct tls *t);

/*
 * As recv(2): bytes; 0 at the peer's end, announced or not; -1 with errno:
 * EAGAIN, EPROTO where the peer broke TLS, or the socket's.  EAGAIN may come
 * while the kernel has more: the next call comes with the loop's next turn.
 * What `p` has no room for of a record waits where the loop does not see it.
 */
ssize_t tls_recv(struct tls *t, void *p, size_t len);

/*
 * As send(2).  What is not taken must be offered again first, in pieces of
 * any size and from any place, before anything else is sent.
 */
ssize_t tls_send(struct tls *t, const void *p, size_t len);

/* OpenSSL's reason for EPROTO, for the log; NULL: nothing is wrong. */
const char *tls_fault(const struct tls *t);

/* Say goodbye if the socket takes it, free; NULL is allowed. */
void tls_close(struct tls *t);

/* Free without a goodbye: the connection goes on elsewhere, as a socket that
 * is only waited for, or has ended. */
void tls_drop(struct tls *t);

/* --- what was agreed; after DONE ---------------------------------------- */

/*
 * RFC 5929's tls-server-end-point: the hash of the server's certificate, on
 * either side of the connection.  Its length; 0 where there is none (the
 * certificate's signature has no hash of its own).
 */
size_t tls_server_end_point(const struct tls *t, uint8_t out[TLS_HASH_MAX]);

/*
 * The common name of the client's certificate.  False: it sent none, it does
 * not verify, or the name is missing, too long or holds a NUL.
 */
bool tls_peer_name(const struct tls *t, char *cn, size_t size);

/* "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519": as SHOW CLIENTS has it. */
void tls_describe(const struct tls *t, char *text, size_t size);

/* The kernel encrypts and decrypts: other processes may use the socket. */
bool tls_is_kernel(const struct tls *t);

/* The client or server went on with a session that it had before. */
bool tls_is_resumed(const struct tls *t);

#endif
