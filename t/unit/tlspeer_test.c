/*
 * tlspeer_test.c - as whom a client is let in, and which server that was.
 */
#include "worker/io/tls.h"

#include "t/unit/run.h"
#include "t/unit/tlssim.h"
#include "worker/io/tls_impl.h"

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

enum { CL_GOOD, CL_NONE, CL_EXPIRED, CL_STRANGE, CL_NUL, CL_EMPTY, CL_KINDS };

static void
use_client(int kind)
{
	struct cert other, c;

	other = sim_make(&(struct cert_want){ .cn = "ca", .is_ca = true });
	if (kind == CL_NONE)
		return;
	c = sim_make(&(struct cert_want){ .cn = kind == CL_NUL ? "app\0x"
		: kind == CL_EMPTY                             ? ""
							       : "app",
	    .cn_len = kind == CL_NUL ? 5 : 0,
	    .is_expired = kind == CL_EXPIRED,
	    .by = kind == CL_STRANGE ? &other : &sim_ca });
	sim_use_servers(&c);
}

START_TEST(clients_must)
{
	int kind = _i / 2;
	char cn[64] = "nobody";
	struct sim_end end;

	use_client(kind);
	sim_conf.client_tls_protocols = version[_i % 2];
	sim_conf.client_tls_sslmode = SSLMODE_VERIFY_FULL;
	sim_conf.client_tls_ca = sim_bytes(cert_pem(&sim_ca));
	end = sim_meet(&near, &far, "h");
	if (kind == CL_GOOD || kind == CL_NUL || kind == CL_EMPTY) {
		ck_assert_msg(end.a == DONE, "%s", end.a_err.log);
		ck_assert_int_eq(
		    tls_peer_name(near, cn, sizeof(cn)), kind == CL_GOOD);
		ck_assert_str_eq(cn, kind == CL_GOOD ? "app" : "nobody");
		ck_assert(!tls_peer_name(near, cn, 3));
		ck_assert(tls_peer_name(near, cn, 4) == (kind == CL_GOOD));
		return;
	}
	ck_assert_int_eq(end.a, FAIL);
	ck_assert_str_eq(end.a_err.sqlstate, "08P01");
	ck_assert(!tls_peer_name(near, cn, sizeof(cn)));
	ck_assert_ptr_nonnull(strstr(end.a_err.log,
	    kind == CL_NONE          ? "peer did not return a certificate"
		: kind == CL_EXPIRED ? "certificate has expired"
				     : "certificate verify failed: "));
}
END_TEST

/*
 * A name counts from the end of the handshake: before it, the certificate is
 * shown, and nothing proves that its key is there.
 */
START_TEST(no_name_before_the_end)
{
	enum result a = WAIT, b = WAIT;
	char cn[64], buf[4096], c;
	int outer[2];
	ssize_t n;

	use_client(CL_GOOD);
	sim_conf.client_tls_protocols = version[_i];
	sim_conf.client_tls_sslmode = SSLMODE_VERIFY_FULL;
	sim_conf.client_tls_ca = sim_bytes(cert_pem(&sim_ca));
	sim_contexts();
	ck_assert_int_eq(compat_socketpair(AF_UNIX, SOCK_STREAM, outer), 0);
	near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	far = tls_connect(sim_servers, outer[0], "h", false, &sim_err);
	for (int i = 0; i < SIM_TURNS && a == WAIT; i++) {
		ck_assert(!tls_peer_name(near, cn, sizeof(cn)));
		if (b == WAIT)
			b = tls_run(far, &sim_err);
		/* one byte of the client's, whatever there is of ours */
		if (recv(outer[1], &c, 1, 0) == 1)
			ck_assert_int_eq(send(sim_fd[1], &c, 1, 0), 1);
		a = tls_run(near, &sim_err);
		while ((n = recv(sim_fd[1], buf, sizeof(buf), 0)) > 0)
			ck_assert_int_eq(send(outer[1], buf, (size_t)n, 0), n);
	}
	ck_assert_msg(a == DONE, "%s", sim_err.log);
	ck_assert(tls_peer_name(near, cn, sizeof(cn)));
	ck_assert_str_eq(cn, "app");
	close(outer[0]);
	close(outer[1]);
}
END_TEST

/* A certificate that is not demanded may be a bad one: it names nobody. */
START_TEST(clients_may)
{
	int kind = _i / 2;
	char cn[64] = "nobody";
	struct sim_end end;

	use_client(kind);
	sim_conf.client_tls_protocols = version[_i % 2];
	sim_conf.client_tls_sslmode = SSLMODE_PREFER;
	sim_conf.client_tls_ca = sim_bytes(cert_pem(&sim_ca));
	end = sim_meet(&near, &far, "h");
	ck_assert_msg(end.a == DONE && end.b == DONE, "%s", end.a_err.log);
	ck_assert_int_eq(tls_peer_name(near, cn, sizeof(cn)), kind == CL_GOOD);
	ck_assert_str_eq(cn, kind == CL_GOOD ? "app" : "nobody");
	sim_say(far, near, "goes on");
}
END_TEST

/* Without authorities no certificate is asked for, and none is believed. */
START_TEST(clients_unasked)
{
	char cn[64];

	sim_use_servers(&sim_client);
	ck_assert_int_eq(sim_meet(&near, &far, "h").a, DONE);
	ck_assert(!tls_peer_name(near, cn, sizeof(cn)));
	ck_assert_ptr_null(SSL_get_peer_certificate(near->ssl));
}
END_TEST

/* RFC 5929: by the hash of the signature, both sides the same. */
START_TEST(server_end_point)
{
	static const struct {
		struct cert_want want;
		size_t len;
		const char *hash;
	} v[] = { { { .cn = "h" }, 32, "SHA256" },
		{ { .cn = "h", .rsa_bits = 2048 }, 32, "SHA256" },
		{ { .cn = "h", .rsa_bits = 2048, .is_sha1 = true }, 32,
		    "SHA256" },
		{ { .cn = "h", .rsa_bits = 2048, .is_md5 = true }, 32,
		    "SHA256" },
		{ { .cn = "h", .is_sha384 = true }, 48, "SHA384" },
		{ { .cn = "h", .is_ed25519 = true }, 0, NULL } };
	uint8_t a[TLS_HASH_MAX], b[TLS_HASH_MAX], want[EVP_MAX_MD_SIZE];
	struct cert c = sim_make(&v[_i].want);
	struct sim_end end;
	unsigned len;

	sim_use_clients(&c);
	sim_conf.client_tls_ciphers = "ALL:@SECLEVEL=0";
	end = sim_meet(&near, &far, "h");
	ck_assert_msg(end.a == DONE && end.b == DONE, "%s", end.a_err.log);
	ck_assert_uint_eq(tls_server_end_point(near, a), v[_i].len);
	ck_assert_uint_eq(tls_server_end_point(far, b), v[_i].len);
	if (v[_i].len > 0) {
		X509_digest(c.x, EVP_get_digestbyname(v[_i].hash), want, &len);
		ck_assert_mem_eq(a, want, v[_i].len);
		ck_assert_mem_eq(b, want, v[_i].len);
	}
}
END_TEST

/* Whoever has proved who he is stays it: no second handshake, in either role;
 * and nothing is compressed. */
START_TEST(one_handshake)
{
	const uint64_t must = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;
	struct sim_end end;

	sim_conf.client_tls_protocols = "tlsv1.2";
	end = sim_meet(&near, &far, "h");
	ck_assert_msg(end.a == DONE && end.b == DONE, "%s", end.a_err.log);
	ck_assert_uint_eq(SSL_get_options(near->ssl) & must, must);
	ck_assert_uint_eq(SSL_get_options(far->ssl) & must, must);
}
END_TEST

/* With authorities each connection shows its certificate anew: there is no
 * ticket to come back with. */
START_TEST(no_tickets)
{
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	char byte;

	sim_conf.client_tls_sslmode = SSLMODE_ALLOW;
	sim_conf.client_tls_ca = sim_bytes(cert_pem(&sim_ca));
	sim_contexts();
	SSL_CTX_set_max_proto_version(
	    x, _i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
	near = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	ssl = sim_bare(x);
	ck_assert_int_eq(sim_run_bare(near, ssl), DONE);
	/* in 1.3 they come behind the handshake */
	ck_assert_int_eq(tls_send(near, "x", 1), 1);
	ck_assert_int_eq(SSL_read(ssl, &byte, 1), 1);
	ck_assert_int_eq(SSL_SESSION_has_ticket(SSL_get_session(ssl)), 0);
	SSL_free(ssl);
	SSL_CTX_free(x);
}
END_TEST

/* How the keys were exchanged, where the library tells. */
START_TEST(described)
{
	static const struct {
		const char *version, *group, *cipher, *want;
	} v[] = {
		{ "tlsv1.3", "ffdhe2048", "default", "/DH=ffdhe2048" },
		{ "tlsv1.3", "P-384", "default", "/ECDH=secp384r1" },
		{ "tlsv1.2", "P-256", "default", "/ECDH=prime256v1" },
		/* the client's secret under the server's key: no exchange */
		{ "tlsv1.2", "auto", "AES128-SHA", "/AES128-SHA" },
	};
	struct cert c =
	    sim_make(&(struct cert_want){ .cn = "h", .rsa_bits = 2048 });
	char got[TLS_DESCRIBE];
	struct sim_end end;

	sim_use_clients(&c);
	sim_conf.client_tls_protocols = v[_i].version;
	sim_conf.client_tls_ecdhcurve = v[_i].group;
	sim_conf.client_tls_ciphers = v[_i].cipher;
	end = sim_meet(&near, &far, "h");
	ck_assert_msg(end.a == DONE && end.b == DONE, "%s", end.a_err.log);
	tls_describe(near, got, sizeof(got));
	ck_assert_msg(strcmp(strrchr(got, '/'), v[_i].want) == 0, "%s", got);
	tls_describe(far, got, sizeof(got));
	ck_assert_msg(strcmp(strrchr(got, '/'), v[_i].want) == 0, "%s", got);
}
END_TEST

/* Ours may be one of several, anywhere in the list. */
START_TEST(one_of_several_protocols)
{
	static const char *const lists[] = { "\4http\012postgresql",
		"\012postgresql\4http", "\2h2\4http\012postgresql\2h3" };
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	sim_contexts();
	near = tls_accept(sim_clients, sim_fd[0], true, &sim_err);
	ssl = sim_bare(x);
	SSL_set_alpn_protos(
	    ssl, (const uint8_t *)lists[_i], (unsigned)strlen(lists[_i]));
	ck_assert_msg(
	    sim_run_bare(near, ssl) == DONE, "%d: %s", _i, sim_err.log);
	SSL_free(ssl);
	SSL_CTX_free(x);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tlspeer");
	TCase *tc = tcase_create("tlspeer");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, sim_setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, clients_must, 0, 2 * CL_KINDS);
	tcase_add_loop_test(tc, no_name_before_the_end, 0, 2);
	tcase_add_loop_test(tc, clients_may, 0, 2 * CL_KINDS);
	tcase_add_test(tc, clients_unasked);
	tcase_add_loop_test(tc, server_end_point, 0, 6);
	tcase_add_test(tc, one_handshake);
	tcase_add_loop_test(tc, no_tickets, 0, 2);
	tcase_add_loop_test(tc, described, 0, 4);
	tcase_add_loop_test(tc, one_of_several_protocols, 0, 3);
	return run_suite(s);
}
