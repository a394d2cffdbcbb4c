/*
 * tally.c - one pass over clients and servers.
 *
 * Data: the caller's.  Never blocks.
 */
#include "worker/console/tally.h"

#include <stdlib.h>
#include <string.h>

#include "shm/segment.h"

static int
by_name(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;
	int d = strcmp(x->database, y->database);

	return d != 0 ? d : strcmp(x->user, y->user);
}

/* v[pool] for pool < used; v[used] is the console. */
static void
count_clients(struct tally *v, uint32_t used, uint32_t worker)
{
	uint32_t first = clientrow_first(worker), n = clientrow_high(worker);

	for (uint32_t i = 0; i < n; i++) {
		const struct clientrow *r = clientrow_at(first + i);
		uint32_t pool;

		if (r == NULL || (atomic_load(&r->gen) & 1) == 0)
			continue;
		pool = atomic_load(&r->pool);
		if (pool == POOL_NONE)
			pool = used;
		if (pool <= used)
			v[pool].n[show_client_kind(r)]++;
	}
}

static void
count_servers(struct tally *v, uint32_t used)
{
	uint32_t n = atomic_load(&seg->slots_used);

	for (uint32_t i = 0; i < n && i < seg->nslots; i++) {
		const struct slot *s = slot_at(i);
		uint32_t pool = atomic_load(&s->pool);

		if (pool >= used)
			continue;
		v[pool].n[show_server_kind(s, slot_look(s))]++;
		if (slot_state(slot_look(s)) == SLOT_ACTIVE)
			v[pool].pinned +=
			    (atomic_load(&s->flags) & SLOT_KEPT) != 0;
		v[pool].cancels += atomic_load(&s->cancels);
	}
}

/* Pools that are not there leave the array; returns how many are. */
static size_t
pack(struct tally *v, uint32_t used)
{
	size_t n = 0;

	for (uint32_t i = 0; i < used; i++) {
		const struct pool *p = pool_at(i);

		if (p == NULL || atomic_load(&p->gen) == 0)
			continue;
		v[n] = v[i];
		v[n].pool = i;
		v[n].mode = atomic_load(&p->mode);
		show_copy(v[n].database, POOL_NAME, pool_db_name(p));
		show_copy(v[n].user, POOL_NAME, pool_user_name(p));
		n++;
	}
	v[n] = v[used];
	v[n].pool = POOL_NONE;
	show_copy(v[n].database, POOL_NAME, SHOW_CONSOLE);
	show_copy(v[n].user, POOL_NAME, SHOW_CONSOLE);
	return n + 1;
}

struct tally *
tally_new(size_t *n)
{
	uint32_t used = atomic_load(&seg->pools_used);
	struct tally *v;

	if (used > seg->npools)
		used = seg->npools;
	v = calloc((size_t)used + 1, sizeof(*v));
	if (v == NULL)
		return NULL;
	for (uint32_t w = 0; w < seg->nworkers; w++)
		count_clients(v, used, w);
	count_servers(v, used);
	*n = pack(v, used);
	qsort(v, *n, sizeof(*v), by_name);
	return v;
}

uint32_t
tally_clients(const struct tally *t)
{
	return t->n[SHOW_CL_ACTIVE] + t->n[SHOW_CL_WAITING];
}

uint32_t
tally_servers(const struct tally *t)
{
	return t->n[SHOW_SV_ACTIVE] + t->n[SHOW_SV_LISTEN] +
	    t->n[SHOW_SV_HELD] + t->n[SHOW_SV_IDLE] + t->n[SHOW_SV_LOGIN];
}
