/*
 * renew_test.c - SET: one setting changed on top of what runs.  What a
 * reload does is in conf_reload_test.c.
 */
#include "conf/conf.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "t/unit/certs.h"
#include "t/unit/conf_text.h"
#include "t/unit/run.h"
#include "t/unit/tempdir.h"

static struct conf_files files;
static struct conf_faults faults;
static struct conf *now; /* what the last set() made, or NULL */

/* NAME.crt and NAME.key. */
static void
put_cert(const char *name)
{
	struct cert c = cert_make(&(struct cert_want){ .cn = name });
	char *crt = cert_pem(&c), *key = cert_key_pem(&c, NULL), path[64];

	snprintf(path, sizeof(path), "%s.crt", name);
	put(path, crt);
	snprintf(path, sizeof(path), "%s.key", name);
	put(path, key);
	free(crt);
	free(key);
	cert_free(&c);
}

static void
setup(void)
{
	struct err e;

	tempdir_enter("renew_test");
	put_cert("one");
	put_cert("two");
	put("users", "\"a\" \"b\"\n");
	put("main.ini",
	    "[pgbouncer]\ndefault_pool_size = 3\nauth_file = users\n"
	    "client_tls_sslmode = allow\nclient_tls_cert_file = one.crt\n"
	    "client_tls_key_file = one.key\n[databases]\na = host=h\n");
	conf_faults_init(&faults);
	conf_files_init(&files);
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
	now = NULL;
}

static void
teardown(void)
{
	conf_free(now);
	conf_files_free(&files);
	conf_faults_free(&faults);
	tempdir_leave();
}

static bool
set2(const char *k1, const char *v1, const char *k2, const char *v2)
{
	struct conf_setting v[] = { { k1, v1 }, { k2, v2 } };

	conf_faults_free(&faults);
	conf_free(now);
	now = conf_set(&files, v, k2 == NULL ? 1 : 2, &faults);
	ck_assert_int_eq(now != NULL, faults.faults == 0);
	return now != NULL;
}

static bool
set(const char *key, const char *value)
{
	return set2(key, value, NULL, NULL);
}

START_TEST(one_changes)
{
	put("main.ini", "[pgbouncer]\nfrob = 1\n");
	ck_assert(set("default_pool_size", "4"));
	ck_assert_int_eq(now->default_pool_size, 4);
	ck_assert(set("pool_mode", "Transaction"));
	ck_assert_int_eq(now->pool_mode, POOL_TRANSACTION);
	/* the file's other settings, and what was set before, are as they were */
	ck_assert_int_eq(now->default_pool_size, 4);
	ck_assert_ptr_nonnull(conf_db_find(now, "a"));
	ck_assert_str_eq(now->client_tls_cert_file, "one.crt");
	ck_assert(set("default_pool_size", "5"));
	ck_assert_int_eq(now->default_pool_size, 5);
	ck_assert_uint_eq(faults.count, 0);
}
END_TEST

START_TEST(what_is_refused)
{
	static const struct {
		const char *key, *value, *why;
	} v[] = {
		{ "frob", "1", ":0: unknown setting: frob\n" },
		{ "default_pool_size", "many",
		    ":0: default_pool_size: \"many\" is not allowed; it is a "
		    "whole number from 0 to 2147483647\n" },
		{ "listen_port", "7000",
		    ":0: listen_port: a change needs a restart\n" },
		{ "service_name", "x",
		    ":0: service_name: a change needs a restart\n" },
		/* the whole is checked, not the one */
		{ "server_tls_negotiation", "direct",
		    ":0: server_tls_negotiation = direct needs "
		    "server_tls_sslmode = require or more\n" },
		{ "auth_file", "gone",
		    ":0: the auth_file \"gone\" cannot be read: does it exist, "
		    "and may this user read it?\n" },
		{ "auth_type", "hba",
		    ":0: auth_type = hba needs an auth_hba_file\n" },
		{ "client_tls_ca_file", "gone",
		    ":0: client_tls_ca_file: \"gone\" cannot be read: does it "
		    "exist, and may this user read it?\n" },
		/* a rule is made of these */
		{ "auth_ldap_options", "ldapserver=h\nhost all all all trust",
		    ":0: auth_ldap_options: a value has no control "
		    "characters\n" },
		{ "job_name\n", "1", ":0: unknown setting: job_name\n\n" },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		struct conf_files was = files;
		struct err e;

		conf_files_init(&files);
		ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
		ck_assert_msg(!set(v[i].key, v[i].value), "%s", v[i].key);
		ck_assert_str_eq(text_faults(&faults), v[i].why);
		ck_assert_uint_eq(faults.halves, 0);
		conf_files_free(&files);
		files = was;
	}
}
END_TEST

/* A certificate alone does not fit the key, but it is good. */
START_TEST(halves_of_a_pair)
{
	ck_assert(!set("client_tls_cert_file", "two.crt"));
	ck_assert_uint_eq(faults.faults, 1);
	ck_assert_uint_eq(faults.halves, 1);
	ck_assert_ptr_nonnull(strstr(text_faults(&faults), "one.key"));
	ck_assert(set2("client_tls_key_file", "two.key", "client_tls_cert_file",
	    "two.crt"));
	ck_assert_str_eq(now->client_tls_key_file, "two.key");
	ck_assert_str_eq(now->client_tls_cert_file, "two.crt");
	ck_assert_uint_eq(faults.halves, 0);
	/* what is no certificate is nobody's half */
	ck_assert(!set("client_tls_cert_file", "users"));
	ck_assert_uint_eq(faults.halves, 0);
	ck_assert_ptr_nonnull(strstr(text_faults(&faults), "\"users\""));
	ck_assert(!set("client_tls_cert_file", "gone"));
	ck_assert_uint_eq(faults.halves, 0);
	ck_assert(!set("client_tls_cert_file", ""));
	ck_assert_uint_eq(faults.halves, 0);
	ck_assert(set("client_tls_cert_file", "two.crt"));
	/* at servers each may be missing, but not one alone */
	ck_assert(!set("server_tls_key_file", "one.key"));
	ck_assert_uint_eq(faults.halves, 1);
	ck_assert_uint_eq(faults.faults, 1);
	ck_assert(!set2(
	    "server_tls_key_file", "", "server_tls_cert_file", "one.crt"));
	ck_assert_uint_eq(faults.halves, 1);
	ck_assert(set2("server_tls_key_file", "one.key", "server_tls_cert_file",
	    "one.crt"));
}
END_TEST

/* Certificates differ in length, too: a signature is as long as its numbers. */
static bool
is_certificate(const void *was, size_t len)
{
	return now->client_tls_cert.len == len &&
	    memcmp(was, now->client_tls_cert.p, len) == 0;
}

/* The same name again: what stands there now. */
START_TEST(files_are_read_anew)
{
	size_t len;
	char *was;

	ck_assert(set("client_tls_sslmode", "prefer"));
	len = now->client_tls_cert.len;
	was = strndup(now->client_tls_cert.p, len);
	put_cert("one");
	/* another setting does not look */
	ck_assert(set("default_pool_size", "9"));
	ck_assert(is_certificate(was, len));
	/* either half reads both */
	ck_assert(set("client_tls_key_file", "one.key"));
	ck_assert(!is_certificate(was, len));
	put("one.key", "torn");
	ck_assert(!set("client_tls_ca_file", ""));
	ck_assert_ptr_nonnull(strstr(text_faults(&faults), "one.key"));
	free(was);
}
END_TEST

/* A reload drops what was set, unless its default is "none". */
START_TEST(reload_drops)
{
	struct conf *fresh;
	struct err e;

	put("users2", "");
	ck_assert(set("default_pool_size", "4"));
	ck_assert(set("max_client_conn", "5"));
	ck_assert(set("auth_user", "asks"));
	ck_assert(set("auth_file", "users2"));
	ck_assert(set("verbose", "2"));
	conf_files_free(&files);
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
	fresh = conf_reload(now, &files, &faults);
	ck_assert_ptr_nonnull(fresh);
	ck_assert_int_eq(fresh->default_pool_size, 3);
	ck_assert_int_eq(fresh->max_client_conn, 100);
	ck_assert_str_eq(fresh->auth_user, "asks");
	ck_assert_str_eq(fresh->auth_file, "users");
	ck_assert_int_eq(fresh->verbose, 2);
	conf_free(fresh);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("renew");
	TCase *tc = tcase_create("renew");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, one_changes);
	tcase_add_test(tc, what_is_refused);
	tcase_add_test(tc, halves_of_a_pair);
	tcase_add_test(tc, files_are_read_anew);
	tcase_add_test(tc, reload_drops);
	return run_suite(s);
}
