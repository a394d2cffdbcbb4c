/*
 * guest.c - one connection of a crowd.
 */
#include "t/lib/guest.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/lib/crowd.h"
#include "t/lib/deed.h"
#include "t/lib/spawn.h"
#include "t/lib/wire.h"

/* The last that was said and heard, for who wants to know what went wrong. */
enum { TRACE = 48 };
static char trace[TRACE][160];
static unsigned traced;

void
guest_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(trace[traced++ % TRACE], sizeof(trace[0]), fmt, ap);
	va_end(ap);
}

unsigned
guest_draw(struct guest *g, unsigned below)
{
	/* xorshift: reproducible from the seed */
	g->seed ^= g->seed << 13;
	g->seed ^= g->seed >> 7;
	g->seed ^= g->seed << 17;
	return (unsigned)(g->seed >> 33) % below;
}

const char *
guest_token(struct guest *g)
{
	return text(
	    "g%d-%u-%llu", g->id, g->life, (unsigned long long)g->serial++);
}

void
guest_token_to(struct guest *g, char t[GUEST_TOKEN])
{
	snprintf(t, GUEST_TOKEN, "%s", guest_token(g));
}

static void
hang_up(struct guest *g)
{
	guest_hang_up(g);
	atomic_fetch_sub(&g->seen->guests_in, 1);
}

static _Noreturn void
leave(struct guest *g)
{
	hang_up(g);
	longjmp(g->lost, 1);
}

void
guest_leave(struct guest *g)
{
	g->doom = -1;
	guest_put(g, 'X', "");
	guest_send(g);
	hang_up(g);
}

void
guest_wrong(struct guest *g, const char *fmt, ...)
{
	struct crowd_seen *s = g->seen;
	size_t at = 0;
	va_list ap;

	s->wrong++;
	s->is_over = true;
	if (atomic_exchange(&s->is_told, 1) == 0) {
		at += (size_t)snprintf(s->what, sizeof(s->what),
		    "guest %d, life %u: ", g->id, g->life);
		va_start(ap, fmt);
		at += (size_t)vsnprintf(
		    s->what + at, sizeof(s->what) - at, fmt, ap);
		va_end(ap);
		for (unsigned i = traced > TRACE ? traced - TRACE : 0;
		     i < traced && at < sizeof(s->what) - 200; i++)
			at += (size_t)snprintf(s->what + at,
			    sizeof(s->what) - at, "\n  %s", trace[i % TRACE]);
	}
	leave(g);
}

/* The other side has ended it. */
void
guest_lose(struct guest *g, const char *how)
{
	if (!g->seen->may_lose)
		guest_wrong(g, "connection lost: %s", how);
	g->seen->dropped++;
	leave(g);
}

void
guest_vanish(struct guest *g)
{
	struct linger hard = { 1, 0 };
	const char *why;

	g->seen->vanished++;
	switch (guest_draw(g, 5)) {
	case 0: /* by a reset */
		setsockopt(g->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		break;
	case 1: /* by a Terminate, wherever it falls */
		(void)guest_write(g, "X\0\0\0\4", 5, &why);
		break;
	case 2: /* by bytes that are no record of TLS */
		if (g->tls)
			send(g->fd, "Q\0\0\0\15SELECT 1", 14,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	case 3: /* half first */
		shutdown(g->fd, SHUT_WR);
		poll(NULL, 0, (int)guest_draw(g, 3));
		break;
	default:
		break;
	}
	leave(g);
}

void
guest_depart(struct guest *g)
{
	g->seen->good[g->doing]++;
	g->seen->sent_away++;
	leave(g);
}

bool
guest_connect(struct guest *g)
{
	char hello[1024];
	size_t n;

	g->have = g->used = g->out_len = 0;
	g->doom = -1;
	g->end = NULL;
	if (!guest_dial(g)) {
		g->seen->refused++;
		return false;
	}
	atomic_fetch_add(&g->seen->guests_in, 1);
	if (!guest_shake(g))
		guest_lose(g, "TLS handshake");
	g->db = deed_is_on("servertls") && guest_draw(g, 3) == 0 ? "app_tls"
								 : "app";
	n = deed_startup(g, hello, sizeof(hello));
	guest_note("--- life %u, %s%s", g->life, g->db, g->tls ? ", TLS" : "");
	memcpy(g->out, hello, n);
	g->out_len = n;
	guest_until(g, 'Z');
	return true;
}

void
guest_put(struct guest *g, char type, const char *form, ...)
{
	va_list ap;

	va_start(ap, form);
	g->out_len += wire_vmake(
	    g->out + g->out_len, sizeof(g->out) - g->out_len, type, form, ap);
	va_end(ap);
}

/* More bytes, if there are any. */
static void
take(struct guest *g)
{
	const char *why = "";
	ssize_t n;

	if (g->used > 0) {
		memmove(g->in, g->in + g->used, g->have - g->used);
		g->have -= g->used;
		g->used = 0;
	}
	if (g->have == g->room) {
		g->room = g->room ? g->room * 2 : 65536;
		g->in = realloc(g->in, g->room);
		if (!g->in)
			abort();
	}
	n = guest_read(g, g->in + g->have, g->room - g->have, &why);
	if (n == -1)
		guest_lose(g, why);
	g->have += (size_t)n;
}

/* What is readable meanwhile is read: the other side may be stuck in it. */
static void
push(struct guest *g, const char *at, size_t len)
{
	while (len > 0) {
		short is = guest_await(g, POLLIN | POLLOUT);
		const char *why = "";
		ssize_t n;

		if (is == 0)
			guest_wrong(g, "%zu bytes are not taken", len);
		if (is & POLLIN)
			take(g);
		n = guest_write(g, at, len, &why);
		if (n == -1)
			guest_lose(g, why);
		at += n;
		len -= (size_t)n;
	}
}

/* The messages that wait, a line each. */
static void
tell(const struct guest *g)
{
	size_t at = 0;
	uint32_t n;

	while (g->out_len - at >= 5 && g->out[at] != '\0') {
		const char *body = g->out + at + 5;
		char c = g->out[at];

		memcpy(&n, g->out + at + 1, 4);
		n = ntohl(n);
		if (c == 'Q')
			guest_note("> Q %.*s", (int)(n - 4), body);
		else if (c == 'P')
			guest_note(
			    "> P \"%s\" %s", body, body + strlen(body) + 1);
		else if (c == 'B')
			guest_note("> B \"%s\" to \"%s\"",
			    body + strlen(body) + 1, body);
		else if (c == 'C' || c == 'D')
			guest_note("> %c %c \"%s\"", c, *body, body + 1);
		else if (c != 'd')
			guest_note("> %c %u", c, n);
		at += n + 1;
	}
}

void
guest_send(struct guest *g)
{
	size_t n = g->out_len;

	tell(g);
	g->out_len = 0;
	if (g->doom < 0) {
		push(g, g->out, n);
		return;
	}
	if (n > (size_t)g->doom)
		n = (size_t)g->doom;
	push(g, g->out, n);
	g->doom -= (long)n;
	if (g->doom == 0)
		guest_vanish(g);
}

/* A whole message, if it is there. */
static bool
next(struct guest *g)
{
	uint32_t n;

	if (g->have - g->used < 5)
		return false;
	memcpy(&n, g->in + g->used + 1, 4);
	n = ntohl(n);
	if (n < 4 || n > 64 * 1024 * 1024)
		guest_wrong(g, "a message of %u bytes", n);
	if (g->have - g->used - 1 < n)
		return false;
	g->type = g->in[g->used];
	g->body = g->in + g->used + 5;
	g->len = n - 4;
	g->used += n + 1;
	return true;
}

/* The next message of any kind. */
static void
receive(struct guest *g)
{
	while (!next(g)) {
		if (guest_await(g, POLLIN) == 0)
			guest_wrong(g, "no answer");
		take(g);
	}
}

/* It is none that a guest need not wait for. */
static bool
is_answer(struct guest *g)
{
	if (g->type == 'A')
		deed_notified(g);
	else if (g->type == 'K' && g->len >= 8)
		memcpy(g->key, g->body, 8);
	else if (g->type != 'S' && g->type != 'N')
		return true;
	return false;
}

char
guest_recv(struct guest *g)
{
	do
		receive(g);
	while (!is_answer(g));
	return g->type;
}

char
guest_next(struct guest *g)
{
	do
		receive(g);
	while (!is_answer(g) && g->type != 'A');
	return g->type;
}
