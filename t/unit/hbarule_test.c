/*
 * hbarule_test.c - one line of pg_hba.conf: what is refused, and with which
 * words; what is taken, and what it says.
 */
#include "conf/hbarule.h"

#include "t/unit/hbasim.h"
#include "t/unit/run.h"

#define SHORT(what) "hba:1: the line ends before its \"" what "\"\n"
#define LDAP        "host all all all ldap "
#define SSL         "hostssl all all all "
#define MIXED \
	"hba:1: option ldapprefix and ldapsuffix do not go with a search\n"

static const struct {
	const char *text, *faults;
} refused[] = {
	/* too short */
	{ "local", SHORT("database") },
	{ "local all", SHORT("user") },
	{ "local all all", SHORT("method") },
	{ "host all all", SHORT("address") },
	{ "host all all all", SHORT("method") },
	{ "host all all 10.0.0.0/8", SHORT("method") },
	{ "host all all 10.0.0.0", SHORT("mask") },
	{ "host all all 10.0.0.0 255.0.0.0", SHORT("method") },
	/* types */
	{ "Local all all md5",
	    "hba:1: there is no such type of line: "
	    "\"Local\"\n" },
	{ "hosts all all all md5",
	    "hba:1: there is no such type of line: "
	    "\"hosts\"\n" },
	{ "\xef\xbb\xbflocal all all md5",
	    "hba:1: there is no such type of line: \"\xef\xbb\xbflocal\"\n" },
	{ "local,host all all all md5",
	    "hba:1: not one value, but several or "
	    "none, as its \"type\"\n" },
	{ "@nobody all all md5",
	    "hba:1: not one value, but several or none, "
	    "as its \"type\"\n" },
	{ "\n\n; all", "hba:3: there is no such type of line: \";\"\n" },
	/* what we have not */
	{ "local samerole all md5",
	    "hba:1: roles are not known here: \"samerole\"\n" },
	{ "local samegroup all md5",
	    "hba:1: roles are not known here: \"samegroup\"\n" },
	{ "local all +grp md5", "hba:1: roles are not known here: \"+grp\"\n" },
	{ "local all u,+grp md5",
	    "hba:1: roles are not known here: \"+grp\"\n" },
	{ "local all all gss",
	    "hba:1: this method is not supported: "
	    "\"gss\"\n" },
	{ "host all all all sspi",
	    "hba:1: this method is not supported: "
	    "\"sspi\"\n" },
	{ "host all all all ident",
	    "hba:1: this method is not supported: "
	    "\"ident\"\n" },
	{ "host all all all radius",
	    "hba:1: this method is not supported: "
	    "\"radius\"\n" },
	{ "host all all all bsd",
	    "hba:1: this method is not supported: "
	    "\"bsd\"\n" },
	{ "host all all all any",
	    "hba:1: this method is not supported: "
	    "\"any\"\n" },
	{ "host all all all plain",
	    "hba:1: this method is not supported: "
	    "\"plain\"\n" },
	{ "host all all all hba",
	    "hba:1: this method is not supported: "
	    "\"hba\"\n" },
	{ "host all all all MD5",
	    "hba:1: this method is not supported: "
	    "\"MD5\"\n" },
	{ "host all all all md5,trust",
	    "hba:1: not one value, but several or "
	    "none, as its \"method\"\n" },
	{ "host all all localhost md5",
	    "hba:1: neither an address nor a range of them; names of hosts are "
	    "not supported: \"localhost\"\n" },
	{ "host all all .example.com md5",
	    "hba:1: neither an address nor a range of them; names of hosts are "
	    "not supported: \".example.com\"\n" },
	{ "host all all \"all\" md5",
	    "hba:1: neither an address nor a range of them; names of hosts are "
	    "not supported: \"all\"\n" },
	{ "host all all \"samenet\" md5",
	    "hba:1: neither an address nor a range of them; names of hosts are "
	    "not supported: \"samenet\"\n" },
	{ "host all all md5",
	    "hba:1: neither an address nor a range of them; "
	    "names of hosts are not supported: \"md5\"\n" },
	/* addresses */
	{ "host all all 10.0.0.0/33 md5",
	    "hba:1: no range of addresses: \"10.0.0.0/33\"\n" },
	{ "host all all 10.0.0/8 md5",
	    "hba:1: no range of addresses: \"10.0.0/8\"\n" },
	{ "host all all localhost/8 md5",
	    "hba:1: no range of addresses: \"localhost/8\"\n" },
	{ "host all all ::1/129 md5",
	    "hba:1: no range of addresses: \"::1/129\"\n" },
	{ "host all all fe80::1%lo/64 md5",
	    "hba:1: no range of addresses: \"fe80::1%lo/64\"\n" },
	{ "host all all 10.0.0.0 md5",
	    "hba:1: no mask for this address: \"md5\"\n" },
	{ "host all all 10.0.0.0 ffff:: md5",
	    "hba:1: no mask for this address: \"ffff::\"\n" },
	{ "host all all 10.0.0.0/8 255.0.0.0 md5",
	    "hba:1: this method is not supported: \"255.0.0.0\"\n" },
	{ "host all all 10.0.0.0/8,11.0.0.0/8 md5",
	    "hba:1: not one value, but several or none, as its \"address\"\n" },
	{ "local all all 127.0.0.1/32 md5",
	    "hba:1: this method is not supported: \"127.0.0.1/32\"\n" },
	/* patterns */
	{ "local / all md5", "hba:1: regular expression \"\": it is empty\n" },
	{ "local all / md5", "hba:1: regular expression \"\": it is empty\n" },
	{ "local a,/(?i)b all md5",
	    "hba:1: regular expression \"(?i)b\": (? is not supported\n" },
	{ "local /a,/b[ all md5",
	    "hba:1: regular expression \"b[\": a bracket is not closed\n" },
	{ "local /^a /b\\1 md5",
	    "hba:1: regular expression \"b\\1\": back references are not "
	    "supported\n" },
	/* files and quotes */
	{ "local all @no md5", "hba:1: cannot read \"no\"\n" },
	{ "include no", "hba:1: cannot read \"no\"\n" },
	{ "local \"all all md5", "hba:1: a quote is not closed\n" },
	/* methods and types */
	{ "host all all all peer", "hba:1: peer needs a line of type local\n" },
	{ SSL "peer", "hba:1: peer needs a line of type local\n" },
	{ "local all all cert", "hba:1: cert needs a line of type hostssl\n" },
	{ "host all all all cert",
	    "hba:1: cert needs a line of type hostssl\n" },
	{ "hostnossl all all all cert",
	    "hba:1: cert needs a line of type hostssl\n" },
	/* options */
	{ "local all all md5 x",
	    "hba:1: option is name=value, with quotes "
	    "around it where it has blanks or commas\n" },
	{ "local all all md5 x=1",
	    "hba:1: option x: not for this method, or not supported\n" },
	{ "local all all md5 =1",
	    "hba:1: option not for this method, or not supported\n" },
	{ "local all all md5 map=m",
	    "hba:1: option map: not for this method, or not supported\n" },
	{ "local all all trust map=m",
	    "hba:1: option map: not for this method, or not supported\n" },
	{ "local all all reject map=m",
	    "hba:1: option map: not for this method, or not supported\n" },
	{ "local all all peer map=n",
	    "hba:1: option map: auth_ident_file has no such map\n" },
	{ "local all all peer map=",
	    "hba:1: option map: auth_ident_file has no such map\n" },
	{ "local all all peer map=m map=m",
	    "hba:1: option map: given twice\n" },
	{ "local all all peer Map=m",
	    "hba:1: option Map: not for this method, or not supported\n" },
	{ "local all all md5 clientcert=verify-ca",
	    "hba:1: option clientcert: needs a line of type hostssl\n" },
	{ "host all all all md5 clientcert=verify-full",
	    "hba:1: option clientcert: needs a line of type hostssl\n" },
	{ SSL "md5 clientcert=1",
	    "hba:1: option clientcert: is verify-ca or verify-full, with cert "
	    "only the latter\n" },
	{ SSL "md5 clientcert=",
	    "hba:1: option clientcert: is verify-ca or verify-full, with cert "
	    "only the latter\n" },
	{ SSL "cert clientcert=verify-ca",
	    "hba:1: option clientcert: is verify-ca or verify-full, with cert "
	    "only the latter\n" },
	{ SSL "cert clientname=DN",
	    "hba:1: option clientname: only CN is supported\n" },
	{ SSL "md5 clientname=CN",
	    "hba:1: option clientname: needs clientcert=verify-full\n" },
	{ SSL "md5 ldapserver=x",
	    "hba:1: option ldapserver: not for this "
	    "method, or not supported\n" },
	{ SSL "md5 pamservice=x",
	    "hba:1: option pamservice: not for this "
	    "method, or not supported\n" },
	{ SSL "md5 pam_use_hostname=1",
	    "hba:1: option pam_use_hostname: not for this "
	    "method, or not supported\n" },
	{ SSL "pam pam_use_hostname=yes",
	    "hba:1: option pam_use_hostname: is 0 or 1\n" },
	{ SSL "pam krb_realm=x",
	    "hba:1: option krb_realm: not for this "
	    "method, or not supported\n" },
	/* ldap */
	{ LDAP, "hba:1: option ldapserver or ldapurl is missing\n" },
	{ LDAP "ldapserver=a",
	    "hba:1: option ldapbasedn, ldapprefix or ldapsuffix is missing\n" },
	{ LDAP "ldapserver=a ldapport=0 ldapprefix=x",
	    "hba:1: option ldapport: is no port\n" },
	{ LDAP "ldapserver=a ldapport=65536 ldapprefix=x",
	    "hba:1: option ldapport: is no port\n" },
	{ LDAP "ldapserver=a ldapport=3x ldapprefix=x",
	    "hba:1: option ldapport: is no port\n" },
	{ LDAP "ldapserver=a ldapport= ldapprefix=x",
	    "hba:1: option ldapport: is no port\n" },
	{ LDAP "ldapserver=a ldapport=000389 ldapprefix=x",
	    "hba:1: option ldapport: is no port\n" },
	{ LDAP "ldapserver=a ldapscheme=http ldapprefix=x",
	    "hba:1: option ldapscheme: is ldap or ldaps\n" },
	{ LDAP "ldapserver=a ldaptls=on ldapprefix=x",
	    "hba:1: option ldaptls: is 0 or 1\n" },
	{ LDAP "ldapserver=a ldapprefix=x ldapbasedn=y",
	    "hba:1: option ldapprefix and ldapsuffix do not go with a "
	    "search\n" },
	{ LDAP "ldapserver=a ldapsuffix=x ldapbindpasswd=secret",
	    "hba:1: option ldapprefix and ldapsuffix do not go with a "
	    "search\n" },
	{ LDAP "ldapserver=a ldapprefix=x ldapbinddn=y", MIXED },
	{ LDAP "ldapserver=a ldapprefix=x ldapsearchattribute=y", MIXED },
	{ LDAP "ldapserver=a ldapprefix=x ldapsearchfilter=y", MIXED },
	{ LDAP "ldapurl=http://a/b",
	    "hba:1: ldapurl begins with ldap:// or ldaps://\n" },
	{ LDAP "ldapurl=ldap://a/b ldapprefix=x",
	    "hba:1: option ldapprefix and ldapsuffix do not go with a "
	    "search\n" },
	{ LDAP "ldapserver=a ldapbasedn=b ldapsearchattribute=c "
	       "ldapsearchfilter=d",
	    "hba:1: option ldapsearchattribute does not go with "
	    "ldapsearchfilter\n" },
	/* a secret is not told */
	{ LDAP "ldapserver=a ldapbindpasswd=secret ldapbindpasswd=secret",
	    "hba:1: option ldapbindpasswd: given twice\n" },
	/* everything at once */
	{ "local\nlocal all all md5\nhost\n",
	    SHORT("database") "hba:3: the line ends before its "
			      "\"database\"\n" },
};

START_TEST(refuses)
{
	ck_assert_msg(
	    load(refused[_i].text) == NULL, "%s was taken", refused[_i].text);
	ck_assert_str_eq(text_faults(&faults), refused[_i].faults);
}
END_TEST

/* None of LDAP's options is one of another method's. */
START_TEST(ldap_alone)
{
	static const char *const names[] = { "ldapurl", "ldaptls", "ldapscheme",
		"ldapserver", "ldapport", "ldapbinddn", "ldapbindpasswd",
		"ldapsearchattribute", "ldapsearchfilter", "ldapbasedn",
		"ldapprefix", "ldapsuffix" };
	char line[100], want[150];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(line, sizeof(line), SSL "pam %s=1", names[i]);
		snprintf(want, sizeof(want),
		    "hba:1: option %s: not for this method, or not supported\n",
		    names[i]);
		ck_assert_ptr_null(load(line));
		ck_assert_str_eq(text_faults(&faults), want);
	}
}
END_TEST

/* --- what a rule says --------------------------------------------------- */

static const struct {
	const char *text;
	enum hba_type type;
	enum hba_method method;
	enum hba_clientcert clientcert;
	const char *map;
} rules[] = {
	{ "local all all trust", HBA_LOCAL, HBA_TRUST, HBA_NO_CERT, NULL },
	{ "local all all reject", HBA_LOCAL, HBA_REJECT, HBA_NO_CERT, NULL },
	{ "local all all peer", HBA_LOCAL, HBA_PEER, HBA_NO_CERT, NULL },
	{ "local all all peer map=m", HBA_LOCAL, HBA_PEER, HBA_NO_CERT, "m" },
	{ "local all all \"peer\" \"map=m\"", HBA_LOCAL, HBA_PEER, HBA_NO_CERT,
	    "m" },
	{ "host all all all password", HBA_HOST, HBA_PASSWORD, HBA_NO_CERT,
	    NULL },
	{ "host all all all md5", HBA_HOST, HBA_MD5, HBA_NO_CERT, NULL },
	{ "host all all all scram-sha-256", HBA_HOST, HBA_SCRAM, HBA_NO_CERT,
	    NULL },
	{ "host all all all pam", HBA_HOST, HBA_PAM, HBA_NO_CERT, NULL },
	{ "hostnossl all all all md5", HBA_HOSTNOSSL, HBA_MD5, HBA_NO_CERT,
	    NULL },
	{ "hostnogssenc all all all md5", HBA_HOSTNOGSSENC, HBA_MD5,
	    HBA_NO_CERT, NULL },
	{ SSL "cert", HBA_HOSTSSL, HBA_CERT, HBA_VERIFY_FULL, NULL },
	{ SSL "cert map=m clientcert=verify-full clientname=CN", HBA_HOSTSSL,
	    HBA_CERT, HBA_VERIFY_FULL, "m" },
	{ SSL "md5 clientcert=verify-ca", HBA_HOSTSSL, HBA_MD5, HBA_VERIFY_CA,
	    NULL },
	{ SSL "scram-sha-256 clientcert=verify-full clientname=CN", HBA_HOSTSSL,
	    HBA_SCRAM, HBA_VERIFY_FULL, NULL },
	{ SSL "trust clientcert=verify-full", HBA_HOSTSSL, HBA_TRUST,
	    HBA_VERIFY_FULL, NULL },
	{ LDAP "ldapserver=a ldapprefix=x ldapport=65535 ldapscheme=ldaps",
	    HBA_HOST, HBA_LDAP, HBA_NO_CERT, NULL },
	{ SSL "pam pamservice=x pam_use_hostname=0", HBA_HOSTSSL, HBA_PAM,
	    HBA_NO_CERT, NULL },
	{ LDAP "ldapserver=\"a b\" ldapprefix=\"cn=\" ldapsuffix=\", dc=x\"",
	    HBA_HOST, HBA_LDAP, HBA_NO_CERT, NULL },
};

START_TEST(says)
{
	struct hba *h = load(rules[_i].text);
	const struct hba_rule *r = hba_at(h, 0);

	ck_assert_msg(r != NULL, "%s", text_faults(&faults));
	ck_assert_uint_eq(faults.count, 0);
	ck_assert_int_eq(r->type, rules[_i].type);
	ck_assert_int_eq(r->method, rules[_i].method);
	ck_assert_int_eq(r->clientcert, rules[_i].clientcert);
	if (rules[_i].map == NULL)
		ck_assert_ptr_null(r->map);
	else
		ck_assert_str_eq(r->map, rules[_i].map);
	ck_assert_uint_eq(hba_count(h), 1);
	ck_assert_ptr_null(hba_at(h, 1));
	hba_free(h);
}
END_TEST

START_TEST(options)
{
	struct hba *h = load(
	    LDAP "ldapserver=\"a b\",ldapport=389 ldapbinddn=\"cn=x, dc=y\" "
		 "ldapbasedn=dc=z ldapbindpasswd=se=cret ldaptls=1 "
		 "ldapscheme=ldap ldapsearchfilter=\"(uid=$username)\"");
	const struct hba_rule *r = hba_at(h, 0);

	ck_assert_msg(r != NULL, "%s", text_faults(&faults));
	ck_assert_str_eq(hba_option(r, "ldapserver"), "a b");
	ck_assert_str_eq(hba_option(r, "ldapport"), "389");
	ck_assert_str_eq(hba_option(r, "ldapbinddn"), "cn=x, dc=y");
	ck_assert_str_eq(hba_option(r, "ldapbasedn"), "dc=z");
	ck_assert_str_eq(hba_option(r, "ldapbindpasswd"), "se=cret");
	ck_assert_str_eq(hba_option(r, "ldapsearchfilter"), "(uid=$username)");
	ck_assert_ptr_null(hba_option(r, "ldapurl"));
	ck_assert_uint_eq(r->n_options, 8);
	ck_assert_str_eq(hba_method_name(r->method), "ldap");
	ck_assert_str_eq(r->file, "hba");
	hba_free(h);
}
END_TEST

START_TEST(gssenc_is_told)
{
	struct hba *h = load("hostgssenc all all all reject");

	ck_assert_ptr_nonnull(h);
	ck_assert_str_eq(text_faults(&faults),
	    "w hba:1: hostgssenc never fits: there is no GSSAPI here\n");
	hba_free(h);
}
END_TEST

START_TEST(torn_worse)
{
	tear(refused[_i].text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hbarule");
	TCase *tc = tcase_create("hbarule");
	int n = sizeof(refused) / sizeof(*refused);

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, refuses, 0, n);
	tcase_add_loop_test(tc, says, 0, sizeof(rules) / sizeof(*rules));
	tcase_add_test(tc, ldap_alone);
	tcase_add_test(tc, options);
	tcase_add_test(tc, gssenc_is_told);
	tcase_add_loop_test(tc, torn_worse, 0, n);
	return run_suite(s);
}
