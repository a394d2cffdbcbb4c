/* entry_test.c - one line of [databases], [users], [peers]. */
#include "conf/entry.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static struct arena arena;
static struct conf_faults faults;
static struct entry_at at = {
	.file = "f.ini", .line = 7, .arena = &arena, .faults = &faults
};

static void
setup(void)
{
	arena_init(&arena);
	conf_faults_init(&faults);
}

static void
teardown(void)
{
	arena_fini(&arena);
	conf_faults_free(&faults);
}

static struct conf_db
db_of(const char *name, const char *value)
{
	struct conf_db d;

	ck_assert_msg(entry_db(&at, name, value, &d) == 0, "%s: %s", value,
	    text_faults(&faults));
	ck_assert_uint_eq(faults.count, 0);
	return d;
}

/* Refused with one fault whose text has `want`. */
static void
refused(const char *name, const char *value, const char *want)
{
	struct conf_db d;

	conf_faults_free(&faults);
	ck_assert_msg(entry_db(&at, name, value, &d) == -1, "%s", value);
	ck_assert_uint_eq(faults.faults, 1);
	ck_assert_uint_eq(faults.v[0].line, 7);
	ck_assert_str_eq(faults.v[0].file, "f.ini");
	ck_assert_msg(
	    strstr(faults.v[0].text, want) != NULL, "%s", faults.v[0].text);
	conf_faults_free(&faults);
}

START_TEST(plain)
{
	struct conf_db d = db_of("app", "");

	ck_assert_str_eq(d.name, "app");
	ck_assert_str_eq(d.dbname, "app");
	ck_assert_str_eq(d.host, "");
	ck_assert_int_eq(d.port, 5432);
	ck_assert_str_eq(d.user, "");
	ck_assert_int_eq(d.has_password, 0);
	ck_assert_int_eq(d.pool_size, CONF_UNSET);
	ck_assert_str_eq(d.file, "f.ini");
	ck_assert_uint_eq(d.line, 7);

	d = db_of("*", "host=h");
	ck_assert_str_eq(d.dbname, "");
	d = db_of("*", "dbname=one");
	ck_assert_str_eq(d.dbname, "one");
}
END_TEST

START_TEST(all_keys)
{
	struct conf_db d = db_of("x",
	    "dbname='my db' host=127.0.0.1,::1 port=6000 user=u "
	    "password='it''s \\ \"q\"' pool_size=5 min_pool_size=1 "
	    "reserve_pool=2 max_db_connections=9 max_db_client_connections=8 "
	    "pool_mode=STATEMENT server_lifetime=0.5 query_wait_timeout=3 "
	    "connect_query='select ''a''' auth_user=au auth_query='select $1'"
	    " auth_dbname=ad load_balance_hosts=disable client_encoding=UTF8 "
	    "datestyle=iso timezone='Europe/Berlin' application_name='a b'");

	ck_assert_str_eq(d.dbname, "my db");
	ck_assert_str_eq(d.host, "127.0.0.1,::1");
	ck_assert_int_eq(d.port, 6000);
	ck_assert_str_eq(d.user, "u");
	ck_assert_str_eq(d.password, "it's \\ \"q\"");
	ck_assert_int_eq(d.has_password, 1);
	ck_assert_int_eq(d.pool_size, 5);
	ck_assert_int_eq(d.min_pool_size, 1);
	ck_assert_int_eq(d.reserve_pool_size, 2);
	ck_assert_int_eq(d.max_db_connections, 9);
	ck_assert_int_eq(d.max_db_client_connections, 8);
	ck_assert_int_eq(d.pool_mode, POOL_STATEMENT);
	ck_assert_int_eq(d.server_lifetime_ms, 500);
	ck_assert_int_eq(d.query_wait_timeout_ms, 3000);
	ck_assert_str_eq(d.connect_query, "select 'a'");
	ck_assert_str_eq(d.auth_user, "au");
	ck_assert_str_eq(d.auth_query, "select $1");
	ck_assert_str_eq(d.auth_dbname, "ad");
	ck_assert_int_eq(d.load_balance_hosts, LOAD_DISABLE);
	ck_assert_str_eq(d.client_encoding, "UTF8");
	ck_assert_str_eq(d.datestyle, "iso");
	ck_assert_str_eq(d.timezone, "Europe/Berlin");
	ck_assert_str_eq(d.application_name, "a b");

	d = db_of("x", "host=/run/pg reserve_pool_size=3 password=''");
	ck_assert_str_eq(d.host, "/run/pg");
	ck_assert_int_eq(d.reserve_pool_size, 3);
	ck_assert_int_eq(d.has_password, 1);
	d = db_of("x", "host = @abstract   port\t=\t1");
	ck_assert_str_eq(d.host, "@abstract");
	/* the last of two holds */
	d = db_of("x", "port=1 port=2 pool_size=1 pool_size=2");
	ck_assert_int_eq(d.port, 2);
	ck_assert_int_eq(d.pool_size, 2);
	/* a backslash at a value's end does not eat what follows */
	d = db_of("x", "password=a\\ user=b");
	ck_assert_str_eq(d.password, "a\\");
	ck_assert_str_eq(d.user, "b");
}
END_TEST

START_TEST(uris)
{
	struct conf_db d = db_of("x", "postgresql://u:p%40w@h:6000/d");

	ck_assert_str_eq(d.user, "u");
	ck_assert_str_eq(d.password, "p@w");
	ck_assert_int_eq(d.has_password, 1);
	ck_assert_str_eq(d.host, "h");
	ck_assert_int_eq(d.port, 6000);
	ck_assert_str_eq(d.dbname, "d");

	d = db_of("x", "postgres://h");
	ck_assert_str_eq(d.dbname, "x");
	ck_assert_int_eq(d.port, 5432);
	d = db_of("x", "postgres://");
	ck_assert_str_eq(d.host, "");
	d = db_of("x",
	    "postgres://h/d?pool_size=5&application_name=a%20b&"
	    "connect_query=select%201&pool_mode=transaction");
	ck_assert_int_eq(d.pool_size, 5);
	ck_assert_str_eq(d.application_name, "a b");
	ck_assert_str_eq(d.connect_query, "select 1");
	ck_assert_int_eq(d.pool_mode, POOL_TRANSACTION);
	d = db_of("x", "postgres://h/d?pool_size=6");
	ck_assert_int_eq(d.pool_size, 6);
	/* a ? in the password begins no parameters */
	d = db_of("x", "postgres://u:a?b@h/d?pool_size=7");
	ck_assert_str_eq(d.password, "a?b");
	ck_assert_str_eq(d.host, "h");
	ck_assert_int_eq(d.pool_size, 7);
	d = db_of("x", "postgres://[::1]:6000,[::1]/d?host=/run&port=1");
	ck_assert_str_eq(d.host, "/run");
	d = db_of("x", "postgres://h1:5,h2:5/d?port=5 pool_size=3 user=w");
	ck_assert_str_eq(d.host, "h1,h2");
	ck_assert_int_eq(d.port, 5);
	ck_assert_int_eq(d.pool_size, 3);
	ck_assert_str_eq(d.user, "w");
}
END_TEST

START_TEST(bad_dbs)
{
	char longer[400];

	refused("x", "nokey", "syntax error");
	refused("x", "host='open", "syntax error");
	refused("x", "frob=1", "unrecognized connection parameter: frob");
	refused("x", "sslmode=require", "unrecognized");
	refused("x", "port=0", "port: \"0\" is not allowed");
	refused("x", "port=99999", "not allowed");
	refused("x", "port=5,6", "same port");
	refused("x", "pool_size=many", "pool_size: \"many\"");
	refused("x", "pool_mode=foo", "session, transaction, statement");
	refused("x", "load_balance_hosts=x", "round-robin, disable");
	refused("x", "server_lifetime=-1", "a number of seconds");
	refused("pgbouncer", "host=x", "the console's");
	refused("x", "postgres://h:1,h:2/d", "same port");
	refused("x", "postgres://h/d?frob=1", "not a valid connection");
	refused("x", "postgres://h/d?sslmode=disable", "unrecognized");
	refused("x", "postgres://h/d?connect_query=%4", "% without");
	refused("x", "postgres://h/d?connect_query=%00", "% without");
	refused("x", "postgres://h/d?pool_size=x", "pool_size");
	refused("x", "postgres://h:x/d", "not allowed");
	refused("x", "postgres://h/%zz", "not a valid connection");
	refused("0123456789012345678901234567890123456789012345678901234567"
		"890123",
	    "", "too long");
	snprintf(longer, sizeof(longer), "user=%0128d", 1);
	refused("x", longer, "user's name is too long");
}
END_TEST

/* Nothing that is refused shows the password. */
START_TEST(no_secret_in_faults)
{
	static const char *const bad[] = { "password=hush port=x",
		"password='hush", "postgres://u:hush%zz@h/d",
		"postgres://u:hush@h/d?frob=1", "postgres://u:hush@[::1/d" };
	struct conf_db d;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		conf_faults_free(&faults);
		ck_assert_int_eq(entry_db(&at, "x", bad[i], &d), -1);
		ck_assert_uint_ge(faults.faults, 1);
		ck_assert_ptr_null(strstr(text_faults(&faults), "hush"));
	}
}
END_TEST

START_TEST(many_faults)
{
	struct conf_db d;

	ck_assert_int_eq(
	    entry_db(&at, "x", "a=1 pool_size=x port=z b=2", &d), -1);
	ck_assert_uint_eq(faults.faults, 4);
}
END_TEST

START_TEST(users)
{
	struct conf_user u;

	ck_assert_int_eq(
	    entry_user(&at, "joe",
		"pool_size=1 reserve_pool_size=2 pool_mode=session "
		"max_user_connections=3 max_user_client_connections=4 "
		"query_timeout=5 query_wait_timeout=6 "
		"idle_transaction_timeout=7 "
		"transaction_timeout=8 client_idle_timeout=9.5",
		&u),
	    0);
	ck_assert_str_eq(u.name, "joe");
	ck_assert_int_eq(u.pool_size, 1);
	ck_assert_int_eq(u.reserve_pool_size, 2);
	ck_assert_int_eq(u.pool_mode, POOL_SESSION);
	ck_assert_int_eq(u.max_user_connections, 3);
	ck_assert_int_eq(u.max_user_client_connections, 4);
	ck_assert_int_eq(u.query_timeout_ms, 5000);
	ck_assert_int_eq(u.query_wait_timeout_ms, 6000);
	ck_assert_int_eq(u.idle_transaction_timeout_ms, 7000);
	ck_assert_int_eq(u.transaction_timeout_ms, 8000);
	ck_assert_int_eq(u.client_idle_timeout_ms, 9500);
	ck_assert_int_eq(entry_user(&at, "joe", "", &u), 0);
	ck_assert_int_eq(u.query_timeout_ms, CONF_UNSET);
	ck_assert_int_eq(entry_user(&at, "joe", "min_pool_size=1", &u), -1);
	ck_assert_int_eq(entry_user(&at, "joe", "pool_size", &u), -1);
	ck_assert_int_eq(entry_user(&at, "joe", "pool_size=-2", &u), -1);
	ck_assert_uint_eq(faults.faults, 3);
}
END_TEST

START_TEST(peers)
{
	struct conf_peer p;

	ck_assert_int_eq(
	    entry_peer(&at, "16383", "host=h port=1 pool_size=2", &p), 0);
	ck_assert_int_eq(p.id, 16383);
	ck_assert_str_eq(p.host, "h");
	ck_assert_int_eq(p.port, 1);
	ck_assert_int_eq(p.pool_size, 2);
	ck_assert_int_eq(entry_peer(&at, "0", "host=h", &p), -1);
	ck_assert_int_eq(entry_peer(&at, "16384", "host=h", &p), -1);
	ck_assert_int_eq(entry_peer(&at, "x", "host=h", &p), -1);
	ck_assert_int_eq(entry_peer(&at, "1", "", &p), -1);
	ck_assert_int_eq(entry_peer(&at, "1", "host=h user=x", &p), -1);
	ck_assert_uint_eq(faults.faults, 5);
}
END_TEST

/* Any bytes: an answer, inside of the block. */
START_TEST(hostile)
{
	static const char bytes[] = "postgres://a:b@h/d?pool_size=5&%41='\\ ";
	char text[120];
	unsigned seed = 3;
	struct conf_db d;

	for (int round = 0; round < 20000; round++) {
		size_t len = 0;

		if (round % 3 == 0)
			len = (size_t)sprintf(text, "postgres://");
		do {
			seed = seed * 1103515245 + 12345;
			text[len++] = bytes[(seed >> 16) % (sizeof(bytes) - 1)];
		} while (len < sizeof(text) - 1 && (seed >> 8) % 30 != 0);
		text[len] = '\0';
		(void)entry_db(&at, "x", text, &d);
		if (round % 100 == 0) {
			conf_faults_free(&faults);
			arena_fini(&arena);
		}
	}
	/* quotes and backslashes, each doubled for libpq */
	memset(text, '\\', sizeof(text) - 1);
	memcpy(text, "user=", 5);
	text[sizeof(text) - 1] = '\0';
	conf_faults_free(&faults);
	ck_assert_uint_eq(strlen(db_of("x", text).user), sizeof(text) - 6);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("entry");
	TCase *tc = tcase_create("entry");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, plain);
	tcase_add_test(tc, all_keys);
	tcase_add_test(tc, uris);
	tcase_add_test(tc, bad_dbs);
	tcase_add_test(tc, no_secret_in_faults);
	tcase_add_test(tc, many_faults);
	tcase_add_test(tc, users);
	tcase_add_test(tc, peers);
	tcase_add_test(tc, hostile);
	return run_suite(s);
}
