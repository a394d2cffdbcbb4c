/*
 * buf_test.c - what is put comes out, in order, whatever the socket takes.
 */
#include "worker/io/buf.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/compat.h"
#include "t/unit/run.h"

static int near_fd, far_fd;
static struct buf buf;

static void
set_up(void)
{
	int fd[2];

	signal(SIGPIPE, SIG_DFL);
	ck_assert_int_eq(compat_socketpair(AF_UNIX, SOCK_STREAM, fd), 0);
	near_fd = fd[0];
	far_fd = fd[1];
	memset(&buf, 0, sizeof(buf));
}

static void
tear_down(void)
{
	buf_fini(&buf);
	close(near_fd);
	close(far_fd);
}

START_TEST(empty_owns_nothing)
{
	ck_assert_int_eq(buf_put(&buf, "", 0), 0);
	ck_assert_ptr_null(buf.p);
	ck_assert_int_eq(buf_flush(&buf, near_fd, NULL), 0);
	ck_assert_int_eq(buf_put(&buf, "abc", 3), 0);
	ck_assert_uint_eq(buf_len(&buf), 3);
	ck_assert_ptr_nonnull(buf.p);
	ck_assert_int_eq(buf_flush(&buf, near_fd, NULL), 0);
	ck_assert_ptr_null(buf.p);
	ck_assert_uint_eq(buf.cap, 0);
}
END_TEST

/* The byte at place `i` of the stream that the tests send. */
static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7);
}

/* Read what is there and compare; returns the new place in the stream. */
static size_t
take(size_t at, size_t most)
{
	uint8_t got[8192];
	ssize_t n = recv(
	    far_fd, got, most < sizeof(got) ? most : sizeof(got), MSG_DONTWAIT);

	bool is_same = true;

	for (ssize_t i = 0; i < n; i++)
		is_same = is_same && got[i] == byte_at(at + (size_t)i);
	ck_assert_msg(is_same, "wrong bytes after %zu", at);
	return n > 0 ? at + (size_t)n : at;
}

START_TEST(order_holds_through_growth_and_moves)
{
	enum { TOTAL = 3000000 };
	size_t sent = 0, got = 0;
	uint8_t piece[20000];

	srandom(1);
	while (got < TOTAL) {
		size_t len = (size_t)random() % sizeof(piece);

		if (len > TOTAL - sent)
			len = TOTAL - sent;
		for (size_t i = 0; i < len; i++)
			piece[i] = byte_at(sent + i);
		ck_assert_int_eq(buf_put(&buf, piece, len), 0);
		sent += len;
		ck_assert_int_ge(buf_flush(&buf, near_fd, NULL), 0);
		got = take(got, (size_t)random() % 12000 + 1);
		ck_assert_uint_le(buf_len(&buf), sent - got);
	}
	ck_assert_uint_eq(buf_flush(&buf, near_fd, NULL), 0);
	ck_assert_ptr_null(buf.p);
}
END_TEST

START_TEST(a_full_socket_leaves_the_rest)
{
	static uint8_t big[4000000];
	ssize_t left;
	size_t got = 0;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = byte_at(i);
	ck_assert_int_eq(buf_put(&buf, big, sizeof(big)), 0);
	left = buf_flush(&buf, near_fd, NULL);
	ck_assert_int_gt(left, 0);
	ck_assert_int_lt(left, (ssize_t)sizeof(big));
	ck_assert_uint_eq(buf_len(&buf), (size_t)left);
	while (got < sizeof(big)) {
		got = take(got, sizeof(big));
		ck_assert_int_ge(buf_flush(&buf, near_fd, NULL), 0);
	}
	ck_assert_ptr_null(buf.p);
}
END_TEST

/* What goes straight on and what has to wait are one stream. */
START_TEST(sent_behind_what_waits)
{
	enum { TOTAL = 2000000, PIECE = 5000 };
	uint8_t piece[PIECE];
	bool has_waited = false;
	size_t got = 0;

	for (size_t at = 0; at < TOTAL; at += PIECE) {
		ssize_t left;

		for (size_t i = 0; i < PIECE; i++)
			piece[i] = byte_at(at + i);
		left = buf_send(&buf, near_fd, NULL, piece, PIECE);
		ck_assert_int_eq(left, (ssize_t)buf_len(&buf));
		has_waited = has_waited || left > 0;
	}
	ck_assert(has_waited);
	while (got < TOTAL) {
		got = take(got, TOTAL);
		ck_assert_int_ge(buf_flush(&buf, near_fd, NULL), 0);
	}
	ck_assert_int_eq(buf_send(&buf, near_fd, NULL, "", 0), 0);
	ck_assert_ptr_null(buf.p);
	close(far_fd);
	far_fd = -1;
	ck_assert_int_eq(buf_send(&buf, near_fd, NULL, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_uint_eq(buf_len(&buf), 0);
}
END_TEST

START_TEST(only_these_pass)
{
	ck_assert(buf_is_later(EAGAIN));
	ck_assert(buf_is_later(EWOULDBLOCK));
	ck_assert(buf_is_later(EINTR));
	ck_assert(!buf_is_later(EPIPE));
	ck_assert(!buf_is_later(ECONNRESET));
	ck_assert(!buf_is_later(0));
}
END_TEST

START_TEST(a_gone_peer_is_an_error_and_no_signal)
{
	close(far_fd);
	far_fd = -1;
	ck_assert_int_eq(buf_put(&buf, "x", 1), 0);
	ck_assert_int_eq(buf_flush(&buf, near_fd, NULL), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_uint_eq(buf_len(&buf), 1);
}
END_TEST

START_TEST(too_much_is_refused_whole)
{
	ck_assert_int_eq(buf_put(&buf, "abc", 3), 0);
	ck_assert_int_eq(buf_put(&buf, "x", (size_t)UINT32_MAX - 1), -1);
	ck_assert_int_eq(buf_put(&buf, "x", SIZE_MAX), -1);
	ck_assert_uint_eq(buf_len(&buf), 3);
	buf_wipe(&buf);
	ck_assert_uint_eq(buf_len(&buf), 0);
	ck_assert_ptr_null(buf.p);
	buf_wipe(&buf);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("buf");
	TCase *t = tcase_create("buf");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, empty_owns_nothing);
	tcase_add_test(t, order_holds_through_growth_and_moves);
	tcase_add_test(t, a_full_socket_leaves_the_rest);
	tcase_add_test(t, sent_behind_what_waits);
	tcase_add_test(t, only_these_pass);
	tcase_add_test(t, a_gone_peer_is_an_error_and_no_signal);
	tcase_add_test(t, too_much_is_refused_whole);
	suite_add_tcase(s, t);
	return run_suite(s);
}
