#include "worker/io/tune.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "conf/settings.h"

static void
set(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void
keepalive(int fd, const struct conf *c)
{
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE /* OpenBSD has system-wide values only */
	if (c->tcp_keepidle > 0)
		set(fd, IPPROTO_TCP, TCP_KEEPIDLE, c->tcp_keepidle);
	if (c->tcp_keepintvl > 0)
		set(fd, IPPROTO_TCP, TCP_KEEPINTVL, c->tcp_keepintvl);
	if (c->tcp_keepcnt > 0)
		set(fd, IPPROTO_TCP, TCP_KEEPCNT, c->tcp_keepcnt);
#else
	(void)c;
#endif
}

void
tune_socket(int fd, int family, const struct conf *c)
{
	if (family != AF_INET && family != AF_INET6)
		return;
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (c->tcp_keepalive)
		keepalive(fd, c);
	if (c->tcp_socket_buffer > 0) {
		set(fd, SOL_SOCKET, SO_SNDBUF, c->tcp_socket_buffer);
		set(fd, SOL_SOCKET, SO_RCVBUF, c->tcp_socket_buffer);
	}
#ifdef TCP_USER_TIMEOUT /* Linux */
	if (c->tcp_user_timeout > 0)
		set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, c->tcp_user_timeout);
#endif
}
