/*
 * greet_test.c - requests for encryption: each once, and nothing ahead of the
 * answer.
 */
#include "worker/client/greet.h"

#include "t/unit/clientsim.h"
#include "t/unit/run.h"

#define REFUSED "received unencrypted data after encryption request"

enum { SSL = 80877103, GSS = 80877104 };

static struct sim s;

static void
set_up(void)
{
	sim_set_up(1, "auth_type = plain\n", NULL);
	sim_open(&s);
	ck_assert_ptr_nonnull(s.c);
}

static void
request(uint32_t code, const char *more)
{
	uint8_t bytes[64];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	wire_begin(&w, 0);
	wire_int32(&w, code);
	wire_end(&w);
	wire_bytes(&w, more, strlen(more));
	sim_send(&s, bytes, w.len);
	sim_poke(&s);
	while (gate_turn())
		continue;
}

static bool
is_declined(void)
{
	char byte = 0;

	return recv(s.fd, &byte, 1, 0) == 1 && byte == 'N';
}

/* One of each, in any order, and then the startup packet. */
START_TEST(each_once)
{
	set_up();
	request(_i == 0 ? SSL : GSS, "");
	ck_assert(is_declined());
	request(_i == 0 ? GSS : SSL, "");
	ck_assert(is_declined());
	sim_start(&s, "joe", "pgbouncer");
	sim_poke(&s);
	ck_assert_int_eq(sim_look(&s), 'R');
}
END_TEST

START_TEST(not_twice)
{
	set_up();
	request(_i == 0 ? SSL : GSS, "");
	ck_assert(is_declined());
	request(_i == 0 ? SSL : GSS, "");
	ck_assert(sim_is_told(&s, REFUSED));
}
END_TEST

/* CVE-2021-3935. */
START_TEST(nothing_ahead)
{
	set_up();
	request(_i == 0 ? SSL : GSS, "x");
	ck_assert(sim_is_told(&s, REFUSED));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("greet");
	TCase *tc = tcase_create("greet");

	tcase_add_loop_test(tc, each_once, 0, 2);
	tcase_add_loop_test(tc, not_twice, 0, 2);
	tcase_add_loop_test(tc, nothing_ahead, 0, 2);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
