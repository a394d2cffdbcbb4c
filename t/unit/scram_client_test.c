/*
 * scram_client_test.c - servers that lie to the client.
 */
#include "worker/proto/scram.h"

#include "t/unit/scramsim.h"

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

int
main(void)
{
	Suite *suite = suite_create("scram_client");
	TCase *tc = tcase_create("scram_client");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_hostile_server, 0,
	    sizeof(server_first) / sizeof(*server_first));
	tcase_add_test(tc, test_server_lies);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
