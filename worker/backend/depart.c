/*
 * depart.c - retire backends: cancel, Terminate, read to the end of file.
 *
 * Data: this process's own list of places whose last step, which needs the
 * limits lock, has to be tried again.  Never blocks.
 */
#include "worker/backend/depart.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conf/clock.h"
#include "shm/crash.h"
#include "shm/limits.h"
#include "shm/proc.h"
#include "shm/queue.h"
#include "shm/segment.h"
#include "worker/backend/cancel.h"
#include "worker/backend/dedicate.h"
#include "worker/backend/fdcache.h"
#include "worker/backend/lend_impl.h"
#include "worker/backend/login.h"
#include "worker/backend/open.h"
#include "worker/io/stream.h"
#include "worker/self.h"

enum { DEPART_MS = 10000 }; /* a backend that is not gone by then is reset */

/* A place whose backend has gone. */
struct place {
	uint32_t slot;
	uint64_t gen;
	struct lend *keep; /* who gets it, or NULL: the longest waiter */
	bool is_reserved;  /* for somebody who could not use it */
};

static struct place *busy; /* room for every slot */
static uint32_t nbusy;

int
depart_init(void)
{
	busy = calloc(seg->nslots, sizeof(*busy));
	return busy == NULL ? -1 : 0;
}

void
depart_fini(void)
{
	free(busy);
	busy = NULL;
	nbusy = 0;
}

int
depart_tell(const struct backend *b, enum msg_type type, int fd)
{
	struct msg m = { .type = (uint16_t)type,
		.proc = (uint16_t)self.me,
		.idx = b->slot,
		.gen = b->gen };

	return self_send(&m, fd);
}

/* --- the place ------------------------------------------------------------ */

/* It is RESERVED(to): say so where `to` looks. */
static void
offer(uint32_t slot, uint32_t to, uint32_t to_pool, uint64_t to_gen)
{
	CRASH_POINT("depart.reserved");
	if (to == self.me) {
		struct lend *l = lend_at(to_pool);

		if (l != NULL)
			open_reserved(l, slot, to_gen);
		return;
	}
	if (!grant_offer(to, to_pool, slot, to_gen) || !proc_is_there(to)) {
		depart_giveback(slot, to_gen);
		return;
	}
	bell_ring(to);
}

/* RESERVED to FREE.  False: the limits lock was busy. */
static bool
unreserve(const struct place *p)
{
	uint32_t pool = atomic_load(&slot_at(p->slot)->pool);
	bool is_busy;

	if (limits_giveback(self.me, p->slot, p->gen, &is_busy)) {
		CRASH_POINT("depart.unreserved");
		handover_room(pool);
		return true;
	}
	return !is_busy;
}

/* False: the limits lock was busy. */
static bool
release(const struct place *p)
{
	uint32_t to = PROC_NOBODY, to_pool = POOL_NONE, pool;
	uint64_t to_gen = 0;

	if (p->is_reserved)
		return unreserve(p);
	pool = atomic_load(&slot_at(p->slot)->pool);
	CRASH_POINT("depart.gone");
	if (p->keep != NULL) {
		to_pool = p->keep->pool;
		if (!limits_keep(
			self.me, p->slot, p->gen, to_pool, &to, &to_gen))
			return false;
	} else if (!limits_close(
		       self.me, p->slot, p->gen, &to, &to_pool, &to_gen)) {
		return false;
	}
	if (p->keep != NULL) {
		p->keep->is_evicting = false;
		lend_room(p->keep);
	}
	if (to != PROC_NOBODY)
		offer(p->slot, to, to_pool, to_gen);
	else
		handover_room(pool);
	return true;
}

static void
place_release(const struct place *p)
{
	if (!release(p))
		busy[nbusy++] = *p; /* a slot has one place: it fits */
}

void
depart_giveback(uint32_t slot, uint64_t gen)
{
	for (uint32_t i = 0; i < nbusy; i++)
		if (busy[i].slot == slot)
			return; /* it waits for the lock already */
	place_release(
	    &(struct place){ .slot = slot, .gen = gen, .is_reserved = true });
}

bool
depart_turn(void)
{
	uint32_t n = nbusy;

	nbusy = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct place p = busy[i];

		if (!release(&p))
			busy[nbusy++] = p;
	}
	return nbusy > 0;
}

void
depart_placeless(uint32_t slot, uint64_t gen)
{
	place_release(&(struct place){ .slot = slot, .gen = gen });
}

/* --- the connection -------------------------------------------------------- */

static void
finish(struct backend *b)
{
	uint32_t slot = b->slot;
	uint64_t gen = b->gen;
	struct lend *l = b->lend, *keep = b->keep_for;

	if (b->watch.fd != -1)
		depart_tell(b, MSG_FD_GONE, -1);
	fdcache_drop(b);
	place_release(
	    &(struct place){ .slot = slot, .gen = gen, .keep = keep });
	if (l != NULL)
		lend_room(l);
}

static void
half_close(struct backend *b, bool may_terminate)
{
	static const uint8_t terminate[] = { 'X', 0, 0, 0, 4 };

	/* never into the middle of another message */
	if (may_terminate && b->up_remain == 0 && !backend_is_full(b))
		(void)stream_send(
		    b->watch.fd, b->tls, terminate, sizeof(terminate));
	buf_fini(&b->out);
	buf_fini(&b->in);
	/* a socket that never was connected has no end of file */
	if (shutdown(b->watch.fd, SHUT_WR) == -1 && errno == ENOTCONN) {
		finish(b);
		return;
	}
	if (loop_want(&b->watch, LOOP_READ) == -1 ||
	    deadline_set(&b->deadline, loop_now_us + DEPART_MS * 1000) == -1)
		depart_on_deadline(b);
}

static bool
is_running(const struct backend *b)
{
	return b->state != BACKEND_LOGIN && !track_is_dying(&b->track) &&
	    !track_is_clean(&b->track) && backend_info(b)->key_len > 0;
}

void
depart_begin(struct backend *b, const char *why, const struct err *e)
{
	struct slot *s = slot_at(b->slot);
	struct lessee *user = b->user;
	struct log_who who;
	uint64_t age_us = loop_now_us - atomic_load(&s->born_us);
	bool was_login = b->state == BACKEND_LOGIN, was_running;
	struct lend *l = b->lend;

	if (b->state == BACKEND_CLOSING)
		return;
	was_running = is_running(b);
	if (self.conf->log_disconnections) {
		backend_who(b, &who);
		log_info(&who, "closing because: %s (age=%llus)", why,
		    (unsigned long long)(age_us / 1000000));
	}
	b->user = NULL;
	/* first: a cancel that fails at once must find it closing */
	b->state = BACKEND_CLOSING;
	if (was_login)
		login_drop(b);
	slot_move(s, slot_look(s), SLOT_CLOSING, self.me);
	CRASH_POINT("depart.closing");
	atomic_store(&s->client, 0);
	if (b->lend != NULL)
		lend_unlearn(b->lend, b);
	if (b->watch.fd == -1) {
		finish(b);
	} else {
		if (was_running)
			cancel_send(b, -1);
		half_close(b, !was_login);
	}
	/* whatever ended it: the next one may try */
	if (was_login)
		lend_login_ended(l, false);
	if (user != NULL)
		user->on_gone(user, e);
	if (b->own != NULL)
		dedicate_failed(b, e);
}

void
depart_adopted(struct backend *b)
{
	struct slot *s = slot_at(b->slot);
	struct log_who who;

	if (b->lend != NULL)
		lend_unlearn(b->lend, b);
	backend_who(b, &who);
	log_info(&who, "closing because: its worker died");
	b->cancels = 0;
	atomic_store(&s->client, 0);
	atomic_store(&s->cancels, 0);
	b->state = BACKEND_CLOSING;
	if (backend_info(b)->key_len > 0)
		cancel_send(b, -1);
	/* who knows what is half sent */
	half_close(b, false);
}

void
depart_on_event(struct backend *b)
{
	ssize_t n;

	/* a bounded bite a turn: others have to live, too */
	for (int i = 0; i < 4; i++) {
		n = recv(b->watch.fd, self.scratch, SELF_SCRATCH, 0);
		if (n == -1 && buf_is_later(errno))
			return;
		if (n <= 0) {
			finish(b);
			return;
		}
	}
}

void
depart_on_deadline(struct backend *b)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	struct log_who who;

	backend_who(b, &who);
	log_warn(&who, "server did not close its connection in %d s: reset",
	    DEPART_MS / 1000);
	/* Linux: a reset that duplicates do not stop.  Elsewhere it is refused,
	   and the connection ends when all holders have closed. */
	(void)connect(b->watch.fd, &unspec, sizeof(unspec));
	finish(b);
}
