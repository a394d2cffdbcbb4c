/*
 * conf_rules_test.c - the rules, maps and LDAP options that a configuration
 * brings with it: taken, refused, or warned of.
 */
#include <stdio.h>

#include "conf/hba.h"
#include "conf/version.h"
#include "t/unit/confsim.h"

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

int
main(void)
{
	Suite *s = suite_create("conf_rules");
	TCase *tc = conf_case(s, "conf_rules");

	tcase_add_test(tc, rules);
	tcase_add_loop_test(
	    tc, rules_refused, 0, sizeof(bad_rules) / sizeof(*bad_rules));
	tcase_add_test(tc, outside);
	tcase_add_loop_test(
	    tc, ldap_options, 0, (int)(sizeof(bad_ldap) / sizeof(*bad_ldap)));
	tcase_add_test(tc, ldap_options_are_a_rule);
	tcase_add_test(tc, rule_without_tls);
	return run_suite(s);
}
