/*
 * shape.h - what a Describe was answered, in two words.
 *
 * Whoever has been told what a statement's rows are like reads them so until
 * he asks again.  Whether another backend's statement would say the same is
 * told by what is kept here of the answer: a hash of each column's name, type
 * and type modifier, and one of the parameters' types.  The tables that columns
 * come from, and their formats, make no difference to their reader.
 *
 *   Describe of a statement: ParameterDescription, then
 *   of a portal, too:        RowDescription or NoData
 *
 * Fed with bodies as they come, in pieces of any length.
 *
 * Pure: foreign bytes in, two numbers out.  Never blocks, allocates or logs.
 */
#ifndef WORKER_PROTO_SHAPE_H
#define WORKER_PROTO_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Told; 0: unknown. */
struct shape {
	uint32_t rows;
	uint32_t params;
};

struct shape_reader {
	uint64_t hash;
	uint32_t params; /* of the answer's first message; 0: it had none */
	uint16_t left;   /* elements of the list that are to come */
	uint8_t type;    /* of the message; 0: none yet */
	uint8_t part;    /* what comes next; and how much of it has come: */
	uint8_t at;
	bool is_broken; /* it was no such message */
};

/* None has come.  The same as all zeros. */
void shape_init(struct shape_reader *r);

/* A message begins: 't', 'T' or 'n'. */
void shape_begin(struct shape_reader *r, uint8_t type);

/* More of its body. */
void shape_feed(struct shape_reader *r, const uint8_t *p, size_t len);

/*
 * The body of a 'T' or 'n' has ended, and the answer with it.  Nothing is known
 * of one that was no such message.  The reader is as at first.
 */
struct shape shape_end(struct shape_reader *r);

/* Would who was told `told` read well what is `is`?  Known is what is needed
 * to tell that: shape_is_known(). */
static inline bool
shape_fits(struct shape told, struct shape is)
{
	return told.rows == is.rows &&
	    (told.params == 0 || told.params == is.params);
}

static inline bool
shape_is_known(struct shape told, struct shape is)
{
	return is.rows != 0 && (told.params == 0 || is.params != 0);
}

#endif
