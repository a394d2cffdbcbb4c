#include "worker/resolver/ldapauth.h"

#include <ldap.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "conf/clock.h"
#include "conf/compat.h"

enum { NAME_MAX_BYTES = 2 * LDAPCONF_TEXT, URI_MAX = 512, LEAST_MS = 50 };

/* One attempt, at one server. */
struct attempt {
	const struct ldapconf *conf;
	LDAP *ld;
	uint64_t until_ms;
	const char *step; /* what is being done, for the log */
};

void
ldapauth_open(void)
{
	const int version = LDAP_VERSION3;

	/* reads ldap.conf(5), which no two threads should do at once */
	(void)ldap_set_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version);
}

/* --- one server ----------------------------------------------------------- */

static struct timeval
time_left(const struct attempt *a)
{
	uint64_t now_ms = clock_now_ms();
	uint64_t ms = a->until_ms > now_ms ? a->until_ms - now_ms : 0;

	if (ms < LEAST_MS)
		ms = LEAST_MS; /* none at all would mean for ever */
	return (struct timeval){ .tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000) };
}

/* Each step gets what is left of the time. */
static int
begin(struct attempt *a, const char *step)
{
	struct timeval left = time_left(a);

	a->step = step;
	if (clock_now_ms() >= a->until_ms)
		return LDAP_TIMEOUT;
	if (ldap_set_option(a->ld, LDAP_OPT_NETWORK_TIMEOUT, &left) !=
		LDAP_OPT_SUCCESS ||
	    ldap_set_option(a->ld, LDAP_OPT_TIMEOUT, &left) != LDAP_OPT_SUCCESS)
		return LDAP_LOCAL_ERROR;
	return LDAP_SUCCESS;
}

static int
bind_as(
    struct attempt *a, const char *step, const char *dn, const char *password)
{
	struct berval secret;
	int rc = begin(a, step);

	if (rc != LDAP_SUCCESS)
		return rc;
	secret.bv_len = strlen(password);
	/* it is only read */
	secret.bv_val = (char *)(uintptr_t)password;
	return ldap_sasl_bind_s(
	    a->ld, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
}

static int
start(struct attempt *a, const char *uri)
{
	const int version = LDAP_VERSION3;
	int rc;

	a->step = "connecting";
	rc = ldap_initialize(&a->ld, uri);
	if (rc != LDAP_SUCCESS)
		return rc;
	if (ldap_set_option(a->ld, LDAP_OPT_PROTOCOL_VERSION, &version) !=
		LDAP_OPT_SUCCESS ||
	    ldap_set_option(a->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) !=
		LDAP_OPT_SUCCESS)
		return LDAP_LOCAL_ERROR;
	if (!a->conf->is_starttls)
		return LDAP_SUCCESS;
	rc = begin(a, "StartTLS");
	return rc == LDAP_SUCCESS ? ldap_start_tls_s(a->ld, NULL, NULL) : rc;
}

/* The name of the one entry that was found; LDAP_NO_SUCH_OBJECT: none, two. */
static int
take_entry(struct attempt *a, LDAPMessage *found, char *out, size_t size)
{
	int rc = LDAP_NO_SUCH_OBJECT;
	char *dn;

	if (ldap_count_entries(a->ld, found) != 1)
		return rc;
	dn = ldap_get_dn(a->ld, ldap_first_entry(a->ld, found));
	if (dn == NULL)
		return LDAP_DECODING_ERROR;
	/* a bind as nobody would be a yes for everybody */
	if (dn[0] != '\0')
		rc = compat_strlcpy(out, dn, size) < size
		    ? LDAP_SUCCESS
		    : LDAP_NAMING_VIOLATION;
	ldap_memfree(dn);
	return rc;
}

static int
search(struct attempt *a, const char *user, char *out, size_t size)
{
	static const int scopes[] = { [LDAPCONF_BASE] = LDAP_SCOPE_BASE,
		[LDAPCONF_ONE] = LDAP_SCOPE_ONELEVEL,
		[LDAPCONF_SUB] = LDAP_SCOPE_SUBTREE };
	char filter[NAME_MAX_BYTES], none[] = LDAP_NO_ATTRS;
	char *attributes[] = { none, NULL };
	LDAPMessage *found = NULL;
	struct timeval left;
	int rc;

	rc = bind_as(
	    a, "bind before the search", a->conf->binddn, a->conf->bindpasswd);
	if (rc != LDAP_SUCCESS)
		/* of ours, not of the client's */
		return rc == LDAP_INVALID_CREDENTIALS ? LDAP_AUTH_UNKNOWN : rc;
	if (ldapconf_filter(a->conf, user, filter, sizeof(filter)) == -1)
		return LDAP_FILTER_ERROR;
	rc = begin(a, "search");
	if (rc != LDAP_SUCCESS)
		return rc;
	left = time_left(a);
	/* two are one too many */
	rc = ldap_search_ext_s(a->ld, a->conf->basedn, scopes[a->conf->scope],
	    filter, attributes, 1, NULL, NULL, &left, 2, &found);
	if (rc == LDAP_SUCCESS)
		rc = take_entry(a, found, out, size);
	if (found != NULL)
		(void)ldap_msgfree(found);
	return rc;
}

static int
ask(struct attempt *a, const char *uri, const char *user, const char *password)
{
	char dn[NAME_MAX_BYTES];
	int rc = start(a, uri);

	if (rc == LDAP_SUCCESS && a->conf->is_search)
		rc = search(a, user, dn, sizeof(dn));
	else if (rc == LDAP_SUCCESS &&
	    ldapconf_dn(a->conf, user, dn, sizeof(dn)) == -1)
		rc = LDAP_NAMING_VIOLATION;
	if (rc == LDAP_SUCCESS)
		rc = bind_as(a, "bind", dn, password);
	if (a->ld != NULL)
		(void)ldap_unbind_ext_s(a->ld, NULL, NULL);
	return rc;
}

/* --- all of them ---------------------------------------------------------- */

/* Would another server do better? */
static bool
is_down(int rc)
{
	switch (rc) {
	case LDAP_SERVER_DOWN:
	case LDAP_CONNECT_ERROR:
	case LDAP_TIMEOUT:
	case LDAP_UNAVAILABLE:
	case LDAP_BUSY:
		return true;
	default:
		return false;
	}
}

static enum prove_result
judge(int rc)
{
	switch (rc) {
	case LDAP_SUCCESS:
		return PROVE_RIGHT;
	case LDAP_INVALID_CREDENTIALS:
	case LDAP_NO_SUCH_OBJECT:
	case LDAP_SIZELIMIT_EXCEEDED:
	case LDAP_INVALID_DN_SYNTAX:
		return PROVE_WRONG;
	default:
		return PROVE_BROKEN;
	}
}

enum prove_result
ldapauth_check(const struct ldapconf *l, const char *user, const char *password,
    uint64_t until_ms, char why[PROVE_WHY])
{
	int rc = LDAP_SERVER_DOWN;

	/* a bind without a password is one as nobody, which succeeds */
	if (password[0] == '\0' || user[0] == '\0') {
		(void)compat_strlcpy(why, "an empty password", PROVE_WHY);
		return PROVE_WRONG;
	}
	for (size_t i = 0; i < l->n_servers && is_down(rc); i++) {
		uint64_t now_ms = clock_now_ms();
		uint64_t left = until_ms > now_ms ? until_ms - now_ms : 0;
		struct attempt a = { .conf = l,
			.until_ms = now_ms + left / (l->n_servers - i) };
		char uri[URI_MAX];

		if (ldapconf_uri(l, i, uri, sizeof(uri)) == -1)
			continue;
		rc = ask(&a, uri, user, password);
		snprintf(why, PROVE_WHY, "%.64s: %s: %.60s", uri, a.step,
		    ldap_err2string(rc));
	}
	return judge(rc);
}
