/*
 * resume.c - logins over TLS, one after the other, with or without a session
 * to resume.
 *
 * resume COUNT PORT USER DATABASE [fresh]
 *
 * Each asks for TLS at 127.0.0.1, logs in without a password, and leaves.
 * libpq never resumes; this does, unless it is told to begin afresh.  Prints
 * "logins N" and "resumed N".
 *
 * One thread; blocks in connect(2), and in reads with a limit.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { LIMIT_S = 10, TEXT_MAX = 64 };

static SSL_CTX *context;
static SSL_SESSION *session; /* of the last connection; NULL: none yet */

static int
on_session(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	SSL_SESSION_free(session);
	session = s;
	return 1;
}

static int
dial(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = LIMIT_S };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	char answer;

	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ==
		-1 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == -1 ||
	    connect(fd, (struct sockaddr *)&at, sizeof(at)) == -1)
		err(1, "connect");
	if (send(fd, "\0\0\0\10\4\322\26\57", 8, MSG_NOSIGNAL) != 8 ||
	    recv(fd, &answer, 1, 0) != 1 || answer != 'S')
		errx(1, "no TLS there");
	return fd;
}

static void
read_all(SSL *ssl, void *p, int len)
{
	char *at = p;

	while (len > 0) {
		int n = SSL_read(ssl, at, len);

		if (n <= 0)
			errx(1, "the connection has ended");
		at += n;
		len -= n;
	}
}

/* To ReadyForQuery; any error is the end. */
static void
log_in(SSL *ssl, const char *startup, int len)
{
	unsigned char head[5];
	static char body[65536];

	if (SSL_write(ssl, startup, len) != len)
		errx(1, "startup packet");
	do {
		uint32_t size;

		read_all(ssl, head, sizeof(head));
		memcpy(&size, head + 1, 4);
		size = ntohl(size);
		if (head[0] == 'E' || size < 4 || size - 4 > sizeof(body))
			errx(1, "refused");
		read_all(ssl, body, (int)(size - 4));
	} while (head[0] != 'Z');
}

static int
make_startup(char *out, size_t room, const char *user, const char *database)
{
	uint32_t size;
	int n = snprintf(out + 8, room - 8, "user%c%s%cdatabase%c%s%c", 0, user,
	    0, 0, database, 0);

	/* its own NUL ends the list */
	size = htonl((uint32_t)n + 9);
	memcpy(out, &size, 4);
	memcpy(out + 4, "\0\3\0\0", 4);
	return n + 9;
}

/* True: it went on with the session before. */
static bool
one(int port, const char *startup, int len, bool is_fresh)
{
	int fd = dial(port);
	SSL *ssl = SSL_new(context);
	bool was_resumed;

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		errx(1, "out of memory");
	if (!is_fresh && session != NULL)
		SSL_set_session(ssl, session);
	if (SSL_connect(ssl) != 1)
		errx(1, "handshake failed");
	was_resumed = SSL_session_reused(ssl);
	log_in(ssl, startup, len);
	(void)SSL_write(ssl, "X\0\0\0\4", 5);
	(void)SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
	return was_resumed;
}

int
main(int argc, char **argv)
{
	char startup[4 * TEXT_MAX];
	int count, resumed = 0, len;

	if (argc < 5 || argc > 6 || (count = atoi(argv[1])) <= 0 ||
	    strlen(argv[3]) >= TEXT_MAX || strlen(argv[4]) >= TEXT_MAX)
		errx(2, "usage: resume COUNT PORT USER DATABASE [fresh]");
	len = make_startup(startup, sizeof(startup), argv[3], argv[4]);
	context = SSL_CTX_new(TLS_client_method());
	if (context == NULL)
		errx(1, "out of memory");
	SSL_CTX_set_session_cache_mode(
	    context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_session);
	for (int i = 0; i < count; i++)
		resumed += one(atoi(argv[2]), startup, len, argc == 6);
	printf("logins %d\nresumed %d\n", count, resumed);
	SSL_SESSION_free(session);
	SSL_CTX_free(context);
	return 0;
}
