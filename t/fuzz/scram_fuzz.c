/*
 * scram_fuzz.c - SCRAM's two roles against a peer that says anything.
 *
 * The first byte chooses what is played (below), the rest are the peer's
 * messages, a line each.  Nonces and keys are fixed, so that a whole
 * conversation can stand in the corpus.
 */
#include "worker/proto/scram.h"

#include <openssl/evp.h>

#include "conf/users.h"
#include "t/fuzz/fuzz.h"

enum {
	CLIENT = 1,   /* we are the client; else the server */
	BOUND = 2,    /* there is a channel to bind to */
	PLUS = 4,     /* PLUS is offered, or chosen */
	DOOMED = 8,   /* server: a user who is not there */
	HAS_KEYS = 8, /* client: it has keys, which may fit */
	DERIVES = 16, /* client: it has a password */
	HONEST = 32,  /* both roles, the input is their nonces and keys */
	VERIFIER = 64 /* the input is a verifier */
};

static const uint8_t our_random[SCRAM_NONCE] = "server-nonce-bytes";
static struct scram_binding binding;

static void
hash_key(const uint8_t in[SCRAM_KEY], uint8_t out[SCRAM_KEY])
{
	MUST(EVP_Digest(in, SCRAM_KEY, out, NULL, EVP_sha256(), NULL) == 1);
}

/* Keys of some password: StoredKey is what it has to be. */
static void
fill_keys(struct scram_keys *k)
{
	memset(k->client, 'c', SCRAM_KEY);
	memset(k->server, 's', SCRAM_KEY);
	hash_key(k->client, k->stored);
	k->has_client = true;
}

static void
our_keys(struct scram_keys *k)
{
	memset(k, 0, sizeof(*k));
	memcpy(k->salt, "sixteen bytes...", SCRAM_SALT);
	k->salt_len = SCRAM_SALT;
	k->iterations = SCRAM_ITERATIONS;
	fill_keys(k);
}

static void
check_out(const char *out, size_t len, size_t room)
{
	MUST(len > 0 && len < room);
	MUST(memchr(out, '\0', len) == NULL);
}

static void
check_failed(const struct err *e, const struct scram_keys *k)
{
	static const struct scram_keys none;

	MUST(strlen(e->sqlstate) == 5 && e->say[0] != '\0');
	MUST_END(e->say);
	MUST_END(e->log);
	MUST(memcmp(k->client, none.client, SCRAM_KEY) == 0);
	MUST(memcmp(k->server, none.server, SCRAM_KEY) == 0);
	MUST(!k->has_client);
}

/* --- the server's role --------------------------------------------------- */

/* Only the one who has the key comes to DONE. */
static void
check_proved(const struct scram_server *s, uint8_t how)
{
	struct scram_keys k;

	our_keys(&k);
	MUST(s->state == SCRAM_DONE && (how & DOOMED) == 0);
	MUST(s->keys.has_client);
	MUST(memcmp(s->keys.client, k.client, SCRAM_KEY) == 0);
	MUST(s->is_plus == (s->gs2 == 'p'));
	MUST(s->gs2 != 'y' || (how & BOUND) == 0);
}

static void
play_server(uint8_t how, const uint8_t *p, size_t left)
{
	struct scram_server s;
	struct scram_keys k;
	enum result rc = WAIT;
	struct err e;

	our_keys(&k);
	/* as from a verifier */
	memset(k.client, 0, SCRAM_KEY);
	k.has_client = false;
	scram_server_init(&s, &k, (how & DOOMED) != 0,
	    how & BOUND ? &binding : NULL, our_random);
	if (scram_server_choose(
		&s, how & PLUS ? SCRAM_PLUS : SCRAM_MECHANISM, &e) == -1) {
		MUST((how & PLUS) != 0 && (how & BOUND) == 0);
		return;
	}
	while (left > 0) {
		const uint8_t *line;
		size_t len = fuzz_part(&p, &left, '\n', &line);
		uint8_t *in = fuzz_copy(line, len);
		enum result before = rc;

		rc = scram_server_run(&s, in, len, &e);
		free(in);
		MUST(before == WAIT || rc == FAIL);
		if (rc == FAIL)
			check_failed(&e, &s.keys);
		else
			check_out(s.out, s.out_len, sizeof(s.out));
		if (rc == WAIT)
			MUST(s.state == SCRAM_FINAL);
		if (rc == DONE)
			check_proved(&s, how);
	}
	scram_server_fini(&s);
}

/* --- the client's role --------------------------------------------------- */

static enum result
rekey(struct scram_client *c, struct err *e)
{
	struct scram_keys k = c->keys;

	MUST(k.iterations > 0 && k.iterations <= SCRAM_ITERATIONS_MAX);
	MUST(k.salt_len > 0 && k.salt_len <= SCRAM_SALT_MAX);
	fill_keys(&k);
	return scram_client_rekey(c, &k, e);
}

static void
play_client(uint8_t how, const uint8_t *p, size_t left)
{
	unsigned offered = how & PLUS ? SCRAM_OFFER_PLUS | SCRAM_OFFER_PLAIN
				      : SCRAM_OFFER_PLAIN;
	struct scram_client c;
	struct scram_keys k;
	enum result rc = WAIT;
	const char *name;
	struct err e;

	our_keys(&k);
	scram_client_init(
	    &c, how & HAS_KEYS ? &k : NULL, (how & DERIVES) != 0, our_random);
	name = scram_client_choose(&c, offered, how & BOUND ? &binding : NULL);
	MUST(name != NULL);
	MUST((strcmp(name, SCRAM_PLUS) == 0) ==
	    ((how & (PLUS | BOUND)) == (PLUS | BOUND)));
	check_out(c.out, c.out_len, sizeof(c.out));
	while (left > 0) {
		const uint8_t *line;
		size_t len = fuzz_part(&p, &left, '\n', &line);
		uint8_t *in = fuzz_copy(line, len);
		enum result before = rc;

		rc = scram_client_run(&c, in, len, &e);
		MUST(before == WAIT || rc == FAIL);
		if (rc == WAIT && c.state == SCRAM_KEYS) {
			MUST((how & DERIVES) != 0);
			rc = rekey(&c, &e);
		}
		if (rc == WAIT) {
			MUST(c.state == SCRAM_FINAL);
			check_out(c.out, c.out_len, sizeof(c.out));
		}
		if (rc == FAIL)
			check_failed(&e, &c.keys);
		/* 32 bytes in base64: nobody guesses them */
		if (rc == DONE)
			MUST(len >= 46 && memcmp(in, "v=", 2) == 0);
		free(in);
	}
	scram_client_fini(&c);
}

/* --- what is made is understood ------------------------------------------- */

/* Both roles are ours: whatever the nonces and the salt are, it goes well. */
static void
play_both(uint8_t how, const uint8_t *p, size_t left)
{
	uint8_t random[2][SCRAM_NONCE];
	struct scram_binding *bind = how & BOUND ? &binding : NULL;
	struct scram_client c;
	struct scram_server s;
	struct scram_keys k;
	const char *name;
	struct err e;

	our_keys(&k);
	for (size_t i = 0; i < 2 * SCRAM_NONCE; i++)
		random[i / SCRAM_NONCE][i % SCRAM_NONCE] = fuzz_byte(&p, &left);
	k.iterations = 1 + fuzz_byte(&p, &left);
	if (left > 0) {
		k.salt_len =
		    (uint8_t)(left < SCRAM_SALT_MAX ? left : SCRAM_SALT_MAX);
		memcpy(k.salt, p, k.salt_len);
	}
	scram_server_init(&s, &k, false, bind, random[0]);
	scram_client_init(&c, &k, false, random[1]);
	name = scram_client_choose(&c,
	    how & BOUND ? SCRAM_OFFER_PLAIN | SCRAM_OFFER_PLUS
			: SCRAM_OFFER_PLAIN,
	    bind);
	MUST(name != NULL && scram_server_choose(&s, name, &e) == 0);
	MUST(scram_server_run(&s, c.out, c.out_len, &e) == WAIT);
	MUST(scram_client_run(&c, s.out, s.out_len, &e) == WAIT);
	MUST(scram_server_run(&s, c.out, c.out_len, &e) == DONE);
	MUST(scram_client_run(&c, s.out, s.out_len, &e) == DONE);
	MUST(memcmp(s.keys.client, k.client, SCRAM_KEY) == 0);
	MUST(s.is_plus == ((how & BOUND) != 0));
	scram_server_fini(&s);
	scram_client_fini(&c);
}

/* Two read a verifier, here and in conf/: they say the same. */
static void
check_verifier(const uint8_t *p, size_t len)
{
	char *text = fuzz_text(p, len);
	struct scram_keys k;
	struct user_scram u;
	int rc = scram_keys_parse(&k, text);

	MUST(scram_is_verifier(text) == (rc == 0));
	MUST(users_parse_scram(text, &u) == rc);
	if (rc == 0) {
		MUST(k.iterations > 0 && k.iterations == u.iterations);
		MUST(k.salt_len > 0 && k.salt_len == u.salt_len);
		MUST(memcmp(k.salt, u.salt, k.salt_len) == 0);
		MUST(memcmp(k.stored, u.stored_key, SCRAM_KEY) == 0);
		MUST(memcmp(k.server, u.server_key, SCRAM_KEY) == 0);
		MUST(!k.has_client);
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how = fuzz_byte(&data, &size);

	binding.len = SCRAM_KEY;
	memset(binding.bytes, 'b', SCRAM_KEY);
	if (how & VERIFIER)
		check_verifier(data, size);
	else if (how & HONEST)
		play_both(how, data, size);
	else if (how & CLIENT)
		play_client(how, data, size);
	else
		play_server(how, data, size);
	return 0;
}
