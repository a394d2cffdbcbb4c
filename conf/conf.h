/*
 * conf.h - load a configuration, ask it, replace it.
 *
 * A configuration is built from the bytes in a struct conf_files, checked as
 * a whole, and const from then on: who reads it holds a pointer and no lock.
 * A bad file changes nothing, and all that is wrong with it is told at once.
 *
 * conf_load() reads no disk and asks no network.  conf_reload() may read the
 * user file (files.h).
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include "conf/faults.h"
#include "conf/files.h"
#include "conf/settings.h"

/*
 * NULL when there was any fault.  Warnings alone do not refuse.  What `files`
 * holds is copied; `faults` is added to.
 */
struct conf *
conf_load(const struct conf_files *files, struct conf_faults *faults);

/*
 * The same of a snapshot (conf_files_save()), as a child is sent it; the fd
 * stays its caller's.  NULL: it is none (`fd` -1 as well), or has a fault.
 */
struct conf *conf_restore(int fd);

/*
 * The same for files that have just been read to replace those of `running`:
 * a key that cannot change keeps its running value (with a warning where the
 * file says otherwise); one whose default is "none" keeps it where the file
 * says nothing.  All this is pinned in `files`, so that conf_load() of their
 * snapshot builds the same.
 */
struct conf *conf_reload(const struct conf *running, struct conf_files *files,
    struct conf_faults *faults);

/* A setting of [pgbouncer], and what it is to be. */
struct conf_setting {
	const char *key; /* as the table of settings has it */
	const char *value;
};

/*
 * The same with `n` settings changed: `files` are those of what runs, as its
 * snapshot has them, and keep their bytes but for the files that have to do
 * with these settings (conf_files_set()), which are read anew.  The
 * settings are pinned.  A key that is unknown or needs a restart is a fault.
 */
struct conf *conf_set(struct conf_files *files, const struct conf_setting *v,
    size_t n, struct conf_faults *faults);

void conf_free(struct conf *c); /* wipes; NULL is allowed */

/* Log one WARNING that names all settings which are not yet in effect. */
void conf_warn_later(const struct conf *c);

/* --- entries ------------------------------------------------------------ */

/* By exact name; "*" is not a name.  NULL: not found. */
const struct conf_db *conf_db_find(const struct conf *c, const char *name);

/* The entry for all names that have none; NULL when there is none. */
const struct conf_db *conf_db_auto(const struct conf *c);

const struct conf_user *conf_user_find(const struct conf *c, const char *name);
const struct conf_peer *conf_peer_find(const struct conf *c, int id);

/*
 * Where and how clients of `database` are looked up who are not in auth_file.
 * False: nowhere.  The console's users are asked for in the general
 * auth_dbname alone.
 */
struct conf_asking {
	const char *user; /* logs in to ask */
	const char *query;
	const char *name;         /* the database to ask in, ... */
	const struct conf_db *db; /* ... and its entry; NULL: there is none */
};
bool conf_asking(
    const struct conf *c, const char *database, struct conf_asking *out);

/* Does a server that was opened for `was` not do for `is`? */
bool conf_db_is_moved(const struct conf_db *was, const struct conf_db *is);

/* Is `name` in a setting's list, such as admin_users? */
bool conf_list_has(const char *list, const char *name);

/* --- one pool ----------------------------------------------------------- */

/* What holds for a pool, whoever said it.  0 is "no limit", "off". */
struct conf_pool {
	int pool_size;
	int min_pool_size;
	int reserve_pool_size;
	enum pool_mode pool_mode;
	int max_db_connections;
	int max_db_client_connections;
	int max_user_connections;
	int max_user_client_connections;
	int64_t server_lifetime_ms; /* 0: use once */
	int64_t query_wait_timeout_ms;
	int64_t query_timeout_ms;
	int64_t idle_transaction_timeout_ms;
	int64_t transaction_timeout_ms;
	int64_t client_idle_timeout_ms;
};

/*
 * The settings of (db, user): what [users] says goes before what [databases]
 * says, and that before [pgbouncer].  `user` is the name at the server;
 * `forced` says that the database's entry forces it, and then the user's
 * sizes do not count.
 */
void conf_pool_resolve(const struct conf *c, const struct conf_db *db,
    const char *user, bool forced, struct conf_pool *out);

/* --- SHOW CONFIG -------------------------------------------------------- */

struct conf_shown {
	const char *key;
	const char *value; /* NULL: none */
	const char *dflt;  /* NULL: none */
	bool changeable;
	char text[32]; /* where a number's value stands */
};

size_t conf_show_count(void);

/* `i`-th key, in the table's order.  Valid as long as `c` and `out`. */
void conf_show(const struct conf *c, size_t i, struct conf_shown *out);

#endif
