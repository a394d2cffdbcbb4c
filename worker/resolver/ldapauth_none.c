/* ldapauth_none.c - built without libldap: nobody asks, and nobody gets in. */
#include "worker/resolver/ldapauth.h"

#include "conf/compat.h"

void
ldapauth_open(void)
{
}

enum prove_result
ldapauth_check(const struct ldapconf *l, const char *user, const char *password,
    uint64_t until_ms, char why[PROVE_WHY])
{
	(void)l, (void)user, (void)password, (void)until_ms;
	(void)compat_strlcpy(why, "built without LDAP", PROVE_WHY);
	return PROVE_BROKEN;
}
