#include "worker/backend/open.h"

#include <stdio.h>
#include <string.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "shm/crash.h"
#include "shm/limits.h"
#include "shm/proc.h"
#include "shm/queue.h"
#include "shm/segment.h"
#include "worker/backend/dedicate.h"
#include "worker/backend/depart.h"
#include "worker/backend/login.h"
#include "worker/self.h"

enum {
	RETRY_MIN_MS = 20,
	REST_US = 50000,     /* idle so long, a backend may be evicted */
	SERVED_US = 1000000, /* or after so long a life */
};

/*
 * Is it about this pool for certain?  What the server says is: wrong password,
 * unknown database, not allowed.  Not "too many clients", "starting up",
 * "shutting down": these pass.  What it asks for, and nobody here can answer,
 * is so too.
 */
static bool
is_final(const struct lend *l, const struct pool_failure *f)
{
	if (f->told != POOL_TOLD)
		return f->told != POOL_UNTOLD && !login_can_answer(l, f);
	return strncmp(f->sqlstate, "53", 2) != 0 &&
	    strncmp(f->sqlstate, "57", 2) != 0;
}

/* The last login failed, and none has succeeded since. */
static bool
failure_of(const struct lend *l, struct pool_failure *f)
{
	return atomic_load(&l->row->failure_number) != 0 &&
	    pool_failure_look(l->row, f) && f->when_ms != 0;
}

uint64_t
open_retry_us(const struct lend *l)
{
	uint64_t pause_ms = (uint64_t)self.conf->server_login_retry_ms;
	struct pool_failure f;

	/* what was missing then is here: no reason to wait */
	if (!failure_of(l, &f) || login_can_answer(l, &f))
		return 0;
	/* "at once" must leave others a turn */
	if (pause_ms < RETRY_MIN_MS)
		pause_ms = RETRY_MIN_MS;
	return (f.when_ms + pause_ms) * 1000;
}

bool
open_is_failing(struct lend *l, struct err *e)
{
	struct pool_failure f;
	uint64_t until;

	if (!failure_of(l, &f) || !is_final(l, &f))
		return false;
	until = (f.when_ms + (uint64_t)self.conf->server_login_retry_ms) * 1000;
	if (loop_now_us >= until)
		return false;
	err_set(e, f.sqlstate, "", NULL);
	snprintf(e->say, sizeof(e->say),
	    "server login has been failing, cached error: %.60s "
	    "(server_login_retry)",
	    f.say);
	snprintf(e->log, sizeof(e->log), "%s", e->say);
	return true;
}

/* Those in login, and those on their way out, serve nobody. */
static bool
has_servers(const struct lend *l)
{
	uint32_t used = atomic_load(&seg->slots_used);

	for (uint32_t i = 0; i < used; i++) {
		const struct slot *s = slot_at(i);
		enum slot_state state = slot_state(slot_look(s));

		if ((state == SLOT_ACTIVE || state == SLOT_IDLE ||
			state == SLOT_GRANTED) &&
		    (atomic_load(&s->flags) & SLOT_DEDICATED) == 0 &&
		    atomic_load(&s->pool) == l->pool)
			return true;
	}
	return false;
}

bool
open_is_hopeless(struct lend *l, struct err *e)
{
	return open_is_failing(l, e) && !has_servers(l);
}

void
open_look(struct lend *l)
{
	uint64_t number = atomic_load(&l->row->failure_number);
	struct waiter *w, *next;
	struct pool_failure f;
	bool is_served;
	struct err e;

	if (number == 0 || number == l->failure_seen)
		return;
	if (!pool_failure_look(l->row, &f))
		return;
	l->failure_seen = number;
	if (!is_final(l, &f))
		return;
	is_served = has_servers(l);
	err_set(&e, f.sqlstate, f.say, "%s%s",
	    f.told == POOL_TOLD ? "server login failed: " : "", f.say);
	for (w = l->first; w != NULL; w = next) {
		next = w->next;
		/* the others may have a server in their turn */
		if (w->since_us > f.when_ms * 1000 + 999 ||
		    (is_served && !w->is_greeting))
			continue;
		lend_forget(w);
		w->on_error(w, &e);
		/* it may have taken others with it */
		next = l->first;
	}
}

void
open_failed(
    struct backend *b, const struct err *e, enum pool_told told, uint32_t mark)
{
	struct lend *l = b->lend;
	struct pool_failure f;

	if (b->own != NULL) {
		dedicate_failed(b, e);
		return;
	}
	memset(&f, 0, sizeof(f));
	f.when_ms = clock_now_ms();
	f.told = told;
	f.mark = mark;
	snprintf(f.sqlstate, sizeof(f.sqlstate), "%s", e->sqlstate);
	(void)compat_strlcpy(f.say, e->say, sizeof(f.say));
	pool_failure_write(l->row, &f);
	CRASH_POINT("open.failed");
	backend_close(b, "login failed: %s", e->log[0] ? e->log : e->say);
}

/* Two busy pools under one limit would otherwise take each other's backends
 * in turn, at the cost of a login each time. */
static bool
is_to_spare(const struct slot *s)
{
	return loop_now_us > atomic_load(&s->since_us) + REST_US ||
	    loop_now_us > atomic_load(&s->born_us) + SERVED_US;
}

/* The least recently used idle backend of another pool under the limit that
 * is full, claimed; NULL: there is none. */
static struct backend *
find_victim(struct lend *l, bool by_db)
{
	uint32_t used = atomic_load(&seg->slots_used);
	uint64_t oldest = UINT64_MAX;
	struct backend *victim = NULL;

	for (uint32_t i = 0; i < used; i++) {
		struct backend *b = backend_at(i);
		const struct pool *p;
		uint64_t since;

		if (b == NULL || b->lend == NULL || b->lend == l ||
		    b->state != BACKEND_CACHED ||
		    slot_state(slot_look(slot_at(i))) != SLOT_IDLE)
			continue;
		p = b->lend->row;
		if (by_db ? p->db != l->row->db : p->user != l->row->user)
			continue;
		if (atomic_load(&p->count) <= atomic_load(&p->min_size) ||
		    !is_to_spare(slot_at(i)))
			continue;
		since = atomic_load(&slot_at(i)->since_us);
		if (since < oldest) {
			oldest = since;
			victim = b;
		}
	}
	return victim != NULL && backend_claim(victim) ? victim : NULL;
}

static enum open_answer
evict(struct lend *l, bool by_db)
{
	struct backend *victim;

	/* one at a time for each pool: its place is on the way to us */
	if (l->is_evicting)
		return OPEN_NO;
	victim = find_victim(l, by_db);
	if (victim == NULL)
		return OPEN_NO;
	l->is_evicting = true;
	backend_evict(victim, l);
	return OPEN_STARTED;
}

static uint32_t
extra_for(const struct lend *l)
{
	uint64_t after = (uint64_t)self.conf->reserve_pool_timeout_ms * 1000;
	uint32_t reserve = atomic_load(&l->row->reserve);

	/* a timeout of 0 is no reserve */
	if (reserve == 0 || after == 0 || l->first == NULL ||
	    loop_now_us - l->first->since_us < after)
		return 0;
	return reserve;
}

/* Whatever the limits say: is it the time to open one? */
static bool
is_time(const struct lend *l)
{
	uint32_t stopping = atomic_load(&seg->stopping);

	return l->db != NULL && !pool_is_paused(l->row) &&
	    stopping != SEG_NOW && stopping != SEG_WAIT_SERVERS &&
	    loop_now_us >= open_retry_us(l);
}

enum open_answer
open_try(struct lend *l, bool is_spare)
{
	uint32_t extra, slot;
	uint64_t gen;
	enum limits_answer a;

	lend_refresh(l);
	if (atomic_load(&l->row->login) != 0 || !is_time(l))
		return OPEN_NO;
	extra = is_spare ? 0 : extra_for(l);
	a = limits_hint(l->pool, extra);
	if (a == LIMITS_POOL || a == LIMITS_SLOTS)
		return OPEN_NO;
	if (a == LIMITS_DB || a == LIMITS_USER)
		return is_spare ? OPEN_NO : evict(l, a == LIMITS_DB);
	if (!pool_login_take(l->row, self.me))
		return OPEN_NO;
	CRASH_POINT("open.login_taken");
	a = limits_open(self.me, l->pool, extra, self.conf_number, &slot, &gen);
	if (a == LIMITS_OK) {
		backend_start(l, slot, gen);
		return OPEN_STARTED;
	}
	pool_login_drop(l->row, self.me);
	/* who found the login taken, and knows the newer configuration or gets
	 * the lock, may; against a limit nobody may, and would only wake us in
	 * turn */
	if (a == LIMITS_CONF || a == LIMITS_BUSY)
		lend_wake_others(l);
	return a == LIMITS_BUSY ? OPEN_AGAIN : OPEN_NO;
}

void
open_reserved(struct lend *l, uint32_t slot, uint64_t gen)
{
	bool has_login;

	l->is_evicting = false;
	lend_refresh(l);
	has_login = (l->nwaiting > 0 || l->nown > 0) && is_time(l) &&
	    pool_login_take(l->row, self.me);
	if (has_login && limits_take(self.me, slot, gen, self.conf_number)) {
		backend_start(l, slot, gen);
		return;
	}
	depart_giveback(slot, gen);
	if (has_login) {
		pool_login_drop(l->row, self.me);
		lend_wake_others(l);
	}
}
