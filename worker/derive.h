/*
 * derive.h - SCRAM's keys from plain-text secrets, a little in each turn.
 *
 * To derive keys takes PBKDF2 a millisecond or two, and as long as it likes to
 * where a server asks for many iterations.  So it is done in slices, one in a
 * turn of the loop, and the login that needs it waits.  All who want the same
 * keys (secret, salt, iterations) wait for one derivation, and keys that were
 * derived once are kept: a storm of logins derives each only once.
 *
 * Of many derivations every other slice goes to the one that is nearest to its
 * end, and the others to the oldest: a long one holds up nobody, and is not
 * held up for ever.
 *
 * What nobody waits for any more is given up: the deadline of the login bounds
 * the work.  Keys are looked up by a hash that is keyed with random bytes, and
 * wiped when they make room for others and at the end.
 *
 * Data: this process's own.  Never blocks; a slice is SLICE_US long.
 */
#ifndef WORKER_DERIVE_H
#define WORKER_DERIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/proto/scram.h"

struct derive_job;

/* One who waits; embedded. */
struct derive {
	struct derive *next;
	struct derive_job *job; /* NULL: does not wait */
	/* A password that may be wrong: its keys are not kept. */
	bool is_guess;
	/* The keys; NULL: it failed.  They live as long as the call. */
	void (*on_keys)(struct derive *, const struct scram_keys *);
};

/*
 * Salt and iterations stand in *k.  DONE: *k is complete.  WAIT: on_keys()
 * will come, from the loop.  FAIL: no memory.
 */
enum result
derive_start(struct derive *d, const char *secret, struct scram_keys *k);

/* Wait no longer; harmless for who does not. */
void derive_cancel(struct derive *d);

/* Once a turn.  True: there is more to do, do not sleep. */
bool derive_turn(void);

/* Iterations that were done here, ever: how much work it was. */
uint64_t derive_work(void);

/* Forget all keys (at the end; nobody waits any more). */
void derive_fini(void);

#endif
