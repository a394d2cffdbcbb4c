#include "conf/lex.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/compat.h"

/* A line without its end and without the space around it. */
struct span {
	const char *p;
	size_t len;
};

static bool
is_space(char c)
{
	return isspace((unsigned char)c) != 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
trim(struct span *s)
{
	while (s->len > 0 && is_space(s->p[0])) {
		s->p++;
		s->len--;
	}
	while (s->len > 0 && is_space(s->p[s->len - 1]))
		s->len--;
}

static void
push(struct lex *l, const struct lex_text *text)
{
	l->depth++;
	l->at[l->depth].text = *text;
	l->at[l->depth].pos = 0;
	l->at[l->depth].line = 0;
}

void
lex_init(
    struct lex *l, const struct lex_text *text, lex_find_fn *find, void *arg)
{
	memset(l, 0, sizeof(*l));
	l->depth = -1;
	l->find = find;
	l->arg = arg;
	push(l, text);
}

void
lex_fini(struct lex *l)
{
	if (l->buf != NULL)
		compat_bzero(l->buf, l->size);
	free(l->buf);
	l->buf = NULL;
	l->size = 0;
}

static void
fault(struct lex_event *ev, const char *text)
{
	ev->kind = LEX_FAULT;
	ev->value = text;
}

/* Room for a copy of a line as key and value, each with its NUL. */
static bool
reserve(struct lex *l, size_t len)
{
	char *buf;

	if (l->size >= 2 && len <= l->size - 2)
		return true;
	if (len > SIZE_MAX - 2 || (buf = malloc(len + 2)) == NULL)
		return false;
	lex_fini(l);
	l->buf = buf;
	l->size = len + 2;
	return true;
}

/*
 * The key at the start of `s`, copied to l->buf; `s` is moved behind it.
 * Returns the copy's length with its NUL, or 0.
 */
static size_t
take_key(struct lex *l, struct span *s)
{
	size_t i = 0, n = 0;

	if (s->len > 0 && s->p[0] == '"') {
		for (i = 1;; i++) {
			if (i == s->len)
				return 0;
			if (s->p[i] == '"') {
				if (s->len - i < 2 || s->p[i + 1] != '"')
					break;
				i++;
			}
			l->buf[n++] = s->p[i];
		}
		i++;
	} else {
		while (i < s->len &&
		    (isalnum((unsigned char)s->p[i]) ||
			(s->p[i] != '\0' && strchr("_.-*", s->p[i]) != NULL)))
			l->buf[n++] = s->p[i++];
	}
	if (n == 0)
		return 0;
	l->buf[n++] = '\0';
	s->p += i;
	s->len -= i;
	return n;
}

static void
pair(struct lex *l, struct span s, struct lex_event *ev)
{
	size_t n;

	if (!reserve(l, s.len)) {
		fault(ev, "out of memory");
		return;
	}
	if ((n = take_key(l, &s)) == 0) {
		fault(ev,
		    "syntax error: a line is a [section], a key = value, "
		    "a comment or an %include");
		return;
	}
	trim(&s);
	if (s.len == 0 || s.p[0] != '=') {
		fault(ev, "syntax error: no = behind the key");
		return;
	}
	s.p++;
	s.len--;
	trim(&s);
	memcpy(l->buf + n, s.p, s.len);
	l->buf[n + s.len] = '\0';
	ev->kind = LEX_PAIR;
	ev->key = l->buf;
	ev->value = l->buf + n;
}

/* "[name]"; what stands behind it on the same line is a line of its own. */
static void
section(struct lex *l, struct span s, struct lex_event *ev)
{
	const char *end = memchr(s.p, ']', s.len);
	size_t len;

	if (end == NULL) {
		fault(ev, "syntax error: a section without its ]");
		return;
	}
	len = (size_t)(end - s.p) - 1;
	if (len >= sizeof(l->section)) {
		fault(ev, "the section's name is too long");
		return;
	}
	memcpy(l->section, s.p + 1, len);
	l->section[len] = '\0';
	ev->kind = LEX_SECTION;
}

static void
include(struct lex *l, struct span s, struct lex_event *ev)
{
	struct lex_text text;

	s.p += strlen("%include");
	s.len -= strlen("%include");
	trim(&s);
	if (!reserve(l, s.len)) {
		fault(ev, "out of memory");
		return;
	}
	memcpy(l->buf, s.p, s.len);
	l->buf[s.len] = '\0';
	if (s.len == 0)
		fault(ev, "%include without a file");
	else if (l->depth == LEX_DEPTH)
		fault(ev, "too many files include one another");
	else if (l->includes == LEX_INCLUDES)
		fault(ev, "too many files are included");
	else if (l->find != NULL && l->find(l->arg, l->buf, &text)) {
		l->includes++;
		push(l, &text);
	} else {
		snprintf(l->told, sizeof(l->told),
		    "cannot read the included file \"%.100s\": does it exist, "
		    "and may this user read it?",
		    l->buf);
		fault(ev, l->told);
	}
}

/* The next line of the innermost file; false at that file's end. */
static bool
next_line(struct lex *l, struct span *s)
{
	const struct lex_text *t = &l->at[l->depth].text;
	size_t *pos = &l->at[l->depth].pos;
	const char *end;

	if (*pos >= t->len)
		return false;
	s->p = t->bytes + *pos;
	end = memchr(s->p, '\n', t->len - *pos);
	s->len = end == NULL ? t->len - *pos : (size_t)(end - s->p);
	*pos += s->len + (end != NULL);
	l->at[l->depth].line++;
	trim(s);
	return true;
}

/*
 * Read on at `to`, on the line that was read last: what stands behind a
 * section's header is a line of its own.
 */
static void
go_back(struct lex *l, const char *to)
{
	size_t pos = (size_t)(to - l->at[l->depth].text.bytes);

	if (pos < l->at[l->depth].pos) {
		l->at[l->depth].pos = pos;
		l->at[l->depth].line--;
	}
}

void
lex_next(struct lex *l, struct lex_event *ev)
{
	struct span s;

	memset(ev, 0, sizeof(*ev));
	ev->kind = LEX_END;
	ev->section = l->section;
	while (ev->kind == LEX_END) {
		if (!next_line(l, &s)) {
			if (l->depth == 0)
				return;
			l->depth--;
			continue;
		}
		if (s.len == 0 || s.p[0] == ';' || s.p[0] == '#')
			continue;
		ev->file = l->at[l->depth].text.name;
		ev->line = l->at[l->depth].line;
		if (memchr(s.p, '\0', s.len) != NULL) {
			fault(ev, "a NUL byte in the line");
		} else if (s.p[0] == '[') {
			section(l, s, ev);
			if (ev->kind == LEX_SECTION)
				go_back(l, strchr(s.p, ']') + 1);
		} else if (s.len >= 9 && memcmp(s.p, "%include", 8) == 0 &&
		    is_blank(s.p[8])) {
			include(l, s, ev);
		} else {
			pair(l, s, ev);
		}
	}
}

int
lex_pair(char **text, char **key, char **value)
{
	char *p = *text, *out;

	while (is_space(*p))
		p++;
	*text = p;
	if (*p == '\0')
		return 0;
	*key = p;
	while (*p != '\0' && *p != '=' && !is_space(*p))
		p++;
	*value = p; /* the key's end, for now */
	while (is_space(*p))
		p++;
	if (*p != '=' || *value == *key)
		return -1;
	p++;
	**value = '\0';
	while (is_space(*p))
		p++;
	*value = p;
	if (*p != '\'') {
		while (*p != '\0' && !is_space(*p))
			p++;
		if (*p != '\0')
			*p++ = '\0';
		*text = p;
		return 1;
	}
	*value = out = ++p;
	for (;; p++) {
		if (*p == '\0')
			return -1;
		if (*p == '\'' && *++p != '\'')
			break;
		*out++ = *p;
	}
	/* out is behind p: the quote that ended it makes room for the NUL */
	*out = '\0';
	*text = p;
	return 1;
}
