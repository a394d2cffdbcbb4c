/*
 * deadline.c - a binary heap of embedded timers.
 *
 * heap[0] is the earliest.  A timer's `place` is its index + 1, kept up to
 * date by put(), the only function that stores into the heap.
 *
 * Data: this process's own.  Never blocks; allocates only to grow the heap.
 */
#include "worker/io/deadline.h"

#include <stddef.h>
#include <stdlib.h>

enum { HEAP_FIRST = 64 };

static struct deadline **heap;
static uint32_t nheap, heap_cap;

static void
put(uint32_t at, struct deadline *d)
{
	heap[at] = d;
	d->place = at + 1;
}

static void
sift_up(uint32_t at, struct deadline *d)
{
	while (at > 0) {
		uint32_t above = (at - 1) / 2;

		if (heap[above]->at_us <= d->at_us)
			break;
		put(at, heap[above]);
		at = above;
	}
	put(at, d);
}

static void
sift_down(uint32_t at, struct deadline *d)
{
	for (;;) {
		uint32_t below = 2 * at + 1;

		if (below >= nheap)
			break;
		if (below + 1 < nheap &&
		    heap[below + 1]->at_us < heap[below]->at_us)
			below++;
		if (d->at_us <= heap[below]->at_us)
			break;
		put(at, heap[below]);
		at = below;
	}
	put(at, d);
}

/* Put `d` where it belongs, starting from the free place `at`. */
static void
settle(uint32_t at, struct deadline *d)
{
	if (at > 0 && d->at_us < heap[(at - 1) / 2]->at_us)
		sift_up(at, d);
	else
		sift_down(at, d);
}

void
deadline_init(struct deadline *d, void (*on_deadline)(struct deadline *))
{
	d->at_us = 0;
	d->place = 0;
	d->on_deadline = on_deadline;
}

int
deadline_set(struct deadline *d, uint64_t at_us)
{
	if (d->place != 0) {
		d->at_us = at_us;
		settle(d->place - 1, d);
		return 0;
	}
	if (nheap == heap_cap) {
		uint32_t cap = heap_cap ? heap_cap * 2 : HEAP_FIRST;
		struct deadline **h = realloc(heap, cap * sizeof(*h));

		if (!h)
			return -1;
		heap = h;
		heap_cap = cap;
	}
	d->at_us = at_us;
	sift_up(nheap++, d);
	return 0;
}

void
deadline_clear(struct deadline *d)
{
	uint32_t at;
	struct deadline *last;

	if (d->place == 0)
		return;
	at = d->place - 1;
	d->place = 0;
	last = heap[--nheap];
	if (last != d)
		settle(at, last);
}

uint64_t
deadline_next(void)
{
	return nheap > 0 ? heap[0]->at_us : 0;
}

uint64_t
deadline_run(uint64_t now_us)
{
	/* no more than there are now: one that sets itself anew to the past
	 * must not keep the loop from its events */
	for (uint32_t n = nheap; n > 0 && nheap > 0; n--) {
		struct deadline *d = heap[0];

		if (d->at_us > now_us)
			break;
		deadline_clear(d);
		d->on_deadline(d);
	}
	return deadline_next();
}
