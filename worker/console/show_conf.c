/*
 * show_conf.c - SHOW DATABASES, USERS and LISTS: what is configured, with
 * what of it is in use.
 *
 * Data: none.  Never blocks.
 */
#include "worker/console/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/keys.h"
#include "conf/users.h"
#include "shm/party.h"
#include "shm/segment.h"
#include "worker/console/tally.h"
#include "worker/self.h"

enum { SIZE_TEXT = 16, CONSOLE_SIZE = 2 };

const char *
show_balance(const struct conf_db *db)
{
	if (strchr(db->host, ',') == NULL)
		return NULL;
	return value_choice_name(keys_load_balance, db->load_balance_hosts);
}

/* --- DATABASES ------------------------------------------------------------ */

static const struct report_column database_columns[] = {
	{ "name", REPORT_TEXT },
	{ "host", REPORT_TEXT },
	{ "port", REPORT_INT4 },
	{ "database", REPORT_TEXT },
	{ "force_user", REPORT_TEXT },
	{ "pool_size", REPORT_INT4 },
	{ "min_pool_size", REPORT_INT4 },
	{ "reserve_pool_size", REPORT_INT4 },
	{ "server_lifetime", REPORT_INT4 },
	{ "pool_mode", REPORT_TEXT },
	{ "load_balance_hosts", REPORT_TEXT },
	{ "max_connections", REPORT_INT4 },
	{ "current_connections", REPORT_INT4 },
	{ "max_client_connections", REPORT_INT4 },
	{ "current_client_connections", REPORT_INT4 },
	{ "paused", REPORT_INT4 },
	{ "disabled", REPORT_INT4 },
};

struct database {
	char name[POOL_NAME];
	const struct conf_db *conf; /* NULL: the console */
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct database *)a)->name,
	    ((const struct database *)b)->name);
}

/* Those of the file, those that "*" has made, and the console. */
static struct database *
databases(size_t *n)
{
	const struct conf *c = self.conf;
	struct database *v = calloc(c->n_dbs + seg->ndbs + 1, sizeof(*v)), *d;

	*n = 0;
	if (v == NULL)
		return NULL;
	for (size_t i = 0; i < c->n_dbs; i++) {
		if (strcmp(c->dbs[i].name, "*") == 0)
			continue;
		d = &v[(*n)++];
		show_copy(d->name, sizeof(d->name), c->dbs[i].name);
		d->conf = &c->dbs[i];
	}
	for (uint32_t i = 0; conf_db_auto(c) != NULL && i < seg->ndbs; i++) {
		const struct party *row = db_at(i);

		if ((atomic_load(&row->gen) & 1) == 0)
			continue;
		d = &v[*n];
		show_copy(d->name, sizeof(d->name), row->name);
		if (conf_db_find(c, d->name) != NULL)
			continue;
		d->conf = conf_db_auto(c);
		(*n)++;
	}
	show_copy(v[*n].name, sizeof(v->name), SHOW_CONSOLE);
	v[*n].conf = NULL;
	(*n)++;
	qsort(v, *n, sizeof(*v), by_name);
	return v;
}

/* Clients of a database, or of all pools of a user. */
static uint32_t
count_clients(
    const struct tally *v, size_t n, const char *database, const char *user)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if ((database == NULL ||
			strcmp(v[i].database, database) == 0) &&
		    (user == NULL || strcmp(v[i].user, user) == 0))
			sum += tally_clients(&v[i]);
	return sum;
}

/* The figures that PgBouncer shows for its own. */
static void
put_console(struct show *s, const struct tally *v, size_t n)
{
	show_text(s, NULL);
	show_int(s, (uint64_t)self.conf->listen_port);
	show_text(s, SHOW_CONSOLE);
	show_text(s, SHOW_CONSOLE);
	show_int(s, CONSOLE_SIZE);
	show_int(s, 0);
	show_int(s, 0);
	show_int(s, (uint64_t)self.conf->server_lifetime_ms / 1000);
	show_text(s, "statement");
	show_text(s, NULL);
	show_int(s, 0);
	show_int(s, 0);
	show_int(s, 0);
	show_int(s, count_clients(v, n, SHOW_CONSOLE, NULL));
	show_int(s, 0);
	show_int(s, 0);
}

static void
put_use(struct show *s, const char *name, const struct conf_pool *set,
    uint32_t clients)
{
	const struct party *row = db_at(db_find(name));

	show_int(s, (uint64_t)set->max_db_connections);
	show_int(s, row == NULL ? 0 : atomic_load(&row->count));
	show_int(s, (uint64_t)set->max_db_client_connections);
	show_int(s, clients);
	show_int(s, row == NULL ? 0 : atomic_load(&row->paused) != 0);
	show_int(s, row == NULL ? 0 : atomic_load(&row->disabled) != 0);
}

static void
put_database(
    struct show *s, const struct database *d, const struct tally *v, size_t n)
{
	const struct conf_db *db = d->conf;
	struct conf_pool set;

	show_row(s);
	show_text(s, d->name);
	if (db == NULL) {
		put_console(s, v, n);
		show_end(s);
		return;
	}
	/* of no user: what a pool has unless [users] says otherwise */
	conf_pool_resolve(self.conf, db, "", true, &set);
	show_text(s, db->host[0] == '\0' ? NULL : db->host);
	show_int(s, (uint64_t)db->port);
	show_text(s, db->dbname[0] == '\0' ? d->name : db->dbname);
	show_text(s, db->user[0] == '\0' ? NULL : db->user);
	show_int(s, (uint64_t)set.pool_size);
	show_int(s, (uint64_t)set.min_pool_size);
	show_int(s, (uint64_t)set.reserve_pool_size);
	show_int(s, (uint64_t)set.server_lifetime_ms / 1000);
	show_text(s,
	    db->pool_mode == CONF_UNSET
		? NULL
		: value_choice_name(keys_pool_mode, db->pool_mode));
	show_text(s, show_balance(db));
	put_use(s, d->name, &set, count_clients(v, n, d->name, NULL));
	show_end(s);
}

void
show_databases(struct show *s)
{
	size_t n, npools = 0;
	struct tally *pools = tally_new(&npools);
	struct database *v = databases(&n);

	if (v == NULL || pools == NULL) {
		show_fail(s);
	} else {
		SHOW_COLUMNS(s, database_columns);
		for (size_t i = 0; i < n; i++)
			put_database(s, &v[i], pools, npools);
	}
	free(v);
	free(pools);
}

/* --- USERS ---------------------------------------------------------------- */

static const struct report_column user_columns[] = {
	{ "name", REPORT_TEXT },
	{ "pool_size", REPORT_TEXT },
	{ "reserve_pool_size", REPORT_TEXT },
	{ "pool_mode", REPORT_TEXT },
	{ "max_user_connections", REPORT_INT4 },
	{ "current_connections", REPORT_INT4 },
	{ "max_user_client_connections", REPORT_INT4 },
	{ "current_client_connections", REPORT_INT4 },
};

struct name {
	char text[POOL_NAME];
};

static int
by_text(const void *a, const void *b)
{
	return strcmp(
	    ((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* Of [users], of the user file, of pools; each once, and sorted. */
static struct name *
names(size_t *n)
{
	const struct conf *c = self.conf;
	size_t known = c->users == NULL ? 0 : users_count(c->users), k = 0;
	struct name *v =
	    calloc(c->n_user_rows + known + seg->nusers + 1, sizeof(*v));

	if (v == NULL)
		return NULL;
	for (size_t i = 0; i < c->n_user_rows; i++)
		show_copy(v[k++].text, POOL_NAME, c->user_rows[i].name);
	for (size_t i = 0; i < known; i++)
		show_copy(v[k++].text, POOL_NAME, users_at(c->users, i)->name);
	for (uint32_t i = 0; i < seg->nusers; i++) {
		const struct party *row = user_at(i);

		if ((atomic_load(&row->gen) & 1) != 0)
			show_copy(v[k++].text, POOL_NAME, row->name);
	}
	show_copy(v[k++].text, POOL_NAME, SHOW_CONSOLE);
	qsort(v, k, sizeof(*v), by_text);
	*n = 0;
	for (size_t i = 0; i < k; i++)
		if (*n == 0 || strcmp(v[*n - 1].text, v[i].text) != 0)
			v[(*n)++] = v[i];
	return v;
}

static void
put_size(struct show *s, int size)
{
	char text[SIZE_TEXT] = "";

	if (size != CONF_UNSET)
		snprintf(text, sizeof(text), "%9d", size);
	show_text(s, text);
}

static int
either(int own, int all)
{
	return own == CONF_UNSET ? all : own;
}

static void
put_user(struct show *s, const char *name, const struct tally *pools, size_t n)
{
	const struct conf_user *u = conf_user_find(self.conf, name);
	const struct party *row = user_at(user_find(name));
	struct conf_user none;

	keys_default(KEY_USER, &none);
	if (u == NULL)
		u = &none;
	show_row(s);
	show_text(s, name);
	put_size(s, u->pool_size);
	put_size(s, u->reserve_pool_size);
	show_text(s,
	    u->pool_mode == CONF_UNSET
		? NULL
		: value_choice_name(keys_pool_mode, u->pool_mode));
	show_int(s,
	    (uint64_t)either(
		u->max_user_connections, self.conf->max_user_connections));
	show_int(s, row == NULL ? 0 : atomic_load(&row->count));
	show_int(s,
	    (uint64_t)either(u->max_user_client_connections,
		self.conf->max_user_client_connections));
	show_int(s, count_clients(pools, n, NULL, name));
	show_end(s);
}

void
show_users(struct show *s)
{
	size_t n = 0, npools = 0;
	struct tally *pools = tally_new(&npools);
	struct name *v = names(&n);

	if (v == NULL || pools == NULL) {
		show_fail(s);
	} else {
		SHOW_COLUMNS(s, user_columns);
		for (size_t i = 0; i < n; i++)
			put_user(s, v[i].text, pools, npools);
	}
	free(v);
	free(pools);
}

/* --- LISTS ---------------------------------------------------------------- */

static void
put_item(struct show *s, const char *name, uint64_t n)
{
	show_row(s);
	show_text(s, name);
	show_int(s, n);
	show_end(s);
}

/* Client rows in use; *logging_in are not yet in a pool. */
static uint32_t
used_clients(uint32_t *logging_in)
{
	uint32_t used = 0;

	*logging_in = 0;
	for (uint32_t w = 0; w < seg->nworkers; w++) {
		uint32_t first = clientrow_first(w), n = clientrow_high(w);

		for (uint32_t i = 0; i < n; i++) {
			const struct clientrow *r = clientrow_at(first + i);

			if (r == NULL || (atomic_load(&r->gen) & 1) == 0)
				continue;
			if (show_client_kind(r) == SHOW_NOT)
				(*logging_in)++;
			else
				used++;
		}
	}
	return used;
}

void
show_lists(struct show *s)
{
	static const struct report_column columns[] = {
		{ "list", REPORT_TEXT },
		{ "items", REPORT_INT4 },
	};
	size_t ndbs = 0, nusers = 0, npools = 0;
	struct database *dbs = databases(&ndbs);
	struct name *users = names(&nusers);
	struct tally *pools = tally_new(&npools);
	uint32_t logging_in, used = used_clients(&logging_in), servers = 0;
	uint64_t rows = (uint64_t)seg->nworkers * seg->nclients;

	for (size_t i = 0; pools != NULL && i < npools; i++)
		servers += tally_servers(&pools[i]);
	if (dbs == NULL || users == NULL || pools == NULL) {
		show_fail(s);
	} else {
		SHOW_COLUMNS(s, columns);
		put_item(s, "databases", ndbs);
		put_item(s, "users", nusers);
		put_item(s, "peers", self.conf->n_peers);
		put_item(s, "pools", npools);
		put_item(s, "peer_pools", 0);
		put_item(s, "free_clients", rows - used - logging_in);
		put_item(s, "used_clients", used);
		put_item(s, "login_clients", logging_in);
		put_item(s, "free_servers", seg->nslots - servers);
		put_item(s, "used_servers", servers);
		put_item(s, "dns_names", 0); /* names are not kept */
		put_item(s, "dns_zones", 0);
		put_item(s, "dns_queries", 0);
		put_item(s, "dns_pending", 0);
	}
	free(dbs);
	free(users);
	free(pools);
}
