/* field.c - read the fields of one message body, never past its end. */
#include "worker/proto/field.h"

#include <string.h>

#include "worker/proto/frame.h"

void
field_init(struct field *f, const void *body, size_t len)
{
	f->p = body;
	f->left = len;
	f->bad = false;
}

const uint8_t *
field_bytes(struct field *f, size_t n)
{
	const uint8_t *p = f->p;

	if (f->bad || n > f->left) {
		f->bad = true;
		return NULL;
	}
	if (n > 0) {
		f->p += n;
		f->left -= n;
	}
	return p;
}

uint8_t
field_byte(struct field *f)
{
	const uint8_t *p = field_bytes(f, 1);

	return p != NULL ? *p : 0;
}

int16_t
field_int16(struct field *f)
{
	const uint8_t *p = field_bytes(f, 2);

	return p != NULL ? (int16_t)frame_get16(p) : 0;
}

int32_t
field_int32(struct field *f)
{
	const uint8_t *p = field_bytes(f, 4);

	return p != NULL ? (int32_t)frame_get32(p) : 0;
}

const char *
field_str(struct field *f)
{
	const uint8_t *end = NULL;

	if (!f->bad && f->left > 0)
		end = memchr(f->p, '\0', f->left);
	if (end == NULL) {
		f->bad = true;
		return "";
	}
	return (const char *)field_bytes(f, (size_t)(end - f->p) + 1);
}

bool
field_is_done(const struct field *f)
{
	return !f->bad && f->left == 0;
}
