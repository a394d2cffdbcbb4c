#include "shm/count.h"

#include <stddef.h>
#include <string.h>

#include "shm/pool.h"
#include "shm/segment.h"
#include "shm/seqcopy.h"

_Static_assert(sizeof(struct count_average) % 8 == 0, "seqcopy takes words");
_Static_assert(COUNT_N <= COUNT_PAD, "a block holds every counter");

struct count_block *
count_at(uint32_t worker, uint32_t pool)
{
	if (worker >= segtab.nworkers || pool >= segtab.npools)
		return NULL;
	return &segtab.counts[(size_t)worker * segtab.npools + pool];
}

void
count_reset(uint32_t pool)
{
	static const struct count_average never;
	struct count_row *r;

	if (pool >= segtab.npools)
		return;
	for (uint32_t w = 0; w < segtab.nworkers; w++)
		for (int i = 0; i < COUNT_N; i++)
			atomic_store_explicit(
			    &count_at(w, pool)->n[i], 0, memory_order_relaxed);
	r = &segtab.averages[pool];
	seqcopy_write(&r->seq, r->words, &never, sizeof(never));
}

void
count_sum(uint32_t pool, uint64_t out[COUNT_N])
{
	memset(out, 0, COUNT_N * sizeof(*out));
	for (uint32_t w = 0; w < segtab.nworkers; w++) {
		struct count_block *b = count_at(w, pool);

		for (int i = 0; b != NULL && i < COUNT_N; i++)
			out[i] += atomic_load_explicit(
			    &b->n[i], memory_order_relaxed);
	}
}

static void
tick_pool(uint32_t pool, uint64_t now_us)
{
	struct count_row *r = &segtab.averages[pool];
	struct count_average a;

	/* a keeper that died while it wrote: its successor starts afresh */
	if (!seqcopy_read(&r->seq, r->words, &a, sizeof(a)))
		memset(&a, 0, sizeof(a));
	memcpy(a.added, a.total, sizeof(a.added));
	count_sum(pool, a.total);
	for (int i = 0; i < COUNT_N; i++)
		a.added[i] = a.total[i] >= a.added[i] ? a.total[i] - a.added[i]
						      : a.total[i];
	a.period_us = a.at_us != 0 && now_us > a.at_us ? now_us - a.at_us : 0;
	a.at_us = now_us;
	seqcopy_write(&r->seq, r->words, &a, sizeof(a));
}

void
count_tick(uint64_t now_us)
{
	uint32_t used = atomic_load(&seg->pools_used);

	for (uint32_t i = 0; i < used && i < segtab.npools; i++)
		if (atomic_load(&segtab.pools[i].gen) != 0)
			tick_pool(i, now_us);
}

uint64_t
count_period(uint32_t pool, uint64_t out[COUNT_N])
{
	struct count_row *r;
	struct count_average a;

	memset(out, 0, COUNT_N * sizeof(*out));
	if (pool >= segtab.npools)
		return 0;
	r = &segtab.averages[pool];
	if (!seqcopy_read(&r->seq, r->words, &a, sizeof(a)) || a.period_us == 0)
		return 0;
	memcpy(out, a.added, sizeof(a.added));
	return a.period_us;
}
