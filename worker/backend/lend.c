/*
 * lend.c - the queue of each pool here, and the hand-over of backends.
 *
 * Data: queues are this process's own; the segment is reached through queue.h,
 * slot.h and pool.h.  Never blocks.
 */
#include "worker/backend/lend_impl.h"

#include "shm/crash.h"
#include "shm/limits.h"
#include "shm/proc.h"
#include "shm/queue.h"
#include "shm/segment.h"
#include "worker/backend/open.h"
#include "worker/io/outer.h"
#include "worker/self.h"

enum {
	UNTAKEN_US = 20000, /* a grant that lies so long may be taken back */
	TICK_US = 20000,    /* how often waiting looks for such */
};

static struct lend *hot; /* those to look at before sleeping */

/* --- the queue -------------------------------------------------------------------- */

static void
publish(struct lend *l)
{
	queue_publish(self.me, l->pool, l->nwaiting,
	    l->first == NULL ? 0 : l->first->since_us);
}

static void
make_hot(struct lend *l)
{
	if (l->is_hot)
		return;
	l->is_hot = true;
	l->next_hot = hot;
	hot = l;
}

static void
enqueue(struct lend *l, struct waiter *w, bool is_greeting)
{
	w->lend = l;
	w->since_us = loop_now_us;
	w->is_greeting = is_greeting;
	w->next = NULL;
	w->prev = l->last;
	if (l->last != NULL)
		l->last->next = w;
	else
		l->first = w;
	l->last = w;
	l->nwaiting++;
	l->ngreeting += is_greeting;
	publish(l);
	make_hot(l);
	if (!deadline_is_set(&l->timer))
		deadline_set(&l->timer, loop_now_us + TICK_US);
}

void
lend_forget(struct waiter *w)
{
	struct lend *l = w->lend;

	if (l == NULL)
		return;
	if (w->prev != NULL)
		w->prev->next = w->next;
	else
		l->first = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	else
		l->last = w->prev;
	w->lend = NULL;
	l->nwaiting--;
	l->ngreeting -= w->is_greeting;
	publish(l);
}

static void
account(struct lend *l, struct backend *b, uint64_t waited_us)
{
	struct slot *s = slot_at(b->slot);

	count_add(l->count, COUNT_ASSIGNMENTS, 1);
	count_add(l->count, COUNT_WAIT_US, waited_us);
	atomic_store_explicit(&s->since_us, loop_now_us, memory_order_relaxed);
	if (!(atomic_load_explicit(&s->flags, memory_order_relaxed) &
		SLOT_USED))
		atomic_fetch_or(&s->flags, SLOT_USED);
}

/* All who want only the greeting, if it is there. */
static void
serve_greetings(struct lend *l)
{
	struct waiter *w, *next;

	if (l->ngreeting == 0 || atomic_load(&l->row->greeting_number) == 0)
		return;
	for (w = l->first; w != NULL; w = next) {
		next = w->next;
		if (!w->is_greeting)
			continue;
		lend_forget(w);
		w->on_ready(w, NULL);
		next = l->first;
	}
}

/* A backend that is ours and fit goes to our oldest; false: nobody waits. */
static bool
serve(struct lend *l, struct backend *b)
{
	struct waiter *w;

	serve_greetings(l);
	for (w = l->first; w != NULL && w->is_greeting; w = w->next)
		;
	if (w == NULL)
		return false;
	lend_forget(w);
	account(l, b, loop_now_us - w->since_us);
	w->on_ready(w, b);
	return true;
}

void
lend_serve_idle(struct lend *l)
{
	struct backend *b;

	serve_greetings(l);
	while (l->nwaiting > 0 && (b = lend_claim(l)) != NULL)
		if (!serve(l, b)) {
			lend_release(b);
			return;
		}
}

struct backend *
lend_take(struct lend *l, struct waiter *w, bool *failed, struct err *err)
{
	struct backend *b;

	*failed = false;
	lend_refresh(l);
	if (l->nwaiting == 0 && (b = lend_claim(l)) != NULL) {
		account(l, b, 0);
		return b;
	}
	if (l->db == NULL) {
		*failed = true;
		err_set(err, "3D000", "database removed", "database removed");
		return NULL;
	}
	if (atomic_load(&l->row->count) == 0 && open_is_failing(l, err)) {
		*failed = true;
		return NULL;
	}
	enqueue(l, w, false);
	CRASH_POINT("lend.enqueued");
	/* the second look: stored first, looked after, in every order of
	 * memory; what it looks at is read no stronger than acquire */
	atomic_thread_fence(memory_order_seq_cst);
	if (l->first == w && (b = lend_claim(l)) != NULL) {
		lend_forget(w);
		account(l, b, 0);
		return b;
	}
	open_try(l, false);
	return NULL;
}

bool
lend_greeting(struct lend *l, struct waiter *w, struct err *err)
{
	lend_refresh(l);
	if (open_is_failing(l, err))
		return false;
	enqueue(l, w, true);
	open_try(l, false);
	return true;
}

/* --- the hand-over -------------------------------------------------------------- */

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
	CRASH_POINT("lend.granted");
	if (grant_offer(to, l->pool, b->slot, b->gen) && proc_is_there(to)) {
		CRASH_POINT("lend.offered");
		bell_wake(to);
		return true;
	}
	/* it had one already, or it has died: take it back */
	if (!slot_move(s, granted, SLOT_IDLE, self.me))
		return true;
	return slot_state(word) == SLOT_ACTIVE &&
	    !slot_move(s, idle, SLOT_ACTIVE, self.me);
}

/* Give it to whichever other worker should have it; as grant(). */
static bool
grant_next(
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

/* Somebody of another pool may wait for the room that this one takes up. */
static void
wake_siblings(struct lend *l)
{
	const struct party *db = db_at(l->row->db),
			   *user = user_at(l->row->user);
	uint32_t used;

	if (atomic_load(&db->count) < atomic_load(&db->max) &&
	    atomic_load(&user->count) < atomic_load(&user->max))
		return;
	used = atomic_load(&seg->pools_used);
	for (uint32_t i = 0; i < used; i++) {
		const struct pool *p = pool_at(i);

		if (i == l->pool ||
		    (p->db != l->row->db && p->user != l->row->user))
			continue;
		for (uint32_t w = 0; w < seg->nworkers; w++)
			if (queue_look(w, i, NULL) > 0)
				bell_ring(w);
	}
}

/* The slot has just become idle: did somebody begin to wait meanwhile? */
static void
look_again(struct lend *l, struct backend *b)
{
	uint64_t idle = slot_word(SLOT_IDLE, self.me, b->gen);

	CRASH_POINT("lend.idle");
	(void)grant_next(l, b, idle, 0);
	wake_siblings(l);
}

/*
 * One of our own waiters gets it when the turn ends.  Backends that get their
 * work together answer together: the loop wakes up less often, for more.
 */
static void
make_ready(struct lend *l, struct backend *b)
{
	b->state = BACKEND_HELD;
	b->is_ready = true;
	b->next_ready = NULL;
	if (l->last_ready != NULL)
		l->last_ready->next_ready = b;
	else
		l->first_ready = b;
	l->last_ready = b;
	l->nready++;
	make_hot(l);
}

void
lend_release(struct backend *b)
{
	struct lend *l = b->lend;
	struct slot *s = slot_at(b->slot);
	uint64_t word = slot_look(s), own;
	const char *why = lend_unfit(l, s);

	if (why != NULL) {
		backend_close(b, "%s", why);
		return;
	}
	atomic_store_explicit(&s->client, 0, memory_order_relaxed);
	b->state = BACKEND_CACHED;
	if (!pool_is_paused(l->row)) {
		own = l->first == NULL ? 0 : l->first->since_us;
		if (grant_next(l, b, word, own))
			return;
		if (l->nwaiting - l->ngreeting > l->nready) {
			make_ready(l, b);
			return;
		}
	}
	atomic_store_explicit(&s->since_us, loop_now_us, memory_order_relaxed);
	slot_move(s, word, SLOT_IDLE, self.me);
	look_again(l, b);
}

void
lend_wake_others(struct lend *l)
{
	for (uint32_t w = 0; w < seg->nworkers; w++)
		if (w != self.me && queue_look(w, l->pool, NULL) > 0)
			bell_wake(w);
}

void
lend_login_ended(struct lend *l, bool well)
{
	if (well && atomic_load(&l->row->failure_number) != 0)
		pool_failure_clear(l->row);
	pool_login_drop(l->row, self.me);
	CRASH_POINT("lend.login_ended");
	lend_wake_others(l);
	lend_room(l);
}

void
lend_room(struct lend *l)
{
	if (l->nwaiting > 0)
		make_hot(l);
}

/* --- once a turn -------------------------------------------------------------------- */

/* A grant or a reservation for us?  True: something was done. */
static bool
take_grant(struct lend *l)
{
	uint32_t slot;
	uint64_t gen, word;
	struct slot *s;
	struct backend *b;

	if (!grant_look(self.me, l->pool, &slot, &gen))
		return false;
	CRASH_POINT("lend.grant_seen");
	s = slot_at(slot);
	word = s == NULL ? 0 : slot_look(s);
	b = backend_at(slot);
	if (s != NULL && slot_gen(word) == gen && slot_owner(word) == self.me) {
		if (slot_state(word) == SLOT_RESERVED) {
			grant_clear(self.me, l->pool);
			open_reserved(l, slot, gen);
			return true;
		}
		if (slot_state(word) == SLOT_GRANTED && b != NULL &&
		    b->gen == gen && slot_move(s, word, SLOT_ACTIVE, self.me)) {
			grant_clear(self.me, l->pool);
			CRASH_POINT("lend.grant_taken");
			if (backend_taken(b) && lend_is_fit(l, b) &&
			    !serve(l, b))
				lend_release(b);
			return true;
		}
	}
	grant_clear(self.me, l->pool);
	return true;
}

static void
serve_ready(struct lend *l)
{
	struct backend *b;

	while ((b = l->first_ready) != NULL) {
		lend_unready(l, b);
		if (!serve(l, b))
			lend_release(b);
	}
}

bool
lend_turn(bool rung)
{
	struct lend *list, *l;
	bool did = false;
	uint32_t i = 0;

	if (rung)
		while ((l = lend_next(&i)) != NULL)
			make_hot(l);
	list = hot;
	hot = NULL;
	while ((l = list) != NULL) {
		list = l->next_hot;
		l->is_hot = false;
		if (l->gen == 0)
			continue;
		serve_ready(l);
		if (seg->nworkers > 1)
			did |= take_grant(l);
		if (l->nwaiting == 0)
			continue;
		make_hot(l);
		open_look(l);
		if (rung)
			lend_serve_idle(l);
		serve_greetings(l);
		if (l->nwaiting > 0)
			did |= open_try(l, false) != OPEN_NO;
	}
	return did;
}

/* Grants and reservations that nobody takes; in one pool, or (NULL) in all:
 * where nobody waits any more they would keep others from their places. */
static void
take_back_untaken(const struct lend *l)
{
	uint32_t used = atomic_load(&seg->slots_used);

	for (uint32_t i = 0; i < used; i++) {
		struct slot *s = slot_at(i);
		uint64_t word = slot_look(s);
		enum slot_state st = slot_state(word);
		struct backend *b = backend_at(i);
		bool is_busy;

		if ((st != SLOT_GRANTED && st != SLOT_RESERVED) ||
		    (l != NULL && atomic_load(&s->pool) != l->pool) ||
		    loop_now_us < atomic_load(&s->since_us) + UNTAKEN_US)
			continue;
		if (st == SLOT_RESERVED)
			limits_giveback(self.me, i, slot_gen(word), &is_busy);
		else if (slot_move(s, word, SLOT_IDLE, self.me) && b != NULL &&
		    b->gen == slot_gen(word))
			(void)loop_want(&b->watch, LOOP_READ);
	}
}

/* query_wait_timeout: the queue is in order, so the first goes first. */
static void
expire(struct lend *l)
{
	uint64_t timeout = (uint64_t)l->set.query_wait_timeout_ms * 1000;
	struct waiter *w;
	struct err e;

	if (timeout == 0)
		return;
	while ((w = l->first) != NULL && loop_now_us - w->since_us >= timeout) {
		err_set(
		    &e, "08P01", "query_wait_timeout", "query_wait_timeout");
		lend_forget(w);
		w->on_error(w, &e);
	}
}

void
lend_on_timer(struct deadline *d)
{
	struct lend *l = OUTER_OF(d, struct lend, timer);

	if (l->nwaiting == 0)
		return;
	lend_refresh(l);
	expire(l);
	take_back_untaken(l);
	open_look(l);
	lend_serve_idle(l);
	if (l->nwaiting == 0)
		return;
	open_try(l, false);
	deadline_set(&l->timer, loop_now_us + TICK_US);
}

void
lend_rescan(void)
{
	struct lend *l;
	uint32_t i = 0;

	backend_rescan();
	take_back_untaken(NULL);
	while ((l = lend_next(&i)) != NULL) {
		make_hot(l);
		if (l->nwaiting > 0)
			lend_serve_idle(l);
	}
}
