/*
 * tls_test.c - handshakes, data and hostile bytes, over socket pairs.
 */
#include "worker/io/tls.h"

#include <openssl/err.h>

#include "t/unit/run.h"
#include "t/unit/tlssim.h"
#include "worker/io/loop.h"

static struct tls *near, *far; /* accepted, connected */

static void
teardown(void)
{
	tls_close(near);
	tls_close(far);
	near = far = NULL;
	sim_teardown();
}

static const char *const version[] = { "tlsv1.2", "tlsv1.3" };

static void
use_version(int i)
{
	sim_conf.client_tls_protocols = version[i];
	sim_contexts();
}

/* --- agreed ---------------------------------------------------------------- */

START_TEST(both_roles)
{
	static const char *const start[] = { "TLSv1.2/ECDHE-ECDSA-",
		"TLSv1.3/TLS_" };
	char a[TLS_DESCRIBE], b[TLS_DESCRIBE];

	use_version(_i);
	sim_pair(&near, &far, "db.example", false);
	sim_say(near, far, "to the client");
	sim_say(far, near, "to the server");
	tls_describe(near, a, sizeof(a));
	tls_describe(far, b, sizeof(b));
	ck_assert_str_eq(a, b);
	ck_assert_msg(strncmp(a, start[_i], strlen(start[_i])) == 0, "%s", a);
	ck_assert_msg(strcmp(strrchr(a, '/'), "/ECDH=X25519") == 0, "%s", a);
	ck_assert(!tls_is_resumed(near));
	ck_assert(!tls_is_kernel(near));
}
END_TEST

START_TEST(waiting)
{
	char c;

	use_version(_i);
	near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	far = tls_connect(sim_servers, sim_fd[1], "h", false, &sim_err);
	ck_assert_uint_eq(tls_wants(near), LOOP_READ);
	ck_assert_int_eq(tls_run(near, &sim_err), WAIT);
	ck_assert_uint_eq(tls_wants(near), LOOP_READ);
	ck_assert_uint_eq(tls_wants(far), LOOP_WRITE);
	ck_assert_int_eq(tls_run(far, &sim_err), WAIT);
	ck_assert_uint_eq(tls_wants(far), LOOP_READ);
	sim_run(near, far);
	ck_assert_int_eq(tls_recv(near, &c, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(tls_wants(near), 0);
}
END_TEST

/* The answer to a client's first message has no room in the socket. */
START_TEST(handshake_waits_for_room)
{
	char block[4096] = { 0 };
	size_t filled = 0;
	ssize_t n;

	use_version(_i);
	near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	far = tls_connect(sim_servers, sim_fd[1], "h", false, &sim_err);
	ck_assert_int_eq(tls_run(far, &sim_err), WAIT);
	while ((n = send(sim_fd[0], block, sizeof(block), 0)) > 0)
		filled += (size_t)n;
	ck_assert_int_eq(tls_run(near, &sim_err), WAIT);
	ck_assert_uint_eq(tls_wants(near), LOOP_WRITE);
	while (filled > 0) {
		n = recv(sim_fd[1], block, sizeof(block), 0);
		ck_assert_int_gt(n, 0);
		filled -= (size_t)n;
	}
	ck_assert_int_eq(sim_run(near, far).a, DONE);
}
END_TEST

START_TEST(record_in_parts)
{
	char got[8];

	use_version(_i);
	sim_pair(&near, &far, "h", false);
	ck_assert_int_eq(tls_send(far, "abcdef", 6), 6);
	sim_recv_all(near, got, 4);
	ck_assert_mem_eq(got, "abcd", 4);
	ck_assert_int_eq(tls_recv(near, got, sizeof(got)), 2);
	ck_assert_mem_eq(got, "ef", 2);
}
END_TEST

START_TEST(goodbye)
{
	char c;

	use_version(_i);
	sim_pair(&near, &far, "h", false);
	ck_assert_int_eq(tls_send(far, "x", 1), 1);
	tls_close(far);
	far = NULL;
	/* said in the stream: the socket itself is still open */
	sim_recv_all(near, &c, 1);
	ck_assert_int_eq(tls_recv(near, &c, 1), 0);
	ck_assert_int_eq(tls_recv(near, &c, 1), 0);
}
END_TEST

/* What the kernel holds for `near`, taken away from it; how many bytes. */
static ssize_t
intercept(uint8_t *record, size_t size)
{
	ssize_t n = recv(sim_fd[0], record, size, 0);

	ck_assert_int_gt(n, 8);
	ck_assert_int_lt(n, (ssize_t)size);
	return n;
}

/* Cut off: the end of the file is an end, wherever it comes. */
START_TEST(cut_off)
{
	uint8_t record[200];
	ssize_t n;
	char c;

	use_version(_i);
	sim_pair(&near, &far, "h", false);
	ck_assert_int_eq(tls_send(far, "query", 5), 5);
	n = intercept(record, sizeof(record));
	ck_assert_int_eq(send(sim_fd[1], record, (size_t)n / 2, 0), n / 2);
	ck_assert_int_eq(tls_recv(near, &c, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	shutdown(sim_fd[1], SHUT_WR);
	ck_assert_int_eq(tls_recv(near, &c, 1), 0);
}
END_TEST

START_TEST(writing_to_nobody)
{
	use_version(_i);
	sim_pair(&near, &far, "h", false);
	shutdown(sim_fd[1], SHUT_RDWR);
	shutdown(sim_fd[0], SHUT_RDWR);
	ck_assert_int_eq(tls_send(near, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	/* it stays what it is */
	ck_assert_int_eq(tls_send(near, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(tls_recv(near, &(char){ 0 }, 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_ptr_null(tls_fault(near));
}
END_TEST

/* An error that somebody left in OpenSSL's queue is not ours. */
START_TEST(errors_of_others)
{
	char c;

	use_version(_i);
	sim_pair(&near, &far, "h", false);
	sim_say(far, near, "x");
	ERR_put_error(ERR_LIB_USER, 0, 1, "", 0);
	ck_assert_int_eq(tls_recv(near, &c, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ERR_put_error(ERR_LIB_USER, 0, 1, "", 0);
	sim_say(near, far, "y");
	tls_close(near);
	near = NULL;
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

/* --- much ------------------------------------------------------------------ */

enum { MUCH = 1 << 20 };

/* One direction of a bulk transfer, offered in pieces of all sizes. */
struct bulk {
	size_t sent, got;
	unsigned seed;
	int blocked; /* how often the socket was full */
};

static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 31 ^ i >> 9);
}

static size_t
some(struct bulk *b, size_t most)
{
	b->seed = b->seed * 1103515245U + 12345U;
	return 1 + (b->seed >> 8) % most;
}

static void
bulk_send(struct bulk *b, struct tls *t)
{
	static uint8_t piece[50000];
	size_t len = some(b, b->blocked % 2 ? 50000 : 300);
	ssize_t n;

	if (len > MUCH - b->sent)
		len = MUCH - b->sent;
	for (size_t i = 0; i < len; i++)
		piece[i] = byte_at(b->sent + i);
	n = len == 0 ? 0 : tls_send(t, piece, len);
	memset(piece, 0xee, len); /* it was ours, and is gone */
	if (n == -1) {
		ck_assert_int_eq(errno, EAGAIN);
		b->blocked++;
	} else {
		ck_assert_uint_le((size_t)n, len);
		b->sent += (size_t)n;
	}
}

static void
bulk_recv(struct bulk *b, struct tls *t)
{
	uint8_t buf[20000];
	ssize_t n = tls_recv(t, buf, some(b, sizeof(buf)));

	ck_assert_int_ne(n, 0);
	if (n == -1) {
		ck_assert_int_eq(errno, EAGAIN);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		ck_assert_uint_eq(buf[i], byte_at(b->got + (size_t)i));
	b->got += (size_t)n;
}

START_TEST(full_sockets)
{
	struct bulk up = { .seed = 1 }, down = { .seed = 2 };
	int small = 4096, turn;

	use_version(_i);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(setsockopt(sim_fd[i], SOL_SOCKET, SO_SNDBUF,
				     &small, sizeof(small)),
		    0);
	sim_pair(&near, &far, "h", false);
	for (turn = 0; turn < SIM_TURNS; turn++) {
		if (up.got == MUCH && down.got == MUCH)
			break;
		bulk_send(&up, far);
		bulk_send(&down, near);
		/* readers that are slower than the writers */
		if (turn % 4 == 0) {
			bulk_recv(&up, near);
			bulk_recv(&down, far);
		}
	}
	ck_assert_uint_eq(up.got, MUCH);
	ck_assert_uint_eq(down.got, MUCH);
	ck_assert_int_gt(up.blocked, 10);
	ck_assert_int_gt(down.blocked, 10);
}
END_TEST

/* Carry up to `most` bytes from one socket to the other; how many. */
static ssize_t
carry(int from, int to, size_t most)
{
	char buf[64];
	ssize_t n = recv(from, buf, most, 0);

	if (n > 0)
		ck_assert_int_eq(send(to, buf, (size_t)n, 0), n);
	return n;
}

START_TEST(byte_by_byte)
{
	enum result a = WAIT, b = WAIT;
	int outer[2];
	char got[3] = "";
	size_t n = 0;

	use_version(_i);
	ck_assert_int_eq(compat_socketpair(AF_UNIX, SOCK_STREAM, outer), 0);
	near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	far = tls_connect(sim_servers, outer[0], "h", false, &sim_err);
	for (int i = 0; i < SIM_TURNS && (a == WAIT || b == WAIT); i++) {
		if (a == WAIT)
			a = tls_run(near, &sim_err);
		if (b == WAIT)
			b = tls_run(far, &sim_err);
		carry(outer[1], sim_fd[1], 1);
		carry(sim_fd[1], outer[1], 1);
	}
	ck_assert_int_eq(a, DONE);
	ck_assert_int_eq(b, DONE);
	ck_assert_int_eq(tls_send(far, "abc", 3), 3);
	while (carry(outer[1], sim_fd[1], 1) == 1) {
		ssize_t rc = tls_recv(near, got + n, sizeof(got) - n);

		if (rc == -1)
			ck_assert_int_eq(errno, EAGAIN);
		else
			n += (size_t)rc;
		if (n == 3)
			break;
	}
	ck_assert_mem_eq(got, "abc", 3);
	close(outer[0]);
	close(outer[1]);
}
END_TEST

/* --- hostile --------------------------------------------------------------- */

#define HTTP "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
#define PG   "\0\0\0\10\4\322\26\57\0\0\0\0"

static const struct {
	const char *name, *bytes;
	size_t len;
} hostile[] = {
	{ "nothing", "", 0 },
	{ "http", HTTP, sizeof(HTTP) - 1 },
	{ "startup", PG, sizeof(PG) - 1 },
	{ "header alone", "\26\3\1\0\100", 5 },
	{ "half a header", "\26\3", 2 },
	{ "record too long", "\26\3\1\377\377aaaaaaaaaaaaaaaa", 21 },
	{ "empty record", "\26\3\1\0\0", 5 },
	{ "alert", "\25\3\1\0\2\2\50", 7 },
	{ "data first", "\27\3\3\0\4abcd", 9 },
	{ "hello of no length", "\26\3\1\0\4\1\0\0\0", 9 },
	{ "hello of 16 MB", "\26\3\1\0\6\1\377\377\377\3\3", 11 },
	{ "sslv2", "\200\56\1\0\2\0\25\0\0\0\20\1\0\200", 14 },
	{ "sslv3", "\26\3\0\0\5\1\0\0\1\3", 10 },
	{ "zeros", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16 },
	{ "ones", "\377\377\377\377\377\377\377\377\377\377\377", 11 },
};

START_TEST(hostile_bytes)
{
	bool is_server = _i % 2 == 1;
	int i = _i / 2;

	sim_contexts();
	near = is_server
	    ? tls_connect(sim_servers, sim_fd[0], "h", false, &sim_err)
	    : tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	ck_assert_int_eq(send(sim_fd[1], hostile[i].bytes, hostile[i].len, 0),
	    (ssize_t)hostile[i].len);
	for (int k = 0; k < 5; k++)
		ck_assert_int_ne(tls_run(near, &sim_err), DONE);
	shutdown(sim_fd[1], SHUT_WR);
	ck_assert_msg(tls_run(near, &sim_err) == FAIL, "%s", hostile[i].name);
	ck_assert_str_eq(sim_err.sqlstate, is_server ? "08006" : "08P01");
	ck_assert_ptr_eq(strstr(sim_err.log, "TLS handshake: "), sim_err.log);
}
END_TEST

/* A client's whole first message, for tests to spoil. */
static size_t
first_message(uint8_t *buf, size_t size)
{
	struct tls *t =
	    tls_connect(sim_servers, sim_fd[1], "db.example", true, &sim_err);
	ssize_t n;

	ck_assert_int_eq(tls_run(t, &sim_err), WAIT);
	n = recv(sim_fd[0], buf, size, 0);
	ck_assert_int_gt(n, 100);
	ck_assert_int_lt(n, (ssize_t)size);
	tls_close(t);
	return (size_t)n;
}

/* Cut anywhere or with a byte turned, it comes to an end. */
START_TEST(spoilt_hello)
{
	uint8_t hello[2000], copy[2000];
	int failed = 0;
	size_t len;

	sim_contexts();
	len = first_message(hello, sizeof(hello));
	for (size_t i = 0; i < 2 * len; i++) {
		bool is_cut = i >= len;
		int fd[2];

		memcpy(copy, hello, len);
		copy[i % len] ^= (uint8_t)(1U << i % 8);
		ck_assert_int_eq(
		    compat_socketpair(AF_UNIX, SOCK_STREAM, fd), 0);
		near = tls_accept(sim_clients, fd[0], i % 2 == 0, &sim_err);
		(void)send(fd[1], copy, is_cut ? i - len : len, 0);
		shutdown(fd[1], SHUT_WR);
		for (int k = 0; k < 3; k++)
			if (tls_run(near, &sim_err) == FAIL) {
				failed++;
				break;
			}
		tls_close(near);
		near = NULL;
		close(fd[0]);
		close(fd[1]);
	}
	ck_assert_uint_eq((size_t)failed, 2 * len);
}
END_TEST

START_TEST(spoilt_record)
{
	uint8_t record[200];
	ssize_t n;
	char c;

	use_version(_i);
	sim_pair(&near, &far, "h", false);
	ck_assert_int_eq(tls_send(far, "password", 8), 8);
	n = intercept(record, sizeof(record));
	record[n - 1] ^= 1;
	ck_assert_int_eq(send(sim_fd[1], record, (size_t)n, 0), n);
	ck_assert_int_eq(tls_recv(near, &c, 1), -1);
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_str_eq(
	    tls_fault(near), "decryption failed or bad record mac");
	ck_assert_int_eq(tls_send(near, "x", 1), -1);
	ck_assert_int_eq(errno, EPROTO);
}
END_TEST

START_TEST(gone_in_the_middle)
{
	use_version(_i);
	near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	far = tls_connect(sim_servers, sim_fd[1], "h", false, &sim_err);
	ck_assert_int_eq(tls_run(far, &sim_err), WAIT);
	ck_assert_int_eq(tls_run(near, &sim_err), WAIT);
	shutdown(sim_fd[1], SHUT_WR);
	ck_assert_int_eq(tls_run(near, &sim_err), FAIL);
	ck_assert_str_eq(
	    sim_err.log, "TLS handshake: the peer closed the connection");
	ck_assert_str_eq(sim_err.say, "TLS handshake failed");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls");
	TCase *tc = tcase_create("tls");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, sim_setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, both_roles, 0, 2);
	tcase_add_loop_test(tc, waiting, 0, 2);
	tcase_add_loop_test(tc, handshake_waits_for_room, 0, 2);
	tcase_add_loop_test(tc, record_in_parts, 0, 2);
	tcase_add_loop_test(tc, goodbye, 0, 2);
	tcase_add_loop_test(tc, cut_off, 0, 2);
	tcase_add_loop_test(tc, writing_to_nobody, 0, 2);
	tcase_add_loop_test(tc, errors_of_others, 0, 2);
	tcase_add_loop_test(tc, full_sockets, 0, 2);
	tcase_add_loop_test(tc, byte_by_byte, 0, 2);
	tcase_add_loop_test(tc, hostile_bytes, 0,
	    2 * (int)(sizeof(hostile) / sizeof(*hostile)));
	tcase_add_test(tc, spoilt_hello);
	tcase_add_loop_test(tc, spoilt_record, 0, 2);
	tcase_add_loop_test(tc, gone_in_the_middle, 0, 2);
	return run_suite(s);
}
