#include "conf/hba.h"

#include <stdlib.h>
#include <string.h>
#include "conf/hbarule.h"
#include "conf/rulefiles.h"

struct hba {
	struct hba_rule *v;
	size_t n, room;
	struct arena arena;
};

/* While it is being loaded. */
struct loading {
	struct hba *h;
	const struct conf_files *files;
	struct hbarule rule;
};

/* --- load --------------------------------------------------------------- */

static struct hba_rule *
add_rule(struct hba *h)
{
	size_t room = h->room == 0 ? 16 : h->room * 2;
	struct hba_rule *v;

	if (h->n == h->room) {
		v = realloc(h->v, room * sizeof(*v));
		if (v == NULL)
			return NULL;
		h->v = v;
		h->room = room;
	}
	h->v[h->n] = (struct hba_rule){ 0 };
	return &h->v[h->n++];
}

static void
on_rule(void *arg, const struct hbalex_line *line)
{
	struct loading *l = arg;
	struct hba_rule *rule = add_rule(l->h);

	if (rule == NULL)
		conf_faults_add(
		    l->rule.faults, line->file, line->line, "out of memory");
	else
		(void)hbarule_fill(&l->rule, line, rule);
}

static bool
find(void *arg, enum hbalex_what what, const char *name, struct lex_text *text)
{
	const struct loading *l = arg;

	return rulefiles_find(l->files, what, name, text);
}

/* The next "ADDRESS MASK" of a list that we have written ourselves. */
static bool
take_interface(struct lex_text *list, struct netrange *net)
{
	char line[2 * NETADDR_TEXT];
	const char *end = memchr(list->bytes, '\n', list->len);
	char *mask;
	size_t n;

	if (end == NULL)
		return false;
	n = (size_t)(end - list->bytes);
	if (n >= sizeof(line))
		return false;
	memcpy(line, list->bytes, n);
	line[n] = '\0';
	list->bytes += n + 1;
	list->len -= n + 1;
	mask = strchr(line, ' ');
	if (mask == NULL)
		return false;
	*mask++ = '\0';
	return netrange_masked(line, mask, net) == 0;
}

/* What samehost and samenet stand for; none where nobody has asked for it. */
static void
load_interfaces(struct loading *l)
{
	struct netrange *hosts, *nets;
	struct lex_text list;
	size_t n = 0;

	if (!rulefiles_interfaces(l->files, &list))
		return;
	for (size_t i = 0; i < list.len; i++)
		n += list.bytes[i] == '\n';
	hosts = arena_alloc(&l->h->arena, n * sizeof(*hosts) + 1);
	nets = arena_alloc(&l->h->arena, n * sizeof(*nets) + 1);
	if (hosts == NULL || nets == NULL)
		return;
	l->rule.hosts = hosts;
	l->rule.nets = nets;
	for (n = 0; take_interface(&list, &nets[n]); n++)
		hosts[n] = netrange_host(&nets[n].addr);
	l->rule.n_hosts = n;
}

struct hba *
hba_new(const struct conf_files *files, const char *name,
    const struct ident *maps, struct conf_faults *faults)
{
	struct loading l = { .files = files };
	size_t before = faults->faults;
	struct hbalex lex = {
		.faults = faults, .find = find, .take = on_rule, .arg = &l
	};

	l.h = calloc(1, sizeof(*l.h));
	if (l.h == NULL) {
		conf_faults_add(faults, name, 0, "out of memory");
		return NULL;
	}
	arena_init(&l.h->arena);
	lex.arena = &l.h->arena;
	l.rule.arena = &l.h->arena;
	l.rule.maps = maps;
	l.rule.faults = faults;
	load_interfaces(&l);
	hbalex_run(&lex, name);
	if (faults->faults == before)
		return l.h;
	hba_free(l.h);
	return NULL;
}

void
hba_free(struct hba *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < h->n; i++)
		hbarule_fini(&h->v[i]);
	free(h->v);
	arena_fini(&h->arena);
	free(h);
}

/* --- ask ---------------------------------------------------------------- */

static bool
is_type(enum hba_type type, const struct hba_query *q)
{
	switch (type) {
	case HBA_LOCAL:
		return q->is_local;
	case HBA_HOST:
	case HBA_HOSTNOGSSENC:
		return !q->is_local;
	case HBA_HOSTSSL:
		return !q->is_local && q->is_tls;
	case HBA_HOSTNOSSL:
		return !q->is_local && !q->is_tls;
	case HBA_HOSTGSSENC:
		return false;
	}
	return false;
}

static bool
is_from(const struct hba_rule *r, const struct hba_query *q)
{
	if (r->type == HBA_LOCAL || r->is_from_all)
		return true;
	for (size_t i = 0; i < r->n_from; i++)
		if (netrange_has(&r->from[i], &q->addr))
			return true;
	return false;
}

/* Replication is no database: it is asked for by that word alone. */
static bool
is_db(const struct hba_name *n, const struct hba_query *q)
{
	if (q->is_replication)
		return n->kind == HBA_REPLICATION;
	switch (n->kind) {
	case HBA_ALL:
		return true;
	case HBA_SAMEUSER:
		return strcmp(q->database, q->user) == 0;
	case HBA_REPLICATION:
		return false;
	case HBA_NAME:
		return pattern_has(&n->is, q->database);
	}
	return false;
}

static bool
is_for(const struct hba_rule *r, const struct hba_query *q)
{
	bool has_db = false;

	for (size_t i = 0; i < r->n_dbs && !has_db; i++)
		has_db = is_db(&r->dbs[i], q);
	for (size_t i = 0; i < r->n_users && has_db; i++)
		if (r->users[i].kind == HBA_ALL ||
		    pattern_has(&r->users[i].is, q->user))
			return true;
	return false;
}

const struct hba_rule *
hba_find(const struct hba *h, const struct hba_query *q)
{
	for (size_t i = 0; h != NULL && i < h->n; i++)
		if (is_type(h->v[i].type, q) && is_from(&h->v[i], q) &&
		    is_for(&h->v[i], q))
			return &h->v[i];
	return NULL;
}

size_t
hba_count(const struct hba *h)
{
	return h == NULL ? 0 : h->n;
}

const struct hba_rule *
hba_at(const struct hba *h, size_t i)
{
	return h == NULL || i >= h->n ? NULL : &h->v[i];
}
