/*
 * keys.h - the one table of settings, and what can be done with a row.
 *
 * Parsing, defaults, limits, SHOW CONFIG, what a reload may change, and the
 * sample file all come from here.  To add a setting: a field in settings.h, a
 * row in keys.c (or entrykeys.c), a test.
 *
 * const data; pure functions.
 */
#ifndef CONF_KEYS_H
#define CONF_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "conf/arena.h"
#include "conf/value.h"

enum key_type { KEY_INT, KEY_BOOL, KEY_TIME, KEY_CHOICE, KEY_STR };

/* Which struct a row's field is in. */
enum key_scope { KEY_GLOBAL, KEY_DB, KEY_USER, KEY_PEER, KEY_SCOPES };

/* When a change takes effect. */
enum key_when { KEY_RELOAD, KEY_START };

struct conf_key {
	const char *name;
	const char *group; /* heading in the sample; NULL: as the row before */
	enum key_type type;
	enum key_when when;
	bool later;  /* parsed, checked and shown; not in effect yet */
	bool secret; /* its value is never shown or logged */
	size_t at;   /* offsetof in the scope's struct */
	int64_t min; /* of an int */
	int64_t max;
	const struct value_choice *choices;
	const char *dflt; /* as text; NULL: none */
	const char *doc;
};

/* The rows of a scope. */
const struct conf_key *keys_of(enum key_scope scope, size_t *count);

/* By name, or by an alias of it; NULL: no such key. */
const struct conf_key *keys_find(enum key_scope scope, const char *name);

/* Every field to its default (of an entry: to CONF_UNSET or ""). */
void keys_default(enum key_scope scope, void *base);

/*
 * Parse `text` into the row's field of `base`.  Strings are copied to `arena`.
 * -1 with a sentence in `why` that does not repeat a secret.
 */
int keys_set(const struct conf_key *key, void *base, const char *text,
    struct arena *arena, char why[192]);

/*
 * The field's value as text: in `buf`, or where it stands.  NULL for a string
 * that is empty and has no default.
 */
const char *
keys_show(const struct conf_key *key, const void *base, char buf[32]);

/* Is the field different from its default? */
bool keys_is_changed(const struct conf_key *key, const void *base);

/* The tables; use keys_of(). */
extern const struct conf_key keys_global[];
extern const size_t keys_n_global;
extern const struct conf_key keys_db[];
extern const size_t keys_n_db;
extern const struct conf_key keys_user[];
extern const size_t keys_n_user;
extern const struct conf_key keys_peer[];
extern const size_t keys_n_peer;

extern const struct value_choice keys_pool_mode[];
extern const struct value_choice keys_auth_type[];
extern const struct value_choice keys_sslmode[];
extern const struct value_choice keys_load_balance[];

#endif
