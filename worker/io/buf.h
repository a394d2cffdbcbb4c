/*
 * buf.h - bytes waiting for a slow peer.
 *
 * Empty for nearly everybody nearly always: then it owns no memory.  Bytes
 * are appended at the end and sent from the front; when it drains the memory
 * goes back.  Bounded by who fills it: the other side is not read until it
 * has drained.
 */
#ifndef WORKER_IO_BUF_H
#define WORKER_IO_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls;

struct buf {
	uint8_t *p;
	uint32_t from, to, cap; /* bytes [from, to) wait */
};

static inline size_t
buf_len(const struct buf *b)
{
	return b->to - b->from;
}

/* Append; 0, or -1 without memory (nothing appended). */
int buf_put(struct buf *b, const void *p, size_t len);
/*
 * Send behind what waits; what the socket (or `tls` on it) does not take is
 * kept.  Bytes that
 * wait now, or -1 with errno (ENOMEM: a part may have gone out).
 */
ssize_t
buf_send(struct buf *b, int fd, struct tls *tls, const void *p, size_t len);
/* Send what waits; bytes left (0: memory given back), or -1 with errno. */
ssize_t buf_flush(struct buf *b, int fd, struct tls *tls);
/* This errno of a send or a receive means: again, when the loop says so. */
bool buf_is_later(int error);
void buf_fini(struct buf *b); /* wipes nothing; use buf_wipe for secrets */
void buf_wipe(struct buf *b);

#endif
