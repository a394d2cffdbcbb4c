/*
 * logintls.c - TLS to a server, ahead of the login.
 *
 *   TLS_REPLY: SSLRequest -> S, TLS: handshake, then the startup packet
 *                         -> N, which is all right unless TLS is demanded
 *
 * The answer is one byte and is read alone: what comes behind it belongs to
 * the handshake.  A server that answers with an error is not believed a word:
 * anybody on the way could have said it (CVE-2024-10977).
 *
 * Never blocks.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "conf/compat.h"
#include "worker/backend/login_impl.h"
#include "worker/backend/servertls.h"
#include "worker/proto/startup.h"
#include "worker/self.h"

bool
logintls_is_wanted(const struct login *l)
{
	const struct sockaddr *sa = (const void *)l->info.addr.sa;

	return servertls_is_on() && sa->sa_family != AF_UNIX;
}

static enum result
handshake(struct login *l)
{
	struct backend *b = l->b;

	switch (tls_run(b->tls, &l->err)) {
	case FAIL:
		return FAIL;
	case DONE:
		if (loop_want(&b->watch, LOOP_READ) == 0)
			return loginmsg_start(l);
		break;
	case WAIT:
		if (loop_want(&b->watch, tls_wants(b->tls)) == 0)
			return WAIT;
		break;
	}
	return err_set(&l->err, "53000", "server is not reachable",
		   "event loop: %s", strerror(errno)),
	       FAIL;
}

static enum result
begin(struct login *l)
{
	l->state = LOGIN_TLS;
	l->b->watch.tells_drained = false;
	l->b->tls = servertls_connect(l->b->watch.fd, l->host, &l->err);
	return l->b->tls == NULL ? FAIL : handshake(l);
}

enum result
logintls_start(struct login *l)
{
	uint8_t bytes[16];
	struct wire w;

	if (servertls_is_direct())
		return begin(l);
	wire_init(&w, bytes, sizeof(bytes));
	startup_build_ssl(&w);
	l->state = LOGIN_TLS_REPLY;
	if (backend_send(l->b, w.p, w.len) == -1)
		return err_set(&l->err, "08006", "server connection was lost",
			   "write: %s", strerror(errno)),
		       FAIL;
	return WAIT;
}

static enum result
on_reply(struct login *l)
{
	char reply;
	ssize_t n = recv(l->b->watch.fd, &reply, 1, 0);

	if (n == -1 && buf_is_later(errno))
		return WAIT;
	if (n <= 0)
		return err_set(&l->err, "08006", "server connection was lost",
			   "server closed the connection at SSLRequest"),
		       FAIL;
	if (reply == 'S')
		return begin(l);
	if (reply == 'N' && self.conf->server_tls_sslmode < SSLMODE_REQUIRE)
		return loginmsg_start(l);
	if (reply == 'N')
		return err_set(&l->err, "08006", "server refused TLS",
			   "server refused TLS"),
		       FAIL;
	return err_set(&l->err, "08P01", "server login failed",
		   "server answered SSLRequest with 0x%02x",
		   (unsigned)(uint8_t)reply),
	       FAIL;
}

enum result
logintls_run(struct login *l)
{
	return l->state == LOGIN_TLS_REPLY ? on_reply(l) : handshake(l);
}

void
logintls_describe(struct login *l)
{
	char text[TLS_DESCRIBE];

	tls_describe(l->b->tls, text, sizeof(text));
	compat_strlcpy(l->info.tls, text, sizeof(l->info.tls));
	compat_strlcpy(l->info.host, l->host, sizeof(l->info.host));
}
