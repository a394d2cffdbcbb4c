/*
 * scram_binding_test.c - logins bound to their TLS channel: what is offered,
 * chosen, and found when somebody stands in between.
 */
#include "worker/proto/scram.h"

#include <string.h>

#include "t/unit/scramsim.h"

static const struct scram_binding tls = { 32,
	"the hash of our certificate, 32" };

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

START_TEST(test_long_binding)
{
	struct scram_binding b = { .len = SCRAM_BINDING_MAX };
	struct scram_keys k;

	verifier_of(&k, "pencil");
	scram_server_init(&s, &k, false, &b, sr);
	ck_assert_int_eq(scram_server_choose(&s, SCRAM_PLUS, &e), 0);
	b.len++;
	scram_server_init(&s, &k, false, &b, sr);
	ck_assert_int_eq(scram_server_choose(&s, SCRAM_PLUS, &e), -1);
	ck_assert_str_eq(e.sqlstate, "08P01");
	scram_server_init(&s, &k, false, NULL, sr);
	ck_assert_int_eq(scram_server_choose(&s, SCRAM_PLUS, &e), -1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scram_binding");
	TCase *tc = tcase_create("scram_binding");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(
	    tc, test_choice, 0, sizeof(choice) / sizeof(*choice));
	tcase_add_test(tc, test_bound);
	tcase_add_loop_test(tc, test_flag, 0, sizeof(flag) / sizeof(*flag));
	tcase_add_test(tc, test_bits);
	tcase_add_test(tc, test_long_binding);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
