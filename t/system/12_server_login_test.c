/*
 * 12_server_login_test.c - how the pooler logs in to PostgreSQL: every method
 * over every kind of address, SCRAM keys passed through, and refusals.
 */
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

static const char *const roles[] = { "app", "plain_u", "md5_u", "scram_u" };

/* Every role over the given address, its password in auth_file. */
static void
log_in_to(const char *host)
{
	struct pooler *p = pooler_new();

	pooler_db(p, "there = host=%s port=%d dbname=app", host, pg->port);
	for (int i = 1; i < 4; i++)
		pooler_auth(p, roles[i], PG_PASSWORD);
	pooler_start(p);
	for (int i = 0; i < 4; i++) {
		PGconn *c =
		    pooler_conn(p, text("dbname=there user=%s", roles[i]));

		ck_assert_str_eq(sql_one(c, "SELECT current_user"), roles[i]);
		PQfinish(c);
	}
	pooler_stop(p);
}

START_TEST(over_ipv4)
{
	log_in_to("127.0.0.1");
}
END_TEST

START_TEST(over_ipv6)
{
	log_in_to("::1");
}
END_TEST

START_TEST(over_unix_socket)
{
	log_in_to(pg->sock);
}
END_TEST

START_TEST(by_name)
{
	log_in_to("localhost");
}
END_TEST

/* User and password of [databases], for whoever comes. */
START_TEST(forced_user)
{
	struct pooler *p = pooler_new();
	PGconn *c;

	for (int i = 1; i < 4; i++)
		pooler_db(p,
		    "as_%s = host=127.0.0.1 port=%d dbname=app "
		    "user=%s password='%s'",
		    roles[i], pg->port, roles[i], PG_PASSWORD);
	pooler_db(p,
	    "wrong = host=127.0.0.1 port=%d dbname=app "
	    "user=scram_u password=wrong",
	    pg->port);
	p->errors_ok = true;
	pooler_start(p);
	for (int i = 1; i < 4; i++) {
		c = pooler_conn(p, text("dbname=as_%s", roles[i]));
		ck_assert_str_eq(sql_one(c, "SELECT current_user"), roles[i]);
		PQfinish(c);
	}
	sql_refused(
	    pooler_at(p, "dbname=wrong"), "password authentication failed");
	pooler_stop(p);
}
END_TEST

/* A Unix socket needs no TLS, and PostgreSQL has none there. */
START_TEST(unix_socket_without_tls)
{
	struct pooler *p = pooler_new();
	PGconn *c;

	pooler_db(p, "there = host=%s port=%d dbname=app", pg->sock, pg->port);
	pooler_set(p, "server_tls_sslmode = require");
	pooler_start(p);
	c = pooler_conn(p, "dbname=there");
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* What a client has proved is its own: nobody logs in with it as another. */
START_TEST(forced_user_has_his_own_password)
{
	struct pooler *p = pooler_new();

	p->errors_ok = true;
	pooler_set(p, "auth_type = plain\nquery_wait_timeout = 15");
	pooler_auth(p, "joe", PG_PASSWORD);
	pooler_db(p,
	    "as_other = host=127.0.0.1 port=%d dbname=app user=scram_u",
	    pg->port);
	pooler_start(p);
	sql_refused(
	    pooler_at(p, "dbname=as_other user=joe password='" PG_PASSWORD "'"),
	    "wrong password type");
	ck_assert_int_eq(pg_backends(pg, "usename = 'scram_u'"), 0);
	pooler_stop(p);
}
END_TEST

/* The keys of the client's own SCRAM login open the server as well. */
START_TEST(scram_pass_through)
{
	struct pooler *p = pooler_new();
	const char *at;
	PGconn *c;

	pooler_set(p, "auth_type = scram-sha-256\nserver_lifetime = 0");
	pooler_auth(p, "scram_u", pg_secret(pg, "scram_u"));
	pooler_start(p);
	at = pooler_at(p, "user=scram_u password='" PG_PASSWORD "'");
	for (int i = 0; i < 5; i++) {
		c = sql_open(at);
		ck_assert_str_eq(sql_one(c, "SELECT current_user"), "scram_u");
		PQfinish(c);
	}
	sql_refused(pooler_at(p, "user=scram_u password=wrong"), "FATAL");
	pooler_stop(p);
}
END_TEST

/* An md5 secret is as good as the password for an md5 login. */
START_TEST(md5_secret_for_md5_login)
{
	struct pooler *p = pooler_new();
	PGconn *c;

	pooler_set(p, "auth_type = md5");
	pooler_auth(p, "md5_u", pg_secret(pg, "md5_u"));
	pooler_start(p);
	c = pooler_conn(p, "user=md5_u password='" PG_PASSWORD "'");
	ck_assert_str_eq(sql_one(c, "SELECT current_user"), "md5_u");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/*
 * A login that PostgreSQL refuses: the client gets that error, there was
 * exactly one attempt, and until server_login_retry nobody tries again.
 */
START_TEST(refused_once)
{
	struct pooler *p = pooler_new();
	int before =
	    file_count(pg->log, "authentication failed for user \"md5_u\"");

	p->errors_ok = true;
	pooler_set(p, "server_login_retry = 60");
	pooler_auth(p, "md5_u", "not the password");
	pooler_start(p);
	for (int i = 0; i < 5; i++)
		sql_refused(pooler_at(p, "user=md5_u"),
		    "password authentication failed");
	ck_assert_int_eq(file_count(pg->log, "LOG:  disconnection") >= 0, 1);
	ck_assert_int_eq(
	    file_count(pg->log,
		"FATAL:  password authentication failed for user \"md5_u\"") -
		before,
	    1);
	/* others of the same database are none the wiser */
	PQfinish(pooler_conn(p, ""));
	pooler_stop(p);
}
END_TEST

START_TEST(database_missing_at_the_server)
{
	struct pooler *p = pooler_new();

	p->errors_ok = true;
	pooler_db(
	    p, "ghost = host=127.0.0.1 port=%d dbname=no_such_db", pg->port);
	pooler_start(p);
	sql_refused(pooler_at(p, "dbname=ghost"),
	    "database \"no_such_db\" does not exist");
	PQfinish(pooler_conn(p, ""));
	pooler_stop(p);
}
END_TEST

/* After server_login_retry it is tried again, and works when mended. */
START_TEST(retry_after_the_pause)
{
	struct pooler *p = pooler_new();
	const char *at;
	PGconn *c = NULL;

	p->errors_ok = true;
	pooler_set(p, "server_login_retry = 1");
	pooler_start(p);
	at = pooler_at(p, "user=app2");
	pg_ask(pg, "ALTER ROLE app2 NOLOGIN");
	sql_refused(at, "not permitted to log in");
	pg_ask(pg, "ALTER ROLE app2 LOGIN");
	for (int64_t end = now_ms() + 8000; now_ms() < end; nap()) {
		c = PQconnectdb(at);
		if (PQstatus(c) == CONNECTION_OK)
			break;
		PQfinish(c);
		c = NULL;
	}
	ck_assert_msg(c != NULL, "never tried again");
	ck_assert_str_eq(sql_one(c, "SELECT current_user"), "app2");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* What connect_query sets is what this pool's clients begin with. */
START_TEST(connect_query_sets_parameters)
{
	struct pooler *p = pooler_new();
	PGconn *c;

	pooler_db(p,
	    "there = host=127.0.0.1 port=%d dbname=app "
	    "connect_query='SET timezone TO ''Asia/Kathmandu''; "
	    "SET application_name TO ''by_query'''",
	    pg->port);
	pooler_start(p);
	for (int i = 0; i < 2; i++) {
		c = pooler_conn(p, "dbname=there");
		ck_assert_str_eq(
		    PQparameterStatus(c, "TimeZone"), "Asia/Kathmandu");
		ck_assert_str_eq(sql_one(c, "SHOW timezone"), "Asia/Kathmandu");
		ck_assert_str_eq(
		    sql_one(c, "SHOW application_name"), "by_query");
		PQfinish(c);
	}
	/* unless they say otherwise themselves */
	c = pooler_conn(p, "dbname=there application_name=mine");
	ck_assert_str_eq(sql_one(c, "SHOW application_name"), "mine");
	ck_assert_str_eq(sql_one(c, "SHOW timezone"), "Asia/Kathmandu");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/*
 * The keys of a SCRAM login serve whoever does the housekeeping: it fills the
 * pool up to its minimum, though its clients are with other workers, and
 * nobody spoils the pool by a login without them.
 */
START_TEST(minimum_by_pass_through)
{
	struct pooler *p = pooler_new();
	PGconn *c[4];

	pooler_set(p, "auth_type = scram-sha-256\nmin_pool_size = 2");
	pooler_workers(p, 4);
	pooler_auth(p, "scram_u", pg_secret(pg, "scram_u"));
	for (int i = 0; i < 4; i++)
		pooler_db(
		    p, "d%d = host=127.0.0.1 port=%d dbname=app", i, pg->port);
	pooler_start(p);
	/* not all of them are with the one that does the housekeeping */
	for (int i = 0; i < 4; i++)
		c[i] = sql_open(pooler_at(p,
		    text("dbname=d%d user=scram_u password='" PG_PASSWORD "'",
			i)));
	UNTIL(8000, pg_backends(pg, "usename = 'scram_u'") == 8);
	for (int i = 0; i < 4; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

/* Nobody brings keys, and the server wants none. */
START_TEST(minimum_without_keys)
{
	struct pooler *p = pooler_new();
	PGconn *c;

	pooler_set(p, "min_pool_size = 2");
	pooler_auth(p, "app", pg_secret(pg, "scram_u"));
	pooler_start(p);
	c = pooler_conn(p, "");
	UNTIL(8000, pg_backends(pg, "usename = 'app'") == 2);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/*
 * New logins are refused, but there are servers: who waits for one of them is
 * not sent away.
 */
START_TEST(refused_beside_servers)
{
	struct pooler *p = pooler_new();
	PGconn *h, *w;

	p->errors_ok = true;
	pooler_set(p, "server_login_retry = 1\ndefault_pool_size = 2");
	pooler_start(p);
	h = pooler_conn(p, "user=app2");
	w = pooler_conn(p, "user=app2");
	sql_do(h, "BEGIN");
	pg_ask(pg, "ALTER ROLE app2 NOLOGIN");
	sql_send(w, "SELECT 'served'");
	UNTIL(5000, file_has(p->log, "not permitted to log in"));
	/* the next attempt fails as well */
	ck_assert(!sql_is_ready(w, 1500));
	pg_ask(pg, "ALTER ROLE app2 LOGIN");
	sql_do(h, "COMMIT");
	ck_assert_str_eq(sql_get(w), "served");
	PQfinish(h);
	PQfinish(w);
	pooler_stop(p);
}
END_TEST

START_TEST(all_kinds_of_client_address)
{
	struct pooler *p = pooler_new();
	PGconn *c;

	pooler_set(p, "listen_addr = 127.0.0.1%s", have_ipv6() ? ",::1" : "");
	pooler_start(p);
	c = pooler_conn(p, text("host=%s", p->dir));
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	if (have_ipv6()) {
		c = pooler_conn(p, "host=::1");
		ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
		PQfinish(c);
	}
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("server login");
	TCase *tc = suite_case(s, "server login", 30);

	tcase_add_test(tc, over_ipv4);
	if (have_ipv6())
		tcase_add_test(tc, over_ipv6);
	tcase_add_test(tc, over_unix_socket);
	tcase_add_test(tc, by_name);
	tcase_add_test(tc, forced_user);
	if (!is_standin()) {
		tcase_add_test(tc, unix_socket_without_tls);
		tcase_add_test(tc, forced_user_has_his_own_password);
	}
	tcase_add_test(tc, scram_pass_through);
	tcase_add_test(tc, md5_secret_for_md5_login);
	if (!is_standin())
		tcase_add_test(tc, refused_once);
	tcase_add_test(tc, database_missing_at_the_server);
	tcase_add_test(tc, retry_after_the_pause);
	tcase_add_test(tc, connect_query_sets_parameters);
	tcase_add_test(tc, minimum_by_pass_through);
	tcase_add_test(tc, minimum_without_keys);
	tcase_add_test(tc, refused_beside_servers);
	tcase_add_test(tc, all_kinds_of_client_address);
	return suite_run(s, SUITE_PG);
}
