/*
 * handover.c - backends and places on their way from one worker to another.
 *
 *   ACTIVE(me) or IDLE -> GRANTED(to) -> ACTIVE(to)    the word first, then
 *                            `-> IDLE                  the offer, the bell
 *
 * A grant is a word of the slot and an offer in the receiver's one place for
 * this pool.  Whoever finds that it cannot be taken, or has not been taken for
 * a while, puts the word back; an offer whose word has changed means nothing.
 *
 * Data: slots by slot_move(), offers by queue.h.  Never blocks.
 */
#include "worker/backend/lend_impl.h"

#include "shm/crash.h"
#include "shm/limits.h"
#include "shm/proc.h"
#include "shm/queue.h"
#include "shm/segment.h"
#include "worker/backend/depart.h"
#include "worker/backend/open.h"
#include "worker/self.h"

enum { UNTAKEN_US = 20000 }; /* a grant that lies so long may be taken back */

/*
 * Grant the slot, whose word is `word` (ACTIVE(me) or IDLE), to a worker.
 * True: it is no longer ours to dispose of.  False: all is as before.
 */
static bool
grant(struct lend *l, struct backend *b, uint64_t word, uint32_t to)
{
	struct slot *s = slot_at(b->slot);
	uint64_t granted = slot_word(SLOT_GRANTED, to, b->gen);
	uint64_t idle = slot_word(SLOT_IDLE, self.me, b->gen);

	atomic_store(&s->since_us, loop_now_us);
	if (!slot_move(s, word, SLOT_GRANTED, to))
		return true; /* it was idle, and somebody has claimed it */
	CRASH_POINT("handover.granted");
	if (grant_offer(to, l->pool, b->slot, b->gen) && proc_is_there(to)) {
		CRASH_POINT("handover.offered");
		/* rung even if it is awake: it may just have lost its last
		 * waiter, and then it looks no more at this pool */
		bell_ring(to);
		return true;
	}
	/* it had one already, or it has died: take it back */
	if (!slot_move(s, granted, SLOT_IDLE, self.me))
		return true;
	return slot_state(word) == SLOT_ACTIVE &&
	    !slot_move(s, idle, SLOT_ACTIVE, self.me);
}

bool
handover_give(
    struct lend *l, struct backend *b, uint64_t word, uint64_t own_since_us)
{
	uint32_t to;

	if (seg->nworkers == 1)
		return false;
	/* each round leaves one worker fewer to choose from */
	while ((to = queue_next(self.me, l->pool, b->slot, b->gen, own_since_us,
		    loop_now_us)) != PROC_NOBODY)
		if (grant(l, b, word, to))
			return true;
	return false;
}

/* Ring whoever waits for a pool that shares a limit with pool `p`; `is_own`:
 * for `p` itself, too. */
static void
ring_waiters(const struct pool *p, bool is_own)
{
	uint32_t used = atomic_load(&seg->pools_used);

	for (uint32_t i = 0; i < used; i++) {
		const struct pool *q = pool_at(i);

		if ((q == p && !is_own) ||
		    (q->db != p->db && q->user != p->user))
			continue;
		for (uint32_t w = 0; w < seg->nworkers; w++)
			if (queue_look(w, i, NULL) > 0)
				bell_ring(w);
	}
}

void
handover_room(uint32_t pool)
{
	const struct pool *p = pool_at(pool);

	if (p != NULL)
		ring_waiters(p, true);
}

/* Somebody of another pool may wait for the room that this one takes up. */
static void
wake_siblings(struct lend *l)
{
	const struct party *db = db_at(l->row->db),
			   *user = user_at(l->row->user);

	if (atomic_load(&db->count) >= atomic_load(&db->max) ||
	    atomic_load(&user->count) >= atomic_load(&user->max))
		ring_waiters(l->row, false);
}

void
handover_idle(struct lend *l, struct backend *b)
{
	uint64_t idle = slot_word(SLOT_IDLE, self.me, b->gen);

	CRASH_POINT("handover.idle");
	(void)handover_give(l, b, idle, 0);
	wake_siblings(l);
}

/* What is GRANTED or RESERVED to us, if slot `i` still is. */
static void
take_slot(struct lend *l, uint32_t i, uint64_t gen)
{
	struct slot *s = slot_at(i);
	uint64_t word = s == NULL ? 0 : slot_look(s);
	struct backend *b = backend_at(i);

	if (s == NULL || slot_gen(word) != gen || slot_owner(word) != self.me)
		return;
	if (slot_state(word) == SLOT_RESERVED) {
		open_reserved(l, i, gen);
		return;
	}
	if (slot_state(word) != SLOT_GRANTED || b == NULL || b->gen != gen ||
	    !slot_move(s, word, SLOT_ACTIVE, self.me))
		return;
	CRASH_POINT("handover.taken");
	if (backend_taken(b) && lend_is_fit(l, b) && !lend_serve(l, b))
		lend_release(b);
}

bool
handover_take(struct lend *l)
{
	uint32_t slot;
	uint64_t gen;

	if (!grant_look(self.me, l->pool, &slot, &gen))
		return false;
	CRASH_POINT("handover.seen");
	grant_clear(self.me, l->pool);
	take_slot(l, slot, gen);
	return true;
}

void
handover_find(void)
{
	uint32_t used = atomic_load(&seg->slots_used);

	for (uint32_t i = 0; i < used; i++) {
		const struct slot *s = slot_at(i);
		uint64_t word = slot_look(s);
		struct lend *l;

		if (slot_owner(word) != self.me ||
		    (slot_state(word) != SLOT_GRANTED &&
			slot_state(word) != SLOT_RESERVED))
			continue;
		l = lend_at(atomic_load(&s->pool));
		if (l != NULL && l->gen != 0)
			take_slot(l, i, slot_gen(word));
	}
}

/* Idle again, it is ours to watch, and anybody's to want. */
static void
recover_grant(struct slot *s, uint32_t i, uint64_t word)
{
	struct backend *b = backend_at(i);

	if (!slot_move(s, word, SLOT_IDLE, self.me))
		return;
	if (b == NULL || b->gen != slot_gen(word) || b->lend == NULL) {
		handover_room(atomic_load(&s->pool));
		return;
	}
	(void)loop_want(&b->watch, LOOP_READ);
	handover_idle(b->lend, b);
}

void
handover_recover(const struct lend *l)
{
	uint32_t used = atomic_load(&seg->slots_used);

	for (uint32_t i = 0; i < used; i++) {
		struct slot *s = slot_at(i);
		uint64_t word = slot_look(s);
		enum slot_state st = slot_state(word);

		if ((st != SLOT_GRANTED && st != SLOT_RESERVED) ||
		    (l != NULL && atomic_load(&s->pool) != l->pool) ||
		    loop_now_us < atomic_load(&s->since_us) + UNTAKEN_US)
			continue;
		if (st == SLOT_RESERVED)
			depart_giveback(i, slot_gen(word));
		else
			recover_grant(s, i, word);
	}
}
