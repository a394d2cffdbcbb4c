/* frame_fuzz.c - message boundaries, whole and byte by byte. */
#include "worker/proto/frame.h"

#include "t/fuzz/fuzz.h"
#include "worker/proto/field.h"

/* What the input's first byte chooses: the longest body that is allowed. */
static const uint32_t limit[] = { 0, 8, 64, 1024, FRAME_MAX };

/*
 * The bodies' fields, read in an order that the body itself chooses: nothing
 * behind the end, and what is bad stays bad.
 */
static void
check_fields(const uint8_t *body, size_t len)
{
	uint8_t *copy = fuzz_copy(body, len);
	struct field f;

	field_init(&f, copy, len);
	while (f.left > 0 && !f.bad) {
		size_t before = f.left, n;
		const char *text;

		switch (field_byte(&f) % 4) {
		case 0:
			(void)field_int16(&f);
			break;
		case 1:
			(void)field_int32(&f);
			break;
		case 2:
			text = field_str(&f);
			MUST(f.bad ? *text == '\0' : strlen(text) < before);
			break;
		case 3:
			n = field_byte(&f);
			MUST((field_bytes(&f, n) == NULL) == f.bad);
			break;
		}
		MUST(f.left < before);
		MUST(f.p + f.left == copy + len);
	}
	if (f.bad) {
		MUST(field_byte(&f) == 0 && field_int32(&f) == 0);
		MUST(*field_str(&f) == '\0' && field_bytes(&f, 0) == NULL);
		MUST(!field_is_done(&f));
	}
	free(copy);
}

/* Written and read again it is the same; and where it does not fit, nothing. */
static void
check_wire(const struct frame *f, const uint8_t *body, size_t len)
{
	size_t whole = FRAME_HEAD + len;
	uint8_t *out = calloc(1, whole);
	struct frame again;
	struct wire w;

	MUST(out != NULL);
	for (size_t cap = whole - 1; cap <= whole; cap++) {
		wire_init(&w, out, cap);
		wire_begin(&w, f->type);
		wire_bytes(&w, body, len);
		wire_end(&w);
		MUST(w.full == (cap < whole));
		MUST(w.len == (w.full ? 0 : whole));
	}
	MUST(frame_parse(out, whole, FRAME_MAX, &again) == DONE);
	MUST(again.type == f->type && again.body == len);
	MUST(memcmp(out + FRAME_HEAD, body, len) == 0);
	free(out);
}

/* A header is known at its last byte; a bad one is bad from then on. */
static enum result
check_head(const uint8_t *p, size_t left, uint32_t max, struct frame *out)
{
	enum result rc = frame_parse(p, left, max, out), part;
	bool was_bad = false;
	struct frame f;

	for (size_t n = 0; n <= left && n <= FRAME_HEAD; n++) {
		part = frame_parse(p, n, max, &f);
		MUST(part != DONE || n == FRAME_HEAD);
		MUST(!was_bad || part == FAIL);
		MUST(part == FAIL || n < FRAME_HEAD || rc == part);
		was_bad = part == FAIL;
	}
	MUST(was_bad == (rc == FAIL));
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data;
	size_t left = size;
	uint32_t max =
	    limit[fuzz_byte(&p, &left) % (sizeof(limit) / sizeof(*limit))];
	struct frame f = { 0 };

	while (left > 0 && check_head(p, left, max, &f) == DONE) {
		size_t have;

		MUST(f.body <= max && f.type == *p);
		(void)frame_is_request(f.type);
		p += FRAME_HEAD;
		left -= FRAME_HEAD;
		have = f.body < left ? f.body : left;
		check_fields(p, have);
		if (have == f.body && f.type != 0)
			check_wire(&f, p, have);
		p += have;
		left -= have;
	}
	return 0;
}
