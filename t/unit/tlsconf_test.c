/* tlsconf_test.c - TLS settings and files: what is refused, and why. */
#include "conf/tlsconf.h"

#include <sys/wait.h>
#include <openssl/ssl.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/conf.h"
#include "t/unit/certs.h"
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static struct conf_files files;
static struct conf_faults faults;
static struct cert ca, own, other;
static char *ca_pem, *own_pem, *own_key, *other_key, *locked_key;

static void
setup(void)
{
	conf_files_init(&files);
	conf_faults_init(&faults);
	ca = cert_make(&(struct cert_want){ .cn = "ca", .is_ca = true });
	own = cert_make(&(struct cert_want){ .cn = "own", .by = &ca });
	other = cert_make(&(struct cert_want){ .cn = "other", .by = &ca });
	ca_pem = cert_pem(&ca);
	own_pem = cert_pem(&own);
	own_key = cert_key_pem(&own, NULL);
	other_key = cert_key_pem(&other, NULL);
	locked_key = cert_key_pem(&own, "phrase");
}

static void
teardown(void)
{
	char *texts[] = { ca_pem, own_pem, own_key, other_key, locked_key };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		free(texts[i]);
	cert_free(&ca);
	cert_free(&own);
	cert_free(&other);
	conf_files_free(&files);
	conf_faults_free(&faults);
}

/* The files that settings in these tests name. */
static void
add_files(void)
{
	char chain[8192];

	snprintf(chain, sizeof(chain), "%s%s", own_pem, ca_pem);
	text_add(&files, "key", own_key);
	text_add(&files, "cert", own_pem);
	text_add(&files, "chain", chain);
	text_add(&files, "ca", ca_pem);
	text_add(&files, "other", other_key);
	text_add(&files, "locked", locked_key);
	text_add(&files, "empty", "");
	text_add_len(&files, "binary", "\0\1\2\377", 4);
	text_add_len(&files, "torn", own_pem, strlen(own_pem) / 2);
	snprintf(chain, sizeof(chain), "%s%.200s", own_pem, ca_pem);
	text_add(&files, "half", chain);
	/* key and certificate in one */
	snprintf(chain, sizeof(chain), "%s%s", own_key, own_pem);
	text_add(&files, "both", chain);
}

static struct conf *
load(const char *settings)
{
	char text[2000];

	conf_files_free(&files);
	conf_faults_free(&faults);
	snprintf(text, sizeof(text), "[pooler]\n%s", settings);
	text_add(&files, "main.ini", text);
	add_files();
	return conf_load(&files, &faults);
}

static void
good(const char *settings)
{
	struct conf *c = load(settings);

	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_uint_eq(faults.count, 0);
	conf_free(c);
}

static void
bad(const char *settings, const char *want)
{
	ck_assert_ptr_null(load(settings));
	ck_assert_str_eq(text_faults(&faults), want);
}

/* The context of `settings`, which are in order. */
static SSL_CTX *
build(enum tls_side side, const char *settings)
{
	const struct tlsconf_ear deaf = { .tell = NULL };
	struct conf *c = load(settings);
	SSL_CTX *x;

	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	x = tlsconf_build(c, side, &deaf);
	conf_free(c);
	return x;
}

#define ALLOW "client_tls_sslmode = allow\n"
#define OURS  ALLOW "client_tls_key_file = key\nclient_tls_cert_file = cert\n"

START_TEST(what_is_good)
{
	static const char *const settings[] = { "", OURS,
		OURS "client_tls_ca_file = ca\n",
		ALLOW "client_tls_key_file = both\n"
		      "client_tls_cert_file = both\n",
		ALLOW "client_tls_key_file = key\n"
		      "client_tls_cert_file = chain\n",
		"server_tls_sslmode = prefer\nserver_tls_key_file = key\n"
		"server_tls_cert_file = cert\nserver_tls_ca_file = chain\n",
		/* what is off is not looked at */
		"client_tls_key_file = gone\nclient_tls_protocols = x\n"
		"server_tls_sslmode = disable\nserver_tls_ca_file = torn\n",
		OURS "client_tls_protocols = tlsv1.2\n",
		OURS "client_tls_protocols = TLSv1.0, tlsv1.3\n",
		OURS "client_tls_protocols = all, !tlsv1.0\n",
		OURS "client_tls_protocols = legacy\n",
		OURS "client_tls_ciphers = all\n",
		OURS "client_tls_ciphers = fast\n",
		OURS "client_tls_ciphers = ECDHE+AESGCM:!aNULL\n",
		OURS "client_tls13_ciphers = TLS_AES_128_GCM_SHA256\n",
		OURS "client_tls_ecdhcurve = none\n",
		OURS "client_tls_ecdhcurve = prime256v1\n",
		OURS "client_tls_ecdhcurve = X25519:P-256\n",
		OURS "client_tls_dheparams = none\n",
		OURS "client_tls_dheparams = Legacy\n" };

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		good(settings[i]);
}
END_TEST

static const struct {
	const char *settings, *want;
} faulty[] = {
	{ ALLOW,
	    "main.ini:2: client_tls_cert_file: clients over TLS need a "
	    "certificate\n"
	    "main.ini:2: client_tls_key_file: a certificate needs its "
	    "key\n" },
	{ ALLOW "client_tls_key_file = key\nclient_tls_cert_file = gone\n",
	    "main.ini:4: client_tls_cert_file: \"gone\" cannot be read: does "
	    "it exist, and may this user read it?\n" },
	{ ALLOW "client_tls_key_file = gone\nclient_tls_cert_file = cert\n",
	    "main.ini:3: client_tls_key_file: \"gone\" cannot be read: does "
	    "it exist, and may this user read it?\n" },
	{ ALLOW "client_tls_key_file = other\nclient_tls_cert_file = cert\n",
	    "main.ini:3: client_tls_key_file: the key in \"other\" does not "
	    "fit the certificate\n" },
	{ ALLOW "client_tls_key_file = key\nclient_tls_cert_file = empty\n",
	    "main.ini:4: client_tls_cert_file: \"empty\" holds no "
	    "certificate\n" },
	{ ALLOW "client_tls_key_file = key\nclient_tls_cert_file = binary\n",
	    "main.ini:4: client_tls_cert_file: \"binary\" holds no "
	    "certificate\n" },
	{ ALLOW "client_tls_key_file = key\nclient_tls_cert_file = key\n",
	    "main.ini:4: client_tls_cert_file: \"key\" holds no "
	    "certificate\n" },
	{ OURS "client_tls_ca_file = empty\n",
	    "main.ini:5: client_tls_ca_file: \"empty\" holds no "
	    "certificate\n" },
	{ OURS "client_tls_protocols = tlsv1.2, sslv3\n",
	    "main.ini:5: client_tls_protocols: \"sslv3\" is none of all, "
	    "secure, legacy, tlsv1.0, tlsv1.1, tlsv1.2, tlsv1.3\n" },
	{ OURS "client_tls_protocols = tlsv1.2, !tlsv1.2\n",
	    "main.ini:5: client_tls_protocols: no TLS version is left\n" },
	{ OURS "client_tls_protocols =\n",
	    "main.ini:5: client_tls_protocols: no TLS version is left\n" },
	{ OURS "client_tls_ciphers = frob\n",
	    "main.ini:5: client_tls_ciphers: the TLS library knows no such "
	    "cipher\n" },
	{ OURS "client_tls13_ciphers = frob\n",
	    "main.ini:5: client_tls13_ciphers: the TLS library does not know "
	    "all these cipher suites\n" },
	{ OURS "client_tls_ecdhcurve = frob\n",
	    "main.ini:5: client_tls_ecdhcurve: it is none, auto, or a curve "
	    "that the TLS library knows\n" },
	{ OURS "client_tls_dheparams = frob\n",
	    "main.ini:5: client_tls_dheparams: it is none, auto or "
	    "legacy\n" },
	{ "server_tls_key_file = key\n",
	    ":0: server_tls_cert_file: a key needs its certificate\n" },
	{ "server_tls_cert_file = cert\n",
	    ":0: server_tls_key_file: a certificate needs its key\n" },
	{ "server_tls_ca_file = gone\nserver_tls_protocols = x\n",
	    "main.ini:2: server_tls_ca_file: \"gone\" cannot be read: does it "
	    "exist, and may this user read it?\n"
	    "main.ini:3: server_tls_protocols: \"x\" is none of all, secure, "
	    "legacy, tlsv1.0, tlsv1.1, tlsv1.2, tlsv1.3\n" },
};

START_TEST(what_is_bad)
{
	bad(faulty[_i].settings, faulty[_i].want);
}
END_TEST

/* Where the library has the last word, ours names setting and file. */
START_TEST(torn_and_locked)
{
	static const struct {
		const char *settings, *start;
	} v[] = { { ALLOW "client_tls_key_file = locked\n"
			  "client_tls_cert_file = cert\n",
		      "main.ini:3: client_tls_key_file: \"locked\" holds no "
		      "private key that can be read (one with a pass phrase "
		      "cannot)" },
		{ ALLOW "client_tls_key_file = cert\n"
			"client_tls_cert_file = cert\n",
		    "main.ini:3: client_tls_key_file: \"cert\" holds no "
		    "private key that can be read" },
		{ ALLOW "client_tls_key_file = key\n"
			"client_tls_cert_file = torn\n",
		    "main.ini:4: client_tls_cert_file: a certificate in "
		    "\"torn\" is not usable: " },
		{ ALLOW "client_tls_key_file = key\n"
			"client_tls_cert_file = half\n",
		    "main.ini:4: client_tls_cert_file: a certificate in "
		    "\"half\" is not usable: " },
		{ OURS "client_tls_ca_file = half\n",
		    "main.ini:5: client_tls_ca_file: a certificate in \"half\" "
		    "is not usable: " } };

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		ck_assert_ptr_null(load(v[i].settings));
		ck_assert_uint_eq(faults.count, 1);
		ck_assert_msg(strncmp(text_faults(&faults), v[i].start,
				  strlen(v[i].start)) == 0,
		    "%s", text_faults(&faults));
	}
}
END_TEST

START_TEST(weak_keys)
{
	struct cert weak =
	    cert_make(&(struct cert_want){ .cn = "weak", .rsa_bits = 1024 });
	char *pem = cert_pem(&weak), *key = cert_key_pem(&weak, NULL);
	char *was_pem = own_pem, *was_key = own_key;

	own_pem = pem;
	own_key = key;
	ck_assert_ptr_null(load(OURS));
	ck_assert_ptr_nonnull(strstr(text_faults(&faults),
	    "client_tls_cert_file: a certificate in \"cert\" is not usable: "
	    "ee key too small\n"));
	/* said before the key, the ciphers may ask for less */
	good(OURS "client_tls_ciphers = ALL:@SECLEVEL=0\n");
	own_pem = was_pem;
	own_key = was_key;
	free(pem);
	free(key);
	cert_free(&weak);
}
END_TEST

START_TEST(verifying_needs_authorities)
{
	static const char server[] = "server_tls_ca_file: sslmode = "
				     "verify-full needs authorities to check "
				     "against\n";
	static const char client[] = "client_tls_ca_file: sslmode = verify-ca "
				     "needs authorities to check against\n";

	ck_assert_ptr_null(load("server_tls_sslmode = verify-full\n"));
	ck_assert_ptr_nonnull(strstr(text_faults(&faults), server));
	conf_free(load("server_tls_sslmode = verify-full\n"
		       "server_tls_ca_file = ca\n"));
	ck_assert_ptr_null(strstr(text_faults(&faults), server));
	ck_assert_ptr_null(load(OURS "client_tls_sslmode = verify-ca\n"));
	ck_assert_ptr_nonnull(strstr(text_faults(&faults), client));
}
END_TEST

START_TEST(off_is_no_context)
{
	ck_assert_ptr_null(build(TLS_CLIENTS, ""));
	ck_assert_ptr_null(
	    build(TLS_SERVERS, "server_tls_sslmode = disable\n"));
}
END_TEST

START_TEST(versions_and_ciphers)
{
	SSL_CTX *x = build(TLS_CLIENTS, OURS);

	ck_assert_int_eq(SSL_CTX_get_min_proto_version(x), TLS1_2_VERSION);
	ck_assert_int_eq(SSL_CTX_get_max_proto_version(x), TLS1_3_VERSION);
	SSL_CTX_free(x);
	x = build(
	    TLS_CLIENTS, OURS "client_tls_protocols = tlsv1.3, tlsv1.1\n");
	ck_assert_int_eq(SSL_CTX_get_min_proto_version(x), TLS1_1_VERSION);
	ck_assert_int_eq(SSL_CTX_get_max_proto_version(x), TLS1_3_VERSION);
	ck_assert_uint_ne(SSL_CTX_get_options(x) & SSL_OP_NO_TLSv1_2, 0);
	ck_assert_uint_eq(SSL_CTX_get_options(x) & SSL_OP_NO_TLSv1_1, 0);
	SSL_CTX_free(x);
	x = build(TLS_SERVERS, "server_tls_protocols = all\n");
	ck_assert_int_eq(SSL_CTX_get_min_proto_version(x), TLS1_VERSION);
	SSL_CTX_free(x);
	x = build(TLS_CLIENTS,
	    OURS "client_tls_ciphers = ECDHE-RSA-AES256-GCM-SHA384\n"
		 "client_tls13_ciphers = TLS_CHACHA20_POLY1305_SHA256\n");
	ck_assert_int_eq(sk_SSL_CIPHER_num(SSL_CTX_get_ciphers(x)), 2);
	ck_assert_str_eq(
	    SSL_CIPHER_get_name(sk_SSL_CIPHER_value(SSL_CTX_get_ciphers(x), 0)),
	    "TLS_CHACHA20_POLY1305_SHA256");
	SSL_CTX_free(x);
	x = build(TLS_CLIENTS, OURS "client_tls_ecdhcurve = none\n");
	for (int i = 0; i < sk_SSL_CIPHER_num(SSL_CTX_get_ciphers(x)); i++)
		ck_assert_ptr_null(
		    strstr(SSL_CIPHER_get_name(
			       sk_SSL_CIPHER_value(SSL_CTX_get_ciphers(x), i)),
			"ECDHE"));
	SSL_CTX_free(x);
}
END_TEST

/* Are the contexts of two texts, with the files of now, the same? */
static bool
is_same(const char *a, const char *b, enum tls_side side)
{
	uint8_t x[TLSCONF_DIGEST], y[TLSCONF_DIGEST];
	struct conf *c = load(a);

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(tlsconf_digest(c, side, x), 0);
	conf_free(c);
	c = load(b);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(tlsconf_digest(c, side, y), 0);
	conf_free(c);
	return memcmp(x, y, sizeof(x)) == 0;
}

START_TEST(digest)
{
	ck_assert(is_same(OURS, "max_client_conn = 7\n" OURS, TLS_CLIENTS));
	ck_assert(!is_same(OURS, OURS "client_tls_ca_file = ca\n", 0));
	ck_assert(!is_same(OURS, OURS "client_tls_ciphers = all\n", 0));
	ck_assert(!is_same(OURS, OURS "client_tls_dheparams = none\n", 0));
	ck_assert(!is_same(OURS, OURS "client_tls_ecdhcurve = none\n", 0));
	ck_assert(!is_same(OURS, OURS "client_tls_protocols = all\n", 0));
	ck_assert(!is_same(
	    OURS, OURS "client_tls13_ciphers = TLS_AES_128_GCM_SHA256\n", 0));
	ck_assert(!is_same(OURS,
	    ALLOW "client_tls_key_file = key\nclient_tls_cert_file = chain\n",
	    TLS_CLIENTS));
	/* the other side is another matter, and a file's name is nothing */
	ck_assert(is_same(OURS, OURS "client_tls_ca_file = ca\n", TLS_SERVERS));
	ck_assert(is_same(OURS "client_tls_ca_file = cert\n",
	    ALLOW "client_tls_cert_file = cert\nclient_tls_key_file = key\n"
		  "client_tls_ca_file = cert\n",
	    TLS_CLIENTS));
}
END_TEST

/* A changed file with a fault: the reload is refused as a whole. */
START_TEST(reload)
{
	struct conf *was = load(OURS), *c;
	struct conf_files next;

	ck_assert_ptr_nonnull(was);
	conf_files_init(&next);
	text_add(&next, "main.ini", "[pooler]\n" OURS);
	text_add(&next, "key", other_key);
	text_add(&next, "cert", own_pem);
	ck_assert_ptr_null(conf_reload(was, &next, &faults));
	ck_assert_str_eq(text_faults(&faults),
	    "main.ini:3: client_tls_key_file: the key in \"key\" does not fit "
	    "the certificate\n");
	conf_faults_free(&faults);
	free(next.v[1].bytes);
	next.v[1].bytes = strdup(own_key);
	next.v[1].len = strlen(own_key);
	c = conf_reload(was, &next, &faults);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	conf_free(was);
	conf_free(c);
	conf_files_free(&next);
}
END_TEST

/* A reload by who is not root any more, with a key that only root may read. */
static bool
reloads_without_root(const struct conf *was, const char *text)
{
	struct conf_files next;
	struct conf *c;

	conf_files_init(&next);
	text_add(&next, "main.ini", text);
	text_add(&next, "cert", own_pem);
	if (setuid(65534) == -1)
		return false;
	c = conf_reload(was, &next, &faults);
	return c != NULL && faults.count == 1 && faults.v[0].is_warning &&
	    c->client_tls_key.len == strlen(own_key);
}

START_TEST(reload_without_root)
{
	char path[] = "/tmp/tlsconf_test.XXXXXX", text[300];
	int fd = mkstemp(path), status;
	struct conf *was;
	pid_t pid;

	if (geteuid() != 0) {
		puts("tlsconf: reload_without_root needs root: not run");
		return;
	}
	ck_assert_int_ge(fd, 0);
	snprintf(text, sizeof(text),
	    "[pooler]\n" ALLOW "client_tls_cert_file = cert\n"
	    "client_tls_key_file = %s\n",
	    path);
	text_add(&files, "main.ini", text);
	text_add(&files, "cert", own_pem);
	text_add(&files, path, own_key);
	was = conf_load(&files, &faults);
	ck_assert_msg(was != NULL, "%s", text_faults(&faults));
	pid = fork();
	if (pid == 0)
		_exit(reloads_without_root(was, text) ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	conf_free(was);
	close(fd);
	unlink(path);
}
END_TEST

/* Cut anywhere, or with a bit turned, a file is a fault or harmless. */
START_TEST(hostile_files)
{
	const size_t len = strlen(own_pem);
	char *copy = strdup(own_pem), *was = own_pem;

	for (size_t i = 0; i < len; i += 7) {
		memcpy(copy, was, len + 1);
		copy[i] ^= 0x11;
		own_pem = copy;
		conf_free(load(OURS "client_tls_ca_file = cert\n"));
		memcpy(copy, was, len + 1);
		copy[i] = '\0';
		ck_assert_ptr_null(load(OURS));
	}
	own_pem = was;
	free(copy);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tlsconf");
	TCase *tc = tcase_create("tlsconf");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_is_good);
	tcase_add_loop_test(
	    tc, what_is_bad, 0, sizeof(faulty) / sizeof(*faulty));
	tcase_add_test(tc, torn_and_locked);
	tcase_add_test(tc, weak_keys);
	tcase_add_test(tc, verifying_needs_authorities);
	tcase_add_test(tc, off_is_no_context);
	tcase_add_test(tc, versions_and_ciphers);
	tcase_add_test(tc, digest);
	tcase_add_test(tc, reload);
	tcase_add_test(tc, reload_without_root);
	tcase_add_test(tc, hostile_files);
	return run_suite(s);
}
