/*
 * 19_tls_test.c - TLS between clients and the pooler.
 */
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

#define SSL_REQUEST 80877103

static struct pooler *p;

/* A pooler with this client_tls_sslmode; not started. */
static void
configure(const char *mode)
{
	p = pooler_new();
	pooler_set(p, "client_tls_sslmode = %s", mode);
	pooler_set(p, "client_tls_cert_file = %s", cert("server.crt"));
	pooler_set(p, "client_tls_key_file = %s", cert("server.key"));
	pooler_set(p, "client_tls_ca_file = %s", cert("ca.crt"));
	pooler_set(p, "default_pool_size = 2");
}

static void
with(const char *mode)
{
	configure(mode);
	pooler_start(p);
}

static void
tear_down(void)
{
	pooler_stop(p);
}

/* A libpq string: by the name in the certificate, over TCP. */
static const char *
tls_at(const char *more)
{
	return pooler_at(p,
	    text("host=localhost hostaddr=127.0.0.1 sslrootcert=%s %s",
		cert("ca.crt"), more));
}

static const char *
as_app(const char *name)
{
	return text("sslmode=verify-full sslcert=%s sslkey=%s",
	    cert(text("%s.crt", name)), cert(text("%s.key", name)));
}

/* libpq looks whether others may read a key of ours: root may own it. */
static const char *modes[] = { "disable", "allow", "prefer", "require",
	"verify-ca", "verify-full" };

/* 0: refused, 1: plain, 2: TLS; by the pooler's mode and the client's. */
static const int outcome[4][6] = {
	{ 1, 1, 1, 0, 0, 0 }, /* disable */
	{ 1, 1, 2, 2, 2, 2 }, /* allow */
	{ 1, 1, 2, 2, 2, 2 }, /* prefer */
	{ 0, 2, 2, 2, 2, 2 }, /* require */
};

START_TEST(each_sslmode)
{
	with(modes[_i]);
	for (int m = 0; m < 6; m++) {
		PGconn *c = PQconnectdb(tls_at(text("sslmode=%s", modes[m])));
		int got = PQstatus(c) != CONNECTION_OK ? 0 : 1 + PQsslInUse(c);

		ck_assert_msg(got == outcome[_i][m], "%s, %s: %d: %s",
		    modes[_i], modes[m], got, PQerrorMessage(c));
		if (got)
			ck_assert_int_eq(sql_num(c, "SELECT 41 + 1"), 42);
		else if (m == 0)
			ck_assert_ptr_nonnull(
			    strstr(PQerrorMessage(c), "SSL required"));
		PQfinish(c);
	}
	tear_down();
}
END_TEST

/* A Unix socket has no TLS, and needs none. */
START_TEST(unix_socket)
{
	PGconn *c;

	with("require");
	c = sql_open(pooler_at(p, text("host=%s", p->dir)));
	ck_assert_int_eq(sql_num(c, "SELECT 7"), 7);
	PQfinish(c);
	tear_down();
}
END_TEST

START_TEST(versions)
{
	static const char *const v[] = { "TLSv1.2", "TLSv1.3" };
	PGconn *admin, *c;

	with("require");
	admin = sql_open(tls_at("sslmode=require dbname=pgbouncer user=admin"));
	for (int i = 0; i < 2; i++) {
		c = sql_open(tls_at(text("sslmode=require "
					 "application_name=seen "
					 "ssl_min_protocol_version=%s "
					 "ssl_max_protocol_version=%s",
		    v[i], v[i])));
		ck_assert_str_eq(PQsslAttribute(c, "protocol"), v[i]);
		ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
		UNTIL(5000,
		    pooler_show(admin, "CLIENTS", "application_name", "seen",
			"port") > 0);
		ck_assert_ptr_nonnull(
		    strstr(sql_one(admin, "SHOW VERSION"), ""));
		PQfinish(c);
		UNTIL(5000,
		    pooler_show(admin, "CLIENTS", "application_name", "seen",
			"port") == -1);
	}
	PQfinish(admin);
	ck_assert(file_has(p->log, "tls=TLSv1.2/"));
	ck_assert(file_has(p->log, "tls=TLSv1.3/"));
	p->errors_ok = true;
	tear_down();
	/* no older one, unless it is asked for */
	with("require");
	c = PQconnectdb(tls_at("sslmode=require ssl_min_protocol_version="
			       "TLSv1 ssl_max_protocol_version=TLSv1.1"));
	ck_assert_int_ne(PQstatus(c), CONNECTION_OK);
	PQfinish(c);
	tear_down();
}
END_TEST

START_TEST(large)
{
	PGconn *c;

	with("require");
	c = sql_open(tls_at("sslmode=verify-full"));
	sql_large(c, 3000000);
	/* many small ones, in one go */
	ck_assert_int_eq(
	    sql_num(c, "SELECT count(*) FROM generate_series(1, 200000)"),
	    200000);
	PQfinish(c);
	tear_down();
}
END_TEST

/* Answers wait in the pooler while nobody reads, bounded, and all arrive. */
START_TEST(reader_that_starts_late)
{
	PGconn *c;
	PGresult *r;
	long before;

	with("require");
	c = sql_open(tls_at("sslmode=require"));
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	before = pooler_rss_kb(p);
	ck_assert_int_eq(PQenterPipelineMode(c), 1);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(
		    PQsendQueryParams(c, "SELECT repeat('x', 1000000)", 0, NULL,
			NULL, NULL, NULL, 0),
		    1);
		ck_assert_int_eq(PQpipelineSync(c), 1);
	}
	ck_assert_int_ge(PQflush(c), 0);
	for (int64_t end = now_ms() + 300; now_ms() < end;)
		nap();
	if (!is_sanitized())
		ck_assert_int_lt(pooler_rss_kb(p) - before, 4000);
	for (int i = 0; i < 20; i++) {
		r = PQgetResult(c);
		ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
		ck_assert_int_eq(PQgetlength(r, 0, 0), 1000000);
		PQclear(r);
		ck_assert_ptr_null(PQgetResult(c));
		r = PQgetResult(c);
		ck_assert_int_eq(PQresultStatus(r), PGRES_PIPELINE_SYNC);
		PQclear(r);
	}
	PQfinish(c);
	tear_down();
}
END_TEST

START_TEST(certificates_of_clients)
{
	PGconn *c;

	with("verify-full");
	c = sql_open(tls_at(as_app("app")));
	ck_assert_int_eq(sql_num(c, "SELECT 5"), 5);
	PQfinish(c);
	sql_refused(tls_at("sslmode=require"), "");
	sql_refused(tls_at(as_app("alienapp")), "");
	tear_down();
}
END_TEST

/* The name of the certificate that the server shows. */
static const char *
subject_of(PGconn *c)
{
	SSL *ssl = PQsslStruct(c, "OpenSSL");
	X509 *x = SSL_get1_peer_certificate(ssl);
	static char name[100];

	ck_assert_ptr_nonnull(x);
	X509_NAME_get_text_by_NID(
	    X509_get_subject_name(x), NID_commonName, name, sizeof(name));
	X509_free(x);
	return name;
}

START_TEST(reload)
{
	PGconn *old, *c;

	configure("require");
	p->errors_ok = true;
	pooler_start(p);
	old = sql_open(tls_at("sslmode=require"));
	ck_assert_str_eq(subject_of(old), "localhost");
	pooler_set(p, "client_tls_cert_file = %s", cert("other.crt"));
	pooler_set(p, "client_tls_key_file = %s", cert("other.key"));
	pooler_write(p);
	c = sql_open(tls_at("sslmode=require dbname=pgbouncer user=admin"));
	sql_do(c, "RELOAD"); /* which waits for every worker */
	PQfinish(c);
	for (int i = 0; i < 6; i++) {
		c = sql_open(tls_at("sslmode=require"));
		ck_assert_str_eq(subject_of(c), "other.example");
		PQfinish(c);
	}
	ck_assert_int_eq(sql_num(old, "SELECT 3"), 3);
	/* a key that does not fit: all stays as it is */
	pooler_set(p, "client_tls_key_file = %s", cert("server.key"));
	pooler_write(p);
	kill(p->pid, SIGHUP);
	UNTIL(5000, file_has(p->log, "client_tls_key_file"));
	c = sql_open(tls_at("sslmode=require"));
	ck_assert_str_eq(subject_of(c), "other.example");
	PQfinish(c);
	ck_assert_int_eq(sql_num(old, "SELECT 4"), 4);
	PQfinish(old);
	tear_down();
}
END_TEST

/* --- rude ones ------------------------------------------------------------- */

static struct wire *
ask(void)
{
	struct wire *w = wire_open("127.0.0.1", p->port);
	struct pollfd pf = { .fd = w->fd, .events = POLLIN };
	char answer;

	wire_put(w, 0, "i", SSL_REQUEST);
	ck_assert_int_eq(poll(&pf, 1, WIRE_MS), 1);
	ck_assert_int_eq(recv(w->fd, &answer, 1, 0), 1);
	ck_assert_int_eq(answer, 'S');
	return w;
}

/* What came with the request in plain text is never read (CVE-2021-3935). */
START_TEST(injected)
{
	struct wire *w;
	char buf[512];
	size_t n = wire_make(buf, sizeof(buf), 0, "i", SSL_REQUEST);

	with("prefer");
	n += wire_startup(buf + n, sizeof(buf) - n, 0x30000, "user", "app",
	    "database", "app", NULL);
	w = wire_open("127.0.0.1", p->port);
	wire_send(w, buf, n);
	wire_error(w, 'C', "08P01");
	wire_end(w);
	wire_free(w);
	tear_down();
}
END_TEST

START_TEST(garbage)
{
#define JUNK(s)                  \
	{                        \
		s, sizeof(s) - 1 \
	}
	static const struct {
		const char *bytes;
		size_t len;
	} junk[] = { JUNK("GET / HTTP/1.0\r\n\r\n"),
		JUNK("\x16\x03\x01\xff\xff\xff\xff\xff\xff"),
		JUNK("\x15\x03\x01\x00\x02\x02\x28"),
		JUNK("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03"),
		JUNK("Q\0\0\0\x08xx") };
	PGconn *c;

	with("prefer");
	for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
		struct wire *w = ask();
		char rest[100];
		struct pollfd pf = { .fd = w->fd, .events = POLLIN };

		wire_send(w, junk[i].bytes, junk[i].len);
		shutdown(w->fd, SHUT_WR);
		/* an alert perhaps, and the end */
		do {
			ck_assert_int_eq(poll(&pf, 1, WIRE_MS), 1);
		} while (recv(w->fd, rest, sizeof(rest), 0) > 0);
		wire_free(w);
	}
	/* gone in the middle, and never there at all */
	for (int i = 0; i < 20; i++) {
		struct wire *w = ask();

		if (i % 2)
			wire_send(w, "\x16\x03\x01\x02", 4);
		wire_free(w);
	}
	c = sql_open(tls_at("sslmode=require"));
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	tear_down();
}
END_TEST

START_TEST(silent_handshake)
{
	struct wire *w;
	char byte;
	struct pollfd pf;

	configure("require");
	pooler_set(p, "client_login_timeout = 1");
	pooler_start(p);
	w = ask();
	wire_send(w, "\x16\x03\x01", 3);
	pf = (struct pollfd){ .fd = w->fd, .events = POLLIN };
	ck_assert_int_eq(poll(&pf, 1, WIRE_MS), 1);
	/* no word in plain text to one who waits for TLS */
	ck_assert_int_le(recv(w->fd, &byte, 1, 0), 0);
	wire_free(w);
	tear_down();
}
END_TEST

/* --- direct TLS ------------------------------------------------------------ */

static SSL *
direct(int fd, const char *alpn)
{
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(x);

	SSL_CTX_free(x);
	if (alpn)
		SSL_set_alpn_protos(
		    ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
	SSL_set_fd(ssl, fd);
	return ssl;
}

START_TEST(direct_tls)
{
	static const char *const alpns[] = { NULL, "\x04http",
		"\x0apostgresql" };

	with("prefer");
	for (int i = 0; i < 3; i++) {
		struct wire *w = wire_open("127.0.0.1", p->port);
		SSL *ssl = direct(w->fd, alpns[i]);
		char buf[512];
		size_t n = wire_startup(buf, sizeof(buf), 0x30000, "user",
		    "app", "database", "app", NULL);
		/* with TLS 1.3 the refusal comes behind the handshake */
		bool ok = SSL_connect(ssl) == 1 &&
		    SSL_write(ssl, buf, (int)n) == (int)n &&
		    SSL_read(ssl, buf, sizeof(buf)) > 8;

		ck_assert_msg(ok == (i == 2), "ALPN %d", i);
		if (ok)
			ck_assert_int_eq(buf[0], 'R');
		SSL_free(ssl);
		wire_free(w);
	}
	tear_down();
}
END_TEST

/* --- cancel ---------------------------------------------------------------- */

START_TEST(cancel)
{
	char why[256];
	PGconn *c;
	PGcancel *k;

	with("require");
	c = sql_open(tls_at("sslmode=require"));
	sql_send(c, "SELECT pg_sleep(20)");
	UNTIL(5000, pg_backends(pg, "query LIKE 'SELECT pg_sleep%'") == 1);
	k = PQgetCancel(c);
	ck_assert_msg(PQcancel(k, why, sizeof(why)) == 1, "%s", why);
	PQfreeCancel(k);
	ck_assert_ptr_nonnull(strstr(sql_get_error(c), "user request"));
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	tear_down();
}
END_TEST

/* Each method, as without TLS. */
START_TEST(methods)
{
	static const char *const types[] = { "plain", "md5", "scram-sha-256" };

	configure("require");
	pooler_auth(p, "bob", "s3cret");
	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "auth_type = %s", types[_i]);
	pooler_start(p);
	for (int i = 0; i < 2; i++) {
		const char *at = tls_at(
		    text("sslmode=verify-full user=bob dbname=open password=%s",
			i ? "wrong" : "s3cret"));

		if (i) {
			sql_refused(at, "password authentication failed");
		} else {
			PGconn *c = sql_open(at);

			ck_assert_int_eq(sql_num(c, "SELECT 9"), 9);
			PQfinish(c);
		}
	}
	tear_down();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls");
	TCase *tc = suite_case(s, "tls", 40);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_loop_test(tc, each_sslmode, 0, 4);
	tcase_add_test(tc, unix_socket);
	tcase_add_test(tc, versions);
	tcase_add_test(tc, large);
	tcase_add_test(tc, reader_that_starts_late);
	tcase_add_test(tc, certificates_of_clients);
	tcase_add_test(tc, reload);
	tcase_add_test(tc, injected);
	tcase_add_test(tc, garbage);
	tcase_add_test(tc, silent_handshake);
	tcase_add_test(tc, direct_tls);
	tcase_add_test(tc, cancel);
	tcase_add_loop_test(tc, methods, 0, 3);
	return suite_run(s, SUITE_PG);
}
