/*
 * poolkeys.h - the SCRAM keys that a pool's clients have proved.
 *
 * A client that logs in against a verifier proves that it knows the ClientKey
 * of its user, and with that any worker can log in at a server that has the
 * same verifier.  So it is left here, for all workers and for those that
 * replace them, as long as the pool's row is in use: no password, but as good
 * as one for the servers of this verifier.
 *
 * It stands in the segment alone, which no other program can map and the
 * system is asked to leave out of core files, and is wiped when the row is
 * given back.
 *
 * Writes:  keys_lock   who writes, for that long; repair for a dead one
 *          keys        under it: any worker with a client in the pool
 *                      who gives the row back, or mends it: wipes
 * Never blocks or allocates.
 */
#ifndef SHM_POOLKEYS_H
#define SHM_POOLKEYS_H

#include <stdbool.h>
#include <stdint.h>

struct pool;

enum { POOL_KEY = 32, POOL_SALT = 128 };

struct pool_keys {
	uint8_t client[POOL_KEY], stored[POOL_KEY], server[POOL_KEY];
	uint8_t salt[POOL_SALT];
	uint32_t iterations; /* 0: no keys */
	uint32_t salt_len;
};

_Static_assert(sizeof(struct pool_keys) % 8 == 0, "seqcopy takes words");

/*
 * The newest stay.  Where another worker is writing this very moment, its keys
 * are as new: ours are dropped.
 */
void pool_keys_write(struct pool *p, uint32_t me, const struct pool_keys *k);

/* False: there are none, or they are being written. */
bool pool_keys_look(const struct pool *p, struct pool_keys *out);

/* A row is taken into use, or given back (pools lock). */
void pool_keys_forget(struct pool *p);

/* A dead worker may have been writing (repair). */
void pool_keys_mend(struct pool *p, uint32_t dead);

#endif
