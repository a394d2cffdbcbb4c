/*
 * lex.h - an INI file, and what it includes, as (section, key, value).
 *
 * The grammar is PgBouncer's: `[section]`, `key = value to the end of the
 * line`, `"quoted ""key""" = value`, lines that begin with ; or #, and
 * `%include name`, each with space before it if one likes.  Quotes in a value
 * are ordinary characters here.  A section goes on through included files.
 *
 * Reads from memory: where the bytes of an included file come from is its
 * caller's business.  A fault costs its line, so that all are found in one go.
 */
#ifndef CONF_LEX_H
#define CONF_LEX_H

#include <stdbool.h>
#include <stddef.h>

#define LEX_DEPTH       10   /* files within files */
#define LEX_INCLUDES    1000 /* all together; a file counts each time */
#define LEX_SECTION_MAX 64

struct lex_text {
	const char *name;
	const char *bytes; /* `len` of them, without a NUL at the end */
	size_t len;
};

/*
 * The text of `%include name`; false when there is none.  `text` must stay
 * until lex_fini().
 */
typedef bool lex_find_fn(void *arg, const char *name, struct lex_text *text);

enum lex_kind {
	LEX_SECTION, /* section */
	LEX_PAIR,    /* section, key, value */
	LEX_FAULT,   /* value says what is wrong */
	LEX_END
};

/* Valid until the next lex_next(). */
struct lex_event {
	enum lex_kind kind;
	const char *file;
	unsigned line;
	const char *section; /* "" before the first */
	const char *key;
	const char *value;
};

/* Open so that it can be embedded; only lex.c touches its fields. */
struct lex {
	struct {
		struct lex_text text;
		size_t pos;
		unsigned line;
	} at[LEX_DEPTH + 1];
	int depth;
	unsigned includes; /* so far */
	lex_find_fn *find;
	void *arg;
	char section[LEX_SECTION_MAX];
	char *buf; /* key and value of the event */
	size_t size;
	char told[192]; /* a fault that names something */
};

/* `find` may be NULL: every %include is then a fault. */
void lex_init(
    struct lex *l, const struct lex_text *text, lex_find_fn *find, void *arg);
void lex_next(struct lex *l, struct lex_event *ev);
void lex_fini(struct lex *l); /* wipes */

/*
 * The pairs of an entry's value, `key=value key='it''s' ...`, as
 * [databases], [users] and [peers] have them.  `*text` moves on.  1 with a
 * pair, 0 at the end, -1 where it cannot be read.  The pair is cut out of the
 * text itself, which is therefore written to.
 */
int lex_pair(char **text, char **key, char **value);

#endif
