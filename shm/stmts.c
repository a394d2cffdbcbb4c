#include "shm/stmts.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "shm/segment.h"

/*
 * A set is its head, an index with twice as many places as there are entries
 * (open addressing; 0 is an empty place, else the entry + 1), and the entries.
 * The names are keyed hashes: nobody can choose two that meet.
 */

static uint32_t
places(void)
{
	return 2 * segtab.nstmts;
}

static uint16_t *
index_of(struct stmts *s)
{
	return (uint16_t *)(void *)(s + 1);
}

static struct stmts_entry *
entries(struct stmts *s)
{
	return (struct stmts_entry *)(void *)(index_of(s) + places());
}

static uint32_t
place_of(const uint8_t name[STMTS_NAME])
{
	uint32_t h;

	memcpy(&h, name, sizeof(h));
	return h & (places() - 1);
}

static uint32_t
next_place(uint32_t at)
{
	return (at + 1) & (places() - 1);
}

static struct stmts *
set_at(uint32_t slot)
{
	if (slot >= segtab.nslots)
		return NULL;
	return (struct stmts *)(void *)(segtab.stmts +
	    (size_t)slot * stmts_size(segtab.nstmts));
}

uint32_t
stmts_capacity(uint32_t want)
{
	uint32_t n = STMTS_MIN;

	while (n < want && n < STMTS_MAX)
		n *= 2;
	return n;
}

uint64_t
stmts_size(uint32_t capacity)
{
	return sizeof(struct stmts) +
	    (uint64_t)capacity *
	    (2 * sizeof(uint16_t) + sizeof(struct stmts_entry));
}

struct stmts *
stmts_of(uint32_t slot, uint64_t gen)
{
	struct stmts *s = set_at(slot);

	if (s != NULL && s->gen != gen) {
		stmts_clear(s);
		s->gen = gen;
	}
	return s;
}

uint32_t
stmts_count(uint32_t slot)
{
	const struct stmts *s = set_at(slot);

	return s == NULL
	    ? 0
	    : atomic_load_explicit(&s->count, memory_order_relaxed);
}

/* An entry that something in the set names; NULL: it cannot exist. */
static struct stmts_entry *
entry(struct stmts *s, uint32_t i)
{
	assert(s != NULL);
	if (i < segtab.nstmts)
		return entries(s) + i;
	s->broken = 1;
	return NULL;
}

struct stmts_entry *
stmts_at(struct stmts *s, uint32_t i)
{
	return entry(s, i);
}

/* --- the index ----------------------------------------------------------- */

/* Where `name` is, or the empty place where it would go; it is full of
 * nonsense if there is neither. */
static uint32_t
search(struct stmts *s, const uint8_t name[STMTS_NAME])
{
	uint32_t at = place_of(name);

	for (uint32_t n = 0; n < places(); n++, at = next_place(at)) {
		uint32_t i = index_of(s)[at];
		struct stmts_entry *e;

		if (i == 0 || (e = entry(s, i - 1)) == NULL ||
		    memcmp(e->name, name, STMTS_NAME) == 0)
			return at;
	}
	s->broken = 1;
	return at;
}

uint32_t
stmts_find(struct stmts *s, const uint8_t name[STMTS_NAME])
{
	uint32_t i = index_of(s)[search(s, name)];

	return i == 0 || s->broken ? STMTS_NONE : i - 1;
}

/* Take a place out, and move up what was put behind it for its sake. */
static void
unindex(struct stmts *s, const uint8_t name[STMTS_NAME])
{
	uint16_t *index = index_of(s);
	uint32_t hole = search(s, name), at = hole;

	for (uint32_t n = 0; n < places(); n++) {
		struct stmts_entry *e;
		uint32_t home;

		at = next_place(at);
		if (index[at] == 0 || (e = entry(s, index[at] - 1u)) == NULL)
			break;
		home = place_of(e->name);
		/* is its home, cyclically, at the hole or before it? */
		if (((at - home) & (places() - 1)) >=
		    ((at - hole) & (places() - 1))) {
			index[hole] = index[at];
			hole = at;
		}
	}
	index[hole] = 0;
}

/* --- the order ----------------------------------------------------------- */

static void
unlink_entry(struct stmts *s, struct stmts_entry *e)
{
	struct stmts_entry *n;

	if (e->newer == STMTS_NONE)
		s->newest = e->older;
	else if ((n = entry(s, e->newer)) != NULL)
		n->older = e->older;
	if (e->older == STMTS_NONE)
		s->oldest = e->newer;
	else if ((n = entry(s, e->older)) != NULL)
		n->newer = e->newer;
}

static void
link_newest(struct stmts *s, struct stmts_entry *e)
{
	uint16_t i = (uint16_t)(e - entries(s));
	struct stmts_entry *n;

	e->newer = STMTS_NONE;
	e->older = s->newest;
	if (s->newest == STMTS_NONE)
		s->oldest = i;
	else if ((n = entry(s, s->newest)) != NULL)
		n->newer = i;
	s->newest = i;
}

void
stmts_use(struct stmts *s, uint32_t i)
{
	struct stmts_entry *e = entry(s, i);

	if (e == NULL)
		return;
	e->used = s->batch;
	if (s->newest == i)
		return;
	unlink_entry(s, e);
	link_newest(s, e);
}

uint32_t
stmts_oldest(const struct stmts *s)
{
	return s->oldest;
}

uint32_t
stmts_newer(struct stmts *s, uint32_t i)
{
	const struct stmts_entry *e = entry(s, i);

	return e == NULL ? STMTS_NONE : e->newer;
}

/* --- entries ------------------------------------------------------------- */

static void
count_by(struct stmts *s, uint32_t n)
{
	uint32_t was = atomic_load_explicit(&s->count, memory_order_relaxed);

	atomic_store_explicit(&s->count, was + n, memory_order_relaxed);
}

static struct stmts_entry *
take_entry(struct stmts *s)
{
	struct stmts_entry *e = NULL;

	if (s->spare != STMTS_NONE) {
		e = entry(s, s->spare);
		if (e != NULL)
			s->spare = e->older;
	} else if (s->fresh < segtab.nstmts) {
		e = entries(s) + s->fresh++;
	}
	return e;
}

uint32_t
stmts_add(struct stmts *s, const uint8_t name[STMTS_NAME])
{
	uint32_t at = search(s, name);
	struct stmts_entry *e;

	if (s->broken || (e = take_entry(s)) == NULL)
		return STMTS_NONE;
	memset(e, 0, sizeof(*e));
	memcpy(e->name, name, STMTS_NAME);
	link_newest(s, e);
	index_of(s)[at] = (uint16_t)(e - entries(s) + 1);
	count_by(s, 1);
	return (uint32_t)(e - entries(s));
}

static void
drop(struct stmts *s, struct stmts_entry *e)
{
	unindex(s, e->name);
	unlink_entry(s, e);
	e->older = s->spare;
	s->spare = (uint16_t)(e - entries(s));
	count_by(s, UINT32_MAX);
}

/* It is another from now on, or may be. */
static void
forget_told(struct stmts_entry *e)
{
	e->rows = e->params = 0;
}

void
stmts_told(struct stmts *s, const uint8_t name[STMTS_NAME], uint32_t rows,
    uint32_t params)
{
	uint32_t i = stmts_find(s, name);
	struct stmts_entry *e = i == STMTS_NONE ? NULL : entry(s, i);

	if (e == NULL || e->pending > 0)
		return;
	e->rows = rows;
	if (params != 0)
		e->params = params;
}

/* What is under way for it has come to an end. */
static void
rest(struct stmts *s, struct stmts_entry *e)
{
	if (e->pending > 0)
		return;
	e->will = e->has;
	if (!e->has)
		drop(s, e);
}

void
stmts_will(struct stmts *s, uint32_t i, bool has, uint32_t plan)
{
	struct stmts_entry *e = entry(s, i);

	if (e == NULL)
		return;
	e->pending++;
	e->will = has;
	e->batch = s->batch;
	forget_told(e);
	if (has)
		e->plan = plan;
}

/* The entry of a change that was under way. */
static struct stmts_entry *
end_change(struct stmts *s, uint32_t i)
{
	struct stmts_entry *e = entry(s, i);

	if (e == NULL || e->pending == 0) {
		s->broken = 1;
		return NULL;
	}
	e->pending--;
	return e;
}

void
stmts_did(struct stmts *s, uint32_t i, bool has)
{
	struct stmts_entry *e = end_change(s, i);

	if (e == NULL)
		return;
	e->has = has;
	forget_told(e);
	rest(s, e);
}

void
stmts_lost(struct stmts *s, uint32_t i)
{
	struct stmts_entry *e = end_change(s, i);

	if (e == NULL)
		return;
	e->plan = 0;
	rest(s, e);
}

/* --- all of them --------------------------------------------------------- */

/* Call `fn` for each, which may drop it. */
static void
each(struct stmts *s, void (*fn)(struct stmts *, struct stmts_entry *))
{
	uint32_t i = s->newest;

	for (uint32_t n = 0; i != STMTS_NONE; n++) {
		struct stmts_entry *e = entry(s, i);

		if (e == NULL || n >= segtab.nstmts) {
			s->broken = 1;
			return;
		}
		i = e->older;
		fn(s, e);
	}
}

static void
lose_one(struct stmts *s, struct stmts_entry *e)
{
	e->has = false;
	rest(s, e);
}

static void
doubt_one(struct stmts *s, struct stmts_entry *e)
{
	(void)s;
	e->plan = 0;
}

static void
abandon_one(struct stmts *s, struct stmts_entry *e)
{
	(void)s;
	if (e->pending == 0)
		return;
	e->pending = 0;
	e->has = e->will = true;
	e->plan = 0;
}

void
stmts_gone(struct stmts *s)
{
	each(s, lose_one);
}

void
stmts_doubt(struct stmts *s)
{
	each(s, doubt_one);
}

void
stmts_abandon(struct stmts *s)
{
	each(s, abandon_one);
}

void
stmts_clear(struct stmts *s)
{
	if (s->fresh != 0)
		memset(index_of(s), 0, places() * sizeof(uint16_t));
	atomic_store_explicit(&s->count, 0, memory_order_relaxed);
	s->newest = s->oldest = s->spare = STMTS_NONE;
	s->fresh = 0;
	s->broken = 0;
}

/* --- for check.c --------------------------------------------------------- */

static const char *
check_entry(struct stmts *s, uint32_t i, uint32_t newer, bool is_idle)
{
	struct stmts_entry *e = entries(s) + i;

	if (e->newer != newer)
		return "a statement's neighbour is another";
	if (stmts_find(s, e->name) != i)
		return "a statement cannot be found";
	if (!e->has && e->pending == 0)
		return "a statement that is not there";
	if (is_idle && (e->pending > 0 || !e->has || !e->will))
		return "a statement is under way for nobody";
	return NULL;
}

const char *
stmts_check(uint32_t slot, uint64_t gen, bool is_idle)
{
	struct stmts *s = set_at(slot);
	uint32_t n = 0, newer = STMTS_NONE, i;

	if (s == NULL || s->gen != gen)
		return NULL;
	if (s->broken || s->fresh > segtab.nstmts)
		return "its statements are broken";
	for (i = s->newest; i != STMTS_NONE; n++) {
		const char *why;

		if (i >= s->fresh || n >= segtab.nstmts)
			return "a statement out of range";
		why = check_entry(s, i, newer, is_idle);
		if (why != NULL)
			return why;
		newer = i;
		i = entries(s)[i].older;
	}
	if (s->oldest != newer)
		return "its oldest statement is another";
	return n == stmts_count(slot) ? NULL
				      : "its statements are counted wrong";
}
