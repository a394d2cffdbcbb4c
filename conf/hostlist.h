/*
 * hostlist.h - the entries of a `host` setting: separated by commas, blanks
 * around them do not count.  What an entry means is its reader's business.
 *
 * Pure.
 */
#ifndef CONF_HOSTLIST_H
#define CONF_HOSTLIST_H

#include <stdbool.h>
#include <stdint.h>

enum { HOSTLIST_HOST = 256 }; /* an entry and its NUL */

/* How many there are: at least 1, for an empty list has one that is empty. */
uint32_t hostlist_count(const char *list);

/* Entry `i`; "" beyond the last.  false: it is too long. */
bool hostlist_entry(const char *list, uint32_t i, char out[HOSTLIST_HOST]);

#endif
