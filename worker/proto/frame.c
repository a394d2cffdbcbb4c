/* frame.c - one protocol message: its header read, its bytes written. */
#include "worker/proto/frame.h"

#include <string.h>

void
frame_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void
frame_put32(uint8_t *p, uint32_t v)
{
	frame_put16(p, (uint16_t)(v >> 16));
	frame_put16(p + 2, (uint16_t)v);
}

bool
frame_is_bad(const uint8_t *p, size_t avail, uint32_t max)
{
	uint8_t known[4] = { 0 };
	uint32_t len;

	if (avail < 2)
		return false;
	memcpy(known, p + 1, avail - 1);
	len = frame_get32(known);
	/* bytes that are still missing count as 0: too long is too long */
	return len >= 4 && len - 4 > max;
}

void
wire_init(struct wire *w, void *p, size_t cap)
{
	memset(w, 0, sizeof(*w));
	w->p = p;
	w->cap = cap;
}

/* Room for `n` bytes, or NULL and the open message is taken back. */
static uint8_t *
wire_room(struct wire *w, size_t n)
{
	uint8_t *p;

	if (w->full)
		return NULL;
	if (n > w->cap - w->len) {
		w->full = true;
		w->len = w->start;
		return NULL;
	}
	p = w->p + w->len;
	w->len += n;
	return p;
}

void
wire_begin(struct wire *w, uint8_t type)
{
	w->start = w->len;
	if (type != 0)
		wire_byte(w, type);
	w->size = w->len;
	wire_int32(w, 0);
}

void
wire_end(struct wire *w)
{
	if (!w->full)
		frame_put32(w->p + w->size, (uint32_t)(w->len - w->size));
	w->start = w->len;
}

void
wire_byte(struct wire *w, uint8_t v)
{
	wire_bytes(w, &v, 1);
}

void
wire_int16(struct wire *w, uint16_t v)
{
	uint8_t *p = wire_room(w, 2);

	if (p != NULL)
		frame_put16(p, v);
}

void
wire_int32(struct wire *w, uint32_t v)
{
	uint8_t *p = wire_room(w, 4);

	if (p != NULL)
		frame_put32(p, v);
}

void
wire_int64(struct wire *w, uint64_t v)
{
	uint8_t *p = wire_room(w, 8);

	if (p != NULL) {
		frame_put32(p, (uint32_t)(v >> 32));
		frame_put32(p + 4, (uint32_t)v);
	}
}

void
wire_str(struct wire *w, const char *s)
{
	wire_bytes(w, s, strlen(s) + 1);
}

void
wire_text(struct wire *w, const char *s)
{
	wire_bytes(w, s, strlen(s));
}

void
wire_bytes(struct wire *w, const void *p, size_t n)
{
	uint8_t *to = wire_room(w, n);

	if (to != NULL && n > 0)
		memcpy(to, p, n);
}
