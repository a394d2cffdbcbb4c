/*
 * entries.h - the arrays of a configuration being loaded.
 *
 * Entries are added in the order of the files, then sorted, so that one can be
 * found by halving.  Of several with one name the last holds.
 *
 * Written by conf_load() alone.
 */
#ifndef CONF_ENTRIES_H
#define CONF_ENTRIES_H

#include <stddef.h>
#include "conf/entry.h"
#include "conf/settings.h"

/* Zero but for `c` at first; how much room its arrays have. */
struct entries {
	struct conf *c;
	size_t room_dbs;
	size_t room_users;
	size_t room_peers;
};

/* Parse and add.  0, or -1 with the fault told and nothing added. */
int entries_db(struct entries *e, const struct entry_at *at, const char *name,
    const char *value);
int entries_user(struct entries *e, const struct entry_at *at, const char *name,
    const char *value);
int entries_peer(struct entries *e, const struct entry_at *at, const char *name,
    const char *value);

void entries_sort(struct entries *e);

#endif
