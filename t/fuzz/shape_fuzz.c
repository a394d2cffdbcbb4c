/*
 * shape_fuzz.c - the answer to a Describe, in pieces and malformed.
 *
 * Byte 0: is there a ParameterDescription (1), does NoData follow (2); byte 1:
 * how long a piece is; byte 2: how many bytes of the rest the first has.
 */
#include "worker/proto/shape.h"

#include "t/fuzz/fuzz.h"

static size_t piece;

static void
feed(struct shape_reader *r, uint8_t type, const uint8_t *p, size_t len)
{
	shape_begin(r, type);
	while (len > 0) {
		size_t n = piece > 0 && piece < len ? piece : len;

		shape_feed(r, p, n);
		p += n;
		len -= n;
	}
}

static unsigned
count(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static bool
are_params(const uint8_t *p, size_t len)
{
	return len >= 2 && len == 2 + 4 * (size_t)count(p);
}

static bool
are_rows(const uint8_t *p, size_t len)
{
	const uint8_t *at = p + 2, *end = p + len, *nul;

	if (len < 2)
		return false;
	for (unsigned n = count(p); n > 0; n--) {
		nul = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;
		if (nul == NULL || end - nul < 1 + 18)
			return false;
		at = nul + 1 + 18;
	}
	return at == end;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct shape_reader r;
	struct shape s[2];
	const uint8_t *rest = data + 3;
	size_t n, len = size < 3 ? 0 : size - 3;
	bool has_params, is_empty;

	if (size < 3)
		return 0;
	has_params = data[0] & 1;
	is_empty = data[0] & 2;
	n = !has_params ? 0 : data[2] < len ? data[2] : len;
	for (int i = 0; i < 2; i++) {
		piece = i == 0 ? 0 : data[1];
		shape_init(&r);
		if (has_params)
			feed(&r, 't', rest, n);
		feed(&r, is_empty ? 'n' : 'T', rest + n, len - n);
		s[i] = shape_end(&r);
	}
	/* however it comes */
	MUST(s[0].rows == s[1].rows && s[0].params == s[1].params);
	/* known is what was whole, and nothing else */
	MUST((s[0].rows != 0) ==
	    (is_empty ? len == n : are_rows(rest + n, len - n)));
	MUST((s[0].params != 0) ==
	    (s[0].rows != 0 && has_params && are_params(rest, n)));
	MUST(shape_fits(s[0], s[0]));
	return 0;
}
