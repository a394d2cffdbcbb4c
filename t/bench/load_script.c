/*
 * load_script.c - see load_script.h.
 */
#include "t/bench/load_script.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

static const struct load_step simple_steps[] = {
	{ "select '%s'", "TDCZ", "SELECT 1", 'I' },
	{ NULL, NULL, NULL, 0 },
};

static const struct load_step extended_steps[] = {
	{ NULL, "12TDCZ", "SELECT 1", 'I' },
	{ NULL, NULL, NULL, 0 },
};

static const struct load_step tx_steps[] = {
	{ "begin", "CZ", "BEGIN", 'T' },
	{ "select '%s'", "TDCZ", "SELECT 1", 'T' },
	{ "commit", "CZ", "COMMIT", 'I' },
	{ NULL, NULL, NULL, 0 },
};

static const struct load_step rollback = { "rollback", "CZ", "ROLLBACK", 'I' };

static const struct load_step *const scripts[] = {
	[MODE_SIMPLE] = simple_steps,
	[MODE_EXTENDED] = extended_steps,
	[MODE_TX] = tx_steps,
};

const struct load_step *
load_script_step(const struct load_client *c)
{
	const struct load_step *step;

	if (c->step == STEP_ROLLBACK)
		return &rollback;
	step = &scripts[c->script][c->step];
	return step->expect == NULL ? NULL : step;
}

/*
 * Messages are built by appending; the options are checked for length at the
 * start, so what does not fit is a fault of this program.
 */
static void
add(struct load_client *c, const void *data, size_t len)
{
	if (len > sizeof(c->out) - c->out_len)
		errx(1, "a message is too long for its buffer");
	memcpy(c->out + c->out_len, data, len);
	c->out_len = (uint16_t)(c->out_len + len);
}

static void
add_text(struct load_client *c, const char *text)
{
	add(c, text, strlen(text) + 1);
}

static void
put_u32(char *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (char)(v >> (24 - 8 * i));
}

/* Begin a message; `type` 0 has none.  Where its length stands. */
static size_t
begin(struct load_client *c, char type)
{
	size_t at;

	if (type != 0)
		add(c, &type, 1);
	at = c->out_len;
	add(c, "\0\0\0\0", 4);
	return at;
}

static void
end(struct load_client *c, size_t at)
{
	put_u32(c->out + at, (uint32_t)(c->out_len - at));
}

static void
add_extended(struct load_client *c)
{
	size_t len = strlen(c->token);
	char be[4];
	size_t at;

	at = begin(c, 'P');
	add_text(c, "");
	add_text(c, "select $1::text");
	add(c, "\0\0", 2);
	end(c, at);
	at = begin(c, 'B');
	add(c, "\0\0\0\0\0\1", 6); /* unnamed twice, no formats, one value */
	put_u32(be, (uint32_t)len);
	add(c, be, 4);
	add(c, c->token, len);
	add(c, "\0\0", 2);
	end(c, at);
	at = begin(c, 'D');
	add(c, "P", 2);
	end(c, at);
	at = begin(c, 'E');
	add(c, "\0\0\0\0\0", 5);
	end(c, at);
	at = begin(c, 'S');
	end(c, at);
}

void
load_script_query(struct load_client *c)
{
	const struct load_step *step = load_script_step(c);
	const char *mark;
	size_t at;

	c->out_len = c->out_sent = 0;
	if (step->sql == NULL) {
		add_extended(c);
		return;
	}
	at = begin(c, 'Q');
	mark = strstr(step->sql, "%s");
	if (mark == NULL) {
		add_text(c, step->sql);
	} else {
		add(c, step->sql, (size_t)(mark - step->sql));
		add(c, c->token, strlen(c->token));
		add_text(c, mark + 2);
	}
	end(c, at);
}

void
load_script_startup(struct load_client *c, const struct load_opt *opt)
{
	size_t at;

	c->out_len = c->out_sent = 0;
	at = begin(c, 0);
	add(c, "\0\3\0\0", 4);
	add_text(c, "user");
	add_text(c, opt->user);
	add_text(c, "database");
	add_text(c, opt->database);
	add_text(c, "application_name");
	add_text(c, "load");
	add_text(c, "");
	end(c, at);
}

void
load_script_password(struct load_client *c, const char *password)
{
	size_t at;

	c->out_len = c->out_sent = 0;
	at = begin(c, 'p');
	add_text(c, password);
	end(c, at);
}
