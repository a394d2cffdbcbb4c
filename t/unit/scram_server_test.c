/*
 * scram_server_test.c - bytes that are no text, and bindings that do not fit.
 */
#include "worker/proto/scram.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

static const uint8_t sr[SCRAM_NONCE] = "server-nonce-bytes";
static const uint8_t cr[SCRAM_NONCE] = "client-nonce-bytes";
static const struct scram_binding no_tls;

static struct scram_server s;
static struct scram_client c;
static struct scram_keys keys;
static struct err e;

static void
begin(const struct scram_binding *binding)
{
	static const uint8_t salt[SCRAM_SALT] = "sixteen bytes...";

	ck_assert_int_eq(
	    scram_keys_derive(&keys, "pencil", salt, SCRAM_SALT, 10), 0);
	scram_server_init(&s, &keys, false, binding, sr);
}

/*
 * A message ends where its length says.  What stands behind a NUL would be in
 * the message and not in what is signed.
 */
START_TEST(test_nul)
{
	static const char first[] = "n,,n=,r=abcdefgh\0,x=y";
	char last[SCRAM_OUT_MAX + 4];

	begin(&no_tls);
	ck_assert_int_eq(scram_server_choose(&s, SCRAM_MECHANISM, &e), 0);
	ck_assert_int_eq(
	    scram_server_run(&s, first, sizeof(first) - 1, &e), FAIL);
	ck_assert_str_eq(e.sqlstate, "08P01");
	/* one NUL behind a last message that is right */
	for (size_t more = 0; more < 2; more++) {
		begin(&no_tls);
		ck_assert_int_eq(
		    scram_server_choose(&s, SCRAM_MECHANISM, &e), 0);
		scram_client_init(&c, NULL, true, cr);
		ck_assert_ptr_nonnull(
		    scram_client_choose(&c, SCRAM_OFFER_PLAIN, &no_tls));
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

/* What has no room is no binding: PLUS is then not to be had. */
START_TEST(test_long_binding)
{
	struct scram_binding b = { .len = SCRAM_BINDING_MAX };

	begin(&b);
	ck_assert_int_eq(scram_server_choose(&s, SCRAM_PLUS, &e), 0);
	b.len++;
	begin(&b);
	ck_assert_int_eq(scram_server_choose(&s, SCRAM_PLUS, &e), -1);
	ck_assert_str_eq(e.sqlstate, "08P01");
	begin(NULL);
	ck_assert_int_eq(scram_server_choose(&s, SCRAM_PLUS, &e), -1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scram_server");
	TCase *tc = tcase_create("scram_server");

	tcase_add_test(tc, test_nul);
	tcase_add_test(tc, test_long_binding);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
