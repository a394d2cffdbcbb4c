/*
 * field.h - read the fields of one message body, never past its end.
 *
 * The reader has one sticky flag: after the first field that does not fit,
 * every further read gives 0 or "", and `bad` stays set.  So a parser reads
 * all its fields in a row and asks once, with field_is_done() or `bad`.
 *
 * What field_str() and field_bytes() return points into the body and lives
 * as long as the body does.
 *
 * Pure.  Never blocks, allocates or logs.
 */
#ifndef WORKER_PROTO_FIELD_H
#define WORKER_PROTO_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field {
	const uint8_t *p; /* the next byte */
	size_t left;      /* bytes from p to the end */
	bool bad;
};

void field_init(struct field *f, const void *body, size_t len);

uint8_t field_byte(struct field *f);
int16_t field_int16(struct field *f);
int32_t field_int32(struct field *f);

/* A string that ends with a NUL inside the body; "" when there is none. */
const char *field_str(struct field *f);

/* `n` bytes; NULL when there are fewer. */
const uint8_t *field_bytes(struct field *f, size_t n);

/* Everything was read, and all of it was there. */
bool field_is_done(const struct field *f);

#endif
