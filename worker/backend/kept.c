#include "worker/backend/kept.h"

#include "shm/limits.h"
#include "shm/party.h"
#include "shm/segment.h"
#include "worker/backend/lend.h"

enum { TELL_US = 60 * 1000 * 1000 };

/* May no more be opened?  The reserve is for who waits, and opens anyway. */
static bool
is_full(const struct pool *p)
{
	const struct party *db = db_at(p->db), *user = user_at(p->user);

	return atomic_load(&p->count) >= atomic_load(&p->size) ||
	    atomic_load(&db->count) >= atomic_load(&db->max) ||
	    atomic_load(&user->count) >= atomic_load(&user->max);
}

uint32_t
kept_all(const struct lend *l)
{
	uint32_t used = atomic_load(&seg->slots_used), kept = 0;

	if (!is_full(l->row))
		return 0;
	for (uint32_t i = 0; i < used; i++) {
		const struct slot *s = slot_at(i);
		enum slot_state state = slot_state(slot_look(s));

		if (state == SLOT_FREE || atomic_load(&s->pool) != l->pool)
			continue;
		if (state != SLOT_ACTIVE ||
		    !(atomic_load(&s->flags) & SLOT_KEPT))
			return 0;
		kept++;
	}
	return kept;
}

void
kept_tell(const struct backend *b)
{
	struct lend *l = b->lend;
	uint32_t n = kept_all(l);
	struct log_who who;

	if (n == 0 || (l->told_us != 0 && loop_now_us - l->told_us < TELL_US))
		return;
	l->told_us = loop_now_us;
	backend_who(b, &who);
	log_warn(&who,
	    "all %u servers of the pool are kept by clients that need their "
	    "session",
	    n);
}
