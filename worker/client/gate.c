/*
 * gate.c - a bounded part of each turn for those who are not in yet.
 *
 * Two lists: all of them by age, and those whose step waits, by when it came.
 * Whoever has a step waiting is out of the loop: level-triggered events would
 * come again in each turn, before those of the others.
 *
 * Data: this process's own.  Never blocks.
 */
#include "worker/client/gate.h"

#include <stdlib.h>

#include "conf/clock.h"
#include "shm/segment.h"
#include "worker/client/client.h"
#include "worker/io/accept.h"
#include "worker/io/outer.h"
#include "worker/self.h"

enum {
	SLICE_US = 500,        /* of a turn */
	PATIENCE_US = 5000000, /* once others wait for the place */
	RELIEF_US = 100000,    /* between two looks at who makes room */
};

struct link {
	struct link *prev, *next;
};

struct gate_pass {
	struct link by_age;
	struct link by_turn; /* only while is_queued */
	struct client *client;
	unsigned events; /* that wait for its turn */
	unsigned want;   /* its interest, while it is out of the loop */
	bool is_queued;
};

#define PASS_OF(l, field) OUTER_OF(l, struct gate_pass, field)

static struct link all = { &all, &all };
static struct link queue = { &queue, &queue };
static uint32_t number;
static bool is_full;
static uint64_t spent_us; /* of this turn's slice */
static struct deadline relief;

static void
put_last(struct link *list, struct link *l)
{
	l->prev = list->prev;
	l->next = list;
	list->prev->next = l;
	list->prev = l;
}

static void
take_out(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
}

/* --- how many ------------------------------------------------------------------- */

/* Of all that may be there, this worker's part; UINT32_MAX: no bound. */
static uint32_t
share(void)
{
	uint32_t most = (uint32_t)self.conf->max_client_logins;

	if (most == 0)
		return UINT32_MAX;
	return most / seg->nworkers + (most % seg->nworkers > 0);
}

static void on_relief(struct deadline *d);

/* The bounds are apart, so that the listeners do not come and go with each. */
static void
settle(void)
{
	uint32_t most = share();
	bool full = is_full ? number >= most - most / 8 : number >= most;

	if (full == is_full)
		return;
	is_full = full;
	accept_pause(full);
	if (!full) {
		deadline_clear(&relief);
		return;
	}
	deadline_init(&relief, on_relief);
	/* without memory for it each login has its own deadline still */
	(void)deadline_set(&relief, loop_now_us + RELIEF_US);
}

static void
on_relief(struct deadline *d)
{
	(void)deadline_set(d, loop_now_us + RELIEF_US);
	while (is_full && gate_evict())
		continue;
	/* a reload may have changed the bound */
	settle();
}

bool
gate_evict(void)
{
	for (struct link *l = all.next; l != &all; l = l->next) {
		struct gate_pass *p = PASS_OF(l, by_age);
		struct client *c = p->client;

		if (loop_now_us - c->since_us < PATIENCE_US)
			return false;
		if (p->is_queued || greet_is_busy(c))
			continue;
		client_fail(c, "53300", "too many clients are logging in");
		return true;
	}
	return false;
}

int
gate_enter(struct client *c)
{
	struct gate_pass *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -1;
	p->client = c;
	c->pass = p;
	put_last(&all, &p->by_age);
	number++;
	settle();
	return 0;
}

/* --- whose turn it is ------------------------------------------------------------ */

/* Back into the loop. */
static int
unqueue(struct gate_pass *p)
{
	struct client *c = p->client;

	take_out(&p->by_turn);
	p->is_queued = false;
	return c->watch.is_added ? 0 : loop_want(&c->watch, p->want);
}

void
gate_leave(struct client *c)
{
	struct gate_pass *p = c->pass;

	if (p == NULL)
		return;
	c->pass = NULL;
	take_out(&p->by_age);
	number--;
	/* whoever is in looks after its interest itself */
	if (p->is_queued)
		(void)unqueue(p);
	free(p);
	settle();
}

static void
step(struct client *c, unsigned events)
{
	uint64_t from_us = clock_now_us();

	client_step(c, events);
	spent_us += clock_now_us() - from_us;
}

void
gate_on_event(struct client *c, unsigned events)
{
	struct gate_pass *p = c->pass;

	if (queue.next == &queue && spent_us < SLICE_US) {
		step(c, events);
		return;
	}
	p->events |= events;
	if (c->watch.is_added)
		p->want = c->watch.want;
	loop_remove(&c->watch);
	if (p->is_queued)
		return;
	p->is_queued = true;
	put_last(&queue, &p->by_turn);
}

bool
gate_turn(void)
{
	while (queue.next != &queue && spent_us < SLICE_US) {
		struct gate_pass *p = PASS_OF(queue.next, by_turn);
		struct client *c = p->client;
		unsigned events = p->events;

		p->events = 0;
		if (unqueue(p) == -1)
			client_fail(c, "53200", "out of memory");
		else
			step(c, events);
	}
	spent_us = 0;
	return queue.next != &queue;
}

void
gate_fini(void)
{
	if (is_full)
		deadline_clear(&relief);
	is_full = false;
}
