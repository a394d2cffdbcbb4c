#include "worker/backend/params.h"

#include <string.h>
#include <strings.h>

#include "conf/compat.h"

enum { NAME_MAX_LEN = 64 };

static char names[PARAMS_MAX][NAME_MAX_LEN];
static int nnames;

static void
add_name(const char *name, size_t len)
{
	if (len == 0 || len >= NAME_MAX_LEN || nnames == PARAMS_MAX)
		return;
	memcpy(names[nnames], name, len);
	names[nnames][len] = '\0';
	if (params_find(names[nnames]) == -1)
		nnames++;
}

void
params_init(const char *extra)
{
	static const char *const always[] = { "client_encoding", "DateStyle",
		"TimeZone", "standard_conforming_strings", "application_name" };

	nnames = 0;
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		add_name(always[i], strlen(always[i]));
	while (*extra != '\0') {
		size_t len = strcspn(extra, ", \t");

		add_name(extra, len);
		extra += len;
		extra += strspn(extra, ", \t");
	}
}

int
params_count(void)
{
	return nnames;
}

const char *
params_name(int i)
{
	return names[i];
}

int
params_find(const char *name)
{
	for (int i = 0; i < nnames; i++)
		if (strcasecmp(names[i], name) == 0)
			return i;
	return -1;
}

/* Start of value i in a set, and its length; NULL when it is not there. */
static const char *
value_at(const char *text, uint32_t len, int i, size_t *value_len)
{
	const char *end = text + len;

	for (;; i--) {
		const char *nul = memchr(text, '\0', (size_t)(end - text));

		if (nul == NULL)
			return NULL;
		if (i == 0) {
			*value_len = (size_t)(nul - text);
			return text;
		}
		text = nul + 1;
	}
}

void
params_edit_init(struct params_edit *e)
{
	e->len = 0;
	for (int i = 0; i < nnames; i++) {
		memcpy(e->text + e->len, PARAMS_UNSET, 2);
		e->len += 2;
	}
}

void
params_edit_copy(struct params_edit *e, const char *text, uint32_t len)
{
	params_edit_init(e);
	for (int i = 0; i < nnames; i++) {
		const char *v = params_value(text, len, i);

		if (v != NULL)
			params_edit_set(e, i, v);
	}
}

bool
params_edit_set(struct params_edit *e, int i, const char *value)
{
	size_t old, new = strlen(value);
	const char *at = value_at(e->text, e->len, i, &old);
	size_t off, tail;

	if (at == NULL)
		return false;
	off = (size_t)(at - e->text);
	tail = e->len - off - old;
	if (new > old &&new - old > sizeof(e->text) - e->len)
		return false;
	memmove(e->text + off + new, e->text + off + old, tail);
	memcpy(e->text + off, value, new);
	e->len = (uint32_t)(off + new + tail);
	return true;
}

const char *
params_value(const char *text, uint32_t len, int i)
{
	size_t vlen;
	const char *v = value_at(text, len, i, &vlen);

	return v == NULL || v[0] == PARAMS_UNSET[0] ? NULL : v;
}

void
params_edit_fill(struct params_edit *e, const char *text, uint32_t len)
{
	for (int i = 0; i < nnames; i++) {
		const char *v = params_value(text, len, i);

		if (v != NULL && params_value(e->text, e->len, i) == NULL)
			params_edit_set(e, i, v);
	}
}
