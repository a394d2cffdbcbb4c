#include "worker/session/vars.h"

#include <string.h>
#include <strings.h>

bool
vars_next(const char *text, uint32_t len, uint32_t *pos, const char **name,
    const char **value)
{
	const char *nul, *end = text + len;

	if (*pos >= len)
		return false;
	*name = text + *pos;
	nul = memchr(*name, '\0', (size_t)(end - *name));
	if (nul == NULL || nul + 1 == end)
		return false;
	*value = nul + 1;
	nul = memchr(*value, '\0', (size_t)(end - *value));
	if (nul == NULL)
		return false;
	*pos = (uint32_t)(nul + 1 - text);
	return true;
}

/* ASCII alone, as the server folds: the locale has no say. */
static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int
compare(const char *a, const char *b)
{
	while (*a != '\0' && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return (int)(uint8_t)lower(*a) - (int)(uint8_t)lower(*b);
}

const char *
vars_value(const char *text, uint32_t len, const char *name)
{
	const char *n, *v;
	uint32_t pos = 0;

	while (vars_next(text, len, &pos, &n, &v))
		if (compare(n, name) == 0)
			return v;
	return NULL;
}

bool
vars_is_custom(const char *name)
{
	return strchr(name, '.') != NULL;
}

bool
vars_is_fleeting(const char *name)
{
	static const char *const names[] = { "transaction_isolation",
		"transaction_read_only", "transaction_deferrable", "seed",
		"is_superuser" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (compare(names[i], name) == 0)
			return true;
	return false;
}

/* --- editing --------------------------------------------------------------- */

void
vars_edit_init(struct vars_edit *e, const struct interned *from)
{
	e->len = vars_len(from);
	if (e->len > sizeof(e->text))
		e->len = 0; /* none is interned that is longer */
	memcpy(e->text, vars_text(from), e->len);
}

/* Where `name` stands, or would; *size is 0 when it is not there. */
static uint32_t
find(const struct vars_edit *e, const char *name, uint32_t *size)
{
	const char *n, *v;
	uint32_t pos = 0, at = 0;

	*size = 0;
	while (vars_next(e->text, e->len, &pos, &n, &v)) {
		int d = compare(n, name);

		if (d == 0)
			*size = pos - at;
		if (d >= 0)
			return at;
		at = pos;
	}
	return at;
}

bool
vars_edit_put(struct vars_edit *e, const char *name, const char *value)
{
	size_t name_len = strlen(name) + 1, value_len = strlen(value) + 1;
	uint32_t old, at = find(e, name, &old);
	size_t room = sizeof(e->text) - (e->len - old);
	size_t tail = e->len - at - old, size;
	char *to = e->text + at;

	if (name_len == 1 || name_len > room || value_len > room - name_len)
		return false;
	size = name_len + value_len;
	memmove(to + size, to + old, tail);
	for (size_t i = 0; i < name_len; i++)
		to[i] = lower(name[i]);
	memcpy(to + name_len, value, value_len);
	e->len = (uint32_t)(at + size + tail);
	return true;
}

void
vars_edit_drop(struct vars_edit *e, const char *name)
{
	uint32_t old, at = find(e, name, &old);

	memmove(e->text + at, e->text + at + old, e->len - at - old);
	e->len -= old;
}

int
vars_intern(const struct vars_edit *e, struct interned **out)
{
	*out = NULL;
	if (e->len == 0)
		return 0;
	*out = intern_take(e->text, e->len);
	return *out == NULL ? -1 : 0;
}
