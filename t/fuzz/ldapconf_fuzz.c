/*
 * ldapconf_fuzz.c - options of LDAP, a line each, and behind an empty line the
 * name of a user: whatever he calls himself stays a value.
 */
#include "conf/ldapconf.h"

#include "conf/hba.h"
#include "t/fuzz/fuzz.h"

enum { OPTIONS = 16, OUT = 4096 };

static size_t
count(const char *s, char c)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += *s == c;
	return n;
}

/* "\" and what it takes with it: two digits in a filter. */
static bool
is_escaped_well(const char *s)
{
	static const char digits[] = "0123456789abcdef";

	for (; (s = strchr(s, '\\')) != NULL; s += 3)
		if (s[1] == '\0' || strchr(digits, s[1]) == NULL ||
		    s[2] == '\0' || strchr(digits, s[2]) == NULL)
			return false;
	return true;
}

static void
check_filter(const struct ldapconf *l, const char *user)
{
	static const char special[] = "()*&|!=<>";
	char *out = fuzz_copy("", 1), *with = malloc(OUT), *plain = malloc(OUT);

	MUST(with != NULL && plain != NULL);
	/* no byte beyond what there is; "$username" may be all, and empty */
	MUST(ldapconf_filter(l, user, out, 1) == -1 || *user == '\0');
	MUST(out[0] == '\0');
	free(out);
	MUST(ldapconf_filter(l, "x", plain, OUT) == 0);
	if (ldapconf_filter(l, user, with, OUT) == 0) {
		MUST(strlen(with) < OUT);
		for (const char *s = "()*"; *s != '\0'; s++)
			MUST(count(with, *s) == count(plain, *s));
		if (user[strcspn(user, special)] == '\0' &&
		    l->filter[0] == '\0')
			MUST(is_escaped_well(with));
	}
	free(with);
	free(plain);
}

static void
check_dn(const struct ldapconf *l, const char *user)
{
	char *out = malloc(OUT);
	size_t before = strlen(l->prefix);

	MUST(out != NULL);
	if (ldapconf_dn(l, user, out, OUT) == 0) {
		MUST(strncmp(out, l->prefix, before) == 0);
		MUST(strlen(out) >= before + strlen(l->suffix));
		MUST(strcmp(out + strlen(out) - strlen(l->suffix), l->suffix) ==
		    0);
		/* of each that would end the value, none stands alone */
		for (const char *s = out + before;
		     s < out + strlen(out) - strlen(l->suffix); s++) {
			MUST(*s == '\\' || strchr("\"+,;<>=", *s) == NULL);
			s += *s == '\\';
		}
	}
	free(out);
}

static void
check(const struct ldapconf *l, const char *user)
{
	char uri[300];

	MUST(l->n_servers >= 1 && l->n_servers <= LDAPCONF_SERVERS);
	MUST(l->port >= 1 && l->port <= 65535);
	MUST(!l->is_ldaps || !l->is_starttls);
	MUST(l->used <= sizeof(l->text));
	MUST(l->attribute[0] != '\0');
	for (size_t i = 0; i < l->n_servers; i++) {
		MUST(l->servers[i][0] != '\0');
		MUST(strpbrk(l->servers[i], "/?#@ ,%[]") == NULL);
		if (ldapconf_uri(l, i, uri, sizeof(uri)) == 0)
			MUST_END(uri);
	}
	check_filter(l, user);
	check_dn(l, user);
}

/* "name=value": in place. */
static size_t
options(char *text, struct hba_option *v, char **rest)
{
	size_t n = 0;
	char *next;

	for (; *text != '\0' && *text != '\n' && n < OPTIONS; text = next) {
		char *equals;

		next = text + strcspn(text, "\n");
		if (*next != '\0')
			*next++ = '\0';
		equals = strchr(text, '=');
		if (equals == NULL)
			continue;
		*equals = '\0';
		v[n++] =
		    (struct hba_option){ .name = text, .value = equals + 1 };
	}
	*rest = text + (*text == '\n');
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *user;
	struct hba_option v[OPTIONS];
	struct ldapconf *l = malloc(sizeof(*l));
	char why[LDAPCONF_WHY] = "";
	size_t n = options(text, v, &user);

	MUST(l != NULL);
	if (ldapconf_fill(l, v, n, why) == 0) {
		check(l, user);
	} else {
		MUST(why[0] != '\0');
		MUST_END(why);
	}
	ldapconf_fini(l);
	free(l);
	free(text);
	return 0;
}
