/*
 * hbarule.h - one line of pg_hba.conf as a rule: for hba.c alone.
 *
 * Everything that a rule points to lies in the arena, but for the compiled
 * patterns: hba.c gives those back.
 */
#ifndef CONF_HBARULE_H
#define CONF_HBARULE_H

#include "conf/arena.h"
#include "conf/hba.h"
#include "conf/hbalex.h"
#include "conf/pattern.h"

enum hba_kind { HBA_NAME, HBA_ALL, HBA_SAMEUSER, HBA_REPLICATION };

/* One of the databases or users of a rule. */
struct hba_name {
	enum hba_kind kind;
	struct pattern is; /* of HBA_NAME */
};

struct hbarule {
	struct arena *arena;
	const struct ident *maps;
	struct conf_faults *faults;
	/* what samehost and samenet stand for */
	const struct netrange *hosts, *nets;
	size_t n_hosts; /* of both */
};

/*
 * Fill `rule`, which is zero.  -1 with the fault told; its patterns are to be
 * given back in either case, by hbarule_fini().
 */
int hbarule_fill(const struct hbarule *h, const struct hbalex_line *line,
    struct hba_rule *rule);
void hbarule_fini(struct hba_rule *rule);

/* In hbaopt.c: the options, and whether they go with the rest. */
int hbaopt_fill(const struct hbarule *h, const struct hbalex_line *line,
    size_t first, struct hba_rule *rule);

#endif
