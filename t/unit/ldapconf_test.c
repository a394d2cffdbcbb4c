/*
 * ldapconf_test.c - LDAP options, URLs, and names that try to be more.
 */
#include "conf/ldapconf.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "conf/hba.h"
#include "t/unit/run.h"

static struct ldapconf l;
static char why[LDAPCONF_WHY], out[256];

/* One option or two. */
static int
fill(const char *name, const char *value, const char *name2, const char *value2)
{
	struct hba_option v[] = { { name, value }, { name2, value2 } };

	why[0] = '\0';
	return ldapconf_fill(&l, v, name2 == NULL ? 1 : 2, why);
}

static void
good(const char *name, const char *value, const char *name2, const char *value2)
{
	ck_assert_msg(fill(name, value, name2, value2) == 0, "%s", why);
}

static void
bad(const char *name, const char *value, const char *name2, const char *value2,
    const char *text)
{
	ck_assert_int_eq(fill(name, value, name2, value2), -1);
	ck_assert_str_eq(why, text);
}

START_TEST(a_url_says_most_of_it)
{
	good("ldapurl",
	    "ldap://h.example:1389/"
	    "ou=p%20q,dc=x?mail?sub?(&(a=b)(c=$username))",
	    NULL, NULL);
	ck_assert_uint_eq(l.n_servers, 1);
	ck_assert_str_eq(l.servers[0], "h.example");
	ck_assert_int_eq(l.port, 1389);
	ck_assert(!l.is_ldaps);
	ck_assert(l.is_search);
	ck_assert_str_eq(l.basedn, "ou=p q,dc=x");
	ck_assert_str_eq(l.attribute, "mail");
	ck_assert_int_eq(l.scope, LDAPCONF_SUB);
	ck_assert_str_eq(l.filter, "(&(a=b)(c=$username))");
	good("ldapurl", "LDAPS://[fd00::1]", NULL, NULL);
	ck_assert(l.is_ldaps);
	ck_assert_int_eq(l.port, 636);
	ck_assert_str_eq(l.servers[0], "fd00::1");
	ck_assert_str_eq(l.basedn, "");
	ck_assert_str_eq(l.attribute, "uid");
	ck_assert_int_eq(l.scope, LDAPCONF_BASE);
	ck_assert_int_eq(ldapconf_uri(&l, 0, out, sizeof(out)), 0);
	ck_assert_str_eq(out, "ldaps://[fd00::1]:636");
	ck_assert_int_eq(ldapconf_uri(&l, 0, out, 21), -1);
	good("ldapurl", "ldap://[::1]:99/dc=x??one", NULL, NULL);
	ck_assert_int_eq(l.port, 99);
	ck_assert_str_eq(l.servers[0], "::1");
	ck_assert_int_eq(l.scope, LDAPCONF_ONE);
	/* what is said beside it goes before it */
	good("ldapsearchattribute", "cn", "ldapurl", "ldap://h/dc=x?uid?base");
	ck_assert_str_eq(l.attribute, "cn");
	good("ldapurl", "ldap:///dc=x", "ldapserver", "a");
	ck_assert_str_eq(l.servers[0], "a");
}
END_TEST

START_TEST(a_url_that_is_none)
{
	bad("ldapurl", "http://h/", NULL, NULL,
	    "ldapurl begins with ldap:// or ldaps://");
	bad("ldapurl", "ldap:///dc=x", NULL, NULL, "no LDAP server is named");
	bad("ldapurl", "ldap://h?uid", NULL, NULL,
	    "ldapurl: there is no / behind the host");
	bad("ldapurl", "ldap://h/dc=x??all", NULL, NULL,
	    "ldapurl: the scope is base, one or sub");
	bad("ldapurl", "ldap://h/dc=x????x=y", NULL, NULL,
	    "ldapurl: no extensions are known");
	bad("ldapurl", "ldap://h/dc=%0", NULL, NULL,
	    "ldapurl: a % is not one of %XX");
	bad("ldapurl", "ldap://h/dc=%00x", NULL, NULL,
	    "ldapurl: a % is not one of %XX");
	bad("ldapurl", "ldap://h/dc=x%", NULL, NULL,
	    "ldapurl: a % is not one of %XX");
	bad("ldapurl", "ldap://h/dc=x?a,b", NULL, NULL,
	    "ldapurl names more than one attribute");
	bad("ldapurl", "ldap://h/dc=x?a=*)(b", NULL, NULL,
	    "the search attribute is no attribute");
	bad("ldapurl", "ldap://h:0/", NULL, NULL, "the LDAP port is no port");
	bad("ldapurl", "ldap://h:65536/", NULL, NULL,
	    "the LDAP port is no port");
	bad("ldapurl", "ldap://h:/", NULL, NULL, "the LDAP port is no port");
	bad("ldapurl", "ldap://a b/", NULL, NULL,
	    "ldapurl names more than one host");
	bad("ldapurl", "ldap://u@h/", NULL, NULL,
	    "ldapserver is not the name of a host");
	bad("ldapurl", "ldap://h/dc=x?uid?sub?(objectClass=person)", NULL, NULL,
	    "the search filter has no $username");
	bad("ldapurl", "ldaps://h/dc=x", "ldaptls", "1",
	    "ldaptls does not go with ldaps");
}
END_TEST

START_TEST(servers_in_turn)
{
	good("ldapserver", " a.example, 10.0.0.1 ::1 [fd00::2]", "ldapprefix",
	    "cn=");
	ck_assert_uint_eq(l.n_servers, 4);
	ck_assert_int_eq(ldapconf_uri(&l, 0, out, sizeof(out)), 0);
	ck_assert_str_eq(out, "ldap://a.example:389");
	ck_assert_int_eq(ldapconf_uri(&l, 2, out, sizeof(out)), 0);
	ck_assert_str_eq(out, "ldap://[::1]:389");
	ck_assert_int_eq(ldapconf_uri(&l, 3, out, sizeof(out)), 0);
	ck_assert_str_eq(out, "ldap://[fd00::2]:389");
	ck_assert(!l.is_search);
	bad("ldapserver", "a b c d e f g h i", NULL, NULL,
	    "too many LDAP servers");
	bad("ldapserver", "", NULL, NULL, "no LDAP server is named");
	bad("ldapserver", "a/b", NULL, NULL,
	    "ldapserver is not the name of a host");
	bad("ldapserver", "..", NULL, NULL,
	    "ldapserver is not the name of a host");
	good("ldapserver", "a", "ldapscheme", "ldaps");
	ck_assert_int_eq(l.port, 636);
}
END_TEST

START_TEST(too_long)
{
	char text[LDAPCONF_TEXT];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	bad("ldapserver", "a", "ldapprefix", text,
	    "the LDAP options are too long");
	memcpy(text, "ldap://h/", 9);
	bad("ldapurl", text, NULL, NULL, "the LDAP options are too long");
	/* the longest that may be: two strings, four NULs, two names */
	text[sizeof(text) - 1 - strlen("ldapprefixldapservera") - 3] = '\0';
	good("ldapserver", "a", "ldapprefix", text);
	ck_assert_str_eq(l.prefix, text);
}
END_TEST

START_TEST(a_name_stays_a_value_in_a_filter)
{
	static const struct {
		const char *user, *filter;
	} v[] = {
		{ "joe", "(uid=joe)" },
		{ "*", "(uid=\\2a)" },
		{ "a)(uid=*", "(uid=a\\29\\28uid=\\2a)" },
		{ "a\\2a", "(uid=a\\5c2a)" },
		{ "\xc3\xa9\x01\x7f", "(uid=\\c3\\a9\\01\\7f)" },
		{ "a&|!=~<> /b", "(uid=a&|!=~<> /b)" },
	};

	good("ldapserver", "a", "ldapbasedn", "dc=x");
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		ck_assert_int_eq(
		    ldapconf_filter(&l, v[i].user, out, sizeof(out)), 0);
		ck_assert_str_eq(out, v[i].filter);
	}
	good("ldapurl",
	    "ldap://a/dc=x??"
	    "?(|(u=$username)(v=$username@x))",
	    NULL, NULL);
	/* what is put in is not looked at again */
	ck_assert_int_eq(
	    ldapconf_filter(&l, "$username*", out, sizeof(out)), 0);
	ck_assert_str_eq(out, "(|(u=$username\\2a)(v=$username\\2a@x))");
	ck_assert_int_eq(ldapconf_filter(&l, "ab", out, 17), -1);
	ck_assert_int_eq(ldapconf_filter(&l, "ab", out, 18), 0);
	ck_assert_str_eq(out, "(|(u=ab)(v=ab@x))");
}
END_TEST

START_TEST(a_name_stays_a_value_in_a_dn)
{
	static const struct {
		const char *user, *dn;
	} v[] = {
		{ "joe", "cn=joe,dc=x" },
		{ "joe,ou=admin", "cn=joe\\,ou\\=admin,dc=x" },
		{ "a\"+;<>\\b", "cn=a\\\"\\+\\;\\<\\>\\\\b,dc=x" },
		{ " a b ", "cn=\\ a b\\ ,dc=x" },
		{ " ", "cn=\\ ,dc=x" },
		{ "#1#", "cn=\\#1#,dc=x" },
		{ "\n\x7f\xc3\xa9", "cn=\\0a\\7f\xc3\xa9,dc=x" },
	};
	struct hba_option o[] = { { "ldapserver", "a" },
		{ "ldapprefix", "cn=" }, { "ldapsuffix", ",dc=x" } };

	ck_assert_int_eq(ldapconf_fill(&l, o, 3, why), 0);
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		ck_assert_int_eq(
		    ldapconf_dn(&l, v[i].user, out, sizeof(out)), 0);
		ck_assert_str_eq(out, v[i].dn);
	}
	ck_assert_int_eq(ldapconf_dn(&l, "joe", out, 11), -1);
	ck_assert_int_eq(ldapconf_dn(&l, "joe", out, 12), 0);
	ldapconf_fini(&l);
	ck_assert_uint_eq(l.n_servers, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ldapconf");
	TCase *t = tcase_create("ldapconf");

	tcase_add_test(t, a_url_says_most_of_it);
	tcase_add_test(t, a_url_that_is_none);
	tcase_add_test(t, servers_in_turn);
	tcase_add_test(t, too_long);
	tcase_add_test(t, a_name_stays_a_value_in_a_filter);
	tcase_add_test(t, a_name_stays_a_value_in_a_dn);
	suite_add_tcase(s, t);
	return run_suite(s);
}
