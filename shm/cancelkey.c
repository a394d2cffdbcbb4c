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
	TAIL = 128, /* first bytes of blocks that are no round's */
	TAIL_LEN = CANCELKEY_LONG - CANCELKEY_SHORT,
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

static void
put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static bool
encrypt(const uint8_t in[BLOCK], uint8_t out[BLOCK])
{
	int len = 0;

	return prepare() && EVP_EncryptUpdate(aes, out, &len, in, BLOCK) == 1 &&
	    len == BLOCK;
}

/* The round function: 32 bits of AES-256(secret, {round, half}). */
static bool
mix(unsigned round, uint32_t half, uint32_t *out)
{
	uint8_t in[BLOCK] = { (uint8_t)round }, md[BLOCK];

	put32(in + 1, half);
	if (!encrypt(in, md))
		return false;
	*out = get32(md);
	return true;
}

/* What follows `key` in a long one: AES-256(secret, {TAIL + i, key}). */
static bool
tail_of(uint64_t key, uint8_t out[TAIL_LEN])
{
	uint8_t in[BLOCK] = { 0 }, md[BLOCK];

	put32(in + 1, (uint32_t)(key >> 32));
	put32(in + 5, (uint32_t)key);
	for (unsigned at = 0, i = 0; at < TAIL_LEN; at += BLOCK, i++) {
		unsigned n = TAIL_LEN - at < BLOCK ? TAIL_LEN - at : BLOCK;

		in[0] = (uint8_t)(TAIL + i);
		if (!encrypt(in, md))
			return false;
		memcpy(out + at, md, n);
	}
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

/* 0: the system has no randomness to give. */
static uint64_t
make(uint32_t row)
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

void
cancelkey_give(uint32_t row, bool is_long, struct cancelkey *out)
{
	struct clientrow *r = clientrow_at(row);
	uint64_t key = make(row);

	memset(out, 0, sizeof(*out));
	out->len = is_long ? CANCELKEY_LONG : CANCELKEY_SHORT;
	if (is_long && (key == 0 || !tail_of(key, out->secret + 4))) {
		memset(out->secret, 0, sizeof(out->secret));
		key = 0;
	}
	out->pid = (uint32_t)(key >> 32);
	put32(out->secret, (uint32_t)key);
	/* how long it is, first: half of a long one must not do */
	if (is_long)
		atomic_fetch_or(&r->flags, CLIENTROW_LONG_KEY);
	else
		atomic_fetch_and(&r->flags, ~(uint32_t)CLIENTROW_LONG_KEY);
	atomic_store(&r->key, key);
}

/* Is the rest of what was sent the rest of a key like this row's? */
static bool
is_tail(const struct clientrow *r, uint64_t key, const uint8_t *p, size_t len)
{
	uint8_t tail[TAIL_LEN];

	if ((atomic_load(&r->flags) & CLIENTROW_LONG_KEY) == 0)
		return len == 0;
	return len == TAIL_LEN && tail_of(key, tail) &&
	    CRYPTO_memcmp(tail, p, TAIL_LEN) == 0;
}

bool
cancelkey_find(uint32_t pid, const uint8_t *secret, size_t len, uint32_t *row,
    uint32_t *gen)
{
	uint64_t plain, held, key;
	struct clientrow *r;
	uint32_t idx;

	if (len < CANCELKEY_SHORT)
		return false;
	key = plain = (uint64_t)pid << 32 | get32(secret);
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
	    is_tail(r, key, secret + CANCELKEY_SHORT, len - CANCELKEY_SHORT) &&
	    (*gen & 1) != 0 && atomic_load(&r->gen) == *gen;
}
