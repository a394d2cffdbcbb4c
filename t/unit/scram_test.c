/*
 * scram_test.c - RFC 7677's example, both roles against each other, and what
 * neither role takes: torn, too long, noise.
 */
#include "worker/proto/scram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/scramsim.h"

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
	static const struct test_of tests[] = {
		TEST(test_rfc_client),
		TEST(test_rfc_server),
		TEST(test_both_roles),
		TEST(test_pass_through),
		TEST(test_mock),
		TEST(test_torn),
		TEST(test_long),
		TEST(test_noise),
		TEST(test_wait_for_keys),
		NO_MORE_TESTS,
	};

	return run_tests("scram", tests, 60);
}
