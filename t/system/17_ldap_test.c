/*
 * 17_ldap_test.c - passwords that an LDAP server checks: both ways to it, over
 * TLS and not, and names that try to be more.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/wire.h"
#include "t/system/ldap.h"

START_TEST(simple_bind)
{
	struct pooler *p = start(text(SIMPLE, ldap->port));

	let_in(p, "joe", "it's joe");
	keep_out(p, "joe", "its joe");
	keep_out(p, "joe", PG_PASSWORD);
	/* nobody learns who exists */
	keep_out(p, "nobody", "it's joe");
	/* a name is a value, whatever it holds */
	keep_out(p, "joe," SLAPD_PEOPLE, "it's joe");
	keep_out(p, "joe+cn=joe", "it's joe");
	keep_out(p, "*", "it's joe");
	let_in(p, "joe", "it's joe");
	ck_assert(!file_has(p->log, "it's joe"));
	pooler_stop(p);
}
END_TEST

START_TEST(a_name_with_a_comma)
{
	struct pooler *p =
	    start(text("ldapserver=127.0.0.1 ldapport=%d ldapprefix=\"cn=\" "
		       "ldapsuffix=\"," SLAPD_PEOPLE "\"",
		ldap->port));

	let_in(p, "eve, jr", "eve's");
	pooler_stop(p);
}
END_TEST

/* A bind as somebody without a password is one as nobody: it succeeds. */
START_TEST(no_password_is_none)
{
	struct pooler *p = start(text(SIMPLE, ldap->port));
	char packet[256];
	int binds = slapd_count(ldap, "BIND");
	size_t len = wire_startup(packet, sizeof(packet), 0x30000, "user",
	    "joe", "database", "open", (char *)NULL);
	struct wire *w = wire_open("127.0.0.1", p->port);

	wire_send(w, packet, len);
	wire_expect(w, "R");
	wire_put(w, 'p', "s", "");
	wire_error(w, 'M', "empty password");
	wire_end(w);
	wire_free(w);
	ck_assert_int_eq(slapd_count(ldap, "BIND"), binds);
	pooler_stop(p);
}
END_TEST

START_TEST(a_long_password_is_refused)
{
	struct pooler *p = start(text(SIMPLE, ldap->port));
	char packet[256], password[2100];
	size_t len = wire_startup(packet, sizeof(packet), 0x30000, "user",
	    "joe", "database", "open", (char *)NULL);

	memset(password, 'x', sizeof(password));
	for (size_t n = 2047; n < 2050; n++) {
		struct wire *w = wire_open("127.0.0.1", p->port);

		wire_send(w, packet, len);
		wire_expect(w, "R");
		password[n] = '\0';
		wire_put(w, 'p', "s", password);
		password[n] = 'x';
		wire_error(w, 'M',
		    n == 2047 ? "LDAP authentication failed"
			      : "password is too long");
		wire_free(w);
	}
	pooler_stop(p);
}
END_TEST

START_TEST(search_and_bind)
{
	struct pooler *p = start(text(SEARCH, ldap->port));

	let_in(p, "joe", "it's joe");
	let_in(p, "e*e", "eve's");
	keep_out(p, "joe", "x");
	keep_out(p, "nobody", "it's joe");
	/* these would fit, were they a part of the filter */
	keep_out(p, "j*e", "it's joe");
	keep_out(p, "*", "it's joe");
	keep_out(p, "x)(|(uid=joe)", "it's joe");
	keep_out(p, "joe)(objectClass=*", "it's joe");
	pooler_stop(p);
}
END_TEST

START_TEST(filters_and_attributes)
{
	struct pooler *p = start(text(SEARCH
	    "ldapsearchfilter=\"(|(mail=$username)(cn=$username))\"",
	    ldap->port));

	let_in(p, "joe@test", "it's joe");
	let_in(p, "joe", "it's joe");
	/* two have this address */
	keep_out(p, "twin@test", "twins");
	let_in(p, "twin", "twins");
	pooler_stop(p);
	p = start(text(SEARCH "ldapsearchattribute=mail", ldap->port));
	let_in(p, "joe@test", "it's joe");
	keep_out(p, "joe", "it's joe");
	pooler_stop(p);
}
END_TEST

START_TEST(a_url)
{
	struct pooler *p = start(
	    text("ldapurl=\"ldap://127.0.0.1:%d/" SLAPD_PEOPLE "?cn?one\" "
		 "ldapbinddn=\"" SLAPD_READER "\" ldapbindpasswd=reads",
		ldap->port));

	let_in(p, "joe", "it's joe");
	keep_out(p, "joe", "x");
	pooler_stop(p);
	/* below the base, and only the base is looked at */
	p = start(text("ldapurl=ldap://127.0.0.1:%d/dc=test?uid "
		       "ldapbinddn=\"" SLAPD_READER "\" ldapbindpasswd=reads",
	    ldap->port));
	keep_out(p, "joe", "it's joe");
	pooler_stop(p);
}
END_TEST

/* The reader's own password is wrong: nobody's fault but the operator's. */
START_TEST(a_bad_reader_is_told_in_the_log)
{
	struct pooler *p = start(
	    text("ldapserver=127.0.0.1 ldapport=%d ldapbasedn=\"dc=test\" "
		 "ldapbinddn=\"" SLAPD_READER "\" ldapbindpasswd=sesame",
		ldap->port));

	keep_out(p, "joe", "it's joe");
	UNTIL(5000, file_has(p->log, "bind before the search"));
	ck_assert(!file_has(p->log, "sesame"));
	ck_assert(!file_has(p->log, "it's joe"));
	pooler_stop(p);
}
END_TEST

/* --- TLS ------------------------------------------------------------------ */

static void
try_tls(int port, const char *option, bool is_trusted)
{
	const char *env[] = { text("LDAPTLS_CACERT=%s", ldap->ca), NULL };
	struct pooler *p = configure(text(SIMPLE " %s", port, option));

	if (is_trusted)
		p->env = env;
	pooler_start(p);
	if (is_trusted)
		let_in(p, "joe", "it's joe");
	else
		keep_out(p, "joe", "it's joe");
	keep_out(p, "joe", "x");
	pooler_stop(p);
}

START_TEST(start_tls)
{
	int before = slapd_count(ldap, "TLS established");

	try_tls(ldap->port, "ldaptls=1", true);
	ck_assert_int_gt(slapd_count(ldap, "TLS established"), before);
	try_tls(ldap->port, "ldaptls=1", false);
}
END_TEST

START_TEST(ldaps)
{
	int before = slapd_count(ldap, "TLS established");

	try_tls(ldap->tls_port, "ldapscheme=ldaps", true);
	ck_assert_int_gt(slapd_count(ldap, "TLS established"), before);
	try_tls(ldap->tls_port, "ldapscheme=ldaps", false);
}
END_TEST

/* The certificate is of 127.0.0.1, and of nobody else. */
START_TEST(the_wrong_name)
{
	const char *env[] = { text("LDAPTLS_CACERT=%s", ldap->ca), NULL };
	struct pooler *p = configure(
	    text("ldapserver=localhost ldapport=%d ldapscheme=ldaps "
		 "ldapprefix=\"uid=\" ldapsuffix=\"," SLAPD_PEOPLE "\"",
		ldap->tls_port));

	p->env = env;
	pooler_start(p);
	keep_out(p, "joe", "it's joe");
	pooler_stop(p);
}
END_TEST

/* --- the rest -------------------------------------------------------------- */

/* The password that was typed serves at the server, which asks for it. */
START_TEST(the_server_gets_the_password)
{
	static const char *const users[] = { "plain_u", "md5_u", "scram_u" };
	struct pooler *p = start(text(SIMPLE, ldap->port));

	for (int i = 0; i < 3; i++) {
		PGconn *c = sql_open(pooler_at(p,
		    text("dbname=app user=%s password='" PG_PASSWORD "'",
			users[i])));

		ck_assert_str_eq(sql_one(c, "SELECT current_user"), users[i]);
		PQfinish(c);
	}
	pooler_stop(p);
}
END_TEST

START_TEST(rules)
{
	struct pooler *p = configure("");
	const char *hba = text("%s/hba", p->dir);

	spew(hba,
	    text("host open joe all ldap " SIMPLE "\n"
		 "host open eve all ldap " SIMPLE " ldapsuffix=\"\"\n"
		 "host all app all trust\n",
		ldap->port, ldap->port));
	pooler_set(p, "auth_type = hba");
	pooler_set(p, "auth_hba_file = %s", hba);
	pooler_write(p);
	/* given twice */
	ck_assert_int_eq(pooler_exec(p, (const char *[]){ "-t", NULL }), 1);
	spew(hba,
	    text("host open joe all ldap " SIMPLE "\n"
		 "host all app all trust\n",
		ldap->port));
	pooler_start(p);
	let_in(p, "joe", "it's joe");
	keep_out(p, "joe", "x");
	PQfinish(pooler_conn(p, "dbname=app user=app"));
	sql_refused(as(p, "plain_u", PG_PASSWORD), "no pg_hba.conf entry");
	pooler_stop(p);
}
END_TEST

/* Other options from the next login on. */
START_TEST(reload)
{
	struct pooler *p =
	    start(text(SEARCH "ldapsearchattribute=mail", ldap->port));

	keep_out(p, "joe", "it's joe");
	pooler_set(p, "auth_ldap_options = %s",
	    text(SEARCH "ldapsearchattribute=uid", ldap->port));
	pooler_write(p);
	ck_assert_int_eq(kill(p->pid, SIGHUP), 0);
	UNTIL(10000, is_in(p, "joe", "it's joe"));
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ldap");
	TCase *tc = suite_case(s, "ldap", 40);

	if (is_standin()) {
		fprintf(stderr, "17_ldap: for our own pooler alone\n");
		return 0;
	}
	if (!pooler_says("ldap: yes")) {
		fprintf(stderr, "17_ldap: the pooler was built without it\n");
		return 0;
	}
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, simple_bind);
	tcase_add_test(tc, a_name_with_a_comma);
	tcase_add_test(tc, no_password_is_none);
	tcase_add_test(tc, a_long_password_is_refused);
	tcase_add_test(tc, search_and_bind);
	tcase_add_test(tc, filters_and_attributes);
	tcase_add_test(tc, a_url);
	tcase_add_test(tc, a_bad_reader_is_told_in_the_log);
	tcase_add_test(tc, start_tls);
	tcase_add_test(tc, ldaps);
	tcase_add_test(tc, the_wrong_name);
	tcase_add_test(tc, the_server_gets_the_password);
	tcase_add_test(tc, rules);
	tcase_add_test(tc, reload);
	return suite_run(s, SUITE_PG);
}
