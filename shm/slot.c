#include "shm/slot.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "shm/crash.h"
#include "shm/segment.h"
#include "shm/seqcopy.h"

#define STATES    (SLOT_CLOSING + 1)
#define TO(state) (1u << (state))

/*
 * The arrows of slot.h that keep the generation.  IDLE -> ACTIVE is the
 * claim; CLOSING -> CLOSING names an heir.
 */
static const uint32_t arrows[STATES] = {
	[SLOT_LOGIN] = TO(SLOT_ACTIVE) | TO(SLOT_CLOSING),
	[SLOT_ACTIVE] = TO(SLOT_IDLE) | TO(SLOT_GRANTED) | TO(SLOT_CLOSING),
	[SLOT_IDLE] = TO(SLOT_ACTIVE) | TO(SLOT_GRANTED),
	[SLOT_GRANTED] = TO(SLOT_ACTIVE) | TO(SLOT_IDLE),
	[SLOT_RESERVED] = TO(SLOT_LOGIN),
	[SLOT_CLOSING] = TO(SLOT_CLOSING),
};

/* Those that limits.c makes, under its lock. */
static const uint32_t turns[STATES] = {
	[SLOT_FREE] = TO(SLOT_LOGIN),
	[SLOT_RESERVED] = TO(SLOT_FREE),
	[SLOT_CLOSING] = TO(SLOT_FREE) | TO(SLOT_RESERVED),
};

static const char *const names[STATES] = {
	[SLOT_FREE] = "free",
	[SLOT_LOGIN] = "login",
	[SLOT_ACTIVE] = "active",
	[SLOT_IDLE] = "idle",
	[SLOT_GRANTED] = "granted",
	[SLOT_RESERVED] = "reserved",
	[SLOT_CLOSING] = "closing",
};

struct slot *
slot_at(uint32_t idx)
{
	return idx < segtab.nslots ? &segtab.slots[idx] : NULL;
}

uint32_t
slot_idx(const struct slot *s)
{
	return (uint32_t)(s - segtab.slots);
}

/*
 * `from` is a word that somebody read in the segment: a state that does not
 * exist only has no arrow.  One that exists and has no arrow to there is a
 * broken promise of ours.
 */
static bool
is_arrow(const uint32_t table[STATES], uint64_t from, enum slot_state to)
{
	uint32_t state = slot_state(from);

	if (state >= STATES)
		return false;
	assert(table[state] & TO(to));
	return (table[state] & TO(to)) != 0;
}

bool
slot_move(struct slot *s, uint64_t from, enum slot_state state, uint32_t owner)
{
	bool moved;

	if (!is_arrow(arrows, from, state))
		return false;
	CRASH_POINT("slot.move.before");
	moved = atomic_compare_exchange_strong(
	    &s->hold, &from, slot_word(state, owner, slot_gen(from)));
	/* The move is all there is to it: what follows is a hint or a bell. */
	CRASH_POINT("slot.move.after");
	return moved;
}

bool
slot_turn(struct slot *s, uint64_t from, enum slot_state state, uint32_t owner,
    uint64_t gen)
{
	return is_arrow(turns, from, state) &&
	    atomic_compare_exchange_strong(
		&s->hold, &from, slot_word(state, owner, gen));
}

uint64_t
slot_next_gen(uint64_t gen)
{
	gen = (gen + 1) & (UINT64_MAX >> 16);
	return gen == 0 ? 1 : gen;
}

const char *
slot_state_name(enum slot_state state)
{
	return (uint32_t)state < STATES ? names[state] : "unknown";
}

bool
slot_info_look(uint32_t idx, struct slot_info *out)
{
	const struct slot_row *r;

	if (idx >= segtab.nslots)
		return false;
	r = &segtab.infos[idx];
	return seqcopy_read(&r->seq, r->info, out, sizeof(*out));
}

/*
 * The words hold the record's bytes as they are: only how they may be read
 * while another process writes them differs, and nobody writes the owner's.
 */
const struct slot_info *
slot_info_mine(uint32_t idx)
{
	const void *row;

	if (idx >= segtab.nslots)
		return NULL;
	row = &segtab.infos[idx];
	return (const void *)((const unsigned char *)row +
	    offsetof(struct slot_row, info));
}

void
slot_info_write(uint32_t idx, const struct slot_info *info)
{
	struct slot_row *r;

	if (idx >= segtab.nslots)
		return;
	r = &segtab.infos[idx];
	CRASH_POINT("slot.info.write");
	seqcopy_write(&r->seq, r->info, info, sizeof(*info));
}

void
slot_info_mend(uint32_t idx)
{
	static const struct slot_info nothing;
	struct slot_row *r;

	if (idx >= segtab.nslots)
		return;
	r = &segtab.infos[idx];
	if (atomic_load(&r->seq) & 1)
		seqcopy_write(&r->seq, r->info, &nothing, sizeof(nothing));
}

static _Atomic uint64_t *
have_word(uint32_t p, uint32_t idx)
{
	if (p >= segtab.nworkers || idx >= segtab.nslots)
		return NULL;
	return &segtab.have[(size_t)p * segtab.nslots + idx];
}

void
have_set(uint32_t p, uint32_t idx, uint64_t gen)
{
	_Atomic uint64_t *w = have_word(p, idx);

	if (w != NULL)
		atomic_store(w, gen);
}

uint64_t
have_look(uint32_t p, uint32_t idx)
{
	_Atomic uint64_t *w = have_word(p, idx);

	return w == NULL ? 0 : atomic_load(w);
}
