#include "worker/session/changes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 8 }; /* entries; a power of two */

/* A ring of FIRST for whoever needs one next: with each lease one comes and
 * goes. */
static struct change *spare;

static struct change *
at(const struct changes *q, uint32_t i)
{
	return &q->ring[(q->head + i) & (q->cap - 1)];
}

static int
grow(struct changes *q)
{
	uint32_t cap = q->cap == 0 ? FIRST : 2 * q->cap;
	struct change *ring = NULL;

	if (cap == FIRST) {
		ring = spare;
		spare = NULL;
	}
	if (ring == NULL &&
	    (cap > UINT32_MAX / 2 / sizeof(*ring) ||
		(ring = malloc(cap * sizeof(*ring))) == NULL))
		return -1;
	for (uint32_t i = 0; i < q->len; i++)
		ring[i] = *at(q, i);
	free(q->ring);
	q->ring = ring;
	q->cap = cap;
	q->head = 0;
	return 0;
}

int
changes_push(struct changes *q, struct change e)
{
	if (q->len == q->cap && grow(q) == -1)
		return -1;
	*at(q, q->len++) = e;
	return 0;
}

void
changes_unpush(struct changes *q)
{
	assert(q->len > 0);
	q->len--;
}

const struct change *
changes_oldest(const struct changes *q)
{
	return q->len == 0 ? NULL : at(q, 0);
}

struct change
changes_pop(struct changes *q)
{
	struct change e;

	assert(q->len > 0);
	e = *at(q, 0);
	q->head = (q->head + 1) & (q->cap - 1);
	q->len--;
	q->popped++;
	return e;
}

void
changes_fini(struct changes *q)
{
	if (q->cap == FIRST && spare == NULL)
		spare = q->ring;
	else
		free(q->ring);
	memset(q, 0, sizeof(*q));
}
