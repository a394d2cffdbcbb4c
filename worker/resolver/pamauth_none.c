/* pamauth_none.c - built without PAM: nobody asks, and nobody gets in. */
#include "worker/resolver/pamauth.h"

#include "conf/compat.h"

enum prove_result
pamauth_check(const struct pamauth *p, char why[PROVE_WHY])
{
	(void)p;
	(void)compat_strlcpy(why, "built without PAM", PROVE_WHY);
	return PROVE_BROKEN;
}
