/*
 * backend.c - server connections: lending, reset, events, the way out.
 *
 * Data: this process's own; slots are changed by slot_move() and limits.c
 * only.  Never blocks.
 */
#include "worker/backend/backend.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/clock.h"
#include "shm/crash.h"
#include "shm/segment.h"
#include "shm/stmts.h"
#include "worker/backend/depart.h"
#include "worker/backend/fdcache.h"
#include "worker/backend/lend.h"
#include "worker/backend/login.h"
#include "worker/backend/scan.h"
#include "worker/backend/target.h"
#include "worker/io/outer.h"
#include "worker/io/tls.h"
#include "worker/proto/say.h"
#include "worker/self.h"

enum { RESET_MS = 15000 }; /* how long server_reset_query may take */

static void on_event(struct watch *w, unsigned events);
static void on_deadline(struct deadline *d);

const struct slot_info *
backend_info(const struct backend *b)
{
	return slot_info_mine(b->slot);
}

void
backend_who(const struct backend *b, struct log_who *who)
{
	const struct slot_info *info = backend_info(b);
	const char *db = "(nodb)", *user = "(nouser)";
	char addr[TARGET_TEXT];

	if (b->lend != NULL && b->lend->gen != 0) {
		db = pool_db_name(b->lend->row);
		user = b->lend->user;
	}
	target_text(&info->addr, addr);
	log_who_set(who, "S-0x%llx: %s/%s@%s", (unsigned long long)info->id, db,
	    user, addr);
}

void
backend_embed(struct backend *b, int fd)
{
	watch_init(&b->watch, fd, on_event);
	b->watch.tells_drained = true;
	deadline_init(&b->deadline, on_deadline);
}

void
backend_start(struct lend *lend, uint32_t slot, uint64_t gen)
{
	struct slot *s = slot_at(slot);
	struct slot_info info = { .id = segment_next_id(),
		.connect_wall_us = clock_wall_us() };
	struct backend *b = backend_at(slot);

	if (b != NULL)
		fdcache_drop(b);
	atomic_store(&s->born_us, loop_now_us);
	slot_info_write(slot, &info);
	(void)stmts_of(slot, gen);
	b = fdcache_add(slot, gen, -1);
	if (b == NULL) {
		/* the place goes back; there is no backend to wait for */
		slot_move(s, slot_look(s), SLOT_CLOSING, self.me);
		depart_placeless(slot, gen);
		lend_login_ended(lend, false);
		return;
	}
	b->lend = lend;
	b->state = BACKEND_LOGIN;
	track_init(&b->track, 0);
	login_start(b);
}

/* --- lending ------------------------------------------------------------- */

bool
backend_claim(struct backend *b)
{
	struct slot *s = slot_at(b->slot);
	uint64_t word = slot_look(s);

	if (slot_gen(word) != b->gen || slot_state(word) != SLOT_IDLE)
		return false;
	CRASH_POINT("backend.claim");
	if (!slot_move(s, word, SLOT_ACTIVE, self.me))
		return false;
	CRASH_POINT("backend.claimed");
	return backend_taken(b);
}

bool
backend_taken(struct backend *b)
{
	b->cancels = 0;
	b->remain = b->up_remain = 0;
	b->state = BACKEND_HELD;
	track_init(&b->track, 'I');
	if (loop_want(&b->watch, LOOP_READ) == -1) {
		backend_close(b, "cannot be watched: %s", strerror(errno));
		return false;
	}
	return true;
}

void
backend_lend(struct backend *b, struct lessee *user)
{
	b->user = user;
	b->is_muted = b->was_cancelled = false;
	b->is_fresh = true;
	b->mode = (uint8_t)b->lend->set.pool_mode;
	b->state = BACKEND_LENT;
}

static void
hand_on(struct backend *b)
{
	if (b->cancels > 0) {
		b->state = BACKEND_HELD;
		return;
	}
	b->state = BACKEND_CACHED;
	lend_release(b);
}

static void
reset(struct backend *b, const char *query)
{
	uint8_t bytes[4096];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	say_query(&w, query);
	b->state = BACKEND_RESET;
	if (w.full || track_client(&b->track, 'Q') == -1 ||
	    backend_send(b, bytes, w.len) == -1 ||
	    deadline_set(&b->deadline, loop_now_us + RESET_MS * 1000) == -1)
		backend_close(b, "reset query could not be sent");
}

void
backend_give(struct backend *b)
{
	const struct conf *c = self.conf;
	bool is_session = b->mode == POOL_SESSION;

	b->user = NULL;
	atomic_store_explicit(
	    &slot_at(b->slot)->client, 0, memory_order_relaxed);
	if (!scan_is_boundary(b) || b->up_remain > 0 || backend_is_full(b)) {
		backend_close(b, "not at a clean boundary");
		return;
	}
	if (!(b->watch.want & LOOP_READ))
		backend_want_read(b, true);
	if ((is_session || c->server_reset_query_always) &&
	    c->server_reset_query[0] != '\0')
		reset(b, c->server_reset_query);
	else
		hand_on(b);
}

void
backend_cancel_begins(struct backend *b)
{
	b->cancels++;
	b->was_cancelled = true;
	atomic_store(&slot_at(b->slot)->cancels, b->cancels);
}

void
backend_cancel_ends(struct backend *b)
{
	b->cancels--;
	atomic_store(&slot_at(b->slot)->cancels, b->cancels);
	if (b->cancels > 0)
		return;
	if (b->state == BACKEND_CLEANING)
		clean_on_progress(b);
	else if (b->state != BACKEND_HELD)
		return;
	else if (scan_is_boundary(b))
		hand_on(b);
	else
		backend_close(b, "server sent half a message while idle");
}

void
backend_logged_in(struct backend *b)
{
	struct lend *l = b->lend;
	struct slot *s = slot_at(b->slot);
	bool is_pinned;

	deadline_clear(&b->deadline);
	b->state = BACKEND_HELD;
	track_init(&b->track, 'I');
	is_pinned = b->tls != NULL && !tls_is_kernel(b->tls);
	atomic_store(&s->flags, is_pinned ? SLOT_PINNED : SLOT_SHARED);
	slot_move(s, slot_look(s), SLOT_ACTIVE, self.me);
	CRASH_POINT("backend.logged_in");
	if (!is_pinned)
		depart_tell(b, MSG_FD_SHARE, -1);
	lend_learn(l, b);
	lend_login_ended(l, true);
	hand_on(b);
}

bool
backend_is_pinned(const struct backend *b)
{
	return b->tls != NULL &&
	    (atomic_load(&slot_at(b->slot)->flags) & SLOT_PINNED) != 0;
}

/* --- events -------------------------------------------------------------- */

/* What comes while no client listens: books only.  -1: `why` is filled. */
static int
absorb(struct backend *b, const char **why)
{
	struct scan sc;
	enum result r = scan_recv(b, &sc, why);

	if (r == WAIT)
		return 0;
	if (r == FAIL) {
		if (sc.received > 0)
			*why = "server sent what nobody asked for";
		return -1;
	}
	if (sc.has_error) {
		*why = b->state == BACKEND_RESET ? "reset query failed"
						 : "server says goodbye";
		return -1;
	}
	return 0;
}

/* Bytes on an idle connection: a notice, a parameter, or its end. */
static void
on_idle(struct backend *b)
{
	const char *why;

	if (!backend_claim(b))
		return;
	if (absorb(b, &why) == -1)
		backend_close(b, "%s", why);
	else if (!scan_is_boundary(b))
		backend_close(b, "server sent half a message while idle");
	else
		hand_on(b);
}

/* In session mode nobody looks at what a client sets. */
static void
on_reset(struct backend *b)
{
	if (strcasecmp(self.conf->server_reset_query, "DISCARD ALL") == 0) {
		backend_vars(b, 0);
		atomic_fetch_and(&slot_at(b->slot)->flags,
		    ~(uint32_t)(SLOT_UNTENDED | SLOT_LOOSE));
	} else if (backend_info(b)->vars_len != 0)
		backend_vars(b, SLOT_VARS_UNKNOWN);
}

static void
on_quiet(struct backend *b)
{
	const char *why;
	bool was_reset = b->state == BACKEND_RESET;

	if (absorb(b, &why) == -1) {
		backend_close(b, "%s", why);
		return;
	}
	if (was_reset && scan_is_boundary(b)) {
		deadline_clear(&b->deadline);
		on_reset(b);
		hand_on(b);
	} else if (b->is_ready && !scan_is_boundary(b)) {
		/* the rest would be the next client's first bytes */
		backend_close(b, "server sent half a message while idle");
	}
}

static void
on_writable(struct backend *b)
{
	ssize_t left = buf_flush(&b->out, b->watch.fd, b->tls);

	if (left == -1) {
		backend_close(b, "write: %s", strerror(errno));
		return;
	}
	if (left > 0)
		return;
	loop_want(&b->watch, b->watch.want & ~(unsigned)LOOP_WRITE);
	if (b->user != NULL)
		b->user->on_drained(b->user, b);
	else if (b->state == BACKEND_CLEANING)
		clean_on_progress(b);
}

/* What may be written first; false: it is not what it was any more. */
static bool
on_room(struct backend *b, unsigned *events)
{
	uint8_t state = b->state;

	if (!(*events & LOOP_WRITE))
		return true;
	if (!backend_is_full(b)) {
		/* TLS had to write before it could read on */
		loop_want(&b->watch, b->watch.want & ~(unsigned)LOOP_WRITE);
		*events |= LOOP_READ;
		return true;
	}
	on_writable(b);
	return b->state == state;
}

static void
on_event_lent(struct backend *b, unsigned events)
{
	if (!on_room(b, &events))
		return;
	if (b->watch.want & LOOP_READ) {
		if (events & (LOOP_READ | LOOP_HANGUP))
			b->user->on_readable(b->user, b);
	} else if (events & LOOP_HANGUP) {
		/* nobody reads now: keep quiet until somebody does */
		loop_remove(&b->watch);
	}
}

static void
on_event(struct watch *w, unsigned events)
{
	struct backend *b = OUTER_OF(w, struct backend, watch);
	uint64_t word = slot_look(slot_at(b->slot));

	switch ((enum backend_state)b->state) {
	case BACKEND_CACHED:
		if (slot_gen(word) != b->gen)
			fdcache_drop(b);
		else if (slot_state(word) == SLOT_IDLE)
			on_idle(b);
		else
			loop_remove(w); /* somebody else's: his to watch */
		return;
	case BACKEND_LOGIN:
		login_on_event(b, events);
		return;
	case BACKEND_LENT:
		on_event_lent(b, events);
		return;
	case BACKEND_CLEANING:
		if (on_room(b, &events) && events & (LOOP_READ | LOOP_HANGUP))
			clean_on_readable(b);
		return;
	case BACKEND_RESET:
	case BACKEND_HELD:
		if (events & LOOP_WRITE && backend_is_full(b))
			on_writable(b);
		else
			on_quiet(b);
		return;
	case BACKEND_CLOSING:
		depart_on_event(b);
		return;
	}
}

static void
on_deadline(struct deadline *d)
{
	struct backend *b = OUTER_OF(d, struct backend, deadline);

	switch ((enum backend_state)b->state) {
	case BACKEND_CLEANING:
		clean_on_deadline(b);
		return;
	case BACKEND_RESET:
		backend_close(b, "reset query took too long");
		return;
	case BACKEND_CLOSING:
		depart_on_deadline(b);
		return;
	default:
		return;
	}
}

/* --- the door out -------------------------------------------------------- */

void
backend_close(struct backend *b, const char *why, ...)
{
	struct err e;
	char text[160];
	va_list ap;

	va_start(ap, why);
	vsnprintf(text, sizeof(text), why, ap);
	va_end(ap);
	err_set(&e, "08006", text, "%s", text);
	depart_begin(b, text, &e);
}

void
backend_evict(struct backend *b, struct lend *lend)
{
	b->keep_for = lend;
	backend_close(b, "evicted for another pool");
}
