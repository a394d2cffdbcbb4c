#include "master/fdstore.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/proc.h"
#include "shm/segment.h"
#include "shm/slot.h"

enum {
	/* A worker that has shown life this long after a message was sent has
	   had its turn to read it. */
	FDSTORE_LOST_MS = 50,
};

struct stored {
	uint64_t gen; /* 0: none */
	int fd;
	bool is_shared;
	uint32_t heir;       /* worker that is to end it, or PROC_NOBODY */
	uint64_t adopted_ms; /* when the heir was told; 0: not yet */
};

struct flight {
	uint32_t slot;
	uint64_t gen;
	uint64_t sent_ms;
};

struct peer {
	uint32_t nflights;
	struct flight flights[FDSTORE_FLIGHT];
};

static struct stored *store; /* seg->nslots */
static uint32_t nstore;      /* no entry from here on was ever used */
static struct peer *peers;   /* seg->nworkers */
static uint32_t held;        /* descriptors */
static bool is_behind;       /* some worker may lack a shared descriptor */
static fdstore_send_fn *send_to;

int
fdstore_init(fdstore_send_fn *send_fn, struct err *e)
{
	send_to = send_fn;
	store = calloc(seg->nslots, sizeof(*store));
	peers = calloc(seg->nworkers, sizeof(*peers));
	if (store == NULL || peers == NULL) {
		fdstore_fini();
		return err_set(e, "53200", "out of memory",
		    "no memory for %u slots", seg->nslots);
	}
	return 0;
}

static void
forget(struct stored *s)
{
	if (s->gen == 0)
		return;
	close(s->fd);
	held--;
	*s = (struct stored){ .fd = -1, .heir = PROC_NOBODY };
}

void
fdstore_fini(void)
{
	for (uint32_t i = 0; store != NULL && i < nstore; i++)
		forget(&store[i]);
	free(store);
	free(peers);
	store = NULL;
	peers = NULL;
	nstore = 0;
	is_behind = false;
}

/* The entry, if that is what it holds. */
static struct stored *
find(uint32_t slot, uint64_t gen)
{
	if (slot >= nstore || gen == 0 || store[slot].gen != gen)
		return NULL;
	return &store[slot];
}

bool
fdstore_has(uint32_t slot, uint64_t gen)
{
	return find(slot, gen) != NULL;
}

uint32_t
fdstore_count(void)
{
	return held;
}

/* Does the slot still speak of this generation? */
static bool
is_current(uint32_t slot, uint64_t gen)
{
	const struct slot *s = slot_at(slot);
	uint64_t word;

	if (s == NULL)
		return false;
	word = slot_look(s);
	return slot_gen(word) == gen && slot_state(word) != SLOT_FREE;
}

/*
 * Its owner may die between saying in the slot that the backend is shared and
 * saying so here: the slot counts.  Before the end of its login a slot's flags
 * may be those of the backend before.
 */
static bool
look_shared(uint32_t slot)
{
	const struct slot *s = slot_at(slot);
	uint64_t word = slot_look(s);
	enum slot_state state = slot_state(word);

	if (store[slot].gen == 0 || store[slot].gen != slot_gen(word))
		return false;
	if (!store[slot].is_shared &&
	    (state == SLOT_IDLE || state == SLOT_ACTIVE ||
		state == SLOT_GRANTED) &&
	    (atomic_load(&s->flags) & SLOT_SHARED) != 0 &&
	    slot_gen(slot_look(s)) == store[slot].gen) {
		store[slot].is_shared = true;
		is_behind = true;
	}
	return store[slot].is_shared && state != SLOT_FREE;
}

void
fdstore_put(uint32_t slot, uint64_t gen, int fd)
{
	if (fd == -1)
		return;
	if (gen == 0 || !is_current(slot, gen)) {
		close(fd);
		return;
	}
	while (nstore <= slot)
		store[nstore++] =
		    (struct stored){ .fd = -1, .heir = PROC_NOBODY };
	forget(&store[slot]);
	store[slot].gen = gen;
	store[slot].fd = fd;
	held++;
}

/* --- delivery --- */

/* Drop from the list what has arrived, is stale, or was lost. */
static void
settle(uint32_t w)
{
	struct peer *p = &peers[w];
	uint64_t alive_ms = atomic_load(&proc_at(w)->alive_ms);
	uint32_t kept = 0;

	for (uint32_t i = 0; i < p->nflights; i++) {
		struct flight f = p->flights[i];
		bool is_lost = alive_ms > f.sent_ms &&
		    alive_ms - f.sent_ms > FDSTORE_LOST_MS;

		if (have_look(w, f.slot) == f.gen ||
		    find(f.slot, f.gen) == NULL || is_lost)
			continue;
		p->flights[kept++] = f;
	}
	p->nflights = kept;
}

static bool
is_in_flight(const struct peer *p, uint32_t slot, uint64_t gen)
{
	for (uint32_t i = 0; i < p->nflights; i++) {
		if (p->flights[i].slot == slot && p->flights[i].gen == gen)
			return true;
	}
	return false;
}

/* See that `w` gets the descriptor; false: it is still without. */
static bool
deliver(uint32_t w, uint32_t slot, uint64_t now_ms)
{
	struct peer *p = &peers[w];
	const struct stored *s = &store[slot];
	struct msg m = { .type = MSG_FD, .idx = slot, .gen = s->gen };

	if (have_look(w, slot) == s->gen || !proc_is_there(w))
		return true;
	if (is_in_flight(p, slot, s->gen))
		return false;
	if (p->nflights == FDSTORE_FLIGHT)
		settle(w);
	if (p->nflights < FDSTORE_FLIGHT && send_to(w, &m, s->fd))
		p->flights[p->nflights++] = (struct flight){
			.slot = slot, .gen = s->gen, .sent_ms = now_ms
		};
	return false;
}

void
fdstore_share(uint32_t slot, uint64_t gen, uint64_t now_ms)
{
	struct stored *s = find(slot, gen);

	if (s == NULL)
		return;
	s->is_shared = true;
	for (uint32_t w = 0; w < seg->nworkers; w++) {
		if (!deliver(w, slot, now_ms))
			is_behind = true;
	}
}

void
fdstore_gone(uint32_t slot, uint64_t gen, uint32_t from)
{
	struct stored *s = find(slot, gen);
	struct msg m = { .type = MSG_FD_DROP, .idx = slot, .gen = gen };

	if (s == NULL)
		return;
	for (uint32_t w = 0; w < seg->nworkers; w++) {
		/* a drop that is not taken costs a number until the worker's
		   own rescan, no more */
		if (w != from &&
		    (have_look(w, slot) == gen ||
			is_in_flight(&peers[w], slot, gen)))
			(void)send_to(w, &m, -1);
	}
	forget(s);
}

/* --- heirs --- */

/* Tell the heir, or tell it again; false: it is still to learn of it. */
static bool
tell_heir(uint32_t slot, uint64_t now_ms)
{
	struct stored *s = &store[slot];
	struct msg m = { .type = MSG_FD_ADOPT, .idx = slot, .gen = s->gen };
	uint64_t word = slot_look(slot_at(slot));
	uint64_t alive_ms = atomic_load(&proc_at(s->heir)->alive_ms);

	if (word != slot_word(SLOT_CLOSING, s->heir, s->gen) ||
	    (s->adopted_ms != 0 && have_look(s->heir, slot) == s->gen)) {
		s->heir = PROC_NOBODY;
		return true;
	}
	if (s->adopted_ms != 0 &&
	    (alive_ms <= s->adopted_ms ||
		alive_ms - s->adopted_ms <= FDSTORE_LOST_MS))
		return false;
	if (send_to(s->heir, &m, s->fd))
		s->adopted_ms = now_ms;
	return false;
}

void
fdstore_adopt(uint32_t slot, uint64_t gen, uint32_t heir, uint64_t now_ms)
{
	struct stored *s = find(slot, gen);

	if (s == NULL || heir >= seg->nworkers)
		return;
	s->heir = heir;
	s->adopted_ms = 0;
	if (!tell_heir(slot, now_ms))
		is_behind = true;
}

/* --- lives --- */

void
fdstore_lost(uint32_t w)
{
	if (w >= seg->nworkers)
		return;
	peers[w].nflights = 0;
	is_behind = true;
}

uint32_t
fdstore_inherit(uint32_t w, struct child_fd *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < nstore; i++) {
		const struct stored *s = &store[i];

		if (!look_shared(i))
			continue;
		out[n++] =
		    (struct child_fd){ .slot = i, .gen = s->gen, .fd = s->fd };
		have_set(w, i, s->gen);
	}
	is_behind = true;
	return n;
}

void
fdstore_child(const struct child_fd *fds, uint32_t n)
{
	uint32_t next = 0; /* of fds, which are in the order of slots */

	for (uint32_t i = 0; i < nstore; i++) {
		if (next < n && fds[next].slot == i)
			next++;
		else if (store[i].gen != 0)
			close(store[i].fd);
	}
	free(store);
	free(peers);
	store = NULL;
	peers = NULL;
	nstore = 0;
	held = 0;
}

bool
fdstore_run(uint64_t now_ms)
{
	if (!is_behind)
		return false;
	is_behind = false;
	for (uint32_t w = 0; w < seg->nworkers; w++)
		settle(w);
	for (uint32_t i = 0; i < nstore; i++) {
		if (store[i].gen == 0)
			continue;
		if (store[i].heir != PROC_NOBODY && !tell_heir(i, now_ms))
			is_behind = true;
		if (!look_shared(i))
			continue;
		for (uint32_t w = 0; w < seg->nworkers; w++) {
			if (!deliver(w, i, now_ms))
				is_behind = true;
		}
	}
	return is_behind;
}

void
fdstore_rescan(void)
{
	for (uint32_t i = 0; i < nstore; i++) {
		if (store[i].gen == 0)
			continue;
		if (is_current(i, store[i].gen))
			(void)look_shared(i);
		else
			forget(&store[i]);
	}
}
