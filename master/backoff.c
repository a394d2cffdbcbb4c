#include "master/backoff.h"

void
backoff_born(struct backoff *b, uint64_t now_ms)
{
	b->born_ms = now_ms;
}

uint32_t
backoff_died(struct backoff *b, uint64_t now_ms)
{
	uint64_t life_ms = now_ms - b->born_ms;
	uint32_t wait_ms = BACKOFF_FIRST_MS;

	if (life_ms >= BACKOFF_RESET_MS)
		b->deaths = 0;
	else if (life_ms >= BACKOFF_SERVED_MS && b->deaths > 0)
		b->deaths--;
	if (b->deaths++ == 0)
		return 0;
	for (uint32_t n = 2; n < b->deaths && wait_ms < BACKOFF_MAX_MS; n++)
		wait_ms *= 2;
	return wait_ms < BACKOFF_MAX_MS ? wait_ms : BACKOFF_MAX_MS;
}
