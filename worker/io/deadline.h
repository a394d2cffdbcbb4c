/*
 * deadline.h - what must be done by when.
 *
 * A binary heap of pointers to embedded timers; each knows its place, so that
 * setting and clearing are O(log n) and touch no allocator but when the heap
 * array grows.  Times are loop_now_us's.  Clients that merely sit idle have
 * none.
 */
#ifndef WORKER_IO_DEADLINE_H
#define WORKER_IO_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct deadline {
	uint64_t at_us;
	uint32_t place; /* in the heap, + 1; 0: not set */
	void (*on_deadline)(struct deadline *d);
};

void deadline_init(struct deadline *d, void (*on_deadline)(struct deadline *));

/* Set or move; 0 or -1 when there is no memory for the heap. */
int deadline_set(struct deadline *d, uint64_t at_us);
void deadline_clear(struct deadline *d);
static inline bool
deadline_is_set(const struct deadline *d)
{
	return d->place != 0;
}

/* Call those that have passed; returns the time of the next one, or 0. */
uint64_t deadline_run(uint64_t now_us);

/* The time of the next one, or 0. */
uint64_t deadline_next(void);

#endif
