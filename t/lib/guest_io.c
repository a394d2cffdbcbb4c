/*
 * guest_io.c - the bytes of a guest: plain, or over TLS.
 *
 * Nothing waits here but guest_await(): TLS may have bytes that poll(2) knows
 * nothing of.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/lib/deed.h"
#include "t/lib/guest.h"

bool
guest_dial(struct guest *g)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int on = 1;

	a.sin_port = htons((uint16_t)g->port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g->tls = NULL;
	g->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (g->fd == -1 ||
	    connect(g->fd, (struct sockaddr *)&a, sizeof(a)) == -1 ||
	    fcntl(g->fd, F_SETFL, O_NONBLOCK) == -1) {
		if (g->fd != -1)
			close(g->fd);
		g->fd = -1;
		return false;
	}
	setsockopt(g->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return true;
}

void
guest_hang_up(struct guest *g)
{
	SSL_free(g->tls);
	g->tls = NULL;
	close(g->fd);
	g->fd = -1;
}

short
guest_await(struct guest *g, short events)
{
	struct pollfd p = { .fd = g->fd, .events = events };

	if (events & POLLIN && g->tls && SSL_pending(g->tls) > 0)
		return POLLIN;
	if (poll(&p, 1, GUEST_WAIT_MS) == 0)
		return 0;
	/* an error is found by who reads */
	return p.revents & (POLLERR | POLLHUP | POLLNVAL)
	    ? (short)(p.revents | POLLIN)
	    : p.revents;
}

/* What a call of OpenSSL's, or recv() or send(), has said by `n`. */
static ssize_t
outcome(struct guest *g, ssize_t n, const char **why)
{
	int e = errno;

	if (n > 0)
		return n;
	if (g->tls) {
		int how = SSL_get_error(g->tls, (int)n);

		if (how == SSL_ERROR_WANT_READ || how == SSL_ERROR_WANT_WRITE)
			return 0;
		*why = how == SSL_ERROR_SSL
		    ? ERR_reason_error_string(ERR_get_error())
		    : "end of file";
		ERR_clear_error();
		return -1;
	}
	if (n == -1 && (e == EAGAIN || e == EINTR))
		return 0;
	*why = n == 0 ? "end of file" : strerror(e);
	return -1;
}

ssize_t
guest_read(struct guest *g, void *to, size_t room, const char **why)
{
	return outcome(g,
	    g->tls ? SSL_read(g->tls, to, (int)room) : recv(g->fd, to, room, 0),
	    why);
}

ssize_t
guest_write(struct guest *g, const void *from, size_t len, const char **why)
{
	return outcome(g,
	    g->tls ? SSL_write(g->tls, from, (int)len)
		   : send(g->fd, from, len, MSG_NOSIGNAL),
	    why);
}

static SSL_CTX *
context(void)
{
	static SSL_CTX *ctx;

	if (ctx == NULL && (ctx = SSL_CTX_new(TLS_client_method())) == NULL)
		abort();
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

/* An SSLRequest, and its answer; 0: it is lost. */
static char
ask_for_tls(struct guest *g)
{
	const uint32_t request[2] = { htonl(8), htonl(80877103) };
	char answer = 0;

	if (send(g->fd, request, 8, MSG_NOSIGNAL) == 8 &&
	    guest_await(g, POLLIN) && recv(g->fd, &answer, 1, 0) == 1)
		return answer;
	return 0;
}

bool
guest_shake(struct guest *g)
{
	const char *why;
	char answer;
	int n;

	if (!deed_is_on("tls") || guest_draw(g, 3) > 0)
		return true;
	if ((answer = ask_for_tls(g)) != 'S')
		return answer == 'N';
	if ((g->tls = SSL_new(context())) == NULL ||
	    SSL_set_fd(g->tls, g->fd) != 1)
		abort();
	while ((n = SSL_connect(g->tls)) != 1) {
		short want = SSL_want_write(g->tls) ? POLLOUT : POLLIN;

		if (outcome(g, n, &why) == -1 || !guest_await(g, want))
			return false;
	}
	return true;
}
