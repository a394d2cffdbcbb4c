#include "worker/backend/dedicate.h"

#include "shm/crash.h"
#include "shm/limits.h"
#include "worker/backend/depart.h"
#include "worker/backend/lend_impl.h"
#include "worker/backend/open.h"
#include "worker/self.h"

/* --- the queue -------------------------------------------------------------- */

/* Could the first of them do with a backend's place?  If there is room, it
 * needs none; while a login is under way, it could not use one. */
static bool
is_useful(const struct lend *l)
{
	return l->first_own != NULL && !l->is_evicting &&
	    atomic_load(&l->row->login) == 0 &&
	    limits_hint(l->pool, 0) != LIMITS_OK;
}

static void
show(struct lend *l, bool is_shown)
{
	if (l->is_own_shown == is_shown)
		return;
	l->is_own_shown = is_shown;
	lend_publish(l);
}

uint32_t
dedicate_shown(const struct lend *l, uint64_t *since_us)
{
	if (!l->is_own_shown || l->first_own == NULL)
		return 0;
	if (*since_us == 0 || l->first_own->since_us < *since_us)
		*since_us = l->first_own->since_us;
	return l->nown;
}

static void
leave_queue(struct waiter *w)
{
	struct lend *l = w->lend;

	if (w->prev != NULL)
		w->prev->next = w->next;
	else
		l->first_own = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	else
		l->last_own = w->prev;
	w->lend = NULL;
	l->nown--;
	l->is_own_shown = l->is_own_shown && l->nown > 0;
	lend_publish(l);
}

bool
dedicate_wait(struct lend *l, struct waiter *w, struct err *err)
{
	lend_refresh(l);
	if (l->db == NULL) {
		err_set(err, "3D000", "database removed", "database removed");
		return false;
	}
	if (open_is_failing(l, err))
		return false;
	w->lend = l;
	w->since_us = loop_now_us;
	w->is_greeting = false;
	w->next = NULL;
	w->prev = l->last_own;
	if (l->last_own != NULL)
		l->last_own->next = w;
	else
		l->first_own = w;
	l->last_own = w;
	l->nown++;
	CRASH_POINT("dedicate.waits");
	if (open_try(l, false) == OPEN_NO) {
		show(l, is_useful(l));
		dedicate_serve_idle(l);
	}
	lend_room(l);
	return true;
}

void
dedicate_forget(struct waiter *w)
{
	struct backend *b = w->own->opening;

	w->own->opening = NULL;
	if (w->lend != NULL)
		leave_queue(w);
	if (b == NULL)
		return;
	b->own = NULL;
	backend_close(b, "its client has gone");
}

/* --- a place ------------------------------------------------------------------ */

/* Before the pool's other waiters, by the time of its coming. */
static bool
is_turn(const struct lend *l)
{
	const struct waiter *w = l->first;

	while (w != NULL && w->is_greeting)
		w = w->next;
	return l->first_own != NULL &&
	    (w == NULL || l->first_own->since_us <= w->since_us);
}

bool
dedicate_is_next(struct lend *l)
{
	return is_turn(l) && is_useful(l);
}

bool
dedicate_takes(struct lend *l, struct backend *b)
{
	if (l->first_own == NULL)
		return false;
	if (!dedicate_is_next(l)) {
		/* whoever granted it to us must not do so at once again */
		show(l, false);
		return false;
	}
	l->is_evicting = true;
	show(l, false);
	CRASH_POINT("dedicate.takes");
	backend_evict(b, l);
	return true;
}

void
dedicate_serve_idle(struct lend *l)
{
	struct backend *b;

	if (dedicate_is_next(l) && (b = lend_claim(l)) != NULL &&
	    !dedicate_takes(l, b))
		lend_release(b);
}

void
dedicate_tick(struct lend *l)
{
	uint64_t timeout_us = (uint64_t)l->set.query_wait_timeout_ms * 1000;
	struct waiter *w;
	struct err e;

	while (timeout_us > 0 && (w = l->first_own) != NULL &&
	    loop_now_us - w->since_us >= timeout_us) {
		err_set(
		    &e, "08P01", "query_wait_timeout", "query_wait_timeout");
		leave_queue(w);
		w->on_error(w, &e);
	}
	show(l, is_useful(l));
	dedicate_serve_idle(l);
}

void
dedicate_assign(struct backend *b)
{
	if (!is_turn(b->lend))
		return;
	b->own = b->lend->first_own;
	b->own->own->opening = b;
	leave_queue(b->own);
}

/* --- the login ------------------------------------------------------------------ */

void
dedicate_ready(struct backend *b, const struct pool_greeting *greeting)
{
	struct waiter *w = b->own;
	struct slot *s = slot_at(b->slot);
	bool is_logical = w->own->kind == STARTUP_LOGICAL;

	b->own = NULL;
	w->own->opening = NULL;
	deadline_clear(&b->deadline);
	b->state = BACKEND_HELD;
	track_init(&b->track, 'I');
	atomic_store(&s->flags, is_logical ? SLOT_LOGICAL : SLOT_PHYSICAL);
	atomic_store(&s->since_us, loop_now_us);
	slot_move(s, slot_look(s), SLOT_ACTIVE, self.me);
	CRASH_POINT("dedicate.ready");
	/* it says little of how an ordinary login would go */
	lend_login_ended(b->lend, false);
	w->own->greeting = greeting;
	w->on_ready(w, b);
}

void
dedicate_failed(struct backend *b, const struct err *e)
{
	struct waiter *w = b->own;

	b->own = NULL;
	w->own->opening = NULL;
	/* harmless if it is on its way out already */
	backend_close(b, "login failed: %s", e->log[0] ? e->log : e->say);
	w->on_error(w, e);
}
