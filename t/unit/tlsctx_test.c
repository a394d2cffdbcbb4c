/*
 * tlsctx_test.c - which servers are believed, what is agreed, sessions, renewal.
 */
#include "worker/io/tls.h"

#include <poll.h>

#include "t/unit/run.h"
#include "t/unit/tlssim.h"

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
trust(const struct cert *c)
{
	sim_conf.server_tls_ca = sim_bytes(cert_pem(c));
}

/* --- servers' certificates --------------------------------------------------- */

static const struct {
	const char *host;
	enum result full;
} hosts[] = {
	{ "db.example", DONE },
	{ "DB.Example", DONE },
	{ "a.wild.example", DONE },
	{ "127.0.0.1", DONE },
	{ "::1", DONE },
	{ "other.example", FAIL },
	{ "wild.example", FAIL },
	{ "a.b.wild.example", FAIL },
	{ "foo.part.example", FAIL },
	{ "db.example.evil", FAIL },
	{ "unused", FAIL }, /* its CN: names that it lists come first */
	{ "127.0.0.2", FAIL },
	{ "::2", FAIL },
};

START_TEST(host_names)
{
	struct sim_end end;

	trust(&sim_ca);
	sim_conf.server_tls_sslmode = SSLMODE_VERIFY_FULL;
	end = sim_meet(&near, &far, hosts[_i].host);
	ck_assert_msg(
	    end.b == hosts[_i].full, "%s: %s", hosts[_i].host, end.b_err.log);
	if (end.b == FAIL) {
		ck_assert_str_eq(end.b_err.sqlstate, "08006");
		ck_assert_ptr_nonnull(strstr(end.b_err.log, "mismatch"));
		ck_assert_ptr_null(strstr(end.b_err.say, "mismatch"));
	}
	tls_close(near);
	tls_close(far);
	close(sim_fd[0]);
	close(sim_fd[1]);
	ck_assert_int_eq(compat_socketpair(AF_UNIX, SOCK_STREAM, sim_fd), 0);
	/* the name counts for nothing else */
	sim_conf.server_tls_sslmode = SSLMODE_VERIFY_CA;
	end = sim_meet(&near, &far, hosts[_i].host);
	ck_assert_msg(end.b == DONE, "%s", end.b_err.log);
}
END_TEST

START_TEST(no_host_name)
{
	char longer[300];

	trust(&sim_ca);
	sim_conf.server_tls_sslmode = SSLMODE_VERIFY_FULL;
	sim_contexts();
	ck_assert_ptr_null(
	    tls_connect(sim_servers, sim_fd[1], "", false, &sim_err));
	ck_assert_str_eq(sim_err.sqlstate, "08006");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_ptr_null(
	    tls_connect(sim_servers, sim_fd[1], longer, false, &sim_err));
}
END_TEST

START_TEST(server_names_are_sent)
{
	SSL_CTX *x = SSL_CTX_new(TLS_server_method());
	SSL *ssl = SSL_new(x);

	sim_contexts();
	SSL_set_fd(ssl, sim_fd[0]);
	far = tls_connect(sim_servers, sim_fd[1],
	    _i == 0 ? "db.example" : "127.0.0.1", false, &sim_err);
	ck_assert_int_eq(tls_run(far, &sim_err), WAIT);
	(void)SSL_accept(ssl);
	if (_i == 0)
		ck_assert_str_eq(
		    SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
		    "db.example");
	else
		ck_assert_ptr_null(
		    SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	SSL_free(ssl);
	SSL_CTX_free(x);
}
END_TEST

enum { SV_EXPIRED, SV_SELF_SIGNED, SV_STRANGE, SV_KINDS };

START_TEST(bad_servers)
{
	static const char *const why[] = { "certificate has expired", "self",
		"unable to get local issuer certificate" };
	struct cert other =
	    sim_make(&(struct cert_want){ .cn = "other", .is_ca = true });
	struct sim_end end;
	struct cert c;

	c = sim_make(&(struct cert_want){ .cn = "h",
	    .is_expired = _i == SV_EXPIRED,
	    .by = _i == SV_SELF_SIGNED ? NULL
		: _i == SV_STRANGE     ? &other
				       : &sim_ca });
	sim_use_clients(&c);
	trust(&sim_ca);
	sim_conf.server_tls_sslmode = SSLMODE_VERIFY_CA;
	end = sim_meet(&near, &far, "h");
	ck_assert_int_eq(end.b, FAIL);
	ck_assert_ptr_nonnull(strstr(end.b_err.log, "verify failed: "));
	ck_assert_msg(
	    strstr(end.b_err.log, why[_i]) != NULL, "%s", end.b_err.log);
	ck_assert_str_eq(end.b_err.say, "TLS to the server failed");
	tls_close(near);
	tls_close(far);
	close(sim_fd[0]);
	close(sim_fd[1]);
	ck_assert_int_eq(compat_socketpair(AF_UNIX, SOCK_STREAM, sim_fd), 0);
	/* nobody asks */
	sim_conf.server_tls_sslmode = SSLMODE_REQUIRE;
	ck_assert_int_eq(sim_meet(&near, &far, "h").b, DONE);
}
END_TEST

/* --- agreement --------------------------------------------------------------- */

START_TEST(no_common_version)
{
	struct sim_end end;

	sim_conf.client_tls_protocols = version[_i];
	sim_conf.server_tls_protocols = version[!_i];
	end = sim_meet(&near, &far, "h");
	ck_assert_int_eq(end.a, FAIL);
	ck_assert_int_eq(end.b, FAIL);
	ck_assert_ptr_nonnull(strstr(end.a_err.log, "unsupported protocol"));
}
END_TEST

START_TEST(no_common_cipher)
{
	sim_conf.client_tls13_ciphers = "TLS_AES_128_GCM_SHA256";
	sim_conf.client_tls_protocols = "tlsv1.3";
	sim_conf.server_tls13_ciphers = "TLS_AES_256_GCM_SHA384";
	ck_assert_int_eq(sim_meet(&near, &far, "h").a, FAIL);
}
END_TEST

START_TEST(direct)
{
	sim_contexts();
	sim_pair(&near, &far, "h", true);
	sim_say(far, near, "startup");
}
END_TEST

/* Both sides insist; after a request for TLS it may be absent, not wrong. */
START_TEST(direct_needs_alpn)
{
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	bool has_wrong = _i % 2 == 1, is_direct = _i < 2;
	enum result r;
	SSL *ssl;

	sim_contexts();
	ssl = sim_bare(x);
	if (has_wrong)
		SSL_set_alpn_protos(ssl, (const uint8_t *)"\2h2", 3);
	near = tls_accept(sim_clients, sim_fd[0], is_direct, &sim_err);
	r = sim_run_bare(near, ssl);
	ck_assert_int_eq(r, is_direct || has_wrong ? FAIL : DONE);
	if (r == FAIL)
		ck_assert_str_eq(sim_err.sqlstate, "08P01");
	SSL_free(ssl);
	SSL_CTX_free(x);
}
END_TEST

START_TEST(direct_server_needs_alpn)
{
	SSL_CTX *x = SSL_CTX_new(TLS_server_method());
	SSL *ssl = SSL_new(x);
	int rc = 0;

	ck_assert_int_eq(SSL_use_certificate(ssl, sim_server.x), 1);
	ck_assert_int_eq(SSL_use_PrivateKey(ssl, sim_server.key), 1);
	SSL_set_fd(ssl, sim_fd[0]);
	sim_contexts();
	far = tls_connect(sim_servers, sim_fd[1], "h", true, &sim_err);
	for (int i = 0; i < 10 && rc != FAIL; i++) {
		(void)SSL_accept(ssl);
		rc = (int)tls_run(far, &sim_err);
	}
	ck_assert_int_eq(rc, FAIL);
	ck_assert_ptr_nonnull(strstr(sim_err.log, "ALPN"));
	SSL_free(ssl);
	SSL_CTX_free(x);
}
END_TEST

/* --- a client that is rude --------------------------------------------------- */

/* Key updates without end: each call takes one, others have their turn. */
START_TEST(key_updates)
{
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	struct pollfd p = { .fd = sim_fd[0], .events = POLLIN };
	int calls = 0;
	char got[8];
	SSL *ssl;

	sim_conf.client_tls_protocols = "tlsv1.3";
	sim_contexts();
	ssl = sim_bare(x);
	near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	ck_assert_int_eq(sim_run_bare(near, ssl), DONE);
	for (int i = 0; i < 50; i++) {
		SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
		ck_assert_int_eq(SSL_do_handshake(ssl), 1);
	}
	ck_assert_int_eq(SSL_write(ssl, "x", 1), 1);
	while (calls < 1000 && tls_recv(near, got, sizeof(got)) == -1) {
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert_int_eq(poll(&p, 1, 0), 1);
		calls++;
	}
	ck_assert_int_ge(calls, 50);
	ck_assert_int_eq(got[0], 'x');
	/* the answer goes out with what we say next */
	ck_assert_int_eq(tls_send(near, "yes", 3), 3);
	for (int i = 0; i < 10 && SSL_read(ssl, got, sizeof(got)) <= 0;)
		i++;
	ck_assert_mem_eq(got, "yes", 3);
	SSL_free(ssl);
	SSL_CTX_free(x);
}
END_TEST

enum { STREAM = 300000, CHUNK = 3000 };

static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 31 ^ i >> 9);
}

/*
 * A slow reader that asks for new keys now and then: each answer may be what
 * the socket has no room for, instead of data.  (OpenSSL gives up a peer that
 * asks twice while one write is blocked; so this one does not.)
 */
START_TEST(key_updates_while_blocked)
{
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	uint8_t chunk[CHUNK], got[2000];
	size_t sent = 0, read = 0;
	int small = 4096;
	SSL *ssl;

	if (_i == 1) /* and takes small records only */
		SSL_CTX_set_tlsext_max_fragment_length(
		    x, TLSEXT_max_fragment_length_512);
	sim_conf.client_tls_protocols = "tlsv1.3";
	sim_contexts();
	(void)setsockopt(
	    sim_fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	ssl = sim_bare(x);
	near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	ck_assert_int_eq(sim_run_bare(near, ssl), DONE);
	for (int i = 0; i < SIM_TURNS && read < STREAM; i++) {
		size_t len = STREAM - sent < CHUNK ? STREAM - sent : CHUNK;
		ssize_t n, rc;

		for (size_t k = 0; k < len; k++)
			chunk[k] = byte_at(sent + k);
		n = tls_send(near, chunk, len);
		memset(chunk, 0xee, len);
		sent += n > 0 ? (size_t)n : 0;
		ck_assert_int_eq(tls_recv(near, got, 1), -1);
		ck_assert_int_eq(errno, EAGAIN);
		if (i % 50 == 0)
			(void)SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
		if (i % 3 != 0)
			continue;
		rc = SSL_read(ssl, got, sizeof(got));
		if (rc <= 0)
			ck_assert_int_eq(
			    SSL_get_error(ssl, (int)rc), SSL_ERROR_WANT_READ);
		for (ssize_t k = 0; k < rc; k++)
			ck_assert_uint_eq(got[k], byte_at(read++));
	}
	ck_assert_uint_eq(read, STREAM);
	SSL_free(ssl);
	SSL_CTX_free(x);
}
END_TEST

/* Plaintext in the middle of what is encrypted. */
START_TEST(plaintext_inside)
{
	static const char bytes[] = "\0\0\0\10\4\322\26\57Q\0\0\0\20";
	char c;

	sim_conf.client_tls_protocols = version[_i];
	sim_contexts();
	sim_pair(&near, &far, "h", false);
	ck_assert_int_eq(
	    send(sim_fd[1], bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
	ck_assert_int_eq(tls_recv(near, &c, 1), -1);
	ck_assert_int_eq(errno, EPROTO);
}
END_TEST

/* A second handshake inside the first connection is not to be had. */
START_TEST(renegotiation)
{
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	char c;
	SSL *ssl;

	sim_conf.client_tls_protocols = "tlsv1.2";
	sim_contexts();
	ssl = sim_bare(x);
	near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	ck_assert_int_eq(sim_run_bare(near, ssl), DONE);
	ck_assert_int_eq(SSL_renegotiate(ssl), 1);
	ck_assert_int_ne(SSL_do_handshake(ssl), 1);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(tls_recv(near, &c, 1), -1);
		ck_assert_int_ne(SSL_do_handshake(ssl), 1);
	}
	SSL_free(ssl);
	SSL_CTX_free(x);
}
END_TEST

/* --- sessions ---------------------------------------------------------------- */

static uint8_t secret[TLS_SECRET] = "what all workers know", no_secret[32];

/* One connection to a worker with `key`; is it resumed? `*s` is renewed. */
static bool
visit(SSL_CTX *x, const uint8_t *key, SSL_SESSION **s)
{
	struct tls_ctx *worker = NULL;
	bool is_resumed;
	char c;
	SSL *ssl;

	ck_assert_int_eq(
	    tls_ctx_renew(&worker, TLS_CLIENTS, &sim_conf, key, &sim_err),
	    TLS_RENEWED);
	ssl = sim_bare(x);
	if (*s != NULL)
		SSL_set_session(ssl, *s);
	near = tls_accept(worker, sim_fd[0], false, &sim_err);
	ck_assert_int_eq(sim_run_bare(near, ssl), DONE);
	is_resumed = tls_is_resumed(near);
	ck_assert_int_eq(is_resumed, SSL_session_reused(ssl));
	ck_assert_int_eq(tls_send(near, "x", 1), 1);
	for (int i = 0; i < 10 && SSL_read(ssl, &c, 1) <= 0;)
		i++;
	SSL_SESSION_free(*s);
	*s = SSL_get1_session(ssl);
	tls_ctx_unref(worker);
	SSL_shutdown(ssl);
	SSL_free(ssl);
	tls_close(near);
	near = NULL;
	close(sim_fd[0]);
	close(sim_fd[1]);
	ck_assert_int_eq(compat_socketpair(AF_UNIX, SOCK_STREAM, sim_fd), 0);
	return is_resumed;
}

START_TEST(resumption)
{
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	SSL_SESSION *s = NULL;

	sim_conf.client_tls_protocols = version[_i];
	ck_assert(!visit(x, secret, &s));
	ck_assert(visit(x, secret, &s)); /* another worker, the same secret */
	ck_assert(visit(x, secret, &s));
	ck_assert(!visit(x, no_secret, &s)); /* another run */
	ck_assert(visit(x, no_secret, &s));
	sim_conf.client_tls_ciphers = "all"; /* other settings */
	ck_assert(!visit(x, no_secret, &s));
	ck_assert(!visit(x, NULL, &s));
	ck_assert(!visit(x, NULL, &s));
	/* who must show a certificate shows it each time */
	sim_conf.client_tls_ca = sim_bytes(cert_pem(&sim_ca));
	ck_assert(!visit(x, secret, &s));
	ck_assert(!visit(x, secret, &s));
	SSL_SESSION_free(s);
	SSL_CTX_free(x);
}
END_TEST

/* --- renewal ----------------------------------------------------------------- */

static enum tls_change
renew(void)
{
	return tls_ctx_renew(
	    &sim_clients, TLS_CLIENTS, &sim_conf, secret, &sim_err);
}

START_TEST(renewal)
{
	struct tls_ctx *was;

	sim_contexts();
	sim_pair(&near, &far, "h", false);
	was = sim_clients;
	ck_assert_int_eq(renew(), TLS_KEPT);
	ck_assert_ptr_eq(sim_clients, was);
	/* the same bytes at another place */
	sim_use_clients(&sim_server);
	sim_conf.server_tls_ciphers = "all";
	ck_assert_int_eq(renew(), TLS_KEPT);
	sim_conf.client_tls_ciphers = "frob";
	ck_assert_int_eq(renew(), TLS_REFUSED);
	ck_assert_str_eq(sim_err.log,
	    "client_tls_ciphers: the TLS library knows no such cipher");
	ck_assert_ptr_eq(sim_clients, was);
	sim_conf.client_tls_ciphers = "default";
	sim_use_clients(&sim_client);
	ck_assert_int_eq(renew(), TLS_RENEWED);
	ck_assert_ptr_ne(sim_clients, was);
	/* what was agreed before goes on */
	sim_say(near, far, "still");
	sim_say(far, near, "here");
	sim_conf.client_tls_sslmode = SSLMODE_DISABLE;
	ck_assert_int_eq(renew(), TLS_RENEWED);
	ck_assert_ptr_null(sim_clients);
	ck_assert_int_eq(renew(), TLS_KEPT);
	sim_say(near, far, "even so");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tlsctx");
	TCase *tc = tcase_create("tlsctx");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, sim_setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(
	    tc, host_names, 0, (int)(sizeof(hosts) / sizeof(*hosts)));
	tcase_add_test(tc, no_host_name);
	tcase_add_loop_test(tc, server_names_are_sent, 0, 2);
	tcase_add_loop_test(tc, bad_servers, 0, SV_KINDS);
	tcase_add_loop_test(tc, no_common_version, 0, 2);
	tcase_add_test(tc, no_common_cipher);
	tcase_add_test(tc, direct);
	tcase_add_loop_test(tc, direct_needs_alpn, 0, 4);
	tcase_add_test(tc, direct_server_needs_alpn);
	tcase_add_test(tc, key_updates);
	tcase_add_loop_test(tc, key_updates_while_blocked, 0, 2);
	tcase_add_loop_test(tc, plaintext_inside, 0, 2);
	tcase_add_test(tc, renegotiation);
	tcase_add_loop_test(tc, resumption, 0, 2);
	tcase_add_test(tc, renewal);
	return run_suite(s);
}
