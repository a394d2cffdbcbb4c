/*
 * tls_impl_test.c - what a look inside tells: a socket that is full while
 * something must be sent, and what a context is set to in any case.
 */
#include "worker/io/tls_impl.h"

#include <openssl/err.h>

#include "t/unit/run.h"
#include "t/unit/tlssim.h"
#include "worker/io/loop.h"

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
	ck_assert_int_eq(tls_send(near, much, sizeof(much)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(near->held.len, RECORD);
	ck_assert_uint_eq(tls_wants(near), 0); /* for what it is: a write */
	unblock(filled);
	ck_assert_int_ge(tls_send(near, much, sizeof(much)), RECORD);
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
	tcase_add_test(tc, a_drop_says_nothing);
	tcase_add_test(tc, ticket_keys);
	tcase_add_loop_test(tc, sessions_take_no_memory, 0, 2);
	tcase_add_test(tc, manners);
	tcase_add_loop_test(tc, our_order_counts, 0, 2);
	tcase_add_test(tc, first_fault);
	return run_suite(s);
}
