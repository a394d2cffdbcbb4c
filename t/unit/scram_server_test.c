/*
 * scram_server_test.c - clients that lie to the server, or say what is no text.
 */
#include "worker/proto/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "t/unit/scramsim.h"

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

/*
 * A message ends where its length says.  What stands behind a NUL would be in
 * the message and not in what is signed.
 */
START_TEST(test_nul)
{
	static const char torn[] = "n,,n=,r=abcdefgh\0,x=y";
	struct scram_keys keys;
	char last[SCRAM_OUT_MAX + 4];

	ck_assert_int_eq(
	    scram_keys_derive(&keys, "pencil", salt, SCRAM_SALT, 10), 0);
	begin_server(&keys, false);
	ck_assert_int_eq(
	    scram_server_run(&s, torn, sizeof(torn) - 1, &e), FAIL);
	ck_assert_str_eq(e.sqlstate, "08P01");
	/* one NUL behind a last message that is right */
	for (size_t more = 0; more < 2; more++) {
		begin_server(&keys, false);
		begin_client("pencil", NULL, cr);
		ck_assert_int_eq(
		    scram_server_run(&s, c.out, c.out_len, &e), WAIT);
		ck_assert_int_eq(
		    scram_client_run(&c, s.out, s.out_len, &e), WAIT);
		ck_assert_int_eq(scram_client_rekey(&c, &keys, &e), WAIT);
		memcpy(last, c.out, c.out_len);
		last[c.out_len] = '\0';
		ck_assert_int_eq(
		    scram_server_run(&s, last, c.out_len + more, &e),
		    more == 0 ? DONE : FAIL);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scram_server");
	TCase *tc = tcase_create("scram_server");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_first, 0, sizeof(first) / sizeof(*first));
	tcase_add_test(tc, test_final);
	tcase_add_test(tc, test_signed);
	tcase_add_test(tc, test_nul);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
