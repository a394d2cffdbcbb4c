#include "worker/backend/pinned.h"

#include "shm/limits.h"
#include "shm/proc.h"
#include "shm/queue.h"
#include "shm/segment.h"
#include "worker/backend/servertls.h"
#include "worker/self.h"

enum {
	REST_US = 50000,     /* idle so long, it may go at once */
	SERVED_US = 1000000, /* or after so long a life */
};

/* How the places of one pool are spread. */
struct spread {
	uint32_t held[SEG_MAX_WORKERS]; /* by worker: in login, in use, idle */
	uint32_t moving;                /* on their way to somebody else */
};

static void
count(uint32_t pool, struct spread *sp)
{
	uint32_t used = atomic_load(&seg->slots_used);

	*sp = (struct spread){ .moving = 0 };
	for (uint32_t i = 0; i < used; i++) {
		const struct slot *s = slot_at(i);
		uint64_t word = slot_look(s);
		enum slot_state state = slot_state(word);

		if (state == SLOT_FREE || atomic_load(&s->pool) != pool)
			continue;
		if (state == SLOT_CLOSING || state == SLOT_RESERVED)
			sp->moving++;
		else if (slot_owner(word) < SEG_MAX_WORKERS)
			sp->held[slot_owner(word)]++;
	}
}

/*
 * Does a worker below its fair share wait for this pool, whose places are all
 * taken, and none of them is on its way to it?
 */
static bool
is_starving(const struct lend *l)
{
	uint32_t size = atomic_load(&l->row->size), waiting = 0, needy = 0;
	struct spread sp;

	for (uint32_t w = 0; w < seg->nworkers; w++)
		waiting += queue_look(w, l->pool, NULL) > 0;
	if (waiting == 0 || (waiting == 1 && l->nwaiting > 0) ||
	    limits_hint(l->pool, 0) == LIMITS_OK)
		return false;
	count(l->pool, &sp);
	for (uint32_t w = 0; w < seg->nworkers; w++)
		needy += w != self.me && queue_look(w, l->pool, NULL) > 0 &&
		    (uint64_t)sp.held[w] * waiting < size &&
		    sp.held[w] < sp.held[self.me];
	return needy > sp.moving;
}

static bool
has_served(const struct slot *s)
{
	return loop_now_us > atomic_load(&s->born_us) + SERVED_US;
}

bool
pinned_part(struct lend *l, struct backend *b)
{
	if (seg->nworkers == 1 || !has_served(slot_at(b->slot)) ||
	    !is_starving(l))
		return false;
	backend_close(b, "its place is wanted by another worker");
	return true;
}

/* Idle, ours, and no loss if it goes. */
static bool
is_to_spare(const struct backend *b)
{
	const struct slot *s = slot_at(b->slot);

	return b->lend != NULL && backend_is_pinned(b) &&
	    b->state == BACKEND_CACHED &&
	    slot_state(slot_look(s)) == SLOT_IDLE &&
	    (has_served(s) ||
		loop_now_us > atomic_load(&s->since_us) + REST_US);
}

/* One of ours is on its way out: whom that helps is seen when it has gone. */
static bool
is_parting(void)
{
	uint32_t used = atomic_load(&seg->slots_used);

	for (uint32_t i = 0; i < used; i++) {
		const struct backend *b = backend_at(i);

		if (b != NULL && b->tls != NULL && b->state == BACKEND_CLOSING)
			return true;
	}
	return false;
}

void
pinned_look(void)
{
	uint32_t used = atomic_load(&seg->slots_used);
	bool is_one_enough;

	/* those of before it was switched off are obsolete, and end as such */
	if (!servertls_is_on() || seg->nworkers == 1)
		return;
	is_one_enough = is_parting();
	for (uint32_t i = 0; i < used; i++) {
		struct backend *b = backend_at(i);
		bool is_due;

		if (b == NULL || !is_to_spare(b))
			continue;
		is_due = is_starving(b->lend);
		/* beyond its fair share, or of another pool: one at a time */
		if (!is_due && !is_one_enough)
			is_due = limits_is_wanted(i);
		if (!is_due)
			continue;
		is_one_enough = true;
		if (backend_claim(b))
			backend_close(
			    b, "its place is wanted by another worker");
	}
}

void
pinned_ask(const struct lend *l)
{
	uint32_t used = atomic_load(&seg->slots_used);
	bool is_rung[SEG_MAX_WORKERS] = { false };

	if (!servertls_is_on() || seg->nworkers == 1 ||
	    limits_hint(l->pool, 0) == LIMITS_OK)
		return;
	for (uint32_t i = 0; i < used; i++) {
		const struct slot *s = slot_at(i);
		uint64_t word = slot_look(s);
		uint32_t owner = slot_owner(word);

		if (slot_state(word) != SLOT_IDLE || owner == self.me ||
		    owner >= seg->nworkers || is_rung[owner] ||
		    (atomic_load(&s->flags) & SLOT_PINNED) == 0)
			continue;
		is_rung[owner] = true;
		bell_ring(owner);
	}
}
