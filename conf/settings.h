/*
 * settings.h - a configuration as data.
 *
 * A field has its key's name and its key's meaning; what each one does is said
 * in keys.c.  A time has the suffix _ms.  A string is never NULL: "" is
 * "not set".  Yes-or-no keys are ints: 0 is no.
 *
 * Written by conf_load() alone; const from then on.
 */
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H

#include <stddef.h>
#include <stdint.h>
#include "conf/arena.h"

enum pool_mode { POOL_SESSION, POOL_TRANSACTION, POOL_STATEMENT };

enum auth_type {
	AUTH_ANY,
	AUTH_TRUST,
	AUTH_PLAIN,
	AUTH_MD5,
	AUTH_SCRAM,
	AUTH_CERT,
	AUTH_HBA,
	AUTH_LDAP,
	AUTH_PAM
};

enum sslmode {
	SSLMODE_DISABLE,
	SSLMODE_ALLOW,
	SSLMODE_PREFER,
	SSLMODE_REQUIRE,
	SSLMODE_VERIFY_CA,
	SSLMODE_VERIFY_FULL
};

enum tls_side {
	TLS_CLIENTS, /* we accept: client_tls_* */
	TLS_SERVERS  /* we connect: server_tls_* */
};

enum negotiation { NEGOTIATION_POSTGRES, NEGOTIATION_DIRECT };

/* Minor versions of protocol 3. */
enum server_protocol { PROTOCOL_3_0 = 0, PROTOCOL_3_2 = 2 };

/* Does what a client sets follow it to other servers? */
enum session_state {
	SESSION_STATE_OFF,
	SESSION_STATE_TRACK,
	SESSION_STATE_STRICT
};

enum load_balance { LOAD_ROUND_ROBIN, LOAD_DISABLE };

#define CONF_UNSET       (-1) /* an int or a time of an entry that has none */
#define CONF_DBNAME_MAX  63   /* bytes of a database's name */
#define CONF_PEER_ID_MAX 16383

/* A file that a setting names, read together with the configuration. */
struct conf_bytes {
	const char *p; /* NULL: the setting is empty, or not in use */
	size_t len;
};

/* One line of [databases]. */
struct conf_db {
	const char *name;   /* as clients call it; "*" is all other names */
	const char *dbname; /* as the server calls it; "": as the client does */
	const char *host;   /* names, addresses, /dir, @abstract, by commas */
	int port;
	const char *user; /* forced user; "": the client's own */
	const char *password;
	int has_password; /* `password` was given, even if as "" */
	int pool_size;
	int min_pool_size;
	int reserve_pool_size;
	int max_db_connections;
	int max_db_client_connections;
	int pool_mode; /* enum pool_mode */
	int64_t server_lifetime_ms;
	int64_t query_wait_timeout_ms;
	const char *connect_query;
	const char *auth_user;
	const char *auth_query;
	const char *auth_dbname;
	int load_balance_hosts; /* enum load_balance */
	const char *client_encoding;
	const char *datestyle;
	const char *timezone;
	const char *application_name;
	const char *file; /* where it stands */
	unsigned line;
	size_t order; /* among its like in the files */
};

/* One line of [users]. */
struct conf_user {
	const char *name;
	int pool_size;
	int reserve_pool_size;
	int pool_mode; /* enum pool_mode */
	int max_user_connections;
	int max_user_client_connections;
	int64_t query_timeout_ms;
	int64_t query_wait_timeout_ms;
	int64_t idle_transaction_timeout_ms;
	int64_t transaction_timeout_ms;
	int64_t client_idle_timeout_ms;
	const char *file;
	unsigned line;
	size_t order;
};

/* One line of [peers]. */
struct conf_peer {
	int id;
	const char *host;
	int port;
	int pool_size;
	size_t order;
};

struct conf {
	/* generic */
	const char *logfile;
	const char *pidfile;
	const char *listen_addr; /* by commas; "*" is all */
	int listen_port;
	const char *unix_socket_dir;
	int unix_socket_mode;
	const char *unix_socket_group;
	const char *user;
	int pool_mode; /* enum pool_mode */
	int max_client_conn;
	int max_client_logins; /* 0 is without limit */
	int default_pool_size; /* 0 is without limit */
	int min_pool_size;
	int reserve_pool_size;
	int64_t reserve_pool_timeout_ms;
	int max_db_connections; /* 0 is without limit; so are the next */
	int max_db_client_connections;
	int max_user_connections;
	int max_user_client_connections;
	int server_round_robin;
	const char *track_extra_parameters;
	const char *ignore_startup_parameters;
	int peer_id;
	int disable_pqexec;
	int application_name_add_host;
	const char *conffile;
	const char *job_name;
	int stats_period; /* seconds */
	int max_prepared_statements;
	int session_state; /* enum session_state */
	int session_pin;
	int64_t pin_timeout_ms;
	int max_statement_memory;
	int scram_iterations;
	int workers; /* never 0 once loaded */
	int64_t worker_stuck_timeout_ms;

	/* authentication */
	int auth_type; /* enum auth_type */
	const char *auth_hba_file;
	const char *auth_ident_file;
	const char *auth_file;
	const char *auth_user;
	const char *auth_query;
	const char *auth_dbname;
	const char *auth_ldap_options;

	/* log */
	int syslog;
	const char *syslog_ident;
	const char *syslog_facility;
	int log_connections;
	int log_disconnections;
	int log_pooler_errors;
	int log_stats;
	int verbose;

	/* console */
	const char *admin_users;
	const char *stats_users;

	/* servers: checks and times */
	const char *server_reset_query;
	int server_reset_query_always;
	int64_t server_check_delay_ms;
	const char *server_check_query;
	int server_fast_close;
	int64_t server_lifetime_ms; /* 0: use once */
	int64_t server_idle_timeout_ms;
	int64_t server_connect_timeout_ms;
	int64_t server_login_retry_ms;
	int64_t client_login_timeout_ms;
	int64_t autodb_idle_timeout_ms;
	int64_t pool_idle_timeout_ms;
	int64_t dns_max_ttl_ms;
	int64_t dns_nxdomain_ttl_ms;
	int64_t dns_zone_check_period_ms;
	const char *resolv_conf;
	int query_wait_notify; /* seconds */
	const char *login_notify_message;

	/* TLS */
	int client_tls_sslmode; /* enum sslmode */
	const char *client_tls_key_file;
	const char *client_tls_cert_file;
	const char *client_tls_ca_file;
	const char *client_tls_protocols;
	const char *client_tls_ciphers;
	const char *client_tls13_ciphers;
	const char *client_tls_ecdhcurve;
	const char *client_tls_dheparams;
	int server_tls_sslmode;     /* enum sslmode */
	int server_tls_negotiation; /* enum negotiation */
	int server_protocol;        /* enum server_protocol */
	const char *server_tls_ca_file;
	const char *server_tls_key_file;
	const char *server_tls_cert_file;
	const char *server_tls_protocols;
	const char *server_tls_ciphers;
	const char *server_tls13_ciphers;
	struct conf_bytes client_tls_key; /* what the _file keys name */
	struct conf_bytes client_tls_cert;
	struct conf_bytes client_tls_ca;
	struct conf_bytes server_tls_key;
	struct conf_bytes server_tls_cert;
	struct conf_bytes server_tls_ca;

	/* times that end something which lives; 0 is never */
	int64_t query_timeout_ms;
	int64_t query_wait_timeout_ms;
	int64_t cancel_wait_timeout_ms;
	int64_t client_idle_timeout_ms;
	int64_t idle_transaction_timeout_ms;
	int64_t transaction_timeout_ms;
	int64_t suspend_timeout_ms;

	/* network */
	int pkt_buf;
	int max_packet_size;
	int listen_backlog;
	int sbuf_loopcnt;
	int so_reuseport;
	int tcp_defer_accept;
	int tcp_socket_buffer;
	int tcp_keepalive;
	int tcp_keepcnt;
	int tcp_keepidle; /* seconds; so is the next */
	int tcp_keepintvl;
	int tcp_user_timeout; /* milliseconds */

	/* the other sections, each sorted by name (or id) */
	struct conf_db *dbs;
	size_t n_dbs;
	struct conf_user *user_rows;
	size_t n_user_rows;
	struct conf_peer *peers;
	size_t n_peers;
	struct users *users; /* from auth_file; NULL without one */
	struct hba *hba; /* of auth_type = hba; one rule of = ldap; or NULL */
	struct ident *idents; /* the same, and without auth_ident_file */

	struct arena arena; /* all strings */
};

#endif
