#include "conf/pattern.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/compat.h"

/* PostgreSQL's pattern on its way to POSIX's. */
struct turn {
	const char *p; /* not yet read */
	char out[PATTERN_MAX * 16];
	size_t n;
	unsigned long repeats;
	bool has_atom; /* something stands here that a count may follow */
	const char *why;
};

static int
no(struct turn *t, const char *why)
{
	t->why = why;
	return -1;
}

/* There is room: no byte of a pattern becomes more than 16. */
static void
put(struct turn *t, const char *s)
{
	while (*s != '\0')
		t->out[t->n++] = *s++;
}

static void
put_char(struct turn *t, char c)
{
	t->out[t->n++] = c;
}

/* What \d, \s and \w stand for within brackets; NULL: not one of them. */
static const char *
class_of(char c)
{
	switch (tolower((unsigned char)c)) {
	case 'd':
		return "[:digit:]";
	case 's':
		return "[:space:]";
	case 'w':
		return "[:alnum:]_";
	default:
		return NULL;
	}
}

/* Behind a backslash that stands outside of brackets. */
static int
turn_escape(struct turn *t)
{
	char c = *t->p++;

	if (c == '\0')
		return no(t, "a \\ at its end");
	t->has_atom = true;
	if (class_of(c) != NULL) {
		put(t, isupper((unsigned char)c) ? "[^" : "[");
		put(t, class_of(c));
		put(t, "]");
		return 0;
	}
	if (c >= '0' && c <= '9')
		return no(t, "back references are not supported");
	if (isalnum((unsigned char)c) || (unsigned char)c >= 0x80)
		return no(t, "of the escapes only \\d \\s \\w are supported");
	if (strchr("^.[]$()|*+?{}\\", c) != NULL)
		put_char(t, '\\');
	put_char(t, c);
	return 0;
}

/* [:class:], [.x.] or [=x=] within brackets, as it is. */
static int
turn_named(struct turn *t)
{
	char kind = t->p[1];
	const char *end = t->p + 2;

	while (*end != '\0' && (end[0] != kind || end[1] != ']'))
		end++;
	if (*end == '\0')
		return no(t, "a bracket is not closed");
	while (t->p < end + 2)
		put_char(t, *t->p++);
	return 0;
}

/* Behind a backslash within brackets, where POSIX has none. */
static int
turn_bracket_escape(struct turn *t)
{
	char c = *t->p++;

	if (c == '\0')
		return no(t, "a bracket is not closed");
	if (islower((unsigned char)c) && class_of(c) != NULL) {
		put(t, class_of(c));
		return 0;
	}
	if (isalnum((unsigned char)c) || strchr("]^-[", c) != NULL ||
	    (unsigned char)c >= 0x80)
		return no(t, "this escape within brackets is not supported");
	put_char(t, c);
	return 0;
}

/* Behind a [, up to its ]. */
static int
turn_bracket(struct turn *t)
{
	put_char(t, '[');
	t->has_atom = true;
	if (*t->p == '^')
		put_char(t, *t->p++);
	if (*t->p == ']')
		put_char(t, *t->p++);
	for (;;) {
		int rc = 0;

		if (*t->p == '\0')
			return no(t, "a bracket is not closed");
		if (*t->p == ']')
			break;
		if (t->p[0] == '[' && t->p[1] != '\0' &&
		    strchr(":.=", t->p[1]) != NULL) {
			rc = turn_named(t);
		} else if (*t->p == '\\') {
			t->p++;
			rc = turn_bracket_escape(t);
		} else {
			put_char(t, *t->p++);
		}
		if (rc == -1)
			return -1;
	}
	put_char(t, *t->p++);
	return 0;
}

/* Behind a {: its numbers; the highest says how often it may repeat. */
static int
turn_count(struct turn *t)
{
	unsigned long n = 0, most = 1;

	put_char(t, '{');
	if (!isdigit((unsigned char)*t->p))
		return no(t, "a { that begins no count");
	for (; *t->p != '}'; put_char(t, *t->p++)) {
		if (*t->p == ',')
			n = 0;
		else if (!isdigit((unsigned char)*t->p))
			return no(t, "a { that begins no count");
		else
			n = n * 10 + (unsigned long)(*t->p - '0');
		if (n > PATTERN_REPEATS)
			return no(t, "it repeats too often");
		if (n > most)
			most = n;
	}
	put_char(t, *t->p++);
	t->repeats *= most;
	return t->repeats > PATTERN_REPEATS ? no(t, "it repeats too often") : 0;
}

/* One of * + ? { behind something. */
static int
turn_repeat(struct turn *t, char c)
{
	if (!t->has_atom)
		return no(t, "nothing stands before a count");
	if (c == '{') {
		if (turn_count(t) == -1)
			return -1;
	} else {
		put_char(t, c);
	}
	if (*t->p == '?')
		return no(t, "non-greedy counts are not supported");
	t->has_atom = false; /* no count of a count */
	return 0;
}

static int
turn_one(struct turn *t)
{
	char c = *t->p++;

	switch (c) {
	case '\\':
		return turn_escape(t);
	case '[':
		return turn_bracket(t);
	case '*':
	case '+':
	case '?':
	case '{':
		return turn_repeat(t, c);
	case '(':
		if (*t->p == '?')
			return no(t, "(? is not supported");
		t->has_atom = false;
		break;
	case '|':
	case '^':
		t->has_atom = false;
		break;
	default:
		t->has_atom = c != '$';
	}
	put_char(t, c);
	return 0;
}

static int
turn(struct turn *t)
{
	if (*t->p == '\0')
		return no(t, "it is empty");
	if (strlen(t->p) > PATTERN_MAX)
		return no(t, "it is too long");
	if (strncmp(t->p, "***", 3) == 0)
		return no(t, "*** is not supported");
	t->repeats = 1;
	while (*t->p != '\0')
		if (turn_one(t) == -1)
			return -1;
	t->out[t->n] = '\0';
	return 0;
}

int
pattern_init(struct pattern *p, const char *text, char why[192])
{
	struct turn t = { .p = text + 1 };
	char said[96];
	int rc;

	p->text = text;
	p->re = NULL;
	if (text[0] != '/')
		return 0;
	if (turn(&t) == -1) {
		snprintf(why, 192, "regular expression \"%.100s\": %s",
		    text + 1, t.why);
		return -1;
	}
	p->re = malloc(sizeof(*p->re));
	if (p->re == NULL) {
		snprintf(why, 192, "out of memory");
		return -1;
	}
	rc = regcomp(p->re, t.out, REG_EXTENDED);
	if (rc == 0)
		return 0;
	(void)regerror(rc, p->re, said, sizeof(said));
	free(p->re);
	p->re = NULL;
	snprintf(
	    why, 192, "regular expression \"%.80s\": %.80s", text + 1, said);
	return -1;
}

void
pattern_fini(struct pattern *p)
{
	if (p->re == NULL)
		return;
	regfree(p->re);
	free(p->re);
	p->re = NULL;
}

bool
pattern_has(const struct pattern *p, const char *name)
{
	if (p->re == NULL)
		return strcmp(p->text, name) == 0;
	return regexec(p->re, name, 0, NULL, 0) == 0;
}

bool
pattern_capture(
    const struct pattern *p, const char *name, long *from, size_t *len)
{
	regmatch_t m[2];

	*from = -1;
	*len = 0;
	if (p->re == NULL)
		return strcmp(p->text, name) == 0;
	m[1].rm_so = m[1].rm_eo = -1;
	if (regexec(p->re, name, 2, m, 0) != 0)
		return false;
	if (m[1].rm_so >= 0) {
		*from = (long)m[1].rm_so;
		*len = (size_t)(m[1].rm_eo - m[1].rm_so);
	}
	return true;
}

size_t
pattern_groups(const struct pattern *p)
{
	return p->re == NULL ? 0 : p->re->re_nsub;
}
