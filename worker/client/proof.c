/*
 * proof.c - ask for a proof, and check it: plain, md5, SCRAM-SHA-256(-PLUS).
 *
 * A user who does not exist is asked like one who does and fails at the end:
 * nobody learns names here.
 *
 * Where keys must be derived first (derive.h), a client is asked at once, and
 * its last message waits for them.  Whose proof takes none of that waits as
 * long before it is refused, where there are others: keys are derived for
 * nothing, at the same moment, by the same slices, and kept or forgotten as
 * theirs are.  Whoever is right waits for nothing.
 */
#include "worker/client/proof.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "shm/segment.h"
#include "worker/derive.h"
#include "worker/io/outer.h"
#include "worker/io/tls.h"
#include "worker/proto/digest.h"
#include "worker/proto/field.h"
#include "worker/proto/report.h"
#include "worker/proto/scram.h"
#include "worker/self.h"

enum { OUT_MAX = 2048 };

struct proof {
	struct client *client;
	struct greet *greet;
	struct derive derive;
	struct scram_server scram;
	struct scram_keys want; /* a password in clear: what it must fit */
	bool is_busy;           /* the client's last message waits */
	bool has_keys;          /* the client's, in scram.keys */
	bool is_mock;           /* keys that nobody needs are derived */
	struct err why;         /* a refusal that waits for them */
	size_t held_len;
	uint8_t held[SCRAM_IN_MAX]; /* that message, of SCRAM */
};

static void on_derived(struct derive *d, const struct scram_keys *k);

static int
proof_make(struct client *c, struct greet *g, struct err *e)
{
	proof_drop(g);
	g->proof = calloc(1, sizeof(*g->proof));
	if (g->proof == NULL)
		return err_set(e, "53200", "out of memory", "out of memory");
	g->proof->client = c;
	g->proof->greet = g;
	g->proof->derive.on_keys = on_derived;
	return 0;
}

void
proof_drop(struct greet *g)
{
	struct proof *p = g->proof;

	if (p == NULL)
		return;
	g->proof = NULL;
	derive_cancel(&p->derive);
	compat_bzero(p, sizeof(*p));
	free(p);
}

bool
proof_is_busy(const struct greet *g)
{
	return g->proof != NULL && g->proof->is_busy;
}

const struct scram_keys *
proof_keys(const struct greet *g)
{
	return g->proof != NULL && g->proof->has_keys ? &g->proof->scram.keys
						      : NULL;
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

/* The salt and the rounds that nobody of this name would have. */
static int
nobody(const struct greet *g, struct scram_keys *out)
{
	if (scram_keys_mock(
		out, seg->mock_secret, sizeof(seg->mock_secret), g->user) == -1)
		return -1;
	out->iterations = (uint32_t)self.conf->scram_iterations;
	return 0;
}

/* The work that a secret in plain text takes, for who has none. */
static int
mimic_plain(struct proof *p, const struct scram_keys *salted)
{
	struct scram_keys k = *salted;
	enum result r;

	if (!secret_is_usual(USER_PLAIN))
		return 0;
	p->is_mock = true;
	r = derive_start(&p->derive, "nobody", &k);
	scram_keys_wipe(&k);
	return r == FAIL ? -1 : 0;
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
	const struct secret *s = &g->secret;
	struct scram_keys none;

	if (nobody(g, &none) == -1)
		return -1;
	g->is_verifier =
	    s->kind == USER_SCRAM && scram_keys_parse(out, s->text) == 0;
	if (!g->is_verifier)
		*out = none;
	if (s->kind == USER_PLAIN)
		return derive_start(&g->proof->derive, s->text, out) == FAIL
		    ? -1
		    : 0;
	g->is_unknown = !g->is_verifier;
	return mimic_plain(g->proof, &none);
}

_Static_assert(SCRAM_BINDING_MAX >= TLS_HASH_MAX, "any certificate's hash");

/* What binds SCRAM to the client's TLS connection; length 0: there is none. */
static void
bind_to(const struct client *c, struct scram_binding *b)
{
	b->len = c->tls == NULL ? 0 : tls_server_end_point(c->tls, b->bytes);
}

static int
ask_scram(struct client *c, struct greet *g, struct wire *w, struct err *e)
{
	static const char *const mechanisms[] = { SCRAM_PLUS, SCRAM_MECHANISM };
	struct scram_binding binding;
	uint8_t random[SCRAM_NONCE];
	struct scram_keys keys;
	size_t skip;

	if (proof_make(c, g, e) == -1)
		return -1;
	if (keys_for(g, &keys) == -1 || RAND_bytes(random, sizeof(random)) != 1)
		return err_set(
		    e, "58000", "login failed", "no memory or no random bytes");
	bind_to(c, &binding);
	scram_server_init(
	    &g->proof->scram, &keys, g->is_unknown, &binding, random);
	scram_keys_wipe(&keys);
	skip = binding.len > 0 ? 0 : 1;
	report_auth_sasl(w, mechanisms + skip, 2 - skip);
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
		if (ask_scram(c, g, &w, e) == -1)
			return FAIL;
		break;
	}
	client_set_state(c, CLIENT_AUTH);
	/* a broken connection has closed the client: nothing more to say */
	(void)client_send_wire(c, &w);
	return WAIT;
}

/* --- what is answered ----------------------------------------------------------- */

static enum result
refuse(const struct greet *g, struct err *e)
{
	return proof_failed(g, e), FAIL;
}

/* The password that was sent has these keys: are they the verifier's? */
static enum result
compare_keys(struct proof *p, const struct scram_keys *k, struct err *e)
{
	if (!compat_memeq_ct(k->stored, p->want.stored, SCRAM_KEY) ||
	    p->greet->is_unknown)
		return refuse(p->greet, e);
	p->scram.keys = *k;
	p->has_keys = true;
	return DONE;
}

/* A password in clear against a verifier: derived with its salt. */
static enum result
check_derived(
    struct client *c, struct greet *g, const char *said, struct err *e)
{
	struct scram_keys k;
	enum result r;

	if (proof_make(c, g, e) == -1)
		return FAIL;
	if (scram_keys_parse(&g->proof->want, g->secret.text) == -1)
		return refuse(g, e);
	k = g->proof->want;
	g->proof->derive.is_guess = true;
	r = derive_start(&g->proof->derive, said, &k);
	if (r == DONE)
		r = compare_keys(g->proof, &k, e);
	else if (r == FAIL)
		err_set(e, "53200", "out of memory", "no memory for keys");
	else
		g->proof->is_busy = true;
	scram_keys_wipe(&k);
	return r;
}

/* A wrong password that no verifier was needed for costs as much. */
static enum result
refuse_password(
    struct client *c, struct greet *g, const char *said, struct err *e)
{
	struct scram_keys k;
	struct proof *p;

	if (g->method != GREET_PLAIN || !secret_is_usual(USER_SCRAM))
		return refuse(g, e);
	if (proof_make(c, g, e) == -1)
		return FAIL;
	p = g->proof;
	p->is_mock = p->derive.is_guess = true;
	proof_failed(g, &p->why);
	p->is_busy =
	    nobody(g, &k) == 0 && derive_start(&p->derive, said, &k) == WAIT;
	scram_keys_wipe(&k);
	return p->is_busy ? WAIT : refuse(g, e);
}

static enum result
on_password(struct client *c, struct greet *g, struct field *f, struct err *e)
{
	const struct secret *s = &g->secret;
	const char *said = field_str(f);
	bool is_right;

	if (!field_is_done(f))
		return err_set(e, "08P01", "invalid password packet",
			   "invalid password packet"),
		       FAIL;
	if (g->method == GREET_PLAIN && secret_type(&g->secret, said, e) == -1)
		return FAIL;
	if (s->kind == USER_SCRAM)
		return check_derived(c, g, said, e);
	if (s->kind == USER_NONE)
		is_right = false;
	else if (g->method == GREET_MD5)
		is_right = digest_md5_check(s->text, g->user, g->salt, said);
	else
		is_right = digest_plain_check(s->text, g->user, said);
	return is_right && !g->is_unknown ? DONE
					  : refuse_password(c, g, said, e);
}

static enum result
run_scram(struct client *c, struct greet *g, const uint8_t *p, size_t len,
    struct err *e)
{
	struct scram_server *s = &g->proof->scram;
	enum result r = scram_server_run(s, p, len, e);
	uint8_t bytes[OUT_MAX];
	struct wire w;

	if (r == FAIL && strcmp(e->sqlstate, "28P01") == 0)
		return refuse(g, e);
	if (r == FAIL)
		return FAIL;
	wire_init(&w, bytes, sizeof(bytes));
	if (r == WAIT)
		report_auth_sasl_continue(&w, s->out, s->out_len);
	else
		report_auth_sasl_final(&w, s->out, s->out_len);
	/* keys with our own salt are no use at a server */
	g->proof->has_keys = r == DONE && g->is_verifier;
	return client_send_wire(c, &w) == -1 ? WAIT : r;
}

/* The last message, while keys are derived: it waits for them, or its refusal
 * does. */
static enum result
hold_scram(struct client *c, struct greet *g, struct field *f, struct err *e)
{
	struct proof *p = g->proof;
	enum result r = WAIT;

	if (!p->is_mock) {
		memcpy(p->held, f->p, f->left);
		p->held_len = f->left;
	} else {
		r = run_scram(c, g, f->p, f->left, e);
		if (r != FAIL)
			return r;
		p->why = *e;
	}
	p->is_busy = true;
	return WAIT;
}

static enum result
on_scram(struct client *c, struct greet *g, struct field *f, struct err *e)
{
	struct proof *p = g->proof;

	if (p->scram.state == SCRAM_FIRST) {
		const char *mechanism = field_str(f);
		int32_t len = field_int32(f);

		if (f->bad || len < 0 || (size_t)len != f->left)
			return err_set(e, "08P01",
				   "malformed SASLInitialResponse",
				   "malformed SASLInitialResponse"),
			       FAIL;
		if (scram_server_choose(&p->scram, mechanism, e) == -1)
			return FAIL;
	} else if (p->derive.job != NULL && f->left <= sizeof(p->held)) {
		return hold_scram(c, g, f, e);
	}
	return run_scram(c, g, f->p, f->left, e);
}

/* The keys have come; the client may be through with them, may be waiting for
 * them, or has still to say something. */
static void
on_derived(struct derive *d, const struct scram_keys *k)
{
	struct proof *p = OUTER_OF(d, struct proof, derive);
	struct client *c = p->client;
	bool was_busy = p->is_busy;
	enum result r = FAIL;
	struct err e;

	p->is_busy = false;
	if (k == NULL) {
		err_set(&e, "58000", "login failed", "no keys: libcrypto");
		greet_checked(c, FAIL, &e);
		return;
	}
	if (p->greet->method == GREET_SCRAM && !p->is_mock)
		scram_server_rekey(&p->scram, k);
	if (!was_busy)
		return;
	if (p->is_mock)
		e = p->why;
	else if (p->greet->method == GREET_SCRAM)
		r = run_scram(c, p->greet, p->held, p->held_len, &e);
	else
		r = compare_keys(p, k, &e);
	greet_checked(c, r, &e);
}

enum result
proof_check(struct client *c, struct greet *g, const uint8_t *body, size_t len,
    struct err *e)
{
	struct field f;

	field_init(&f, body, len);
	return g->method == GREET_SCRAM ? on_scram(c, g, &f, e)
					: on_password(c, g, &f, e);
}
