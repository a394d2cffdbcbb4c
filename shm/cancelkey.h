/*
 * cancelkey.h - cancel keys that tell their row to us and to nobody else.
 *
 * A key is a keyed permutation (a balanced Feistel network with AES-256 as
 * the round function) over all 64 bits {random:40, row:24}: no row can be
 * aimed at, and two keys tell nothing of each other.  Whoever is asked
 * inverts it, and compares with the key that the row holds in constant time.
 *
 * A client on protocol 3.2 gets a longer one.  What is beyond the 64 bits is
 * derived from them with the same secret, by blocks that the rounds never use:
 * nobody can say it who has not been told, and the row need not hold it.
 *
 * Never blocks.
 */
#ifndef SHM_CANCELKEY_H
#define SHM_CANCELKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CANCELKEY_SHORT = 4, /* bytes beside the process id, up to 3.1 */
	CANCELKEY_LONG = 32, /* and in 3.2 */
};

/* What BackendKeyData tells a client. */
struct cancelkey {
	uint32_t pid; /* as it is called; 0: no key, nothing matches it */
	uint32_t len; /* CANCELKEY_SHORT, CANCELKEY_LONG */
	uint8_t secret[CANCELKEY_LONG];
};

/*
 * A new key for client row `row`, which is the caller's, and into it.  When
 * the system has no randomness to give, the client gets a key of zeros, and
 * the row none.
 */
void cancelkey_give(uint32_t row, bool is_long, struct cancelkey *out);

/*
 * The row whose key this is right now, whole, and its generation; false when
 * there is none.  `secret` is what a cancel request holds behind the process
 * id, of any length.
 */
bool cancelkey_find(uint32_t pid, const uint8_t *secret, size_t len,
    uint32_t *row, uint32_t *gen);

#endif
