/*
 * cancelkey.h - cancel keys that tell their row to us and to nobody else.
 *
 * A key is a keyed permutation (a balanced Feistel network with AES-256 as
 * the round function) over all 64 bits {random:40, row:24}: no row can be
 * aimed at, and two keys tell nothing of each other.  Whoever is asked
 * inverts it, and compares with the key that the row holds in constant time.
 *
 * Never blocks.
 */
#ifndef SHM_CANCELKEY_H
#define SHM_CANCELKEY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A new key for client row `row`; its high half is never 0.  0: the system
 * has no randomness to give, and the client gets no key.
 */
uint64_t cancelkey_make(uint32_t row);

/*
 * The row whose key this is right now, and its generation; false when there
 * is none.  The key's high 32 bits are what BackendKeyData calls the process
 * id, the low 32 the secret key.
 */
bool cancelkey_find(uint64_t key, uint32_t *row, uint32_t *gen);

#endif
