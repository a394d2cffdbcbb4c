/*
 * load_agenda.c - who has something to do, and when: a binary heap.
 *
 * A client knows its place, so that it can be moved or taken out.
 */
#include "t/bench/load.h"

#include <stddef.h>

uint32_t
load_random(struct load *l, uint32_t n)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (uint32_t)((l->random >> 32) % n);
}

static int64_t
due_at(const struct load *l, uint32_t place)
{
	return l->clients[l->agenda[place]].due_us;
}

static void
put_at(struct load *l, uint32_t place, uint32_t number)
{
	l->agenda[place] = number;
	l->clients[number].agenda = place + 1;
}

static void
sift_up(struct load *l, uint32_t place)
{
	uint32_t number = l->agenda[place];

	while (place > 0) {
		uint32_t parent = (place - 1) / 2;

		if (due_at(l, parent) <= l->clients[number].due_us)
			break;
		put_at(l, place, l->agenda[parent]);
		place = parent;
	}
	put_at(l, place, number);
}

static void
sift_down(struct load *l, uint32_t place)
{
	uint32_t number = l->agenda[place];

	for (;;) {
		uint32_t child = 2 * place + 1;

		if (child >= l->agenda_len)
			break;
		if (child + 1 < l->agenda_len &&
		    due_at(l, child + 1) < due_at(l, child))
			child++;
		if (l->clients[number].due_us <= due_at(l, child))
			break;
		put_at(l, place, l->agenda[child]);
		place = child;
	}
	put_at(l, place, number);
}

void
load_agenda_put(struct load *l, struct load_client *c, int64_t due_us)
{
	uint32_t number = (uint32_t)(c - l->clients);

	c->due_us = due_us;
	if (c->agenda == 0)
		put_at(l, l->agenda_len++, number);
	sift_up(l, c->agenda - 1);
	sift_down(l, c->agenda - 1);
}

void
load_agenda_drop(struct load *l, struct load_client *c)
{
	uint32_t place = c->agenda - 1;
	uint32_t last;

	if (c->agenda == 0)
		return;
	c->agenda = 0;
	last = l->agenda[--l->agenda_len];
	if (place == l->agenda_len)
		return;
	put_at(l, place, last);
	sift_up(l, place);
	sift_down(l, l->clients[last].agenda - 1);
}

struct load_client *
load_agenda_take(struct load *l)
{
	struct load_client *c;

	if (l->agenda_len == 0 || due_at(l, 0) > l->now_us)
		return NULL;
	c = &l->clients[l->agenda[0]];
	load_agenda_drop(l, c);
	return c;
}
