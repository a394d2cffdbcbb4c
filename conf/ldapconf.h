/*
 * ldapconf.h - an LDAP server as the options of a rule describe it.
 *
 * Two ways: a user's entry is what stands between ldapprefix and ldapsuffix,
 * or it is searched for below ldapbasedn, with ldapsearchfilter or
 * ldapsearchattribute; the search may need ldapbinddn and ldapbindpasswd.
 * ldapurl says most of it at once (RFC 4516):
 *
 *   ldap[s]://host[:port]/basedn[?attribute[?scope[?filter]]]
 *
 * What a user calls himself is put into names and filters so that it stays a
 * value there: RFC 4514 and RFC 4515 say how.
 *
 * Pure; a filled struct points into itself, so it must not be copied.
 */
#ifndef CONF_LDAPCONF_H
#define CONF_LDAPCONF_H

#include <stdbool.h>
#include <stddef.h>

struct hba_option;

enum {
	LDAPCONF_TEXT = 1536, /* names and values of all options, with NULs */
	LDAPCONF_SERVERS = 8,
	LDAPCONF_WHY = 100,
};

enum ldapconf_scope { LDAPCONF_BASE, LDAPCONF_ONE, LDAPCONF_SUB };

struct ldapconf {
	const char *servers[LDAPCONF_SERVERS]; /* tried in this order */
	size_t n_servers;
	int port;
	bool is_ldaps;
	bool is_starttls;
	bool is_search;
	const char *prefix, *suffix; /* never NULL */
	const char *basedn, *binddn, *bindpasswd;
	const char *attribute; /* of the search, where there is ... */
	const char *filter;    /* ... no filter; "": none */
	enum ldapconf_scope scope;
	size_t used;
	char text[2 * LDAPCONF_TEXT];
};

/* -1: `why` says what is wrong; it repeats no value. */
int ldapconf_fill(struct ldapconf *l, const struct hba_option *v, size_t n,
    char why[LDAPCONF_WHY]);
void ldapconf_fini(struct ldapconf *l); /* wipes */

/* The entry of `user`, by prefix and suffix.  -1: does not fit. */
int
ldapconf_dn(const struct ldapconf *l, const char *user, char *out, size_t size);

/* What finds the entry of `user`.  -1: does not fit. */
int ldapconf_filter(
    const struct ldapconf *l, const char *user, char *out, size_t size);

/* "ldap://host:port" of server `i`.  -1: does not fit. */
int ldapconf_uri(const struct ldapconf *l, size_t i, char *out, size_t size);

#endif
