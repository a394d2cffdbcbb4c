/*
 * tlssim.h - for tests: both ends of a TLS connection in one process.
 *
 * `near` is the end under test, `far` the other one: ours too, or a bare SSL.
 */
#ifndef T_UNIT_TLSSIM_H
#define T_UNIT_TLSSIM_H

#include <openssl/ssl.h>
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/keys.h"
#include "t/unit/certs.h"
#include "worker/io/tls.h"

enum { SIM_TURNS = 200000 }; /* no handshake takes as many */

/* What all tests are made of; static, one set a process. */
static struct cert sim_ca, sim_server, sim_client;
static struct conf sim_conf;
static struct tls_ctx *sim_clients, *sim_servers; /* by side */
static struct err sim_err;
static int sim_fd[2]; /* accepting, connecting */

/* What sim_teardown() frees. */
static struct cert sim_certs[8];
static char *sim_texts[16];
static size_t sim_ncerts, sim_ntexts;

/* As cert_make(); not the caller's to free. */
static inline struct cert
sim_make(const struct cert_want *want)
{
	ck_assert_uint_lt(sim_ncerts, sizeof(sim_certs) / sizeof(*sim_certs));
	return sim_certs[sim_ncerts++] = cert_make(want);
}

/* Takes over `text`, which malloc() gave. */
static inline struct conf_bytes
sim_bytes(char *text)
{
	ck_assert_uint_lt(sim_ntexts, sizeof(sim_texts) / sizeof(*sim_texts));
	sim_texts[sim_ntexts++] = text;
	return (struct conf_bytes){ .p = text, .len = strlen(text) };
}

static inline void
sim_use_clients(const struct cert *c)
{
	sim_conf.client_tls_cert = sim_bytes(cert_pem(c));
	sim_conf.client_tls_key = sim_bytes(cert_key_pem(c, NULL));
}

static inline void
sim_use_servers(const struct cert *c)
{
	sim_conf.server_tls_cert = sim_bytes(cert_pem(c));
	sim_conf.server_tls_key = sim_bytes(cert_key_pem(c, NULL));
}

/* A configuration that works, for a test to change. */
static inline void
sim_setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	sim_ca = sim_make(&(struct cert_want){ .cn = "ca", .is_ca = true });
	sim_server = sim_make(&(struct cert_want){ .cn = "unused",
	    .san = "DNS:db.example,DNS:*.wild.example,DNS:f*.part.example,"
		   "IP:127.0.0.1,IP:::1",
	    .by = &sim_ca });
	sim_client =
	    sim_make(&(struct cert_want){ .cn = "app", .by = &sim_ca });
	memset(&sim_conf, 0, sizeof(sim_conf));
	keys_default(KEY_GLOBAL, &sim_conf);
	sim_conf.client_tls_sslmode = SSLMODE_REQUIRE;
	sim_conf.server_tls_sslmode = SSLMODE_REQUIRE;
	sim_use_clients(&sim_server);
	ck_assert_int_eq(compat_socketpair(AF_UNIX, SOCK_STREAM, sim_fd), 0);
}

/* Contexts of both sides, from sim_conf. */
static inline void
sim_contexts(void)
{
	ck_assert_msg(tls_ctx_renew(&sim_clients, TLS_CLIENTS, &sim_conf, NULL,
			  &sim_err) != TLS_REFUSED,
	    "%s", sim_err.log);
	ck_assert_msg(tls_ctx_renew(&sim_servers, TLS_SERVERS, &sim_conf, NULL,
			  &sim_err) != TLS_REFUSED,
	    "%s", sim_err.log);
}

static inline void
sim_teardown(void)
{
	tls_ctx_unref(sim_clients);
	tls_ctx_unref(sim_servers);
	sim_clients = sim_servers = NULL;
	while (sim_ncerts > 0)
		cert_free(&sim_certs[--sim_ncerts]);
	while (sim_ntexts > 0)
		free(sim_texts[--sim_ntexts]);
	close(sim_fd[0]);
	close(sim_fd[1]);
}

/* How two handshakes end, and with which errors. */
struct sim_end {
	enum result a, b;
	struct err a_err, b_err;
};

static inline struct sim_end
sim_run(struct tls *a, struct tls *b)
{
	struct sim_end end = { .a = WAIT, .b = WAIT };

	for (int i = 0; i < SIM_TURNS && (end.a == WAIT || end.b == WAIT);
	     i++) {
		if (end.a == WAIT)
			end.a = tls_run(a, &end.a_err);
		if (end.b == WAIT)
			end.b = tls_run(b, &end.b_err);
		/* who has failed hangs up */
		if (end.a == FAIL)
			shutdown(sim_fd[0], SHUT_RDWR);
		if (end.b == FAIL)
			shutdown(sim_fd[1], SHUT_RDWR);
	}
	return end;
}

/* How both ends fare with contexts from sim_conf. */
static inline struct sim_end
sim_meet(struct tls **a, struct tls **b, const char *host)
{
	sim_contexts();
	*a = tls_accept(sim_clients, sim_fd[0], false, &sim_err);
	*b = tls_connect(sim_servers, sim_fd[1], host, false, &sim_err);
	ck_assert_msg(*a != NULL && *b != NULL, "%s", sim_err.log);
	return sim_run(*a, *b);
}

/* Both ends, agreed. */
static inline void
sim_pair(struct tls **a, struct tls **b, const char *host, bool is_direct)
{
	struct sim_end end;

	*a = tls_accept(sim_clients, sim_fd[0], is_direct, &sim_err);
	*b = tls_connect(sim_servers, sim_fd[1], host, is_direct, &sim_err);
	ck_assert_ptr_nonnull(*a);
	ck_assert_ptr_nonnull(*b);
	end = sim_run(*a, *b);
	ck_assert_msg(end.a == DONE, "%s", end.a_err.log);
	ck_assert_msg(end.b == DONE, "%s", end.b_err.log);
}

/* A bare client at sim_fd[1]. */
static inline SSL *
sim_bare(SSL_CTX *x)
{
	SSL *ssl = SSL_new(x);

	ck_assert_int_eq(SSL_set_fd(ssl, sim_fd[1]), 1);
	SSL_set_connect_state(ssl);
	return ssl;
}

/* Shake hands between `t` and a bare SSL; tls_run()'s result. */
static inline enum result
sim_run_bare(struct tls *t, SSL *ssl)
{
	enum result r = WAIT;
	int rc = 0;

	for (int i = 0; i < SIM_TURNS && (r == WAIT || rc != 1); i++) {
		if (rc != 1) {
			rc = SSL_do_handshake(ssl);
			if (rc != 1 && SSL_get_error(ssl, rc) == SSL_ERROR_SSL)
				shutdown(sim_fd[1], SHUT_RDWR);
		}
		if (r == WAIT)
			r = tls_run(t, &sim_err);
		if (r == FAIL)
			break;
	}
	return r;
}

/* All of `len` bytes; fails where they do not come. */
static inline void
sim_recv_all(struct tls *t, void *p, size_t len)
{
	size_t at = 0;

	for (int i = 0; i < SIM_TURNS && at < len; i++) {
		ssize_t n = tls_recv(t, (char *)p + at, len - at);

		ck_assert_int_ne(n, 0);
		if (n == -1)
			ck_assert_int_eq(errno, EAGAIN);
		else
			at += (size_t)n;
	}
	ck_assert_uint_eq(at, len);
}

static inline void
sim_say(struct tls *from, struct tls *to, const char *text)
{
	char got[100];
	size_t len = strlen(text);

	ck_assert_int_eq(tls_send(from, text, len), (ssize_t)len);
	sim_recv_all(to, got, len);
	ck_assert_mem_eq(got, text, len);
}

#endif
