/* scram.c - SCRAM-SHA-256, the conversation: as server and as client. */
#include "worker/proto/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "conf/compat.h"
#include "worker/proto/digest.h"

#define PROOF_TEXT DIGEST_BASE64_SIZE(SCRAM_KEY)

/* --- what both roles need ------------------------------------------------ */

static int
malformed(struct err *e, const char *what)
{
	(void)err_set(e, "08P01", "malformed SCRAM message",
	    "malformed SCRAM message: %s", what);
	return -1;
}

/* A message as a string; -1 if too long or with a NUL inside. */
static int
take(char text[SCRAM_IN_MAX + 1], const void *in, size_t len, struct err *e)
{
	if (len > SCRAM_IN_MAX || (len > 0 && memchr(in, '\0', len) != NULL))
		return malformed(e, "too long, or with a NUL");
	if (len > 0)
		memcpy(text, in, len);
	text[len] = '\0';
	return 0;
}

/*
 * Cut the attribute `name` off the front of *s: its value, ended with a NUL in
 * place of the comma.  NULL if something else stands there.
 */
static char *
attribute(char **s, char name)
{
	char *value, *comma;

	if ((*s)[0] != name || (*s)[1] != '=')
		return NULL;
	value = *s + 2;
	comma = strchr(value, ',');
	if (comma != NULL)
		*comma++ = '\0';
	*s = comma != NULL ? comma : value + strlen(value);
	return value;
}

static bool
is_nonce(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (*s < 0x21 || *s > 0x7e)
			return false;
	return true;
}

/* Append to a string in a buffer of `size`; -1 if it does not fit. */
static int
append(char *to, size_t size, const char *text)
{
	size_t len = strlen(to);

	return compat_strlcpy(to + len, text, size - len) < size - len ? 0 : -1;
}

static int
sign(const uint8_t key[SCRAM_KEY], const char *auth, uint8_t out[SCRAM_KEY])
{
	unsigned n = SCRAM_KEY;

	if (HMAC(EVP_sha256(), key, SCRAM_KEY, (const uint8_t *)auth,
		strlen(auth), out, &n) == NULL)
		return -1;
	return 0;
}

static enum result
server_state(struct scram_server *s, enum scram_state next)
{
	s->state = next;
	if (next == SCRAM_FAILED)
		scram_keys_wipe(&s->keys);
	return next == SCRAM_FAILED ? FAIL : next == SCRAM_DONE ? DONE : WAIT;
}

static enum result
client_state(struct scram_client *c, enum scram_state next)
{
	c->state = next;
	if (next == SCRAM_FAILED)
		scram_keys_wipe(&c->keys);
	return next == SCRAM_FAILED ? FAIL : next == SCRAM_DONE ? DONE : WAIT;
}

/* --- the server's role --------------------------------------------------- */

void
scram_server_init(struct scram_server *s, const struct scram_keys *k,
    bool doomed, const uint8_t random[SCRAM_NONCE])
{
	memset(s, 0, sizeof(*s));
	s->state = SCRAM_FIRST;
	s->keys = *k;
	s->doomed = doomed;
	digest_base64_encode(random, SCRAM_NONCE, s->nonce, sizeof(s->nonce));
}

/* Skip the gs2 header; what follows it, or NULL with `e` filled. */
static char *
skip_gs2(struct scram_server *s, char *text, struct err *e)
{
	if (text[0] == 'p') {
		err_set(e, "08P01",
		    "client requires an unsupported SCRAM channel binding",
		    "client requires an unsupported SCRAM channel binding");
		return NULL;
	}
	if ((text[0] != 'n' && text[0] != 'y') || text[1] != ',') {
		malformed(e, "channel binding flag");
		return NULL;
	}
	if (text[2] == 'a') {
		err_set(e, "0A000",
		    "client uses authorization identity, but it is not "
		    "supported",
		    "client uses a SCRAM authorization identity");
		return NULL;
	}
	if (text[2] != ',') {
		malformed(e, "gs2 header");
		return NULL;
	}
	s->gs2 = text[0];
	return text + 3;
}

static int
server_first(struct scram_server *s, char *text, struct err *e)
{
	char own[SCRAM_NONCE_TEXT], salt[DIGEST_BASE64_SIZE(SCRAM_SALT_MAX)];
	char *bare = skip_gs2(s, text, e);
	char *nonce;
	int n;

	if (bare == NULL)
		return -1;
	compat_strlcpy(s->auth, bare, sizeof(s->auth));
	/* the name here is ignored: the startup packet's is the one */
	if (attribute(&bare, 'n') == NULL ||
	    (nonce = attribute(&bare, 'r')) == NULL || !is_nonce(nonce))
		return malformed(e, "client-first-message");
	compat_strlcpy(own, s->nonce, sizeof(own));
	snprintf(s->nonce, sizeof(s->nonce), "%s%s", nonce, own);
	if (digest_base64_encode(
		s->keys.salt, s->keys.salt_len, salt, sizeof(salt)) == -1)
		return malformed(e, "salt of the secret");
	n = snprintf(s->out, sizeof(s->out), "r=%s,s=%s,i=%u", s->nonce, salt,
	    (unsigned)s->keys.iterations);
	if (n < 0 || (size_t)n >= sizeof(s->out) ||
	    append(s->auth, sizeof(s->auth), ",") == -1 ||
	    append(s->auth, sizeof(s->auth), s->out) == -1)
		return malformed(e, "client's nonce is too long");
	s->out_len = (size_t)n;
	return 0;
}

/* Does the proof show that the client has the key?  Then keys.client is it. */
static bool
is_proved(struct scram_server *s, const uint8_t proof[SCRAM_KEY])
{
	uint8_t key[SCRAM_KEY], stored[SCRAM_KEY];
	bool ok;

	if (sign(s->keys.stored, s->auth, key) == -1)
		return false;
	for (size_t i = 0; i < SCRAM_KEY; i++)
		key[i] ^= proof[i];
	ok =
	    EVP_Digest(key, SCRAM_KEY, stored, NULL, EVP_sha256(), NULL) == 1 &&
	    compat_memeq_ct(stored, s->keys.stored, SCRAM_KEY) && !s->doomed;
	if (ok) {
		memcpy(s->keys.client, key, SCRAM_KEY);
		s->keys.has_client = true;
	}
	compat_bzero(key, sizeof(key));
	return ok;
}

/* Cut the proof off the end of client-final; -1 if there is none. */
static int
cut_proof(char *text, uint8_t proof[SCRAM_KEY])
{
	char *comma = strrchr(text, ',');

	if (comma == NULL || comma[1] != 'p' || comma[2] != '=')
		return -1;
	*comma = '\0';
	return digest_base64_decode(
		   comma + 3, strlen(comma + 3), proof, SCRAM_KEY) == SCRAM_KEY
	    ? 0
	    : -1;
}

static int
server_final(struct scram_server *s, char *text, struct err *e)
{
	uint8_t proof[SCRAM_KEY], signature[SCRAM_KEY];
	char *binding, *nonce;

	if (cut_proof(text, proof) == -1 ||
	    append(s->auth, sizeof(s->auth), ",") == -1 ||
	    append(s->auth, sizeof(s->auth), text) == -1)
		return malformed(e, "client-final-message");
	binding = attribute(&text, 'c');
	nonce = attribute(&text, 'r');
	if (binding == NULL || nonce == NULL)
		return malformed(e, "client-final-message");
	/* "n,," and "y,,": what the client says it has said */
	if (strcmp(binding, s->gs2 == 'n' ? "biws" : "eSws") != 0)
		return malformed(e, "channel binding does not match");
	if (strcmp(nonce, s->nonce) != 0)
		return malformed(e, "nonce does not match");
	if (!is_proved(s, proof) ||
	    sign(s->keys.server, s->auth, signature) == -1)
		return err_set(e, "28P01", "password authentication failed",
		    "SCRAM proof does not match");
	memcpy(s->out, "v=", 2);
	s->out_len = 2 +
	    (size_t)digest_base64_encode(
		signature, SCRAM_KEY, s->out + 2, sizeof(s->out) - 2);
	return 0;
}

enum result
scram_server_run(
    struct scram_server *s, const void *in, size_t len, struct err *e)
{
	enum scram_state next = SCRAM_FAILED;
	char text[SCRAM_IN_MAX + 1];

	s->out_len = 0;
	if (take(text, in, len, e) == -1)
		return server_state(s, SCRAM_FAILED);
	if (s->state == SCRAM_FIRST && server_first(s, text, e) == 0)
		next = SCRAM_FINAL;
	else if (s->state == SCRAM_FINAL && server_final(s, text, e) == 0)
		next = SCRAM_DONE;
	else if (s->state >= SCRAM_DONE)
		malformed(e, "after the end");
	compat_bzero(text, sizeof(text));
	return server_state(s, next);
}

void
scram_server_fini(struct scram_server *s)
{
	compat_bzero(s, sizeof(*s));
}

/* --- the client's role --------------------------------------------------- */

void
scram_client_init(struct scram_client *c, const char *password,
    const struct scram_keys *k, const uint8_t random[SCRAM_NONCE])
{
	memset(c, 0, sizeof(*c));
	c->state = SCRAM_FIRST;
	c->password = password;
	if (k != NULL)
		c->keys = *k;
	digest_base64_encode(random, SCRAM_NONCE, c->nonce, sizeof(c->nonce));
	c->out_len =
	    (size_t)snprintf(c->out, sizeof(c->out), "n,,n=,r=%s", c->nonce);
	compat_strlcpy(c->auth, c->out + 3, sizeof(c->auth));
}

static int
refused(struct err *e, const char *what)
{
	return err_set(
	    e, "28P01", "server login failed", "SCRAM login failed: %s", what);
}

/* server-first's numbers: the salt's length, or -1. */
static int
parse_salt(char **text, uint8_t salt[SCRAM_SALT_MAX], uint32_t *iterations)
{
	const char *s = attribute(text, 's');
	const char *i = attribute(text, 'i');
	uint32_t v = 0;
	int n;

	if (s == NULL || i == NULL || *i == '\0')
		return -1;
	for (; *i != '\0'; i++) {
		if (*i < '0' || *i > '9' || v > (INT_MAX - 9) / 10)
			return -1;
		v = v * 10 + (uint32_t)(*i - '0');
	}
	*iterations = v;
	n = digest_base64_decode(s, strlen(s), salt, SCRAM_SALT_MAX);
	return v > 0 && n > 0 ? n : -1;
}

/* Keys for this salt: those given, if they fit, or from the password. */
static int
pick_keys(struct scram_client *c, const uint8_t *salt, size_t salt_len,
    uint32_t iterations, struct err *e)
{
	if (c->keys.has_client && c->keys.iterations == iterations &&
	    c->keys.salt_len == salt_len &&
	    memcmp(c->keys.salt, salt, salt_len) == 0)
		return 0;
	if (c->password == NULL)
		return refused(e, "the server has another verifier than we");
	if (iterations > SCRAM_ITERATIONS_MAX)
		return refused(e, "the server asks for too many iterations");
	if (scram_keys_derive(
		&c->keys, c->password, salt, salt_len, iterations) == -1)
		return refused(e, "the keys cannot be derived");
	return 0;
}

/* Write client-final, signed with the keys that were picked. */
static int
client_final(struct scram_client *c, const char *nonce, struct err *e)
{
	uint8_t proof[SCRAM_KEY];
	char proof_text[PROOF_TEXT];
	int n;

	n = snprintf(c->out, sizeof(c->out), "c=biws,r=%s", nonce);
	if (n < 0 || (size_t)n >= sizeof(c->out) ||
	    append(c->auth, sizeof(c->auth), ",") == -1 ||
	    append(c->auth, sizeof(c->auth), c->out) == -1 ||
	    sign(c->keys.stored, c->auth, proof) == -1)
		return malformed(e, "server's nonce is too long");
	for (size_t i = 0; i < SCRAM_KEY; i++)
		proof[i] ^= c->keys.client[i];
	digest_base64_encode(proof, SCRAM_KEY, proof_text, sizeof(proof_text));
	if (append(c->out, sizeof(c->out), ",p=") == -1 ||
	    append(c->out, sizeof(c->out), proof_text) == -1)
		return malformed(e, "server's nonce is too long");
	c->out_len = strlen(c->out);
	return 0;
}

static int
on_server_first(struct scram_client *c, char *text, struct err *e)
{
	uint8_t salt[SCRAM_SALT_MAX];
	uint32_t iterations;
	size_t own = strlen(c->nonce);
	char *nonce;
	int salt_len;

	if (append(c->auth, sizeof(c->auth), ",") == -1 ||
	    append(c->auth, sizeof(c->auth), text) == -1 ||
	    (nonce = attribute(&text, 'r')) == NULL || !is_nonce(nonce))
		return malformed(e, "server-first-message");
	if (strncmp(nonce, c->nonce, own) != 0 || nonce[own] == '\0')
		return malformed(e, "the server's nonce is not ours and more");
	salt_len = parse_salt(&text, salt, &iterations);
	if (salt_len == -1)
		return malformed(e, "salt or iterations");
	if (pick_keys(c, salt, (size_t)salt_len, iterations, e) == -1)
		return -1;
	return client_final(c, nonce, e);
}

static int
on_server_final(struct scram_client *c, char *text, struct err *e)
{
	uint8_t told[SCRAM_KEY], want[SCRAM_KEY];
	const char *v;

	if (text[0] == 'e' && text[1] == '=')
		return refused(e, "the server says no");
	v = attribute(&text, 'v');
	if (v == NULL ||
	    digest_base64_decode(v, strlen(v), told, SCRAM_KEY) != SCRAM_KEY)
		return malformed(e, "server-final-message");
	if (sign(c->keys.server, c->auth, want) == -1 ||
	    !compat_memeq_ct(told, want, SCRAM_KEY))
		return refused(e, "the server does not know the secret");
	return 0;
}

enum result
scram_client_run(
    struct scram_client *c, const void *in, size_t len, struct err *e)
{
	enum scram_state next = SCRAM_FAILED;
	char text[SCRAM_IN_MAX + 1];

	c->out_len = 0;
	if (take(text, in, len, e) == -1)
		return client_state(c, SCRAM_FAILED);
	if (c->state == SCRAM_FIRST && on_server_first(c, text, e) == 0)
		next = SCRAM_FINAL;
	else if (c->state == SCRAM_FINAL && on_server_final(c, text, e) == 0)
		next = SCRAM_DONE;
	else if (c->state >= SCRAM_DONE)
		malformed(e, "after the end");
	return client_state(c, next);
}

void
scram_client_fini(struct scram_client *c)
{
	compat_bzero(c, sizeof(*c));
}
