/* keys_test.c - the tables are sound; a row parses, refuses and shows. */
#include "conf/keys.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "conf/settings.h"
#include "t/unit/run.h"

static const size_t struct_size[KEY_SCOPES] = {
	[KEY_GLOBAL] = sizeof(struct conf),
	[KEY_DB] = sizeof(struct conf_db),
	[KEY_USER] = sizeof(struct conf_user),
	[KEY_PEER] = sizeof(struct conf_peer),
};

static size_t
field_size(const struct conf_key *key)
{
	return key->type == KEY_TIME ? sizeof(int64_t)
	    : key->type == KEY_STR   ? sizeof(char *)
				     : sizeof(int);
}

/* Each row has all that its type needs, and its default is a value of it. */
START_TEST(rows_are_sound)
{
	for (int scope = 0; scope < KEY_SCOPES; scope++) {
		size_t n, size = struct_size[scope];
		const struct conf_key *keys = keys_of(scope, &n);
		void *base = calloc(1, size);
		struct arena arena;
		char why[192];

		arena_init(&arena);
		for (size_t i = 0; i < n; i++) {
			const struct conf_key *k = &keys[i];

			ck_assert_ptr_nonnull(k->doc);
			ck_assert_int_eq(k->doc[strlen(k->doc) - 1], '.');
			ck_assert_uint_le(k->at + field_size(k), size);
			ck_assert_ptr_eq(keys_find(scope, k->name), k);
			if (k->type == KEY_INT)
				ck_assert_int_lt(k->min, k->max);
			if (k->type == KEY_INT || k->type == KEY_BOOL)
				ck_assert_int_le(k->max, INT_MAX);
			ck_assert_int_eq(
			    k->type == KEY_CHOICE, k->choices != NULL);
			if (k->dflt != NULL)
				ck_assert_msg(keys_set(k, base, k->dflt, &arena,
						  why) == 0,
				    "%s: %s", k->name, why);
		}
		arena_fini(&arena);
		free(base);
	}
}
END_TEST

/* No two rows of a table share a byte of the struct. */
START_TEST(fields_are_apart)
{
	for (int scope = 0; scope < KEY_SCOPES; scope++) {
		size_t n;
		const struct conf_key *keys = keys_of(scope, &n);
		char *used = calloc(1, struct_size[scope]);

		for (size_t i = 0; i < n; i++) {
			for (size_t b = 0; b < field_size(&keys[i]); b++) {
				ck_assert_msg(used[keys[i].at + b] == 0, "%s",
				    keys[i].name);
				used[keys[i].at + b] = 1;
			}
		}
		free(used);
	}
}
END_TEST

/* The keys, defaults and rights that users of PgBouncer rely on. */
START_TEST(as_in_pgbouncer)
{
	static const struct {
		const char *name, *dflt;
		int is_fixed;
	} want[] = {
		{ "logfile", "", 0 },
		{ "pidfile", "", 1 },
		{ "listen_addr", "", 1 },
		{ "listen_port", "6432", 1 },
		{ "unix_socket_dir", "/tmp", 1 },
		{ "unix_socket_mode", "0777", 1 },
		{ "unix_socket_group", "", 1 },
		{ "user", NULL, 1 },
		{ "pool_mode", "session", 0 },
		{ "max_client_conn", "100", 0 },
		{ "default_pool_size", "20", 0 },
		{ "min_pool_size", "0", 0 },
		{ "reserve_pool_size", "0", 0 },
		{ "reserve_pool_timeout", "5", 0 },
		{ "max_db_connections", "0", 0 },
		{ "max_db_client_connections", "0", 0 },
		{ "max_user_connections", "0", 0 },
		{ "max_user_client_connections", "0", 0 },
		{ "server_round_robin", "0", 0 },
		{ "track_extra_parameters", "IntervalStyle", 1 },
		{ "ignore_startup_parameters", "", 0 },
		{ "peer_id", "0", 0 },
		{ "disable_pqexec", "0", 1 },
		{ "application_name_add_host", "0", 0 },
		{ "conffile", NULL, 0 },
		{ "job_name", "pgbouncer", 1 },
		{ "stats_period", "60", 0 },
		{ "max_prepared_statements", "200", 0 },
		{ "scram_iterations", "4096", 0 },
		{ "auth_type", "md5", 0 },
		{ "auth_hba_file", "", 0 },
		{ "auth_ident_file", NULL, 0 },
		{ "auth_file", NULL, 0 },
		{ "auth_user", NULL, 0 },
		{ "auth_query",
		    "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN "
		    "NULL ELSE rolpassword END FROM pg_authid WHERE "
		    "rolname=$1 AND rolcanlogin",
		    0 },
		{ "auth_dbname", NULL, 0 },
		{ "auth_ldap_options", NULL, 0 },
		{ "syslog", "0", 0 },
		{ "syslog_ident", "pgbouncer", 0 },
		{ "syslog_facility", "daemon", 0 },
		{ "log_connections", "1", 0 },
		{ "log_disconnections", "1", 0 },
		{ "log_pooler_errors", "1", 0 },
		{ "log_stats", "1", 0 },
		{ "verbose", NULL, 0 },
		{ "admin_users", "", 0 },
		{ "stats_users", "", 0 },
		{ "server_reset_query", "DISCARD ALL", 0 },
		{ "server_reset_query_always", "0", 0 },
		{ "server_check_delay", "30", 0 },
		{ "server_check_query", "<empty>", 0 },
		{ "server_fast_close", "0", 0 },
		{ "server_lifetime", "3600", 0 },
		{ "server_idle_timeout", "600", 0 },
		{ "server_connect_timeout", "15", 0 },
		{ "server_login_retry", "15", 0 },
		{ "client_login_timeout", "60", 0 },
		{ "autodb_idle_timeout", "3600", 0 },
		{ "pool_idle_timeout", "0", 0 },
		{ "dns_max_ttl", "15", 0 },
		{ "dns_nxdomain_ttl", "15", 0 },
		{ "dns_zone_check_period", "0", 0 },
		{ "resolv_conf", "", 1 },
		{ "query_wait_notify", "5", 0 },
		{ "login_notify_message", "", 0 },
		{ "client_tls_sslmode", "disable", 0 },
		{ "client_tls_key_file", "", 0 },
		{ "client_tls_cert_file", "", 0 },
		{ "client_tls_ca_file", "", 0 },
		{ "client_tls_protocols", "secure", 0 },
		{ "client_tls_ciphers", "default", 0 },
		{ "client_tls13_ciphers", NULL, 0 },
		{ "client_tls_ecdhcurve", "auto", 0 },
		{ "client_tls_dheparams", "auto", 0 },
		{ "server_tls_sslmode", "prefer", 0 },
		{ "server_tls_ca_file", "", 0 },
		{ "server_tls_key_file", "", 0 },
		{ "server_tls_cert_file", "", 0 },
		{ "server_tls_protocols", "secure", 0 },
		{ "server_tls_ciphers", "default", 0 },
		{ "server_tls13_ciphers", NULL, 0 },
		{ "query_timeout", "0", 0 },
		{ "query_wait_timeout", "120", 0 },
		{ "cancel_wait_timeout", "10", 0 },
		{ "client_idle_timeout", "0", 0 },
		{ "idle_transaction_timeout", "0", 0 },
		{ "transaction_timeout", "0", 0 },
		{ "suspend_timeout", "10", 0 },
		{ "pkt_buf", "4096", 1 },
		{ "max_packet_size", "2147483647", 0 },
		{ "listen_backlog", "128", 1 },
		{ "sbuf_loopcnt", "5", 0 },
		{ "so_reuseport", "0", 1 },
		{ "tcp_defer_accept", "1", 0 },
		{ "tcp_socket_buffer", "0", 0 },
		{ "tcp_keepalive", "1", 0 },
		{ "tcp_keepcnt", "0", 0 },
		{ "tcp_keepidle", "0", 0 },
		{ "tcp_keepintvl", "0", 0 },
		{ "tcp_user_timeout", "0", 0 },
	};
	size_t n = sizeof(want) / sizeof(*want);

	ck_assert_uint_eq(n, 100);
	for (size_t i = 0; i < n; i++) {
		const struct conf_key *k = keys_find(KEY_GLOBAL, want[i].name);

		ck_assert_msg(k != NULL, "%s", want[i].name);
		ck_assert_pstr_eq(k->dflt, want[i].dflt);
		ck_assert_msg((k->when == KEY_START) == want[i].is_fixed, "%s",
		    want[i].name);
	}
	/* and ours */
	ck_assert_uint_eq(keys_n_global, n + 9);
	ck_assert_str_eq(
	    keys_find(KEY_GLOBAL, "max_client_logins")->dflt, "1000");
	ck_assert_str_eq(
	    keys_find(KEY_GLOBAL, "max_statement_memory")->dflt, "268435456");
	ck_assert_str_eq(
	    keys_find(KEY_GLOBAL, "server_tls_negotiation")->dflt, "postgres");
	ck_assert_str_eq(keys_find(KEY_GLOBAL, "server_protocol")->dflt, "3.0");
	ck_assert_str_eq(keys_find(KEY_GLOBAL, "session_state")->dflt, "track");
	ck_assert_str_eq(keys_find(KEY_GLOBAL, "session_pin")->dflt, "1");
	ck_assert_str_eq(keys_find(KEY_GLOBAL, "pin_timeout")->dflt, "0");
	ck_assert_int_eq(keys_find(KEY_GLOBAL, "workers")->when, KEY_START);
	ck_assert_str_eq(
	    keys_find(KEY_GLOBAL, "worker_stuck_timeout")->dflt, "10");
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(
	    keys_find(KEY_GLOBAL, "service_name")->name, "job_name");
	ck_assert_str_eq(
	    keys_find(KEY_DB, "reserve_pool")->name, "reserve_pool_size");
	ck_assert_ptr_null(keys_find(KEY_GLOBAL, "reserve_pool"));
	ck_assert_ptr_null(keys_find(KEY_GLOBAL, "Listen_Port"));
	ck_assert_ptr_null(keys_find(KEY_GLOBAL, ""));
	ck_assert_ptr_null(keys_find(KEY_USER, "min_pool_size"));
	ck_assert_ptr_nonnull(keys_find(KEY_PEER, "host"));
}
END_TEST

START_TEST(defaults)
{
	struct conf c;
	struct conf_db d;
	struct conf_user u;
	struct conf_peer p;

	memset(&c, 0x55, sizeof(c));
	keys_default(KEY_GLOBAL, &c);
	ck_assert_int_eq(c.listen_port, 6432);
	ck_assert_int_eq(c.unix_socket_mode, 0777);
	ck_assert_int_eq(c.server_lifetime_ms, 3600000);
	ck_assert_int_eq(c.pool_mode, POOL_SESSION);
	ck_assert_int_eq(c.auth_type, AUTH_MD5);
	ck_assert_int_eq(c.server_tls_sslmode, SSLMODE_PREFER);
	ck_assert_int_eq(c.verbose, 0);
	ck_assert_str_eq(c.auth_file, "");
	ck_assert_str_eq(c.unix_socket_dir, "/tmp");
	memset(&d, 0x55, sizeof(d));
	keys_default(KEY_DB, &d);
	ck_assert_int_eq(d.port, 5432);
	ck_assert_int_eq(d.pool_size, CONF_UNSET);
	ck_assert_int_eq(d.pool_mode, CONF_UNSET);
	ck_assert_int_eq(d.server_lifetime_ms, CONF_UNSET);
	ck_assert_int_eq(d.load_balance_hosts, LOAD_ROUND_ROBIN);
	ck_assert_str_eq(d.connect_query, "");
	memset(&u, 0x55, sizeof(u));
	keys_default(KEY_USER, &u);
	ck_assert_int_eq(u.query_timeout_ms, CONF_UNSET);
	ck_assert_int_eq(u.pool_size, CONF_UNSET);
	ck_assert_int_eq(u.pool_mode, CONF_UNSET);
	memset(&p, 0x55, sizeof(p));
	keys_default(KEY_PEER, &p);
	ck_assert_int_eq(p.port, 6432);
	ck_assert_int_eq(p.pool_size, CONF_UNSET);
}
END_TEST

/* Nothing is changed after defaults; each key is after another value. */
START_TEST(changed)
{
	for (int scope = 0; scope < KEY_SCOPES; scope++) {
		size_t n;
		const struct conf_key *keys = keys_of(scope, &n);
		void *base = calloc(1, struct_size[scope]);
		struct arena arena;
		char why[192];

		arena_init(&arena);
		keys_default(scope, base);
		for (size_t i = 0; i < n; i++) {
			const struct conf_key *k = &keys[i];
			const char *text = k->type == KEY_STR ? "other"
			    : k->type == KEY_CHOICE           ? NULL
							      : "7";

			ck_assert_msg(!keys_is_changed(k, base), "%s", k->name);
			if (text == NULL)
				text = k->choices[k->dflt != NULL &&
					    strcmp(k->choices[0].name,
						k->dflt) == 0]
					   .name;
			ck_assert_msg(keys_set(k, base, text, &arena, why) == 0,
			    "%s: %s", k->name, why);
			ck_assert_msg(keys_is_changed(k, base), "%s", k->name);
		}
		arena_fini(&arena);
		free(base);
	}
}
END_TEST

static void
set_and_show(const char *name, const char *text, const char *want)
{
	const struct conf_key *k = keys_find(KEY_GLOBAL, name);
	struct arena arena;
	struct conf c;
	char why[192], buf[32];

	arena_init(&arena);
	keys_default(KEY_GLOBAL, &c);
	if (want == NULL) {
		ck_assert_int_eq(keys_set(k, &c, text, &arena, why), -1);
		ck_assert_ptr_nonnull(strstr(why, name));
		ck_assert(!keys_is_changed(k, &c));
	} else {
		ck_assert_msg(
		    keys_set(k, &c, text, &arena, why) == 0, "%s", why);
		ck_assert_str_eq(keys_show(k, &c, buf), want);
	}
	arena_fini(&arena);
}

START_TEST(values)
{
	set_and_show("listen_port", "0x1932", "6450");
	set_and_show("listen_port", "0", NULL);
	set_and_show("listen_port", "65536", NULL);
	set_and_show("listen_port", "", NULL);
	set_and_show("unix_socket_mode", "0770", "504");
	set_and_show("unix_socket_mode", "0888", NULL);
	set_and_show("max_client_conn", "-1", NULL);
	set_and_show("server_lifetime", "0.5", "0.5");
	set_and_show("server_lifetime", "1h", NULL);
	set_and_show("pool_mode", "Transaction", "transaction");
	set_and_show("pool_mode", "trans", NULL);
	set_and_show("auth_type", "SCRAM-SHA-256", "scram-sha-256");
	set_and_show("log_connections", "off", "0");
	set_and_show("log_connections", "True", "1");
	set_and_show("tcp_defer_accept", "45", "45");
	set_and_show("log_connections", "-1", NULL);
	set_and_show("log_connections", "maybe", NULL);
	set_and_show("server_reset_query", "", "");
	set_and_show("logfile", "/x y/z", "/x y/z");
}
END_TEST

START_TEST(shown_empty)
{
	struct conf c;
	struct conf_db d;
	char buf[32];

	keys_default(KEY_GLOBAL, &c);
	ck_assert_ptr_null(
	    keys_show(keys_find(KEY_GLOBAL, "auth_file"), &c, buf));
	ck_assert_str_eq(
	    keys_show(keys_find(KEY_GLOBAL, "logfile"), &c, buf), "");
	ck_assert_str_eq(
	    keys_show(keys_find(KEY_GLOBAL, "unix_socket_mode"), &c, buf),
	    "511");
	ck_assert_str_eq(
	    keys_show(keys_find(KEY_GLOBAL, "verbose"), &c, buf), "0");
	keys_default(KEY_DB, &d);
	d.password = "secret";
	ck_assert_str_eq(
	    keys_show(keys_find(KEY_DB, "password"), &d, buf), "***");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("keys");
	TCase *tc = tcase_create("keys");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, rows_are_sound);
	tcase_add_test(tc, fields_are_apart);
	tcase_add_test(tc, as_in_pgbouncer);
	tcase_add_test(tc, names);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, changed);
	tcase_add_test(tc, values);
	tcase_add_test(tc, shown_empty);
	return run_suite(s);
}
