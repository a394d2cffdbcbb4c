#include "worker/backend/keep.h"

#include <string.h>

#include "shm/count.h"
#include "shm/segment.h"
#include "worker/backend/lend.h"
#include "worker/backend/login.h"
#include "worker/backend/open.h"
#include "worker/self.h"

enum {
	TURN_US = 333000,
	RECLAIM_MS = 60000, /* an unused pool's row is kept so long */
};

static struct deadline timer;
static uint64_t next_stats_us;

/* How many backends of a pool are not on their way out. */
static uint32_t
staying(const struct pool *p)
{
	uint32_t n = 0, used = atomic_load(&seg->slots_used);

	for (uint32_t i = 0; i < used; i++) {
		const struct slot *s = slot_at(i);
		enum slot_state state = slot_state(slot_look(s));

		n += state != SLOT_FREE && state != SLOT_CLOSING &&
		    pool_at(atomic_load(&s->pool)) == p;
	}
	return n;
}

/* Why an idle backend must go; NULL: it stays. */
static const char *
overdue(const struct backend *b, uint64_t word)
{
	const struct slot *s = slot_at(b->slot);
	const struct pool *p = b->lend->row;
	uint64_t idle_us = (uint64_t)self.conf->server_idle_timeout_ms * 1000;
	uint64_t lifetime_us = atomic_load(&p->lifetime_ms) * 1000;

	if (slot_state(word) != SLOT_IDLE || slot_gen(word) != b->gen)
		return NULL;
	if (atomic_load(&s->flags) & SLOT_DIRTY)
		return "what it holds is in doubt";
	if (lend_is_untended(b->lend, s))
		return "its session was not looked after";
	if (atomic_load(&s->epoch) != atomic_load(&p->epoch))
		return "obsolete connection";
	if (lend_is_above(b->lend))
		return "limit was lowered";
	if (lifetime_us > 0 &&
	    loop_now_us >= atomic_load(&s->born_us) + lifetime_us)
		return "server lifetime over";
	if (idle_us > 0 && loop_now_us >= atomic_load(&s->since_us) + idle_us &&
	    staying(p) > atomic_load(&p->min_size))
		return "server idle timeout";
	return NULL;
}

/* The keeper, for all; a pinned one can be claimed by its owner alone. */
static void
end_overdue(bool is_keeper)
{
	uint32_t used = atomic_load(&seg->slots_used);

	for (uint32_t i = 0; i < used; i++) {
		struct backend *b = backend_at(i);
		const char *why;

		if (b == NULL || b->lend == NULL || b->lend->gen == 0 ||
		    b->state != BACKEND_CACHED ||
		    (!is_keeper && !backend_is_pinned(b)))
			continue;
		why = overdue(b, slot_look(slot_at(i)));
		if (why != NULL && backend_claim(b))
			backend_close(b, "%s", why);
	}
}

/* A forced user's pool needs no client: its row is made here. */
static void
join_forced(void)
{
	const struct conf *c = self.conf;
	bool is_busy;

	for (size_t i = 0; i < c->n_dbs; i++) {
		const struct conf_db *db = &c->dbs[i];
		struct conf_pool set;
		struct lend *l;

		if (db->user[0] == '\0' || strcmp(db->name, "*") == 0 ||
		    pool_find(db->name, db->user) != POOL_NONE)
			continue;
		conf_pool_resolve(c, db, db->user, true, &set);
		if (set.min_pool_size == 0)
			continue;
		l = lend_join(db, db->name, db->user, true, &is_busy);
		/* its servers keep the row; a pool whose database has gone
		 * from the configuration must not stay for our sake */
		if (l != NULL)
			lend_leave(l);
	}
}

/* A pool below its minimum that somebody may use: its clients, or whoever
 * comes to a forced user's. */
static bool
is_wanting(uint32_t pool)
{
	const struct pool *p = pool_at(pool);

	return atomic_load(&p->gen) != 0 &&
	    atomic_load(&p->count) < atomic_load(&p->min_size) &&
	    (atomic_load(&p->forced) != 0 || pool_members(pool) > 0);
}

/* Where a login takes keys that clients have brought, one without them would
 * fail and hold up the pool. */
static void
fill_up(void)
{
	uint32_t used = atomic_load(&seg->pools_used);

	for (uint32_t i = 0; i < used; i++) {
		struct lend *l = is_wanting(i) ? lend_at(i) : NULL;

		if (l == NULL)
			continue;
		lend_refresh(l);
		if (!login_needs_keys(l) || login_has_keys(l))
			open_try(l, true);
	}
}

static void
log_stats(const uint64_t n[COUNT_N], uint64_t period_us)
{
	double s = period_us == 0 ? 1.0 : (double)period_us / 1e6;
	uint64_t xacts = n[COUNT_XACTS] ? n[COUNT_XACTS] : 1;
	uint64_t queries = n[COUNT_QUERIES] ? n[COUNT_QUERIES] : 1;

	log_info(NULL,
	    "stats: %.0f xacts/s, %.0f queries/s, %.0f client logins/s, "
	    "in %.0f B/s, out %.0f B/s, xact %llu us, query %llu us, "
	    "wait %llu us",
	    (double)n[COUNT_XACTS] / s, (double)n[COUNT_QUERIES] / s,
	    (double)n[COUNT_LOGINS] / s, (double)n[COUNT_RECEIVED] / s,
	    (double)n[COUNT_SENT] / s,
	    (unsigned long long)(n[COUNT_XACT_US] / xacts),
	    (unsigned long long)(n[COUNT_QUERY_US] / queries),
	    (unsigned long long)(n[COUNT_WAIT_US] / queries));
}

static void
tick_stats(void)
{
	uint64_t all[COUNT_N] = { 0 }, period = 0;
	uint32_t used = atomic_load(&seg->pools_used);

	if (loop_now_us < next_stats_us)
		return;
	next_stats_us =
	    loop_now_us + (uint64_t)self.conf->stats_period * 1000000;
	count_tick(loop_now_us);
	if (!self.conf->log_stats)
		return;
	for (uint32_t i = 0; i < used; i++) {
		uint64_t n[COUNT_N] = { 0 }, us = count_period(i, n);

		if (us == 0)
			continue;
		period = us;
		for (int k = 0; k < COUNT_N; k++)
			all[k] += n[k];
	}
	if (period > 0)
		log_stats(all, period);
}

static void
on_timer(struct deadline *d)
{
	bool is_keeper = atomic_load(&seg->keeper) == self.me + 1;

	deadline_set(d, loop_now_us + TURN_US);
	if (atomic_load(&seg->stopping) == SEG_NOW)
		return;
	end_overdue(is_keeper);
	if (!is_keeper)
		return;
	join_forced();
	fill_up();
	tick_stats();
	if (loop_now_us / 1000 > RECLAIM_MS)
		pool_reclaim(self.me, loop_now_us / 1000 - RECLAIM_MS);
}

int
keep_start(struct err *e)
{
	deadline_init(&timer, on_timer);
	next_stats_us =
	    loop_now_us + (uint64_t)self.conf->stats_period * 1000000;
	if (deadline_set(&timer, loop_now_us + TURN_US) == -1)
		return err_set(e, "53200", "out of memory", "out of memory");
	return 0;
}

void
keep_stop(void)
{
	deadline_clear(&timer);
}
