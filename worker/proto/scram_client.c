/* scram_client.c - the conversation, as the client has it. */
#include "worker/proto/scram_impl.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "conf/compat.h"

#define PROOF_TEXT DIGEST_BASE64_SIZE(SCRAM_KEY)

static enum result
client_state(struct scram_client *c, enum scram_state next)
{
	c->state = next;
	if (next == SCRAM_FAILED)
		scram_keys_wipe(&c->keys);
	return next == SCRAM_FAILED ? FAIL : next == SCRAM_DONE ? DONE : WAIT;
}

void
scram_client_init(struct scram_client *c, const struct scram_keys *k,
    bool can_derive, const uint8_t random[SCRAM_NONCE])
{
	memset(c, 0, sizeof(*c));
	c->state = SCRAM_FIRST;
	c->can_derive = can_derive;
	if (k != NULL)
		c->keys = *k;
	digest_base64_encode(random, SCRAM_NONCE, c->nonce, sizeof(c->nonce));
}

const char *
scram_client_choose(struct scram_client *c, unsigned offered,
    const struct scram_binding *binding)
{
	bool can_bind = binding != NULL && binding->len > 0 &&
	    binding->len <= SCRAM_BINDING_MAX;
	bool is_plus = can_bind && (offered & SCRAM_OFFER_PLUS) != 0;

	if (!is_plus && (offered & SCRAM_OFFER_PLAIN) == 0)
		return NULL;
	if (is_plus)
		c->binding = *binding;
	compat_strlcpy(c->gs2,
	    is_plus        ? SCRAM_GS2_PLUS
		: can_bind ? "y,,"
			   : "n,,",
	    sizeof(c->gs2));
	snprintf(c->auth, sizeof(c->auth), "n=,r=%s", c->nonce);
	c->out_len = (size_t)snprintf(
	    c->out, sizeof(c->out), "%sn=,r=%s", c->gs2, c->nonce);
	return is_plus ? SCRAM_PLUS : SCRAM_MECHANISM;
}

static int
refused(struct err *e, const char *what)
{
	return err_set(
	    e, "28P01", "server login failed", "SCRAM login failed: %s", what);
}

/* server-first's numbers: what keys are wanted.  -1: it is malformed. */
static int
parse_wanted(char *text, struct scram_keys *k)
{
	const char *s = scram_attribute(&text, 's');
	const char *i = scram_attribute(&text, 'i');
	uint64_t v = 0;
	int n;

	memset(k, 0, sizeof(*k));
	if (s == NULL || i == NULL || *i == '\0' || !scram_is_extensions(text))
		return -1;
	for (; *i != '\0'; i++) {
		if (*i < '0' || *i > '9')
			return -1;
		v = v * 10 + (uint64_t)(*i - '0');
		if (v > SCRAM_ITERATIONS_MAX)
			return -1;
	}
	n = digest_base64_decode(s, strlen(s), k->salt, SCRAM_SALT_MAX);
	if (v == 0 || n <= 0)
		return -1;
	k->iterations = (uint32_t)v;
	k->salt_len = (uint8_t)n;
	return 0;
}

/* Write client-final, signed with c->keys. */
static int
client_final(struct scram_client *c, struct err *e)
{
	uint8_t proof[SCRAM_KEY];
	char proof_text[PROOF_TEXT], binding[SCRAM_BINDING_TEXT];
	int n;

	if (scram_binding_text(c->gs2, &c->binding, binding) == -1)
		return scram_malformed(e, "channel binding is too long");
	n = snprintf(
	    c->out, sizeof(c->out), "c=%s,r=%s", binding, c->server_nonce);
	if (n < 0 || (size_t)n >= sizeof(c->out) ||
	    scram_append(c->auth, sizeof(c->auth), ",") == -1 ||
	    scram_append(c->auth, sizeof(c->auth), c->out) == -1 ||
	    scram_sign(c->keys.stored, c->auth, proof) == -1)
		return scram_malformed(e, "server's nonce is too long");
	for (size_t i = 0; i < SCRAM_KEY; i++)
		proof[i] ^= c->keys.client[i];
	digest_base64_encode(proof, SCRAM_KEY, proof_text, sizeof(proof_text));
	if (scram_append(c->out, sizeof(c->out), ",p=") == -1 ||
	    scram_append(c->out, sizeof(c->out), proof_text) == -1)
		return scram_malformed(e, "server's nonce is too long");
	c->out_len = strlen(c->out);
	return 0;
}

/* The state after it: FINAL, KEYS or FAILED. */
static enum scram_state
on_server_first(struct scram_client *c, char *text, struct err *e)
{
	size_t own = strlen(c->nonce);
	struct scram_keys want;
	char *nonce;

	if (scram_append(c->auth, sizeof(c->auth), ",") == -1 ||
	    scram_append(c->auth, sizeof(c->auth), text) == -1 ||
	    (nonce = scram_attribute(&text, 'r')) == NULL ||
	    !scram_is_nonce(nonce))
		return scram_malformed(e, "server-first-message"), SCRAM_FAILED;
	if (strncmp(nonce, c->nonce, own) != 0 || nonce[own] == '\0')
		return scram_malformed(
			   e, "the server's nonce is not ours and more"),
		       SCRAM_FAILED;
	compat_strlcpy(c->server_nonce, nonce, sizeof(c->server_nonce));
	if (parse_wanted(text, &want) == -1)
		return scram_malformed(e, "salt or iterations"), SCRAM_FAILED;
	if (c->keys.has_client && scram_keys_fit(&c->keys, &want))
		return client_final(c, e) == 0 ? SCRAM_FINAL : SCRAM_FAILED;
	if (!c->can_derive)
		return refused(e, "the server has another verifier than we"),
		       SCRAM_FAILED;
	c->keys = want;
	return SCRAM_KEYS;
}

enum result
scram_client_rekey(
    struct scram_client *c, const struct scram_keys *k, struct err *e)
{
	if (c->state != SCRAM_KEYS || !k->has_client ||
	    !scram_keys_fit(&c->keys, k)) {
		scram_malformed(e, "keys that nobody waits for");
		return client_state(c, SCRAM_FAILED);
	}
	c->keys = *k;
	return client_state(
	    c, client_final(c, e) == 0 ? SCRAM_FINAL : SCRAM_FAILED);
}

static int
on_server_final(struct scram_client *c, char *text, struct err *e)
{
	uint8_t told[SCRAM_KEY], want[SCRAM_KEY];
	const char *v;

	if (text[0] == 'e' && text[1] == '=')
		return refused(e, "the server says no");
	v = scram_attribute(&text, 'v');
	if (v == NULL || !scram_is_extensions(text) ||
	    digest_base64_decode(v, strlen(v), told, SCRAM_KEY) != SCRAM_KEY)
		return scram_malformed(e, "server-final-message");
	if (scram_sign(c->keys.server, c->auth, want) == -1 ||
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
	if (scram_take(text, in, len, e) == -1)
		return client_state(c, SCRAM_FAILED);
	if (c->state == SCRAM_FIRST)
		next = on_server_first(c, text, e);
	else if (c->state == SCRAM_FINAL && on_server_final(c, text, e) == 0)
		next = SCRAM_DONE;
	else if (c->state != SCRAM_FINAL)
		scram_malformed(e, "out of step");
	return client_state(c, next);
}

void
scram_client_fini(struct scram_client *c)
{
	compat_bzero(c, sizeof(*c));
}
