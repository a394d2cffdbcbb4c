/*
 * lookup.c - questions to a loaded configuration: entries, a pool's settings,
 * SHOW CONFIG, what is not in effect yet.
 *
 * Pure, but for the one line that conf_warn_later() logs.
 */
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>
#include "conf/compat.h"
#include "conf/keys.h"
#include "conf/log.h"

/* --- entries ------------------------------------------------------------ */

static int
cmp_db(const void *name, const void *db)
{
	return strcmp(name, ((const struct conf_db *)db)->name);
}

static int
cmp_user(const void *name, const void *user)
{
	return strcmp(name, ((const struct conf_user *)user)->name);
}

static int
cmp_peer(const void *id, const void *peer)
{
	return *(const int *)id - ((const struct conf_peer *)peer)->id;
}

/* bsearch(3) that may be asked about an empty array, which can be NULL. */
static const void *
find(const void *what, const void *v, size_t n, size_t size,
    int (*cmp)(const void *, const void *))
{
	return n == 0 ? NULL : bsearch(what, v, n, size, cmp);
}

const struct conf_db *
conf_db_auto(const struct conf *c)
{
	return find("*", c->dbs, c->n_dbs, sizeof(*c->dbs), cmp_db);
}

const struct conf_db *
conf_db_find(const struct conf *c, const char *name)
{
	if (strcmp(name, "*") == 0)
		return NULL;
	return find(name, c->dbs, c->n_dbs, sizeof(*c->dbs), cmp_db);
}

const struct conf_user *
conf_user_find(const struct conf *c, const char *name)
{
	return find(name, c->user_rows, c->n_user_rows, sizeof(*c->user_rows),
	    cmp_user);
}

const struct conf_peer *
conf_peer_find(const struct conf *c, int id)
{
	return find(&id, c->peers, c->n_peers, sizeof(*c->peers), cmp_peer);
}

bool
conf_db_is_moved(const struct conf_db *was, const struct conf_db *is)
{
	return was->port != is->port ||
	    was->load_balance_hosts != is->load_balance_hosts ||
	    strcmp(was->dbname, is->dbname) != 0 ||
	    strcmp(was->host, is->host) != 0 ||
	    strcmp(was->user, is->user) != 0 ||
	    strcmp(was->connect_query, is->connect_query) != 0 ||
	    strcmp(was->auth_dbname, is->auth_dbname) != 0 ||
	    strcmp(was->auth_query, is->auth_query) != 0;
}

bool
conf_asking(const struct conf *c, const char *database, struct conf_asking *out)
{
	static const struct conf_db none = {
		.auth_user = "", .auth_query = "", .auth_dbname = ""
	};
	const struct conf_db *db = conf_db_find(c, database);
	bool is_console = strcmp(database, "pgbouncer") == 0 ||
	    (db == NULL && strcmp(database, "pooler") == 0);

	if (db == NULL && !is_console)
		db = conf_db_auto(c);
	if (db == NULL)
		db = &none;
	out->user = db->auth_user[0] ? db->auth_user : c->auth_user;
	out->query = db->auth_query[0] ? db->auth_query : c->auth_query;
	out->name = db->auth_dbname[0] ? db->auth_dbname : c->auth_dbname;
	if (out->name[0] == '\0' && db != &none)
		out->name = database;
	out->db = conf_db_find(c, out->name);
	if (out->db == NULL && strcmp(out->name, "pgbouncer") != 0)
		out->db = conf_db_auto(c);
	return out->user[0] != '\0' && out->query[0] != '\0' &&
	    out->name[0] != '\0';
}

bool
conf_list_has(const char *list, const char *name)
{
	size_t len, want = strlen(name);
	const char *word;

	while ((word = value_word(&list, &len)) != NULL)
		if (len == want && memcmp(word, name, len) == 0)
			return true;
	return false;
}

/* --- one pool ----------------------------------------------------------- */

/* The first that is set. */
static int64_t
first(int64_t user, int64_t db, int64_t global)
{
	return user != CONF_UNSET ? user : db != CONF_UNSET ? db : global;
}

void
conf_pool_resolve(const struct conf *c, const struct conf_db *db,
    const char *user, bool forced, struct conf_pool *out)
{
	const struct conf_user *u = conf_user_find(c, user);
	struct conf_user none;

	keys_default(KEY_USER, &none);
	if (u == NULL)
		u = &none;
	out->pool_size = (int)first(forced ? CONF_UNSET : u->pool_size,
	    db->pool_size, c->default_pool_size);
	out->reserve_pool_size =
	    (int)first(forced ? CONF_UNSET : u->reserve_pool_size,
		db->reserve_pool_size, c->reserve_pool_size);
	out->min_pool_size =
	    (int)first(CONF_UNSET, db->min_pool_size, c->min_pool_size);
	out->pool_mode =
	    (enum pool_mode)first(u->pool_mode, db->pool_mode, c->pool_mode);
	out->max_db_connections = (int)first(
	    CONF_UNSET, db->max_db_connections, c->max_db_connections);
	out->max_db_client_connections = (int)first(CONF_UNSET,
	    db->max_db_client_connections, c->max_db_client_connections);
	out->max_user_connections = (int)first(
	    u->max_user_connections, CONF_UNSET, c->max_user_connections);
	out->max_user_client_connections =
	    (int)first(u->max_user_client_connections, CONF_UNSET,
		c->max_user_client_connections);
	out->server_lifetime_ms =
	    first(CONF_UNSET, db->server_lifetime_ms, c->server_lifetime_ms);
	out->query_wait_timeout_ms = first(u->query_wait_timeout_ms,
	    db->query_wait_timeout_ms, c->query_wait_timeout_ms);
	out->query_timeout_ms =
	    first(u->query_timeout_ms, CONF_UNSET, c->query_timeout_ms);
	out->idle_transaction_timeout_ms = first(u->idle_transaction_timeout_ms,
	    CONF_UNSET, c->idle_transaction_timeout_ms);
	out->transaction_timeout_ms = first(
	    u->transaction_timeout_ms, CONF_UNSET, c->transaction_timeout_ms);
	out->client_idle_timeout_ms = first(
	    u->client_idle_timeout_ms, CONF_UNSET, c->client_idle_timeout_ms);
}

/* --- SHOW CONFIG -------------------------------------------------------- */

size_t
conf_show_count(void)
{
	return keys_n_global;
}

void
conf_show(const struct conf *c, size_t i, struct conf_shown *out)
{
	const struct conf_key *key = &keys_global[i];

	out->key = key->name;
	out->value = keys_show(key, c, out->text);
	out->dflt = key->dflt;
	out->changeable = key->when == KEY_RELOAD;
}

/* --- not in effect yet -------------------------------------------------- */

/* Append ", name", if it is not there already. */
static void
add_name(char *list, size_t size, const char *name)
{
	size_t n = strlen(list);

	if (conf_list_has(list, name))
		return;
	if (n > 0)
		n += compat_strlcpy(list + n, ", ", size - n);
	if (n < size)
		(void)compat_strlcpy(list + n, name, size - n);
}

static void
add_later(enum key_scope scope, const void *base, char *list, size_t size)
{
	size_t n;
	const struct conf_key *keys = keys_of(scope, &n);

	for (size_t i = 0; i < n; i++)
		if (keys[i].later && keys_is_changed(&keys[i], base))
			add_name(list, size, keys[i].name);
}

void
conf_warn_later(const struct conf *c)
{
	char list[1600] = "";

	add_later(KEY_GLOBAL, c, list, sizeof(list));
	for (size_t i = 0; i < c->n_dbs; i++)
		add_later(KEY_DB, &c->dbs[i], list, sizeof(list));
	for (size_t i = 0; i < c->n_user_rows; i++)
		add_later(KEY_USER, &c->user_rows[i], list, sizeof(list));
	if (c->n_peers > 0)
		add_name(list, sizeof(list), "[peers]");
	if (list[0] != '\0')
		log_warn(NULL, "not yet in effect: %s", list);
}
