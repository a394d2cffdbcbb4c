#include "conf/value.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TIME_MAX_MS ((int64_t)10 * 1000 * 1000 * 1000 * 1000) /* 300 years */

int
value_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return VALUE_NO_DIGIT;
}

/*
 * Digits of `base` to the first byte that is none, which *end then points to.
 * -1 when there is no digit, or the number is above `max`.
 */
static int
scan(const char *s, int base, int64_t max, int64_t *out, const char **end)
{
	int64_t n = 0;
	const char *p = s;

	for (; value_digit(*p) < base; p++) {
		int d = value_digit(*p);

		if (n > (max - d) / base)
			return -1;
		n = n * base + d;
	}
	*end = p;
	if (p == s)
		return -1;
	*out = n;
	return 0;
}

int
value_int(const char *text, int64_t min, int64_t max, int64_t *out)
{
	bool minus = *text == '-';
	const char *s = text + (*text == '-' || *text == '+');
	const char *end;
	int base = 10;
	int64_t n;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	} else if (s[0] == '0' && s[1] != '\0') {
		base = 8;
	}
	if (scan(s, base, INT64_MAX / 2, &n, &end) == -1 || *end != '\0')
		return -1;
	if (minus)
		n = -n;
	if (n < min || n > max)
		return -1;
	*out = n;
	return 0;
}

int
value_bool(const char *text, int *out)
{
	static const struct value_choice words[] = { { "0", 0 }, { "1", 1 },
		{ "no", 0 }, { "yes", 1 }, { "off", 0 }, { "on", 1 },
		{ "false", 0 }, { "true", 1 }, { NULL, 0 } };

	return value_choice(text, words, out);
}

int
value_time(const char *text, int64_t *out_ms)
{
	const char *p = text;
	int64_t sec = 0, ms = 0, scale = 100;
	bool rest = false;

	if (*p != '.' && scan(p, 10, TIME_MAX_MS / 1000 - 1, &sec, &p) == -1)
		return -1;
	if (*p == '.') {
		p++;
		if (*p == '\0' && p - text == 1)
			return -1;
		for (; *p >= '0' && *p <= '9'; p++) {
			ms += (*p - '0') * scale;
			rest = rest || (scale == 0 && *p != '0');
			scale /= 10;
		}
	}
	if (*p != '\0')
		return -1;
	ms += sec * 1000;
	*out_ms = ms == 0 && rest ? 1 : ms;
	return 0;
}

int
value_choice(const char *text, const struct value_choice *choices, int *out)
{
	for (; choices->name != NULL; choices++) {
		if (strcasecmp(text, choices->name) == 0) {
			*out = choices->value;
			return 0;
		}
	}
	return -1;
}

const char *
value_choice_name(const struct value_choice *choices, int value)
{
	for (; choices->name != NULL; choices++)
		if (choices->value == value)
			return choices->name;
	return NULL;
}

const char *
value_time_text(char text[VALUE_TIME_TEXT], int64_t ms)
{
	int n = snprintf(text, VALUE_TIME_TEXT, "%lld.%03d",
	    (long long)(ms / 1000), (int)(ms % 1000));

	while (text[n - 1] == '0')
		n--;
	if (text[n - 1] == '.')
		n--;
	text[n] = '\0';
	return text;
}

const char *
value_word(const char **list, size_t *len)
{
	const char *p = *list, *word;

	while (*p == ',' || isspace((unsigned char)*p))
		p++;
	word = p;
	while (*p != '\0' && *p != ',')
		p++;
	*list = p;
	while (p > word && isspace((unsigned char)p[-1]))
		p--;
	*len = (size_t)(p - word);
	return *len == 0 ? NULL : word;
}
