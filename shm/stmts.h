/*
 * stmts.h - the prepared statements that a backend has, kept in its slot.
 *
 * A statement's name on a backend is a keyed hash of its text and types, so
 * every worker calls it the same and none has to ask.  Each slot has a set of
 * such names, in the order of their last use.
 *
 * A server works in order, but what it will say is not known when a message
 * is sent.  So an entry says what the server `has`, as it has answered, and
 * what it `will` have when everything that is under way has gone well.
 *
 *   sent      stmts_will()    pending + 1, will = true (Parse), false (Close)
 *   answered  stmts_did()     pending - 1, has = true, false
 *   skipped   stmts_lost()    pending - 1, and it is in doubt
 *
 * An entry that is in doubt (plan 0), or older than the last change of what
 * statements mean (`plan` is not the pool's), must be closed and parsed again
 * before its next use: both are always right.  An entry that is neither had
 * nor coming is dropped.
 *
 * What a Describe has told of a statement holds for this backend alone, and
 * until it is parsed anew: stmts_told().
 *
 * Writes:  the slot's owner, before the move that lets go of it; `count` may
 *          be read by anyone.  A new generation finds its set empty.
 * What is read here is believed only as far as it is checked: a set that
 * contradicts itself is `broken`, and its backend is to be closed.
 * Never blocks, allocates or logs.
 */
#ifndef SHM_STMTS_H
#define SHM_STMTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	STMTS_NAME = 16,    /* bytes of a name */
	STMTS_MIN = 64,     /* entries of the smallest set, a power of two */
	STMTS_MAX = 4096,   /* of the largest */
	STMTS_NONE = 0xffff /* no entry */
};

struct stmts_entry {
	uint8_t name[STMTS_NAME];
	uint32_t plan;    /* the pool's `plans` when it was parsed; 0: doubt */
	uint32_t batch;   /* in which batch it was changed last */
	uint32_t used;    /* in which batch it was used last */
	uint32_t pending; /* changes that are under way */
	uint16_t newer, older; /* in the order of use; or STMTS_NONE */
	uint8_t has, will;     /* 0 or 1 */
	uint8_t pad[2];
	uint32_t rows, params; /* what it is like (shape.h), as it was parsed
	                          last; 0: nobody has asked */
};

_Static_assert(sizeof(struct stmts_entry) == 48, "one size everywhere");

struct stmts {
	_Atomic uint32_t count; /* entries in use */
	uint32_t batch; /* goes up with each batch that is sent; never back */
	uint64_t gen;   /* of the slot whose statements these are */
	uint16_t newest, oldest;
	uint16_t spare;  /* free entries, by `older` */
	uint16_t fresh;  /* from here on never used */
	uint32_t broken; /* it has contradicted itself */
	uint8_t pad[36];
};

_Static_assert(sizeof(struct stmts) == 64, "a cache line, then the tables");

/* Entries of a set for which `want` are asked: a power of two. */
uint32_t stmts_capacity(uint32_t want);
/* Bytes of a set of so many. */
uint64_t stmts_size(uint32_t capacity);

/* The slot's set, emptied first if it is another generation's.  NULL: `slot`
 * is out of range.  The owner only. */
struct stmts *stmts_of(uint32_t slot, uint64_t gen);

/* How many it has, for SHOW; 0 if `slot` is out of range. */
uint32_t stmts_count(uint32_t slot);

/* Of `name`; STMTS_NONE: it has never heard of it. */
uint32_t stmts_find(struct stmts *s, const uint8_t name[STMTS_NAME]);

/* `i` as stmts_find() or stmts_add() have said it. */
struct stmts_entry *stmts_at(struct stmts *s, uint32_t i);

/* A new one, the newest, which must have a change at once; STMTS_NONE: there
 * is no room. */
uint32_t stmts_add(struct stmts *s, const uint8_t name[STMTS_NAME]);

/* It is used in the batch that is being sent. */
void stmts_use(struct stmts *s, uint32_t i);

/* Its changes: see above. */
void stmts_will(struct stmts *s, uint32_t i, bool has, uint32_t plan);
void stmts_did(struct stmts *s, uint32_t i, bool has);
void stmts_lost(struct stmts *s, uint32_t i);

/* A Describe was answered.  It is forgotten again if the statement is being
 * parsed anew by now. */
void stmts_told(struct stmts *s, const uint8_t name[STMTS_NAME], uint32_t rows,
    uint32_t params);

/* Last used longest ago; then the next one. */
uint32_t stmts_oldest(const struct stmts *s);
uint32_t stmts_newer(struct stmts *s, uint32_t i);

/* The server has none any more; what is under way still is. */
void stmts_gone(struct stmts *s);
/* All are in doubt. */
void stmts_doubt(struct stmts *s);
/* Nobody waits any more for what is under way: that is in doubt. */
void stmts_abandon(struct stmts *s);
/* None, and nothing is under way. */
void stmts_clear(struct stmts *s);

/* Close its backend. */
static inline bool
stmts_is_broken(const struct stmts *s)
{
	return s->broken != 0;
}

/*
 * NULL, or what is wrong with a set that nobody writes just now; `is_idle`:
 * its slot is nobody's, so nothing may be under way.
 */
const char *stmts_check(uint32_t slot, uint64_t gen, bool is_idle);

#endif
