/*
 * fakepg.c - a scriptable server.
 */
#include "t/lib/fakepg.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/spawn.h"
#include "t/lib/wire.h"

#define SSL_REQUEST    80877103
#define GSS_REQUEST    80877104
#define CANCEL_REQUEST 80877102

int
fake_listen(int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	*port = spawn_port();
	a.sin_port = htons((uint16_t)*port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 512), 0);
	return fd;
}

static void
accept_forever(int listener, fake_fn *serve, struct fake_count *count)
{
	signal(SIGCHLD, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd == -1)
			_exit(0);
		count->opened++;
		if (fork() == 0) {
			close(listener);
			serve(fd, count);
			_exit(0);
		}
		close(fd);
	}
}

struct fakepg *
fakepg_start(fake_fn *serve)
{
	struct fakepg *f = calloc(1, sizeof(*f));
	int listener;

	ck_assert_ptr_nonnull(f);
	f->count = mmap(NULL, sizeof(*f->count), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(f->count != MAP_FAILED);
	listener = fake_listen(&f->port);
	f->pid = fork();
	ck_assert_int_ne(f->pid, -1);
	if (f->pid == 0)
		accept_forever(listener, serve, f->count);
	close(listener);
	return f;
}

void
fakepg_stop(struct fakepg *f)
{
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	munmap(f->count, sizeof(*f->count));
	free(f);
}

void
fake_send(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0);
		at += n;
		len -= (size_t)n;
	}
}

void
fake_put(int fd, char type, const char *form, ...)
{
	char buf[16384];
	va_list ap;
	size_t n;

	va_start(ap, form);
	n = wire_vmake(buf, sizeof(buf), type, form, ap);
	va_end(ap);
	fake_send(fd, buf, n);
}

void
fake_read(int fd, void *buf, size_t len)
{
	char *at = buf;

	while (len > 0) {
		ssize_t n = recv(fd, at, len, 0);

		if (n <= 0)
			_exit(0);
		at += n;
		len -= (size_t)n;
	}
}

char
fake_recv(int fd, char *body, size_t room)
{
	uint32_t len;
	char type, sink;

	fake_read(fd, &type, 1);
	fake_read(fd, &len, 4);
	len = ntohl(len) - 4;
	for (uint32_t i = 0; i < len; i++)
		fake_read(fd, i + 1 < room ? body + i : &sink, 1);
	if (room > 0)
		body[len < room ? len : room - 1] = '\0';
	return type;
}

static void
take_key(int fd, uint32_t len, struct fake_count *count)
{
	uint32_t pid;

	if (len < sizeof(pid) || len - sizeof(pid) > sizeof(count->key))
		_exit(1);
	fake_read(fd, &pid, sizeof(pid));
	fake_read(fd, count->key, len - sizeof(pid));
	count->key_len = (int)(len - sizeof(pid));
	count->cancels++;
}

void
fake_startup(int fd, struct fake_count *count)
{
	uint32_t head[2];
	char body[16384];

	for (;;) {
		fake_read(fd, head, 8);
		head[0] = ntohl(head[0]) - 8;
		head[1] = ntohl(head[1]);
		if (head[1] != SSL_REQUEST && head[1] != GSS_REQUEST)
			break;
		fake_send(fd, "N", 1);
	}
	if (head[1] == CANCEL_REQUEST) {
		take_key(fd, head[0], count);
		_exit(0);
	}
	if (head[0] > sizeof(body))
		_exit(1);
	fake_read(fd, body, head[0]);
	count->version = (int)head[1];
	count->logins++;
}

void
fake_ready(int fd, char status)
{
	fake_put(fd, 'Z', "b", status);
}

void
fake_welcome(int fd)
{
	fake_welcome_key(fd, (uint32_t)getpid(), "\0\0\0\52", 4);
}

void
fake_welcome_key(int fd, uint32_t pid, const char *key, size_t len)
{
	fake_put(fd, 'R', "i", 0);
	fake_put(fd, 'S', "ss", "server_version", "15.0");
	fake_put(fd, 'S', "ss", "client_encoding", "UTF8");
	fake_put(fd, 'S', "ss", "DateStyle", "ISO, MDY");
	fake_put(fd, 'S', "ss", "TimeZone", "GMT");
	fake_put(fd, 'S', "ss", "standard_conforming_strings", "on");
	fake_put(fd, 'S', "ss", "application_name", "");
	fake_put(fd, 'S', "ss", "IntervalStyle", "postgres");
	fake_put(fd, 'K', "ix", pid, key, len);
	fake_ready(fd, 'I');
}

void
fake_row(int fd, const char *value)
{
	fake_put(fd, 'T', "hsihihih", 1, "v", 0, 0, 25, -1, -1, 0);
	fake_put(
	    fd, 'D', "hix", 1, (uint32_t)strlen(value), value, strlen(value));
	fake_put(fd, 'C', "s", "SELECT 1");
	fake_ready(fd, 'I');
}

void
fake_serve(int fd, struct fake_count *count)
{
	char body[4096], type;

	while ((type = fake_recv(fd, body, sizeof(body))) != 'X') {
		if (type != 'Q')
			continue;
		count->queries++;
		if (!strncmp(body, "SET ", 4) || !strncmp(body, "DISCARD", 7)) {
			fake_put(fd, 'C', "s", "SET");
			fake_ready(fd, 'I');
		} else {
			fake_row(fd, "fake");
		}
	}
}

void
fake_hang(int fd)
{
	char c;

	for (;;)
		fake_read(fd, &c, 1);
}

void
fake_reset(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
	_exit(0);
}
