/*
 * 33_set_tls_test.c - certificates and other TLS settings changed by SET while
 * clients stay connected.
 */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/system/set.h"

static const char *
tls_at(const struct pooler *p, const char *more)
{
	return pooler_at(p, text("host=localhost hostaddr=127.0.0.1 %s", more));
}

/* The name in the certificate that the pooler shows. */
static const char *
subject_of(PGconn *c)
{
	SSL *ssl = PQsslStruct(c, "OpenSSL");
	X509 *x = SSL_get1_peer_certificate(ssl);
	char name[100] = "";

	ck_assert_ptr_nonnull(x);
	X509_NAME_get_text_by_NID(
	    X509_get_subject_name(x), NID_commonName, name, sizeof(name));
	X509_free(x);
	return text("%s", name);
}

/* Every new client, at whichever worker, sees it. */
static void
shows(const struct pooler *p, const char *subject)
{
	for (int i = 0; i < 8; i++) {
		PGconn *c = sql_open(tls_at(p, "sslmode=require"));

		ck_assert_str_eq(subject_of(c), subject);
		PQfinish(c);
	}
}

static struct pooler *
with_tls(void)
{
	struct pooler *p = pooler_new();

	pooler_workers(p, 3);
	pooler_set(p, "client_tls_sslmode = prefer");
	pooler_set(p, "client_tls_cert_file = %s", cert("server.crt"));
	pooler_set(p, "client_tls_key_file = %s", cert("server.key"));
	pooler_start(p);
	return p;
}

START_TEST(certificate)
{
	struct pooler *p = with_tls();
	PGconn *c = console(p), *a = sql_open(tls_at(p, "sslmode=require"));

	sql_do(a, "BEGIN");
	shows(p, "localhost");
	/* the first half: what is in force stays so */
	set_saying(
	    c, "client_tls_cert_file", cert("other.crt"), cert("server.key"));
	ck_assert_str_eq(config(c, "client_tls_cert_file"), cert("server.crt"));
	set(c, "default_pool_size", "7");
	shows(p, "localhost");
	set(c, "client_tls_key_file", cert("other.key"));
	ck_assert_str_eq(config(c, "client_tls_cert_file"), cert("other.crt"));
	ck_assert_str_eq(config(c, "client_tls_key_file"), cert("other.key"));
	shows(p, "other.example");
	/* back, the key first */
	set_saying(
	    c, "client_tls_key_file", cert("server.key"), "does not fit");
	set(c, "client_tls_cert_file", cert("server.crt"));
	shows(p, "localhost");
	/* a half that RELOAD drops is no part of a later pair */
	set_saying(c, "client_tls_key_file", cert("other.key"), "does not fit");
	sql_do(c, "RELOAD");
	set_saying(
	    c, "client_tls_cert_file", cert("other.crt"), "does not fit");
	shows(p, "localhost");
	/* nobody was dropped by all that */
	sql_do(a, "COMMIT");
	ck_assert_str_eq(subject_of(a), "localhost");
	PQfinish(a);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(bad_certificate)
{
	struct pooler *p = with_tls();
	PGconn *c = console(p), *a = sql_open(tls_at(p, "sslmode=require"));
	char torn[300];
	static const char *const keys[] = { "client_tls_cert_file",
		"client_tls_key_file", "client_tls_ca_file" };

	snprintf(torn, sizeof(torn), "%s/torn.crt", p->dir);
	spew(torn, "-----BEGIN CERTIFICATE-----\nxyz\n");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		refused(
		    c, keys[i], "/nowhere/x.pem", "22023", "/nowhere/x.pem");
		refused(c, keys[i], torn, "22023", "torn.crt");
		ck_assert_str_ne(config(c, keys[i]), torn);
	}
	refused(
	    c, "client_tls_protocols", "tls9", "22023", "client_tls_protocols");
	refused(c, "client_tls_ciphers", "none at all", "22023",
	    "client_tls_ciphers");
	refused(c, "client_tls_sslmode", "verify-full", "22023",
	    "client_tls_ca_file");
	ck_assert(file_has(p->log, "torn.crt"));
	shows(p, "localhost");
	ck_assert_int_eq(sql_num(a, "SELECT 1"), 1);
	PQfinish(a);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* The same names, other bytes: SET reads them, of this side alone. */
START_TEST(certificate_in_place)
{
	struct pooler *p = pooler_new();
	char crt[300], key[300], *s;
	PGconn *c;

	snprintf(crt, sizeof(crt), "%s/now.crt", p->dir);
	snprintf(key, sizeof(key), "%s/now.key", p->dir);
#define COPY(from, to) (s = slurp(cert(from)), spew(to, s), free(s))
	COPY("server.crt", crt);
	COPY("server.key", key);
	pooler_set(p, "client_tls_sslmode = prefer");
	pooler_set(p, "client_tls_cert_file = %s", crt);
	pooler_set(p, "client_tls_key_file = %s", key);
	pooler_start(p);
	c = console(p);
	COPY("other.crt", crt);
	COPY("other.key", key);
#undef COPY
	set(c, "server_tls_sslmode", "disable");
	shows(p, "localhost");
	set(c, "client_tls_cert_file", crt);
	shows(p, "other.example");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

static void
serve_tls(bool is_on)
{
	pg_ask(pg, "ALTER SYSTEM SET ssl_cert_file = '%s'", cert("server.crt"));
	pg_ask(pg, "ALTER SYSTEM SET ssl_key_file = '%s'", cert("server.key"));
	pg_ask(pg, "ALTER SYSTEM SET ssl = %s", is_on ? "on" : "off");
	pg_ask(pg, "SELECT pg_reload_conf()");
	UNTIL(5000, !strcmp(pg_ask(pg, "SHOW ssl"), is_on ? "on" : "off"));
}

/* Servers that were reached by other means are replaced, idle ones or not. */
START_TEST(servers)
{
	struct pooler *p = pooler_new();
	PGconn *c, *a, *held;
	int old, kept;

	serve_tls(true);
	pooler_db(p, "app = host=localhost port=%d", pg->port);
	pooler_set(p, "server_tls_sslmode = disable");
	pooler_start(p);
	c = console(p);
	a = pooler_conn(p, "");
	held = pooler_conn(p, "");
	sql_do(held, "BEGIN");
	kept = sql_backend(held);
	old = sql_backend(a);
#define IS_TLS "SELECT ssl::int FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
	ck_assert_int_eq(sql_num(a, IS_TLS), 0);
	set(c, "server_tls_ca_file", cert("ca.crt"));
	set(c, "server_tls_sslmode", "verify-full");
	ck_assert_int_eq(sql_num(a, IS_TLS), 1);
	ck_assert_int_ne(sql_backend(a), old);
	UNTIL(5000, pg_backends(pg, text("pid = %d", old)) == 0);
	ck_assert_int_eq(sql_backend(held), kept);
	sql_do(held, "COMMIT");
	ck_assert_int_eq(sql_num(held, IS_TLS), 1);
	/* what changes nothing replaces none */
	old = sql_backend(a);
	set(c, "server_tls_sslmode", "verify-full");
	set(c, "default_pool_size", "19");
	UNTIL(5000, sql_backend(a) == old);
	refused(c, "server_tls_ca_file", "", "22023", "server_tls_ca_file");
	ck_assert_int_eq(sql_num(a, IS_TLS), 1);
	PQfinish(held);
	PQfinish(a);
	PQfinish(c);
	pooler_stop(p);
	serve_tls(false);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("set_tls");
	TCase *tc = suite_case(s, "set_tls", 30);

	tcase_add_test(tc, certificate);
	tcase_add_test(tc, bad_certificate);
	tcase_add_test(tc, certificate_in_place);
	tcase_add_test(tc, servers);
	return suite_run(s, SUITE_PG);
}
