/*
 * command.c - the words of a console command.
 *
 * One table says how each command looks and who may give it.  Pure.
 */
#include "worker/console/command.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

struct shape {
	const char *word;
	enum command_kind kind;
	int least, most; /* arguments */
	bool is_set;     /* key = value */
	bool is_open;    /* no admin is needed: only for what changes nothing */
};

static const struct shape shapes[] = {
	{ "show", COMMAND_SHOW, 1, 1, .is_open = true },
	{ "select", COMMAND_SHOW, 1, 1, .is_open = true },
	{ "set", COMMAND_SET, 1, 1, .is_set = true },
	{ "reload", COMMAND_RELOAD, 0, 0 },
	{ "shutdown", COMMAND_SHUTDOWN, 0, 1 },
};

static const struct {
	const char *name, *value;
} fakes[] = {
	{ "client_encoding", "UTF8" },
	{ "datestyle", "ISO" },
	{ "default_transaction_isolation", "read committed" },
	{ "standard_conforming_strings", "on" },
	{ "timezone", "GMT" },
};

const char *
command_fake(const char *name)
{
	for (size_t i = 0; i < sizeof(fakes) / sizeof(*fakes); i++)
		if (strcasecmp(name, fakes[i].name) == 0)
			return fakes[i].value;
	return NULL;
}

/* --- words ---------------------------------------------------------------- */

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_word(char c)
{
	/* beyond ASCII all are letters, as for PostgreSQL */
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' ||
	    (c & 0x80) != 0;
}

static const char *
skip_space(const char *p)
{
	while (is_space(*p))
		p++;
	return p;
}

/* "a""b" or 'a''b', without the quotes; NULL: no end, or too long. */
static const char *
take_quoted(const char *p, char *out, size_t size)
{
	char quote = *p++;
	size_t n = 0;

	for (;; p++) {
		if (*p == quote && p[1] == quote)
			p++;
		else if (*p == quote)
			break;
		if (*p == '\0' || n + 1 == size)
			return NULL;
		out[n++] = *p;
	}
	out[n] = '\0';
	return p + 1;
}

static const char *
take_bare(const char *p, char out[COMMAND_WORD])
{
	size_t n = 0;

	for (; is_word(*p); p++) {
		if (n + 1 == COMMAND_WORD)
			return NULL;
		/* not tolower(3): a locale has no say in this */
		out[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
	}
	out[n] = '\0';
	return n == 0 ? NULL : p;
}

/* A value's case counts: it may be a path. */
static const char *
take_bare_value(const char *p, char out[COMMAND_VALUE])
{
	size_t n = 0;

	for (; is_word(*p) || (*p != '\0' && strchr("/,:*+@", *p) != NULL);
	     p++) {
		if (n + 1 == COMMAND_VALUE)
			return NULL;
		out[n++] = *p;
	}
	out[n] = '\0';
	return n == 0 ? NULL : p;
}

/* The word at `p`, and the space behind it; NULL: there is none. */
static const char *
take(const char *p, char out[COMMAND_WORD])
{
	if (*p == '"')
		p = take_quoted(p, out, COMMAND_WORD);
	else
		p = take_bare(p, out);
	if (p == NULL)
		out[0] = '\0';
	return p == NULL ? NULL : skip_space(p);
}

/* The same for a value, which may stand in '', too. */
static const char *
take_word_value(const char *p, char out[COMMAND_VALUE])
{
	if (*p == '"' || *p == '\'')
		p = take_quoted(p, out, COMMAND_VALUE);
	else
		p = take_bare_value(p, out);
	if (p == NULL)
		out[0] = '\0';
	return p == NULL ? NULL : skip_space(p);
}

static bool
is_end(const char *p)
{
	if (*p == ';')
		p = skip_space(p + 1);
	return *p == '\0';
}

/* --- commands ------------------------------------------------------------- */

/* Behind the key: "= value" or "to value". */
static const char *
take_value(const char *p, struct command *out)
{
	char word[COMMAND_WORD];

	if (*p == '=') {
		p = skip_space(p + 1);
	} else {
		p = take(p, word);
		if (p == NULL || strcmp(word, "to") != 0)
			return NULL;
	}
	/* "SET key =" empties it */
	return is_end(p) ? p : take_word_value(p, out->value);
}

static bool
is_shape(const struct shape *s, const char *p, struct command *out)
{
	int n = 0;

	while (n < s->most && !is_end(p)) {
		p = take(p, out->arg);
		if (p == NULL)
			return false;
		n++;
	}
	if (n < s->least)
		return false;
	if (s->is_set)
		p = take_value(p, out);
	return p != NULL && is_end(p);
}

void
command_parse(const char *text, struct command *out)
{
	const char *p = skip_space(text);
	char word[COMMAND_WORD];

	memset(out, 0, sizeof(*out));
	out->kind = COMMAND_INVALID;
	if (is_end(p)) {
		out->kind = COMMAND_EMPTY;
		out->is_open = true;
		return;
	}
	if (!is_word(*p) || (p = take(p, word)) == NULL)
		return;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct shape *s = &shapes[i];

		if (strcmp(word, s->word) != 0 || !is_shape(s, p, out))
			continue;
		out->kind = s->kind;
		out->is_open = s->is_open;
		if (s->kind == COMMAND_SET && command_fake(out->arg) != NULL) {
			out->kind = COMMAND_FAKE;
			out->is_open = true;
		}
		return;
	}
}
