/*
 * lendview.c - this worker's view of each pool: who it is, what it may lend.
 *
 * Data: the views are this process's own.  Never blocks.
 */
#include "worker/backend/lend_impl.h"

#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "shm/poolconf.h"
#include "shm/segment.h"
#include "worker/backend/login.h"
#include "worker/self.h"

static struct lend **views; /* by pool index */

int
lend_init(void)
{
	views = calloc(seg->npools, sizeof(struct lend *));
	return views == NULL ? -1 : 0;
}

void
lend_fini(void)
{
	if (views == NULL)
		return;
	for (uint32_t i = 0; i < seg->npools; i++)
		if (views[i] != NULL) {
			deadline_clear(&views[i]->timer);
			login_keep_secret(views[i], NULL);
			free(views[i]->stack);
			free(views[i]);
		}
	free(views);
	views = NULL;
}

/* --- views ----------------------------------------------------------------- */

/* The row was reclaimed and means another pool now: so does the view. */
static void
renew(struct lend *l)
{
	uint32_t gen = atomic_load(&l->row->gen);

	if (l->gen == gen)
		return;
	l->gen = gen;
	l->db = NULL;
	l->conf_number = 0;
	l->failure_seen = 0;
	l->is_evicting = false;
	l->is_forced = atomic_load(&l->row->forced) != 0;
	login_keep_secret(l, NULL);
	compat_strlcpy(l->user, pool_user_name(l->row), sizeof(l->user));
}

struct lend *
lend_at(uint32_t pool)
{
	struct lend *l;

	if (pool >= seg->npools)
		return NULL;
	l = views[pool];
	if (l == NULL) {
		l = calloc(1, sizeof(*l));
		if (l == NULL)
			return NULL;
		l->pool = pool;
		l->row = pool_at(pool);
		l->count = count_at(self.me, pool);
		deadline_init(&l->timer, lend_on_timer);
		views[pool] = l;
	}
	renew(l);
	return l;
}

struct lend *
lend_next(uint32_t *pool)
{
	while (*pool < seg->npools) {
		struct lend *l = views[(*pool)++];

		if (l != NULL && l->gen != 0)
			return l;
	}
	return NULL;
}

void
lend_refresh(struct lend *l)
{
	const struct conf *c = self.conf;
	const char *name;

	renew(l);
	if (l->conf_number == self.conf_number)
		return;
	name = pool_db_name(l->row);
	l->db = conf_db_find(c, name);
	if (l->db == NULL)
		l->db = conf_db_auto(c);
	if (l->db != NULL)
		conf_pool_resolve(c, l->db, l->user, l->is_forced, &l->set);
	l->conf_number = self.conf_number;
}

struct lend *
lend_join(const struct conf_db *db, const char *dbname, const char *user,
    bool is_forced, bool *busy)
{
	struct pool_limits lim;
	struct lend *l;
	uint32_t pool;

	*busy = false;
	poolconf_limits(self.conf, db, user, is_forced, &lim);
	lim.conf_number = self.conf_number;
	pool = pool_join(self.me, dbname, user, &lim, busy);
	if (pool == POOL_NONE)
		return NULL;
	l = lend_at(pool);
	if (l == NULL) {
		pool_leave(self.me, pool);
		return NULL;
	}
	l->members++;
	lend_refresh(l);
	return l;
}

void
lend_leave(struct lend *l)
{
	l->members--;
	pool_leave(self.me, l->pool);
}

/* --- the stack of descriptors ------------------------------------------------ */

void
lend_learn(struct lend *l, struct backend *b)
{
	if (l->nstack == l->cap) {
		uint32_t cap = l->cap == 0 ? 8 : l->cap * 2;
		uint32_t *p = realloc(l->stack, cap * sizeof(*p));

		if (p == NULL)
			return; /* not a candidate here; others have it */
		l->stack = p;
		l->cap = cap;
	}
	/* not used here yet: below those that were */
	memmove(l->stack + 1, l->stack, l->nstack * sizeof(*l->stack));
	l->stack[0] = b->slot;
	l->nstack++;
	if (l->nwaiting > 0 && b->state == BACKEND_CACHED)
		lend_serve_idle(l);
}

void
lend_unready(struct lend *l, struct backend *b)
{
	struct backend *prev = NULL, *at = l->first_ready;

	if (!b->is_ready)
		return;
	for (; at != b; at = at->next_ready)
		prev = at;
	if (prev != NULL)
		prev->next_ready = b->next_ready;
	else
		l->first_ready = b->next_ready;
	if (l->last_ready == b)
		l->last_ready = prev;
	b->is_ready = false;
	l->nready--;
}

void
lend_unlearn(struct lend *l, struct backend *b)
{
	lend_unready(l, b);
	for (uint32_t i = 0; i < l->nstack; i++)
		if (l->stack[i] == b->slot) {
			l->nstack--;
			memmove(l->stack + i, l->stack + i + 1,
			    (l->nstack - i) * sizeof(*l->stack));
			return;
		}
}

static void
to_top(struct lend *l, uint32_t i)
{
	uint32_t slot = l->stack[i];

	memmove(l->stack + i, l->stack + i + 1,
	    (l->nstack - i - 1) * sizeof(*l->stack));
	l->stack[l->nstack - 1] = slot;
}

/* --- what may not be lent any more -------------------------------------------- */

/*
 * Is the pool, its database or its user above a limit?  Those on their way
 * out still count there; they are enough reason only for the first look, or a
 * limit lowered by one would end them all.
 */
bool
lend_is_above(const struct lend *l)
{
	const struct pool *p = l->row;
	const struct party *db = db_at(p->db), *user = user_at(p->user);
	uint64_t room =
	    (uint64_t)atomic_load(&p->size) + atomic_load(&p->reserve);
	uint32_t in_pool = 0, in_db = 0, of_user = 0, used;

	if (atomic_load(&p->count) <= room &&
	    atomic_load(&db->count) <= atomic_load(&db->max) &&
	    atomic_load(&user->count) <= atomic_load(&user->max))
		return false;
	used = atomic_load(&seg->slots_used);
	for (uint32_t i = 0; i < used; i++) {
		const struct slot *s = slot_at(i);
		enum slot_state state = slot_state(slot_look(s));
		const struct pool *q = pool_at(atomic_load(&s->pool));

		if (state == SLOT_FREE || state == SLOT_CLOSING || q == NULL)
			continue;
		in_pool += q == p;
		in_db += atomic_load(&q->db) == atomic_load(&p->db);
		of_user += atomic_load(&q->user) == atomic_load(&p->user);
	}
	return in_pool > room || in_db > atomic_load(&db->max) ||
	    of_user > atomic_load(&user->max);
}

/* A lifetime of 0 is one use.  Another process's clock may be ahead of the
 * moment at which this turn began. */
static bool
is_old(const struct lend *l, const struct slot *s)
{
	uint64_t lifetime =
	    atomic_load_explicit(&l->row->lifetime_ms, memory_order_relaxed);

	if (lifetime == 0)
		return (atomic_load(&s->flags) & SLOT_USED) != 0;
	return loop_now_us >= atomic_load(&s->born_us) + lifetime * 1000;
}

bool
lend_is_untended(const struct lend *l, const struct slot *s)
{
	int state = self.conf->session_state;
	uint32_t bad = state == SESSION_STATE_STRICT
	    ? SLOT_UNTENDED | SLOT_LOOSE
	    : SLOT_UNTENDED;

	return (atomic_load_explicit(&s->flags, memory_order_acquire) & bad) !=
	    0 &&
	    state != SESSION_STATE_OFF && l->set.pool_mode != POOL_SESSION;
}

const char *
lend_unfit(const struct lend *l, const struct slot *s)
{
	if (atomic_load(&s->flags) & SLOT_DIRTY)
		return "what it holds is in doubt";
	if (lend_is_untended(l, s))
		return "its session was not looked after";
	if (atomic_load(&s->epoch) != atomic_load(&l->row->epoch))
		return "obsolete connection";
	if (atomic_load(&s->pool_gen) != l->gen)
		return "its pool is gone";
	if (is_old(l, s))
		return "server lifetime over";
	if (lend_is_above(l))
		return "limit was lowered";
	if (atomic_load(&seg->stopping) == SEG_WAIT_SERVERS)
		return "shutting down";
	return NULL;
}

bool
lend_is_fit(struct lend *l, struct backend *b)
{
	const struct slot *s = slot_at(b->slot);
	const char *why = lend_unfit(l, s);

	if (why == NULL && pool_is_paused(l->row)) {
		b->state = BACKEND_CACHED;
		slot_move(slot_at(b->slot), slot_look(s), SLOT_IDLE, self.me);
		return false;
	}
	if (why != NULL)
		backend_close(b, "%s", why);
	return why == NULL;
}

/* The candidate at place `i` of the stack, if it can be claimed; `is_mine`:
 * and if we were its last user. */
static struct backend *
claim_at(struct lend *l, uint32_t i, bool is_mine)
{
	struct backend *b = backend_at(l->stack[i]);

	if (b == NULL || b->state != BACKEND_CACHED)
		return NULL;
	if (is_mine && slot_owner(slot_look(slot_at(b->slot))) != self.me)
		return NULL;
	if (!backend_claim(b))
		return NULL;
	to_top(l, i);
	return b;
}

static struct backend *
claim_first(struct lend *l, bool is_mine)
{
	bool is_fifo = self.conf->server_round_robin != 0;
	uint32_t tries = l->nstack;

	/* one that is not fit leaves the stack: look at the same end again */
	for (uint32_t i = 0; i < tries && i < l->nstack; i++) {
		uint32_t place = is_fifo ? i : l->nstack - 1 - i;
		struct backend *b = claim_at(l, place, is_mine);

		if (b == NULL)
			continue;
		if (lend_is_fit(l, b))
			return b;
		i = (uint32_t)-1;
		tries--;
	}
	return NULL;
}

/* Those that we used last are in our loop already; another's costs both of
 * us a change there. */
struct backend *
lend_claim(struct lend *l)
{
	struct backend *b = NULL;

	if (seg->nworkers > 1 && !self.conf->server_round_robin)
		b = claim_first(l, true);
	return b != NULL ? b : claim_first(l, false);
}
