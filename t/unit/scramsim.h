/*
 * scramsim.h - for tests: a client and a server of SCRAM in one process, with
 * nonces that are known, and RFC 7677's example.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_UNIT_SCRAMSIM_H
#define T_UNIT_SCRAMSIM_H

#include <check.h>
#include <string.h>

#include "t/unit/run.h"
#include "worker/proto/digest.h"
#include "worker/proto/scram.h"

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

/* A client that has this password, and not yet any keys. */
static const char *secret;

static inline void
begin_client(const char *password, const struct scram_keys *k,
    const uint8_t random[SCRAM_NONCE])
{
	secret = password;
	scram_client_init(&c, k, password != NULL, random);
	ck_assert_str_eq(scram_client_choose(&c, SCRAM_OFFER_PLAIN, &no_tls),
	    SCRAM_MECHANISM);
}

static inline void
begin_server(const struct scram_keys *k, bool doomed)
{
	scram_server_init(&s, k, doomed, &no_tls, sr);
	ck_assert_int_eq(scram_server_choose(&s, SCRAM_MECHANISM, &e), 0);
}

/* The RFC's client, before its server-first. */
static inline void
rfc_client(const char *password)
{
	begin_client(password, NULL, cr);
	strcpy(c.nonce, CNONCE);
	strcpy(c.auth, "n=user,r=" CNONCE);
}

/* The server's next message; what keys it makes necessary are derived. */
static inline enum result
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

static inline enum result
to_client(const char *text)
{
	return feed_client(text, strlen(text));
}

static inline enum result
to_server(const char *text)
{
	return scram_server_run(&s, text, strlen(text), &e);
}

/* A whole login between c and s, both set up; what the server said last. */
static inline enum result
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
static inline void
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

#endif
