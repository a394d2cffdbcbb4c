#include "conf/keys.h"

#include <limits.h>
#include <stddef.h>
#include "conf/settings.h"

/*
 * The settings of [pgbouncer], group by group.  A row is a type with its
 * field, range and default, what is special about it, and its sentence.
 */

const struct value_choice keys_pool_mode[] = { { "session", POOL_SESSION },
	{ "transaction", POOL_TRANSACTION }, { "statement", POOL_STATEMENT },
	{ NULL, 0 } };

const struct value_choice keys_auth_type[] = { { "any", AUTH_ANY },
	{ "trust", AUTH_TRUST }, { "plain", AUTH_PLAIN }, { "md5", AUTH_MD5 },
	{ "scram-sha-256", AUTH_SCRAM }, { "cert", AUTH_CERT },
	{ "hba", AUTH_HBA }, { "ldap", AUTH_LDAP }, { "pam", AUTH_PAM },
	{ NULL, 0 } };

const struct value_choice keys_sslmode[] = { { "disable", SSLMODE_DISABLE },
	{ "allow", SSLMODE_ALLOW }, { "prefer", SSLMODE_PREFER },
	{ "require", SSLMODE_REQUIRE }, { "verify-ca", SSLMODE_VERIFY_CA },
	{ "verify-full", SSLMODE_VERIFY_FULL }, { NULL, 0 } };

static const struct value_choice keys_negotiation[] = {
	{ "postgres", NEGOTIATION_POSTGRES }, { "direct", NEGOTIATION_DIRECT },
	{ NULL, 0 }
};

static const struct value_choice keys_protocol[] = { { "3.0", PROTOCOL_3_0 },
	{ "3.2", PROTOCOL_3_2 }, { NULL, 0 } };

static const struct value_choice keys_session_state[] = {
	{ "track", SESSION_STATE_TRACK }, { "strict", SESSION_STATE_STRICT },
	{ "off", SESSION_STATE_OFF }, { NULL, 0 }
};

#define ROW(k, field, t) \
	.name = #k, .type = (t), .at = offsetof(struct conf, field)
#define INT(k, lo, hi, d) \
	ROW(k, k, KEY_INT), .min = (lo), .max = (hi), .dflt = (d)
#define COUNT(k, d)     INT(k, 0, INT_MAX, d)
#define BOOL(k, d)      ROW(k, k, KEY_BOOL), .max = INT_MAX, .dflt = (d)
#define TIME(k, d)      ROW(k, k##_ms, KEY_TIME), .dflt = (d)
#define STR(k, d)       ROW(k, k, KEY_STR), .dflt = (d)
#define CHOICE(k, c, d) ROW(k, k, KEY_CHOICE), .choices = (c), .dflt = (d)

#define NONE  NULL /* the default of a key that a reload does not reset */
#define START .when = KEY_START
#define LATER .later = true

const struct conf_key keys_global[] = {
	{ STR(logfile, ""), .group = "Generic settings",
	    .doc = "File that log lines are appended to." },
	{ STR(pidfile, ""), START,
	    .doc = "File with the supervisor's process id; needed by -d." },
	{ STR(listen_addr, ""), START,
	    .doc = "Addresses to accept TCP clients on, by commas; * is all. "
		   "Empty: Unix sockets only." },
	{ INT(listen_port, 1, 65535, "6432"), START,
	    .doc = "Port for TCP clients; part of the Unix socket's name." },
	{ STR(unix_socket_dir, "/tmp"), START,
	    .doc = "Directory of the Unix socket, and where servers without "
		   "a host are looked for. Empty: no Unix socket." },
	{ INT(unix_socket_mode, 0, 07777, "0777"), START,
	    .doc = "File mode of the Unix socket." },
	{ STR(unix_socket_group, ""), START,
	    .doc = "Group of the Unix socket." },
	{ STR(user, NONE), START,
	    .doc = "User to become once the sockets are bound." },
	{ CHOICE(pool_mode, keys_pool_mode, "session"),
	    .doc = "When a server goes back to the pool: after the session, "
		   "the transaction or the statement." },
	{ COUNT(max_client_conn, "100"),
	    .doc = "Most client connections over all databases." },
	{ COUNT(max_client_logins, "1000"),
	    .doc = "Most clients that may be logging in at once, over all "
		   "workers; the next wait for their turn. 0: no limit." },
	{ COUNT(default_pool_size, "20"),
	    .doc = "Most servers of a pool, which is one database with one "
		   "user. 0: no limit." },
	{ COUNT(min_pool_size, "0"),
	    .doc = "Servers that a pool in use keeps open, wanted or not." },
	{ COUNT(reserve_pool_size, "0"),
	    .doc = "Servers on top of the pool's size for clients that have "
		   "waited for reserve_pool_timeout." },
	{ TIME(reserve_pool_timeout, "5"),
	    .doc = "Wait after which a client may use the reserve. "
		   "0: never." },
	{ COUNT(max_db_connections, "0"),
	    .doc = "Most servers of a database over all its pools. "
		   "0: no limit." },
	{ COUNT(max_db_client_connections, "0"), LATER,
	    .doc = "Most clients of a database. 0: no limit." },
	{ COUNT(max_user_connections, "0"),
	    .doc = "Most servers of a user over all databases. "
		   "0: no limit." },
	{ COUNT(max_user_client_connections, "0"), LATER,
	    .doc = "Most clients of a user. 0: no limit." },
	{ BOOL(server_round_robin, "0"),
	    .doc = "Lend the server that has been idle longest, instead of "
		   "the one that was used last." },
	{ STR(track_extra_parameters, "IntervalStyle"), START,
	    .doc = "More parameters to keep for each client and to set before "
		   "its server is used. Only what the server reports." },
	{ STR(ignore_startup_parameters, ""),
	    .doc = "Startup parameters, by commas, that clients may send "
		   "without effect instead of being refused." },
	{ INT(peer_id, 0, CONF_PEER_ID_MAX, "0"), LATER,
	    .doc = "Number of this instance among its [peers]. 0: alone." },
	{ BOOL(disable_pqexec, "0"), START, LATER,
	    .doc = "Refuse the simple query protocol." },
	{ BOOL(application_name_add_host, "0"), LATER,
	    .doc = "Add the client's address to its application_name." },
	{ STR(conffile, NONE),
	    .doc = "The configuration's own file, which a reload reads." },
	{ STR(job_name, "pgbouncer"), START, LATER,
	    .doc = "Name of the service." },
	{ INT(stats_period, 1, INT_MAX, "60"),
	    .doc = "Seconds that an average and a line of statistics are "
		   "made over." },
	{ COUNT(max_prepared_statements, "200"),
	    .doc = "Prepared statements kept on a server for clients in "
		   "transaction and statement mode. 0: none." },
	{ COUNT(max_statement_memory, "268435456"),
	    .doc = "Bytes that a worker keeps of what clients have prepared; "
		   "each may have a quarter of them." },
	{ CHOICE(session_state, keys_session_state, "track"),
	    .doc = "In transaction and statement mode: track what clients "
		   "set, so that it holds on any server and for nobody else; "
		   "strict: also what functions and triggers set, for which "
		   "the server is asked behind nearly every transaction; or "
		   "off: it stays with the server." },
	{ BOOL(session_pin, "1"),
	    .doc = "A client that needs its session (temporary tables, "
		   "advisory locks, ...) keeps its server. 0: it is refused. "
		   "Not with session_state = off." },
	{ TIME(pin_timeout, "0"),
	    .doc = "A client that keeps its server, and sends nothing for "
		   "this long, is closed. 0: never." },
	{ INT(scram_iterations, 1, INT_MAX, "4096"),
	    .doc = "Rounds of hashing when a SCRAM secret is made from a "
		   "plain password." },
	{ INT(workers, 0, 256, "0"), START,
	    .doc = "Worker processes. 0: one for each CPU." },
	{ TIME(worker_stuck_timeout, "10"),
	    .doc = "A worker, or the resolver, without a sign of life for "
		   "this long is killed and replaced. 0: never." },

	{ CHOICE(auth_type, keys_auth_type, "md5"), .group = "Authentication",
	    .doc = "How clients prove who they are: any, trust, plain, md5, "
		   "scram-sha-256, cert, ldap, pam, or hba for the rules of "
		   "auth_hba_file. md5 takes SCRAM for users with a SCRAM "
		   "secret." },
	{ STR(auth_hba_file, ""),
	    .doc = "Rules for auth_type = hba, as in PostgreSQL's "
		   "pg_hba.conf." },
	{ STR(auth_ident_file, NONE),
	    .doc = "Maps of system users for the rules of auth_hba_file, as "
		   "in pg_ident.conf." },
	{ STR(auth_file, NONE),
	    .doc = "File with one \"user\" \"secret\" a line. A secret is "
		   "plain text, md5... or SCRAM-SHA-256$..." },
	{ STR(auth_user, NONE),
	    .doc = "User that runs auth_query for those who are not in "
		   "auth_file. A password, if one is needed, stands there in "
		   "plain text." },
	{ STR(auth_query,
	      "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL "
	      "ELSE rolpassword END FROM pg_authid WHERE rolname=$1 AND "
	      "rolcanlogin"),
	    .doc = "Query for the name ($1) and the secret of a user: one "
		   "row, two columns." },
	{ STR(auth_dbname, NONE),
	    .doc = "Entry of [databases] to run auth_query in. None: the "
		   "client's." },
	{ STR(auth_ldap_options, NONE),
	    .doc = "Options of auth_type = ldap, as those of a rule in "
		   "auth_hba_file." },

	{ BOOL(syslog, "0"), .group = "Log", .doc = "Log to syslog too." },
	{ STR(syslog_ident, "pgbouncer"), .doc = "Program's name in syslog." },
	{ STR(syslog_facility, "daemon"),
	    .doc = "Facility in syslog: daemon, user, local0 to local7, and "
		   "so on." },
	{ BOOL(log_connections, "1"), .doc = "Log each login." },
	{ BOOL(log_disconnections, "1"),
	    .doc = "Log each connection's end, with the reason." },
	{ BOOL(log_pooler_errors, "1"),
	    .doc = "Log each error that the pooler itself sends to a "
		   "client." },
	{ BOOL(log_stats, "1"),
	    .doc = "Log a line of statistics each stats_period." },
	{ INT(verbose, 0, INT_MAX, NONE),
	    .doc = "How much to log: 1 is debug, 2 is everything." },

	{ STR(admin_users, ""), .group = "Console",
	    .doc = "Users, by commas, that may give all commands in the "
		   "console." },
	{ STR(stats_users, ""),
	    .doc = "Users, by commas, that may only look." },

	{ STR(server_reset_query, "DISCARD ALL"), .group = "Servers",
	    .doc = "Cleans a server before its next client, in session mode. "
		   "Empty: nothing does." },
	{ BOOL(server_reset_query_always, "0"),
	    .doc = "Clean in the other modes too." },
	{ TIME(server_check_delay, "30"), LATER,
	    .doc = "A server idle for longer is checked before it is used." },
	{ STR(server_check_query, "<empty>"), LATER,
	    .doc = "The check; <empty> sends an empty query, nothing is no "
		   "check." },
	{ BOOL(server_fast_close, "0"), LATER,
	    .doc = "On RECONNECT, close a server in session mode between two "
		   "transactions." },
	{ TIME(server_lifetime, "3600"),
	    .doc = "A server older than this is closed when it is idle. "
		   "0: each is used once." },
	{ TIME(server_idle_timeout, "600"),
	    .doc = "A server idle for longer is closed. 0: never." },
	{ CHOICE(server_protocol, keys_protocol, "3.0"),
	    .doc = "Protocol that servers are asked for: 3.2 has longer "
		   "cancel keys (PostgreSQL 18; from 9.3.21 on an older one "
		   "says that it has 3.0)." },
	{ TIME(server_connect_timeout, "15"),
	    .doc = "A server that is not ready after this is given up. "
		   "0: never." },
	{ TIME(server_login_retry, "15"),
	    .doc = "Pause before the next attempt after a failed login at a "
		   "server." },
	{ TIME(client_login_timeout, "60"),
	    .doc = "A client that is not logged in after this is dropped. "
		   "0: never." },
	{ TIME(autodb_idle_timeout, "3600"), LATER,
	    .doc = "A database made by the * entry goes when it has been "
		   "unused for this long." },
	{ TIME(pool_idle_timeout, "0"), LATER,
	    .doc = "A pool unused for this long is forgotten. 0: never." },
	{ TIME(dns_max_ttl, "15"),
	    .doc = "How long a host's addresses are kept." },
	{ TIME(dns_nxdomain_ttl, "15"),
	    .doc = "How long it is kept that a host has no address." },
	{ TIME(dns_zone_check_period, "0"), LATER,
	    .doc = "How often to look whether a DNS zone has changed." },
	{ STR(resolv_conf, ""), START, LATER,
	    .doc = "Another file than the system's resolv.conf." },
	{ COUNT(query_wait_notify, "5"), LATER,
	    .doc = "Seconds of waiting after which a client is told why. "
		   "0: never." },
	{ STR(login_notify_message, ""), LATER,
	    .doc = "Notice to each client that logs in." },

	{ CHOICE(client_tls_sslmode, keys_sslmode, "disable"), .group = "TLS",
	    .doc = "Whether clients may or must use TLS." },
	{ STR(client_tls_key_file, ""), .doc = "Private key for clients." },
	{ STR(client_tls_cert_file, ""), .doc = "Certificate for clients." },
	{ STR(client_tls_ca_file, ""),
	    .doc = "Authorities that clients' certificates are checked "
		   "against." },
	{ STR(client_tls_protocols, "secure"),
	    .doc = "TLS versions for clients, by commas, or all, secure, "
		   "legacy." },
	{ STR(client_tls_ciphers, "default"),
	    .doc = "Ciphers for clients up to TLS 1.2: default, secure, fast, "
		   "normal, all, or OpenSSL's syntax." },
	{ STR(client_tls13_ciphers, NONE), LATER,
	    .doc = "Cipher suites for clients in TLS 1.3." },
	{ STR(client_tls_ecdhcurve, "auto"),
	    .doc = "Curve for the key exchange with clients: none, auto, or a "
		   "name." },
	{ STR(client_tls_dheparams, "auto"),
	    .doc = "DH parameters: none, auto, legacy." },
	{ CHOICE(server_tls_sslmode, keys_sslmode, "prefer"),
	    .doc = "Whether servers may or must use TLS." },
	{ CHOICE(server_tls_negotiation, keys_negotiation, "postgres"),
	    .doc = "How TLS to servers begins: after a question (postgres), or "
		   "at once (direct: PostgreSQL 17; needs "
		   "server_tls_sslmode = require or more)." },
	{ STR(server_tls_ca_file, ""),
	    .doc = "Authorities that servers' certificates are checked "
		   "against." },
	{ STR(server_tls_key_file, ""),
	    .doc = "Private key to log in to servers with." },
	{ STR(server_tls_cert_file, ""),
	    .doc = "Certificate to log in to servers with." },
	{ STR(server_tls_protocols, "secure"),
	    .doc = "TLS versions for servers." },
	{ STR(server_tls_ciphers, "default"),
	    .doc = "Ciphers for servers up to TLS 1.2." },
	{ STR(server_tls13_ciphers, NONE), LATER,
	    .doc = "Cipher suites for servers in TLS 1.3." },

	{ TIME(query_timeout, "0"), LATER, .group = "Times that end what lives",
	    .doc = "A query that runs longer is cancelled and its client "
		   "dropped. 0: never." },
	{ TIME(query_wait_timeout, "120"),
	    .doc = "A client that waits longer for a server is dropped. "
		   "0: never." },
	{ TIME(cancel_wait_timeout, "10"),
	    .doc = "A cancel request that waits longer for a connection is "
		   "dropped. 0: never." },
	{ TIME(client_idle_timeout, "0"), LATER,
	    .doc = "A client idle for longer is dropped. 0: never." },
	{ TIME(idle_transaction_timeout, "0"), LATER,
	    .doc = "A client idle in a transaction for longer is dropped. "
		   "0: never." },
	{ TIME(transaction_timeout, "0"), LATER,
	    .doc = "A client in one transaction for longer is dropped. "
		   "0: never." },
	{ TIME(suspend_timeout, "10"), LATER,
	    .doc = "How long SUSPEND waits for buffers to drain." },

	{ INT(pkt_buf, 1, INT_MAX, "4096"), START, .group = "Network",
	    .doc = "Accepted; each worker has one buffer for all its "
		   "clients." },
	{ INT(max_packet_size, 1, INT_MAX, "2147483647"),
	    .doc = "Largest message, in bytes, that is passed on." },
	{ COUNT(listen_backlog, "128"), START,
	    .doc = "Clients that the kernel keeps until they are accepted." },
	{ COUNT(sbuf_loopcnt, "5"), LATER,
	    .doc = "Reads from one connection before others have their "
		   "turn." },
	{ BOOL(so_reuseport, "0"), START, LATER,
	    .doc = "Let several instances listen on one port." },
	{ BOOL(tcp_defer_accept, "1"),
	    .doc = "Accept a client when its first bytes are there (Linux)." },
	{ COUNT(tcp_socket_buffer, "0"),
	    .doc = "Kernel buffer of each socket, in bytes. 0: the "
		   "system's." },
	{ BOOL(tcp_keepalive, "1"),
	    .doc = "Let the kernel find peers that have vanished." },
	{ COUNT(tcp_keepcnt, "0"),
	    .doc = "Unanswered probes before a peer is gone. 0: the "
		   "system's." },
	{ COUNT(tcp_keepidle, "0"),
	    .doc = "Seconds of silence before the first probe. 0: the "
		   "system's." },
	{ COUNT(tcp_keepintvl, "0"),
	    .doc = "Seconds between two probes. 0: the system's." },
	{ COUNT(tcp_user_timeout, "0"),
	    .doc = "Milliseconds that sent bytes may stay unacknowledged. "
		   "0: the system's." },
};

const size_t keys_n_global = sizeof(keys_global) / sizeof(*keys_global);
