/*
 * ident.h - pg_ident.conf: which system user may be which database user.
 *
 *   # map    system user           database user
 *   staff    alice                 al
 *   staff    /^(.*)@example\.com$  \1
 *   staff    root                  all
 *
 * A system user is what the system says of a Unix socket's peer, or what a
 * client's certificate names.  Both names may be patterns (pattern.h); \1 is
 * what the first (group) of the system user's pattern has taken, and is only
 * ever a plain name, even if it reads "all".
 *
 * Const once loaded.  Asking is pure.
 */
#ifndef CONF_IDENT_H
#define CONF_IDENT_H

#include <stdbool.h>
#include "conf/faults.h"
#include "conf/files.h"

struct ident;

/* The maps of the file `name`; NULL when there was a fault. */
struct ident *ident_new(const struct conf_files *files, const char *name,
    struct conf_faults *faults);
void ident_free(struct ident *t); /* NULL is allowed */

/* Is there a map of this name?  `t` may be NULL: it has none. */
bool ident_has(const struct ident *t, const char *map);

/*
 * May `system_user` be `user`?  By the lines of `map`; without one (NULL) if
 * the names are equal.
 */
bool ident_allows(const struct ident *t, const char *map,
    const char *system_user, const char *user);

#endif
