/*
 * load_answer.c - see load_answer.h.
 *
 * A step names the messages that must come, in their order; notices and
 * parameter reports may come at any time; after an ErrorResponse only
 * ReadyForQuery is waited for.
 */
#include "t/bench/load_answer.h"

#include "t/bench/load_client.h"
#include "t/bench/load_script.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_HEAD 5

static uint32_t
get_u32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 |
	    (uint32_t)u[2] << 8 | (uint32_t)u[3];
}

/* The SQLSTATE of an ErrorResponse, and whether the session ends with it. */
static void
read_error(
    struct load_client *c, const char *body, size_t len, char sqlstate[6])
{
	size_t at = 0;

	snprintf(sqlstate, 6, "?????");
	while (at < len && body[at] != '\0') {
		const char *text = body + at + 1;
		const char *nul = memchr(text, '\0', len - at - 1);

		if (nul == NULL)
			return;
		if (body[at] == 'C')
			snprintf(sqlstate, 6, "%s", text);
		if (body[at] == 'V' &&
		    (strcmp(text, "FATAL") == 0 || strcmp(text, "PANIC") == 0))
			c->fatal = true;
		at = (size_t)(nul + 1 - body);
	}
}

/* 0 to go on with the next message, -1 if the connection is no more. */
static int
on_login_message(struct load *l, struct load_client *c, char type,
    const char *body, size_t len)
{
	char sqlstate[6];

	switch (type) {
	case 'R':
		if (len >= 4 && get_u32(body) == 3 && l->opt.password) {
			load_script_password(c, l->opt.password);
			return load_client_flush(l, c);
		}
		if (len < 4 || get_u32(body) != 0)
			errx(1,
			    "the server asks for a login of kind %u: "
			    "only trust and a plain password are known here",
			    len < 4 ? 0 : (unsigned)get_u32(body));
		return 0;
	case 'E':
		read_error(c, body, len, sqlstate);
		load_client_lost(l, c, sqlstate);
		return -1;
	case 'Z':
		load_client_logged_in(l, c);
		return c->fd == -1 ? -1 : 0;
	case 'K':
	case 'N':
	case 'S':
		return 0;
	default:
		load_client_wrong(l, c, "in the login came", &type, 1);
		return -1;
	}
}

/* One DataRow: one column, and it is our token. */
static bool
is_our_row(const struct load_client *c, const char *body, size_t len)
{
	size_t want = strlen(c->token);

	return len == 6 + want && body[0] == 0 && body[1] == 1 &&
	    get_u32(body + 2) == want && memcmp(body + 6, c->token, want) == 0;
}

static int
on_answer_message(struct load *l, struct load_client *c, char type,
    const char *body, size_t len)
{
	const struct load_step *step = load_script_step(c);
	char sqlstate[6];

	if (type == 'N' || type == 'S')
		return 0;
	if (type == 'E') {
		read_error(c, body, len, sqlstate);
		kinds_add(&l->stat.errors, sqlstate);
		c->failed = true;
		return 0;
	}
	if (type == 'Z' && c->failed) {
		load_client_ready(l, c, len == 1 ? body[0] : '?');
		return c->fd == -1 ? -1 : 0;
	}
	if (c->failed || c->seen >= strlen(step->expect) ||
	    step->expect[c->seen] != type) {
		load_client_wrong(l, c, "out of turn came", &type, 1);
		return -1;
	}
	c->seen++;
	if ((type == 'D' && !is_our_row(c, body, len)) ||
	    (type == 'C' &&
		(len != strlen(step->tag) + 1 ||
		    memcmp(body, step->tag, len) != 0)) ||
	    (type == 'Z' && (len != 1 || body[0] != step->status))) {
		load_client_wrong(l, c, "came", body, len);
		return -1;
	}
	l->stat.queries += type == 'D';
	if (type == 'Z')
		load_client_ready(l, c, body[0]);
	return c->fd == -1 ? -1 : 0;
}

static int
on_message(struct load *l, struct load_client *c, char type, const char *body,
    size_t len)
{
	char sqlstate[6];

	if (c->state == CLIENT_LOGIN)
		return on_login_message(l, c, type, body, len);
	if (c->state == CLIENT_ANSWER)
		return on_answer_message(l, c, type, body, len);
	/* at rest nothing comes but news, and the end */
	if (type == 'N' || type == 'S')
		return 0;
	if (type == 'E') {
		read_error(c, body, len, sqlstate);
		kinds_add(&l->stat.errors, sqlstate);
		return 0;
	}
	load_client_wrong(l, c, "unasked came", &type, 1);
	return -1;
}

/*
 * Nothing that we ask for is larger than the buffer; of an error or a notice
 * that is, the first part will do.
 */
void
load_answer_take(struct load *l, struct load_client *c)
{
	size_t at = 0, left;

	while (c->in_len - at >= MESSAGE_HEAD) {
		char type = c->in[at];
		uint32_t len = get_u32(c->in + at + 1);
		size_t have = c->in_len - at - 1;
		size_t part;

		if (len < 4 ||
		    (len >= sizeof(c->in) && type != 'E' && type != 'N' &&
			type != 'S')) {
			load_client_wrong(l, c, "malformed came", &type, 1);
			return;
		}
		if (len > have && (at > 0 || c->in_len < sizeof(c->in)))
			break;
		part = len < have ? len : have;
		c->skip = (uint32_t)(len - part);
		if (on_message(
			l, c, type, c->in + at + MESSAGE_HEAD, part - 4) == -1)
			return;
		at += 1 + part;
	}
	left = c->in_len - at;
	memmove(c->in, c->in + at, left);
	c->in_len = (uint16_t)left;
}
