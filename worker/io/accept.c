/*
 * accept.c - take clients in small batches, and only a fair share of them.
 *
 * The listeners are in the loop or out of it, all together:
 *
 *   in  -> out   above the least loaded by a tenth and LEAVE_SLACK; paused;
 *                out of descriptors
 *   out -> in    above it by less than half of that; alone; resumed; rested
 *
 * The two bounds are apart so that a worker at the edge does not change its
 * registration with every client.  Whoever leaves rings the others: the one
 * that must come back may be asleep, with nothing else to wake it, and
 * whoever is out looks at every turn.
 *
 * Data: this process's own; reads other workers' rows of the proc table.
 * Never blocks.
 */
#include "worker/io/accept.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "conf/log.h"
#include "shm/chan.h"
#include "shm/proc.h"
#include "shm/segment.h"
#include "worker/io/deadline.h"
#include "worker/io/loop.h"
#include "worker/io/outer.h"

enum {
	BATCH = 16,      /* clients from one listener in one turn */
	LOOK_EVERY = 4,  /* clients between two looks at the loads */
	LOOK_US = 2000,  /* and time between two looks */
	LEAVE_SLACK = 6, /* clients above a tenth above the least */
	RETURN_SLACK = 3,
	STALE_MS = 1500,    /* one who shows no life takes no clients */
	TRY_US = 1000000,   /* out or in, they are tried that often */
	REST_US = 100000,   /* out of descriptors */
	TELL_US = 60000000, /* at most one line about it a minute */
};

#define ALONE UINT32_MAX

struct listener {
	struct watch watch;
	uint32_t idx;
};

static struct listener *listeners;
static uint32_t nlisteners;
static uint32_t self;
static accept_fn *take_client;
static bool is_in, is_paused_by_us, is_resting, is_unfair;
static uint64_t looked_us, told_us;
static uint32_t taken_since_look;
static struct deadline next_try;

/* May worker `n` be expected to take clients? */
static bool
is_taking(uint32_t n, uint64_t now_ms)
{
	const struct proc *p = proc_at(n);

	if (!p || !proc_is_there(n))
		return false;
	if (atomic_load_explicit(&p->state, memory_order_relaxed) !=
	    PROC_RUNNING)
		return false;
	return atomic_load_explicit(&p->alive_ms, memory_order_relaxed) +
	    STALE_MS >=
	    now_ms;
}

/* The fewest clients of another worker that takes some; ALONE: nobody. */
static uint32_t
least_of_others(void)
{
	uint64_t now_ms = clock_now_ms();
	uint32_t least = ALONE;

	for (uint32_t n = 0; n < seg->nworkers; n++) {
		uint32_t clients;

		if (n == self || !is_taking(n, now_ms))
			continue;
		clients = atomic_load_explicit(
		    &proc_at(n)->clients, memory_order_relaxed);
		if (clients < least)
			least = clients;
	}
	return least;
}

static bool
is_fair(void)
{
	const struct proc *p = proc_at(self);
	uint32_t least = least_of_others();
	uint64_t mine, bound;

	looked_us = loop_now_us;
	taken_since_look = 0;
	if (!p || least == ALONE)
		return true;
	mine = atomic_load_explicit(&p->clients, memory_order_relaxed);
	bound = is_in ? (uint64_t)least + least / 10 + LEAVE_SLACK
		      : (uint64_t)least + least / 20 + RETURN_SLACK;
	return mine <= bound;
}

static void
leave(void)
{
	is_in = false;
	for (uint32_t i = 0; i < nlisteners; i++)
		loop_remove(&listeners[i].watch);
}

static void
join(void)
{
	is_in = true;
	for (uint32_t i = 0; i < nlisteners; i++) {
		if (listeners[i].watch.fd == -1 ||
		    loop_want(
			&listeners[i].watch, LOOP_READ | LOOP_EXCLUSIVE) == 0)
			continue;
		/* no memory for it in the kernel: at the next try again */
		leave();
		return;
	}
}

/* Not bell_wake(): who is about to sleep has had its last look. */
static void
ring_others(void)
{
	for (uint32_t n = 0; n < seg->nworkers; n++)
		if (n != self)
			bell_ring(n);
}

static void
settle(void)
{
	bool want_in =
	    nlisteners > 0 && !is_paused_by_us && !is_resting && is_fair();

	if (want_in && !is_in)
		join();
	else if (!want_in && is_in) {
		leave();
		ring_others();
	}
}

/* Without descriptors the listeners would wake us for nothing. */
static void
rest(int error)
{
	is_resting = true;
	leave();
	ring_others();
	(void)deadline_set(&next_try, loop_now_us + REST_US);
	/* the supervisor has shut it for all; its message is on the way */
	if (error == EINVAL)
		return;
	if (told_us != 0 && loop_now_us - told_us < TELL_US)
		return;
	told_us = loop_now_us;
	log_error(NULL, "cannot accept clients for now: %s", strerror(error));
}

/* The client has gone again, or its packet was bad: not our concern. */
static bool
is_of_the_client(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
	case ETIMEDOUT:
	case EPERM:
		return true;
	default:
		return false;
	}
}

/* One batch; false when there is no more to take from this one now. */
static bool
take_one(struct listener *l)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int fd;

	memset(&addr, 0, sizeof(addr));
	fd = compat_accept(l->watch.fd, (struct sockaddr *)&addr, &len);
	if (fd == -1) {
		int error = errno;

		if (is_of_the_client(error))
			return true;
		if (error != EAGAIN && error != EWOULDBLOCK)
			rest(error);
		return false;
	}
	take_client(fd, &addr, len, l->idx);
	return true;
}

/*
 * Takes one at least, whatever the loads are: an exclusive wake-up was for us
 * alone.  For the same reason the listeners leave the loop in the turn's hook
 * and not here, where the others may have events too.
 */
static void
on_listener(struct watch *w, unsigned events)
{
	struct listener *l = OUTER_OF(w, struct listener, watch);

	(void)events;
	for (int i = 0; i < BATCH; i++) {
		/* its callback may have closed or paused us */
		if (!take_one(l) || nlisteners == 0 || is_paused_by_us)
			return;
		if (++taken_since_look >= LOOK_EVERY && !is_fair()) {
			is_unfair = true;
			return;
		}
	}
}

static void
on_next_try(struct deadline *d)
{
	is_resting = false;
	(void)deadline_set(d, loop_now_us + TRY_US);
	accept_try();
	settle();
}

int
accept_open(uint32_t me, const int *fds, uint32_t n, accept_fn *on_client,
    struct err *e)
{
	if (n == 0)
		return 0;
	deadline_init(&next_try, on_next_try);
	listeners = calloc(n, sizeof(*listeners));
	if (!listeners || deadline_set(&next_try, loop_now_us + TRY_US) == -1) {
		free(listeners);
		listeners = NULL;
		return err_set(e, "53200", "out of memory",
		    "no memory for %u listeners", (unsigned)n);
	}
	for (uint32_t i = 0; i < n; i++) {
		watch_init(&listeners[i].watch, fds[i], on_listener);
		listeners[i].idx = i;
	}
	nlisteners = n;
	self = me;
	take_client = on_client;
	is_in = is_paused_by_us = is_resting = is_unfair = false;
	looked_us = told_us = 0;
	taken_since_look = 0;
	settle();
	return 0;
}

void
accept_close(void)
{
	if (nlisteners == 0)
		return;
	leave();
	deadline_clear(&next_try);
	for (uint32_t i = 0; i < nlisteners; i++)
		if (listeners[i].watch.fd != -1)
			close(listeners[i].watch.fd);
	nlisteners = 0;
	/* we may stand in a listener's own callback */
	loop_defer(listeners, free);
	listeners = NULL;
}

static bool
is_unix(int fd)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);

	(void)getsockname(fd, (struct sockaddr *)&ss, &len);
	return ss.ss_family == AF_UNIX;
}

void
accept_close_inet(void)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < nlisteners; i++)
		kept += is_unix(listeners[i].watch.fd);
	if (kept == 0) {
		accept_close();
		return;
	}
	for (uint32_t i = 0; i < nlisteners; i++) {
		struct watch *w = &listeners[i].watch;

		if (w->fd == -1 || is_unix(w->fd))
			continue;
		loop_remove(w);
		close(w->fd);
		w->fd = -1;
	}
}

void
accept_pause(bool is_paused)
{
	is_paused_by_us = is_paused;
	settle();
}

void
accept_balance(void)
{
	if (nlisteners == 0)
		return;
	if (is_unfair || !is_in || loop_now_us - looked_us >= LOOK_US)
		settle();
	is_unfair = false;
}

void
accept_try(void)
{
	if (is_paused_by_us || is_resting)
		return;
	if (is_in) {
		/* the kernel looks at them when they join, and the loop
		 * then tells what it missed */
		leave();
		join();
		return;
	}
	/* those whom nobody else takes; one of each, since it is not our
	 * turn */
	for (uint32_t i = 0; i < nlisteners && !is_resting; i++)
		if (listeners[i].watch.fd != -1)
			(void)take_one(&listeners[i]);
}

bool
accept_is_in(void)
{
	return is_in;
}
