/*
 * 13_bad_host_test.c - a host of a list that is silent or refuses: the next one
 * serves.
 */
#include <unistd.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

/*
 * A list of two hosts on one port: the fake, and PostgreSQL by a Unix socket
 * that has another name here.
 */
static void
second_host_serves(fake_fn *serve, const char *option)
{
	struct fakepg *f = fakepg_start(serve);
	struct pooler *p = pooler_new();
	int64_t end_ms = now_ms() + 25000;
	PGconn *c = NULL;

	p->errors_ok = true;
	ck_assert_int_eq(symlink(text("%s/.s.PGSQL.%d", pg->sock, pg->port),
			     text("%s/.s.PGSQL.%d", p->dir, f->port)),
	    0);
	pooler_db(p, "two = host=127.0.0.1,%s port=%d dbname=app %s", p->dir,
	    f->port, option);
	pooler_workers(p, 1);
	pooler_set(p,
	    "server_connect_timeout = 0.3\nserver_login_retry = 0.2\n"
	    "query_wait_timeout = 5");
	pooler_start(p);
	/* who waited when a server refused is told so; the next is served */
	do {
		PQfinish(c);
		c = PQconnectdb(pooler_at(p, "dbname=two"));
		ck_assert_int_lt(now_ms(), end_ms);
	} while (PQstatus(c) != CONNECTION_OK);
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}

static void
silent_serve(int fd, struct fake_count *count)
{
	(void)count;
	fake_hang(fd);
}

static void
starting_serve(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_put(fd, 'E', "bsbsbsb", 'S', "FATAL", 'C', "57P03", 'M',
	    "the database system is starting up", 0);
}

START_TEST(silent_first_host)
{
	second_host_serves(silent_serve, "");
	second_host_serves(silent_serve, "load_balance_hosts=disable");
}
END_TEST

START_TEST(refusing_first_host)
{
	second_host_serves(starting_serve, "");
	second_host_serves(starting_serve, "load_balance_hosts=disable");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bad host");
	TCase *tc = suite_case(s, "login", 40);

	tcase_add_test(tc, silent_first_host);
	tcase_add_test(tc, refusing_first_host);
	return suite_run(s, SUITE_PG);
}
