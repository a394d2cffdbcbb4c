/*
 * scram_test.c - RFC 7677's example, both roles against each other, bound to
 * a channel and not, and peers that lie.
 */
#include "worker/proto/scram.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"
#include "worker/proto/digest.h"

#define CNONCE "rOprNGfwEbeRWgbNEkqO"
#define NONCE  CNONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define FIRST  "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define FINAL \
	"c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SIGNED "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static const uint8_t cr[SCRAM_NONCE] = "client-nonce-bytes";
static const uint8_t sr[SCRAM_NONCE] = "server-nonce-bytes";
static const uint8_t salt[SCRAM_SALT] = "sixteen bytes...";

static struct scram_client c;
static struct scram_server s;
static struct err e;
static const struct scram_binding no_tls;
static const struct scram_binding tls = { 32,
	"the hash of our certificate, 32" };

/* A client that has this password, and not yet any keys. */
static const char *secret;

static void
begin_client(const char *password, const struct scram_keys *k,
    const uint8_t random[SCRAM_NONCE])
{
	secret = password;
	scram_client_init(&c, k, password != NULL, random);
	ck_assert_str_eq(scram_client_choose(&c, SCRAM_OFFER_PLAIN, &no_tls),
	    SCRAM_MECHANISM);
}

static void
begin_server(const struct scram_keys *k, bool doomed)
{
	scram_server_init(&s, k, doomed, &no_tls, sr);
	ck_assert_int_eq(scram_server_choose(&s, SCRAM_MECHANISM, &e), 0);
}

/* The RFC's client, before its server-first. */
static void
rfc_client(const char *password)
{
	begin_client(password, NULL, cr);
	strcpy(c.nonce, CNONCE);
	strcpy(c.auth, "n=user,r=" CNONCE);
}

/* The server's next message; what keys it makes necessary are derived. */
static enum result
feed_client(const void *p, size_t len)
{
	enum result r = scram_client_run(&c, p, len, &e);
	struct scram_keys k;

	if (r != WAIT || c.state != SCRAM_KEYS)
		return r;
	ck_assert_uint_eq(c.out_len, 0);
	ck_assert_int_eq(scram_keys_derive(&k, secret, c.keys.salt,
			     c.keys.salt_len, c.keys.iterations),
	    0);
	return scram_client_rekey(&c, &k, &e);
}

static enum result
to_client(const char *text)
{
	return feed_client(text, strlen(text));
}

static enum result
to_server(const char *text)
{
	return scram_server_run(&s, text, strlen(text), &e);
}

START_TEST(test_rfc_client)
{
	rfc_client("pencil");
	ck_assert_int_eq(to_client(FIRST), WAIT);
	ck_assert_uint_eq(c.out_len, strlen(FINAL));
	ck_assert_mem_eq(c.out, FINAL, c.out_len);
	ck_assert_int_eq(to_client(SIGNED), DONE);
	ck_assert(c.keys.has_client);
	scram_client_fini(&c);
}
END_TEST

START_TEST(test_rfc_server)
{
	struct scram_keys k;
	uint8_t bytes[16];

	ck_assert_int_eq(
	    digest_base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==", 24, bytes, 16),
	    16);
	ck_assert_int_eq(scram_keys_derive(&k, "pencil", bytes, 16, 4096), 0);
	begin_server(&k, false);
	s.state = SCRAM_FINAL;
	s.gs2 = 'n';
	strcpy(s.nonce, NONCE);
	strcpy(s.auth, "n=user,r=" CNONCE "," FIRST);
	ck_assert_int_eq(to_server(FINAL), DONE);
	ck_assert_uint_eq(s.out_len, strlen(SIGNED));
	ck_assert_mem_eq(s.out, SIGNED, s.out_len);
	ck_assert_mem_eq(s.keys.client, k.client, SCRAM_KEY);
	scram_server_fini(&s);
}
END_TEST

/* A whole login between c and s, both set up; what the server said last. */
static enum result
converse(void)
{
	enum result rc = scram_server_run(&s, c.out, c.out_len, &e);

	if (rc != WAIT || feed_client(s.out, s.out_len) != WAIT)
		return FAIL;
	rc = scram_server_run(&s, c.out, c.out_len, &e);
	if (rc == DONE && feed_client(s.out, s.out_len) != DONE)
		return FAIL;
	return rc;
}

/* Keys as auth_file has them: with no ClientKey. */
static void
verifier_of(struct scram_keys *k, const char *password)
{
	char text[256] = "SCRAM-SHA-256$4096:", part[64];

	ck_assert_int_eq(
	    scram_keys_derive(k, password, salt, SCRAM_SALT, 4096), 0);
	digest_base64_encode(k->salt, k->salt_len, part, sizeof(part));
	strcat(strcat(text, part), "$");
	digest_base64_encode(k->stored, SCRAM_KEY, part, sizeof(part));
	strcat(strcat(text, part), ":");
	digest_base64_encode(k->server, SCRAM_KEY, part, sizeof(part));
	strcat(text, part);
	ck_assert(scram_is_verifier(text));
	ck_assert_int_eq(scram_keys_parse(k, text), 0);
	ck_assert(!k->has_client);
}

START_TEST(test_both_roles)
{
	static const char *const password[] = { "pencil", "", "p\xc3\xa4ss",
		"\xff\xfe",
		"a much longer password, with, commas = and $igns" };
	struct scram_keys k;

	for (size_t i = 0; i < sizeof(password) / sizeof(*password); i++) {
		verifier_of(&k, password[i]);
		begin_client(password[i], NULL, cr);
		begin_server(&k, false);
		ck_assert_int_eq(converse(), DONE);
		begin_client("wrong", NULL, cr);
		begin_server(&k, false);
		ck_assert_int_eq(converse(), FAIL);
		ck_assert_str_eq(e.sqlstate, "28P01");
		ck_assert_int_eq(s.keys.has_client, false);
	}
}
END_TEST

/* The key that a client's login gave logs in elsewhere, password unknown. */
START_TEST(test_pass_through)
{
	struct scram_keys verifier, keys;

	verifier_of(&verifier, "pencil");
	begin_client("pencil", NULL, cr);
	begin_server(&verifier, false);
	ck_assert_int_eq(converse(), DONE);
	keys = s.keys;
	ck_assert(keys.has_client);
	begin_client(NULL, &keys, sr);
	begin_server(&verifier, false);
	ck_assert_int_eq(converse(), DONE);
	/* a verifier alone is not enough */
	begin_client(NULL, &verifier, sr);
	begin_server(&verifier, false);
	ck_assert_int_eq(converse(), FAIL);
	ck_assert_int_eq(c.state, SCRAM_FAILED);
	/* another salt: the keys do not fit, the password does */
	ck_assert_int_eq(scram_keys_derive(&verifier, "pencil",
			     (const uint8_t *)"other", 5, 1000),
	    0);
	begin_client(NULL, &keys, sr);
	begin_server(&verifier, false);
	ck_assert_int_eq(converse(), FAIL);
	ck_assert_int_eq(c.state, SCRAM_FAILED);
	begin_client("pencil", &keys, sr);
	begin_server(&verifier, false);
	ck_assert_int_eq(converse(), DONE);
	ck_assert_uint_eq(c.keys.iterations, 1000);
}
END_TEST

/* Nobody gets in as a user who is not there, and nobody learns of it. */
START_TEST(test_mock)
{
	struct scram_keys a;

	ck_assert_int_eq(
	    scram_keys_mock(&a, (const uint8_t *)"key", 3, "joe"), 0);
	begin_client("pencil", NULL, cr);
	begin_server(&a, true);
	ck_assert_int_eq(converse(), FAIL);
	ck_assert_str_eq(e.sqlstate, "28P01");
	ck_assert_str_eq(e.say, "password authentication failed");
	/* doomed even when the proof is right */
	verifier_of(&a, "pencil");
	begin_client("pencil", NULL, cr);
	begin_server(&a, true);
	ck_assert_int_eq(converse(), FAIL);
	ck_assert_str_eq(e.say, "password authentication failed");
	ck_assert(!s.keys.has_client);
}
END_TEST

static const struct {
	const char *text;
	enum result want;
	const char *sqlstate;
} first[] = {
	{ "n,,n=,r=abc", WAIT, "" },
	{ "y,,n=,r=abc", WAIT, "" },
	{ "n,,n=joe,r=abc,x=ignored", WAIT, "" },
	{ "p=tls-server-end-point,,n=,r=abc", FAIL, "08P01" },
	{ "n,a=joe,n=,r=abc", FAIL, "0A000" },
	{ "n,b=joe,n=,r=abc", FAIL, "08P01" },
	{ "n", FAIL, "08P01" },
	{ "n,", FAIL, "08P01" },
	{ "n,,", FAIL, "08P01" },
	{ "n,,n", FAIL, "08P01" },
	{ "n,,n=", FAIL, "08P01" },
	{ "n,,n=,r=", FAIL, "08P01" },
	{ "n,,n=,r=a b", FAIL, "08P01" },
	{ "n,,n=,r=a\x7f", FAIL, "08P01" },
	{ "n,,n=,r=a\xff", FAIL, "08P01" },
	{ "n,,m=x,n=,r=abc", FAIL, "0A000" },
	{ "n,,n=joe,r=abc,x", FAIL, "08P01" },
	{ "n,,n=joe,r=abc,1=x", FAIL, "08P01" },
	{ "n,,n=joe,r=abc,x=1,", WAIT, "" },
	{ "n,,r=abc,n=", FAIL, "08P01" },
	{ "x,,n=,r=abc", FAIL, "08P01" },
	{ "", FAIL, "08P01" },
};

START_TEST(test_first)
{
	struct scram_keys k;

	verifier_of(&k, "pencil");
	begin_server(&k, false);
	ck_assert_int_eq(to_server(first[_i].text), first[_i].want);
	if (first[_i].want == FAIL) {
		ck_assert_str_eq(e.sqlstate, first[_i].sqlstate);
		ck_assert_uint_eq(s.out_len, 0);
		ck_assert_int_eq(to_server("n,,n=,r=abc"), FAIL);
	}
}
END_TEST

/* client-final with one thing wrong each; the proof is right but for that. */
START_TEST(test_final)
{
	static const struct {
		const char *from, *to;
	} lie[] = { { "c=biws", "c=eSws" }, { "c=biws", "c=" },
		{ "c=biws", "d=biws" }, { "c=biws,", "" }, { ",r=", ",R=" },
		{ ",r=", ",r=x" }, { ",p=", ",q=" }, { ",p=", ",x=1,p=" },
		{ ",p=", ",p=A" }, { ",p=", "p=" }, { ",p=", ",p=AAAA" } };
	struct scram_keys k;

	verifier_of(&k, "pencil");
	for (size_t i = 0; i < sizeof(lie) / sizeof(*lie); i++) {
		char text[SCRAM_OUT_MAX + 8], *at;
		size_t head;

		begin_client("pencil", NULL, cr);
		begin_server(&k, false);
		ck_assert_int_eq(
		    scram_server_run(&s, c.out, c.out_len, &e), WAIT);
		ck_assert_int_eq(feed_client(s.out, s.out_len), WAIT);
		at = strstr(c.out, lie[i].from);
		ck_assert_ptr_nonnull(at);
		head = (size_t)(at - c.out);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)head, c.out,
		    lie[i].to, at + strlen(lie[i].from));
		ck_assert_msg(to_server(text) == FAIL, "%s", text);
		ck_assert(!s.keys.has_client);
	}
}
END_TEST

/* client-final with a proof that is right for what it says. */
static enum result
say_signed(const char *binding, const char *nonce, const char *more)
{
	struct scram_keys k;
	uint8_t proof[SCRAM_KEY];
	char text[SCRAM_OUT_MAX + 256], auth[4 * SCRAM_OUT_MAX];
	char proof_text[64];
	unsigned n = SCRAM_KEY;

	verifier_of(&k, "pencil");
	begin_server(&k, false);
	ck_assert_int_eq(to_server("n,,n=,r=abc"), WAIT);
	snprintf(text, sizeof(text), "c=%s,r=%s%s", binding,
	    nonce != NULL ? nonce : s.nonce, more);
	snprintf(auth, sizeof(auth), "n=,r=abc,%s,%s", s.out, text);
	ck_assert_ptr_nonnull(HMAC(EVP_sha256(), k.stored, SCRAM_KEY,
	    (const uint8_t *)auth, strlen(auth), proof, &n));
	ck_assert_int_eq(
	    scram_keys_derive(&k, "pencil", salt, SCRAM_SALT, 4096), 0);
	for (size_t i = 0; i < SCRAM_KEY; i++)
		proof[i] ^= k.client[i];
	digest_base64_encode(proof, SCRAM_KEY, proof_text, sizeof(proof_text));
	strcat(strcat(text, ",p="), proof_text);
	return to_server(text);
}

START_TEST(test_signed)
{
	ck_assert_int_eq(say_signed("biws", NULL, ""), DONE);
	ck_assert_int_eq(say_signed("biws", NULL, ",x=1"), DONE);
	ck_assert_int_eq(say_signed("eSws", NULL, ""), FAIL);
	ck_assert_int_eq(say_signed("cD10bHM=", NULL, ""), FAIL);
	ck_assert_int_eq(say_signed("biws", "abc", ""), FAIL);
	ck_assert_int_eq(say_signed("biws", "", ""), FAIL);
}
END_TEST

/* Cut at each byte, or changed in it: never in. */
START_TEST(test_torn)
{
	struct scram_keys k, keys;
	size_t len = 1;

	verifier_of(&k, "pencil");
	ck_assert_int_eq(
	    scram_keys_derive(&keys, "pencil", salt, SCRAM_SALT, 4096), 0);
	for (size_t i = 0; i < 2 * len; i++) {
		uint8_t *p;
		size_t n;

		begin_client(NULL, &keys, cr);
		begin_server(&k, false);
		ck_assert_int_eq(
		    scram_server_run(&s, c.out, c.out_len, &e), WAIT);
		ck_assert_int_eq(feed_client(s.out, s.out_len), WAIT);
		len = c.out_len;
		ck_assert_uint_gt(len, 0);
		n = i < len ? i : len;
		p = malloc(n + 1);
		memcpy(p, c.out, n);
		if (i >= len)
			p[i - len] ^= 1;
		ck_assert_int_eq(scram_server_run(&s, p, n, &e), FAIL);
		free(p);
	}
}
END_TEST

static const char *const server_first[] = { "",
	"r=" CNONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	"r=rOprNGfwEbeRWgbNEkqPxyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
	"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
	"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
	"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x",
	"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2147483648",
	"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=18446744073709555712",
	"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,x",
	"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294971392",
	"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999",
	"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==", "r=" NONCE ",s=,i=4096",
	"r=" NONCE ",s=!,i=4096", "r=" NONCE ",i=4096,s=W22Z",
	"m=x,r=" NONCE ",s=W22Z,i=4096", "e=other-error", "r=", "s=W22Z,i=1",
	"r=" NONCE " ,s=W22Z,i=1" };

START_TEST(test_hostile_server)
{
	rfc_client("pencil");
	ck_assert_int_eq(to_client(server_first[_i]), FAIL);
	ck_assert_uint_eq(c.out_len, 0);
	ck_assert_int_eq(to_client(FIRST), FAIL);
}
END_TEST

/* Long nonces, as in CVE-2026-6665, and long salts, at every length. */
START_TEST(test_long)
{
	static char text[4096], salt_text[512];
	struct scram_keys k;

	ck_assert_int_eq(
	    scram_keys_derive(&k, "pencil", salt, SCRAM_SALT, 1), 0);
	for (int n = 0; n < 2000; n++) {
		bool fits = n + 40 <= SCRAM_IN_MAX;

		begin_client("pencil", NULL, cr);
		snprintf(
		    text, sizeof(text), "r=%s%0*d,s=AAAA,i=1", c.nonce, n, 0);
		if ((to_client(text) == WAIT) != (strlen(text) <= SCRAM_IN_MAX))
			ck_abort_msg("server's nonce + %d", n);
		begin_server(&k, false);
		snprintf(text, sizeof(text), "n,,n=,r=%0*d", n, 0);
		if ((to_server(text) == WAIT) != (strlen(text) <= SCRAM_IN_MAX))
			ck_abort_msg("client's nonce of %d", n);
		ck_assert(!fits || s.out_len < sizeof(s.out));
	}
	for (size_t n = 1; n < 100; n++) {
		memset(salt_text, 'A', 4 * n);
		salt_text[4 * n] = '\0';
		rfc_client("pencil");
		snprintf(text, sizeof(text), "r=%s,s=%s,i=1", NONCE, salt_text);
		ck_assert_int_eq(
		    to_client(text), 3 * n <= SCRAM_SALT_MAX ? WAIT : FAIL);
	}
	rfc_client("pencil");
	ck_assert_int_eq(scram_client_run(&c, "r=\0", 3, &e), FAIL);
	rfc_client("pencil");
	ck_assert_int_eq(scram_client_run(&c, NULL, 0, &e), FAIL);
	rfc_client("pencil");
	ck_assert_int_eq(scram_client_run(&c, "", SIZE_MAX, &e), FAIL);
	ck_assert_int_eq(scram_server_run(&s, "", SIZE_MAX, &e), FAIL);
}
END_TEST

START_TEST(test_server_lies)
{
	static const char *const last[] = { "", "v=", "v=AAAA", "e=no",
		"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "x" SIGNED,
		SIGNED "=" };

	for (size_t i = 0; i < sizeof(last) / sizeof(*last); i++) {
		rfc_client("pencil");
		ck_assert_int_eq(to_client(FIRST), WAIT);
		ck_assert_int_eq(to_client(last[i]), FAIL);
		ck_assert(!c.keys.has_client);
		ck_assert_int_eq(to_client(SIGNED), FAIL);
	}
}
END_TEST

START_TEST(test_noise)
{
	struct scram_keys k;

	srandom(13);
	ck_assert_int_eq(
	    scram_keys_derive(&k, "pencil", salt, SCRAM_SALT, 1), 0);
	for (int i = 0; i < 30000; i++) {
		size_t len = (size_t)random() % 80;
		char *p = malloc(len + 1);

		for (size_t j = 0; j < len; j++)
			p[j] = "n,y,a=,r=c=p=s=i=1A="[random() % 20];
		begin_server(&k, false);
		if (i % 2 == 0)
			to_server("n,,n=,r=abc");
		if (scram_server_run(&s, p, len, &e) == DONE)
			ck_abort_msg("in by noise");
		begin_client("pencil", &k, cr);
		if (scram_client_run(&c, p, len, &e) != FAIL)
			ck_abort_msg("noise taken for our nonce");
		free(p);
	}
}
END_TEST

/* --- bound to the channel --------------------------------------------------------- */

/* The flag that the client sends, by what is offered and what it has. */
static const struct {
	unsigned offered;
	const struct scram_binding *has;
	const char *mechanism, *gs2;
} choice[] = {
	{ SCRAM_OFFER_PLAIN, NULL, SCRAM_MECHANISM, "n,,n=,r=" },
	{ SCRAM_OFFER_PLAIN, &no_tls, SCRAM_MECHANISM, "n,,n=,r=" },
	{ SCRAM_OFFER_PLAIN, &tls, SCRAM_MECHANISM, "y,,n=,r=" },
	{ SCRAM_OFFER_PLAIN | SCRAM_OFFER_PLUS, &tls, SCRAM_PLUS,
	    "p=tls-server-end-point,,n=,r=" },
	{ SCRAM_OFFER_PLUS, &tls, SCRAM_PLUS, "p=tls-server-end-point,,n=,r=" },
	{ SCRAM_OFFER_PLAIN | SCRAM_OFFER_PLUS, NULL, SCRAM_MECHANISM,
	    "n,,n=,r=" },
	{ SCRAM_OFFER_PLUS, &no_tls, NULL, NULL },
	{ 0, &tls, NULL, NULL },
};

START_TEST(test_choice)
{
	const char *mechanism;

	scram_client_init(&c, NULL, true, cr);
	mechanism = scram_client_choose(&c, choice[_i].offered, choice[_i].has);
	if (choice[_i].mechanism == NULL) {
		ck_assert_ptr_null(mechanism);
		return;
	}
	ck_assert_str_eq(mechanism, choice[_i].mechanism);
	ck_assert_mem_eq(c.out, choice[_i].gs2, strlen(choice[_i].gs2));
	ck_assert_uint_eq(c.out_len, strlen(choice[_i].gs2) + 24);
}
END_TEST

/* Both with TLS: `ours` is what the client sees, `theirs` the server. */
static enum result
converse_bound(const struct scram_binding *ours,
    const struct scram_binding *theirs, unsigned offered)
{
	const char *mechanism;
	struct scram_keys k;

	verifier_of(&k, "pencil");
	secret = "pencil";
	scram_client_init(&c, NULL, true, cr);
	scram_server_init(&s, &k, false, theirs, sr);
	mechanism = scram_client_choose(&c, offered, ours);
	if (mechanism == NULL || scram_server_choose(&s, mechanism, &e) == -1)
		return FAIL;
	return converse();
}

START_TEST(test_bound)
{
	const unsigned both = SCRAM_OFFER_PLAIN | SCRAM_OFFER_PLUS;
	struct scram_binding other = tls, shorter = tls, longest = tls;

	other.bytes[31] ^= 1;
	shorter.len--;
	longest.len = SCRAM_BINDING_MAX;
	ck_assert_int_eq(converse_bound(&tls, &tls, both), DONE);
	ck_assert_int_eq(c.out[0] == 'c' && s.is_plus, true);
	ck_assert_int_eq(converse_bound(&longest, &longest, both), DONE);
	/* somebody stands in between, with a certificate of his own */
	ck_assert_int_eq(converse_bound(&other, &tls, both), FAIL);
	ck_assert_str_eq(e.sqlstate, "28000");
	ck_assert_str_eq(e.say, "SCRAM channel binding check failed");
	ck_assert_int_eq(converse_bound(&shorter, &tls, both), FAIL);
	ck_assert_str_eq(e.sqlstate, "28000");
	/* ... or has taken the offer away */
	ck_assert_int_eq(converse_bound(&tls, &tls, SCRAM_OFFER_PLAIN), FAIL);
	ck_assert_str_eq(e.sqlstate, "28000");
	ck_assert_str_eq(e.say, "SCRAM channel binding negotiation error");
	/* a client that cannot, or a server that cannot */
	ck_assert_int_eq(converse_bound(NULL, &tls, both), DONE);
	ck_assert_int_eq(converse_bound(&tls, NULL, SCRAM_OFFER_PLAIN), DONE);
	/* PLUS to a server that has not offered it */
	ck_assert_int_eq(converse_bound(&tls, &no_tls, both), FAIL);
	ck_assert_str_eq(e.sqlstate, "08P01");
}
END_TEST

/* The first message beside the mechanism, with TLS and without. */
static const struct {
	const char *mechanism, *text, *sqlstate; /* "": taken */
	bool has_tls;
} flag[] = {
	{ SCRAM_PLUS, "p=tls-server-end-point,,n=,r=abc", "", true },
	{ SCRAM_PLUS, "p=tls-unique,,n=,r=abc", "08P01", true },
	{ SCRAM_PLUS, "p=tls-server-end-pointx,,n=,r=abc", "08P01", true },
	{ SCRAM_PLUS, "p=tls-server-end-poin,,n=,r=abc", "08P01", true },
	{ SCRAM_PLUS, "p=,,n=,r=abc", "08P01", true },
	{ SCRAM_PLUS, "p,,n=,r=abc", "08P01", true },
	{ SCRAM_PLUS, "p", "08P01", true },
	{ SCRAM_PLUS, "p=tls-server-end-point", "08P01", true },
	{ SCRAM_PLUS, "p=tls-server-end-point,", "08P01", true },
	{ SCRAM_PLUS, "p=tls-server-end-point,,", "08P01", true },
	{ SCRAM_PLUS, "p=tls-server-end-point,a=x,n=,r=abc", "0A000", true },
	{ SCRAM_PLUS, "p=tls-server-end-point,,m=x,n=,r=abc", "0A000", true },
	{ SCRAM_PLUS, "n,,n=,r=abc", "08P01", true },
	{ SCRAM_PLUS, "y,,n=,r=abc", "08P01", true },
	{ SCRAM_MECHANISM, "n,,n=,r=abc", "", true },
	{ SCRAM_MECHANISM, "y,,n=,r=abc", "28000", true },
	{ SCRAM_MECHANISM, "p=tls-server-end-point,,n=,r=abc", "08P01", true },
	{ SCRAM_MECHANISM, "y,,n=,r=abc", "", false },
	{ SCRAM_MECHANISM, "p=tls-server-end-point,,n=,r=abc", "08P01", false },
	{ SCRAM_PLUS, NULL, "08P01", false },
	{ "SCRAM-SHA-1", NULL, "08P01", true },
	{ "", NULL, "08P01", true },
	{ "scram-sha-256", NULL, "08P01", true },
};

START_TEST(test_flag)
{
	struct scram_keys k;

	verifier_of(&k, "pencil");
	scram_server_init(&s, &k, false, flag[_i].has_tls ? &tls : &no_tls, sr);
	if (flag[_i].text == NULL) {
		ck_assert_int_eq(
		    scram_server_choose(&s, flag[_i].mechanism, &e), -1);
		ck_assert_str_eq(e.sqlstate, flag[_i].sqlstate);
		return;
	}
	ck_assert_int_eq(scram_server_choose(&s, flag[_i].mechanism, &e), 0);
	ck_assert_int_eq(to_server(flag[_i].text),
	    flag[_i].sqlstate[0] == '\0' ? WAIT : FAIL);
	if (flag[_i].sqlstate[0] != '\0')
		ck_assert_str_eq(e.sqlstate, flag[_i].sqlstate);
}
END_TEST

/* Each bit of each message of a bound login changed: never DONE on both sides;
 * and a server whose first message was changed gets no proof that is right. */
START_TEST(test_bits)
{
	static char sent[4][SCRAM_OUT_MAX];
	static size_t len[4];
	struct scram_keys k, keys;

	verifier_of(&k, "pencil");
	ck_assert_int_eq(
	    scram_keys_derive(&keys, "pencil", salt, SCRAM_SALT, 4096), 0);
	len[0] = len[1] = len[2] = len[3] = 1;
	for (size_t m = 0; m < 4; m++)
		for (size_t i = 0; i < 8 * len[m]; i++) {
			enum result r = WAIT;

			scram_client_init(&c, &keys, false, cr);
			scram_server_init(&s, &k, false, &tls, sr);
			scram_server_choose(&s,
			    scram_client_choose(&c, SCRAM_OFFER_PLUS, &tls),
			    &e);
			for (size_t at = 0; at < 4 && r == WAIT; at++) {
				bool up = at % 2 == 0;

				len[at] = up ? c.out_len : s.out_len;
				memcpy(sent[at], up ? c.out : s.out, len[at]);
				if (at == m)
					sent[at][i / 8] ^= (char)(1 << i % 8);
				r = up ? scram_server_run(
					     &s, sent[at], len[at], &e)
				       : scram_client_run(
					     &c, sent[at], len[at], &e);
				if (at == 2 && r == DONE)
					r = WAIT;
			}
			/* in the name, which means nothing, it is signed */
			if (r == DONE && s.state == SCRAM_DONE)
				ck_abort_msg("message %zu, bit %zu", m, i);
		}
}
END_TEST

/* --- keys that take their time ------------------------------------------------------ */

START_TEST(test_wait_for_keys)
{
	struct scram_keys k, other;

	verifier_of(&k, "pencil");
	begin_client("pencil", NULL, cr);
	begin_server(&k, false);
	ck_assert_int_eq(scram_client_rekey(&c, &k, &e), FAIL);
	begin_client("pencil", NULL, cr);
	ck_assert_int_eq(scram_server_run(&s, c.out, c.out_len, &e), WAIT);
	ck_assert_int_eq(scram_client_run(&c, s.out, s.out_len, &e), WAIT);
	ck_assert_int_eq(c.state, SCRAM_KEYS);
	ck_assert_uint_eq(c.keys.iterations, 4096);
	ck_assert_uint_eq(c.keys.salt_len, SCRAM_SALT);
	/* of other numbers, or without the client's key */
	ck_assert_int_eq(
	    scram_keys_derive(&other, "pencil", salt, SCRAM_SALT, 4095), 0);
	ck_assert_int_eq(scram_client_rekey(&c, &other, &e), FAIL);
	begin_client("pencil", NULL, cr);
	begin_server(&k, false);
	ck_assert_int_eq(scram_server_run(&s, c.out, c.out_len, &e), WAIT);
	ck_assert_int_eq(scram_client_run(&c, s.out, s.out_len, &e), WAIT);
	ck_assert_int_eq(scram_client_rekey(&c, &k, &e), FAIL);
	/* the server talks on while it should wait */
	begin_client("pencil", NULL, cr);
	begin_server(&k, false);
	ck_assert_int_eq(scram_server_run(&s, c.out, c.out_len, &e), WAIT);
	ck_assert_int_eq(scram_client_run(&c, s.out, s.out_len, &e), WAIT);
	ck_assert_int_eq(scram_client_run(&c, s.out, s.out_len, &e), FAIL);
	ck_assert_str_eq(e.sqlstate, "08P01");
	/* the server's keys come after its first message */
	ck_assert_int_eq(
	    scram_keys_mock(&other, (const uint8_t *)"key", 3, "joe"), 0);
	ck_assert_int_eq(scram_keys_derive(&k, "pencil", other.salt,
			     other.salt_len, other.iterations),
	    0);
	begin_client("pencil", NULL, cr);
	begin_server(&other, false);
	ck_assert_int_eq(scram_server_run(&s, c.out, c.out_len, &e), WAIT);
	scram_server_rekey(&s, &k);
	ck_assert_int_eq(feed_client(s.out, s.out_len), WAIT);
	ck_assert_int_eq(scram_server_run(&s, c.out, c.out_len, &e), DONE);
	ck_assert_int_eq(feed_client(s.out, s.out_len), DONE);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scram");
	TCase *tc = tcase_create("scram");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_rfc_client);
	tcase_add_test(tc, test_rfc_server);
	tcase_add_test(tc, test_both_roles);
	tcase_add_test(tc, test_pass_through);
	tcase_add_test(tc, test_mock);
	tcase_add_loop_test(tc, test_first, 0, sizeof(first) / sizeof(*first));
	tcase_add_test(tc, test_final);
	tcase_add_test(tc, test_signed);
	tcase_add_test(tc, test_torn);
	tcase_add_loop_test(tc, test_hostile_server, 0,
	    sizeof(server_first) / sizeof(*server_first));
	tcase_add_test(tc, test_long);
	tcase_add_test(tc, test_server_lies);
	tcase_add_test(tc, test_noise);
	tcase_add_loop_test(
	    tc, test_choice, 0, sizeof(choice) / sizeof(*choice));
	tcase_add_test(tc, test_bound);
	tcase_add_loop_test(tc, test_flag, 0, sizeof(flag) / sizeof(*flag));
	tcase_add_test(tc, test_bits);
	tcase_add_test(tc, test_wait_for_keys);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
