/*
 * version.h - which pooler this is: for -V, the log and SHOW VERSION.
 */
#ifndef CONF_VERSION_H
#define CONF_VERSION_H

#define POOLER_VERSION "0.1"

/* What was built in: GNUmakefile says. */
enum { VERSION_HAS_LDAP = WITH_LDAP, VERSION_HAS_PAM = WITH_PAM };

#endif
