/* lookup_test.c - what a configuration answers. */
#include "conf/conf.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/log.h"
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static struct conf *
load(const char *text)
{
	struct conf_files files;
	struct conf_faults faults;
	struct conf *c;

	conf_files_init(&files);
	conf_faults_init(&faults);
	text_add(&files, "main.ini", text);
	c = conf_load(&files, &faults);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	conf_files_free(&files);
	conf_faults_free(&faults);
	return c;
}

START_TEST(find)
{
	struct conf *c = load("[databases]\nb=\na=\n*= host=x\n\"c d\"=\n"
			      "[users]\nu=\n\"*\"=\n[peers]\n7=host=h\n");

	ck_assert_str_eq(conf_db_find(c, "a")->name, "a");
	ck_assert_str_eq(conf_db_find(c, "b")->name, "b");
	ck_assert_str_eq(conf_db_find(c, "c d")->name, "c d");
	ck_assert_ptr_null(conf_db_find(c, "c"));
	ck_assert_ptr_null(conf_db_find(c, ""));
	/* a client may ask for a database called "*" */
	ck_assert_ptr_null(conf_db_find(c, "*"));
	ck_assert_str_eq(conf_db_auto(c)->host, "x");
	ck_assert_ptr_nonnull(conf_user_find(c, "u"));
	ck_assert_ptr_null(conf_user_find(c, "v"));
	ck_assert_ptr_nonnull(conf_peer_find(c, 7));
	ck_assert_ptr_null(conf_peer_find(c, 8));
	conf_free(c);
	c = load("");
	ck_assert_ptr_null(conf_db_find(c, "a"));
	ck_assert_ptr_null(conf_db_auto(c));
	ck_assert_ptr_null(conf_user_find(c, "a"));
	ck_assert_ptr_null(conf_peer_find(c, 0));
	conf_free(c);
}
END_TEST

/* Who asks where, by which query: the entry's word before the general one. */
START_TEST(asking)
{
	struct conf *c =
	    load("[pooler]\nauth_user = au\nauth_query = q $1\n[databases]\n"
		 "a = host=h\nb = host=h auth_user=bu auth_query=bq "
		 "auth_dbname=a\nd = auth_dbname=nowhere\n");
	struct conf_asking as;

	ck_assert(conf_asking(c, "a", &as));
	ck_assert_str_eq(as.user, "au");
	ck_assert_str_eq(as.query, "q $1");
	ck_assert_str_eq(as.name, "a");
	ck_assert_ptr_eq(as.db, conf_db_find(c, "a"));
	ck_assert(conf_asking(c, "b", &as));
	ck_assert_str_eq(as.user, "bu");
	ck_assert_str_eq(as.query, "bq");
	ck_assert_str_eq(as.name, "a");
	ck_assert_ptr_eq(as.db, conf_db_find(c, "a"));
	/* a database that is not there is a fault, and no other one's turn */
	ck_assert(conf_asking(c, "d", &as));
	ck_assert_ptr_null(as.db);
	/* nowhere to ask in */
	ck_assert(!conf_asking(c, "x", &as));
	ck_assert(!conf_asking(c, "pgbouncer", &as));
	ck_assert(!conf_asking(c, "pooler", &as));
	conf_free(c);

	c = load("[databases]\na = host=h\n* = host=g auth_user=xu\n");
	ck_assert(!conf_asking(c, "a", &as));
	ck_assert(conf_asking(c, "x", &as));
	ck_assert_str_eq(as.user, "xu");
	ck_assert_str_eq(as.name, "x");
	ck_assert_str_eq(as.db->host, "g");
	ck_assert_ptr_nonnull(strstr(as.query, "rolvaliduntil"));
	ck_assert_ptr_nonnull(strstr(as.query, "rolcanlogin"));
	ck_assert(!conf_asking(c, "pgbouncer", &as));
	conf_free(c);

	c = load("[pooler]\nauth_user = au\nauth_dbname = a\n"
		 "[databases]\na = host=h\n");
	ck_assert(conf_asking(c, "pgbouncer", &as));
	ck_assert_str_eq(as.name, "a");
	ck_assert(conf_asking(c, "x", &as));
	ck_assert_str_eq(as.name, "a");
	conf_free(c);

	c = load("[pooler]\nauth_user = au\nauth_dbname = pgbouncer\n"
		 "[databases]\n* = host=h\n");
	ck_assert(conf_asking(c, "x", &as));
	ck_assert_ptr_null(as.db);
	conf_free(c);

	c = load("[pooler]\nauth_user = au\nauth_query =\n"
		 "[databases]\na = host=h\n");
	ck_assert(!conf_asking(c, "a", &as));
	conf_free(c);
}
END_TEST

START_TEST(moved)
{
	static const char *const moves[] = { "dbname=y", "host=g", "port=1",
		"user=u", "connect_query=q", "auth_dbname=d", "auth_query=q",
		"load_balance_hosts=disable" };
	static const char *const stays[] = { "", "pool_size=1", "password=p",
		"pool_mode=session", "server_lifetime=1", "auth_user=u" };
	struct conf *was = load("[databases]\nx =\n"), *is;
	char text[100];

	for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++) {
		snprintf(text, sizeof(text), "[databases]\nx = %s\n", moves[i]);
		is = load(text);
		ck_assert_msg(
		    conf_db_is_moved(was->dbs, is->dbs), "%s", moves[i]);
		conf_free(is);
	}
	for (size_t i = 0; i < sizeof(stays) / sizeof(*stays); i++) {
		snprintf(text, sizeof(text), "[databases]\nx = %s\n", stays[i]);
		is = load(text);
		ck_assert_msg(
		    !conf_db_is_moved(was->dbs, is->dbs), "%s", stays[i]);
		conf_free(is);
	}
	conf_free(was);
}
END_TEST

START_TEST(lists)
{
	ck_assert(conf_list_has("a, b ,c", "a"));
	ck_assert(conf_list_has("a, b ,c", "b"));
	ck_assert(conf_list_has("a, b ,c", "c"));
	ck_assert(!conf_list_has("a, bb ,c", "b"));
	ck_assert(!conf_list_has("a, b ,c", ""));
	ck_assert(!conf_list_has("a, b ,c", "a, b"));
	ck_assert(!conf_list_has("", "a"));
	ck_assert(!conf_list_has("", ""));
}
END_TEST

static const char general[] =
    "[pooler]\npool_mode=session\ndefault_pool_size=20\nmin_pool_size=1\n"
    "reserve_pool_size=2\nmax_db_connections=3\n"
    "max_db_client_connections=4\nmax_user_connections=5\n"
    "max_user_client_connections=6\nserver_lifetime=7\n"
    "query_wait_timeout=8\nquery_timeout=9\nidle_transaction_timeout=10\n"
    "transaction_timeout=11\nclient_idle_timeout=12\n";

START_TEST(precedence)
{
	char text[2000];
	struct conf_pool p;
	struct conf *c;

	snprintf(text, sizeof(text), "%s%s", general,
	    "[databases]\n"
	    "bare =\n"
	    "own = pool_size=120 min_pool_size=101 reserve_pool_size=102 "
	    "max_db_connections=103 max_db_client_connections=104 "
	    "pool_mode=transaction server_lifetime=107 "
	    "query_wait_timeout=108\n"
	    "[users]\n"
	    "strong = pool_size=220 reserve_pool_size=202 "
	    "pool_mode=statement max_user_connections=205 "
	    "max_user_client_connections=206 query_wait_timeout=208 "
	    "query_timeout=209 idle_transaction_timeout=210 "
	    "transaction_timeout=211 client_idle_timeout=212\n"
	    "weak = pool_size=-1\n"
	    "zero = pool_size=0 query_timeout=0 max_user_connections=0\n");
	c = load(text);

	conf_pool_resolve(c, conf_db_find(c, "bare"), "nobody", false, &p);
	ck_assert_int_eq(p.pool_size, 20);
	ck_assert_int_eq(p.min_pool_size, 1);
	ck_assert_int_eq(p.reserve_pool_size, 2);
	ck_assert_int_eq(p.max_db_connections, 3);
	ck_assert_int_eq(p.max_db_client_connections, 4);
	ck_assert_int_eq(p.max_user_connections, 5);
	ck_assert_int_eq(p.max_user_client_connections, 6);
	ck_assert_int_eq(p.pool_mode, POOL_SESSION);
	ck_assert_int_eq(p.server_lifetime_ms, 7000);
	ck_assert_int_eq(p.query_wait_timeout_ms, 8000);
	ck_assert_int_eq(p.query_timeout_ms, 9000);
	ck_assert_int_eq(p.idle_transaction_timeout_ms, 10000);
	ck_assert_int_eq(p.transaction_timeout_ms, 11000);
	ck_assert_int_eq(p.client_idle_timeout_ms, 12000);

	conf_pool_resolve(c, conf_db_find(c, "own"), "weak", false, &p);
	ck_assert_int_eq(p.pool_size, 120);
	ck_assert_int_eq(p.min_pool_size, 101);
	ck_assert_int_eq(p.reserve_pool_size, 102);
	ck_assert_int_eq(p.max_db_connections, 103);
	ck_assert_int_eq(p.max_db_client_connections, 104);
	ck_assert_int_eq(p.max_user_connections, 5);
	ck_assert_int_eq(p.pool_mode, POOL_TRANSACTION);
	ck_assert_int_eq(p.server_lifetime_ms, 107000);
	ck_assert_int_eq(p.query_wait_timeout_ms, 108000);

	conf_pool_resolve(c, conf_db_find(c, "own"), "strong", false, &p);
	ck_assert_int_eq(p.pool_size, 220);
	ck_assert_int_eq(p.min_pool_size, 101);
	ck_assert_int_eq(p.reserve_pool_size, 202);
	ck_assert_int_eq(p.max_db_connections, 103);
	ck_assert_int_eq(p.max_user_connections, 205);
	ck_assert_int_eq(p.max_user_client_connections, 206);
	ck_assert_int_eq(p.pool_mode, POOL_STATEMENT);
	ck_assert_int_eq(p.server_lifetime_ms, 107000);
	ck_assert_int_eq(p.query_wait_timeout_ms, 208000);
	ck_assert_int_eq(p.query_timeout_ms, 209000);
	ck_assert_int_eq(p.idle_transaction_timeout_ms, 210000);
	ck_assert_int_eq(p.transaction_timeout_ms, 211000);
	ck_assert_int_eq(p.client_idle_timeout_ms, 212000);

	/* forced: the user's sizes do not count, the rest does */
	conf_pool_resolve(c, conf_db_find(c, "own"), "strong", true, &p);
	ck_assert_int_eq(p.pool_size, 120);
	ck_assert_int_eq(p.reserve_pool_size, 102);
	ck_assert_int_eq(p.pool_mode, POOL_STATEMENT);
	ck_assert_int_eq(p.max_user_connections, 205);
	conf_pool_resolve(c, conf_db_find(c, "bare"), "strong", true, &p);
	ck_assert_int_eq(p.pool_size, 20);

	/* 0 is a value, not "unset" */
	conf_pool_resolve(c, conf_db_find(c, "own"), "zero", false, &p);
	ck_assert_int_eq(p.pool_size, 0);
	ck_assert_int_eq(p.query_timeout_ms, 0);
	ck_assert_int_eq(p.max_user_connections, 0);
	conf_free(c);
}
END_TEST

START_TEST(show)
{
	struct conf *c = load("[pooler]\nunix_socket_mode = 0770\n"
			      "server_lifetime = 0.50\nauth_file =\n"
			      "pool_mode = TRANSACTION\n");
	struct conf_shown s;
	int seen = 0;

	/* all of PgBouncer's, and ours */
	ck_assert_uint_gt(conf_show_count(), 100);
	for (size_t i = 0; i < conf_show_count(); i++) {
		conf_show(c, i, &s);
		if (strcmp(s.key, "unix_socket_mode") == 0) {
			ck_assert_str_eq(s.value, "504");
			ck_assert_str_eq(s.dflt, "0777");
			ck_assert(!s.changeable);
			seen++;
		} else if (strcmp(s.key, "server_lifetime") == 0) {
			ck_assert_str_eq(s.value, "0.5");
			ck_assert_str_eq(s.dflt, "3600");
			ck_assert(s.changeable);
			seen++;
		} else if (strcmp(s.key, "auth_file") == 0) {
			ck_assert_ptr_null(s.value);
			ck_assert_ptr_null(s.dflt);
			seen++;
		} else if (strcmp(s.key, "pool_mode") == 0) {
			ck_assert_str_eq(s.value, "transaction");
			seen++;
		} else if (strcmp(s.key, "conffile") == 0) {
			ck_assert_str_eq(s.value, "main.ini");
			ck_assert_ptr_null(s.dflt);
			seen++;
		}
	}
	ck_assert_int_eq(seen, 5);
	conf_free(c);
}
END_TEST

/* What conf_warn_later() says of `text`; "" when it says nothing. */
static const char *
later(const char *text)
{
	static char out[4000];
	struct conf *c = load(text);
	ssize_t n;
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	conf_warn_later(c);
	conf_free(c);
	n = read(p[0], out, sizeof(out) - 1);
	out[n < 0 ? 0 : n] = '\0';
	close(p[0]);
	close(p[1]);
	return out;
}

START_TEST(warn_later)
{
	const char *said;

	ck_assert_str_eq(later(""), "");
	ck_assert_str_eq(later("[pooler]\nlisten_port=1\nquery_timeout=0\n"
			       "server_lifetime = 1\n[databases]\nx=\n"),
	    "");
	said = later(
	    "[pooler]\nquery_timeout=5\nidle_transaction_timeout=5\n"
	    "[databases]\na = max_db_client_connections=5\n"
	    "b = max_db_client_connections=6\n[users]\nu = query_timeout=1\n"
	    "[peers]\n1 = host=h\n");
	ck_assert_ptr_nonnull(strstr(said,
	    "] WARNING not yet in effect: query_timeout, "
	    "idle_transaction_timeout, max_db_client_connections, "
	    "[peers]\n"));
	ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("lookup");
	TCase *tc = tcase_create("lookup");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, find);
	tcase_add_test(tc, asking);
	tcase_add_test(tc, moved);
	tcase_add_test(tc, lists);
	tcase_add_test(tc, precedence);
	tcase_add_test(tc, show);
	tcase_add_test(tc, warn_later);
	return run_suite(s);
}
