/* sqllex.c - see sqllex.h. */
#include "worker/proto/sqllex.h"

#include <stdint.h>
#include <string.h>

#include "worker/proto/sql_impl.h"

/* The rest of a text; all cursors here are of this kind. */
struct rest {
	const char *p;
	const char *end;
};

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_newline(char c)
{
	return c == '\n' || c == '\r';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	uint8_t b = (uint8_t)c;

	return (uint8_t)((b | 0x20) - 'a') < 26 || b >= 0x80 || b == '_';
}

static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Is the byte so many places on this one? */
static bool
is_at(const struct rest *r, size_t i, char c)
{
	return (size_t)(r->end - r->p) > i && r->p[i] == c;
}

/* What an operator must hold to end in + or -. */
static bool
is_wild(char c)
{
	switch (c) {
	case '~':
	case '!':
	case '@':
	case '#':
	case '^':
	case '&':
	case '|':
	case '`':
	case '?':
	case '%':
		return true;
	default:
		return false;
	}
}

static bool
is_op(char c)
{
	switch (c) {
	case '+':
	case '-':
	case '*':
	case '/':
	case '<':
	case '>':
	case '=':
		return true;
	default:
		return is_wild(c);
	}
}

static void
skip_line(struct rest *r)
{
	while (r->p < r->end && !is_newline(*r->p))
		r->p++;
}

/* Behind the end of a comment that may hold others; false: it has none. */
static bool
skip_comment(struct rest *r)
{
	size_t depth = 0;

	while (r->end - r->p >= 2) {
		if (r->p[0] == '/' && r->p[1] == '*') {
			depth++;
			r->p += 2;
		} else if (r->p[0] == '*' && r->p[1] == '/') {
			r->p += 2;
			if (--depth == 0)
				return true;
		} else {
			r->p++;
		}
	}
	r->p = r->end;
	return false;
}

/* To the next token; false: to a comment that does not end. */
static bool
skip_blank(struct rest *r)
{
	const char *start;

	while (r->p < r->end) {
		start = r->p;
		if (is_space(*r->p)) {
			r->p++;
		} else if (is_at(r, 0, '-') && is_at(r, 1, '-')) {
			skip_line(r);
		} else if (!is_at(r, 0, '/') || !is_at(r, 1, '*')) {
			return true;
		} else if (!skip_comment(r)) {
			r->p = start;
			return false;
		}
	}
	return true;
}

bool
sqllex_seam(const char **p, const char *end)
{
	struct rest r = { *p, end };
	bool saw_newline = false;

	while (r.p < end) {
		if (is_space(*r.p)) {
			saw_newline = saw_newline || is_newline(*r.p);
			r.p++;
		} else if (is_at(&r, 0, '-') && is_at(&r, 1, '-')) {
			skip_line(&r);
		} else {
			break;
		}
	}
	if (!saw_newline || !is_at(&r, 0, '\''))
		return false;
	*p = r.p + 1;
	return true;
}

/* Behind the quote that ends what stands before the rest. */
static bool
skip_quoted(struct rest *r, char quote, bool has_escapes)
{
	while (r->p < r->end) {
		char c = *r->p++;

		if ((c == '\\' && has_escapes && r->p < r->end) ||
		    (c == quote && is_at(r, 0, quote)))
			r->p++;
		else if (c == quote)
			return true;
	}
	return false;
}

static enum sqllex_type
lex_string(struct rest *r, enum sqllex_type type)
{
	do {
		if (!skip_quoted(r, '\'', type == SQLLEX_ESTRING))
			return SQLLEX_BAD;
	} while (sqllex_seam(&r->p, r->end));
	return type;
}

static enum sqllex_type
lex_ident(struct rest *r, enum sqllex_type type)
{
	return skip_quoted(r, '"', false) ? type : SQLLEX_BAD;
}

/* A word, or what only begins like one. */
static enum sqllex_type
lex_word(struct rest *r)
{
	char c = fold(*r->p++);

	if (is_at(r, 0, '\'') && strchr("ebx", c) != NULL) {
		r->p++;
		return lex_string(r, c == 'e' ? SQLLEX_ESTRING : SQLLEX_BITS);
	}
	if (c == 'u' && is_at(r, 0, '&') &&
	    (is_at(r, 1, '\'') || is_at(r, 1, '"'))) {
		r->p += 2;
		return r->p[-1] == '"' ? lex_ident(r, SQLLEX_UQUOTED)
				       : lex_string(r, SQLLEX_USTRING);
	}
	while (r->p < r->end &&
	    (is_letter(*r->p) || is_digit(*r->p) || *r->p == '$'))
		r->p++;
	return SQLLEX_IDENT;
}

static void
skip_digits(struct rest *r)
{
	while (r->p < r->end && is_digit(*r->p))
		r->p++;
}

/* "1..2" is two numbers and an operator, "1e" a number and a word. */
static enum sqllex_type
lex_number(struct rest *r)
{
	size_t sign;

	skip_digits(r);
	if (is_at(r, 0, '.') && !is_at(r, 1, '.')) {
		r->p++;
		skip_digits(r);
	}
	if (is_at(r, 0, 'e') || is_at(r, 0, 'E')) {
		sign = is_at(r, 1, '+') || is_at(r, 1, '-');
		if ((size_t)(r->end - r->p) > 1 + sign &&
		    is_digit(r->p[1 + sign])) {
			r->p += 1 + sign;
			skip_digits(r);
		}
	}
	return SQLLEX_NUMBER;
}

/* Behind a delimiter like the one that stands before the rest. */
static bool
skip_dollar(struct rest *r, const char *tag, size_t len)
{
	while ((size_t)(r->end - r->p) >= len) {
		const char *at =
		    memchr(r->p, '$', (size_t)(r->end - r->p) - (len - 1));

		if (at == NULL)
			break;
		if (memcmp(at, tag, len) == 0) {
			r->p = at + len;
			return true;
		}
		r->p = at + 1;
	}
	return false;
}

/* A parameter, a dollar-quoted string, or a dollar. */
static enum sqllex_type
lex_dollar(struct rest *r)
{
	const char *start = r->p++;
	struct rest tag = *r;

	if (r->p < r->end && is_digit(*r->p)) {
		skip_digits(r);
		return SQLLEX_PARAM;
	}
	while (tag.p < tag.end &&
	    (is_letter(*tag.p) || (tag.p > r->p && is_digit(*tag.p))))
		tag.p++;
	if (!is_at(&tag, 0, '$'))
		return SQLLEX_SELF;
	r->p = tag.p + 1;
	return skip_dollar(r, start, (size_t)(r->p - start)) ? SQLLEX_DOLLAR
							     : SQLLEX_BAD;
}

/* As long as can be, but no comment in it, nor + or - at a plain one's end. */
static enum sqllex_type
lex_op(struct rest *r)
{
	const char *p = r->p;
	bool wild = false;
	size_t n = 0;

	while ((size_t)(r->end - p) > n && is_op(p[n])) {
		if (n > 0 && (size_t)(r->end - p) > n + 1 &&
		    ((p[n] == '/' && p[n + 1] == '*') ||
			(p[n] == '-' && p[n + 1] == '-')))
			break;
		wild = wild || is_wild(p[n]);
		n++;
	}
	while (!wild && n > 1 && (p[n - 1] == '+' || p[n - 1] == '-'))
		n--;
	r->p = p + n;
	/* of those that may stand alone, % and ^ are bytes like + is */
	return n > 1 || (wild && *p != '%' && *p != '^') ? SQLLEX_OP
							 : SQLLEX_SELF;
}

/* :: := .. or a byte that stands for itself. */
static enum sqllex_type
lex_self(struct rest *r)
{
	char c = *r->p++;

	if ((c == ':' && (is_at(r, 0, ':') || is_at(r, 0, '='))) ||
	    (c == '.' && is_at(r, 0, '.'))) {
		r->p++;
		return SQLLEX_OP;
	}
	return SQLLEX_SELF;
}

static enum sqllex_type
lex_any(struct rest *r, unsigned flags)
{
	char c = *r->p;

	if (is_letter(c))
		return lex_word(r);
	if (is_digit(c) || (c == '.' && r->end - r->p > 1 && is_digit(r->p[1])))
		return lex_number(r);
	if (c == '$')
		return lex_dollar(r);
	if (is_op(c))
		return lex_op(r);
	if (c != '\'' && c != '"')
		return lex_self(r);
	r->p++;
	if (c == '"')
		return lex_ident(r, SQLLEX_QUOTED);
	return lex_string(
	    r, flags & SQLLEX_BACKSLASH ? SQLLEX_ESTRING : SQLLEX_STRING);
}

void
sqllex_init(struct sqllex *l, const char *text, size_t len, unsigned flags)
{
	const char *nul = len > 0 ? memchr(text, '\0', len) : NULL;

	l->p = text;
	l->end = nul != NULL ? nul : len > 0 ? text + len : text;
	l->flags = flags;
}

enum sqllex_type
sqllex_next(struct sqllex *l, struct sqllex_token *t)
{
	struct rest r = { l->p, l->end };
	bool is_ended = skip_blank(&r);

	t->p = r.p;
	if (!is_ended)
		t->type = SQLLEX_BAD;
	else
		t->type = r.p == r.end ? SQLLEX_END : lex_any(&r, l->flags);
	l->p = t->type == SQLLEX_BAD ? l->end : r.p;
	t->len = (size_t)(l->p - t->p);
	return t->type;
}

bool
sqllex_is_exact(const struct sqllex *l)
{
	if (!(l->flags & SQLLEX_UNSAFE))
		return true;
	for (const char *p = l->p; p < l->end; p++)
		if ((uint8_t)*p >= 0x80)
			return false;
	return true;
}

bool
sqllex_is_word(const struct sqllex_token *t, const char *word)
{
	size_t i = 0;

	if (t->type != SQLLEX_IDENT)
		return false;
	while (i < t->len && word[i] != '\0' && fold(t->p[i]) == word[i])
		i++;
	return i == t->len && word[i] == '\0';
}

bool
sqllex_is_self(const struct sqllex_token *t, char c)
{
	return t->type == SQLLEX_SELF && *t->p == c;
}

bool
sqllex_is_ident(const struct sqllex_token *t)
{
	return t->type == SQLLEX_IDENT || t->type == SQLLEX_QUOTED ||
	    t->type == SQLLEX_UQUOTED;
}

bool
sqllex_is_string(const struct sqllex_token *t)
{
	return t->type == SQLLEX_STRING || t->type == SQLLEX_ESTRING ||
	    t->type == SQLLEX_USTRING || t->type == SQLLEX_DOLLAR;
}
