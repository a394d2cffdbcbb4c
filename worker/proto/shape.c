/* shape.c - what a Describe was answered, in two words. */
#include "worker/proto/shape.h"

#include <string.h>

/*
 *   COUNT -> NAME -> FIXED -> NAME ... -> DONE     RowDescription
 *   COUNT -> FIXED -> FIXED ...        -> DONE     ParameterDescription
 *   DONE                                           NoData
 */
enum { COUNT, NAME, FIXED, DONE };

/* Bytes of a column behind its name: table, attribute, type, size, modifier,
 * format. */
enum { TYPE = 4 + 2, SIZE = TYPE + 4, MOD = SIZE + 2, FORMAT = MOD + 4 };
enum { COLUMN = FORMAT + 2, PARAM = 4 };

void
shape_init(struct shape_reader *r)
{
	memset(r, 0, sizeof(*r));
}

static void
mix(struct shape_reader *r, uint8_t b)
{
	r->hash = (r->hash ^ b) * 0x9e3779b97f4a7c15u;
	r->hash ^= r->hash >> 29;
}

/* What has been read, or 0 if that was no whole message. */
static uint32_t
take(const struct shape_reader *r)
{
	uint32_t h = (uint32_t)(r->hash >> 32);

	if (r->part != DONE || r->is_broken)
		return 0;
	return h != 0 ? h : 1;
}

void
shape_begin(struct shape_reader *r, uint8_t type)
{
	uint32_t params = r->type == 't' ? take(r) : 0;

	shape_init(r);
	r->params = params;
	r->type = type;
	r->part = type == 'n' ? DONE : COUNT;
	mix(r, type);
}

static void
next(struct shape_reader *r)
{
	r->at = 0;
	if (r->left == 0)
		r->part = DONE;
	else
		r->part = r->type == 't' ? FIXED : NAME;
}

/* Of a parameter, or of a column behind its name. */
static void
on_fixed(struct shape_reader *r, uint8_t b)
{
	bool is_type = r->at >= TYPE && r->at < SIZE;
	bool is_mod = r->at >= MOD && r->at < FORMAT;

	if (r->type == 't' || is_type || is_mod)
		mix(r, b);
	if (++r->at < (r->type == 't' ? PARAM : COLUMN))
		return;
	r->left--;
	next(r);
}

static void
on_byte(struct shape_reader *r, uint8_t b)
{
	switch (r->part) {
	case COUNT:
		mix(r, b);
		r->left = (uint16_t)(r->left << 8 | b);
		if (++r->at == 2)
			next(r);
		return;
	case NAME:
		mix(r, b);
		if (b == '\0')
			r->part = FIXED;
		return;
	case FIXED:
		on_fixed(r, b);
		return;
	default:
		r->is_broken = true;
		return;
	}
}

void
shape_feed(struct shape_reader *r, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		on_byte(r, p[i]);
}

struct shape
shape_end(struct shape_reader *r)
{
	struct shape s = { take(r), r->params };

	if (r->type == 't')
		s.rows = 0;
	if (s.rows == 0)
		s.params = 0;
	shape_init(r);
	return s;
}
