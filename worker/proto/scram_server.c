/* scram_server.c - the conversation, as the server has it. */
#include "worker/proto/scram_impl.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "conf/compat.h"

static enum result
server_state(struct scram_server *s, enum scram_state next)
{
	s->state = next;
	if (next == SCRAM_FAILED)
		scram_keys_wipe(&s->keys);
	return next == SCRAM_FAILED ? FAIL : next == SCRAM_DONE ? DONE : WAIT;
}

void
scram_server_init(struct scram_server *s, const struct scram_keys *k,
    bool doomed, const struct scram_binding *binding,
    const uint8_t random[SCRAM_NONCE])
{
	memset(s, 0, sizeof(*s));
	s->state = SCRAM_FIRST;
	s->keys = *k;
	s->doomed = doomed;
	if (binding != NULL && binding->len <= SCRAM_BINDING_MAX)
		s->binding = *binding;
	digest_base64_encode(random, SCRAM_NONCE, s->nonce, sizeof(s->nonce));
}

int
scram_server_choose(
    struct scram_server *s, const char *mechanism, struct err *e)
{
	s->is_plus = strcmp(mechanism, SCRAM_PLUS) == 0 && s->binding.len > 0;
	if (s->is_plus || strcmp(mechanism, SCRAM_MECHANISM) == 0)
		return 0;
	return err_set(e, "08P01",
	    "client selected an invalid SASL authentication mechanism",
	    "client selected a SASL mechanism that was not offered");
}

void
scram_server_rekey(struct scram_server *s, const struct scram_keys *k)
{
	s->keys = *k;
}

/* The first letter: does it go with what was offered and chosen? */
static int
check_flag(struct scram_server *s, const char *text, struct err *e)
{
	s->gs2 = text[0];
	if (s->gs2 != 'n' && s->gs2 != 'y' && s->gs2 != 'p')
		return scram_malformed(e, "channel binding flag");
	if (s->is_plus && s->gs2 != 'p')
		return scram_malformed(e, "PLUS without channel binding data");
	if (!s->is_plus && s->gs2 == 'p')
		return scram_malformed(e, "channel binding data without PLUS");
	if (s->gs2 == 'y' && s->binding.len > 0)
		return err_set(e, "28000",
		    "SCRAM channel binding negotiation error",
		    "The client supports SCRAM channel binding but thinks "
		    "the server does not.  However, this server does support "
		    "channel binding.");
	if (s->gs2 == 'p' &&
	    strncmp(text, SCRAM_GS2_PLUS, strcspn(SCRAM_GS2_PLUS, ",")) != 0)
		return err_set(e, "08P01",
		    "unsupported SCRAM channel-binding type",
		    "unsupported SCRAM channel-binding type");
	return 0;
}

/* Skip the gs2 header; what follows it, or NULL with `e` filled. */
static char *
skip_gs2(struct scram_server *s, char *text, struct err *e)
{
	if (check_flag(s, text, e) == -1)
		return NULL;
	text += s->gs2 == 'p' ? strcspn(SCRAM_GS2_PLUS, ",") : 1;
	if (*text++ != ',') {
		scram_malformed(e, "channel binding flag");
		return NULL;
	}
	if (*text == 'a') {
		err_set(e, "0A000",
		    "client uses authorization identity, but it is not "
		    "supported",
		    "client uses a SCRAM authorization identity");
		return NULL;
	}
	if (*text++ != ',') {
		scram_malformed(e, "gs2 header");
		return NULL;
	}
	if (*text == 'm') {
		err_set(e, "0A000",
		    "client requires an unsupported SCRAM extension",
		    "client requires an unsupported SCRAM extension");
		return NULL;
	}
	return text;
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
	if (scram_attribute(&bare, 'n') == NULL ||
	    (nonce = scram_attribute(&bare, 'r')) == NULL ||
	    !scram_is_nonce(nonce) || !scram_is_extensions(bare))
		return scram_malformed(e, "client-first-message");
	compat_strlcpy(own, s->nonce, sizeof(own));
	snprintf(s->nonce, sizeof(s->nonce), "%s%s", nonce, own);
	if (digest_base64_encode(
		s->keys.salt, s->keys.salt_len, salt, sizeof(salt)) == -1)
		return scram_malformed(e, "salt of the secret");
	n = snprintf(s->out, sizeof(s->out), "r=%s,s=%s,i=%u", s->nonce, salt,
	    (unsigned)s->keys.iterations);
	if (n < 0 || (size_t)n >= sizeof(s->out) ||
	    scram_append(s->auth, sizeof(s->auth), ",") == -1 ||
	    scram_append(s->auth, sizeof(s->auth), s->out) == -1)
		return scram_malformed(e, "client's nonce is too long");
	s->out_len = (size_t)n;
	return 0;
}

/* Does the proof show that the client has the key?  Then keys.client is it. */
static bool
is_proved(struct scram_server *s, const uint8_t proof[SCRAM_KEY])
{
	uint8_t key[SCRAM_KEY], stored[SCRAM_KEY];
	bool ok;

	if (scram_sign(s->keys.stored, s->auth, key) == -1)
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

/* The header that the client has sent, as it must repeat it. */
static const char *
sent_gs2(const struct scram_server *s)
{
	return s->gs2 == 'p' ? SCRAM_GS2_PLUS : s->gs2 == 'y' ? "y,," : "n,,";
}

/* The parts of client-final that are not the proof. */
static int
check_final(struct scram_server *s, char *text, struct err *e)
{
	const char *binding = scram_attribute(&text, 'c');
	const char *nonce = scram_attribute(&text, 'r');
	char want[SCRAM_BINDING_TEXT];

	if (binding == NULL || nonce == NULL || !scram_is_extensions(text) ||
	    scram_binding_text(sent_gs2(s), &s->binding, want) == -1)
		return scram_malformed(e, "client-final-message");
	if (strcmp(binding, want) != 0 && s->is_plus)
		return err_set(e, "28000", "SCRAM channel binding check failed",
		    "SCRAM channel binding check failed");
	if (strcmp(binding, want) != 0)
		return err_set(e, "08P01",
		    "unexpected SCRAM channel-binding attribute in "
		    "client-final-message",
		    "SCRAM: the channel binding is not what was said first");
	if (strcmp(nonce, s->nonce) != 0)
		return scram_malformed(e, "nonce does not match");
	return 0;
}

static int
server_final(struct scram_server *s, char *text, struct err *e)
{
	uint8_t proof[SCRAM_KEY], signature[SCRAM_KEY];
	bool is_right;

	if (cut_proof(text, proof) == -1 ||
	    scram_append(s->auth, sizeof(s->auth), ",") == -1 ||
	    scram_append(s->auth, sizeof(s->auth), text) == -1)
		return scram_malformed(e, "client-final-message");
	if (check_final(s, text, e) == -1)
		return -1;
	is_right = is_proved(s, proof) &&
	    scram_sign(s->keys.server, s->auth, signature) == 0;
	compat_bzero(proof, sizeof(proof));
	if (!is_right)
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
	if (scram_take(text, in, len, e) == -1)
		return server_state(s, SCRAM_FAILED);
	if (s->state == SCRAM_FIRST && server_first(s, text, e) == 0)
		next = SCRAM_FINAL;
	else if (s->state == SCRAM_FINAL && server_final(s, text, e) == 0)
		next = SCRAM_DONE;
	else if (s->state >= SCRAM_DONE)
		scram_malformed(e, "out of step");
	compat_bzero(text, sizeof(text));
	return server_state(s, next);
}

void
scram_server_fini(struct scram_server *s)
{
	compat_bzero(s, sizeof(*s));
}
