/*
 * buf.c - bytes waiting for a slow peer.
 *
 * Grows by doubling, moves its bytes to the front when that alone makes room,
 * and gives all memory back when it has drained.
 *
 * Data: whoever embeds the buffer.  Never blocks (the descriptor is
 * non-blocking); allocates only while something waits.
 */
#include "worker/io/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "worker/io/stream.h"

enum { BUF_FIRST = 512 };

#define BUF_MAX ((size_t)1 << 31)

static int
make_room(struct buf *b, size_t len)
{
	size_t held = buf_len(b), cap = b->cap ? b->cap : BUF_FIRST;
	uint8_t *p;

	if (len > BUF_MAX - held)
		return -1;
	/* at least half is free, so each byte is moved O(1) times */
	if (b->from >= held && held + len <= b->cap) {
		memmove(b->p, b->p + b->from, held);
	} else {
		while (cap < held + len)
			cap *= 2;
		p = malloc(cap);
		if (!p)
			return -1;
		if (held > 0)
			memcpy(p, b->p + b->from, held);
		free(b->p);
		b->p = p;
		b->cap = (uint32_t)cap;
	}
	b->from = 0;
	b->to = (uint32_t)held;
	return 0;
}

int
buf_put(struct buf *b, const void *p, size_t len)
{
	if (len == 0)
		return 0;
	if (len > (size_t)(b->cap - b->to) && make_room(b, len) == -1) {
		errno = ENOMEM;
		return -1;
	}
	memcpy(b->p + b->to, p, len);
	b->to += (uint32_t)len;
	return 0;
}

bool
buf_is_later(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

ssize_t
buf_send(struct buf *b, int fd, struct tls *tls, const void *p, size_t len)
{
	ssize_t n = 0;

	if (len > 0 && buf_len(b) == 0) {
		n = stream_send(fd, tls, p, len);
		if (n == -1 && !buf_is_later(errno))
			return -1;
		if (n == -1)
			n = 0;
	}
	if (buf_put(b, (const uint8_t *)p + n, len - (size_t)n) == -1)
		return -1;
	return (ssize_t)buf_len(b);
}

ssize_t
buf_flush(struct buf *b, int fd, struct tls *tls)
{
	while (b->from < b->to) {
		ssize_t n = stream_send(fd, tls, b->p + b->from, buf_len(b));

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && !buf_is_later(errno))
			return -1;
		if (n <= 0)
			return (ssize_t)buf_len(b);
		b->from += (uint32_t)n;
	}
	buf_fini(b);
	return 0;
}

void
buf_fini(struct buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

void
buf_wipe(struct buf *b)
{
	compat_bzero(b->p, b->cap);
	buf_fini(b);
}
