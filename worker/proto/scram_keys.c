/*
 * scram_keys.c - SCRAM's keys: from a password, a verifier, or from nothing.
 *
 * PBKDF2 is written out here since libcrypto's does not stop in between.  Of
 * its HMAC the two hashes that begin with the key are computed once and then
 * copied: an iteration is two blocks of SHA-256.
 *
 * Writes only what the caller gives.
 */
#include "worker/proto/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <limits.h>
#include <string.h>

#include "conf/compat.h"
#include "worker/proto/digest.h"
#include "worker/proto/saslprep.h"

#define BLOCK  64 /* of SHA-256 */
#define PREFIX "SCRAM-SHA-256$"

static int
hmac(const uint8_t *key, size_t key_len, const char *text,
    uint8_t out[SCRAM_KEY])
{
	unsigned n = SCRAM_KEY;

	return HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text,
		   strlen(text), out, &n) != NULL
	    ? 0
	    : -1;
}

/* Two hashes, begun with the key: HMAC's inner and outer one. */
static int
key_hashes(struct scram_derive *d, const char *key)
{
	uint8_t pad[BLOCK] = { 0 };
	size_t len = strlen(key);
	int ok;

	if (len > BLOCK)
		ok = EVP_Digest(key, len, pad, NULL, EVP_sha256(), NULL);
	else
		ok = memcpy(pad, key, len) != NULL;
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36;
	ok = ok && EVP_DigestInit_ex(d->inner, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(d->inner, pad, BLOCK) == 1;
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	ok = ok && EVP_DigestInit_ex(d->outer, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(d->outer, pad, BLOCK) == 1;
	compat_bzero(pad, sizeof(pad));
	return ok ? 0 : -1;
}

/* d->last becomes HMAC(key, text). */
static int
keyed_hash(struct scram_derive *d, const uint8_t *text, size_t len)
{
	return EVP_MD_CTX_copy_ex(d->work, d->inner) == 1 &&
		EVP_DigestUpdate(d->work, text, len) == 1 &&
		EVP_DigestFinal_ex(d->work, d->last, NULL) == 1 &&
		EVP_MD_CTX_copy_ex(d->work, d->outer) == 1 &&
		EVP_DigestUpdate(d->work, d->last, SCRAM_KEY) == 1 &&
		EVP_DigestFinal_ex(d->work, d->last, NULL) == 1
	    ? 0
	    : -1;
}

int
scram_derive_begin(struct scram_derive *d, const char *password,
    const uint8_t *salt, size_t salt_len, uint32_t iterations)
{
	uint8_t first[SCRAM_SALT_MAX + 4];
	char *prepared;

	memset(d, 0, sizeof(*d));
	if (salt_len == 0 || salt_len > SCRAM_SALT_MAX || iterations == 0 ||
	    iterations > SCRAM_ITERATIONS_MAX)
		return -1;
	memcpy(d->keys.salt, salt, salt_len);
	d->keys.salt_len = (uint8_t)salt_len;
	d->keys.iterations = iterations;
	d->inner = EVP_MD_CTX_new();
	d->outer = EVP_MD_CTX_new();
	d->work = EVP_MD_CTX_new();
	prepared = saslprep_new(password);
	/* the number of PBKDF2's only block */
	memcpy(first, salt, salt_len);
	memcpy(first + salt_len, "\0\0\0\1", 4);
	if (d->inner == NULL || d->outer == NULL || d->work == NULL ||
	    prepared == NULL || key_hashes(d, prepared) == -1 ||
	    keyed_hash(d, first, salt_len + 4) == -1) {
		saslprep_free(prepared);
		scram_derive_fini(d);
		return -1;
	}
	saslprep_free(prepared);
	memcpy(d->sum, d->last, SCRAM_KEY);
	d->done = 1;
	return 0;
}

static enum result
derive_end(struct scram_derive *d)
{
	struct scram_keys *k = &d->keys;

	if (hmac(d->sum, SCRAM_KEY, "Client Key", k->client) == -1 ||
	    hmac(d->sum, SCRAM_KEY, "Server Key", k->server) == -1 ||
	    EVP_Digest(
		k->client, SCRAM_KEY, k->stored, NULL, EVP_sha256(), NULL) != 1)
		return FAIL;
	k->has_client = true;
	return DONE;
}

enum result
scram_derive_run(struct scram_derive *d, uint32_t iterations)
{
	uint32_t left = d->keys.iterations - d->done;
	uint32_t n = iterations < left ? iterations : left;

	for (uint32_t i = 0; i < n; i++) {
		if (keyed_hash(d, d->last, SCRAM_KEY) == -1)
			return FAIL;
		for (size_t j = 0; j < SCRAM_KEY; j++)
			d->sum[j] ^= d->last[j];
	}
	d->done += n;
	return d->done < d->keys.iterations ? WAIT : derive_end(d);
}

void
scram_derive_fini(struct scram_derive *d)
{
	EVP_MD_CTX_free(d->inner);
	EVP_MD_CTX_free(d->outer);
	EVP_MD_CTX_free(d->work);
	compat_bzero(d, sizeof(*d));
}

int
scram_keys_derive(struct scram_keys *k, const char *password,
    const uint8_t *salt, size_t salt_len, uint32_t iterations)
{
	struct scram_derive d;
	bool ok;

	memset(k, 0, sizeof(*k));
	if (scram_derive_begin(&d, password, salt, salt_len, iterations) == -1)
		return -1;
	ok = scram_derive_run(&d, iterations) == DONE;
	if (ok)
		*k = d.keys;
	scram_derive_fini(&d);
	return ok ? 0 : -1;
}

/* Digits up to ':'; what follows it, or NULL. */
static const char *
parse_iterations(const char *s, uint32_t *out)
{
	uint64_t v = 0;

	if (*s < '1' || *s > '9')
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > SCRAM_ITERATIONS_MAX)
			return NULL;
	}
	*out = (uint32_t)v;
	return *s == ':' ? s + 1 : NULL;
}

/* Base64 up to `end`, of at most `cap` bytes; what follows `end`, or NULL. */
static const char *
parse_bytes(const char *s, char end, uint8_t *out, size_t cap, size_t *len)
{
	const char *stop = strchr(s, end);
	int n;

	if (stop == NULL)
		return NULL;
	n = digest_base64_decode(s, (size_t)(stop - s), out, cap);
	if (n <= 0)
		return NULL;
	*len = (size_t)n;
	return end != '\0' ? stop + 1 : stop;
}

int
scram_keys_parse(struct scram_keys *k, const char *verifier)
{
	const char *s = verifier;
	size_t salt = 0, stored = 0, server = 0;

	memset(k, 0, sizeof(*k));
	if (strncmp(s, PREFIX, strlen(PREFIX)) == 0 &&
	    (s = parse_iterations(s + strlen(PREFIX), &k->iterations)) &&
	    (s = parse_bytes(s, '$', k->salt, sizeof(k->salt), &salt)) &&
	    (s = parse_bytes(s, ':', k->stored, SCRAM_KEY, &stored)) &&
	    parse_bytes(s, '\0', k->server, SCRAM_KEY, &server) &&
	    stored == SCRAM_KEY && server == SCRAM_KEY) {
		k->salt_len = (uint8_t)salt;
		return 0;
	}
	scram_keys_wipe(k);
	return -1;
}

bool
scram_is_verifier(const char *secret)
{
	struct scram_keys k;
	bool is = scram_keys_parse(&k, secret) == 0;

	scram_keys_wipe(&k);
	return is;
}

int
scram_keys_mock(struct scram_keys *k, const uint8_t *secret, size_t secret_len,
    const char *user)
{
	uint8_t own[SCRAM_KEY], salt[SCRAM_KEY];
	int rc = -1;

	memset(k, 0, sizeof(*k));
	if (secret_len <= INT_MAX && hmac(secret, secret_len, user, own) == 0 &&
	    hmac(own, SCRAM_KEY, "salt", salt) == 0 &&
	    hmac(own, SCRAM_KEY, "stored", k->stored) == 0 &&
	    hmac(own, SCRAM_KEY, "server", k->server) == 0) {
		memcpy(k->salt, salt, SCRAM_SALT);
		k->salt_len = SCRAM_SALT;
		k->iterations = SCRAM_ITERATIONS;
		rc = 0;
	}
	compat_bzero(own, sizeof(own));
	return rc;
}

bool
scram_keys_fit(const struct scram_keys *a, const struct scram_keys *b)
{
	return a->iterations == b->iterations && a->salt_len == b->salt_len &&
	    memcmp(a->salt, b->salt, a->salt_len) == 0;
}

void
scram_keys_wipe(struct scram_keys *k)
{
	compat_bzero(k, sizeof(*k));
}
