/*
 * ldapconf.c - the options of LDAP: read, checked, and applied to a user.
 */
#include "conf/ldapconf.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "conf/compat.h"
#include "conf/hba.h"
#include "conf/value.h"

static const char user_mark[] = "$username";

/* --- texts ---------------------------------------------------------------- */

static int
fail(char why[LDAPCONF_WHY], const char *what)
{
	(void)compat_strlcpy(why, what, LDAPCONF_WHY);
	return -1;
}

/* A copy of `len` bytes; NULL: no room. */
static char *
keep(struct ldapconf *l, const char *p, size_t len)
{
	char *at = l->text + l->used;

	if (len >= sizeof(l->text) - l->used)
		return NULL;
	memcpy(at, p, len);
	at[len] = '\0';
	l->used += len + 1;
	return at;
}

/* A host's name or address: what cannot change the meaning of a URI. */
static bool
is_host(const char *s)
{
	bool has_any = false;

	for (; *s != '\0'; s++) {
		has_any |= *s != '.' && *s != ':';
		if ((*s < 'a' || *s > 'z') && (*s < 'A' || *s > 'Z') &&
		    (*s < '0' || *s > '9') && strchr("._-:", *s) == NULL)
			return false;
	}
	return has_any;
}

/* "host", "::1" or "[::1]", by blanks or commas. */
static int
take_servers(struct ldapconf *l, const char *value, char why[LDAPCONF_WHY])
{
	l->n_servers = 0;
	for (value += strspn(value, " ,"); *value != '\0';
	     value += strspn(value, " ,")) {
		size_t len = strcspn(value, " ,"), cut = 0;
		char *host;

		if (l->n_servers >= LDAPCONF_SERVERS)
			return fail(why, "too many LDAP servers");
		if (len > 2 && value[0] == '[' && value[len - 1] == ']')
			cut = 1;
		host = keep(l, value + cut, len - 2 * cut);
		if (host == NULL)
			return fail(why, "the LDAP options are too long");
		if (!is_host(host))
			return fail(
			    why, "ldapserver is not the name of a host");
		l->servers[l->n_servers++] = host;
		value += len;
	}
	return 0;
}

static int
take_port(struct ldapconf *l, const char *value, char why[LDAPCONF_WHY])
{
	int n = 0;

	for (const char *s = value; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || s - value >= 5)
			return fail(why, "the LDAP port is no port");
		n = n * 10 + (*s - '0');
	}
	if (n < 1 || n > 65535)
		return fail(why, "the LDAP port is no port");
	l->port = n;
	return 0;
}

/* --- ldapurl -------------------------------------------------------------- */

/* %XX in place; false: torn, or a zero byte. */
static bool
decode(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++) {
		if (*s == '%') {
			int high = value_digit(s[1]);
			int low = high > 15 ? high : value_digit(s[2]);

			if (low > 15 || high + low == 0)
				return false;
			*to++ = (char)(high * 16 + low);
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
	return true;
}

/* "host:port", either of which may be missing. */
static int
take_authority(struct ldapconf *l, char *at, char why[LDAPCONF_WHY])
{
	char *port = strrchr(at, ':');
	char *bracket = strrchr(at, ']');

	if (port != NULL && (bracket == NULL || port > bracket)) {
		*port++ = '\0';
		if (take_port(l, port, why) == -1)
			return -1;
	}
	if (strpbrk(at, " ,") != NULL)
		return fail(why, "ldapurl names more than one host");
	return take_servers(l, at, why);
}

static int
take_scope(struct ldapconf *l, const char *scope, char why[LDAPCONF_WHY])
{
	if (scope[0] == '\0' || strcasecmp(scope, "base") == 0)
		l->scope = LDAPCONF_BASE;
	else if (strcasecmp(scope, "one") == 0)
		l->scope = LDAPCONF_ONE;
	else if (strcasecmp(scope, "sub") == 0)
		l->scope = LDAPCONF_SUB;
	else
		return fail(why, "ldapurl: the scope is base, one or sub");
	return 0;
}

static int
take_url(struct ldapconf *l, const char *value, char why[LDAPCONF_WHY])
{
	enum { DN, ATTRIBUTE, SCOPE, FILTER, PARTS };
	static char none[] = "";
	char *part[PARTS] = { none, none, none, none };
	char *s, *slash;

	l->is_ldaps = strncasecmp(value, "ldaps://", 8) == 0;
	if (!l->is_ldaps && strncasecmp(value, "ldap://", 7) != 0)
		return fail(why, "ldapurl begins with ldap:// or ldaps://");
	value += l->is_ldaps ? 8 : 7;
	s = keep(l, value, strlen(value));
	if (s == NULL)
		return fail(why, "the LDAP options are too long");
	slash = s + strcspn(s, "/?");
	if (*slash == '?')
		return fail(why, "ldapurl: there is no / behind the host");
	if (*slash == '/') {
		*slash++ = '\0';
		for (int i = DN; i < PARTS && slash != NULL; i++) {
			part[i] = slash;
			slash = strchr(slash, '?');
			if (slash != NULL)
				*slash++ = '\0';
		}
		if (slash != NULL)
			return fail(why, "ldapurl: no extensions are known");
	}
	for (int i = DN; i < PARTS; i++)
		if (part[i] != none && !decode(part[i]))
			return fail(why, "ldapurl: a % is not one of %XX");
	if (strchr(part[ATTRIBUTE], ',') != NULL)
		return fail(why, "ldapurl names more than one attribute");
	l->is_search = true;
	l->basedn = part[DN];
	l->attribute = part[ATTRIBUTE];
	l->filter = part[FILTER];
	return take_scope(l, part[SCOPE], why) == -1
	    ? -1
	    : take_authority(l, s, why);
}

/* --- options -------------------------------------------------------------- */

static int
take_text(struct ldapconf *l, const struct hba_option *o, bool *is_known)
{
	const struct {
		const char *name;
		const char **at;
		bool is_search;
	} texts[] = {
		{ "ldapprefix", &l->prefix, false },
		{ "ldapsuffix", &l->suffix, false },
		{ "ldapbasedn", &l->basedn, true },
		{ "ldapbinddn", &l->binddn, false },
		{ "ldapbindpasswd", &l->bindpasswd, false },
		{ "ldapsearchattribute", &l->attribute, false },
		{ "ldapsearchfilter", &l->filter, false },
	};

	*is_known = true;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strcmp(o->name, texts[i].name) == 0) {
			l->is_search |= texts[i].is_search;
			*texts[i].at = keep(l, o->value, strlen(o->value));
			return *texts[i].at == NULL ? -1 : 0;
		}
	*is_known = false;
	return 0;
}

static int
take(struct ldapconf *l, const struct hba_option *o, char why[LDAPCONF_WHY])
{
	bool is_known;

	if (take_text(l, o, &is_known) == -1)
		return fail(why, "the LDAP options are too long");
	if (is_known)
		return 0;
	if (strcmp(o->name, "ldapserver") == 0)
		return take_servers(l, o->value, why);
	if (strcmp(o->name, "ldapport") == 0)
		return take_port(l, o->value, why);
	if (strcmp(o->name, "ldapscheme") == 0)
		l->is_ldaps = strcmp(o->value, "ldaps") == 0;
	else if (strcmp(o->name, "ldaptls") == 0)
		l->is_starttls = strcmp(o->value, "1") == 0;
	return 0;
}

static int
check(struct ldapconf *l, char why[LDAPCONF_WHY])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-.;";

	if (l->n_servers == 0)
		return fail(why, "no LDAP server is named");
	if (l->is_ldaps && l->is_starttls)
		return fail(why, "ldaptls does not go with ldaps");
	if (l->port == 0)
		l->port = l->is_ldaps ? 636 : 389;
	if (l->attribute[0] == '\0')
		l->attribute = "uid";
	if (l->attribute[strspn(l->attribute, letters)] != '\0')
		return fail(why, "the search attribute is no attribute");
	/* one that fits whoever logs in would let everybody in as him */
	if (l->is_search && l->filter[0] != '\0' &&
	    strstr(l->filter, user_mark) == NULL)
		return fail(why, "the search filter has no $username");
	return 0;
}

int
ldapconf_fill(struct ldapconf *l, const struct hba_option *v, size_t n,
    char why[LDAPCONF_WHY])
{
	size_t len = 0;

	*l = (struct ldapconf){ .prefix = "",
		.suffix = "",
		.basedn = "",
		.binddn = "",
		.bindpasswd = "",
		.attribute = "",
		.filter = "",
		.scope = LDAPCONF_SUB };
	for (size_t i = 0; i < n; i++) {
		len += strlen(v[i].name) + strlen(v[i].value) + 2;
		/* first of all: what else is said goes before it */
		if (strcmp(v[i].name, "ldapurl") == 0 &&
		    take_url(l, v[i].value, why) == -1)
			return -1;
	}
	if (len > LDAPCONF_TEXT)
		return fail(why, "the LDAP options are too long");
	for (size_t i = 0; i < n; i++)
		if (take(l, &v[i], why) == -1)
			return -1;
	return check(l, why);
}

void
ldapconf_fini(struct ldapconf *l)
{
	compat_bzero(l, sizeof(*l));
}

/* --- applied to a user ---------------------------------------------------- */

/* What is being written; `left` has room for a NUL, always. */
struct out {
	char *p;
	size_t left;
	bool is_full;
};

static void
put(struct out *o, const char *p, size_t len)
{
	if (len > o->left) {
		o->is_full = true;
		return;
	}
	memcpy(o->p, p, len);
	o->p += len;
	o->left -= len;
}

static void
put_hex(struct out *o, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	const char code[] = { '\\', digits[c >> 4], digits[c & 15] };

	put(o, code, sizeof(code));
}

/* RFC 4515, section 3: what is not plain ASCII may be escaped, too. */
static void
put_in_filter(struct out *o, const char *s)
{
	for (; *s != '\0'; s++)
		if (strchr("*()\\", *s) != NULL || *s < ' ' || *s > '~')
			put_hex(o, (unsigned char)*s);
		else
			put(o, s, 1);
}

/* RFC 4514, section 2.4. */
static void
put_in_dn(struct out *o, const char *user)
{
	for (const char *s = user; *s != '\0'; s++) {
		bool is_edge = s == user || s[1] == '\0';

		if (strchr("\"+,;<>\\=", *s) != NULL ||
		    (*s == ' ' && is_edge) || (*s == '#' && s == user)) {
			put(o, "\\", 1);
			put(o, s, 1);
		} else if ((unsigned char)*s < ' ' || *s == 0x7f) {
			put_hex(o, (unsigned char)*s);
		} else {
			put(o, s, 1);
		}
	}
}

static int
end(struct out *o)
{
	*o->p = '\0';
	return o->is_full ? -1 : 0;
}

int
ldapconf_dn(const struct ldapconf *l, const char *user, char *out, size_t size)
{
	struct out o = { .p = out, .left = size - 1 };

	put(&o, l->prefix, strlen(l->prefix));
	put_in_dn(&o, user);
	put(&o, l->suffix, strlen(l->suffix));
	return end(&o);
}

int
ldapconf_filter(
    const struct ldapconf *l, const char *user, char *out, size_t size)
{
	struct out o = { .p = out, .left = size - 1 };
	const char *s = l->filter, *mark;

	if (s[0] == '\0') {
		put(&o, "(", 1);
		put(&o, l->attribute, strlen(l->attribute));
		put(&o, "=", 1);
		put_in_filter(&o, user);
		put(&o, ")", 1);
		return end(&o);
	}
	while ((mark = strstr(s, user_mark)) != NULL) {
		put(&o, s, (size_t)(mark - s));
		put_in_filter(&o, user);
		s = mark + sizeof(user_mark) - 1;
	}
	put(&o, s, strlen(s));
	return end(&o);
}

int
ldapconf_uri(const struct ldapconf *l, size_t i, char *out, size_t size)
{
	const char *host = l->servers[i];
	bool is_v6 = strchr(host, ':') != NULL;
	int n =
	    snprintf(out, size, "ldap%s://%s%s%s:%d", l->is_ldaps ? "s" : "",
		is_v6 ? "[" : "", host, is_v6 ? "]" : "", l->port);

	return n < 0 || (size_t)n >= size ? -1 : 0;
}
