/*
 * sql_impl.h - what the files of the SQL classifier share; see sql.h.
 *
 * sqlwalk.c cuts a text into statements and looks at every token, sqlkind.c at a
 * statement's first words, sqlset.c at those of SET and RESET, sqlconfig.c into
 * calls of set_config().  They read through sqlhead.c.  sqlplain.c, the quick
 * test, stands alone; so does the lexer, sqllex.c with sqlvalue.c.
 */
#ifndef WORKER_PROTO_SQL_IMPL_H
#define WORKER_PROTO_SQL_IMPL_H

#include "worker/proto/sql.h"

/*
 * Does a string go on behind its closing quote?  Only white space and line
 * comments with at least one newline may stand between; then `p` is moved
 * behind the opening quote.
 */
bool sqllex_seam(const char **p, const char *end);

/* Kind and what belongs to it; `text` and `flags` are filled in before. */
void sql_kind_tell(struct sql_stmt *s, unsigned lex_flags);

/* The tokens of one statement, with the one that is looked at. */
struct sql_head {
	struct sqllex lex; /* behind `t` */
	struct sqllex_token t;
};

/* Behind the word; false: it does not fit the grammar. */
bool sql_tell_set(struct sql_head *h, struct sql_stmt *s);
bool sql_tell_reset(struct sql_head *h, struct sql_stmt *s);

void head_step(struct sql_head *h);
struct sqllex_token head_peek(const struct sql_head *h);
bool head_is_end(const struct sql_head *h);

/* Go on, if it is this. */
bool head_take_word(struct sql_head *h, const char *word);
bool head_take_self(struct sql_head *h, char c);

/* A word that may be left out before a name; last of all it is the name. */
void head_take_noise(struct sql_head *h, const char *word);

/* An identifier, for `name` and `where`; `sub` is SQL_ONE if not yet set. */
bool head_take_name(struct sql_head *h, struct sql_stmt *s);

/* What stands in ( ), if that comes next; false: it does not end. */
bool head_take_parens(struct sql_head *h, struct sql_span *inside);

/* From here to the statement's end. */
struct sql_span head_rest(const struct sql_head *h, const struct sql_stmt *s);

/* Is it this identifier, quoted or not?  `name` is in lower case. */
bool sql_is_named(const struct sqllex_token *t, const char *name);

void sql_fold(char *s); /* ASCII */

#endif
