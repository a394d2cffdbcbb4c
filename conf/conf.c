#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/compat.h"
#include "conf/entries.h"
#include "conf/hba.h"
#include "conf/ldapconf.h"
#include "conf/keys.h"
#include "conf/lex.h"
#include "conf/log.h"
#include "conf/tlsconf.h"
#include "conf/users.h"
#include "conf/version.h"

enum section {
	SECTION_NONE, /* before the first */
	SECTION_GLOBAL,
	SECTION_DATABASES,
	SECTION_USERS,
	SECTION_PEERS,
	SECTION_UNKNOWN
};

/* Where a setting was last given. */
struct spot {
	const char *file; /* NULL: nowhere; "": in a pin */
	unsigned line;
};

struct loading {
	struct conf *c;
	const struct conf_files *files;
	struct conf_faults *faults;
	enum section section;
	struct spot *spots;    /* one for each key of the table */
	const char *name_from; /* a file's name, and its copy in the arena */
	const char *name_copy;
	struct entries entries;
};

/* --- one pair ----------------------------------------------------------- */

/* Where key `key` was given, for a fault about it. */
static const struct spot *
spot_of(const struct loading *l, const char *name)
{
	return &l->spots[keys_find(KEY_GLOBAL, name) - keys_global];
}

static void
set_global(struct loading *l, const char *name, const char *value,
    const struct spot *where)
{
	const struct conf_key *key = keys_find(KEY_GLOBAL, name);
	char why[192];

	if (key == NULL) {
		conf_faults_add(l->faults, where->file, where->line,
		    "unknown setting: %.63s", name);
		return;
	}
	l->spots[key - keys_global] = *where;
	if (keys_set(key, l->c, value, &l->c->arena, why) == -1)
		conf_faults_add(l->faults, where->file, where->line, "%s", why);
}

static void
on_section(struct loading *l, const char *name, const struct spot *where)
{
	static const struct value_choice names[] = {
		{ "pgbouncer", SECTION_GLOBAL }, { "pooler", SECTION_GLOBAL },
		{ "databases", SECTION_DATABASES }, { "users", SECTION_USERS },
		{ "peers", SECTION_PEERS }, { NULL, 0 }
	};

	l->section = SECTION_UNKNOWN;
	for (size_t i = 0; names[i].name != NULL; i++)
		if (strcmp(names[i].name, name) == 0)
			l->section = (enum section)names[i].value;
	if (l->section == SECTION_UNKNOWN)
		conf_faults_add(l->faults, where->file, where->line,
		    "unknown section: [%s]", name);
}

static void
on_pair(struct loading *l, const struct lex_event *ev, const struct spot *where)
{
	struct entry_at at = { .file = where->file,
		.line = where->line,
		.arena = &l->c->arena,
		.faults = l->faults };

	switch (l->section) {
	case SECTION_NONE:
		conf_faults_add(l->faults, where->file, where->line,
		    "a setting before the first [section]");
		break;
	case SECTION_UNKNOWN:
		break; /* its header was a fault already */
	case SECTION_GLOBAL:
		set_global(l, ev->key, ev->value, where);
		break;
	case SECTION_DATABASES:
		(void)entries_db(&l->entries, &at, ev->key, ev->value);
		break;
	case SECTION_USERS:
		(void)entries_user(&l->entries, &at, ev->key, ev->value);
		break;
	case SECTION_PEERS:
		(void)entries_peer(&l->entries, &at, ev->key, ev->value);
		break;
	}
}

/* --- the files ---------------------------------------------------------- */

static bool
find_in_files(void *arg, const char *name, struct lex_text *text)
{
	const struct loading *l = arg;

	return conf_files_text(l->files, name, text);
}

/* The event's place, with a file name that lives as long as the conf. */
static struct spot
spot_here(struct loading *l, const struct lex_event *ev)
{
	if (ev->file != l->name_from) {
		l->name_from = ev->file;
		l->name_copy = arena_strdup(&l->c->arena, ev->file);
		if (l->name_copy == NULL)
			l->name_copy = "";
	}
	return (struct spot){ .file = l->name_copy, .line = ev->line };
}

static void
load_files(struct loading *l)
{
	struct lex_text text;
	struct lex_event ev;
	struct spot where;
	struct lex lex;

	(void)find_in_files(l, l->files->v[0].name, &text);
	lex_init(&lex, &text, find_in_files, l);
	for (lex_next(&lex, &ev); ev.kind != LEX_END; lex_next(&lex, &ev)) {
		where = spot_here(l, &ev);
		if (ev.kind == LEX_FAULT)
			conf_faults_add(
			    l->faults, where.file, where.line, "%s", ev.value);
		else if (ev.kind == LEX_SECTION)
			on_section(l, ev.section, &where);
		else
			on_pair(l, &ev, &where);
	}
	lex_fini(&lex);
}

/*
 * What the files do not say, or may not.  CONF_PIN_UNSET before the files are
 * loaded, the others after.
 */
static void
apply_pins(struct loading *l, bool is_before)
{
	static const struct spot nowhere = { .file = "" };
	char buf[32];

	for (size_t i = 0; i < l->files->n_pins; i++) {
		const struct conf_pin *p = &l->files->pins[i];
		const struct conf_key *key = keys_find(KEY_GLOBAL, p->key);
		const char *now;
		struct spot was;

		if ((p->how == CONF_PIN_UNSET) != is_before)
			continue;
		if (key == NULL) {
			set_global(l, p->key, p->value, &nowhere);
			continue;
		}
		was = l->spots[key - keys_global];
		now = keys_show(key, l->c, buf);
		if (p->how == CONF_PIN_KEEP &&
		    strcmp(now == NULL ? "" : now, p->value) != 0)
			conf_faults_warn(l->faults, was.file, was.line,
			    "%s: a change needs a restart; it stays \"%.100s\"",
			    p->key, p->value);
		set_global(l, p->key, p->value, &nowhere);
	}
}

/* --- the whole ---------------------------------------------------------- */

static void
check_auth(struct loading *l)
{
	const struct spot *at = spot_of(l, "auth_type");

	if (l->c->auth_type != AUTH_CERT)
		return;
	if (l->c->client_tls_sslmode == SSLMODE_DISABLE)
		conf_faults_add(l->faults, at->file, at->line,
		    "auth_type = cert needs a client_tls_sslmode");
	if (l->c->client_tls_ca_file[0] == '\0')
		conf_faults_add(l->faults, at->file, at->line,
		    "auth_type = cert needs a client_tls_ca_file");
}

/* Direct TLS has no way to go on without. */
static void
check_negotiation(struct loading *l)
{
	const struct spot *at = spot_of(l, "server_tls_negotiation");

	if (l->c->server_tls_negotiation == NEGOTIATION_DIRECT &&
	    l->c->server_tls_sslmode < SSLMODE_REQUIRE)
		conf_faults_add(l->faults, at->file, at->line,
		    "server_tls_negotiation = direct needs "
		    "server_tls_sslmode = require or more");
}

static void
check(struct loading *l)
{
	const struct conf *c = l->c;
	const struct spot *at = spot_of(l, "syslog_facility");

	check_auth(l);
	check_negotiation(l);
	if (!log_is_facility(c->syslog_facility))
		conf_faults_add(l->faults, at->file, at->line,
		    "syslog_facility: there is none of that name");
}

/* What is missing has no line: it is the sslmode's that asks for it. */
static void
on_tls_fault(void *arg, const char *key, const char *why)
{
	struct loading *l = arg;
	const struct spot *at = spot_of(l, key);

	if (at->file == NULL)
		at = spot_of(l,
		    key[0] == 'c' ? "client_tls_sslmode"
				  : "server_tls_sslmode");
	conf_faults_add(l->faults, at->file, at->line, "%s: %s", key, why);
}

static void
load_tls(struct loading *l)
{
	const struct tlsconf_ear ear = {
		.tell = on_tls_fault, .arg = l, .halves = &l->faults->halves
	};

	tlsconf_load(l->c, l->files, &ear);
}

static void
load_users(struct loading *l)
{
	const char *name = l->c->auth_file;
	const struct spot *at = spot_of(l, "auth_file");
	const struct conf_file *f;

	if (name[0] == '\0')
		return;
	f = conf_files_find(l->files, name);
	if (f == NULL)
		conf_faults_add(l->faults, at->file, at->line,
		    "the auth_file \"%.100s\" cannot be read: does it exist, "
		    "and may this user read it?",
		    name);
	else
		l->c->users = users_new(f->bytes, f->len, f->name, l->faults);
}

/* LDAP or PAM: is it built in, and do passwords travel in clear? */
static void
check_outside(struct loading *l, const char *file, unsigned line,
    enum hba_method method, bool is_remote)
{
	const struct conf *c = l->c;
	bool is_built = method == HBA_PAM ? VERSION_HAS_PAM : VERSION_HAS_LDAP;

	if (!is_built)
		conf_faults_add(l->faults, file, line,
		    "%s: this pooler was built without it",
		    hba_method_name(method));
	else if (is_remote && c->listen_addr[0] != '\0' &&
	    c->client_tls_sslmode < SSLMODE_REQUIRE)
		conf_faults_warn(l->faults, file, line,
		    "%s asks for passwords in clear, and client_tls_sslmode "
		    "does not require TLS",
		    hba_method_name(method));
}

/* auth_type = ldap is one rule with auth_ldap_options. */
static void
load_ldap(struct loading *l)
{
	static const char name[] = "auth_ldap_options";
	static const char head[] = "host all all all ldap ";
	const char *options = l->c->auth_ldap_options;
	struct conf_files file;
	struct err e = { .log = "out of memory" };
	char line[sizeof(head) + 2 * LDAPCONF_TEXT];
	int n = snprintf(line, sizeof(line), "%s%s", head, options);

	conf_files_init(&file);
	if (n < 0 || (size_t)n >= sizeof(line))
		conf_faults_add(l->faults, name, 0, "it is too long");
	else if (conf_files_put(&file, name, line, (size_t)n, &e) == -1)
		conf_faults_add(l->faults, name, 0, "%s", e.log);
	else
		l->c->hba = hba_new(&file, name, NULL, l->faults);
	compat_bzero(line, sizeof(line));
	conf_files_free(&file);
}

/* What a rule asks for, and is not there. */
static void
check_rule(struct loading *l, const struct hba_rule *r)
{
	if (r->method == HBA_LDAP || r->method == HBA_PAM)
		check_outside(l, r->file, r->line, r->method,
		    r->type != HBA_LOCAL && r->type != HBA_HOSTSSL);
	if (r->clientcert != HBA_NO_CERT && l->c->client_tls_ca_file[0] == '\0')
		conf_faults_add(l->faults, r->file, r->line,
		    "certificates of clients need a client_tls_ca_file");
	else if (r->type == HBA_HOSTSSL &&
	    l->c->client_tls_sslmode == SSLMODE_DISABLE)
		conf_faults_warn(l->faults, r->file, r->line,
		    "hostssl never fits: client_tls_sslmode is disable");
}

static void
load_rules(struct loading *l)
{
	struct conf *c = l->c;
	const struct spot *at = spot_of(l, "auth_type");

	if (c->auth_type == AUTH_LDAP)
		load_ldap(l);
	if (c->auth_type == AUTH_LDAP || c->auth_type == AUTH_PAM)
		check_outside(l, at->file, at->line,
		    c->auth_type == AUTH_PAM ? HBA_PAM : HBA_LDAP, true);
	if (c->auth_type != AUTH_HBA)
		return;
	if (c->auth_hba_file[0] == '\0') {
		conf_faults_add(l->faults, at->file, at->line,
		    "auth_type = hba needs an auth_hba_file");
		return;
	}
	if (c->auth_ident_file[0] != '\0') {
		c->idents = ident_new(l->files, c->auth_ident_file, l->faults);
		if (c->idents == NULL)
			return; /* a rule's map= would be a fault, too */
	}
	c->hba = hba_new(l->files, c->auth_hba_file, c->idents, l->faults);
	for (size_t i = 0; i < hba_count(c->hba); i++)
		check_rule(l, hba_at(c->hba, i));
}

/* --- load and free ----------------------------------------------------- */

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	users_free(c->users);
	hba_free(c->hba);
	ident_free(c->idents);
	free(c->dbs);
	free(c->user_rows);
	free(c->peers);
	arena_fini(&c->arena);
	free(c);
}

struct conf *
conf_load(const struct conf_files *files, struct conf_faults *faults)
{
	struct loading l = { .files = files, .faults = faults };
	size_t before = faults->faults;

	if (files->count == 0) {
		conf_faults_add(faults, NULL, 0, "there is no configuration");
		return NULL;
	}
	l.c = calloc(1, sizeof(*l.c));
	if (l.c != NULL)
		l.spots =
		    arena_alloc(&l.c->arena, keys_n_global * sizeof(*l.spots));
	if (l.spots == NULL) {
		conf_faults_add(faults, NULL, 0, "out of memory");
		conf_free(l.c);
		return NULL;
	}
	keys_default(KEY_GLOBAL, l.c);
	l.entries.c = l.c;
	apply_pins(&l, true);
	load_files(&l);
	if (l.c->workers == 0)
		l.c->workers = compat_cpus();
	apply_pins(&l, false);
	if (l.c->conffile[0] == '\0')
		l.c->conffile = arena_strdup(&l.c->arena, files->v[0].name);
	check(&l);
	load_tls(&l);
	load_users(&l);
	load_rules(&l);
	entries_sort(&l.entries);
	if (l.c->conffile != NULL && faults->faults == before)
		return l.c;
	conf_free(l.c);
	return NULL;
}

struct conf *
conf_restore(int fd)
{
	struct conf_files files;
	struct conf_faults faults;
	struct conf *c = NULL;
	struct err e;

	if (fd == -1)
		return NULL;
	conf_files_init(&files);
	conf_faults_init(&faults);
	if (conf_files_restore(&files, fd, &e) == 0)
		c = conf_load(&files, &faults);
	conf_files_free(&files);
	conf_faults_free(&faults);
	return c;
}
