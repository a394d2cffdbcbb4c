#include "worker/backend/scan.h"

#include <string.h>

enum {
	ERROR_HEAD = 1024,   /* of an ErrorResponse are looked at */
	PARAM_MAX = 8 * 1024 /* longest ParameterStatus that is believed */
};

/*
 * How many bytes of this message must be in hand before it may be passed on;
 * 0: it is longer than any that a server sends.
 */
static size_t
needed(const struct frame *f)
{
	size_t whole = FRAME_HEAD + (size_t)f->body;

	switch (f->type) {
	case 'Z':
	case 'S':
		return whole <= PARAM_MAX ? whole : 0;
	case 'E':
		return whole < ERROR_HEAD ? whole : ERROR_HEAD;
	default:
		return FRAME_HEAD;
	}
}

static void
note(struct backend *b, const struct frame *f, const uint8_t *body, size_t have,
    struct scan *out)
{
	const char *value;

	switch (f->type) {
	case 'Z':
		out->readies++;
		if (track_tx_status(&b->track) == 'I')
			out->idles++;
		break;
	case 'S':
		if (backend_parameter(b, body, have, &value) != -1)
			out->has_params = true;
		break;
	case 'E':
		if (!out->has_error)
			(void)report_parse(body, have, &out->error);
		out->has_error = true;
		break;
	}
}

int
scan_run(struct backend *b, const uint8_t *p, size_t len, struct scan *out)
{
	const uint8_t *at = p, *end = p + len;

	memset(out, 0, offsetof(struct scan, error));
	out->is_inside = b->remain > 0;
	while (at < end) {
		size_t left = (size_t)(end - at), need, whole, have;
		struct frame f;

		if (b->remain > 0) {
			size_t n = b->remain < left ? b->remain : left;

			b->remain -= (uint32_t)n;
			at += n;
			continue;
		}
		switch (frame_parse(at, left, FRAME_MAX, &f)) {
		case FAIL:
			return -1;
		case WAIT:
			out->pass = (size_t)(at - p);
			return backend_hold(b, at, left);
		case DONE:
			break;
		}
		need = needed(&f);
		if (need == 0)
			return -1;
		if (left < need) {
			out->pass = (size_t)(at - p);
			return backend_hold(b, at, left);
		}
		whole = FRAME_HEAD + (size_t)f.body;
		have = (left < whole ? left : whole) - FRAME_HEAD;
		if (track_server(&b->track, f.type, at + FRAME_HEAD, have) !=
		    DONE)
			return -1;
		note(b, &f, at + FRAME_HEAD, have, out);
		at += FRAME_HEAD + have;
		b->remain = (uint32_t)(f.body - have);
	}
	out->pass = len;
	return 0;
}

bool
scan_is_boundary(const struct backend *b)
{
	return b->remain == 0 && buf_len(&b->in) == 0 &&
	    track_is_clean(&b->track);
}
