/*
 * 63_session_way_test.c - what a client sets, on its way: at the start, ahead of
 * its query, refused, switched off, in a crowd.
 */
#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/session.h"

/* --- how a session begins -------------------------------------------------------- */

START_TEST(startup_settings)
{
	struct pooler *p = one_backend("");
	PGconn *b = pooler_conn(p, ""), *a;

	a = pooler_conn(p,
	    "options='-c work_mem=7MB --search-path=x -cgeqo=off "
	    "-c app.me=me -c statement_timeout=1h' application_name=me");
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
		ck_assert_str_eq(sql_one(b, "SHOW geqo"), "on");
		ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
		ck_assert_str_eq(sql_one(a, "SHOW geqo"), "off");
		ck_assert_str_eq(sql_one(a, "SHOW app.me"), "me");
	}
	/* what it has begun with is what a RESET goes back to */
	sql_do(a,
	    "SET work_mem = '9MB'; SET app.me = 'you'; "
	    "SET application_name = 'you'");
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "9MB");
	sql_do(a, "RESET work_mem");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
	ck_assert_str_eq(sql_one(a, "SHOW app.me"), "you");
	for (int i = 0; i < 2; i++) {
		sql_do(a, "SET work_mem = '9MB'");
		sql_do(a, i == 0 ? "RESET ALL" : "DISCARD ALL");
		ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
		ck_assert_str_eq(sql_one(a, "SHOW geqo"), "off");
		ck_assert_str_eq(sql_one(a, "SHOW app.me"), "me");
		ck_assert_str_eq(sql_one(a, "SHOW application_name"), "me");
		ck_assert_str_eq(sql_one(b, "SHOW application_name"), "");
	}
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* As a startup parameter by its own name, and one that there is not. */
START_TEST(startup_parameters)
{
	struct pooler *p = one_backend("");
	struct wire *w = session_wire(p, "work_mem", "7MB");

	wire_query(w, "SHOW work_mem");
	wire_expect(w, "TD");
	ck_assert_str_eq(wire_value(w), "7MB");
	wire_expect(w, "CZ");
	wire_free(w);
	sql_refused(pooler_at(p, "options='-c nonsense=1'"),
	    "unrecognized configuration parameter \"nonsense\"");
	sql_refused(pooler_at(p, "options='-c work_mem=much'"),
	    "invalid value for parameter \"work_mem\"");
	pooler_stop(p);
}
END_TEST

/* As in PgBouncer. */
START_TEST(switched_off)
{
	struct pooler *p = one_backend("session_state = off");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

	sql_refused(pooler_at(p, "options='-c work_mem=7MB'"),
	    "unsupported startup parameter in options: work_mem");
	sql_do(a, "SET work_mem = '7MB'");
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "7MB");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* --- on the way ---------------------------------------------------------------------- */

/*
 * Its own SET and BEGIN are there at once, in one piece with the query, and
 * the query does not wait for their answers: marks how many messages came with
 * it, and what it was.
 */
static void
one_piece(int fd, struct fake_count *count)
{
	static char buf[64 * 1024];
	ssize_t len;

	fake_startup(fd, count);
	fake_welcome(fd);
	len = read(fd, buf, sizeof(buf));
	for (ssize_t at = 0; at + 5 <= len;) {
		uint32_t n;

		memcpy(&n, buf + at + 1, sizeof(n));
		count->mark[0]++;
		count->mark[1] = buf[at];
		at += 1 + (ssize_t)ntohl(n);
		if (at > len)
			count->mark[1] = 0;
	}
	for (int i = 0; i < 3; i++) {
		fake_put(fd, '1', "");
		fake_put(fd, '2', "");
		fake_put(fd, 'C', "s", "X");
	}
	fake_row(fd, "mine");
	fake_hang(fd);
}

START_TEST(one_round_trip)
{
	struct fakepg *fake = fakepg_start(one_piece);
	struct pooler *p = pooler_new();
	PGconn *c;

	pooler_db(p, "fake = host=127.0.0.1 port=%d", fake->port);
	pooler_start(p);
	c = pooler_conn(p, "dbname=fake application_name=me");
	ck_assert_str_eq(sql_one(c, "SELECT 'mine'"), "mine");
	/* BEGIN, SELECT set_config(...), COMMIT: three each; the query */
	ck_assert_int_eq(fake->count->mark[0], 10);
	ck_assert_int_eq(fake->count->mark[1], 'Q');
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(fake);
}
END_TEST

/* It is refused, and nothing else is said until a Sync that never comes. */
static void
refuses(int fd, struct fake_count *count)
{
	char body[4096];

	fake_startup(fd, count);
	fake_welcome(fd);
	while (fake_recv(fd, body, sizeof(body)) != 'Q')
		;
	fake_put(fd, '1', "");
	fake_put(fd, '2', "");
	fake_put(fd, 'C', "s", "BEGIN");
	fake_put(fd, '1', "");
	fake_put(fd, '2', "");
	fake_put(
	    fd, 'E', "bsbsbsb", 'S', "ERROR", 'C', "22023", 'M', "not that", 0);
	fake_hang(fd);
}

START_TEST(refused_on_the_way)
{
	struct fakepg *fake = fakepg_start(refuses);
	struct pooler *p = pooler_new();
	PGconn *c;
	const char *said;

	pooler_db(p, "fake = host=127.0.0.1 port=%d", fake->port);
	pooler_start(p);
	c = pooler_conn(p, "dbname=fake application_name=me");
	sql_send(c, "SELECT 'mine'");
	said = sql_get_error(c);
	ck_assert_msg(strstr(said, "not that") != NULL, "%s", said);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(fake);
}
END_TEST

/* What cannot be set is told, and the query is not run. */
START_TEST(refused_setting)
{
	struct pooler *p = one_backend("");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	const char *said;

	roles();
	sql_do(b, "CREATE TABLE IF NOT EXISTS seen (n int); TRUNCATE seen");
	sql_do(b, "GRANT ALL ON seen TO painter");
	sql_do(a, "SET ROLE painter");
	ck_assert_str_eq(sql_one(b, "SELECT current_user"), "app");
	pg_ask(pg, "DO 'BEGIN EXECUTE ''REVOKE painter FROM app''; END'");
	sql_send(a, "INSERT INTO seen VALUES (1)");
	said = sql_get_error(a);
	ck_assert_msg(strstr(said, "set role \"painter\"") != NULL, "%s", said);
	ck_assert_str_eq(sql_one(b, "SELECT count(*) FROM seen"), "0");
	ck_assert_str_eq(sql_one(b, "SELECT current_user"), "app");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* Many on few: each has always what it has set, whoever was there before. */
START_TEST(crowd)
{
	enum { N = 24, ROUNDS = 30 };
	struct pooler *p = pooler_new();
	PGconn *c[N];

	pooler_workers(p, 4);
	pooler_set(p, "default_pool_size = 2");
	pooler_start(p);
	roles();
	for (int i = 0; i < N; i++)
		c[i] = pooler_conn(p, "");
	for (int n = 0; n < ROUNDS; n++) {
		for (int i = 0; i < N; i++) {
			if (i % 4 == 0)
				sql_send(c[i], "SELECT 1");
			else if (i % 4 == 1)
				sql_send(c[i], "SET app.me = 'c%d-%d'", i, n);
			else if (i % 4 == 2)
				sql_send(c[i],
				    "SET work_mem = '%dkB'; SET app.me = "
				    "'c%d-%d'",
				    1000 + i, i, n);
			else
				sql_send(c[i],
				    "BEGIN; SET app.me = 'c%d-%d'; SET "
				    "search_path "
				    "= s%d; SET ROLE painter; COMMIT",
				    i, n, n);
		}
		for (int i = 0; i < N; i++)
			sql_get(c[i]);
		for (int i = 0; i < N; i++)
			sql_send(c[i],
			    "SELECT concat_ws('|', current_setting('app.me', "
			    "true), current_setting('work_mem'), "
			    "current_setting('search_path'), current_user)");
		for (int i = 0; i < N; i++) {
			/* a name that another client has set here is known */
			const char *got = sql_get(c[i]);

			if (i % 4 == 0 && got[0] == '|')
				got++;
			ck_assert_str_eq(got,
			    text("%s%s|%s|%s",
				i % 4 == 0 ? "" : text("c%d-%d|", i, n),
				i % 4 == 2 ? text("%dkB", 1000 + i) : "4MB",
				i % 4 == 3 ? text("s%d", n)
					   : "\"$user\", public",
				i % 4 == 3 ? "painter" : "app"));
		}
	}
	for (int i = 0; i < N; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("session way");
	TCase *tc = suite_case(s, "session", 60);

	tcase_add_test(tc, startup_settings);
	tcase_add_test(tc, startup_parameters);
	tcase_add_test(tc, switched_off);
	tcase_add_test(tc, one_round_trip);
	tcase_add_test(tc, refused_on_the_way);
	tcase_add_test(tc, refused_setting);
	tcase_add_test(tc, crowd);
	return suite_run(s, SUITE_PG);
}
