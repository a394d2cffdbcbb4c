/*
 * rulefiles.h - the files that pg_hba.conf and pg_ident.conf consist of.
 *
 * The supervisor reads all of them into the configuration's bytes (files.h);
 * whoever builds the rules later finds them there.  What is no file's bytes is
 * put there as well, under names that begin with a line feed, as no file's can
 * in these lists: that a file was absent, a directory's listing, and the
 * addresses of this host, for samehost and samenet.
 *
 * rulefiles_read() reads disk files; the rest is pure.
 */
#ifndef CONF_RULEFILES_H
#define CONF_RULEFILES_H

#include <stdbool.h>
#include "conf/files.h"
#include "conf/hbalex.h"

/*
 * Read `name` and all that it names into `files`.  What cannot be read is left
 * out: rulefiles_find() will not find it, and that is a fault of its line.
 */
void rulefiles_read(struct conf_files *files, const char *name);

/* As a hbalex_find_fn, of what has been read. */
bool rulefiles_find(const struct conf_files *files, enum hbalex_what what,
    const char *name, struct lex_text *text);

/* "ADDRESS MASK" of each of this host's addresses, a line each. */
bool
rulefiles_interfaces(const struct conf_files *files, struct lex_text *text);

#endif
