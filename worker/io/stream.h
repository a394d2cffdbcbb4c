/*
 * stream.h - bytes to and from a socket, plain or through TLS.
 *
 * With `tls` NULL it is recv(2) and send(2) and nothing more; with one it
 * behaves as they do, so that nobody above has to know.  One thing differs:
 * TLS may have to write before it can read on, and read before it can write;
 * stream_wants() says so after EAGAIN.
 *
 * Never blocks; SIGPIPE is never raised.
 */
#ifndef WORKER_IO_STREAM_H
#define WORKER_IO_STREAM_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "worker/io/tls.h"

enum { STREAM_RECORD = 16 * 1024 }; /* most bytes of one TLS record */

/*
 * As recv(2): 0 at the end of file, -1 with errno.  There must be room for a
 * whole TLS record (STREAM_RECORD): so nothing is left where the loop does not
 * see it.
 */
ssize_t stream_recv_tls(struct tls *tls, void *p, size_t len);

static inline ssize_t
stream_recv(int fd, struct tls *tls, void *p, size_t len)
{
	return tls == NULL ? recv(fd, p, len, 0) : stream_recv_tls(tls, p, len);
}

/* As send(2): bytes taken, or -1 with errno. */
static inline ssize_t
stream_send(int fd, struct tls *tls, const void *p, size_t len)
{
	return tls == NULL ? send(fd, p, len, MSG_NOSIGNAL)
			   : tls_send(tls, p, len);
}

/* What it waits for beyond the obvious: LOOP_READ, LOOP_WRITE. */
static inline unsigned
stream_wants(const struct tls *tls)
{
	return tls == NULL ? 0 : tls_wants(tls);
}

#endif
