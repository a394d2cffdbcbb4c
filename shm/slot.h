/*
 * slot.h - who holds each server connection right now.
 *
 * A slot is the place of one backend, open to every worker.  Its truth is one
 * 64-bit word, `hold`: state, owner and generation together.  A change is one
 * compare-and-swap, so a crash falls before it or after it, never inside it.
 * The generation changes whenever the place gets a new backend; whatever
 * speaks of a slot carries it, and a stale one is a normal event.  0 is no
 * generation.
 *
 *   FREE -> LOGIN(w) -> ACTIVE(w) <-> IDLE(last owner) -> ACTIVE(w')
 *              |         |   \-> GRANTED(w') -> ACTIVE(w')
 *              v         v            `-> IDLE  (untaken, or given back)
 *             CLOSING(w) -> FREE
 *                    \-> RESERVED(w') -> LOGIN(w'), or FREE
 *
 *   IDLE -> GRANTED(w') too: who has made one idle finds a waiter after all.
 *
 * Moves into and out of FREE, and CLOSING -> RESERVED, go through limits.c,
 * which holds the limits lock; so does LOGIN's new generation.
 *
 * Writes:  hold    any process, through slot_move() only, and only the owner
 *                  but for: claiming an IDLE one, taking back a grant or a
 *                  reservation that lies untaken, repair.
 *          the rest  the owner, before the move that lets go of it.
 * Never blocks, allocates or logs.
 */
#ifndef SHM_SLOT_H
#define SHM_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum slot_state {
	SLOT_FREE,
	SLOT_LOGIN,
	SLOT_ACTIVE,
	SLOT_IDLE,
	SLOT_GRANTED,
	SLOT_RESERVED,
	SLOT_CLOSING,
};

enum slot_flags {
	SLOT_PINNED = 1,   /* only its owner can read its bytes */
	SLOT_SHARED = 2,   /* logged in; every worker may have its descriptor */
	SLOT_USED = 4,     /* has served a client since its login */
	SLOT_DIRTY = 8,    /* to be closed, not lent, when it comes free */
	SLOT_LISTENS = 16, /* for clients that LISTEN */
	SLOT_LOGICAL = 32, /* of one client until its end: it replicates */
	SLOT_PHYSICAL = 64,
	SLOT_DEDICATED = SLOT_LOGICAL | SLOT_PHYSICAL,
	SLOT_KEPT = 128,     /* its client needs the session and keeps it */
	SLOT_UNTENDED = 256, /* what clients did to its session nobody has
	                        looked after ... */
	SLOT_LOOSE = 512,    /* ... or not strictly: it is not for those who
	                        count on it (session_state) */
};

struct slot {
	_Atomic uint64_t hold;       /* generation << 16 | owner << 8 | state */
	_Atomic uint64_t since_us;   /* monotonic time of the last hand-over */
	_Atomic uint32_t pool;       /* index into the pools */
	_Atomic uint32_t pool_gen;   /* and that row's generation */
	_Atomic uint64_t epoch;      /* the pool's epoch when it was opened */
	_Atomic uint64_t client;     /* client id that it is linked to, or 0 */
	_Atomic uint64_t born_us;    /* monotonic time of its login's start */
	_Atomic uint32_t flags;      /* enum slot_flags */
	_Atomic int32_t backend_pid; /* from BackendKeyData; 0 before it */
	_Atomic uint32_t cancels;    /* cancel connections in flight */
	_Atomic uint32_t pad;
};

_Static_assert(sizeof(struct slot) == 64, "a slot is one cache line");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "atomics work across processes");

enum {
	SLOT_PARAMS = 1024, /* bytes of tracked parameters a slot can carry */
	SLOT_VARS = 1024,   /* bytes of other settings */
	SLOT_KEY = 256,     /* bytes of a cancel key (protocol 3.2) */
};

/* An address as the kernel takes it, small enough for a row. */
struct slot_addr {
	uint32_t len;    /* 0: none */
	uint8_t sa[124]; /* struct sockaddr_in, _in6 or _un */
};

/*
 * What a slot carries from owner to owner.  Read and written by the owner;
 * published for SHOW through slot_info_write() and slot_info_look().
 */
struct slot_info {
	uint64_t id;              /* segment_next_id() at opening */
	uint64_t connect_wall_us; /* wall clock of its opening, for SHOW */
	struct slot_addr addr;    /* the server's; for cancels and SHOW */
	struct slot_addr local;
	char app_name[64];
	char tls[56];          /* version, cipher, group; "": plain */
	char host[256];        /* with TLS: what its certificate is for */
	uint8_t key[SLOT_KEY]; /* cancel key, without the pid */
	uint32_t key_len;
	/* what every lease looks at, side by side: the values of the tracked
	   parameters, NUL-terminated, in the order of the tracked names (see
	   worker/backend/params.h); and what else differs from a fresh session,
	   in the form of worker/session/vars.h (SLOT_VARS_UNKNOWN: more than
	   fits, or nobody knows: all is to be reset before it serves) */
	uint32_t vars_len;
	uint32_t params_len;
	uint32_t pad;
	char params[SLOT_PARAMS];
	char vars[SLOT_VARS];
};

#define SLOT_VARS_UNKNOWN UINT32_MAX

_Static_assert(sizeof(struct slot_info) % 8 == 0, "seqcopy takes words");

struct slot_row {
	_Atomic uint32_t seq;
	_Atomic uint32_t pad;
	_Atomic uint64_t info[sizeof(struct slot_info) / 8];
};

/* --- the word --- */

static inline uint64_t
slot_word(enum slot_state state, uint32_t owner, uint64_t gen)
{
	return gen << 16 | (uint64_t)(owner & 0xff) << 8 | (uint64_t)state;
}

static inline enum slot_state
slot_state(uint64_t word)
{
	return (enum slot_state)(word & 0xff);
}

static inline uint32_t
slot_owner(uint64_t word)
{
	return word >> 8 & 0xff;
}

static inline uint64_t
slot_gen(uint64_t word)
{
	return word >> 16;
}

/* NULL when `idx` is out of range. */
struct slot *slot_at(uint32_t idx);
uint32_t slot_idx(const struct slot *s);

/* The word as it is now (acquire). */
static inline uint64_t
slot_look(const struct slot *s)
{
	return atomic_load_explicit(&s->hold, memory_order_acquire);
}

/*
 * One compare-and-swap from the word `from` to {state, owner, from's
 * generation}, sequentially consistent.  False when the word was another.
 * Only for moves that keep the generation; asserts that the arrow exists.
 */
bool
slot_move(struct slot *s, uint64_t from, enum slot_state state, uint32_t owner);

/*
 * The moves that limits.c makes under its lock: FREE -> LOGIN and CLOSING ->
 * RESERVED with a new generation, CLOSING -> FREE and RESERVED -> FREE with
 * the old one.
 */
bool slot_turn(struct slot *s, uint64_t from, enum slot_state state,
    uint32_t owner, uint64_t gen);

/* The generation after `gen`; never 0. */
uint64_t slot_next_gen(uint64_t gen);

/* Name of a state, for logs and SHOW. */
const char *slot_state_name(enum slot_state state);

/* --- what it carries --- */

/* Copy out; false: the writer is inside or dead (or idx out of range). */
bool slot_info_look(uint32_t idx, struct slot_info *out);

/* In place, for the owner alone: nobody else writes it meanwhile.  NULL:
 * `idx` is out of range. */
const struct slot_info *slot_info_mine(uint32_t idx);

/* Publish; the owner only. */
void slot_info_write(uint32_t idx, const struct slot_info *info);

/* Its writer died inside: what is there now is nobody's (repair). */
void slot_info_mend(uint32_t idx);

/* --- have: which generation's descriptor does process p hold? --- */

void have_set(uint32_t p, uint32_t idx, uint64_t gen); /* 0: none */
uint64_t have_look(uint32_t p, uint32_t idx);

#endif
