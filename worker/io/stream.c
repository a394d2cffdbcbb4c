#include "worker/io/stream.h"

#include <assert.h>

ssize_t
stream_recv_tls(struct tls *tls, void *p, size_t len)
{
	char *at = p;
	size_t n = 0;

	assert(len >= STREAM_RECORD);
	/* a record at a time: as many as there is room for */
	do {
		ssize_t got = tls_recv(tls, at + n, len - n);

		/* what has come counts; the next call tells the rest */
		if (got <= 0)
			return n > 0 ? (ssize_t)n : got;
		n += (size_t)got;
	} while (len - n >= STREAM_RECORD);
	return (ssize_t)n;
}
