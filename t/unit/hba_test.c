/*
 * hba_test.c - pg_hba.conf: which rule fits whom, and what is refused.
 */
#include "conf/hba.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "t/unit/conf_text.h"

static struct conf_files files;
static struct conf_faults faults;
static struct ident *maps;

static struct hba *
load_len(const char *text, size_t n)
{
	conf_files_free(&files);
	conf_faults_free(&faults);
	text_add_len(&files, "hba", text, n);
	text_add(&files, "users", "al, bo\n\"c d\"  # and no one else\n");
	text_add(&files, "nobody", "");
	text_add(&files, "more", "host inc all all md5\n");
	text_add(&files, "maps", "m al bo\n");
	text_add(&files, "\naddresses of this host",
	    "192.168.7.5 255.255.255.0\n127.0.0.1 255.0.0.0\n"
	    "fd00:1::5 ffff:ffff::\n");
	ident_free(maps);
	maps = ident_new(&files, "maps", &faults);
	ck_assert_ptr_nonnull(maps);
	return hba_new(&files, "hba", maps, &faults);
}

static struct hba *
load(const char *text)
{
	return load_len(text, strlen(text));
}

/* `from`: an address, with "s " before it when by TLS; "l": a Unix socket. */
static struct hba_query
query(const char *from, const char *database, const char *user)
{
	struct hba_query q = { .database = database, .user = user };

	q.is_local = strcmp(from, "l") == 0;
	q.is_tls = strncmp(from, "s ", 2) == 0;
	q.is_replication = strcmp(database, "*") == 0;
	if (!q.is_local)
		ck_assert_int_eq(
		    netaddr_parse(q.is_tls ? from + 2 : from, &q.addr), 0);
	return q;
}

/* `line` of the rule that fits; 0: none. */
static const struct {
	const char *text, *from, *database, *user;
	unsigned line;
} cases[] = {
	/* no rule, no way in */
	{ "", "l", "d", "u", 0 },
	{ "# local all all trust", "l", "d", "u", 0 },
	/* types */
	{ "local all all trust", "l", "d", "u", 1 },
	{ "local all all trust", "127.0.0.1", "d", "u", 0 },
	{ "local all all trust", "s 127.0.0.1", "d", "u", 0 },
	{ "host all all all md5", "l", "d", "u", 0 },
	{ "host all all all md5", "1.2.3.4", "d", "u", 1 },
	{ "host all all all md5", "s 1.2.3.4", "d", "u", 1 },
	{ "host all all all md5", "s ::1", "d", "u", 1 },
	{ "hostssl all all all md5", "l", "d", "u", 0 },
	{ "hostssl all all all md5", "1.2.3.4", "d", "u", 0 },
	{ "hostssl all all all md5", "s 1.2.3.4", "d", "u", 1 },
	{ "hostnossl all all all md5", "l", "d", "u", 0 },
	{ "hostnossl all all all md5", "1.2.3.4", "d", "u", 1 },
	{ "hostnossl all all all md5", "s 1.2.3.4", "d", "u", 0 },
	{ "hostgssenc all all all md5", "1.2.3.4", "d", "u", 0 },
	{ "hostgssenc all all all md5", "s 1.2.3.4", "d", "u", 0 },
	{ "hostgssenc all all all md5", "l", "d", "u", 0 },
	{ "hostnogssenc all all all md5", "1.2.3.4", "d", "u", 1 },
	{ "hostnogssenc all all all md5", "s 1.2.3.4", "d", "u", 1 },
	{ "hostnogssenc all all all md5", "l", "d", "u", 0 },
	/* databases */
	{ "local d all md5", "l", "d", "u", 1 },
	{ "local d all md5", "l", "D", "u", 0 },
	{ "local d all md5", "l", "dd", "u", 0 },
	{ "local d all md5", "l", "", "u", 0 },
	{ "local a,d,e all md5", "l", "d", "u", 1 },
	{ "local a,d,e all md5", "l", "e", "u", 1 },
	{ "local a, d all md5", "l", "d", "u", 1 },
	{ "local a,all all md5", "l", "d", "u", 1 },
	{ "local \"all\" all md5", "l", "d", "u", 0 },
	{ "local \"all\" all md5", "l", "all", "u", 1 },
	{ "local \"d e\" all md5", "l", "d e", "u", 1 },
	{ "local \"d,e\" all md5", "l", "d,e", "u", 1 },
	{ "local \"d,e\" all md5", "l", "d", "u", 0 },
	{ "local \"\" all md5", "l", "d", "u", 0 },
	{ "local ALL all md5", "l", "d", "u", 0 },
	{ "local pgbouncer all md5", "l", "pgbouncer", "u", 1 },
	{ "local sameuser all md5", "l", "u", "u", 1 },
	{ "local sameuser all md5", "l", "d", "u", 0 },
	{ "local \"sameuser\" all md5", "l", "u", "u", 0 },
	{ "local \"sameuser\" all md5", "l", "sameuser", "u", 1 },
	{ "local d,sameuser all md5", "l", "u", "u", 1 },
	{ "local @users all md5", "l", "al", "u", 1 },
	{ "local @users all md5", "l", "c d", "u", 1 },
	{ "local @users all md5", "l", "d", "u", 0 },
	{ "local @users,d all md5", "l", "d", "u", 1 },
	{ "local @nobody all md5", "l", "d", "u", 0 },
	{ "local @nobody all md5", "l", "", "u", 0 },
	{ "local \"samerole\" all md5", "l", "samerole", "u", 1 },
	/* replication */
	{ "local replication all md5", "l", "*", "u", 1 },
	{ "local replication all md5", "l", "d", "u", 0 },
	{ "local replication all md5", "l", "replication", "u", 0 },
	{ "local \"replication\" all md5", "l", "replication", "u", 1 },
	{ "local \"replication\" all md5", "l", "*", "u", 0 },
	{ "local all all md5", "l", "*", "u", 0 },
	{ "local all,replication all md5", "l", "*", "u", 1 },
	{ "local all,replication all md5", "l", "d", "u", 1 },
	{ "local sameuser all md5", "l", "*", "*", 0 },
	{ "local /. all md5", "l", "*", "u", 0 },
	{ "local replication x md5", "l", "*", "u", 0 },
	/* users */
	{ "local all u md5", "l", "d", "u", 1 },
	{ "local all u md5", "l", "d", "U", 0 },
	{ "local all u md5", "l", "d", "uu", 0 },
	{ "local all t,u md5", "l", "d", "u", 1 },
	{ "local all \"all\" md5", "l", "d", "u", 0 },
	{ "local all \"all\" md5", "l", "d", "all", 1 },
	{ "local all sameuser md5", "l", "sameuser", "x", 0 },
	{ "local all sameuser md5", "l", "d", "sameuser", 1 },
	{ "local all replication md5", "l", "d", "replication", 1 },
	{ "local all \"+u\" md5", "l", "d", "+u", 1 },
	{ "local all @users md5", "l", "d", "bo", 1 },
	{ "local all @users md5", "l", "d", "c d", 1 },
	{ "local all @users md5", "l", "d", "c", 0 },
	{ "local all @users md5", "l", "d", "@users", 0 },
	{ "local all \"@users\" md5", "l", "d", "@users", 1 },
	{ "local all @users,x md5", "l", "d", "x", 1 },
	{ "local all @nobody md5", "l", "d", "u", 0 },
	{ "local all @nobody,u md5", "l", "d", "u", 1 },
	{ "local d u md5", "l", "d", "x", 0 },
	{ "local d u md5", "l", "x", "u", 0 },
	/* patterns */
	{ "local /^d all md5", "l", "dx", "u", 1 },
	{ "local /^d all md5", "l", "xd", "u", 0 },
	{ "local /^db\\d+$ all md5", "l", "db12", "u", 1 },
	{ "local /^db\\d+$ all md5", "l", "dbx", "u", 0 },
	{ "local \"/^(a|b),c$\" all md5", "l", "a,c", "u", 1 },
	{ "local a,/^d all md5", "l", "dx", "u", 1 },
	{ "local all /^u md5", "l", "d", "ux", 1 },
	{ "local all /^u$ md5", "l", "d", "ux", 0 },
	{ "local all /u md5", "l", "d", "xux", 1 },
	{ "local all \"/^u v$\" md5", "l", "d", "u v", 1 },
	{ "local all x,/^u md5", "l", "d", "ux", 1 },
	/* addresses */
	{ "host all all 10.0.0.0/8 md5", "10.1.2.3", "d", "u", 1 },
	{ "host all all 10.0.0.0/8 md5", "11.1.2.3", "d", "u", 0 },
	{ "host all all 10.0.0.0/8 md5", "::1", "d", "u", 0 },
	{ "host all all 10.0.0.0 255.0.0.0 md5", "10.1.2.3", "d", "u", 1 },
	{ "host all all 10.0.0.0 255.0.0.0 md5", "11.1.2.3", "d", "u", 0 },
	{ "host all all 10.0.0.1/32 md5", "10.0.0.1", "d", "u", 1 },
	{ "host all all 10.0.0.1/32 md5", "10.0.0.2", "d", "u", 0 },
	{ "host all all 0.0.0.0/0 md5", "9.9.9.9", "d", "u", 1 },
	{ "host all all 0.0.0.0/0 md5", "::1", "d", "u", 0 },
	{ "host all all ::/0 md5", "::1", "d", "u", 1 },
	{ "host all all ::/0 md5", "9.9.9.9", "d", "u", 0 },
	{ "host all all ::1/128 md5", "::1", "d", "u", 1 },
	{ "host all all ::1/128 md5", "::2", "d", "u", 0 },
	{ "host all all fe80:: ffc0:: md5", "fe80::7", "d", "u", 1 },
	{ "host all all \"10.0.0.0/8\" md5", "10.1.2.3", "d", "u", 1 },
	{ "host all all samehost md5", "192.168.7.5", "d", "u", 1 },
	{ "host all all samehost md5", "192.168.7.6", "d", "u", 0 },
	{ "host all all samehost md5", "127.0.0.1", "d", "u", 1 },
	{ "host all all samehost md5", "127.0.0.2", "d", "u", 0 },
	{ "host all all samehost md5", "fd00:1::5", "d", "u", 1 },
	{ "host all all samehost md5", "fd00:1::6", "d", "u", 0 },
	{ "host all all samenet md5", "192.168.7.6", "d", "u", 1 },
	{ "host all all samenet md5", "192.168.8.6", "d", "u", 0 },
	{ "host all all samenet md5", "127.9.9.9", "d", "u", 1 },
	{ "host all all samenet md5", "fd00:1:ff::", "d", "u", 1 },
	{ "host all all samenet md5", "fd00:2::", "d", "u", 0 },
	{ "host all all samenet md5", "8.8.8.8", "d", "u", 0 },
	/* the first that fits */
	{ "local d u md5\nlocal all all reject", "l", "d", "u", 1 },
	{ "local d u md5\nlocal all all reject", "l", "d", "x", 2 },
	{ "local all all reject\nlocal d u md5", "l", "d", "u", 1 },
	{ "host all all 10.0.0.0/8 reject\nhost all all all md5", "10.1.1.1",
	    "d", "u", 1 },
	{ "host all all 10.0.0.0/8 reject\nhost all all all md5", "9.1.1.1",
	    "d", "u", 2 },
	{ "hostssl all all all md5\n\nhost all all all reject", "s ::1", "d",
	    "u", 1 },
	{ "hostssl all all all md5\n\nhost all all all reject", "::1", "d", "u",
	    3 },
	{ "local d u \\\n md5\nlocal all all md5", "l", "d", "x", 3 },
	{ "include more", "::1", "inc", "u", 1 },
	{ "include more", "::1", "d", "u", 0 },
	{ "local all all md5 # host all all all trust", "::1", "d", "u", 0 },
};

START_TEST(fits)
{
	struct hba *h = load(cases[_i].text);
	struct hba_query q =
	    query(cases[_i].from, cases[_i].database, cases[_i].user);
	const struct hba_rule *rule;

	ck_assert_msg(
	    h != NULL, "%s\n%s", cases[_i].text, text_faults(&faults));
	rule = hba_find(h, &q);
	ck_assert_msg((rule == NULL ? 0 : rule->line) == cases[_i].line,
	    "%s\nfrom %s, %s, %s: line %u", cases[_i].text, cases[_i].from,
	    cases[_i].database, cases[_i].user, rule == NULL ? 0 : rule->line);
	hba_free(h);
}
END_TEST

#define SHORT(what) "hba:1: the line ends before its \"" what "\"\n"
#define LDAP        "host all all all ldap "
#define SSL         "hostssl all all all "

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

/* Nothing there refuses everybody, and says nothing. */
START_TEST(nothing)
{
	struct hba_query q = query("l", "d", "u");

	ck_assert_ptr_null(hba_find(NULL, &q));
	ck_assert_ptr_null(hba_at(NULL, 0));
	ck_assert_uint_eq(hba_count(NULL), 0);
	hba_free(NULL);
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

/* Addresses that nobody has read are no addresses of nobody. */
START_TEST(unknown_interfaces)
{
	conf_files_free(&files);
	conf_faults_free(&faults);
	text_add(&files, "hba", "host all all samehost trust");
	ck_assert_ptr_null(hba_new(&files, "hba", NULL, &faults));
	ck_assert_str_eq(text_faults(&faults),
	    "hba:1: this host's addresses are not known: \"samehost\"\n");
	conf_faults_free(&faults);
	ck_assert_ptr_null(hba_new(&files, "no", NULL, &faults));
	ck_assert_uint_eq(faults.faults, 1);
}
END_TEST

/* The rules outlive the bytes that they come from. */
START_TEST(copies)
{
	struct hba *h = load("local /^d \"u\",@users peer map=m");
	struct hba_query q = query("l", "dx", "c d");

	ck_assert_ptr_nonnull(h);
	conf_files_free(&files);
	ck_assert_str_eq(hba_find(h, &q)->map, "m");
	ck_assert_str_eq(hba_find(h, &q)->file, "hba");
	hba_free(h);
}
END_TEST

START_TEST(many)
{
	char *text = malloc(1 << 20);
	struct hba_query q = query("10.1.2.3", "d", "u4999");
	struct hba *h;
	size_t n = 0;

	for (int i = 0; i < 5000; i++)
		n += (size_t)sprintf(
		    text + n, "host d u%d 10.0.0.0/8 scram-sha-256\n", i);
	h = load(text);
	ck_assert_ptr_nonnull(h);
	ck_assert_uint_eq(hba_count(h), 5000);
	ck_assert_uint_eq(hba_find(h, &q)->line, 5000);
	hba_free(h);
	free(text);
}
END_TEST

/*
 * Every text of the tables cut at every byte, and with a byte of every kind in
 * every place: taken or refused, but nothing breaks, and who is refused by no
 * rule is let in by none that says reject.
 */
static void
try(const char *text, size_t n)
{
	struct hba_query q = query("s 10.0.0.1", "d", "u");
	struct hba *h = load_len(text, n);
	const struct hba_rule *r = hba_find(h, &q);

	ck_assert(h != NULL || faults.faults > 0);
	ck_assert(r == NULL || r->line > 0);
	hba_free(h);
}

static void
tear(const char *text)
{
	static const char bytes[] = "\0\n\\\"#,@/ +(\xff";
	size_t n = strlen(text);
	char copy[512];

	ck_assert_uint_lt(n, sizeof(copy));
	for (size_t cut = 0; cut < n; cut++)
		try(text, cut);
	for (size_t i = 0; i < n; i++) {
		memcpy(copy, text, n);
		for (size_t b = 0; b < sizeof(bytes) - 1; b++) {
			copy[i] = bytes[b];
			try(copy, n);
		}
	}
}

START_TEST(torn)
{
	tear(cases[_i].text);
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
	Suite *s = suite_create("hba");
	TCase *tc = tcase_create("hba");
	SRunner *sr = srunner_create(s);
	int n = sizeof(cases) / sizeof(*cases);
	int n_refused = sizeof(refused) / sizeof(*refused), failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, fits, 0, n);
	tcase_add_loop_test(tc, refuses, 0, n_refused);
	tcase_add_loop_test(tc, says, 0, sizeof(rules) / sizeof(*rules));
	tcase_add_test(tc, options);
	tcase_add_test(tc, nothing);
	tcase_add_test(tc, gssenc_is_told);
	tcase_add_test(tc, unknown_interfaces);
	tcase_add_test(tc, copies);
	tcase_add_test(tc, many);
	tcase_add_loop_test(tc, torn, 0, n);
	tcase_add_loop_test(tc, torn_worse, 0, n_refused);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
