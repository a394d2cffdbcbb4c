/*
 * value.h - one value of a setting, from its text.
 *
 * Pure: text in, number out.  Each function takes the whole text, without
 * space around it, or refuses it: 0, or -1 with `*out` left as it was.
 * The texts are the operator's; nothing here trusts them.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stddef.h>
#include <stdint.h>

/* The choices of an enumerated setting; the last one has name NULL. */
struct value_choice {
	const char *name;
	int value;
};

/* What a digit counts in any base up to 16; VALUE_NO_DIGIT: it is none. */
#define VALUE_NO_DIGIT 99
int value_digit(char c);

/* Decimal, 0x hexadecimal or 0 octal; refused outside of [min, max]. */
int value_int(const char *text, int64_t min, int64_t max, int64_t *out);

/* 0 1 no yes off on false true, in any case. */
int value_bool(const char *text, int *out);

/*
 * Seconds, with a fraction if need be, as milliseconds.  What is not zero
 * becomes at least 1: 0 is "off" for most times and must be meant.
 */
int value_time(const char *text, int64_t *out_ms);

/* One of `choices`, in any case. */
int
value_choice(const char *text, const struct value_choice *choices, int *out);

/* The name of a value; NULL when it is none of them. */
const char *value_choice_name(const struct value_choice *choices, int value);

/* Milliseconds as seconds without trailing zeros: "15", "0.5". */
#define VALUE_TIME_TEXT 32
const char *value_time_text(char text[VALUE_TIME_TEXT], int64_t ms);

/*
 * "a, b,c" word by word: `*list` moves on, `*len` is the word's length and
 * NULL is the end.  Space and empty words are passed over.
 */
const char *value_word(const char **list, size_t *len);

#endif
