/*
 * lend.c - the queue of each pool here, and who in it gets which backend.
 *
 * Data: queues are this process's own; the segment is reached through queue.h,
 * slot.h and pool.h.  Never blocks.
 */
#include "worker/backend/lend_impl.h"

#include "shm/crash.h"
#include "shm/queue.h"
#include "shm/segment.h"
#include "worker/backend/dedicate.h"
#include "worker/backend/kept.h"
#include "worker/backend/open.h"
#include "worker/backend/pinned.h"
#include "worker/io/outer.h"
#include "worker/self.h"

enum { TICK_US = 20000 }; /* how often waiting looks for untaken grants */

static struct lend *hot; /* those to look at before sleeping */

/* --- the queue -------------------------------------------------------------------- */

void
lend_publish(struct lend *l)
{
	uint64_t since_us = l->first == NULL ? 0 : l->first->since_us;
	uint32_t n = l->nwaiting + dedicate_shown(l, &since_us);

	queue_publish(self.me, l->pool, n, since_us);
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
	lend_publish(l);
	make_hot(l);
	if (!deadline_is_set(&l->timer))
		deadline_set(&l->timer, loop_now_us + TICK_US);
}

void
lend_forget(struct waiter *w)
{
	struct lend *l = w->lend;

	if (w->own != NULL) {
		dedicate_forget(w);
		return;
	}
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
	lend_publish(l);
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

bool
lend_serve(struct lend *l, struct backend *b)
{
	struct waiter *w;

	serve_greetings(l);
	if (dedicate_takes(l, b))
		return true;
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

	/* what others go by (the grant word, `have`) was stored before */
	atomic_thread_fence(memory_order_seq_cst);
	serve_greetings(l);
	while (l->nwaiting > 0 && (b = lend_claim(l)) != NULL)
		if (!lend_serve(l, b)) {
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
	if (open_is_hopeless(l, err)) {
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
	/* the first who waits; who comes later is seen to by the timer */
	if (open_try(l, false) == OPEN_NO && l->nwaiting == 1)
		pinned_ask(l);
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
	b->state = BACKEND_CACHED;
	if (!pool_is_paused(l->row)) {
		own = l->first == NULL ? 0 : l->first->since_us;
		if (backend_is_pinned(b) ? pinned_part(l, b)
					 : handover_give(l, b, word, own))
			return;
		if (dedicate_takes(l, b))
			return;
		if (l->nwaiting - l->ngreeting > l->nready) {
			make_ready(l, b);
			return;
		}
	}
	atomic_store_explicit(&s->since_us, loop_now_us, memory_order_relaxed);
	slot_move(s, word, SLOT_IDLE, self.me);
	if (!backend_is_pinned(b))
		handover_idle(l, b);
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
	if (l->nwaiting == 0 && l->nown == 0)
		return;
	make_hot(l);
	if (!deadline_is_set(&l->timer))
		deadline_set(&l->timer, loop_now_us + TICK_US);
}

/* --- once a turn -------------------------------------------------------------------- */

static void
serve_ready(struct lend *l)
{
	struct backend *b;

	while ((b = l->first_ready) != NULL) {
		lend_unready(l, b);
		/* the settings have changed since it was released */
		if (lend_is_untended(l, slot_at(b->slot)))
			backend_close(b, "its session was not looked after");
		else if (!lend_serve(l, b))
			lend_release(b);
	}
}

bool
lend_turn(bool rung)
{
	struct lend *list, *l;
	bool did = false;
	uint32_t i = 0;

	if (rung) {
		pinned_look();
		while ((l = lend_next(&i)) != NULL)
			make_hot(l);
	}
	list = hot;
	hot = NULL;
	while ((l = list) != NULL) {
		list = l->next_hot;
		l->is_hot = false;
		if (l->gen == 0)
			continue;
		serve_ready(l);
		if (seg->nworkers > 1 && handover_take(l)) {
			did = true;
			/* releasers passed us over while it was there */
			if (l->nwaiting > 0)
				lend_serve_idle(l);
		}
		if (l->nwaiting == 0 && l->nown == 0)
			continue;
		make_hot(l);
		open_look(l);
		if (rung)
			lend_serve_idle(l);
		serve_greetings(l);
		if (l->nwaiting > 0 || l->nown > 0)
			did |= open_try(l, false) != OPEN_NO;
	}
	return did;
}

/* query_wait_timeout: the queue is in order, so the first goes first. */
static void
expire(struct lend *l)
{
	static const char kept[] = "query_wait_timeout (all servers are kept "
				   "by clients that need their session)";
	uint64_t timeout = (uint64_t)l->set.query_wait_timeout_ms * 1000;
	struct waiter *w;
	struct err e;

	if (timeout == 0)
		return;
	while ((w = l->first) != NULL && loop_now_us - w->since_us >= timeout) {
		if (kept_all(l) > 0)
			err_set(&e, "08P01", kept, "%s", kept);
		else
			err_set(&e, "08P01", "query_wait_timeout",
			    "query_wait_timeout");
		lend_forget(w);
		w->on_error(w, &e);
	}
}

void
lend_on_timer(struct deadline *d)
{
	struct lend *l = OUTER_OF(d, struct lend, timer);

	if (l->nwaiting == 0 && l->nown == 0)
		return;
	lend_refresh(l);
	expire(l);
	handover_recover(l);
	open_look(l);
	dedicate_tick(l);
	lend_serve_idle(l);
	if (l->nwaiting == 0 && l->nown == 0)
		return;
	/* one that is ready is lent when the turn ends: no need of another */
	if (l->first_ready == NULL && open_try(l, false) == OPEN_NO)
		pinned_ask(l);
	deadline_set(&l->timer, loop_now_us + TICK_US);
}

void
lend_rescan(void)
{
	struct lend *l;
	uint32_t i = 0;

	backend_rescan();
	handover_find();
	handover_recover(NULL);
	while ((l = lend_next(&i)) != NULL) {
		make_hot(l);
		if (l->nwaiting > 0)
			lend_serve_idle(l);
	}
}
