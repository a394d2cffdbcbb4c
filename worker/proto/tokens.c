/* tokens.c - a short queue of small numbers, run-length coded. */
#include "worker/proto/tokens.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A run is one byte: the token above, and how many more of it below. */
#define RUN_BITS   TOKENS_RUN
#define RUN_MORE   ((1u << RUN_BITS) - 1)
#define HEAP_FIRST 256u

_Static_assert(TOKENS_TOP << RUN_BITS <= UINT8_MAX, "a run is one byte");

static uint32_t
place(const struct tokens *q, uint32_t i)
{
	uint32_t at = q->head + i;

	return at >= q->cap ? at - q->cap : at;
}

static uint8_t *
run_at(struct tokens *q, uint32_t i)
{
	return (q->heap != NULL ? q->heap : q->ring) + place(q, i);
}

static uint8_t
run_look(const struct tokens *q, uint32_t i)
{
	return (q->heap != NULL ? q->heap : q->ring)[place(q, i)];
}

/* Add to a run of the same token, if there is room in it. */
static bool
lengthen(uint8_t *run, uint8_t k)
{
	if (*run >> RUN_BITS != k || (*run & RUN_MORE) == RUN_MORE)
		return false;
	++*run;
	return true;
}

void
tokens_init(struct tokens *q)
{
	memset(q, 0, sizeof(*q));
	q->cap = TOKENS_INLINE;
}

void
tokens_clear(struct tokens *q)
{
	free(q->heap);
	q->heap = NULL;
	q->cap = TOKENS_INLINE;
	q->head = q->len = 0;
}

static int
grow(struct tokens *q)
{
	uint32_t cap = q->cap < HEAP_FIRST ? HEAP_FIRST : q->cap * 2;
	uint8_t *heap;

	if (q->cap > TOKENS_MAX / 2 || (heap = malloc(cap)) == NULL)
		return -1;
	for (uint32_t i = 0; i < q->len; i++)
		heap[i] = run_look(q, i);
	free(q->heap);
	q->heap = heap;
	q->cap = cap;
	q->head = 0;
	return 0;
}

int
tokens_push(struct tokens *q, uint8_t k)
{
	assert(k != TOKENS_NONE && k <= TOKENS_TOP);
	if (q->len > 0 && lengthen(run_at(q, q->len - 1), k))
		return 0;
	if (q->len == q->cap && grow(q) == -1)
		return -1;
	q->len++;
	*run_at(q, q->len - 1) = (uint8_t)(k << RUN_BITS);
	return 0;
}

void
tokens_pop(struct tokens *q)
{
	uint8_t *run = run_at(q, 0);

	assert(q->len > 0);
	if ((*run & RUN_MORE) > 0) {
		--*run;
		return;
	}
	q->head = place(q, 1);
	q->len--;
	if (q->len == 0)
		tokens_clear(q);
}

void
tokens_unpop(struct tokens *q, uint8_t k)
{
	/* the pop has left room: in the run, or for one */
	if (q->len > 0 && lengthen(run_at(q, 0), k))
		return;
	assert(q->len < q->cap);
	q->head = q->head == 0 ? q->cap - 1 : q->head - 1;
	q->len++;
	*run_at(q, 0) = (uint8_t)(k << RUN_BITS);
}

uint32_t
tokens_count(const struct tokens *q, uint32_t set, uint32_t enough)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < q->len && n < enough; i++) {
		uint8_t run = run_look(q, i);

		if (set >> (run >> RUN_BITS) & 1)
			n += (run & RUN_MORE) + 1;
	}
	return n < enough ? n : enough;
}
