/*
 * guest_say.c - what a guest asks, and whether the answer is right.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "t/lib/crowd.h"
#include "t/lib/deed.h"
#include "t/lib/guest.h"

static void
copy(char *to, size_t room, const char *from, size_t len)
{
	if (len >= room)
		len = room - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

/* The first column of a row. */
static void
on_row(struct guest *g)
{
	struct guest_answer *a = &g->a;
	uint32_t n = 0;

	if (g->len >= 6)
		memcpy(&n, g->body + 2, 4);
	n = ntohl(n);
	if (g->len < 6 || n == UINT32_MAX)
		a->last[0] = '\0';
	else if (n > g->len - 6)
		guest_wrong(g, "a row that is torn");
	else
		copy(a->last, sizeof(a->last), g->body + 6, n);
	if (a->rows++ == 0)
		memcpy(a->value, a->last, sizeof(a->value));
	if (g->len > a->width)
		a->width = g->len;
}

static void
on_error(struct guest *g)
{
	const char *at = g->body, *end = g->body + g->len;
	char code[8] = "", said[160] = "", severity[16] = "";

	while (at < end && *at) {
		size_t n = strnlen(at, (size_t)(end - at));

		if (*at == 'C')
			copy(code, sizeof(code), at + 1, n - 1);
		else if (*at == 'M')
			copy(said, sizeof(said), at + 1, n - 1);
		else if (*at == 'S')
			copy(severity, sizeof(severity), at + 1, n - 1);
		at += n + 1;
	}
	guest_note("< %s %s %s", severity, code, said);
	if (!strcmp(severity, "FATAL") && g->end && !strcmp(code, g->end))
		guest_depart(g);
	if (!strcmp(severity, "FATAL"))
		guest_lose(g, said);
	if (!*g->a.code) {
		memcpy(g->a.code, code, sizeof(code));
		memcpy(g->a.error, said, sizeof(said));
	}
}

void
guest_hear(struct guest *g)
{
	char t = guest_next(g);

	if (t == 'E')
		on_error(g);
	if (t != 'A')
		guest_wrong(g, "%c instead of a notification", t);
}

/* Take a message into the answer. */
static char
add(struct guest *g)
{
	struct guest_answer *a = &g->a;
	char t = guest_recv(g);
	size_t n = strlen(a->types);

	/* rows count, their number does not show */
	if (n + 1 < sizeof(a->types) &&
	    !((t == 'D' || t == 'd') && n > 0 && a->types[n - 1] == t)) {
		a->types[n] = t;
		a->types[n + 1] = '\0';
	}
	if (t == 'D')
		on_row(g);
	else if (t == 'd')
		a->copied++, copy(a->last, sizeof(a->last), g->body, g->len);
	else if (t == 'C')
		copy(a->tag, sizeof(a->tag), g->body, g->len);
	else if (t == 'E')
		on_error(g);
	else if (t == 'Z')
		g->tx = g->len ? *g->body : '?';
	return t;
}

static void
begin(struct guest *g)
{
	memset(&g->a, 0, sizeof(g->a));
	guest_send(g);
}

void
guest_answers(struct guest *g, int readies)
{
	begin(g);
	while (readies > 0)
		readies -= add(g) == 'Z';
	guest_note("< %s %s %.60s", g->a.types, g->a.tag, g->a.value);
}

void
guest_until(struct guest *g, char type)
{
	char t;

	begin(g);
	do {
		t = add(g);
		if ((t == 'E' || t == 'Z') && t != type)
			guest_wrong(g, "%s %s instead of %c", g->a.types,
			    g->a.error, type);
	} while (t != type);
}

static const char *
format(const char *fmt, va_list ap)
{
	static char sql[32768];

	vsnprintf(sql, sizeof(sql), fmt, ap);
	return sql;
}

void
guest_query(struct guest *g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	guest_put(g, 'Q', "s", format(fmt, ap));
	va_end(ap);
	guest_answers(g, 1);
}

static void
must_be_good(struct guest *g)
{
	if (*g->a.code)
		guest_wrong(g, "%s: %s", g->a.code, g->a.error);
	if (g->in_block && g->tx != 'T')
		guest_wrong(g, "in a transaction, but in state %c", g->tx);
	if (!g->in_block && g->tx == 'E')
		guest_wrong(g, "a failed transaction that is not mine");
}

void
guest_do(struct guest *g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	guest_put(g, 'Q', "s", format(fmt, ap));
	va_end(ap);
	guest_answers(g, 1);
	must_be_good(g);
}

void
guest_extended(struct guest *g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	guest_put(g, 'P', "ssh", "", format(fmt, ap), 0);
	va_end(ap);
	guest_put(g, 'B', "sshhh", "", "", 0, 0, 0);
	guest_put(g, 'D', "bs", 'P', "");
	guest_put(g, 'E', "si", "", 0);
	guest_put(g, 'S', "");
	guest_answers(g, 1);
	must_be_good(g);
	/* the unnamed statement is this one now */
	g->stmt[0].is_there = false;
}

void
guest_named(struct guest *g, bool *is_there, const char *name, const char *sql,
    const char *param)
{
	uint32_t n = param ? (uint32_t)strlen(param) : 0;

	if (!*is_there)
		guest_put(g, 'P', "ssh", name, sql, 0);
	if (param)
		guest_put(
		    g, 'B', "sshhixh", "", name, 0, 1, n, param, (size_t)n, 0);
	else
		guest_put(g, 'B', "sshhh", "", name, 0, 0, 0);
	guest_put(g, 'E', "si", "", 0);
	guest_put(g, 'S', "");
	guest_answers(g, 1);
	must_be_good(g);
	*is_there = true;
}

void
guest_is(struct guest *g, const char *value)
{
	if (*g->a.code)
		guest_wrong(g, "%s instead of \"%s\"", g->a.error, value);
	if (strcmp(g->a.value, value) != 0)
		guest_wrong(g, "\"%s\" (%d rows) instead of \"%s\"", g->a.value,
		    g->a.rows, value);
}

void
guest_fails(struct guest *g, const char *code)
{
	if (strcmp(g->a.code, code) != 0)
		guest_wrong(
		    g, "\"%s\" %s instead of %s", g->a.code, g->a.error, code);
}

void
guest_types(struct guest *g, const char *types)
{
	if (strcmp(g->a.types, types) != 0)
		guest_wrong(
		    g, "%s instead of %s: %s", g->a.types, types, g->a.error);
}
