/*
 * keyset.c - what can be done with a row of the tables in keys.c and
 * entrykeys.c: find it, parse into its field, show the field.
 */
#include "conf/keys.h"

#include <stdio.h>
#include <string.h>
#include "conf/settings.h"

static const struct {
	enum key_scope scope;
	const char *alias;
	const char *name;
} aliases[] = {
	{ KEY_GLOBAL, "service_name", "job_name" },
	{ KEY_DB, "reserve_pool", "reserve_pool_size" },
};

const struct conf_key *
keys_of(enum key_scope scope, size_t *count)
{
	switch (scope) {
	case KEY_GLOBAL:
		*count = keys_n_global;
		return keys_global;
	case KEY_DB:
		*count = keys_n_db;
		return keys_db;
	case KEY_USER:
		*count = keys_n_user;
		return keys_user;
	case KEY_PEER:
		*count = keys_n_peer;
		return keys_peer;
	case KEY_SCOPES:
		break;
	}
	*count = 0;
	return NULL;
}

const struct conf_key *
keys_find(enum key_scope scope, const char *name)
{
	size_t n;
	const struct conf_key *keys = keys_of(scope, &n);

	for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
		if (aliases[i].scope == scope &&
		    strcmp(aliases[i].alias, name) == 0)
			name = aliases[i].name;
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/* A field by its row.  char * so that the sum is in bytes. */
static void *
field(const struct conf_key *key, void *base)
{
	return (char *)base + key->at;
}

static const void *
const_field(const struct conf_key *key, const void *base)
{
	return (const char *)base + key->at;
}

/* Parse a number of any kind; -1 where the text is none that is allowed. */
static int
parse(const struct conf_key *key, const char *text, int64_t *out)
{
	int n = 0, rc = -1;

	switch (key->type) {
	case KEY_INT:
		return value_int(text, key->min, key->max, out);
	case KEY_TIME:
		return value_time(text, out);
	case KEY_BOOL:
		rc = value_bool(text, &n);
		/* a switch may be any number, as in "tcp_defer_accept = 45" */
		if (rc == -1)
			return value_int(text, 0, key->max, out);
		break;
	case KEY_CHOICE:
		rc = value_choice(text, key->choices, &n);
		break;
	case KEY_STR:
		break;
	}
	*out = n;
	return rc;
}

static void
store(const struct conf_key *key, void *base, int64_t n)
{
	if (key->type == KEY_TIME)
		*(int64_t *)field(key, base) = n;
	else
		*(int *)field(key, base) = (int)n;
}

static int64_t
fetch(const struct conf_key *key, const void *base)
{
	if (key->type == KEY_TIME)
		return *(const int64_t *)const_field(key, base);
	return *(const int *)const_field(key, base);
}

/* What a number is that has no default: off, or CONF_UNSET in an entry. */
static int64_t
unset(const struct conf_key *key)
{
	return key->type == KEY_INT ? key->min : CONF_UNSET;
}

void
keys_default(enum key_scope scope, void *base)
{
	size_t n;
	const struct conf_key *keys = keys_of(scope, &n);

	for (size_t i = 0; i < n; i++) {
		const struct conf_key *key = &keys[i];
		int64_t v = unset(key);

		if (key->type == KEY_STR) {
			*(const char **)field(key, base) =
			    key->dflt == NULL ? "" : key->dflt;
			continue;
		}
		/* that each default is a value, a test of the table shows */
		if (key->dflt != NULL)
			(void)parse(key, key->dflt, &v);
		store(key, base, v);
	}
}

/* What a value of this key looks like, for the sentence about a bad one. */
static void
describe(const struct conf_key *key, char *to, size_t size)
{
	size_t n = 0;

	switch (key->type) {
	case KEY_INT:
		snprintf(to, size, "a whole number from %lld to %lld",
		    (long long)key->min, (long long)key->max);
		break;
	case KEY_BOOL:
		snprintf(to, size, "0 or 1");
		break;
	case KEY_TIME:
		snprintf(to, size, "a number of seconds");
		break;
	case KEY_CHOICE:
		to[0] = '\0';
		for (const struct value_choice *c = key->choices;
		     c->name != NULL && n < size; c++)
			n += (size_t)snprintf(to + n, size - n, "%s%s",
			    n == 0 ? "" : ", ", c->name);
		break;
	case KEY_STR:
		snprintf(to, size, "a text");
		break;
	}
}

int
keys_set(const struct conf_key *key, void *base, const char *text,
    struct arena *arena, char why[192])
{
	char want[96];
	char *copy;
	int64_t n;

	if (key->type == KEY_STR) {
		copy = arena_strdup(arena, text);
		if (copy == NULL) {
			snprintf(why, 192, "out of memory");
			return -1;
		}
		*(const char **)field(key, base) = copy;
		return 0;
	}
	if (parse(key, text, &n) == -1) {
		describe(key, want, sizeof(want));
		snprintf(why, 192, "%s: \"%.30s\" is not allowed; it is %s",
		    key->name, text, want);
		return -1;
	}
	store(key, base, n);
	return 0;
}

const char *
keys_show(const struct conf_key *key, const void *base, char buf[32])
{
	const char *s;

	switch (key->type) {
	case KEY_STR:
		s = *(const char *const *)const_field(key, base);
		if (key->secret)
			return s[0] == '\0' ? "" : "***";
		return s[0] == '\0' && key->dflt == NULL ? NULL : s;
	case KEY_TIME:
		return value_time_text(buf, fetch(key, base));
	case KEY_CHOICE:
		return value_choice_name(key->choices, (int)fetch(key, base));
	case KEY_INT:
	case KEY_BOOL:
		break;
	}
	snprintf(buf, 32, "%lld", (long long)fetch(key, base));
	return buf;
}

bool
keys_is_changed(const struct conf_key *key, const void *base)
{
	int64_t v = unset(key);

	if (key->type == KEY_STR)
		return strcmp(*(const char *const *)const_field(key, base),
			   key->dflt == NULL ? "" : key->dflt) != 0;
	if (key->dflt != NULL)
		(void)parse(key, key->dflt, &v);
	return fetch(key, base) != v;
}
