/*
 * sqllex.h - SQL text as tokens, by PostgreSQL's own lexical rules.
 *
 * The rules are those of scan.l of PostgreSQL 15.  Where releases differ, the
 * wider reading is taken: \v is white space (16), and what follows a number
 * or a parameter without a gap ("1INTO") is a token of its own (14).  What
 * another release takes for a fault fails there as a whole: nothing of the
 * text is run, so it does no harm to have read it.
 *
 * A text ends at its length or at its first NUL, as for the server.  Bytes
 * from 0x80 up are letters.  That is right in every encoding whose characters
 * hold no byte below 0x80 but ASCII; sqllex_is_exact() looks for the others.
 *
 * Pure: no memory of its own, no allocation, never blocks.
 */
#ifndef WORKER_PROTO_SQLLEX_H
#define WORKER_PROTO_SQLLEX_H

#include <stdbool.h>
#include <stddef.h>

enum sqllex_type {
	SQLLEX_END,     /* of the text; again and again */
	SQLLEX_BAD,     /* not ended: '  "  $x$  comment; takes all the rest */
	SQLLEX_IDENT,   /* a word: identifier or keyword, as it is written */
	SQLLEX_QUOTED,  /* "..." */
	SQLLEX_UQUOTED, /* U&"..." */
	SQLLEX_STRING,  /* '...' without escapes; with all its continuations */
	SQLLEX_ESTRING, /* E'...', and '...' under SQLLEX_BACKSLASH */
	SQLLEX_USTRING, /* U&'...' */
	SQLLEX_BITS,    /* B'...' and X'...' */
	SQLLEX_DOLLAR,  /* $tag$...$tag$ */
	SQLLEX_PARAM,   /* $1 */
	SQLLEX_NUMBER,
	SQLLEX_OP,   /* two bytes or more, :: .. := too, or one of ~!@#&|`? */
	SQLLEX_SELF, /* any other byte, which is itself: ( ) , ; . * = ... */
};

/* N'...' comes as two tokens, the word N and a string, as in scan.l. */

enum {
	SQLLEX_BACKSLASH = 1, /* standard_conforming_strings is off */
	SQLLEX_UNSAFE = 2     /* client_encoding is one of SJIS, SHIFT_JIS_2004,
	                         BIG5, GBK, UHC, GB18030, JOHAB */
};

/* Bytes of an identifier's value with its NUL: NAMEDATALEN. */
enum { SQLLEX_NAME = 64 };

struct sqllex {
	const char *p;   /* the next byte */
	const char *end; /* behind the last one */
	unsigned flags;
};

struct sqllex_token {
	enum sqllex_type type;
	const char *p; /* its first byte; at END the end of the text */
	size_t len;
};

void
sqllex_init(struct sqllex *l, const char *text, size_t len, unsigned flags);

/* The next token, behind white space and comments; returns its type. */
enum sqllex_type sqllex_next(struct sqllex *l, struct sqllex_token *t);

/*
 * Can the text be cut into tokens for certain?  Not under SQLLEX_UNSAFE when
 * it holds a byte from 0x80 up, whose companion may look like ASCII.
 */
bool sqllex_is_exact(const struct sqllex *l);

/* Is it this unquoted word?  `word` is in lower case. */
bool sqllex_is_word(const struct sqllex_token *t, const char *word);
bool sqllex_is_self(const struct sqllex_token *t, char c);
bool sqllex_is_ident(const struct sqllex_token *t); /* quoted or not */
bool sqllex_is_string(const struct sqllex_token *t);

/*
 * The value of an identifier: folded to lower case (ASCII) unless it was
 * quoted, without its quotes, cut off at 63 bytes as the server does.
 * The length, or -1: no identifier, empty, U&"" (whose escape character stands
 * behind it), or so long that where it is cut depends on the encoding.
 * `to` is then not to be read.
 */
int sqllex_name(const struct sqllex_token *t, char to[SQLLEX_NAME]);

/*
 * The value of a string constant in at most `size` bytes, ended by NUL.
 * The length, or -1: no such constant, no room, or an escape that cannot be
 * told (any U&'', \v, and \u beyond ASCII).  `to` is then not to be read.
 */
int sqllex_value(const struct sqllex_token *t, char *to, size_t size);

#endif
