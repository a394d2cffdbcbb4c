/*
 * proof.c - ask for a proof, and check it: plain, md5, SCRAM-SHA-256.
 *
 * A user who does not exist is asked like one who does and fails at the end:
 * nobody learns names here.  Keys derived from plain-text secrets are kept,
 * since deriving them is the one slow step.
 *
 * Data: this process's own cache of derived keys, wiped at the end.
 */
#include "worker/client/proof.h"

#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "shm/segment.h"
#include "worker/proto/digest.h"
#include "worker/proto/field.h"
#include "worker/proto/report.h"
#include "worker/self.h"

enum { OUT_MAX = 2048, DERIVED = 256 };

/* --- keys of plain-text secrets ------------------------------------------- */

static struct derived {
	char user[STARTUP_USER_MAX + 1];
	uint8_t of[SHA256_DIGEST_LENGTH]; /* the secret they come from */
	struct scram_keys keys;
} derived[DERIVED];

void
proof_fini(void)
{
	compat_bzero(derived, sizeof(derived));
}

static struct derived *
place_of(const char *user)
{
	uint32_t h = 2166136261u;

	for (; *user != '\0'; user++)
		h = (h ^ (uint8_t)*user) * 16777619u;
	return &derived[h % DERIVED];
}

/* From a secret, with the salt and the rounds of `as`. */
static int
derive(const char *user, const char *secret, const struct scram_keys *as,
    struct scram_keys *out)
{
	struct derived *d = place_of(user);
	uint8_t of[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)secret, strlen(secret), of);
	if (strcmp(d->user, user) != 0 ||
	    d->keys.iterations != as->iterations ||
	    !compat_memeq_ct(d->of, of, sizeof(of))) {
		if (scram_keys_derive(&d->keys, secret, as->salt, as->salt_len,
			as->iterations) == -1) {
			compat_bzero(d, sizeof(*d));
			return -1;
		}
		compat_strlcpy(d->user, user, sizeof(d->user));
		memcpy(d->of, of, sizeof(of));
	}
	*out = d->keys;
	compat_bzero(of, sizeof(of));
	return 0;
}

/* --- what is asked ------------------------------------------------------------ */

int
proof_failed(const struct greet *g, struct err *e)
{
	char say[sizeof(e->say)];

	snprintf(say, sizeof(say),
	    "password authentication failed for user \"%.64s\"", g->user);
	return err_set(e, "28P01", say, "%s", say);
}

/*
 * What the user has to prove: the keys of nobody, if there is no such user or
 * no secret that fits.  A plain-text secret gets the salt and the rounds that
 * nobody of this name would have: a salt that each worker drew for itself
 * would tell outsiders who exists.
 */
static int
keys_for(struct greet *g, struct scram_keys *out)
{
	int rounds = self.conf->scram_iterations;
	const struct secret *s = &g->secret;
	struct scram_keys nobody;

	if (scram_keys_mock(&nobody, seg->mock_secret, sizeof(seg->mock_secret),
		g->user) == -1)
		return -1;
	nobody.iterations = rounds < SCRAM_ITERATIONS_MAX
	    ? (uint32_t)rounds
	    : SCRAM_ITERATIONS_MAX;
	g->is_verifier =
	    s->kind == USER_SCRAM && scram_keys_parse(out, s->text) == 0;
	if (g->is_verifier)
		return 0;
	if (s->kind == USER_PLAIN &&
	    derive(g->user, s->text, &nobody, out) == 0)
		return 0;
	g->is_unknown = true;
	*out = nobody;
	return 0;
}

static int
ask_scram(struct greet *g, struct wire *w, struct err *e)
{
	static const char *const mechanisms[] = { SCRAM_MECHANISM };
	uint8_t random[SCRAM_NONCE];
	struct scram_keys keys;

	g->scram = calloc(1, sizeof(*g->scram));
	if (g->scram == NULL || keys_for(g, &keys) == -1 ||
	    RAND_bytes(random, sizeof(random)) != 1)
		return err_set(
		    e, "58000", "login failed", "no memory or no random bytes");
	scram_server_init(g->scram, &keys, g->is_unknown, random);
	scram_keys_wipe(&keys);
	report_auth_sasl(w, mechanisms, 1);
	return 0;
}

enum result
proof_ask(struct client *c, struct greet *g, struct err *e)
{
	uint8_t bytes[OUT_MAX];
	struct wire w;

	g->is_unknown = !g->secret.is_known;
	wire_init(&w, bytes, sizeof(bytes));
	switch (g->method) {
	case GREET_TRUST:
		return DONE;
	case GREET_PLAIN:
		report_auth_cleartext(&w);
		break;
	case GREET_MD5:
		if (RAND_bytes(g->salt, sizeof(g->salt)) != 1)
			return err_set(e, "58000", "login failed",
				   "no random bytes"),
			       FAIL;
		report_auth_md5(&w, g->salt);
		break;
	case GREET_SCRAM:
		if (ask_scram(g, &w, e) == -1)
			return FAIL;
		break;
	}
	client_set_state(c, CLIENT_AUTH);
	/* a broken connection has closed the client: nothing more to say */
	(void)client_send_wire(c, &w);
	return WAIT;
}

/* --- what is answered ----------------------------------------------------------- */

/* A password in clear against a verifier: derived with its salt. */
static bool
is_password_of(const char *verifier, const char *said)
{
	struct scram_keys want, got;
	bool is_right;

	memset(&got, 0, sizeof(got));
	is_right = scram_keys_parse(&want, verifier) == 0 &&
	    scram_keys_derive(
		&got, said, want.salt, want.salt_len, want.iterations) == 0 &&
	    compat_memeq_ct(got.stored, want.stored, sizeof(got.stored));
	scram_keys_wipe(&got);
	scram_keys_wipe(&want);
	return is_right;
}

static enum result
on_password(struct greet *g, struct field *f, struct err *e)
{
	const struct secret *s = &g->secret;
	const char *said = field_str(f);
	bool is_right;

	if (!field_is_done(f))
		return err_set(e, "08P01", "invalid password packet",
			   "invalid password packet"),
		       FAIL;
	if (s->kind == USER_NONE)
		is_right = false;
	else if (s->kind == USER_SCRAM)
		is_right = is_password_of(s->text, said);
	else if (g->method == GREET_MD5)
		is_right = digest_md5_check(s->text, g->user, g->salt, said);
	else
		is_right = digest_plain_check(s->text, g->user, said);
	if (!is_right || g->is_unknown)
		return proof_failed(g, e), FAIL;
	return DONE;
}

static enum result
on_scram(struct client *c, struct greet *g, struct field *f, struct err *e)
{
	uint8_t bytes[OUT_MAX];
	struct wire w;
	enum result r;

	if (g->scram->state == SCRAM_FIRST) {
		const char *mechanism = field_str(f);
		int32_t len = field_int32(f);

		if (f->bad || len < 0 || (size_t)len != f->left ||
		    strcmp(mechanism, SCRAM_MECHANISM) != 0)
			return err_set(e, "08P01",
				   "client selected an invalid SASL mechanism",
				   "invalid SASLInitialResponse"),
			       FAIL;
	}
	r = scram_server_run(g->scram, f->p, f->left, e);
	if (r == FAIL) {
		if (strcmp(e->sqlstate, "28P01") == 0)
			proof_failed(g, e);
		return FAIL;
	}
	wire_init(&w, bytes, sizeof(bytes));
	if (r == WAIT)
		report_auth_sasl_continue(&w, g->scram->out, g->scram->out_len);
	else
		report_auth_sasl_final(&w, g->scram->out, g->scram->out_len);
	/* keys with our own salt are no use at a server: they would only push
	   out those that were derived for its salt */
	g->has_keys = r == DONE && g->is_verifier;
	return client_send_wire(c, &w) == -1 ? WAIT : r;
}

enum result
proof_check(struct client *c, struct greet *g, const uint8_t *body, size_t len,
    struct err *e)
{
	struct field f;

	field_init(&f, body, len);
	return g->method == GREET_SCRAM ? on_scram(c, g, &f, e)
					: on_password(g, &f, e);
}
