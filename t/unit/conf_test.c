/* conf_test.c - load a configuration as a whole, and replace it. */
#include "conf/conf.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/compat.h"
#include "conf/keys.h"
#include "conf/hba.h"
#include "conf/users.h"
#include "conf/version.h"
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static struct conf_files files;
static struct conf_faults faults;

static void
setup(void)
{
	conf_files_init(&files);
	conf_faults_init(&faults);
}

static void
teardown(void)
{
	conf_files_free(&files);
	conf_faults_free(&faults);
}

/* Load `text` alone; the faults of the last call are forgotten. */
static struct conf *
load(const char *text)
{
	conf_files_free(&files);
	conf_faults_free(&faults);
	text_add(&files, "main.ini", text);
	return conf_load(&files, &faults);
}

static struct conf *
good(const char *text)
{
	struct conf *c = load(text);

	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_uint_eq(faults.count, 0);
	return c;
}

static void
bad(const char *text, const char *want)
{
	ck_assert_ptr_null(load(text));
	ck_assert_str_eq(text_faults(&faults), want);
}

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

/* Rules in the file `hba`, with `more` settings behind auth_type = hba. */
static struct conf *
load_rules(const char *rules, const char *maps, const char *more)
{
	char text[256];

	snprintf(text, sizeof(text), "[pooler]\nauth_type = HBA\n%s", more);
	conf_files_free(&files);
	conf_faults_free(&faults);
	text_add(&files, "main.ini", text);
	text_add(&files, "hba", rules);
	text_add(&files, "maps", maps);
	return conf_load(&files, &faults);
}

#define RULES "auth_hba_file = hba\n"
#define MAPS  "auth_ident_file = maps\n"

START_TEST(rules)
{
	struct conf *c =
	    load_rules("local all all peer map=m\n", "m a b\n", RULES MAPS);

	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_uint_eq(hba_count(c->hba), 1);
	ck_assert(ident_has(c->idents, "m"));
	conf_free(c);
	/* without auth_type = hba nobody looks at them */
	c = load_rules("nonsense", "nonsense", RULES MAPS "auth_type = md5\n");
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_ptr_null(c->hba);
	conf_free(c);
	/* no rule at all lets nobody in, but is no fault */
	c = load_rules("", "", RULES);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_ptr_nonnull(c->hba);
	conf_free(c);
}
END_TEST

static const struct {
	const char *rules, *maps, *more, *faults;
} bad_rules[] = {
	{ "", "", "", "main.ini:2: auth_type = hba needs an auth_hba_file\n" },
	{ "", "", "auth_hba_file = no\n",
	    "no:0: cannot be read: does it exist, and may this user read "
	    "it?\n" },
	{ "", "", RULES "auth_ident_file = no\n",
	    "no:0: cannot be read: does it exist, and may this user read "
	    "it?\n" },
	{ "local\n\nlocal all\n", "", RULES,
	    "hba:1: the line ends before its \"database\"\n"
	    "hba:3: the line ends before its \"user\"\n" },
	{ "local all all peer map=m", "m a", RULES MAPS,
	    "maps:1: a line is a map, a system user and a database user\n" },
	{ "local all all peer map=m", "", RULES MAPS,
	    "hba:1: option map: auth_ident_file has no such map\n" },
	{ "local all all peer map=m", "m a b", RULES,
	    "hba:1: option map: auth_ident_file has no such map\n" },
	{ "hostssl all all all cert", "", RULES,
	    "hba:1: certificates of clients need a client_tls_ca_file\n" },
	{ "hostssl all all all md5 clientcert=verify-ca", "", RULES,
	    "hba:1: certificates of clients need a client_tls_ca_file\n" },
};

START_TEST(rules_refused)
{
	ck_assert_ptr_null(load_rules(
	    bad_rules[_i].rules, bad_rules[_i].maps, bad_rules[_i].more));
	ck_assert_str_eq(text_faults(&faults), bad_rules[_i].faults);
}
END_TEST

/* LDAP and PAM: what is asked for is built in, and told when in clear. */
START_TEST(outside)
{
	static const char listen[] = "listen_addr = *\n";
	const char *ldap = VERSION_HAS_LDAP
	    ? "w hba:1: ldap asks for passwords in clear, and "
	      "client_tls_sslmode does not require TLS\n"
	    : "hba:1: ldap: this pooler was built without it\n";
	const char *pam = VERSION_HAS_PAM
	    ? "w main.ini:2: pam asks for passwords in clear, and "
	      "client_tls_sslmode does not require TLS\n"
	    : "main.ini:2: pam: this pooler was built without it\n";
	char text[256];
	struct conf *c;

	snprintf(text, sizeof(text), RULES "%s", listen);
	c = load_rules(
	    "host all all all ldap ldapserver=a ldapprefix=b", "", text);
	ck_assert_int_eq(c != NULL, VERSION_HAS_LDAP);
	ck_assert_str_eq(text_faults(&faults), ldap);
	conf_free(c);
	/* over TLS, and nobody but on a Unix socket */
	c = load_rules("hostssl all all all ldap ldapserver=a ldapprefix=b\n"
		       "local all all ldap ldapserver=a ldapprefix=b\n",
	    "", RULES "client_tls_sslmode=disable\n");
	ck_assert_int_eq(c != NULL, VERSION_HAS_LDAP);
	conf_free(c);
	snprintf(text, sizeof(text), "[pooler]\nauth_type = pam\n%s", listen);
	c = load(text);
	ck_assert_int_eq(c != NULL, VERSION_HAS_PAM);
	ck_assert_str_eq(text_faults(&faults), pam);
	conf_free(c);
}
END_TEST

static const struct {
	const char *options, *faults;
} bad_ldap[] = {
	{ "",
	    "auth_ldap_options:1: option ldapserver or ldapurl is missing\n" },
	{ "ldapserver=a ldapprefix=b nonsense",
	    "auth_ldap_options:1: option is name=value, with quotes around it "
	    "where it has blanks or commas\n" },
	{ "ldapurl=http://a/",
	    "auth_ldap_options:1: ldapurl begins "
	    "with ldap:// or ldaps://\n" },
	{ "ldapserver=a ldapbasedn=b ldapsearchfilter=(x=y)",
	    "auth_ldap_options:1: the search filter has no "
	    "$username\n" },
	{ "ldapserver=a ldapprefix=b ldapscheme=ldaps ldaptls=1",
	    "auth_ldap_options:1: ldaptls does not go with ldaps\n" },
};

START_TEST(ldap_options)
{
	char text[512];

	if (!VERSION_HAS_LDAP)
		return;
	snprintf(text, sizeof(text),
	    "[pooler]\nauth_type = ldap\nauth_ldap_options = %s\n",
	    bad_ldap[_i].options);
	ck_assert_ptr_null(load(text));
	ck_assert_str_eq(text_faults(&faults), bad_ldap[_i].faults);
}
END_TEST

START_TEST(ldap_options_are_a_rule)
{
	static const char text[] =
	    "[pooler]\nauth_type = ldap\nauth_ldap_options = ldapserver=\"a "
	    "b\" ldapprefix=\"cn=\" ldapsuffix=\", dc=x\"\n";
	struct conf *c;

	if (!VERSION_HAS_LDAP)
		return;
	c = load(text);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_uint_eq(hba_count(c->hba), 1);
	ck_assert_str_eq(hba_option(hba_at(c->hba, 0), "ldapsuffix"), ", dc=x");
	ck_assert_str_eq(text_faults(&faults), "");
	conf_free(c);
}
END_TEST

/* A rule that demands TLS is told of where there is none. */
START_TEST(rule_without_tls)
{
	struct conf *c = load_rules("hostssl all all all md5", "", RULES);

	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(text_faults(&faults),
	    "w hba:1: hostssl never fits: client_tls_sslmode is disable\n");
	conf_free(c);
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

/* --- reload ------------------------------------------------------------- */

static struct conf *running;

/* `now` replaces what was loaded from `was`. */
static struct conf *
reload(const char *was, const char *now)
{
	running = good(was);
	conf_files_free(&files);
	text_add(&files, "main.ini", now);
	return conf_reload(running, &files, &faults);
}

START_TEST(reload_resets)
{
	struct conf *c = reload(
	    "[pooler]\nmax_client_conn = 7\nlogfile = /l\nverbose = 2\n"
	    "auth_user = au\nauth_dbname = ad\n[databases]\na = host=h\n",
	    "[pooler]\nserver_lifetime = 9\n[databases]\nb = host=h\n");

	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_uint_eq(faults.count, 0);
	/* back to the default, unless that is "none" */
	ck_assert_int_eq(c->max_client_conn, 100);
	ck_assert_str_eq(c->logfile, "");
	ck_assert_int_eq(c->server_lifetime_ms, 9000);
	ck_assert_int_eq(c->verbose, 2);
	ck_assert_str_eq(c->auth_user, "au");
	ck_assert_str_eq(c->auth_dbname, "ad");
	ck_assert_ptr_null(conf_db_find(c, "a"));
	ck_assert_ptr_nonnull(conf_db_find(c, "b"));
	conf_free(running);
	conf_free(c);
}
END_TEST

START_TEST(reload_keeps)
{
	struct conf *c = reload("[pooler]\nlisten_port = 7000\nworkers = 2\n",
	    "[pooler]\nlisten_port = 7001\nworkers=5\nauth_user=new\n"
	    "unix_socket_mode = 0770\n");

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->listen_port, 7000);
	ck_assert_int_eq(c->workers, 2);
	ck_assert_int_eq(c->unix_socket_mode, 0777);
	ck_assert_str_eq(c->auth_user, "new");
	ck_assert_str_eq(text_faults(&faults),
	    "w main.ini:2: listen_port: a change needs a restart; it stays "
	    "\"7000\"\n"
	    "w main.ini:5: unix_socket_mode: a change needs a restart; it "
	    "stays \"511\"\n"
	    "w main.ini:3: workers: a change needs a restart; it stays "
	    "\"2\"\n");
	conf_free(running);
	conf_free(c);
	/* nothing to say where nothing differs */
	c = reload("[pooler]\nlisten_port = 7000\n",
	    "[pooler]\nlisten_port = 0x1b58\n");
	ck_assert_uint_eq(faults.count, 0);
	conf_free(running);
	conf_free(c);
}
END_TEST

START_TEST(reload_of_a_bad_file)
{
	ck_assert_ptr_null(reload("[pooler]\nmax_client_conn = 7\n",
	    "[pooler]\nmax_client_conn = x\n[databases]\na = frob=1\n"));
	ck_assert_uint_eq(faults.faults, 2);
	ck_assert_int_eq(running->max_client_conn, 7);
	conf_free(running);
}
END_TEST

/* A child born after a reload builds the same from the snapshot. */
START_TEST(reload_travels)
{
	struct conf *c =
	    reload("[pooler]\nlisten_port = 7000\nverbose = 1\nuser = u\n",
		"[pooler]\nlisten_port = 7001\nmax_client_conn = 3\n");
	struct conf_files child;
	struct conf *d;
	struct conf_shown x, y;
	int fd = compat_memfd("test");

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(conf_files_save(&files, fd, NULL), 0);
	ck_assert_int_eq(conf_files_restore(&child, fd, NULL), 0);
	conf_faults_free(&faults);
	d = conf_load(&child, &faults);
	ck_assert_ptr_nonnull(d);
	ck_assert_int_eq(d->listen_port, 7000);
	ck_assert_int_eq(d->verbose, 1);
	for (size_t i = 0; i < conf_show_count(); i++) {
		conf_show(c, i, &x);
		conf_show(d, i, &y);
		ck_assert_pstr_eq(x.value, y.value);
	}
	close(fd);
	conf_free(running);
	conf_free(c);
	conf_free(d);
	conf_files_free(&child);
}
END_TEST

START_TEST(reload_of_auth_file)
{
	char path[] = "/tmp/conf_test.XXXXXX", text[100];
	struct conf *was, *c;
	int fd = mkstemp(path);

	ck_assert_int_eq(write(fd, "\"a\" \"1\"\n", 8), 8);
	snprintf(text, sizeof(text), "[pooler]\nauth_file = %s\n", path);
	text_add(&files, "main.ini", text);
	conf_files_read_named(&files);
	was = conf_load(&files, &faults);
	ck_assert_str_eq(users_find(was->users, "a")->secret, "1");
	conf_files_free(&files);

	/* the key goes, the value stays, and the file is read anew */
	ck_assert_int_eq(pwrite(fd, "\"a\" \"2\"\n", 8, 0), 8);
	text_add(&files, "main.ini", "[pooler]\n");
	c = conf_reload(was, &files, &faults);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_str_eq(c->auth_file, path);
	ck_assert_str_eq(users_find(c->users, "a")->secret, "2");
	conf_free(c);
	conf_files_free(&files);

	/* named as nothing, it is gone */
	text_add(&files, "main.ini", "[pooler]\nauth_file =\n");
	c = conf_reload(was, &files, &faults);
	ck_assert_ptr_nonnull(c);
	ck_assert_ptr_null(c->users);
	conf_free(c);
	conf_free(was);
	close(fd);
	unlink(path);
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
	TCase *tc = tcase_create("conf");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, empty);
	tcase_add_test(tc, whole);
	tcase_add_test(tc, outlives_files);
	tcase_add_test(tc, includes);
	tcase_add_test(tc, all_faults_at_once);
	tcase_add_test(tc, not_yet_is_refused_where_it_protects);
	tcase_add_test(tc, rules);
	tcase_add_loop_test(
	    tc, rules_refused, 0, sizeof(bad_rules) / sizeof(*bad_rules));
	tcase_add_test(tc, outside);
	tcase_add_loop_test(
	    tc, ldap_options, 0, (int)(sizeof(bad_ldap) / sizeof(*bad_ldap)));
	tcase_add_test(tc, ldap_options_are_a_rule);
	tcase_add_test(tc, rule_without_tls);
	tcase_add_test(tc, auth_file);
	tcase_add_test(tc, warnings_pass);
	tcase_add_test(tc, pins);
	tcase_add_test(tc, reload_resets);
	tcase_add_test(tc, reload_keeps);
	tcase_add_test(tc, reload_of_a_bad_file);
	tcase_add_test(tc, reload_travels);
	tcase_add_test(tc, reload_of_auth_file);
	tcase_add_test(tc, many_entries);
	tcase_add_test(tc, hostile);
	return run_suite(s);
}
