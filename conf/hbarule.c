#include "conf/hbarule.h"

#include <stdio.h>
#include <string.h>
#include "conf/value.h"

static const struct value_choice types[] = { { "local", HBA_LOCAL },
	{ "host", HBA_HOST }, { "hostssl", HBA_HOSTSSL },
	{ "hostnossl", HBA_HOSTNOSSL }, { "hostgssenc", HBA_HOSTGSSENC },
	{ "hostnogssenc", HBA_HOSTNOGSSENC }, { NULL, 0 } };

static const struct value_choice methods[] = { { "reject", HBA_REJECT },
	{ "trust", HBA_TRUST }, { "password", HBA_PASSWORD },
	{ "md5", HBA_MD5 }, { "scram-sha-256", HBA_SCRAM },
	{ "peer", HBA_PEER }, { "cert", HBA_CERT }, { "ldap", HBA_LDAP },
	{ "pam", HBA_PAM }, { NULL, 0 } };

/* A line, and how far it has been read. */
struct at {
	const struct hbarule *h;
	const struct hbalex_line *line;
	size_t i;
};

static int
fault(const struct at *a, const char *text, const char *what)
{
	conf_faults_add(a->h->faults, a->line->file, a->line->line,
	    what == NULL ? "%s" : "%s \"%.100s\"", text, what);
	return -1;
}

const char *
hba_method_name(enum hba_method method)
{
	return value_choice_name(methods, (int)method);
}

static bool
is_word(const struct hbalex_token *t, const char *word)
{
	return !t->is_quoted && strcmp(t->text, word) == 0;
}

/* The next field; NULL with the fault told. */
static const struct hbalex_field *
take(struct at *a, const char *what)
{
	if (a->i < a->line->n)
		return &a->line->f[a->i++];
	(void)fault(a, "the line ends before its", what);
	return NULL;
}

/* The next field, which has one value. */
static const struct hbalex_token *
take_one(struct at *a, const char *what)
{
	const struct hbalex_field *f = take(a, what);

	if (f == NULL || f->n == 1)
		return f == NULL ? NULL : f->v;
	(void)fault(a, "not one value, but several or none, as its", what);
	return NULL;
}

/* Exactly one of the names, whatever their case elsewhere may mean. */
static int
choose(const struct value_choice *of, const char *text)
{
	for (; of->name != NULL; of++)
		if (strcmp(of->name, text) == 0)
			return of->value;
	return -1;
}

/* --- databases and users ------------------------------------------------ */

/* Who belongs to whom is the server's knowledge. */
static bool
is_role(const struct hbalex_token *t, bool is_db)
{
	if (is_db)
		return is_word(t, "samerole") || is_word(t, "samegroup");
	return !t->is_quoted && t->text[0] == '+';
}

static int
fill_name(const struct at *a, const struct hbalex_token *t, bool is_db,
    struct hba_name *name)
{
	char why[192];

	name->is.text = t->text;
	if (is_word(t, "all"))
		name->kind = HBA_ALL;
	else if (is_db && is_word(t, "sameuser"))
		name->kind = HBA_SAMEUSER;
	else if (is_db && is_word(t, "replication"))
		name->kind = HBA_REPLICATION;
	else if (is_role(t, is_db))
		return fault(a, "roles are not known here:", t->text);
	else if (pattern_init(&name->is, t->text, why) == -1)
		return fault(a, why, NULL);
	return 0;
}

/* The count grows with the patterns that are to be given back. */
static int
fill_names(struct at *a, bool is_db, const struct hba_name **out, size_t *n)
{
	const struct hbalex_field *f = take(a, is_db ? "database" : "user");
	struct hba_name *v;

	if (f == NULL)
		return -1;
	v = arena_alloc(a->h->arena, f->n * sizeof(*v) + 1);
	if (v == NULL)
		return fault(a, "out of memory", NULL);
	*out = v;
	for (*n = 0; *n < f->n; (*n)++)
		if (fill_name(a, &f->v[*n], is_db, &v[*n]) == -1)
			return -1;
	return 0;
}

/* --- addresses ---------------------------------------------------------- */

/* An address and, in the next field, its mask. */
static int
fill_masked(struct at *a, const char *addr, struct netrange *r)
{
	const struct hbalex_token *mask;
	struct netaddr unused;

	if (netaddr_parse(addr, &unused) == -1)
		return fault(a,
		    "neither an address nor a range of them; names of hosts "
		    "are not supported:",
		    addr);
	mask = take_one(a, "mask");
	if (mask == NULL)
		return -1;
	return netrange_masked(addr, mask->text, r) == 0
	    ? 0
	    : fault(a, "no mask for this address:", mask->text);
}

static int
fill_address(struct at *a, struct hba_rule *rule)
{
	const struct hbalex_token *t = take_one(a, "address");
	struct netrange *r;

	if (t == NULL)
		return -1;
	if (is_word(t, "all")) {
		rule->is_from_all = true;
		return 0;
	}
	if (is_word(t, "samehost") || is_word(t, "samenet")) {
		rule->from = is_word(t, "samehost") ? a->h->hosts : a->h->nets;
		rule->n_from = a->h->n_hosts;
		return rule->n_from > 0
		    ? 0
		    : fault(a, "this host's addresses are not known:", t->text);
	}
	r = arena_alloc(a->h->arena, sizeof(*r));
	if (r == NULL)
		return fault(a, "out of memory", NULL);
	rule->from = r;
	rule->n_from = 1;
	if (strchr(t->text, '/') == NULL)
		return fill_masked(a, t->text, r);
	return netrange_parse(t->text, r) == 0
	    ? 0
	    : fault(a, "no range of addresses:", t->text);
}

/* --- the line ----------------------------------------------------------- */

static int
fill_type(struct at *a, struct hba_rule *rule)
{
	const struct hbalex_token *t = take_one(a, "type");
	int type;

	if (t == NULL)
		return -1;
	type = choose(types, t->text);
	if (type == -1)
		return fault(a, "there is no such type of line:", t->text);
	rule->type = (enum hba_type)type;
	if (rule->type == HBA_HOSTGSSENC)
		conf_faults_warn(a->h->faults, a->line->file, a->line->line,
		    "hostgssenc never fits: there is no GSSAPI here");
	return 0;
}

static int
fill_method(struct at *a, struct hba_rule *rule)
{
	const struct hbalex_token *t = take_one(a, "method");
	int method;

	if (t == NULL)
		return -1;
	method = choose(methods, t->text);
	if (method == -1)
		return fault(a, "this method is not supported:", t->text);
	rule->method = (enum hba_method)method;
	if (rule->method == HBA_PEER && rule->type != HBA_LOCAL)
		return fault(a, "peer needs a line of type local", NULL);
	if (rule->method == HBA_CERT && rule->type != HBA_HOSTSSL)
		return fault(a, "cert needs a line of type hostssl", NULL);
	return 0;
}

int
hbarule_fill(const struct hbarule *h, const struct hbalex_line *line,
    struct hba_rule *rule)
{
	struct at a = { .h = h, .line = line };

	rule->file = line->file;
	rule->line = line->line;
	if (fill_type(&a, rule) == -1 ||
	    fill_names(&a, true, &rule->dbs, &rule->n_dbs) == -1 ||
	    fill_names(&a, false, &rule->users, &rule->n_users) == -1)
		return -1;
	if (rule->type != HBA_LOCAL && fill_address(&a, rule) == -1)
		return -1;
	if (fill_method(&a, rule) == -1)
		return -1;
	return hbaopt_fill(h, line, a.i, rule);
}

static void
fini_names(const struct hba_name *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pattern p = v[i].is;

		pattern_fini(&p);
	}
}

void
hbarule_fini(struct hba_rule *rule)
{
	fini_names(rule->dbs, rule->n_dbs);
	fini_names(rule->users, rule->n_users);
	rule->n_dbs = rule->n_users = 0;
}
