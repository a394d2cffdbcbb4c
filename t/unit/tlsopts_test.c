/*
 * tlsopts_test.c - versions, ciphers and key exchange: what their words mean
 * to a client that comes.
 */
#include "conf/tlsconf.h"

#include <openssl/conf.h>
#include <openssl/ssl.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/keys.h"
#include "t/unit/certs.h"
#include "t/unit/run.h"

enum { RSA_BITS = 2048, TURNS = 50 };

static struct cert own;
static char *own_pem, *own_key;
static struct conf conf;
static const char *told; /* the last setting that was refused */

static void
on_fault(void *arg, const char *key, const char *why)
{
	static char last[64];

	(void)arg, (void)why;
	snprintf(last, sizeof(last), "%s", key);
	told = last;
}

static void
set_up(void)
{
	own =
	    cert_make(&(struct cert_want){ .cn = "own", .rsa_bits = RSA_BITS });
	own_pem = cert_pem(&own);
	own_key = cert_key_pem(&own, NULL);
	memset(&conf, 0, sizeof(conf));
	keys_default(KEY_GLOBAL, &conf);
	conf.client_tls_sslmode = SSLMODE_REQUIRE;
	conf.client_tls_cert.p = own_pem;
	conf.client_tls_cert.len = strlen(own_pem);
	conf.client_tls_key.p = own_key;
	conf.client_tls_key.len = strlen(own_key);
	told = NULL;
}

static void
tear_down(void)
{
	free(own_pem);
	free(own_key);
	cert_free(&own);
}

static SSL_CTX *
build(void)
{
	const struct tlsconf_ear ear = { .tell = on_fault };

	return tlsconf_build(&conf, TLS_CLIENTS, &ear);
}

static SSL_CTX *
good(void)
{
	SSL_CTX *x = build();

	ck_assert_msg(x != NULL, "%s", told);
	return x;
}

static void
bad(const char *key)
{
	ck_assert_ptr_null(build());
	ck_assert_str_eq(told, key);
}

/* --- words ------------------------------------------------------------------ */

START_TEST(versions)
{
	static const struct {
		const char *text;
		int lowest, highest; /* 0: refused */
	} v[] = {
		{ "default", TLS1_2_VERSION, TLS1_3_VERSION },
		{ "Secure", TLS1_2_VERSION, TLS1_3_VERSION },
		{ "tlsv1", TLS1_VERSION, TLS1_3_VERSION },
		{ "all", TLS1_VERSION, TLS1_3_VERSION },
		/* all but what is named */
		{ "!tlsv1.0", TLS1_1_VERSION, TLS1_3_VERSION },
		{ "!tlsv1.0,!tlsv1.1,!tlsv1.3", TLS1_2_VERSION,
		    TLS1_2_VERSION },
		{ "tlsv1.1,tlsv1.2", TLS1_1_VERSION, TLS1_2_VERSION },
		/* the beginning of a word is no word */
		{ "tls", 0, 0 },
		{ "tlsv1.", 0, 0 },
		{ "al", 0, 0 },
		{ "allx", 0, 0 },
		{ "!", 0, 0 },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		SSL_CTX *x;

		conf.client_tls_protocols = v[i].text;
		if (v[i].lowest == 0) {
			bad("client_tls_protocols");
			continue;
		}
		x = good();
		ck_assert_int_eq(SSL_CTX_get_min_proto_version(x), v[i].lowest);
		ck_assert_int_eq(
		    SSL_CTX_get_max_proto_version(x), v[i].highest);
		SSL_CTX_free(x);
	}
}
END_TEST

/* Versions that the system's settings leave out are ours to take, too. */
START_TEST(versions_of_the_system)
{
	static const char system[] = "openssl_conf = init\n"
				     "[init]\nssl_conf = ssl\n"
				     "[ssl]\nsystem_default = sys\n"
				     "[sys]\nProtocol = -TLSv1.2\n"
				     "MinProtocol = TLSv1.3\n";
	char path[] = "/tmp/tlsopts.XXXXXX";
	int fd = mkstemp(path);
	SSL_CTX *x;

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(
	    write(fd, system, strlen(system)), (ssize_t)strlen(system));
	close(fd);
	OPENSSL_load_builtin_modules();
	ck_assert_int_eq(CONF_modules_load_file(path, NULL, 0), 1);
	unlink(path);
	/* it does hold, where nothing else is said */
	x = SSL_CTX_new(TLS_server_method());
	ck_assert_uint_ne(SSL_CTX_get_options(x) & SSL_OP_NO_TLSv1_2, 0);
	SSL_CTX_free(x);
	conf.client_tls_protocols = "tlsv1.2";
	x = good();
	ck_assert_uint_eq(SSL_CTX_get_options(x) & SSL_OP_NO_TLSv1_2, 0);
	ck_assert_int_eq(SSL_CTX_get_min_proto_version(x), TLS1_2_VERSION);
	SSL_CTX_free(x);
	CONF_modules_finish();
}
END_TEST

/* Everything is not what proves nobody, and encrypts nothing. */
START_TEST(all_ciphers)
{
	STACK_OF(SSL_CIPHER) * list;
	SSL_CTX *x;

	conf.client_tls_ciphers = "all";
	x = good();
	list = SSL_CTX_get_ciphers(x);
	ck_assert_int_gt(sk_SSL_CIPHER_num(list), 10);
	for (int i = 0; i < sk_SSL_CIPHER_num(list); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(list, i);

		ck_assert_int_ne(SSL_CIPHER_get_auth_nid(c), NID_auth_null);
		ck_assert_int_gt(SSL_CIPHER_get_bits(c, NULL), 0);
	}
	SSL_CTX_free(x);
}
END_TEST

START_TEST(default_ciphers)
{
	static const char *const words[] = { "", "default", "secure", "fast",
		"Normal" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		conf.client_tls_ciphers = words[i];
		SSL_CTX_free(good());
	}
}
END_TEST

/* Too long for us is refused, and not cut off where it may end well. */
START_TEST(long_ciphers)
{
	char list[1200] = "AES128-SHA";

	while (strlen(list) < 1023)
		strcat(list, ":AES128-SHA");
	strcat(list, ":frob");
	conf.client_tls_ciphers = list;
	bad("client_tls_ciphers");
	for (char *c = list + 10; *c != '\0'; c++)
		*c = ':';
	bad("client_tls_ciphers");
}
END_TEST

/* --- Diffie and Hellman -------------------------------------------------------- */

/* Bits of the group that a client is offered; 0: the two do not agree. */
static int
group_bits(void)
{
	SSL_CTX *x = good(), *theirs = SSL_CTX_new(TLS_client_method());
	SSL *near = SSL_new(x), *far = SSL_new(theirs);
	BIO *a, *b;
	EVP_PKEY *group = NULL;
	int bits = 0, done = 0;

	SSL_set_security_level(near, 0);
	SSL_set_security_level(far, 0);
	SSL_set_max_proto_version(far, TLS1_2_VERSION);
	ck_assert_int_eq(SSL_set_cipher_list(far, "kDHE"), 1);
	ck_assert_int_eq(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(near, a, a);
	SSL_set_bio(far, b, b);
	SSL_set_accept_state(near);
	SSL_set_connect_state(far);
	for (int i = 0; i < TURNS && done != 3; i++) {
		done = SSL_do_handshake(far) == 1;
		done |= (SSL_do_handshake(near) == 1) << 1;
	}
	if (done == 3 && SSL_get_peer_tmp_key(far, &group) == 1)
		bits = EVP_PKEY_bits(group);
	EVP_PKEY_free(group);
	SSL_free(near);
	SSL_free(far);
	SSL_CTX_free(x);
	SSL_CTX_free(theirs);
	return bits;
}

START_TEST(groups)
{
	static const struct {
		const char *text;
		int bits;
	} v[] = { { "", RSA_BITS }, { "auto", RSA_BITS }, { "legacy", 1024 },
		{ "none", 0 } };

	conf.client_tls_ciphers = "ALL:@SECLEVEL=0";
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		conf.client_tls_dheparams = v[i].text;
		ck_assert_int_eq(group_bits(), v[i].bits);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tlsopts");
	TCase *tc = tcase_create("tlsopts");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, versions);
	tcase_add_test(tc, versions_of_the_system);
	tcase_add_test(tc, all_ciphers);
	tcase_add_test(tc, default_ciphers);
	tcase_add_test(tc, long_ciphers);
	tcase_add_test(tc, groups);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
