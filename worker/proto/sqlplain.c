/*
 * sqlplain.c - the quick test of sql.h: one pass over blocks of bytes.
 *
 * A text that begins with SELECT or the like is of interest only if it holds
 * one of a few words somewhere, or a second statement.  Each such word has a
 * pair of letters that is rare in SQL; where a pair shows up, the word is
 * looked for around it.  Whether it stands in a string or a comment does not
 * matter here, and so neither does how the text is cut into tokens.
 *
 * Most texts have no such pair at all.  That is seen in blocks of BLOCK bytes,
 * in a loop without a branch, which compilers turn into vector instructions;
 * only where a block has one is it looked at byte by byte.
 */
#include "worker/proto/sql_impl.h"

#include <string.h>
#include <strings.h>

/* Pairs; what a letter may begin stands in the low byte, END()s in the high. */
enum {
	PAIR_V = 1 << 0,   /* dv, rv, tv */
	PAIR_NF = 1 << 1,  /* nf */
	PAIR_MP = 1 << 2,  /* mp */
	PAIR_DB = 1 << 3,  /* db */
	PAIR_PL = 1 << 4,  /* pl */
	PAIR_AND = 1 << 5, /* &" */
	PAIR_ANY = 1 << 6  /* whatever stands before it */
};

#define END(pair)      ((pair) << 8)
#define CASES(c, bits) [c] = (bits), [(c) - ('a' - 'A')] = (bits)

static const uint16_t pairs[256] = {
	CASES('d', PAIR_V | PAIR_DB),
	CASES('r', PAIR_V),
	CASES('t', PAIR_V),
	CASES('v', END(PAIR_V)),
	CASES('n', PAIR_NF),
	CASES('f', END(PAIR_NF)),
	CASES('m', PAIR_MP),
	CASES('p', END(PAIR_MP) | PAIR_PL),
	CASES('b', END(PAIR_DB)),
	CASES('l', END(PAIR_PL)),
	['&'] = PAIR_AND,
	['"'] = END(PAIR_AND),
	[';'] = END(PAIR_ANY),
	['\0'] = END(PAIR_ANY),
};

/* The words, each with the place of the second letter of its pair. */
static const struct {
	char word[16];
	uint8_t len;
	uint8_t at;
} words[] = {
	{ "advisory", 8, 2 },
	{ "currval", 7, 4 },
	{ "lastval", 7, 4 },
	{ "set_config", 10, 7 },
	{ "temp", 4, 3 },
	{ "dblink", 6, 1 },
	{ "replication_", 12, 3 },
	/* what stops the pass by itself */
	{ "&\"", 2, 1 },
	{ ";", 1, 0 },
	{ "\0", 1, 0 },
};

/* What may begin a plain text; the rest of it then has only to be searched. */
static const struct {
	char word[16];
	uint8_t len;
	bool is_whole; /* only if nothing follows: ROLLBACK TO, END AND CHAIN */
} starts[] = {
	{ "select", 6, false },
	{ "insert", 6, false },
	{ "update", 6, false },
	{ "delete", 6, false },
	{ "begin", 5, false },
	{ "with", 4, false },
	{ "values", 6, false },
	{ "fetch", 5, false },
	{ "commit", 6, true },
	{ "end", 3, true },
	{ "rollback", 8, true },
};

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Does one of the words have the second letter of its pair here? */
static bool
is_word_around(const char *text, size_t len, size_t i)
{
	for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++) {
		size_t at = words[k].at, n = words[k].len;

		if (((text[i] ^ words[k].word[at]) & ~0x20) != 0)
			continue;
		if (at <= i && n - at <= len - i &&
		    strncasecmp(text + i - at, words[k].word, n) == 0)
			return true;
	}
	return false;
}

/* `text` is not empty. */
static bool
has_word(const char *text, size_t len)
{
	unsigned before = 0, here;

	for (size_t i = 0; i < len; i++) {
		here = pairs[(uint8_t)text[i]];
		if (((before | PAIR_ANY) & (here >> 8)) != 0 &&
		    is_word_around(text, len, i))
			return true;
		before = here;
	}
	return false;
}

/* Does the text, which is long enough, begin with this word of letters? */
static inline bool
is_start(const char *text, const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((text[i] | 0x20) != word[i])
			return false;
	return true;
}

enum { BLOCK = 16 };

/* Mark in `hits` where [p, p + BLOCK] has a pair, or one of END(PAIR_ANY)
 * behind its first byte.  Marks a few others, too: control characters that
 * look like them. */
static inline void
mark_pairs(uint8_t hits[BLOCK], const uint8_t *p)
{
	for (int i = 0; i < BLOCK; i++) {
		uint8_t a = p[i] | 0x20, b = p[i + 1] | 0x20;

		hits[i] |= (uint8_t)((b == 'v') &
		    ((a == 'd') | (a == 'r') | (a == 't')));
		hits[i] |= (uint8_t)((b == 'f') & (a == 'n'));
		hits[i] |= (uint8_t)((b == 'p') & (a == 'm'));
		hits[i] |= (uint8_t)((b == 'b') & (a == 'd'));
		hits[i] |= (uint8_t)((b == 'l') & (a == 'p'));
		hits[i] |= (uint8_t)((b == '"') & (a == '&'));
		hits[i] |= (uint8_t)((b == ';') | (p[i + 1] == 0));
	}
}

/* `text` begins with a letter. */
static bool
may_have_word(const char *text, size_t len)
{
	static const uint8_t none[BLOCK];
	const uint8_t *p = (const uint8_t *)text;
	uint8_t rest[BLOCK + 1], hits[BLOCK] = { 0 };

	for (; len > BLOCK; p += BLOCK, len -= BLOCK)
		mark_pairs(hits, p);
	memset(rest, ' ', sizeof(rest));
	memcpy(rest, p, len);
	mark_pairs(hits, rest);
	return memcmp(hits, none, BLOCK) != 0;
}

bool
sql_is_plain(const char *text, size_t len)
{
	while (len > 0 && is_blank(*text)) {
		text++;
		len--;
	}
	while (len > 0 &&
	    (is_blank(text[len - 1]) || text[len - 1] == ';' ||
		text[len - 1] == '\0'))
		len--;
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
		if (len >= starts[i].len &&
		    is_start(text, starts[i].word, starts[i].len))
			return starts[i].is_whole
			    ? len == starts[i].len
			    : !may_have_word(text, len) || !has_word(text, len);
	return len == 0;
}
