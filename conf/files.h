/*
 * files.h - the exact bytes that a configuration consists of.
 *
 * The supervisor reads every file once: the main one, those that it includes,
 * the user file, TLS keys and certificates.  From then on everybody parses these bytes, so that no
 * two processes see two versions of a file that is just being written.  Its
 * children get them as a snapshot: an unlinked file, passed as a descriptor.
 *
 * Pins are settings that are not in the files: the command line, and what a
 * reload may not change.  They travel with the bytes, so that a process born
 * later builds the same configuration as its siblings.
 *
 * Reads disk files, and so may wait for a disk; the supervisor's only file
 * access.  Memory is wiped when it is given back.
 */
#ifndef CONF_FILES_H
#define CONF_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include "conf/err.h"

#define CONF_FILES_MAX_BYTES ((size_t)64 << 20) /* all together */
#define CONF_FILES_MAX       1024               /* files, and pins */

struct lex_text;

struct conf_file {
	char *name;  /* as it was written, relative to the working directory */
	char *bytes; /* `len`, and a NUL that does not count */
	size_t len;
};

enum conf_pin_how {
	CONF_PIN_UNSET, /* holds where the files say nothing */
	CONF_PIN_SET,   /* holds, whatever the files say */
	CONF_PIN_KEEP   /* the same, with a warning where they say otherwise */
};

struct conf_pin {
	enum conf_pin_how how;
	char *key;
	char *value;
};

struct conf_files {
	struct conf_file *v; /* v[0] is the main file */
	size_t count;
	size_t bytes; /* the sum of all */
	struct conf_pin *pins;
	size_t n_pins;
};

void conf_files_init(struct conf_files *files);
void conf_files_free(struct conf_files *files); /* wipes */

/*
 * Read `path`, what it includes, and the files that its settings name (or that
 * pins do): auth_file, and the TLS keys and certificates.  -1: the main file cannot be read; of any other, conf_load()
 * says so, with everything else that is wrong.
 */
int conf_files_read(struct conf_files *files, const char *path, struct err *e);

/* Read one more file, if it is not there yet. */
int conf_files_add(struct conf_files *files, const char *path, struct err *e);

/*
 * Read the files that the settings name now, and includes that are missing; a
 * pin set after conf_files_read() may name others.
 */
void conf_files_read_named(struct conf_files *files);

/*
 * The supervisor may have been root when it read a file, and now be refused:
 * then what it read before holds on.  True: so it is, and `bytes` were added;
 * false: the file is there already, or is missing for another reason.
 */
bool conf_files_keep(
    struct conf_files *files, const char *path, const char *bytes, size_t len);

/* Put bytes there that are no file's, under a name that no file has. */
int conf_files_put(struct conf_files *files, const char *name,
    const char *bytes, size_t len, struct err *e);

/* The bytes of a file, by the name that it was read under, or NULL. */
const struct conf_file *
conf_files_find(const struct conf_files *files, const char *name);

/* The same, as a text to be read; false: there is none. */
bool conf_files_text(
    const struct conf_files *files, const char *name, struct lex_text *text);

/* Set a pin; a former one of the same key and manner is replaced. */
int conf_files_pin(struct conf_files *files, enum conf_pin_how how,
    const char *key, const char *value, struct err *e);

/*
 * Pin `key` (CONF_PIN_SET), and read anew the files that have to do with it:
 * what it named and what it names; with a key of one side's TLS all of that
 * side, with one of the rules all of these.  The rest keeps its bytes.
 * `refused`: how many of them were read as root and cannot be read again;
 * what they held holds on.
 */
int conf_files_set(struct conf_files *files, const char *key, const char *value,
    size_t *refused, struct err *e);

/*
 * Write all to the start of `fd`, and the other way round.  The position of
 * `fd` is neither used nor moved: its duplicates share it.  Restore trusts no
 * length that it reads; after -1 `files` is empty.
 */
int conf_files_save(const struct conf_files *files, int fd, struct err *e);
int conf_files_restore(struct conf_files *files, int fd, struct err *e);

#endif
