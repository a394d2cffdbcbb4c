/*
 * saslprep.c - UTF-8 to characters, mapped, normalised, checked, and back.
 *
 * Two arrays of characters are all the memory there is: `in` after the mapping,
 * and `out`, where it is decomposed, put in order and composed in place.  Both
 * are wiped.
 */
#include "worker/proto/saslprep.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "worker/proto/saslprep_table.h"

enum class { NONE, SPACE, NOTHING, PROHIBITED, RANDAL, LCAT };

enum {
	GROWTH = 18, /* characters that one may be decomposed into */
	UTF8 = 4,    /* bytes of one */
	/* Hangul syllables are computed (Unicode, section 3.12) */
	S_BASE = 0xac00,
	L_BASE = 0x1100,
	V_BASE = 0x1161,
	T_BASE = 0x11a7,
	L_COUNT = 19,
	V_COUNT = 21,
	T_COUNT = 28,
	S_COUNT = L_COUNT * V_COUNT * T_COUNT,
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- the tables -------------------------------------------------------------- */

/* The number of the last entry that is <= key; -1: none. */
static long
last_not_above(const uint32_t *table, size_t n, uint32_t key)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (table[mid] <= key)
			low = mid + 1;
		else
			high = mid;
	}
	return (long)low - 1;
}

static enum class class_of(uint32_t c) {
	long i = last_not_above(classes, COUNT(classes), c << 3 | 7);

	return i == -1 ? NONE : (enum class)(classes[i] & 7);
}

static uint8_t
combining_of(uint32_t c)
{
	long i = last_not_above(combining, COUNT(combining), c << 8 | 0xff);

	return i == -1 ? 0 : (uint8_t)combining[i];
}

/* What both become together; 0: they stay two. */
static uint32_t
compose(uint32_t a, uint32_t b)
{
	size_t low = 0, high = COUNT(composed) / 3;

	if (a - L_BASE < L_COUNT && b - V_BASE < V_COUNT)
		return S_BASE +
		    ((a - L_BASE) * V_COUNT + (b - V_BASE)) * T_COUNT;
	if (a - S_BASE < S_COUNT && (a - S_BASE) % T_COUNT == 0 &&
	    b - (T_BASE + 1) < T_COUNT - 1)
		return a + (b - T_BASE);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const uint16_t *t = &composed[3 * mid];

		if (t[0] == a && t[1] == b)
			return t[2];
		if (t[0] < a || (t[0] == a && t[1] < b))
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

/* Write what `c` is decomposed into; how many characters that is. */
static size_t
decompose(uint32_t c, uint32_t *out)
{
	uint32_t s = c - S_BASE;
	const uint16_t *from;
	size_t n = 0;
	long i;

	if (s < S_COUNT) {
		out[n++] = L_BASE + s / (V_COUNT * T_COUNT);
		out[n++] = V_BASE + s / T_COUNT % V_COUNT;
		if (s % T_COUNT != 0)
			out[n++] = T_BASE + s % T_COUNT;
		return n;
	}
	i = last_not_above(decomposed, COUNT(decomposed), c << 14 | 0x3fff);
	if (i == -1 || decomposed[i] >> 14 != c) {
		out[0] = c;
		return 1;
	}
	for (from = &decomposition[decomposed[i] & 0x3fff]; *from; from++) {
		if (*from - 0xd800u < 0x400) {
			out[n++] = 0x10000 + ((from[0] & 0x3ffu) << 10) +
			    (from[1] & 0x3ffu);
			from++;
		} else {
			out[n++] = *from;
		}
	}
	return n;
}

/* --- NFKC ----------------------------------------------------------------------- */

/*
 * Put marks that follow each other in the order of their classes.  Class by
 * class: a password of nothing but marks, which a stranger may send, takes no
 * more than 255 looks at each.
 */
static void
sort_marks(uint32_t *c, size_t n, uint32_t *room)
{
	size_t done = 0;

	for (unsigned k = 1; k < 256 && done < n; k++)
		for (size_t i = 0; i < n; i++)
			if (combining_of(c[i]) == k)
				room[done++] = c[i];
	memcpy(c, room, n * sizeof(*c));
}

static void
order(uint32_t *c, size_t n, uint32_t *room)
{
	size_t i = 0;

	while (i < n) {
		size_t end = i;
		bool is_sorted = true;
		uint8_t last = 0;

		for (; end < n; end++) {
			uint8_t k = combining_of(c[end]);

			if (k == 0)
				break;
			is_sorted &= k >= last;
			last = k;
		}
		if (!is_sorted)
			sort_marks(c + i, end - i, room);
		i = end + 1;
	}
}

/* Compose in place; the new length. */
static size_t
recompose(uint32_t *c, size_t n)
{
	size_t len = 0, starter = n;
	uint8_t last = 0; /* class of what stands between it and us */

	for (size_t i = 0; i < n; i++) {
		uint8_t k = combining_of(c[i]);
		bool is_next = starter != n && len == starter + 1;
		uint32_t both = 0;

		if (starter != n && (is_next || (last != 0 && last < k)))
			both = compose(c[starter], c[i]);
		if (both != 0) {
			c[starter] = both;
			continue;
		}
		if (k == 0)
			starter = len;
		last = k;
		c[len++] = c[i];
	}
	return len;
}

static size_t
normalise(const uint32_t *in, size_t n, uint32_t *out, uint32_t *room)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += decompose(in[i], out + len);
	order(out, len, room);
	return recompose(out, len);
}

/* --- UTF-8 ------------------------------------------------------------------------ */

/* Bytes of the character at `s`, of which `len` are there; 0: it is none. */
static size_t
utf8_read(const uint8_t *s, size_t len, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1
	    : s[0] < 0xc0      ? 0
	    : s[0] < 0xe0      ? 2
	    : s[0] < 0xf0      ? 3
	    : s[0] < 0xf8      ? 4
			       : 0;

	if (n == 0 || n > len)
		return 0;
	*c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 0x3f);
	}
	if (*c < least[n] || *c > 0x10ffff || *c - 0xd800 < 0x800)
		return 0;
	return n;
}

static size_t
utf8_write(uint32_t c, uint8_t *to)
{
	if (c < 0x80) {
		to[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (uint8_t)(0xc0 | c >> 6);
		to[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (uint8_t)(0xe0 | c >> 12);
		to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		to[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (uint8_t)(0xf0 | c >> 18);
	to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	to[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

/* --- the profile --------------------------------------------------------------------- */

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((uint8_t)*s >= 0x80)
			return false;
	return true;
}

/* Characters of `s`, mapped; -1: not UTF-8. */
static long
map(const char *s, size_t len, uint32_t *out)
{
	const uint8_t *p = (const uint8_t *)s;
	long n = 0;

	while (len > 0) {
		uint32_t c;
		size_t used = utf8_read(p, len, &c);
		enum class k;

		if (used == 0)
			return -1;
		p += used;
		len -= used;
		k = class_of(c);
		if (k != NOTHING)
			out[n++] = k == SPACE ? ' ' : c;
	}
	return n;
}

/* Is there nothing that is prohibited, and does it run one way? */
static bool
is_allowed(const uint32_t *c, size_t n)
{
	bool has_randal = false, has_lcat = false;

	for (size_t i = 0; i < n; i++) {
		enum class k = class_of(c[i]);

		if (k == PROHIBITED)
			return false;
		has_randal |= k == RANDAL;
		has_lcat |= k == LCAT;
	}
	return n > 0 &&
	    (!has_randal ||
		(!has_lcat && class_of(c[0]) == RANDAL &&
		    class_of(c[n - 1]) == RANDAL));
}

/* `room` is for both arrays and for what order() needs. */
static char *
prepare(const char *password, size_t len, uint32_t *room)
{
	uint32_t *in = room, *out = room + len;
	long n = map(password, len, in);
	uint8_t *text;
	size_t size = 0;

	if (n == -1 || !is_allowed(in, (size_t)n))
		return strdup(password);
	n = (long)normalise(in, (size_t)n, out, out + GROWTH * len);
	text = malloc((size_t)n * UTF8 + 1);
	if (text == NULL)
		return NULL;
	for (long i = 0; i < n; i++)
		size += utf8_write(out[i], text + size);
	text[size] = '\0';
	return (char *)text;
}

char *
saslprep_new(const char *password)
{
	const size_t each = 1 + 2 * GROWTH;
	size_t len = strlen(password);
	uint32_t *room;
	char *text;

	if (is_ascii(password))
		return strdup(password);
	if (len > SIZE_MAX / each / sizeof(*room) / UTF8)
		return NULL;
	room = malloc(len * each * sizeof(*room));
	if (room == NULL)
		return NULL;
	text = prepare(password, len, room);
	compat_bzero(room, len * each * sizeof(*room));
	free(room);
	return text;
}

void
saslprep_free(char *prepared)
{
	if (prepared == NULL)
		return;
	compat_bzero(prepared, strlen(prepared));
	free(prepared);
}
