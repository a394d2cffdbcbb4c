/*
 * ldapauth.h - is this the user's password, by an LDAP server?
 *
 * A simple bind as the user's entry, which is named by prefix and suffix, or
 * found by a search (ldapconf.h says which).  Only a bind that the server has
 * answered with success is a yes.  Servers are tried in turn: the next one when
 * one does not answer, or not in its share of the time; what one of them has
 * said is final.  Referrals are not followed.
 *
 * TLS is libldap's: what it trusts stands in ldap.conf(5), which may be given
 * by the environment (LDAPTLS_CACERT).
 *
 * Blocks: for the resolver's threads.
 */
#ifndef WORKER_RESOLVER_LDAPAUTH_H
#define WORKER_RESOLVER_LDAPAUTH_H

#include <stdint.h>

#include "conf/ldapconf.h"
#include "worker/resolver/prove.h"

/* Once, before the first thread. */
void ldapauth_open(void);

/*
 * `until_ms` (monotonic) is when it should be over.  `why`: what is wrong, for
 * the log; never with the password, or anything that the server has said.
 */
enum prove_result ldapauth_check(const struct ldapconf *l, const char *user,
    const char *password, uint64_t until_ms, char why[PROVE_WHY]);

#endif
