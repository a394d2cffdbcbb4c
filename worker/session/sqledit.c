#include "worker/session/sqledit.h"

#include <string.h>

void
sqledit_init(struct sqledit *e, const char *text, size_t len)
{
	e->text = text;
	e->len = e->edited = len;
	e->n = 0;
}

/* With its quotes, those within it doubled. */
static size_t
quoted_len(const char *name)
{
	size_t len = 2;

	for (; *name != '\0'; name++)
		len += *name == '"' ? 2 : 1;
	return len;
}

bool
sqledit_name(struct sqledit *e, struct sql_span where, const char *name)
{
	if (e->n == SQLEDIT_MAX)
		return false;
	e->at[e->n].where = where;
	e->at[e->n].name = name;
	e->n++;
	e->edited += quoted_len(name) - where.len;
	return true;
}

bool
sqledit_blank(struct sqledit *e, struct sql_span where)
{
	if (e->n == SQLEDIT_MAX)
		return false;
	e->at[e->n].where = where;
	e->at[e->n].name = NULL;
	e->n++;
	return true;
}

static void
put_blanks(size_t len, void (*put)(void *, const void *, size_t), void *arg)
{
	static const char blanks[] = "                ";

	for (size_t n; len > 0; len -= n) {
		n = len < sizeof(blanks) - 1 ? len : sizeof(blanks) - 1;
		put(arg, blanks, n);
	}
}

static void
put_quoted(
    const char *name, void (*put)(void *, const void *, size_t), void *arg)
{
	const char *quote;

	put(arg, "\"", 1);
	while ((quote = strchr(name, '"')) != NULL) {
		put(arg, name, (size_t)(quote + 1 - name));
		put(arg, "\"", 1);
		name = quote + 1;
	}
	put(arg, name, strlen(name));
	put(arg, "\"", 1);
}

void
sqledit_put(const struct sqledit *e,
    void (*put)(void *arg, const void *p, size_t len), void *arg)
{
	const char *from = e->text;

	for (uint32_t i = 0; i < e->n; i++) {
		struct sql_span w = e->at[i].where;

		put(arg, from, (size_t)(w.p - from));
		if (e->at[i].name == NULL)
			put_blanks(w.len, put, arg);
		else
			put_quoted(e->at[i].name, put, arg);
		from = w.p + w.len;
	}
	put(arg, from, (size_t)(e->text + e->len - from));
}

static uint32_t
count_chars(const char *p, size_t len, bool is_utf8)
{
	uint32_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += !is_utf8 || ((uint8_t)p[i] & 0xc0) != 0x80;
	return n;
}

/* Of what stands there instead of `was` bytes. */
static uint32_t
edited_chars(const char *name, size_t was, bool is_utf8)
{
	if (name == NULL)
		return (uint32_t)was;
	return (uint32_t)(quoted_len(name) - strlen(name)) +
	    count_chars(name, strlen(name), is_utf8);
}

uint32_t
sqledit_shifts(const struct sqledit *e, bool is_utf8, struct sqledit_shift *to,
    uint32_t max)
{
	const char *from = e->text;
	uint32_t pos = 1, i;

	for (i = 0; i < e->n && i < max; i++) {
		struct sql_span w = e->at[i].where;
		pos += count_chars(from, (size_t)(w.p - from), is_utf8);
		to[i].at = pos;
		to[i].now = edited_chars(e->at[i].name, w.len, is_utf8);
		to[i].was = count_chars(w.p, w.len, is_utf8);
		pos += to[i].now;
		from = w.p + w.len;
	}
	return i;
}

uint32_t
sqledit_back(const struct sqledit_shift *shifts, uint32_t n, uint32_t pos)
{
	uint32_t grown = 0; /* by the names in front, modulo 2^32 */

	for (uint32_t i = 0; i < n; i++) {
		if (pos < shifts[i].at)
			break;
		if (pos - shifts[i].at < shifts[i].now)
			return shifts[i].at - grown;
		grown += shifts[i].now - shifts[i].was;
	}
	return pos - grown;
}
