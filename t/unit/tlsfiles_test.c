/*
 * tlsfiles_test.c - whose bytes are whose: each file to its setting, each
 * setting to the digest that tells one context from another.
 */
#include "conf/tlsconf.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "conf/conf.h"
#include "t/unit/certs.h"
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static struct cert ca, own;
static char *ca_pem, *own_pem, *own_key;

static void
set_up(void)
{
	ca = cert_make(&(struct cert_want){ .cn = "ca", .is_ca = true });
	own = cert_make(&(struct cert_want){ .cn = "own", .by = &ca });
	ca_pem = cert_pem(&ca);
	own_pem = cert_pem(&own);
	own_key = cert_key_pem(&own, NULL);
}

static void
tear_down(void)
{
	free(ca_pem);
	free(own_pem);
	free(own_key);
	cert_free(&ca);
	cert_free(&own);
}

static struct conf *
load(const char *settings)
{
	struct conf_files files;
	struct conf_faults faults;
	struct conf *c;

	conf_files_init(&files);
	conf_faults_init(&faults);
	text_add(&files, "main.ini", settings);
	text_add(&files, "key", own_key);
	text_add(&files, "cert", own_pem);
	text_add(&files, "ca", ca_pem);
	c = conf_load(&files, &faults);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	conf_files_free(&files);
	conf_faults_free(&faults);
	return c;
}

static bool
is_text(const struct conf_bytes *b, const char *text)
{
	return b->p != NULL && b->len == strlen(text) &&
	    memcmp(b->p, text, b->len) == 0;
}

START_TEST(each_side_has_its_own)
{
	struct conf *c = load("[pooler]\nserver_tls_sslmode = require\n"
			      "server_tls_key_file = key\n"
			      "server_tls_cert_file = cert\n"
			      "server_tls_ca_file = ca\n");

	ck_assert(is_text(&c->server_tls_key, own_key));
	ck_assert(is_text(&c->server_tls_cert, own_pem));
	ck_assert(is_text(&c->server_tls_ca, ca_pem));
	ck_assert_ptr_null(c->client_tls_key.p);
	ck_assert_ptr_null(c->client_tls_cert.p);
	ck_assert_ptr_null(c->client_tls_ca.p);
	conf_free(c);
	c = load("[pooler]\nclient_tls_sslmode = require\n"
		 "client_tls_key_file = key\nclient_tls_cert_file = cert\n"
		 "client_tls_ca_file = ca\n");
	ck_assert(is_text(&c->client_tls_key, own_key));
	ck_assert(is_text(&c->client_tls_cert, own_pem));
	ck_assert(is_text(&c->client_tls_ca, ca_pem));
	ck_assert_ptr_null(c->server_tls_key.p);
	ck_assert_ptr_null(c->server_tls_cert.p);
	ck_assert_ptr_null(c->server_tls_ca.p);
	conf_free(c);
}
END_TEST

/* A client with several certificates learns which of them fits. */
START_TEST(authorities_are_named)
{
	const struct tlsconf_ear deaf = { .tell = NULL };
	struct conf *c = load("[pooler]\nclient_tls_sslmode = require\n"
			      "client_tls_key_file = key\n"
			      "client_tls_cert_file = cert\n"
			      "client_tls_ca_file = ca\n");
	SSL_CTX *x = tlsconf_build(c, TLS_CLIENTS, &deaf);

	ck_assert_ptr_nonnull(x);
	ck_assert_int_eq(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(x)), 1);
	SSL_CTX_free(x);
	conf_free(c);
}
END_TEST

static void
hear(void *arg, const char *key, const char *why)
{
	(void)key, (void)why;
	++*(int *)arg;
}

/* What was told is not told again by whoever looks next. */
START_TEST(no_error_is_left)
{
	int faults = 0;
	const struct tlsconf_ear ear = { .tell = hear, .arg = &faults };
	struct conf c = { .client_tls_sslmode = SSLMODE_REQUIRE };

	c.client_tls_key_file = c.client_tls_cert_file = "f";
	c.client_tls_ca_file = c.client_tls_protocols = "";
	c.client_tls_ciphers = c.client_tls13_ciphers = "frob";
	c.client_tls_ecdhcurve = c.client_tls_dheparams = "frob";
	c.client_tls_key.p = c.client_tls_cert.p = "-----BEGIN X-----\nx";
	c.client_tls_key.len = c.client_tls_cert.len = 19;
	ck_assert_ptr_null(tlsconf_build(&c, TLS_CLIENTS, &ear));
	ck_assert_int_gt(faults, 4);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

struct reasons {
	char cert[200], key[200];
};

static void
hear_why(void *arg, const char *key, const char *why)
{
	struct reasons *r = arg;

	if (strcmp(key, "client_tls_cert_file") == 0)
		snprintf(r->cert, sizeof(r->cert), "%s", why);
	if (strcmp(key, "client_tls_key_file") == 0)
		snprintf(r->key, sizeof(r->key), "%s", why);
}

/* Each file with what is wrong with it, not with the one before it. */
START_TEST(reasons_are_not_mixed)
{
	static const char torn[] = "-----BEGIN CERTIFICATE-----\nMIIB\n";
	struct reasons r = { .cert = "" };
	const struct tlsconf_ear ear = { .tell = hear_why, .arg = &r };
	struct conf c = { .client_tls_sslmode = SSLMODE_REQUIRE };

	c.client_tls_key_file = c.client_tls_cert_file = "f";
	c.client_tls_ca_file = "";
	c.client_tls_protocols = "secure";
	c.client_tls_ciphers = c.client_tls13_ciphers = "";
	c.client_tls_ecdhcurve = c.client_tls_dheparams = "";
	c.client_tls_cert =
	    (struct conf_bytes){ .p = torn, .len = strlen(torn) };
	c.client_tls_key = (struct conf_bytes){ .p = "x", .len = 1 };
	ck_assert_ptr_null(tlsconf_build(&c, TLS_CLIENTS, &ear));
	ck_assert_msg(strstr(r.cert, "bad end line") != NULL, "%s", r.cert);
	ck_assert_ptr_null(strstr(r.key, "bad end line"));
	ck_assert_msg(strlen(r.key) > 0 && strstr(r.key, "no reason") == NULL,
	    "%s", r.key);
}
END_TEST

/* --- digests ------------------------------------------------------------------ */

static bool
is_same(const struct conf *a, enum tls_side sa, const struct conf *b,
    enum tls_side sb)
{
	uint8_t da[TLSCONF_DIGEST], db[TLSCONF_DIGEST];

	ck_assert_int_eq(tlsconf_digest(a, sa, da), 0);
	ck_assert_int_eq(tlsconf_digest(b, sb, db), 0);
	return memcmp(da, db, sizeof(da)) == 0;
}

static struct conf
nothing(void)
{
	struct conf c = { .client_tls_protocols = "" };

	c.client_tls_ciphers = c.client_tls13_ciphers = "";
	c.client_tls_ecdhcurve = c.client_tls_dheparams = "";
	c.server_tls_protocols = "";
	c.server_tls_ciphers = c.server_tls13_ciphers = "";
	return c;
}

START_TEST(digests)
{
	struct conf a = nothing(), b = nothing();

	ck_assert(is_same(&a, TLS_CLIENTS, &b, TLS_CLIENTS));
	/* what is equal on both sides is still two things */
	ck_assert(!is_same(&a, TLS_CLIENTS, &a, TLS_SERVERS));
	/* the same bytes, otherwise divided */
	a.client_tls_ciphers = "ab";
	a.client_tls13_ciphers = "c";
	b.client_tls_ciphers = "a";
	b.client_tls13_ciphers = "bc";
	ck_assert(!is_same(&a, TLS_CLIENTS, &b, TLS_CLIENTS));
	/* a key of its own for the same certificate */
	a = b = nothing();
	a.client_tls_key = (struct conf_bytes){ .p = "k", .len = 1 };
	b.client_tls_key = (struct conf_bytes){ .p = "l", .len = 1 };
	ck_assert(!is_same(&a, TLS_CLIENTS, &b, TLS_CLIENTS));
	ck_assert(is_same(&a, TLS_SERVERS, &b, TLS_SERVERS));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tlsfiles");
	TCase *tc = tcase_create("tlsfiles");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, each_side_has_its_own);
	tcase_add_test(tc, authorities_are_named);
	tcase_add_test(tc, no_error_is_left);
	tcase_add_test(tc, reasons_are_not_mixed);
	tcase_add_test(tc, digests);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
