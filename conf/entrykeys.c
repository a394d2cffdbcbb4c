/*
 * entrykeys.c - the table of settings that stand in an entry of [databases],
 * [users] or [peers].
 *
 * A number without a default is CONF_UNSET unless the entry says otherwise;
 * -1 says the same.
 */
#include <limits.h>
#include <stddef.h>
#include "conf/keys.h"
#include "conf/settings.h"

const struct value_choice keys_load_balance[] = { { "round-robin",
						      LOAD_ROUND_ROBIN },
	{ "disable", LOAD_DISABLE }, { NULL, 0 } };

#define ROW(s, k, field, t) \
	.name = #k, .type = (t), .at = offsetof(struct s, field)
#define SIZE(s, k) ROW(s, k, k, KEY_INT), .min = -1, .max = INT_MAX
#define TIME(s, k) ROW(s, k, k##_ms, KEY_TIME)
#define STR(s, k)  ROW(s, k, k, KEY_STR)
#define PORT(s)    ROW(s, port, port, KEY_INT), .min = 1, .max = 65535
#define MODE(s) \
	ROW(s, pool_mode, pool_mode, KEY_CHOICE), .choices = keys_pool_mode

#define LATER .later = true

const struct conf_key keys_db[] = {
	{ STR(conf_db, dbname),
	    .doc = "Name of the database at the server. None: the entry's." },
	{ STR(conf_db, host),
	    .doc = "Names, addresses or directories of Unix sockets, by "
		   "commas. None: a Unix socket in unix_socket_dir." },
	{ PORT(conf_db), .dflt = "5432", .doc = "Port of the server." },
	{ STR(conf_db, user),
	    .doc = "User for all servers, whoever the client is." },
	{ STR(conf_db, password), .secret = true,
	    .doc = "That user's password. None: from auth_file." },
	{ SIZE(conf_db, pool_size), .doc = "In place of default_pool_size." },
	{ SIZE(conf_db, min_pool_size), .doc = "In place of the general one." },
	{ SIZE(conf_db, reserve_pool_size),
	    .doc = "In place of the general one." },
	{ SIZE(conf_db, max_db_connections),
	    .doc = "In place of the general one." },
	{ SIZE(conf_db, max_db_client_connections), LATER,
	    .doc = "In place of the general one." },
	{ MODE(conf_db), .doc = "In place of the general one." },
	{ TIME(conf_db, server_lifetime),
	    .doc = "In place of the general one." },
	{ TIME(conf_db, query_wait_timeout),
	    .doc = "In place of the general one." },
	{ STR(conf_db, connect_query),
	    .doc = "Run on each new server before its first client." },
	{ STR(conf_db, auth_user), .doc = "In place of the general one." },
	{ STR(conf_db, auth_query), .doc = "In place of the general one." },
	{ STR(conf_db, auth_dbname), .doc = "In place of the general one." },
	{ ROW(conf_db, load_balance_hosts, load_balance_hosts, KEY_CHOICE),
	    .choices = keys_load_balance, .dflt = "round-robin",
	    .doc = "round-robin over the hosts, or disable: the next one only "
		   "when one fails." },
	{ STR(conf_db, client_encoding), .doc = "Set at login to the server." },
	{ STR(conf_db, datestyle), .doc = "Set at login to the server." },
	{ STR(conf_db, timezone), .doc = "Set at login to the server." },
	{ STR(conf_db, application_name),
	    .doc = "Set at login to the server." },
};

const size_t keys_n_db = sizeof(keys_db) / sizeof(*keys_db);

const struct conf_key keys_user[] = {
	{ SIZE(conf_user, pool_size),
	    .doc = "Size of each of this user's pools." },
	{ SIZE(conf_user, reserve_pool_size),
	    .doc = "Reserve of each of this user's pools." },
	{ MODE(conf_user), .doc = "Pool mode of this user." },
	{ SIZE(conf_user, max_user_connections),
	    .doc = "Most servers of this user." },
	{ SIZE(conf_user, max_user_client_connections), LATER,
	    .doc = "Most clients of this user." },
	{ TIME(conf_user, query_timeout), LATER,
	    .doc = "In place of the general one." },
	{ TIME(conf_user, query_wait_timeout),
	    .doc = "In place of the general one." },
	{ TIME(conf_user, idle_transaction_timeout), LATER,
	    .doc = "In place of the general one." },
	{ TIME(conf_user, transaction_timeout), LATER,
	    .doc = "In place of the general one." },
	{ TIME(conf_user, client_idle_timeout), LATER,
	    .doc = "In place of the general one." },
};

const size_t keys_n_user = sizeof(keys_user) / sizeof(*keys_user);

const struct conf_key keys_peer[] = {
	{ STR(conf_peer, host), .doc = "Where the peer listens." },
	{ PORT(conf_peer), .dflt = "6432", .doc = "Port of the peer." },
	{ SIZE(conf_peer, pool_size), .doc = "Most connections to this peer." },
};

const size_t keys_n_peer = sizeof(keys_peer) / sizeof(*keys_peer);
