/* conf_test.c - load a configuration as a whole. */
#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/users.h"
#include "t/unit/confsim.h"

START_TEST(empty)
{
	struct conf *c = good("");

	ck_assert_int_eq(c->listen_port, 6432);
	ck_assert_int_eq(c->workers, compat_cpus());
	ck_assert_str_eq(c->conffile, "main.ini");
	ck_assert_uint_eq(c->n_dbs, 0);
	ck_assert_ptr_null(c->users);
	conf_free(c);
	conf_free(NULL);

	conf_files_free(&files);
	ck_assert_ptr_null(conf_load(&files, &faults));
	ck_assert_uint_eq(faults.faults, 1);
}
END_TEST

START_TEST(whole)
{
	struct conf *c = good("; all sections, twice\n"
			      "[databases]\n"
			      "b = host=h2\n"
			      "a = host=h1\n"
			      "* = host=any\n"
			      "[pgbouncer]\n"
			      "listen_port = 7000\n"
			      "default_pool_size=0\n"
			      "server_reset_query = select 'it''s' ; all\n"
			      "workers = 3\n"
			      "[users]\n"
			      "joe = pool_mode=session\n"
			      "[peers]\n"
			      "2 = host=p2\n1 = host=p1\n"
			      "[databases]\n"
			      "a = host=h3 pool_size=4\n"
			      "[pooler]\n"
			      "listen_port = 7001\n"
			      "service_name = svc\n");

	ck_assert_int_eq(c->listen_port, 7001);
	ck_assert_int_eq(c->default_pool_size, 0);
	ck_assert_int_eq(c->workers, 3);
	ck_assert_str_eq(c->server_reset_query, "select 'it''s' ; all");
	ck_assert_str_eq(c->job_name, "svc");
	ck_assert_uint_eq(c->n_dbs, 3);
	ck_assert_str_eq(c->dbs[0].name, "*");
	ck_assert_str_eq(c->dbs[1].name, "a");
	ck_assert_str_eq(c->dbs[1].host, "h3");
	ck_assert_int_eq(c->dbs[1].pool_size, 4);
	ck_assert_uint_eq(c->dbs[1].line, 17);
	ck_assert_str_eq(c->dbs[2].name, "b");
	ck_assert_uint_eq(c->n_user_rows, 1);
	ck_assert_uint_eq(c->n_peers, 2);
	ck_assert_int_eq(c->peers[0].id, 1);
	ck_assert_str_eq(c->peers[0].host, "p1");
	conf_free(c);
}
END_TEST

/* The configuration needs nothing of the files once it is loaded. */
START_TEST(outlives_files)
{
	struct conf *c = good("[databases]\nx = host=h\n[users]\nu =\n"
			      "[pooler]\nlogfile = /l\n");

	conf_files_free(&files);
	ck_assert_str_eq(c->logfile, "/l");
	ck_assert_str_eq(c->dbs[0].name, "x");
	ck_assert_str_eq(c->dbs[0].file, "main.ini");
	ck_assert_str_eq(c->user_rows[0].name, "u");
	ck_assert_str_eq(c->conffile, "main.ini");
	conf_free(c);
}
END_TEST

START_TEST(includes)
{
	struct conf *c;

	text_add(&files, "main.ini",
	    "[databases]\na = host=1\n%include more.ini\nlisten_port=9\n");
	text_add(&files, "more.ini",
	    "b = host=2\n[pooler]\nlisten_port=8\n%include deep.ini\n");
	text_add(&files, "deep.ini", "max_client_conn = 7\n");
	c = conf_load(&files, &faults);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->n_dbs, 2);
	ck_assert_str_eq(c->dbs[0].file, "main.ini");
	ck_assert_str_eq(c->dbs[1].file, "more.ini");
	ck_assert_uint_eq(c->dbs[1].line, 1);
	ck_assert_int_eq(c->listen_port, 9);
	ck_assert_int_eq(c->max_client_conn, 7);
	conf_free(c);
	bad("%include gone.ini\nx = 1\n[pooler]\ny = 2\n",
	    "main.ini:1: cannot read the included file \"gone.ini\": does it "
	    "exist, and may this user read it?\n"
	    "main.ini:2: a setting before the first [section]\n"
	    "main.ini:4: unknown setting: y\n");
}
END_TEST

START_TEST(all_faults_at_once)
{
	bad("early = 1\n"
	    "[pooler]\n"
	    "listen_port = x\n"
	    "frob = 1\n"
	    "not a line\n"
	    "[wrong]\n"
	    "ignored = 1\n"
	    "[databases]\n"
	    "d = frob=1 port=x\n"
	    "[users]\n"
	    "u = frob=1\n"
	    "[peers]\n"
	    "p = host=h\n",
	    "main.ini:1: a setting before the first [section]\n"
	    "main.ini:3: listen_port: \"x\" is not allowed; it is a whole "
	    "number from 1 to 65535\n"
	    "main.ini:4: unknown setting: frob\n"
	    "main.ini:5: syntax error: no = behind the key\n"
	    "main.ini:6: unknown section: [wrong]\n"
	    "main.ini:9: unrecognized connection parameter: frob\n"
	    "main.ini:9: port: \"x\" is not allowed; it is a whole number "
	    "from 1 to 65535\n"
	    "main.ini:11: unrecognized connection parameter: frob\n"
	    "main.ini:13: peer \"p\": its id is a number from 1 to 16383\n");
	ck_assert_uint_eq(faults.faults, 9);
	bad("[PgBouncer]\n", "main.ini:1: unknown section: [PgBouncer]\n");
}
END_TEST

START_TEST(not_yet_is_refused_where_it_protects)
{
	bad("[pooler]\nauth_type = cert\n",
	    "main.ini:2: auth_type = cert needs a client_tls_sslmode\n"
	    "main.ini:2: auth_type = cert needs a client_tls_ca_file\n");
	bad("[pooler]\nclient_tls_sslmode = require\n",
	    "main.ini:2: client_tls_cert_file: clients over TLS need a "
	    "certificate\n"
	    "main.ini:2: client_tls_key_file: a certificate needs its key\n");
	bad("[pooler]\n\nserver_tls_negotiation = direct\n",
	    "main.ini:3: server_tls_negotiation = direct needs "
	    "server_tls_sslmode = require or more\n");
	conf_free(good("[pooler]\nserver_tls_negotiation = direct\n"
		       "server_tls_sslmode = require\n"));
	bad("[pooler]\nsyslog_facility = local9\n",
	    "main.ini:2: syslog_facility: there is none of that name\n");
	/* the last one holds, and what it promises can be kept */
	conf_free(good("[pooler]\nauth_type = cert\nauth_type = any\n"
		       "server_tls_sslmode = allow\n"));
}
END_TEST

START_TEST(auth_file)
{
	struct conf *c;

	text_add(&files, "main.ini", "[pooler]\nauth_file = users\n");
	text_add(&files, "users", "\"joe\" \"x\"\n");
	c = conf_load(&files, &faults);
	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(users_find(c->users, "joe")->secret, "x");
	conf_free(c);
	conf_files_free(&files);

	text_add(&files, "main.ini", "[pooler]\nauth_file = users\n");
	text_add(&files, "users", "\"joe\" \"x\"\n\n\"jim\n");
	ck_assert_ptr_null(conf_load(&files, &faults));
	ck_assert_str_eq(text_faults(&faults),
	    "users:3: broken user file: no \" behind the user name\n");
	ck_assert_ptr_null(load("[pooler]\nauth_file = users\n"));
	ck_assert_uint_eq(faults.faults, 1);
	ck_assert_uint_eq(faults.v[0].line, 2);
	ck_assert_ptr_nonnull(strstr(faults.v[0].text, "\"users\""));
}
END_TEST

/* A warning does not refuse. */
START_TEST(warnings_pass)
{
	struct conf *c;

	text_add(&files, "main.ini", "[pooler]\nauth_file = users\n");
	text_add(&files, "users", "\"\" \"x\"\n");
	c = conf_load(&files, &faults);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(faults.count, 1);
	ck_assert_uint_eq(faults.faults, 0);
	conf_free(c);
}
END_TEST

START_TEST(pins)
{
	struct conf *c;

	text_add(
	    &files, "main.ini", "[pooler]\nverbose = 1\nlisten_port = 7000\n");
	conf_files_pin(&files, CONF_PIN_UNSET, "verbose", "2", NULL);
	conf_files_pin(&files, CONF_PIN_UNSET, "auth_user", "au", NULL);
	conf_files_pin(&files, CONF_PIN_SET, "user", "nobody", NULL);
	conf_files_pin(&files, CONF_PIN_KEEP, "listen_port", "7001", NULL);
	conf_files_pin(&files, CONF_PIN_KEEP, "pkt_buf", "4096", NULL);
	c = conf_load(&files, &faults);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->verbose, 1);
	ck_assert_str_eq(c->auth_user, "au");
	ck_assert_str_eq(c->user, "nobody");
	ck_assert_int_eq(c->listen_port, 7001);
	ck_assert_str_eq(text_faults(&faults),
	    "w main.ini:3: listen_port: a change needs a restart; it stays "
	    "\"7001\"\n");
	conf_free(c);
	conf_faults_free(&faults);
	conf_files_pin(&files, CONF_PIN_SET, "frob", "1", NULL);
	ck_assert_ptr_null(conf_load(&files, &faults));
}
END_TEST

START_TEST(many_entries)
{
	size_t size = 3000 * 60, n = 0;
	char *text = malloc(size), name[32];
	struct conf *c;

	n += (size_t)sprintf(text, "[databases]\n");
	for (int i = 0; i < 3000; i++)
		n += (size_t)snprintf(text + n, size - n,
		    "db%d = host=h%d pool_size=%d\n", i % 2000, i, i);
	c = good(text);
	ck_assert_uint_eq(c->n_dbs, 2000);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "db%d", i);
		ck_assert_int_eq(
		    conf_db_find(c, name)->pool_size, i < 1000 ? i + 2000 : i);
	}
	conf_free(c);
	free(text);
}
END_TEST

/* Cut anywhere, or one byte changed, it ends well and stays inside. */
START_TEST(hostile)
{
	static const char text[] =
	    "[databases]\n\"a\"\"b\" = host='x y' port=1\n"
	    "c = postgres://u:p@h/d?pool_size=1\n%include more\n"
	    "[pooler]\npool_mode=statement\nserver_lifetime=0.5\n"
	    "[users]\nu = pool_size=1\n[peers]\n1 = host=h\n";
	static const char bytes[] = "\0\n\"'%=[]\\ \377";
	char copy[sizeof(text)];
	int good_ones = 0;

	for (size_t n = 0; n < sizeof(text); n++) {
		text_add_len(&files, "main.ini", text, n);
		text_add(&files, "more", "d = host=h\n");
		conf_free(conf_load(&files, &faults));
		teardown();
	}
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		for (size_t k = 0; k < sizeof(bytes) - 1; k++) {
			struct conf *c;

			memcpy(copy, text, sizeof(text));
			copy[i] = bytes[k];
			text_add_len(
			    &files, "main.ini", copy, sizeof(text) - 1);
			text_add(&files, "more", "d = host=h\n");
			c = conf_load(&files, &faults);
			ck_assert_int_eq(c == NULL, faults.faults > 0);
			good_ones += c != NULL;
			conf_free(c);
			teardown();
		}
	}
	ck_assert_int_gt(good_ones, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf");
	TCase *tc = conf_case(s, "conf");

	tcase_add_test(tc, empty);
	tcase_add_test(tc, whole);
	tcase_add_test(tc, outlives_files);
	tcase_add_test(tc, includes);
	tcase_add_test(tc, all_faults_at_once);
	tcase_add_test(tc, not_yet_is_refused_where_it_protects);
	tcase_add_test(tc, auth_file);
	tcase_add_test(tc, warnings_pass);
	tcase_add_test(tc, pins);
	tcase_add_test(tc, many_entries);
	tcase_add_test(tc, hostile);
	return run_suite(s);
}
