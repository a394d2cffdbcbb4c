/*
 * scram_keys.c - SCRAM's keys: from a password, a verifier, or from nothing.
 *
 * Writes only what the caller gives.  scram_keys_derive() is the slow step.
 */
#include "worker/proto/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <limits.h>
#include <string.h>

#include "conf/compat.h"
#include "worker/proto/digest.h"

#define PREFIX "SCRAM-SHA-256$"

/*
 * The bytes of a password that PBKDF2 takes.  SASLprep leaves ASCII as it is,
 * and where it does not apply PostgreSQL takes the bytes as they were sent:
 * these two cases are all there is here, so nothing is mapped.
 */
static const char *
normalised(const char *password, size_t *len)
{
	*len = strlen(password);
	return password;
}

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

int
scram_keys_derive(struct scram_keys *k, const char *password,
    const uint8_t *salt, size_t salt_len, uint32_t iterations)
{
	uint8_t salted[SCRAM_KEY];
	const char *bytes;
	size_t len;
	int rc = -1;

	memset(k, 0, sizeof(*k));
	bytes = normalised(password, &len);
	if (len > INT_MAX || salt_len == 0 || salt_len > SCRAM_SALT_MAX ||
	    iterations == 0 || iterations > SCRAM_ITERATIONS_MAX)
		return -1;
	if (PKCS5_PBKDF2_HMAC(bytes, (int)len, salt, (int)salt_len,
		(int)iterations, EVP_sha256(), SCRAM_KEY, salted) == 1 &&
	    hmac(salted, SCRAM_KEY, "Client Key", k->client) == 0 &&
	    hmac(salted, SCRAM_KEY, "Server Key", k->server) == 0 &&
	    EVP_Digest(k->client, SCRAM_KEY, k->stored, NULL, EVP_sha256(),
		NULL) == 1) {
		memcpy(k->salt, salt, salt_len);
		k->salt_len = (uint8_t)salt_len;
		k->iterations = iterations;
		k->has_client = true;
		rc = 0;
	}
	compat_bzero(salted, sizeof(salted));
	if (rc == -1)
		scram_keys_wipe(k);
	return rc;
}

/* Digits up to `end`; what follows it, or NULL. */
static const char *
parse_iterations(const char *s, uint32_t *out)
{
	uint32_t v = 0;

	if (*s < '1' || *s > '9')
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (v > (INT_MAX - 9) / 10)
			return NULL;
		v = v * 10 + (uint32_t)(*s - '0');
	}
	*out = v;
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

void
scram_keys_wipe(struct scram_keys *k)
{
	compat_bzero(k, sizeof(*k));
}
