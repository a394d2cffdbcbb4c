/*
 * tokens.h - a short queue of small numbers, run-length coded.
 *
 * It holds what a backend has still to answer (track.h).  One byte is a run of
 * up to 8 equal tokens.  The ring is in the object; a deep pipeline moves it
 * to the heap, until it has drained.
 *
 * Written by the backend's owner only.  Never blocks or logs; tokens_push()
 * may allocate.
 */
#ifndef WORKER_PROTO_TOKENS_H
#define WORKER_PROTO_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#define TOKENS_INLINE 48
#define TOKENS_MAX    (1u << 20) /* bytes that one queue may take */
#define TOKENS_NONE   0          /* what an empty queue has in front */
#define TOKENS_TOP    31         /* the highest token */
#define TOKENS_RUN    3          /* bits of a run's length, below the token */

struct tokens {
	uint8_t *heap; /* NULL: the ring is in `ring` */
	uint32_t cap;  /* runs that the ring has room for */
	uint32_t head; /* the oldest run */
	uint32_t len;  /* runs in use */
	uint8_t ring[TOKENS_INLINE];
};

void tokens_init(struct tokens *q);
void tokens_clear(struct tokens *q); /* empty, and nothing on the heap */

/* At the end.  -1: out of memory or of TOKENS_MAX; nothing has changed. */
int tokens_push(struct tokens *q, uint8_t k);

/* TOKENS_NONE: it is empty.  In line: it is asked for with every message. */
static inline uint8_t
tokens_front(const struct tokens *q)
{
	if (q->len == 0)
		return TOKENS_NONE;
	return (q->heap != NULL ? q->heap : q->ring)[q->head] >> TOKENS_RUN;
}

void tokens_pop(struct tokens *q); /* of one that is not empty */

/* Put back in front what was popped; no push may have come between. */
void tokens_unpop(struct tokens *q, uint8_t k);

/* How many are in `set` (bit k: token k); stops counting at `enough`. */
uint32_t tokens_count(const struct tokens *q, uint32_t set, uint32_t enough);

#endif
