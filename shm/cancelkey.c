#include "shm/cancelkey.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#include "shm/clientrow.h"
#include "shm/segment.h"

enum {
	ROUNDS = 6, /* four make it a strong permutation; two to spare */
	ROW_BITS = 24,
	ROW_MASK = (1 << ROW_BITS) - 1,
	BLOCK = 16, /* bytes of an AES block */
	POOL = 64,  /* random numbers drawn at once */
};

/* Prepared once a process: setting it up costs ten times its use. */
static EVP_CIPHER_CTX *aes;

static bool
prepare(void)
{
	if (aes != NULL)
		return true;
	aes = EVP_CIPHER_CTX_new();
	if (aes != NULL &&
	    EVP_EncryptInit_ex(
		aes, EVP_aes_256_ecb(), NULL, seg->cancel_secret, NULL) == 1 &&
	    EVP_CIPHER_CTX_set_padding(aes, 0) == 1)
		return true;
	EVP_CIPHER_CTX_free(aes);
	aes = NULL;
	return false;
}

/* The round function: 32 bits of AES-256(secret, {round, half}). */
static bool
mix(unsigned round, uint32_t half, uint32_t *out)
{
	uint8_t in[BLOCK] = { (uint8_t)round, (uint8_t)(half >> 24),
		(uint8_t)(half >> 16), (uint8_t)(half >> 8), (uint8_t)half };
	uint8_t md[BLOCK];
	int len = 0;

	if (!prepare() ||
	    EVP_EncryptUpdate(aes, md, &len, in, sizeof(in)) != 1 ||
	    len != BLOCK)
		return false;
	*out = (uint32_t)md[0] << 24 | (uint32_t)md[1] << 16 |
	    (uint32_t)md[2] << 8 | md[3];
	return true;
}

static bool
permute(uint64_t *v)
{
	uint32_t left = (uint32_t)(*v >> 32), right = (uint32_t)*v, f;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t old = right;

		if (!mix(i, right, &f))
			return false;
		right = left ^ f;
		left = old;
	}
	*v = (uint64_t)left << 32 | right;
	return true;
}

static bool
invert(uint64_t *v)
{
	uint32_t left = (uint32_t)(*v >> 32), right = (uint32_t)*v, f;

	for (unsigned i = ROUNDS; i-- > 0;) {
		uint32_t old = left;

		if (!mix(i, left, &f))
			return false;
		left = right ^ f;
		right = old;
	}
	*v = (uint64_t)left << 32 | right;
	return true;
}

/* From a pool that belongs to this process alone: a child that inherits one
 * must not draw the same numbers as its siblings. */
static bool
draw(uint64_t *out)
{
	static uint64_t pool[POOL];
	static unsigned left;
	static pid_t owner;

	if (left == 0 || owner != getpid()) {
		if (RAND_bytes((unsigned char *)pool, sizeof(pool)) != 1)
			return false;
		left = POOL;
		owner = getpid();
	}
	*out = pool[--left];
	pool[left] = 0;
	return true;
}

uint64_t
cancelkey_make(uint32_t row)
{
	uint64_t key;

	do {
		if (!draw(&key))
			return 0;
		key = key << ROW_BITS | (row & ROW_MASK);
		if (!permute(&key))
			return 0;
		/* libpq takes process id 0 for "no key" */
	} while (key >> 32 == 0);
	return key;
}

bool
cancelkey_find(uint64_t key, uint32_t *row, uint32_t *gen)
{
	uint64_t plain = key, held;
	struct clientrow *r;
	uint32_t idx;

	if (!invert(&plain))
		return false;
	idx = (uint32_t)(plain & ROW_MASK);
	r = clientrow_at(idx);
	if (r == NULL)
		return false;
	*row = idx;
	*gen = atomic_load(&r->gen);
	held = atomic_load(&r->key);
	return CRYPTO_memcmp(&held, &key, sizeof(key)) == 0 && key != 0 &&
	    (*gen & 1) != 0 && atomic_load(&r->gen) == *gen;
}
