/*
 * tls_impl_test.c - what a look inside tells: a socket that is full while
 * something must be sent, and what a context is set to in any case.
 */
#include "worker/io/tls_impl.h"

#include <openssl/err.h>

#include "t/unit/run.h"
#include "t/unit/tlssim.h"
#include "worker/io/loop.h"

/* Older libraries know no TLS in the kernel: nothing asks for these. */
#ifndef BIO_CTRL_GET_KTLS_SEND
#define BIO_CTRL_GET_KTLS_SEND (-1)
#define BIO_CTRL_GET_KTLS_RECV (-2)
#endif

enum { RECORD = 16384, KEY = 32 };

static struct tls *near, *far; /* accepted, connected */
static uint8_t secret[TLS_SECRET] = "what all workers know";

static void
teardown(void)
{
	tls_close(near);
	tls_close(far);
	near = far = NULL;
	sim_teardown();
}

/* --- a full socket ----------------------------------------------------------- */

/* Fill what `near` sends through to the last byte; how many it took. */
static size_t
block(void)
{
	static const char zeros[4096];
	size_t filled = 0;

	for (size_t len = sizeof(zeros); len > 0; len = len > 1 ? 1 : 0) {
		ssize_t n;

		while ((n = send(sim_fd[0], zeros, len, 0)) > 0)
			filled += (size_t)n;
	}
	return filled;
}

static void
unblock(size_t filled)
{
	char buf[4096];

	while (filled > 0) {
		ssize_t n = recv(sim_fd[1], buf,
		    filled < sizeof(buf) ? filled : sizeof(buf), 0);

		ck_assert_int_gt(n, 0);
		filled -= (size_t)n;
	}
}

/*
 * A read that must write first, new keys here, and cannot.  (Whether a library
 * answers a peer's request for them inside a read depends on its version; what
 * is begun on our side goes out with the next call in any.)
 */
START_TEST(a_read_waits_for_room)
{
	size_t filled;
	char got[8];

	sim_conf.client_tls_protocols = "tlsv1.3";
	sim_contexts();
	sim_pair(&near, &far, "h", false);
	ck_assert_int_eq(
	    SSL_key_update(near->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
	ck_assert_int_eq(tls_send(far, "hello", 5), 5);
	filled = block();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(tls_recv(near, got, sizeof(got)), -1);
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert_uint_eq(tls_wants(near), LOOP_WRITE);
	}
	unblock(filled);
	sim_recv_all(near, got, 5);
	ck_assert_mem_eq(got, "hello", 5);
	ck_assert_uint_eq(tls_wants(near), 0);
	/* they are out, and in use */
	sim_say(near, far, "under new keys");
}
END_TEST

/* However much is offered: what is kept meanwhile is one record. */
START_TEST(a_blocked_write_keeps_little)
{
	static char much[64 * RECORD];
	size_t filled;

	sim_contexts();
	sim_pair(&near, &far, "h", false);
	filled = block();
	/* what somebody left in the library's queue is not the socket's */
	ERR_put_error(ERR_LIB_USER, 0, 1, "", 0);
	ck_assert_int_eq(tls_send(near, much, sizeof(much)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(near->held.len, RECORD);
	ck_assert_uint_eq(tls_wants(near), 0); /* for what it is: a write */
	unblock(filled);
	ck_assert_int_ge(tls_send(near, much, sizeof(much)), RECORD);
}
END_TEST

/* --- a socket as other libraries and kernels have it --------------------------- */

/* What the stand-in for a socket does. */
enum { DOES_END = 1, DOES_WANT_BYTES = 2, DOES_SEND = 4, DOES_RECV = 8 };

static int
odd_call(BIO *b)
{
	const int *does = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (*does & DOES_WANT_BYTES)
		BIO_set_retry_read(b);
	return *does & DOES_WANT_BYTES ? -1 : 0;
}

static int
odd_write(BIO *b, const char *p, int len)
{
	(void)p, (void)len;
	return odd_call(b);
}

static int
odd_read(BIO *b, char *p, int len)
{
	(void)p, (void)len;
	return odd_call(b);
}

/* An end of file is not to be asked for, as in older libraries. */
static long
odd_ctrl(BIO *b, int what, long number, void *p)
{
	const int *does = BIO_get_data(b);

	(void)number, (void)p;
	if (what == BIO_CTRL_GET_KTLS_SEND)
		return (*does & DOES_SEND) != 0;
	if (what == BIO_CTRL_GET_KTLS_RECV)
		return (*does & DOES_RECV) != 0;
	return what == BIO_CTRL_FLUSH;
}

/* In the place of the socket of `t`, whose own is the caller's to put back. */
static BIO_METHOD *
put_odd(struct tls *t, int *does, BIO **own)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "odd");
	BIO *b;

	BIO_meth_set_write(m, odd_write);
	BIO_meth_set_read(m, odd_read);
	BIO_meth_set_ctrl(m, odd_ctrl);
	b = BIO_new(m);
	BIO_set_data(b, does);
	BIO_set_init(b, 1);
	*own = SSL_get_rbio(t->ssl);
	BIO_up_ref(*own);
	BIO_up_ref(*own);
	SSL_set_bio(t->ssl, b, b);
	return m;
}

static void
put_back(struct tls *t, BIO_METHOD *m, BIO *own)
{
	SSL_set0_rbio(t->ssl, own);
	SSL_set0_wbio(t->ssl, own);
	BIO_meth_free(m);
}

/* An end of the file that no error number goes with, though one is about. */
START_TEST(an_end_without_a_number)
{
	int does = DOES_END;
	BIO_METHOD *m;
	BIO *own;
	char c;

	sim_contexts();
	if (_i == 0) {
		near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
		m = put_odd(near, &does, &own);
		errno = EBADF;
		ck_assert_int_eq(tls_run(near, &sim_err), FAIL);
		ck_assert_str_eq(sim_err.log,
		    "TLS handshake: the peer closed the connection");
		put_back(near, m, own);
		return;
	}
	sim_pair(&near, &far, "h", false);
	m = put_odd(near, &does, &own);
	errno = EBADF;
	if (_i == 1) {
		ck_assert_int_eq(tls_recv(near, &c, 1), 0);
	} else {
		ck_assert_int_eq(tls_send(near, "x", 1), -1);
		ck_assert_int_eq(errno, EPIPE);
		errno = 0;
		ck_assert_int_eq(tls_send(near, "x", 1), -1);
		ck_assert_int_eq(errno, EPIPE);
	}
	put_back(near, m, own);
}
END_TEST

/* A write that needs bytes first says so, until it has them. */
START_TEST(a_write_waits_for_bytes)
{
	int does = DOES_WANT_BYTES;
	BIO_METHOD *m;
	BIO *own;

	sim_contexts();
	sim_pair(&near, &far, "h", false);
	m = put_odd(near, &does, &own);
	ck_assert_int_eq(tls_send(near, "x", 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(tls_wants(near), LOOP_READ);
	put_back(near, m, own);
	sim_say(near, far, "x");
	ck_assert_uint_eq(tls_wants(near), 0);
}
END_TEST

/* A kernel that does half of it cannot share what the other half knows. */
START_TEST(both_directions_in_the_kernel)
{
	int does = _i * DOES_SEND;
	BIO_METHOD *m;
	BIO *own;

	sim_contexts();
	sim_pair(&near, &far, "h", false);
	m = put_odd(near, &does, &own);
	ck_assert_int_eq(tls_is_kernel(near), does == (DOES_SEND | DOES_RECV));
	put_back(near, m, own);
}
END_TEST

/* Why a handshake failed: what the socket says. */
START_TEST(a_socket_that_fails)
{
	sim_contexts();
	far = tls_connect(sim_servers, sim_fd[1], "h", false, &sim_err);
	shutdown(sim_fd[1], SHUT_RDWR);
	ck_assert_int_eq(tls_run(far, &sim_err), FAIL);
	ck_assert_str_eq(sim_err.sqlstate, "08006");
	ck_assert_ptr_nonnull(strstr(sim_err.log, strerror(EPIPE)));
}
END_TEST

START_TEST(errors_of_others)
{
	sim_contexts();
	near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	ERR_put_error(ERR_LIB_USER, 0, 1, "", 0);
	ck_assert_int_eq(tls_run(near, &sim_err), WAIT);
}
END_TEST

/* --- goodbye ------------------------------------------------------------------ */

/* Whoever is dropped goes on elsewhere: nothing is said in its name. */
START_TEST(a_drop_says_nothing)
{
	char c;

	sim_contexts();
	sim_pair(&near, &far, "h", false);
	sim_say(near, far, "all is read");
	tls_drop(far);
	far = NULL;
	ck_assert_int_eq(recv(sim_fd[0], &c, 1, 0), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

/* --- contexts ----------------------------------------------------------------- */

static void
renew(const uint8_t *key)
{
	ck_assert_int_eq(
	    tls_ctx_renew(&sim_clients, TLS_CLIENTS, &sim_conf, key, &sim_err),
	    TLS_RENEWED);
}

/* The name, which anybody sees, tells nothing of the two keys. */
START_TEST(ticket_keys)
{
	uint8_t keys[3 * KEY], again[3 * KEY];
	long len;

	renew(secret);
	len = SSL_CTX_get_tlsext_ticket_keys(sim_clients->ssl, NULL, 0);
	ck_assert_int_gt(len, 2 * KEY);
	ck_assert_int_le(len, 3 * KEY);
	ck_assert_int_eq(
	    SSL_CTX_get_tlsext_ticket_keys(sim_clients->ssl, keys, len), 1);
	for (long i = 0; i + 16 <= len; i += 16)
		for (long k = 0; k < i; k += 16)
			ck_assert_mem_ne(keys + i, keys + k, 16);
	/* all of them come from the secret */
	tls_ctx_unref(sim_clients);
	sim_clients = NULL;
	memset(again, 0xee, sizeof(again));
	renew(secret);
	ck_assert_int_eq(
	    SSL_CTX_get_tlsext_ticket_keys(sim_clients->ssl, again, len), 1);
	ck_assert_mem_eq(keys, again, (size_t)len);
	/* and from what is agreed under them */
	sim_conf.client_tls_ciphers = "all";
	renew(secret);
	ck_assert_int_eq(
	    SSL_CTX_get_tlsext_ticket_keys(sim_clients->ssl, again, len), 1);
	for (long i = 0; i + 16 <= len; i += 16)
		ck_assert_mem_ne(keys + i, again + i, 16);
}
END_TEST

/* Sessions are in the client's ticket, one for each visit, and not here. */
START_TEST(sessions_take_no_memory)
{
	renew(_i == 0 ? secret : NULL);
	ck_assert_int_eq(SSL_CTX_get_session_cache_mode(sim_clients->ssl),
	    SSL_SESS_CACHE_OFF);
	ck_assert_uint_eq(
	    SSL_CTX_get_num_tickets(sim_clients->ssl), _i == 0 ? 1 : 0);
}
END_TEST

START_TEST(manners)
{
	const uint64_t choice = SSL_OP_CIPHER_SERVER_PREFERENCE;
	const long modes =
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE;

	sim_contexts();
	ck_assert_uint_eq(
	    SSL_CTX_get_options(sim_clients->ssl) & choice, choice);
	/* clients stay with the worker that took them */
	ck_assert_uint_eq(
	    SSL_CTX_get_options(sim_clients->ssl) & SSL_OP_ENABLE_KTLS, 0);
	ck_assert_uint_eq(
	    SSL_CTX_get_options(sim_servers->ssl) & SSL_OP_ENABLE_KTLS,
	    SSL_OP_ENABLE_KTLS);
	ck_assert_int_eq(SSL_CTX_get_mode(sim_clients->ssl) & modes, modes);
	ck_assert_int_eq(SSL_CTX_get_mode(sim_servers->ssl) & modes, modes);
}
END_TEST

/* Of two ciphers that both sides know, ours is the first. */
START_TEST(our_order_counts)
{
	static const char *const suite[] = { "TLS_AES_128_GCM_SHA256",
		"TLS_AES_256_GCM_SHA384" };
	char theirs[100], ours[100], got[TLS_DESCRIBE];
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	snprintf(ours, sizeof(ours), "%s:%s", suite[_i], suite[!_i]);
	snprintf(theirs, sizeof(theirs), "%s:%s", suite[!_i], suite[_i]);
	ck_assert_int_eq(SSL_CTX_set_ciphersuites(x, theirs), 1);
	sim_conf.client_tls_protocols = "tlsv1.3";
	sim_conf.client_tls13_ciphers = ours;
	sim_contexts();
	ssl = sim_bare(x);
	near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	ck_assert_int_eq(sim_run_bare(near, ssl), DONE);
	tls_describe(near, got, sizeof(got));
	ck_assert_msg(strstr(got, suite[_i]) != NULL, "%s", got);
	SSL_free(ssl);
	SSL_CTX_free(x);
}
END_TEST

/* One side without TLS, the other with it. */
START_TEST(each_side_has_its_mode)
{
	sim_conf.client_tls_sslmode =
	    _i == 0 ? SSLMODE_DISABLE : SSLMODE_REQUIRE;
	sim_conf.server_tls_sslmode =
	    _i == 1 ? SSLMODE_DISABLE : SSLMODE_REQUIRE;
	sim_contexts();
	ck_assert(sim_clients == NULL ? _i == 0 : _i == 1);
	ck_assert(sim_servers == NULL ? _i == 1 : _i == 0);
}
END_TEST

/* Of several faults the first is told: it may be what the others come from. */
START_TEST(first_fault)
{
	struct tls_ctx *x = NULL;

	sim_conf.client_tls_protocols = "tlsv9";
	sim_conf.client_tls_dheparams = "frob";
	err_clear(&sim_err);
	ck_assert_int_eq(
	    tls_ctx_renew(&x, TLS_CLIENTS, &sim_conf, NULL, &sim_err),
	    TLS_REFUSED);
	ck_assert_ptr_null(x);
	ck_assert_ptr_eq(
	    strstr(sim_err.log, "client_tls_protocols: "), sim_err.log);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls_impl");
	TCase *tc = tcase_create("tls_impl");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, sim_setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_read_waits_for_room);
	tcase_add_test(tc, a_blocked_write_keeps_little);
	tcase_add_loop_test(tc, an_end_without_a_number, 0, 3);
	tcase_add_test(tc, a_write_waits_for_bytes);
	tcase_add_loop_test(tc, both_directions_in_the_kernel, 0, 4);
	tcase_add_test(tc, a_socket_that_fails);
	tcase_add_test(tc, errors_of_others);
	tcase_add_test(tc, a_drop_says_nothing);
	tcase_add_test(tc, ticket_keys);
	tcase_add_loop_test(tc, sessions_take_no_memory, 0, 2);
	tcase_add_test(tc, manners);
	tcase_add_loop_test(tc, our_order_counts, 0, 2);
	tcase_add_loop_test(tc, each_side_has_its_mode, 0, 2);
	tcase_add_test(tc, first_fault);
	return run_suite(s);
}
