/*
 * fdcache.c - the descriptors that this process holds, by slot.
 *
 * A descriptor comes once, when its backend has logged in, and stays until the
 * slot's generation has passed.  A claim is good only with the descriptor of
 * exactly the generation in the slot's word.
 *
 * Data: this process's own.  Never blocks.
 */
#include "worker/backend/fdcache.h"

#include <stdlib.h>
#include <unistd.h>

#include "shm/crash.h"
#include "shm/segment.h"
#include "worker/backend/depart.h"
#include "worker/backend/lend.h"
#include "worker/backend/login.h"
#include "worker/io/tls.h"
#include "worker/self.h"

static struct backend **table; /* by slot; NULL: no descriptor here */

int
backend_init(void)
{
	table = calloc(seg->nslots, sizeof(struct backend *));
	return table == NULL ? -1 : 0;
}

static void
free_backend(void *p)
{
	struct backend *b = p;

	deadline_clear(&b->deadline);
	tls_drop(b->tls);
	track_fini(&b->track);
	buf_fini(&b->in);
	buf_fini(&b->out);
	free(b);
}

/* Out of the loop first: epoll goes on reporting a closed number while a
 * duplicate lives elsewhere.  `have` says so only when it is true. */
void
fdcache_drop(struct backend *b)
{
	loop_remove(&b->watch);
	deadline_clear(&b->deadline);
	if (b->lend != NULL)
		lend_unlearn(b->lend, b);
	/* before the number may mean another socket */
	tls_drop(b->tls);
	b->tls = NULL;
	if (b->watch.fd != -1) {
		close(b->watch.fd);
		b->watch.fd = -1;
		have_set(self.me, b->slot, 0);
	}
	if (table[b->slot] == b)
		table[b->slot] = NULL;
	loop_defer(b, free_backend);
}

void
backend_fini(void)
{
	if (table == NULL)
		return;
	for (uint32_t i = 0; i < seg->nslots; i++)
		if (table[i] != NULL) {
			login_drop(table[i]);
			if (table[i]->watch.fd != -1)
				close(table[i]->watch.fd);
			free_backend(table[i]);
		}
	free(table);
	table = NULL;
}

struct backend *
backend_at(uint32_t slot)
{
	return slot < seg->nslots ? table[slot] : NULL;
}

struct backend *
fdcache_add(uint32_t slot, uint64_t gen, int fd)
{
	struct backend *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	backend_embed(b, fd);
	b->slot = slot;
	b->gen = gen;
	table[slot] = b;
	return b;
}

void
backend_learn(uint32_t slot, uint64_t gen, int fd)
{
	struct slot *s = slot_at(slot);
	struct backend *b;
	struct lend *l;
	uint64_t word;

	if (s == NULL || slot_gen(word = slot_look(s)) != gen) {
		close(fd);
		return;
	}
	b = table[slot];
	if (b != NULL && b->gen == gen) {
		close(fd);
		return;
	}
	if (b != NULL)
		fdcache_drop(b);
	l = lend_at(atomic_load(&s->pool));
	b = l == NULL ? NULL : fdcache_add(slot, gen, fd);
	if (b == NULL) {
		close(fd); /* no memory: it is sent again */
		return;
	}
	have_set(self.me, slot, gen);
	CRASH_POINT("backend.learn");
	b->lend = l;
	/* a replacement watches what its number last owned */
	if (slot_state(word) == SLOT_IDLE && slot_owner(word) == self.me)
		loop_want(&b->watch, LOOP_READ);
	lend_learn(l, b);
}

void
backend_forget(uint32_t slot, uint64_t gen)
{
	struct backend *b = backend_at(slot);

	if (b != NULL && b->gen == gen && b->state == BACKEND_CACHED)
		fdcache_drop(b);
}

void
backend_rescan(void)
{
	for (uint32_t i = 0; i < seg->nslots; i++) {
		uint64_t word;

		if (table[i] == NULL || table[i]->state != BACKEND_CACHED)
			continue;
		word = slot_look(slot_at(i));
		if (slot_gen(word) != table[i]->gen ||
		    slot_state(word) == SLOT_FREE)
			fdcache_drop(table[i]);
	}
}

static void
close_if_open(int fd)
{
	if (fd != -1)
		close(fd);
}

void
backend_adopt(uint32_t slot, uint64_t gen, int fd)
{
	struct slot *s = slot_at(slot);
	uint64_t word = s == NULL ? 0 : slot_look(s);
	struct backend *b = backend_at(slot);

	if (s == NULL || slot_gen(word) != gen ||
	    slot_state(word) != SLOT_CLOSING || slot_owner(word) != self.me) {
		close_if_open(fd);
		return;
	}
	if (b != NULL && b->gen != gen) {
		fdcache_drop(b);
		b = NULL;
	}
	/* ours does as well, should the message's have been lost on the way */
	if (b != NULL && b->watch.fd != -1) {
		close_if_open(fd);
	} else {
		b = fd == -1 ? NULL : fdcache_add(slot, gen, fd);
		if (b == NULL) {
			close_if_open(fd);
			return;
		}
		have_set(self.me, slot, gen);
	}
	if (b->lend == NULL)
		b->lend = lend_at(atomic_load(&s->pool));
	if (b->state == BACKEND_CLOSING)
		return;
	depart_adopted(b);
}
