/*
 * loop_poll.c - the event loop over poll(2), for systems that have nothing
 * else and for tests.
 *
 * Two arrays side by side, what poll(2) sees and whose it is, and a table from
 * descriptor to place.  A place that is left becomes a hole at once and is
 * closed up before the next wait, so that places hold still during a turn.
 *
 * Blocks in loop_impl_wait() only; allocates to grow the arrays.
 */
#include "worker/io/loop_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static struct pollfd *polled;
static struct watch **watches; /* NULL: a hole */
static nfds_t npolled, polled_cap, nholes;
static nfds_t nfetched;    /* places that the last poll(2) has seen */
static uint32_t *place_of; /* by descriptor: place + 1, 0 for none */
static size_t place_cap;

const char *
loop_name(void)
{
	return "poll";
}

int
loop_impl_open(struct err *e)
{
	(void)e;
	return 0;
}

void
loop_impl_close(void)
{
	free(polled);
	free(watches);
	free(place_of);
	polled = NULL;
	watches = NULL;
	place_of = NULL;
	npolled = polled_cap = nholes = nfetched = 0;
	place_cap = 0;
}

static int
grow_polled(void)
{
	nfds_t cap = polled_cap ? polled_cap * 2 : 64;
	struct pollfd *p = realloc(polled, cap * sizeof(*p));
	struct watch **w;

	if (!p)
		return -1;
	polled = p;
	w = realloc(watches, cap * sizeof(struct watch *));
	if (!w)
		return -1;
	watches = w;
	polled_cap = cap;
	return 0;
}

static int
grow_places(int fd)
{
	size_t cap = place_cap ? place_cap : 64;
	uint32_t *p;

	while (cap <= (size_t)fd)
		cap *= 2;
	p = realloc(place_of, cap * sizeof(*p));
	if (!p)
		return -1;
	memset(p + place_cap, 0, (cap - place_cap) * sizeof(*p));
	place_of = p;
	place_cap = cap;
	return 0;
}

static int
add(struct watch *w)
{
	if (w->fd < 0) {
		errno = EBADF;
		return -1;
	}
	if (((size_t)w->fd >= place_cap && grow_places(w->fd) == -1) ||
	    (npolled == polled_cap && grow_polled() == -1)) {
		errno = ENOMEM;
		return -1;
	}
	/* closed unremoved, and its number came back: leave no second place */
	if (place_of[w->fd] != 0)
		watches[place_of[w->fd] - 1]->is_added = false;
	else
		place_of[w->fd] = (uint32_t)++npolled;
	watches[place_of[w->fd] - 1] = w;
	return 0;
}

int
loop_impl_set(struct watch *w, unsigned want)
{
	short events = 0;
	struct pollfd *p;

	if (!w->is_added && add(w) == -1)
		return -1;
	if (want & LOOP_READ)
		events |= POLLIN;
	if (want & LOOP_WRITE)
		events |= POLLOUT;
	p = &polled[place_of[w->fd] - 1];
	p->fd = w->fd;
	p->events = events;
	if (!w->is_added)
		p->revents = 0;
	return 0;
}

void
loop_impl_remove(struct watch *w)
{
	uint32_t at = place_of[w->fd] - 1;

	place_of[w->fd] = 0;
	watches[at] = NULL;
	polled[at].fd = -1;
	nholes++;
}

static void
close_up(void)
{
	nfds_t to = 0;

	if (nholes == 0)
		return;
	for (nfds_t from = 0; from < npolled; from++) {
		if (!watches[from])
			continue;
		watches[to] = watches[from];
		polled[to] = polled[from];
		place_of[polled[to].fd] = (uint32_t)to + 1;
		to++;
	}
	npolled = to;
	nholes = 0;
}

void
loop_impl_wait(int ms)
{
	close_up();
	nfetched = poll(polled, npolled, ms) > 0 ? npolled : 0;
}

void
loop_impl_dispatch(void)
{
	for (nfds_t i = 0; i < nfetched; i++) {
		short got = polled[i].revents;
		unsigned events = 0;

		if (got == 0 || !watches[i])
			continue;
		if (got & POLLIN)
			events |= LOOP_READ;
		if (got & POLLOUT)
			events |= LOOP_WRITE;
		if (got & (POLLERR | POLLHUP | POLLNVAL))
			events |= LOOP_HANGUP;
		loop_event(watches[i], events);
	}
	nfetched = 0;
}
