/*
 * stream_test.c - TLS read as a socket is: all that has come, then its end.
 */
#include "worker/io/stream.h"

#include <openssl/ssl.h>

#include "t/unit/run.h"
#include "t/unit/tlssim.h"
#include "worker/io/loop.h"
#include "worker/io/tls_impl.h"

static struct tls *near, *far; /* accepted, connected */
static char got[3 * STREAM_RECORD];

static void
setup(void)
{
	sim_setup();
	sim_contexts();
	sim_pair(&near, &far, "h", false);
}

static void
teardown(void)
{
	tls_close(near);
	tls_close(far);
	near = far = NULL;
	sim_teardown();
}

static ssize_t
get(size_t room)
{
	ssize_t n = stream_recv(sim_fd[0], near, got, room);

	/* the loop sees the rest: it is in the socket */
	ck_assert_int_eq(SSL_pending(near->ssl), 0);
	return n;
}

START_TEST(records_at_once)
{
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(tls_send(far, "abcdefghij", 10), 10);
	ck_assert_int_eq(get(sizeof(got)), 50);
	ck_assert_mem_eq(got + 40, "abcdefghij", 10);
	ck_assert_int_eq(get(sizeof(got)), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

/* One more would fit in part: it stays in the socket. */
START_TEST(no_part_of_a_record)
{
	static char much[3 * STREAM_RECORD];

	ck_assert_int_eq(tls_send(far, much, sizeof(much)), sizeof(much));
	ck_assert_int_eq(get(STREAM_RECORD), STREAM_RECORD);
	ck_assert_int_eq(get(2 * STREAM_RECORD - 1), STREAM_RECORD);
	ck_assert_int_eq(get(2 * STREAM_RECORD), STREAM_RECORD);
	ck_assert_int_eq(get(STREAM_RECORD), -1);
}
END_TEST

/* What came counts; how it ended is told by the next call. */
START_TEST(bytes_before_the_end)
{
	ck_assert_int_eq(tls_send(far, "bye", 3), 3);
	if (_i == 0)
		ck_assert_int_eq(send(sim_fd[1], "junk!", 5, 0), 5);
	else if (_i == 1)
		shutdown(sim_fd[1], SHUT_WR);
	else
		tls_close(far), far = NULL;
	ck_assert_int_eq(get(sizeof(got)), 3);
	ck_assert_mem_eq(got, "bye", 3);
	ck_assert_int_eq(get(sizeof(got)), _i == 0 ? -1 : 0);
	if (_i == 0)
		ck_assert_int_eq(errno, EPROTO);
}
END_TEST

/* Without TLS it is the socket itself. */
START_TEST(plain)
{
	ck_assert_uint_eq(stream_wants(NULL), 0);
	ck_assert_int_eq(stream_recv(sim_fd[0], NULL, got, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(stream_send(sim_fd[1], NULL, "abc", 3), 3);
	ck_assert_int_eq(stream_recv(sim_fd[0], NULL, got, 2), 2);
	ck_assert_int_eq(stream_recv(sim_fd[0], NULL, got + 2, 9), 1);
	ck_assert_mem_eq(got, "abc", 3);
	shutdown(sim_fd[0], SHUT_RDWR);
	ck_assert_int_eq(stream_send(sim_fd[0], NULL, "abc", 3), -1);
	ck_assert_int_eq(errno, EPIPE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stream");
	TCase *tc = tcase_create("stream");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, records_at_once);
	tcase_add_test(tc, no_part_of_a_record);
	tcase_add_loop_test(tc, bytes_before_the_end, 0, 3);
	tcase_add_test(tc, plain);
	return run_suite(s);
}
