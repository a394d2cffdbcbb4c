#include "shm/clientrow.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "shm/crash.h"
#include "shm/pool.h"
#include "shm/proc.h"
#include "shm/segment.h"
#include "shm/seqcopy.h"

_Static_assert(sizeof(struct clientrow_info) % 8 == 0, "seqcopy takes words");

/*
 * Rows that this worker has given back, the last on top.  Those that were
 * never used are not in it: they begin at the high-water mark, and cost no
 * memory before they are needed.
 */
static struct {
	uint32_t worker;
	uint32_t n;
	uint32_t *rows; /* NULL: no list, no rows */
} list;

struct clientrow *
clientrow_at(uint32_t idx)
{
	uint64_t all = (uint64_t)segtab.nworkers * segtab.nclients;

	return idx < all ? &segtab.clients[idx] : NULL;
}

uint32_t
clientrow_worker(uint32_t idx)
{
	return segtab.nclients == 0 ? PROC_NOBODY : idx / segtab.nclients;
}

uint32_t
clientrow_first(uint32_t w)
{
	return w * segtab.nclients;
}

uint32_t
clientrow_high(uint32_t w)
{
	uint32_t high;

	if (w >= segtab.nworkers)
		return 0;
	high = atomic_load(&segtab.procs[w].rows_high);
	return high < segtab.nclients ? high : segtab.nclients;
}

int
clientrow_init(uint32_t me)
{
	uint32_t first = clientrow_first(me);

	clientrow_fini();
	if (me >= segtab.nworkers)
		return -1;
	list.rows = calloc(segtab.nclients, sizeof(*list.rows));
	if (list.rows == NULL)
		return -1;
	list.worker = me;
	for (uint32_t i = clientrow_high(me); i-- > 0;)
		if ((atomic_load(&segtab.clients[first + i].gen) & 1) == 0)
			list.rows[list.n++] = first + i;
	return 0;
}

void
clientrow_fini(void)
{
	free(list.rows);
	memset(&list, 0, sizeof(list));
}

static uint32_t
next_row(void)
{
	uint32_t high;

	if (list.rows == NULL)
		return CLIENTROW_NONE;
	if (list.n > 0)
		return list.rows[--list.n];
	high = clientrow_high(list.worker);
	if (high == segtab.nclients)
		return CLIENTROW_NONE;
	atomic_store(&segtab.procs[list.worker].rows_high, high + 1);
	return clientrow_first(list.worker) + high;
}

uint32_t
clientrow_take(void)
{
	uint32_t idx = next_row();
	struct clientrow *r;

	if (idx == CLIENTROW_NONE)
		return CLIENTROW_NONE;
	r = &segtab.clients[idx];
	atomic_store(&r->key, 0);
	atomic_store(&r->state, CLIENTROW_LOGIN);
	atomic_store(&r->pool, POOL_NONE);
	atomic_store(&r->slot, 0);
	atomic_store(&r->flags, 0);
	atomic_store(&r->stmts, 0);
	atomic_store(&r->request_us, 0);
	/* Out of the private list, free in the segment: as if never taken. */
	CRASH_POINT("clientrow.taken");
	atomic_fetch_add(&r->gen, 1);
	return idx;
}

void
clientrow_free(uint32_t idx)
{
	struct clientrow *r = clientrow_at(idx);

	if (r == NULL || list.rows == NULL ||
	    clientrow_worker(idx) != list.worker ||
	    (atomic_load(&r->gen) & 1) == 0)
		return;
	atomic_store(&r->key, 0);
	/* No key leads to it any more, but it is in use: repair frees it. */
	CRASH_POINT("clientrow.freed");
	atomic_fetch_add(&r->gen, 1);
	list.rows[list.n++] = idx;
}

void
clientrow_info_write(uint32_t idx, const struct clientrow_info *info)
{
	struct clientrow *r = clientrow_at(idx);

	if (r == NULL)
		return;
	CRASH_POINT("clientrow.info");
	seqcopy_write(&r->seq, r->info, info, sizeof(*info));
}

bool
clientrow_info_look(uint32_t idx, struct clientrow_info *out)
{
	const struct clientrow *r = clientrow_at(idx);

	return r != NULL && seqcopy_read(&r->seq, r->info, out, sizeof(*out));
}

void
clientrow_withdraw(uint32_t w)
{
	static const struct clientrow_info nothing;
	uint32_t high = clientrow_high(w);

	for (uint32_t i = 0; i < high; i++) {
		struct clientrow *r = &segtab.clients[clientrow_first(w) + i];

		atomic_store(&r->key, 0);
		if (atomic_load(&r->seq) & 1)
			seqcopy_write(
			    &r->seq, r->info, &nothing, sizeof(nothing));
		if (atomic_load(&r->gen) & 1)
			atomic_fetch_add(&r->gen, 1);
	}
}
