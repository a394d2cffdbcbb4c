/*
 * loop.c - the part of the event loop that all mechanisms share.
 *
 * A turn is: wait, events, deadlines, turn hook, deferred frees.  Which events
 * are stale is told by the turn's number: a watch that was set up or removed
 * in this turn bears it, and gets nothing that was fetched before.  Should the
 * number wrap round to an old watch's, one event comes a turn later: the loop
 * is level-triggered.
 *
 * Data: this process's own.  Blocks in loop_impl_wait() only.
 */
#include "worker/io/loop.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>

#include "conf/clock.h"
#include "worker/io/deadline.h"
#include "worker/io/loop_impl.h"

struct deferred {
	void *p;
	void (*free_fn)(void *);
};

uint64_t loop_now_us;

static uint32_t turn;
static bool is_stopped;
static int (*hook_before)(void);
static void (*hook_after)(void);
static struct deferred *deferred;
static size_t ndeferred, deferred_cap;

int
loop_open(struct err *e)
{
	loop_now_us = clock_now_us();
	return loop_impl_open(e);
}

static void
free_deferred(void)
{
	/* a free function may defer another */
	for (size_t i = 0; i < ndeferred; i++) {
		struct deferred d = deferred[i];

		d.free_fn(d.p);
	}
	ndeferred = 0;
}

void
loop_close(void)
{
	free_deferred();
	free(deferred);
	deferred = NULL;
	deferred_cap = 0;
	hook_before = NULL;
	hook_after = NULL;
	is_stopped = false;
	loop_impl_close();
}

void
watch_init(
    struct watch *w, int fd, void (*on_event)(struct watch *w, unsigned events))
{
	w->fd = fd;
	w->want = 0;
	w->is_added = w->tells_drained = w->is_edge = w->is_armed = false;
	/* its memory may have been another's when the events were fetched */
	w->serial = turn;
	w->on_event = on_event;
}

int
loop_want(struct watch *w, unsigned want)
{
	if (w->is_added && w->want == want)
		return 0;
	if (loop_impl_set(w, want) == -1)
		return -1;
	w->is_added = true;
	w->want = (uint8_t)want;
	return 0;
}

void
loop_remove(struct watch *w)
{
	if (!w->is_added)
		return;
	loop_impl_remove(w);
	w->is_added = false;
	w->want = 0;
	w->serial = turn;
}

void
loop_event(struct watch *w, unsigned events)
{
	if (w->serial == turn || !w->is_added)
		return;
	/* an earlier callback of this turn may have changed its interest */
	events &= w->want | LOOP_HANGUP;
	if (events)
		w->on_event(w, events);
}

void
loop_defer(void *p, void (*free_fn)(void *))
{
	if (ndeferred == deferred_cap) {
		size_t cap = deferred_cap ? deferred_cap * 2 : 64;
		struct deferred *d = realloc(deferred, cap * sizeof(*d));

		/* losing the memory is better than using it after its end */
		if (!d)
			return;
		deferred = d;
		deferred_cap = cap;
	}
	deferred[ndeferred].p = p;
	deferred[ndeferred++].free_fn = free_fn;
}

void
loop_hooks(int (*before_wait)(void), void (*after_wait)(void))
{
	hook_before = before_wait;
	hook_after = after_wait;
}

/* The wait that the hook allows, shortened to the next deadline. */
static int
wait_ms(int ms)
{
	uint64_t next = deadline_next();
	uint64_t left;

	if (next == 0)
		return ms;
	if (next <= loop_now_us)
		return 0;
	/* round up: waking a little early would only spin */
	left = (next - loop_now_us - 1) / 1000 + 1;
	if (left > INT_MAX)
		left = INT_MAX;
	return ms < 0 || (int)left < ms ? (int)left : ms;
}

static void
one_turn(void)
{
	int ms = hook_before ? hook_before() : -1;

	free_deferred();
	if (is_stopped)
		return;
	loop_impl_wait(wait_ms(ms));
	turn++;
	loop_now_us = clock_now_us();
	if (hook_after)
		hook_after();
	loop_impl_dispatch();
	deadline_run(loop_now_us);
}

void
loop_run(void)
{
	while (!is_stopped)
		one_turn();
	is_stopped = false;
	free_deferred();
}

void
loop_stop(void)
{
	is_stopped = true;
}
