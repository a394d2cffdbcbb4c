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
 * only a block that has one is looked at byte by byte.
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

/* What may begin a plain text, by its first letter; the rest of it then has
 * only to be searched. */
static const struct {
	char word[16];
	uint8_t len;
	bool is_whole; /* only if nothing follows: ROLLBACK TO, END AND CHAIN */
} starts['z' - 'a' + 1] = {
	['b' - 'a'] = { "begin", 5, false },
	['c' - 'a'] = { "commit", 6, true },
	['d' - 'a'] = { "delete", 6, false },
	['e' - 'a'] = { "end", 3, true },
	['f' - 'a'] = { "fetch", 5, false },
	['i' - 'a'] = { "insert", 6, false },
	['r' - 'a'] = { "rollback", 8, true },
	['s' - 'a'] = { "select", 6, false },
	['u' - 'a'] = { "update", 6, false },
	['v' - 'a'] = { "values", 6, false },
	['w' - 'a'] = { "with", 4, false },
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

/*
 * Does [p, p + BLOCK] have a pair, or one of END(PAIR_ANY) behind its first
 * byte?  True for a few others, too: control characters that look like them.
 */
static inline bool
may_have_pair(const uint8_t *p)
{
	uint8_t hits[BLOCK];
	uint64_t all[BLOCK / 8];

	for (int i = 0; i < BLOCK; i++) {
		uint8_t a = p[i] | 0x20, b = p[i + 1] | 0x20;

		hits[i] =
		    (uint8_t)(((b == 'v') &
				  ((a == 'd') | (a == 'r') | (a == 't'))) |
			((b == 'f') & (a == 'n')) | ((b == 'p') & (a == 'm')) |
			((b == 'b') & (a == 'd')) | ((b == 'l') & (a == 'p')) |
			((b == '"') & (a == '&')) | (b == ';') |
			(p[i + 1] == 0));
	}
	memcpy(all, hits, sizeof(all));
	return (all[0] | all[1]) != 0;
}

/* Is there a word whose pair has its second letter in (from, from + n]? */
static bool
has_word_at(const char *text, size_t len, size_t from, size_t n)
{
	unsigned before = pairs[(uint8_t)text[from]], here;

	for (size_t i = from + 1; i <= from + n; i++) {
		here = pairs[(uint8_t)text[i]];
		if (((before | PAIR_ANY) & (here >> 8)) != 0 &&
		    is_word_around(text, len, i))
			return true;
		before = here;
	}
	return false;
}

/* `text` begins with a letter. */
static bool
has_word(const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t from = 0;

	if (len <= BLOCK)
		return has_word_at(text, len, 0, len - 1);
	for (; len - from > BLOCK; from += BLOCK)
		if (may_have_pair(p + from) &&
		    has_word_at(text, len, from, BLOCK))
			return true;
	/* the rest, and some of what has been looked at */
	from = len - BLOCK - 1;
	return may_have_pair(p + from) && has_word_at(text, len, from, BLOCK);
}

bool
sql_is_plain(const char *text, size_t len)
{
	unsigned first;
	size_t n;

	while (len > 0 && is_blank(*text)) {
		text++;
		len--;
	}
	while (len > 0 &&
	    (is_blank(text[len - 1]) || text[len - 1] == ';' ||
		text[len - 1] == '\0'))
		len--;
	if (len == 0)
		return true;
	first = (uint8_t)(*text | 0x20) - (unsigned)'a';
	n = first > 'z' - 'a' ? 0 : starts[first].len;
	if (n == 0 || len < n || !is_start(text, starts[first].word, n))
		return false;
	return starts[first].is_whole ? len == n : !has_word(text, len);
}
