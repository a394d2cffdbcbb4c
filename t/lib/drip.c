/*
 * drip.c - drip bytes from one socket to another.
 */
#include "t/lib/drip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/fakepg.h"
#include "t/lib/spawn.h"

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static void
no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Pass on what `from` has; false at its end. */
static bool
pass(int from, int to, size_t piece)
{
	char buf[4096];
	ssize_t n = recv(from, buf, sizeof(buf), 0);

	if (n <= 0)
		return false;
	for (size_t at = 0; at < (size_t)n; at += piece) {
		size_t len = (size_t)n - at < piece ? (size_t)n - at : piece;

		if (send(to, buf + at, len, MSG_NOSIGNAL) == -1)
			return false;
		poll(NULL, 0, 1); /* the receiver reads it by itself */
	}
	return true;
}

static void
serve(int fd, int target, size_t piece)
{
	struct sockaddr_in to = loopback(target);
	int up = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
		{ .fd = up, .events = POLLIN } };

	if (connect(up, (struct sockaddr *)&to, sizeof(to)) == -1)
		_exit(0);
	no_delay(fd);
	no_delay(up);
	while (p[0].fd != -1 || p[1].fd != -1) {
		if (poll(p, 2, -1) == -1)
			break;
		if (p[0].revents && !pass(fd, up, piece)) {
			shutdown(up, SHUT_WR);
			p[0].fd = -1;
		}
		if (p[1].revents && !pass(up, fd, piece)) {
			shutdown(fd, SHUT_WR);
			p[1].fd = -1;
		}
	}
	_exit(0);
}

struct drip
drip_start(int to, size_t piece)
{
	struct drip r = { 0 };
	int listener = fake_listen(&r.port);

	r.pid = fork();
	ck_assert_int_ne(r.pid, -1);
	if (r.pid == 0) {
		signal(SIGCHLD, SIG_IGN);
		signal(SIGTERM, SIG_DFL);
		for (;;) {
			int fd = accept(listener, NULL, NULL);

			if (fd == -1)
				_exit(0);
			if (fork() == 0)
				serve(fd, to, piece);
			close(fd);
		}
	}
	close(listener);
	return r;
}

void
drip_stop(struct drip *r)
{
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
}
