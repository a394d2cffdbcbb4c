/*
 * entry.h - one line of [databases], [users] or [peers].
 *
 * A database's value is a libpq connection string with PgBouncer's own keys
 * among libpq's, or a URI.  Ours are taken out, libpq parses the rest.
 * PgBouncer's quoting holds: 'it''s', and a backslash is a backslash.
 *
 * Pure, apart from the arena that the strings go to and libpq's heap.
 */
#ifndef CONF_ENTRY_H
#define CONF_ENTRY_H

#include "conf/faults.h"
#include "conf/settings.h"

/* Where an entry stands, and where its strings and its faults go. */
struct entry_at {
	const char *file;
	unsigned line;
	struct arena *arena;
	struct conf_faults *faults;
};

/* Each fills `*out` anew.  0, or -1 with at least one fault told. */
int entry_db(const struct entry_at *at, const char *name, const char *value,
    struct conf_db *out);
int entry_user(const struct entry_at *at, const char *name, const char *value,
    struct conf_user *out);
int entry_peer(const struct entry_at *at, const char *name, const char *value,
    struct conf_peer *out);

#endif
