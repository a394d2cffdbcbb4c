/*
 * hbaopt.c - the options behind a rule's method: which there are, and which
 * go together.
 */
#include "conf/hbarule.h"

#include <string.h>
#include "conf/ldapconf.h"

/* The methods that take an option, as bits. */
#define M(m) (1u << (m))

static const struct {
	const char *name;
	unsigned methods;
} known[] = {
	{ "map", M(HBA_PEER) | M(HBA_CERT) },
	/* the others by their row: hostssl */
	{ "clientcert", ~0u },
	{ "clientname", ~0u },
	{ "pamservice", M(HBA_PAM) },
	{ "pam_use_hostname", M(HBA_PAM) },
	{ "ldapurl", M(HBA_LDAP) },
	{ "ldaptls", M(HBA_LDAP) },
	{ "ldapscheme", M(HBA_LDAP) },
	{ "ldapserver", M(HBA_LDAP) },
	{ "ldapport", M(HBA_LDAP) },
	{ "ldapbinddn", M(HBA_LDAP) },
	{ "ldapbindpasswd", M(HBA_LDAP) },
	{ "ldapsearchattribute", M(HBA_LDAP) },
	{ "ldapsearchfilter", M(HBA_LDAP) },
	{ "ldapbasedn", M(HBA_LDAP) },
	{ "ldapprefix", M(HBA_LDAP) },
	{ "ldapsuffix", M(HBA_LDAP) },
};

const char *
hba_option(const struct hba_rule *rule, const char *name)
{
	for (size_t i = 0; i < rule->n_options; i++)
		if (strcmp(rule->options[i].name, name) == 0)
			return rule->options[i].value;
	return NULL;
}

/* Names no value: it may be a secret. */
static int
fault(const struct hbarule *h, const struct hba_rule *rule, const char *name,
    const char *text)
{
	conf_faults_add(h->faults, rule->file, rule->line, "option %.50s%s%s",
	    name, name[0] == '\0' ? "" : ": ", text);
	return -1;
}

/* --- one option --------------------------------------------------------- */

static int
set_clientcert(
    const struct hbarule *h, struct hba_rule *rule, const char *value)
{
	if (rule->type != HBA_HOSTSSL)
		return fault(
		    h, rule, "clientcert", "needs a line of type hostssl");
	if (strcmp(value, "verify-full") == 0)
		rule->clientcert = HBA_VERIFY_FULL;
	else if (strcmp(value, "verify-ca") == 0 && rule->method != HBA_CERT)
		rule->clientcert = HBA_VERIFY_CA;
	else
		return fault(h, rule, "clientcert",
		    "is verify-ca or verify-full, with cert only the latter");
	return 0;
}

static bool
is_port(const char *value)
{
	unsigned n = 0;

	for (size_t i = 0; value[i] != '\0'; i++) {
		if (value[i] < '0' || value[i] > '9' || i == 5)
			return false;
		n = n * 10 + (unsigned)(value[i] - '0');
	}
	return n > 0 && n <= 65535;
}

/* What is wrong with the value; NULL: nothing. */
static const char *
check_value(const struct hbarule *h, const char *name, const char *value)
{
	bool is_bit = strcmp(value, "0") == 0 || strcmp(value, "1") == 0;

	if (strcmp(name, "map") == 0 && !ident_has(h->maps, value))
		return "auth_ident_file has no such map";
	if (strcmp(name, "clientname") == 0 && strcmp(value, "CN") != 0)
		return "only CN is supported";
	if (strcmp(name, "ldapport") == 0 && !is_port(value))
		return "is no port";
	if (strcmp(name, "ldapscheme") == 0 && strcmp(value, "ldap") != 0 &&
	    strcmp(value, "ldaps") != 0)
		return "is ldap or ldaps";
	if ((strcmp(name, "ldaptls") == 0 ||
		strcmp(name, "pam_use_hostname") == 0) &&
	    !is_bit)
		return "is 0 or 1";
	return NULL;
}

/* May this rule have the option? */
static bool
is_known(const struct hba_rule *rule, const char *name)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(known[i].name, name) == 0)
			return (known[i].methods & M(rule->method)) != 0;
	return false;
}

static int
set_option(const struct hbarule *h, struct hba_rule *rule, struct hba_option *o,
    const char *text)
{
	const char *eq = strchr(text, '=');
	const char *why;

	if (eq == NULL)
		return fault(h, rule, "",
		    "is name=value, with quotes around "
		    "it where it has blanks or commas");
	o->name = arena_memdup(h->arena, text, (size_t)(eq - text));
	if (o->name == NULL)
		return fault(h, rule, "", "out of memory");
	o->value = eq + 1;
	if (!is_known(rule, o->name))
		return fault(h, rule, o->name,
		    "not for this method, or not "
		    "supported");
	if (hba_option(rule, o->name) != NULL)
		return fault(h, rule, o->name, "given twice");
	why = check_value(h, o->name, o->value);
	if (why != NULL)
		return fault(h, rule, o->name, why);
	rule->n_options++;
	if (strcmp(o->name, "clientcert") == 0)
		return set_clientcert(h, rule, o->value);
	return 0;
}

/* --- all of them -------------------------------------------------------- */

static bool
has_any(const struct hba_rule *rule, const char *const *names)
{
	for (; *names != NULL; names++)
		if (hba_option(rule, *names) != NULL)
			return true;
	return false;
}

/* As the one who will ask reads them. */
static int
check_ldapconf(const struct hbarule *h, const struct hba_rule *rule)
{
	struct ldapconf l;
	char why[LDAPCONF_WHY];
	int rc = ldapconf_fill(&l, rule->options, rule->n_options, why);

	ldapconf_fini(&l);
	if (rc == -1)
		conf_faults_add(h->faults, rule->file, rule->line, "%s", why);
	return rc;
}

/* Two ways to LDAP: the name put between two texts, or searched for. */
static int
check_ldap(const struct hbarule *h, const struct hba_rule *rule)
{
	static const char *const simple[] = { "ldapprefix", "ldapsuffix",
		NULL };
	static const char *const search[] = { "ldapbasedn", "ldapbinddn",
		"ldapbindpasswd", "ldapsearchattribute", "ldapsearchfilter",
		NULL };
	bool is_url = hba_option(rule, "ldapurl") != NULL;

	if (!is_url && hba_option(rule, "ldapserver") == NULL)
		return fault(h, rule, "", "ldapserver or ldapurl is missing");
	if (has_any(rule, simple) && (is_url || has_any(rule, search)))
		return fault(h, rule, "",
		    "ldapprefix and ldapsuffix do not go with a search");
	if (!has_any(rule, simple) && !is_url &&
	    hba_option(rule, "ldapbasedn") == NULL)
		return fault(h, rule, "",
		    "ldapbasedn, ldapprefix or ldapsuffix is missing");
	if (hba_option(rule, "ldapsearchattribute") != NULL &&
	    hba_option(rule, "ldapsearchfilter") != NULL)
		return fault(h, rule, "",
		    "ldapsearchattribute does not go with ldapsearchfilter");
	return check_ldapconf(h, rule);
}

static int
check_all(const struct hbarule *h, struct hba_rule *rule)
{
	if (rule->method == HBA_LDAP && check_ldap(h, rule) == -1)
		return -1;
	if (rule->method == HBA_CERT)
		rule->clientcert = HBA_VERIFY_FULL;
	if (hba_option(rule, "clientname") != NULL &&
	    rule->clientcert != HBA_VERIFY_FULL)
		return fault(
		    h, rule, "clientname", "needs clientcert=verify-full");
	rule->map = hba_option(rule, "map");
	return 0;
}

int
hbaopt_fill(const struct hbarule *h, const struct hbalex_line *line,
    size_t first, struct hba_rule *rule)
{
	struct hba_option *v;
	size_t n = 0;

	for (size_t i = first; i < line->n; i++)
		n += line->f[i].n;
	v = arena_alloc(h->arena, n * sizeof(*v) + 1);
	if (v == NULL)
		return fault(h, rule, "", "out of memory");
	rule->options = v;
	for (size_t i = first; i < line->n; i++)
		for (size_t j = 0; j < line->f[i].n; j++)
			if (set_option(h, rule, &v[rule->n_options],
				line->f[i].v[j].text) == -1)
				return -1;
	return check_all(h, rule);
}
