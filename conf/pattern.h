/*
 * pattern.h - a name in pg_hba.conf or pg_ident.conf: itself, or /a pattern.
 *
 * PostgreSQL has regular expressions of its own kind, the system's regcomp(3)
 * has POSIX's.  What both mean alike is taken as it is; \d \s \w and escaped
 * characters in brackets are put into POSIX's words; what POSIX does not have,
 * or means otherwise (look-ahead, back references, non-greedy counts, \m, \y),
 * is a fault and never quietly something else.
 *
 * A pattern is searched for: without ^ and $ it fits anywhere in the name.
 * Matching is pure, and allocates nothing but what regexec(3) does.
 */
#ifndef CONF_PATTERN_H
#define CONF_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <regex.h>

enum {
	PATTERN_MAX = 512,     /* bytes of a pattern */
	PATTERN_REPEATS = 4096 /* product of all its {counts} */
};

struct pattern {
	const char *text; /* as it was written; its owner keeps it */
	regex_t *re;      /* NULL: it is the name itself */
};

/* -1 with a sentence in `why`; `p` needs no pattern_fini() then. */
int pattern_init(struct pattern *p, const char *text, char why[192]);
void pattern_fini(struct pattern *p);

bool pattern_has(const struct pattern *p, const char *name);

/*
 * The same, and where the first (group) of a pattern fits: from *from, *len
 * bytes.  -1 in *from: it has no such group, or none that took part.
 */
bool pattern_capture(
    const struct pattern *p, const char *name, long *from, size_t *len);

/* How many (groups) it has. */
size_t pattern_groups(const struct pattern *p);

#endif
