/*
 * hba.h - pg_hba.conf: who may log in from where, and by which method.
 *
 *   # type  database        user        address          method   options
 *   local   all             app                          peer     map=staff
 *   host    app,replication @users      10.0.0.0/8       scram-sha-256
 *   hostssl "my db",/^t_    all         samenet          cert
 *
 * The syntax is PostgreSQL 16's, the first rule that fits decides, and where
 * none fits nobody is let in.  What PostgreSQL has and we do not (+group,
 * samerole, names of hosts, gss, sspi, ident, radius, ...) is a fault of its
 * line; so is what PostgreSQL would pass over, such as a quote that is not
 * closed.  The addresses behind samehost and samenet are those of the time
 * when the configuration was read.
 *
 * Const once loaded.  Asking is pure and allocates nothing, but for what the
 * system's regexec(3) does for patterns.
 */
#ifndef CONF_HBA_H
#define CONF_HBA_H

#include <stdbool.h>
#include <stddef.h>
#include "conf/faults.h"
#include "conf/files.h"
#include "conf/ident.h"
#include "conf/netaddr.h"

enum hba_type {
	HBA_LOCAL,
	HBA_HOST,
	HBA_HOSTSSL,
	HBA_HOSTNOSSL,
	HBA_HOSTGSSENC, /* never fits: there is no GSSAPI here */
	HBA_HOSTNOGSSENC
};

enum hba_method {
	HBA_REJECT,
	HBA_TRUST,
	HBA_PASSWORD,
	HBA_MD5,
	HBA_SCRAM,
	HBA_PEER,
	HBA_CERT,
	HBA_LDAP,
	HBA_PAM
};

/* What a client's certificate must be, beside the method. */
enum hba_clientcert {
	HBA_NO_CERT,
	HBA_VERIFY_CA,  /* one that is valid */
	HBA_VERIFY_FULL /* and names the user, as `map` has it */
};

struct hba_option {
	const char *name;
	const char *value; /* may be a secret */
};

struct hba_name;

struct hba_rule {
	const char *file;
	unsigned line;
	enum hba_type type;
	enum hba_method method;
	enum hba_clientcert clientcert; /* HBA_VERIFY_FULL of HBA_CERT */
	const char *map;                /* of peer and certificates; or NULL */
	const struct hba_option *options; /* all that were given */
	size_t n_options;

	/* what it fits: for hba.c and hbarule.c alone */
	const struct hba_name *dbs, *users;
	size_t n_dbs, n_users;
	const struct netrange *from; /* of hosts */
	size_t n_from;
	bool is_from_all; /* any host, of either family */
};

struct hba_query {
	bool is_local; /* by a Unix socket; `addr` does not count then */
	bool is_tls;
	bool is_replication; /* no database, but the whole server's log */
	struct netaddr addr;
	const char *database;
	const char *user;
};

struct hba;

/*
 * The rules of the file `name`; `maps` (or NULL) are those that map= may name.
 * NULL when there was a fault.  The files' bytes are copied.
 */
struct hba *hba_new(const struct conf_files *files, const char *name,
    const struct ident *maps, struct conf_faults *faults);
void hba_free(struct hba *h); /* wipes; NULL is allowed */

/* The first rule that fits; NULL: none does, and nobody is let in. */
const struct hba_rule *hba_find(const struct hba *h, const struct hba_query *q);

/* A rule's option; NULL: not given. */
const char *hba_option(const struct hba_rule *rule, const char *name);

/* All rules in order. */
size_t hba_count(const struct hba *h);
const struct hba_rule *hba_at(const struct hba *h, size_t i);

const char *hba_method_name(enum hba_method method);

#endif
