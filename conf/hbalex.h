/*
 * hbalex.h - pg_hba.conf and pg_ident.conf as lines of fields of tokens.
 *
 * The grammar is PostgreSQL's: fields are divided by blanks, the tokens of a
 * field by commas; "quotes" keep both, and "" within them is one quote; # is a
 * comment; a \ at the end joins the next line; @name stands for the tokens of
 * that file; include, include_if_exists and include_dir for its lines.  A name
 * is relative to the file in which it stands.
 *
 * Unlike PostgreSQL's, a quote that is not closed is a fault.
 *
 * Reads from memory: where the bytes of a file come from is its caller's
 * business.  A fault costs its line, so that all are found in one go.
 */
#ifndef CONF_HBALEX_H
#define CONF_HBALEX_H

#include <stdbool.h>
#include <stddef.h>
#include "conf/arena.h"
#include "conf/faults.h"
#include "conf/lex.h"

#define HBALEX_DEPTH 10      /* files within files */
#define HBALEX_FILES 10000   /* all together; a file counts each time */
#define HBALEX_MAX   1000000 /* tokens and lines of all files, repeats too */

/* A keyword is one only without quotes. */
struct hbalex_token {
	const char *text;
	bool is_quoted; /* it began with one */
};

struct hbalex_field {
	const struct hbalex_token *v;
	size_t n; /* 0: of an @file that names nothing */
};

struct hbalex_line {
	const char *file;
	unsigned line; /* the first of those that a \ joins */
	const struct hbalex_field *f;
	size_t n; /* never 0 */
};

enum hbalex_what {
	HBALEX_FILE,  /* must be there */
	HBALEX_MAYBE, /* if it is not there it is empty */
	HBALEX_DIR    /* its files' names, a line each, in order */
};

/* The bytes, which stay as long as the lexer runs; false: cannot be read. */
typedef bool hbalex_find_fn(
    void *arg, enum hbalex_what what, const char *name, struct lex_text *text);

typedef void hbalex_take_fn(void *arg, const struct hbalex_line *line);

struct hbalex {
	struct arena *arena;        /* all that a line points to is put here */
	struct conf_faults *faults; /* told here; NULL: to nobody */
	hbalex_find_fn *find;
	hbalex_take_fn *take;
	void *arg; /* of both */
};

/* Give every line of the file `name`, and of those it includes, to `take`. */
void hbalex_run(const struct hbalex *l, const char *name);

#endif
