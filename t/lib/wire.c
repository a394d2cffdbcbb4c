/*
 * wire.c - the protocol, byte by byte.
 */
#include "t/lib/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "t/lib/spawn.h"

static int
dial(const char *host, int port)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const struct sockaddr *sa = (const struct sockaddr *)&a4;
	socklen_t len = sizeof(a4);
	int fd, on = 1;

	a4.sin_port = a6.sin6_port = htons((uint16_t)port);
	if (*host == '/') {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s",
		    text("%s/.s.PGSQL.%d", host, port));
		sa = (const struct sockaddr *)&un;
		len = sizeof(un);
	} else if (strchr(host, ':')) {
		ck_assert_int_eq(inet_pton(AF_INET6, host, &a6.sin6_addr), 1);
		sa = (const struct sockaddr *)&a6;
		len = sizeof(a6);
	} else {
		ck_assert_int_eq(inet_pton(AF_INET, host, &a4.sin_addr), 1);
	}
	fd = socket(sa->sa_family, SOCK_STREAM, 0);
	ck_assert_int_ne(fd, -1);
	if (connect(fd, sa, len) == -1) {
		close(fd);
		return -1;
	}
	if (*host != '/')
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

struct wire *
wire_try(const char *host, int port)
{
	int fd = dial(host, port);
	struct wire *w;

	if (fd == -1)
		return NULL;
	w = calloc(1, sizeof(*w));
	ck_assert_ptr_nonnull(w);
	w->fd = fd;
	return w;
}

struct wire *
wire_open(const char *host, int port)
{
	struct wire *w = wire_try(host, port);

	ck_assert_msg(w != NULL, "%s port %d: %s", host, port, strerror(errno));
	return w;
}

void
wire_free(struct wire *w)
{
	close(w->fd);
	free(w->in);
	free(w);
}

void
wire_send(struct wire *w, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = send(w->fd, at, len, MSG_NOSIGNAL);

		ck_assert_msg(n > 0, "send: %s", strerror(errno));
		at += n;
		len -= (size_t)n;
	}
}

void
wire_drip(struct wire *w, const void *bytes, size_t len)
{
	const char *at = bytes;

	for (size_t i = 0; i < len; i++) {
		wire_send(w, at + i, 1);
		poll(NULL, 0, 1); /* the other side reads it by itself */
	}
}

static size_t
put(char *out, size_t room, size_t at, const void *bytes, size_t len)
{
	ck_assert_uint_le(len, room - at);
	if (len)
		memcpy(out + at, bytes, len);
	return at + len;
}

size_t
wire_vmake(char *out, size_t room, char type, const char *form, va_list ap)
{
	size_t at = 0, start = type ? 1 : 0;
	uint32_t n32;
	uint16_t n16;

	if (type)
		out[0] = type;
	at = start + 4;
	for (; *form; form++) {
		const char *s;
		char c;

		switch (*form) {
		case 's':
			s = va_arg(ap, const char *);
			at = put(out, room, at, s, strlen(s) + 1);
			break;
		case 'b':
			c = (char)va_arg(ap, int);
			at = put(out, room, at, &c, 1);
			break;
		case 'h':
			n16 = htons((uint16_t)va_arg(ap, int));
			at = put(out, room, at, &n16, 2);
			break;
		case 'i':
			n32 = htonl(va_arg(ap, uint32_t));
			at = put(out, room, at, &n32, 4);
			break;
		case 'x':
			s = va_arg(ap, const char *);
			at = put(out, room, at, s, va_arg(ap, size_t));
			break;
		default:
			ck_abort_msg("wire: form '%c'", *form);
		}
	}
	n32 = htonl((uint32_t)(at - start));
	memcpy(out + start, &n32, 4);
	return at;
}

size_t
wire_make(char *out, size_t room, char type, const char *form, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, form);
	n = wire_vmake(out, room, type, form, ap);
	va_end(ap);
	return n;
}

void
wire_put(struct wire *w, char type, const char *form, ...)
{
	char buf[16384];
	va_list ap;
	size_t n;

	va_start(ap, form);
	n = wire_vmake(buf, sizeof(buf), type, form, ap);
	va_end(ap);
	wire_send(w, buf, n);
}

void
wire_query(struct wire *w, const char *sql)
{
	wire_put(w, 'Q', "s", sql);
}

size_t
wire_startup(char *out, size_t room, uint32_t version, ...)
{
	uint32_t n32 = htonl(version);
	size_t at = put(out, room, 4, &n32, 4);
	const char *s;
	va_list ap;

	va_start(ap, version);
	while ((s = va_arg(ap, const char *)) != NULL)
		at = put(out, room, at, s, strlen(s) + 1);
	va_end(ap);
	at = put(out, room, at, "", 1);
	n32 = htonl((uint32_t)at);
	memcpy(out, &n32, 4);
	return at;
}

void
wire_login(struct wire *w, const char *user, const char *db)
{
	char buf[1024];

	wire_send(w, buf,
	    wire_startup(
		buf, sizeof(buf), 0x30000, "user", user, "database", db, NULL));
	wire_expect(w, "RKZ");
}

/* Take in what is there; false at end of file or after `end`. */
static bool
fill(struct wire *w, int64_t end, bool *eof)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	int64_t left = end - now_ms();
	ssize_t n;

	if (poll(&p, 1, left > 0 ? (int)left : 0) <= 0)
		return false;
	if (w->used > 0) {
		memmove(w->in, w->in + w->used, w->have - w->used);
		w->have -= w->used;
		w->used = 0;
	}
	if (w->room - w->have < 65536) {
		w->room = w->room * 2 + 131072;
		w->in = realloc(w->in, w->room);
		ck_assert_ptr_nonnull(w->in);
	}
	/* one byte stays free for the string's end */
	n = recv(w->fd, w->in + w->have, w->room - w->have - 1, 0);
	*eof = n <= 0;
	if (n > 0)
		w->have += (size_t)n;
	return n > 0;
}

static uint32_t
u32(const char *at)
{
	uint32_t n;

	memcpy(&n, at, 4);
	return ntohl(n);
}

char
wire_recv(struct wire *w, int ms)
{
	int64_t end = now_ms() + ms;
	bool eof = false;
	size_t len;

	for (;;) {
		if (w->have - w->used >= 5) {
			len = u32(w->in + w->used + 1);
			ck_assert_uint_ge(len, 4);
			if (w->have - w->used > len)
				break;
		}
		if (fill(w, end, &eof))
			continue;
		ck_assert_msg(eof, "no message in %d ms", ms);
		ck_assert_msg(w->have == w->used, "end inside a message");
		return 0;
	}
	w->type = w->in[w->used];
	w->body = w->in + w->used + 5;
	w->len = len - 4;
	w->used += len + 1;
	if (w->type == 'K' && w->len >= 8 && w->len <= 4 + sizeof(w->secret)) {
		w->key[0] = u32(w->body);
		w->key[1] = u32(w->body + 4);
		w->secret_len = w->len - 4;
		memcpy(w->secret, w->body + 4, w->secret_len);
	}
	return w->type;
}

void
wire_expect(struct wire *w, const char *types)
{
	for (const char *t = types; *t; t++) {
		char got = wire_recv(w, WIRE_MS);

		while ((got == 'S' || got == 'N') && got != *t)
			got = wire_recv(w, WIRE_MS);
		ck_assert_msg(got == *t, "expected '%c' of %s, got '%c' %s", *t,
		    types, got ? got : '0',
		    got == 'E' ? wire_field(w, 'M') : "");
	}
}

const char *
wire_field(const struct wire *w, char f)
{
	size_t at = 0;

	while (at < w->len && w->body[at]) {
		if (w->body[at] == f)
			return w->body + at + 1;
		at += strlen(w->body + at) + 1;
	}
	return NULL;
}

void
wire_error(struct wire *w, char f, const char *what)
{
	const char *got;

	wire_expect(w, "E");
	got = wire_field(w, f);
	ck_assert_msg(got && strstr(got, what), "expected %c=%s, got %s", f,
	    what, got ? got : "none");
}

void
wire_end(struct wire *w)
{
	char got = wire_recv(w, WIRE_MS);

	ck_assert_msg(got == 0, "expected the end, got '%c'", got);
}

bool
wire_is_quiet(struct wire *w, int ms)
{
	bool eof = false;

	return w->have == w->used && !fill(w, now_ms() + ms, &eof) && !eof;
}

const char *
wire_value(const struct wire *w)
{
	uint32_t len = u32(w->body + 2);

	ck_assert_int_eq(w->type, 'D');
	return text("%.*s", (int)len, w->body + 6);
}
