#include "shm/repair.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "shm/chan.h"
#include "shm/clientrow.h"
#include "shm/limits.h"
#include "shm/pool.h"
#include "shm/proc.h"
#include "shm/queue.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "shm/trylock.h"

typedef bool has_fd_fn(uint32_t slot, uint64_t gen);

/* What one repair knows. */
struct work {
	has_fd_fn *has_fd; /* NULL: there is a descriptor for everything */
	struct repair *r;
	bool is_locked;                  /* the limits lock is ours */
	uint32_t given[SEG_MAX_WORKERS]; /* slots that each worker has got */
};

enum {
	SLOT_WEIGHT = 16
}; /* a slot to close is as much work as this many
                              clients: heirs are spread by it */

/* Nobody who lives owns it: the dead, whoever they are, and PROC_NOBODY. */
static bool
is_dead(uint32_t owner)
{
	const struct proc *p = proc_at(owner);

	return p == NULL || atomic_load(&p->gone) != 0;
}

/* --- heirs --- */

static uint32_t
lightest_worker(const struct work *w)
{
	uint32_t best = PROC_NOBODY;
	uint64_t best_load = 0;

	for (uint32_t i = 0; i < segtab.nworkers; i++) {
		uint64_t load = atomic_load(&segtab.procs[i].clients) +
		    (uint64_t)w->given[i] * SLOT_WEIGHT;

		if (proc_is_there(i) &&
		    (best == PROC_NOBODY || load < best_load)) {
			best = i;
			best_load = load;
		}
	}
	return best;
}

static uint32_t
holder_of(uint32_t idx, uint64_t gen)
{
	for (uint32_t i = 0; i < segtab.nworkers; i++)
		if (proc_is_there(i) && have_look(i, idx) == gen)
			return i;
	return PROC_NOBODY;
}

static void
list(struct work *w, uint32_t idx, uint64_t gen, uint32_t heir)
{
	struct repair *r = w->r;

	if (heir < SEG_MAX_WORKERS)
		w->given[heir]++;
	if (r->ntodo < segtab.nslots)
		r->todo[r->ntodo++] = (struct repair_todo){
			.slot = idx, .gen = gen, .heir = heir
		};
}

/*
 * RESERVED for the dead, or CLOSING of a backend that nobody can read any
 * more: the kernel closed its socket with its owner, so the place is free.
 */
static void
free_place(struct work *w, struct slot *s, uint64_t word)
{
	/* without the lock: the same again when it is held */
	if (w->is_locked)
		(void)limits_free(s, word);
}

/* The supervisor has none: it never had one, or has forgotten it. */
static bool
has_lost_fd(const struct work *w, uint32_t idx, uint64_t gen)
{
	return w->has_fd != NULL && !w->has_fd(idx, gen);
}

static bool
is_unreachable(const struct work *w, uint32_t idx, uint64_t gen)
{
	return has_lost_fd(w, idx, gen) && holder_of(idx, gen) == PROC_NOBODY;
}

/* Idle, but of no use to anybody: pinned to the dead, or without a socket. */
static bool
is_lost(const struct work *w, const struct slot *s, uint64_t word)
{
	return (atomic_load(&s->flags) & SLOT_PINNED) != 0 ||
	    is_unreachable(w, slot_idx(s), slot_gen(word));
}

/* LOGIN, ACTIVE or CLOSING of the dead: somebody must see its backend's end. */
static void
bequeath(struct work *w, struct slot *s, uint64_t word)
{
	uint32_t idx = slot_idx(s), heir;
	uint64_t gen = slot_gen(word);

	slot_info_mend(idx);
	/*
	 * The supervisor forgets a descriptor when its backend's end has been
	 * seen: who holds a duplicate still is about to drop it, and would
	 * wait for that end in vain.
	 */
	if (has_lost_fd(w, idx, gen)) {
		if (slot_move(s, word, SLOT_CLOSING, PROC_NOBODY))
			free_place(
			    w, s, slot_word(SLOT_CLOSING, PROC_NOBODY, gen));
		return;
	}
	heir = lightest_worker(w);
	/* waits for the first worker already, and there is none */
	if (heir == PROC_NOBODY &&
	    word == slot_word(SLOT_CLOSING, PROC_NOBODY, gen))
		return;
	if (slot_move(s, word, SLOT_CLOSING, heir))
		list(w, idx, gen, heir);
}

static void
mend_slot(struct work *w, struct slot *s)
{
	uint64_t word = slot_look(s);

	if (!is_dead(slot_owner(word)))
		return;
	switch (slot_state(word)) {
	case SLOT_LOGIN:
	case SLOT_ACTIVE:
	case SLOT_CLOSING:
		bequeath(w, s, word);
		break;
	case SLOT_GRANTED:
		(void)slot_move(s, word, SLOT_IDLE, slot_owner(word));
		break;
	case SLOT_RESERVED:
		free_place(w, s, word);
		break;
	case SLOT_IDLE:
		/* its last owner has no part in it, unless no one else has */
		if (is_lost(w, s, word) &&
		    slot_move(s, word, SLOT_ACTIVE, slot_owner(word)))
			bequeath(w, s, slot_look(s));
		break;
	case SLOT_FREE:
		break;
	}
}

static void
mend_slots(struct work *w)
{
	for (uint32_t i = 0; i < segtab.nslots; i++)
		mend_slot(w, &segtab.slots[i]);
}

/* --- locks --- */

/*
 * The limits lock: ours, a dead holder's (then all that it guards is counted
 * anew before anybody else may have it), or a living one's for a moment.
 */
static bool
take_limits(void)
{
	uint32_t held = atomic_load(&seg->limits_lock);

	if (held != 0 && held != PROC_SUPERVISOR + 1 && is_dead(held - 1) &&
	    atomic_compare_exchange_strong(
		&seg->limits_lock, &held, PROC_SUPERVISOR + 1)) {
		limits_recount();
		return true;
	}
	return limits_try(PROC_SUPERVISOR);
}

/* What the pools lock guards is whole at every moment. */
static void
free_pools_lock(void)
{
	uint32_t held = atomic_load(&seg->pools_lock);

	if (held != 0 && held != PROC_SUPERVISOR + 1 && is_dead(held - 1))
		trylock_drop(&seg->pools_lock, held - 1);
}

/* --- the rest of what the dead wrote --- */

static void
mend_words(uint32_t k)
{
	struct proc *p = proc_at(k);

	atomic_store(&p->clients, 0);
	atomic_store(&p->sleeping, 0);
	if (k >= segtab.nworkers)
		return;
	for (uint32_t i = 0; i < segtab.nslots; i++)
		if (have_look(k, i) != 0)
			have_set(k, i, 0);
	for (uint32_t i = 0; i < segtab.npools; i++) {
		_Atomic uint32_t *members =
		    &segtab.members[(size_t)k * segtab.npools + i];

		if (atomic_load(members) != 0)
			atomic_store(members, 0);
	}
	clientrow_withdraw(k);
}

static void
mend_pools(uint32_t k)
{
	uint32_t used = atomic_load(&seg->pools_used);

	for (uint32_t i = 0; i < used && i < segtab.npools; i++) {
		pool_login_mend(&segtab.pools[i], k);
		pool_keys_mend(&segtab.pools[i], k);
	}
}

/* A granter that died in between left a grant to one who had died before. */
static void
withdraw_the_gone(void)
{
	for (uint32_t i = 0; i < segtab.nworkers; i++)
		if (is_dead(i))
			queue_withdraw(i);
}

static void
name_keeper(void)
{
	static const struct work nothing;
	uint32_t keeper = atomic_load(&seg->keeper), next;

	if (keeper != 0 && proc_is_there(keeper - 1))
		return;
	next = lightest_worker(&nothing);
	atomic_store(&seg->keeper, next == PROC_NOBODY ? 0 : next + 1);
}

void
repair_process(uint32_t k, has_fd_fn *has_fd, struct repair *r)
{
	struct work w = { .has_fd = has_fd, .r = r };
	struct proc *p = proc_at(k);

	r->ntodo = 0;
	r->deferred = false;
	if (p == NULL)
		return;
	/* first of all: a granter looks at it after granting */
	atomic_store(&p->gone, 1);
	atomic_store(&p->state, PROC_DOWN);
	/* slots are read no stronger than acquire */
	atomic_thread_fence(memory_order_seq_cst);
	mend_words(k);
	mend_pools(k);
	withdraw_the_gone();
	/* most of it without the lock, so that it is held for a moment only */
	mend_slots(&w);
	w.is_locked = take_limits();
	r->deferred = !w.is_locked;
	if (w.is_locked) {
		mend_slots(&w);
		limits_drop(PROC_SUPERVISOR);
	}
	free_pools_lock();
	name_keeper();
	atomic_fetch_add(&seg->repairs, 1);
	bell_ring_all();
}

void
repair_adopt(uint32_t heir, has_fd_fn *has_fd, struct repair *r)
{
	struct work w = { .has_fd = has_fd, .r = r };

	r->ntodo = 0;
	r->deferred = false;
	if (!proc_is_there(heir))
		return;
	for (uint32_t i = 0; i < segtab.nslots; i++) {
		struct slot *s = &segtab.slots[i];
		uint64_t word = slot_look(s);

		if (slot_state(word) != SLOT_CLOSING ||
		    !is_dead(slot_owner(word)) ||
		    has_lost_fd(&w, i, slot_gen(word)))
			continue;
		if (slot_move(s, word, SLOT_CLOSING, heir))
			list(&w, i, slot_gen(word), heir);
	}
	name_keeper();
}
