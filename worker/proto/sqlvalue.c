/* sqlvalue.c - what identifiers and constants stand for; see sqllex.h. */
#include "worker/proto/sql_impl.h"

#include <limits.h>
#include <string.h>

/* The rest of a token. */
struct rest {
	const char *p;
	const char *end;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* The next byte of an identifier's value; -1 behind the last. */
static int
ident_byte(struct rest *r, bool is_quoted)
{
	char c;

	if (r->p == r->end)
		return -1;
	c = *r->p++;
	if (is_quoted && c == '"')
		r->p++;
	return (uint8_t)(is_quoted ? c : fold(c));
}

int
sqllex_name(const struct sqllex_token *t, char to[SQLLEX_NAME])
{
	bool is_quoted = t->type == SQLLEX_QUOTED;
	struct rest r = { t->p + is_quoted, t->p + t->len - is_quoted };
	bool is_ascii = true;
	int c, n = 0;

	to[0] = '\0';
	if (t->type != SQLLEX_IDENT && !is_quoted)
		return -1;
	while ((c = ident_byte(&r, is_quoted)) != -1) {
		is_ascii = is_ascii && c < 0x80;
		if (n == SQLLEX_NAME - 1) {
			n = is_ascii ? n : 0;
			break;
		}
		to[n++] = (char)c;
	}
	to[n] = '\0';
	return n > 0 ? n : -1;
}

enum { BYTE_END = -1, BYTE_UNKNOWN = -2 };

/* A number of at most `max` digits; -1: there is none. */
static long
take_digits(struct rest *r, int base, int max)
{
	long v = -1;

	for (; max > 0 && r->p < r->end; max--, r->p++) {
		char c = fold(*r->p);
		int d = is_digit(c)        ? c - '0'
		    : c >= 'a' && c <= 'f' ? c - 'a' + 10
					   : base;

		if (d >= base)
			break;
		v = (v < 0 ? 0 : v * base) + d;
	}
	return v;
}

/* What stands behind a backslash. */
static int
escaped_byte(struct rest *r)
{
	static const char letters[] = "bfnrt", bytes[] = "\b\f\n\r\t";
	char c = *r->p++;
	const char *known = c != '\0' ? strchr(letters, c) : NULL;
	long v;

	if (known != NULL)
		return bytes[known - letters];
	if (c >= '0' && c <= '7') {
		r->p--;
		v = take_digits(r, 8, 3) & 0xff;
	} else if (c == 'x') {
		v = take_digits(r, 16, 2);
		v = v < 0 ? 'x' : v;
	} else if (c == 'u' || c == 'U') {
		v = take_digits(r, 16, c == 'u' ? 4 : 8);
		v = v < 0x80 ? v : 0;
	} else {
		v = c == 'v' ? 0 : (uint8_t)c; /* \v: by release */
	}
	return v > 0 ? (int)v : BYTE_UNKNOWN;
}

/* The next byte of a string's value, across its seams. */
static int
string_byte(struct rest *r, bool has_escapes)
{
	char c;

	do {
		if (r->p == r->end)
			return BYTE_END;
		c = *r->p++;
		if (c == '\\' && has_escapes)
			return escaped_byte(r);
		if (c != '\'')
			return (uint8_t)c;
		if (r->p < r->end && *r->p == '\'') {
			r->p++;
			return '\'';
		}
	} while (sqllex_seam(&r->p, r->end));
	return BYTE_END;
}

static int
dollar_value(const struct sqllex_token *t, char *to, size_t size)
{
	const char *tag = memchr(t->p + 1, '$', t->len - 1);
	size_t cut = (size_t)(tag - t->p) + 1, len = t->len - 2 * cut;

	if (len >= size)
		return -1;
	memcpy(to, t->p + cut, len);
	to[len] = '\0';
	return (int)len;
}

int
sqllex_value(const struct sqllex_token *t, char *to, size_t size)
{
	bool has_escapes = t->type == SQLLEX_ESTRING;
	struct rest r = { t->p, t->p + t->len };
	size_t n = 0;
	int c;

	if (size > INT_MAX)
		size = INT_MAX;
	if (t->type == SQLLEX_DOLLAR)
		return dollar_value(t, to, size);
	if (t->type != SQLLEX_STRING && !has_escapes)
		return -1;
	r.p += *r.p == '\'' ? 1 : 2;
	while ((c = string_byte(&r, has_escapes)) >= 0) {
		if (n + 1 >= size)
			return -1;
		to[n++] = (char)c;
	}
	if (c == BYTE_UNKNOWN || n >= size)
		return -1;
	to[n] = '\0';
	return (int)n;
}
