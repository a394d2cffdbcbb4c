/*
 * 14_hba_test.c - auth_type = hba: who is let in from where by which method,
 * in which words others are turned away, and what a reload changes.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/system/rules.h"

START_TEST(by_address)
{
	struct pooler *p =
	    start(CONSOLE "host open clear 127.0.0.0/8 trust\n"
			  "host other clear ::1/128 trust\n"
			  "host clear clear 127.0.0.1 255.255.255.255 trust\n"
			  "local clear clear trust\n");

	let_in(at(p, V4, "open", "clear", ""));
	sql_refused(at(p, "", "open", "clear", ""),
	    no_entry("[local]", "clear", "open"));
	sql_refused(
	    at(p, V4, "other", "clear", ""), no_entry(V4, "clear", "other"));
	let_in(at(p, V4, "clear", "clear", ""));
	let_in(at(p, "", "clear", "clear", ""));
	if (have_ipv6()) {
		let_in(at(p, V6, "other", "clear", ""));
		sql_refused(at(p, V6, "open", "clear", ""),
		    no_entry(V6, "clear", "open"));
		sql_refused(at(p, V6, "clear", "clear", ""),
		    no_entry(V6, "clear", "clear"));
	}
	pooler_stop(p);
}
END_TEST

/* This host is among its own addresses, and in its own networks. */
START_TEST(by_interface)
{
	struct pooler *p = start(CONSOLE "host open clear samehost trust\n"
					 "host other clear samenet trust\n"
					 "host clear clear 10.0.0.0/8 trust\n");

	let_in(at(p, V4, "open", "clear", ""));
	let_in(at(p, V4, "other", "clear", ""));
	sql_refused(
	    at(p, V4, "clear", "clear", ""), no_entry(V4, "clear", "clear"));
	if (have_ipv6())
		let_in(at(p, V6, "open", "clear", ""));
	pooler_stop(p);
}
END_TEST

START_TEST(by_name)
{
	struct pooler *p = prepare(CONSOLE "host sameuser all all trust\n"
					   "host open @names all trust\n"
					   "host /^oth app2,/^md all trust\n"
					   "host \"all\" all all trust\n"
					   "hostssl all all all trust\n"
					   "hostgssenc all all all trust\n"
					   "host replication all all trust\n");
	spew(text("%s/names", p->dir), "app3\nscram_u # and no more\n");
	pooler_start(p);
	let_in(at(p, V4, "clear", "clear", ""));
	let_in(at(p, V4, "open", "app3", ""));
	let_in(at(p, V4, "open", "scram_u", ""));
	let_in(at(p, V4, "other", "app2", ""));
	let_in(at(p, V4, "other", "md5_u", ""));
	sql_refused(
	    at(p, V4, "open", "clear", ""), no_entry(V4, "clear", "open"));
	sql_refused(
	    at(p, V4, "other", "app3", ""), no_entry(V4, "app3", "other"));
	sql_refused(
	    at(p, V4, "clear", "app2", ""), no_entry(V4, "app2", "clear"));
	pooler_stop(p);
}
END_TEST

START_TEST(methods)
{
	struct pooler *p = start(CONSOLE "local open all password\n"
					 "local other all md5\n"
					 "local clear all scram-sha-256\n"
					 "host open all all trust\n"
					 "host other all all reject\n");
	static const char *const users[] = { "clear", "md5_u", "scram_u" };

	for (int i = 0; i < 3; i++) {
		let_in(at(p, "", "open", users[i], PG_PASSWORD));
		sql_refused(at(p, "", "open", users[i], "wrong"),
		    "password authentication failed");
		let_in(at(p, "", "other", users[i], PG_PASSWORD));
		sql_refused(at(p, "", "other", users[i], "wrong"),
		    "password authentication failed");
		sql_refused(at(p, "", "clear", users[i], "wrong"),
		    "password authentication failed");
		let_in(at(p, V4, "open", users[i], ""));
		sql_refused(at(p, V4, "other", users[i], PG_PASSWORD),
		    rejects(V4, users[i], "other"));
	}
	let_in(at(p, "", "clear", "clear", PG_PASSWORD));
	let_in(at(p, "", "clear", "scram_u", PG_PASSWORD));
	/* an md5 secret proves nothing by SCRAM */
	sql_refused(at(p, "", "clear", "md5_u", PG_PASSWORD),
	    "password authentication failed");
	/* trusted or not, there must be such a user */
	sql_refused(at(p, V4, "open", "who", ""), "does not exist");
	sql_refused(at(p, "", "open", "who", PG_PASSWORD),
	    "password authentication failed");
	/* where the rule stands is told to the operator alone */
	ck_assert(file_has(p->log,
	    text("database \"other\", no encryption (%s/hba:6)", p->dir)));
	pooler_stop(p);
}
END_TEST

/* The first rule that fits decides, not the best. */
START_TEST(first_wins)
{
	struct pooler *p =
	    start(CONSOLE "host open app2 all reject\nhost all all all trust\n"
			  "host other all all reject\n");

	sql_refused(at(p, V4, "open", "app2", ""), rejects(V4, "app2", "open"));
	let_in(at(p, V4, "other", "app2", ""));
	let_in(at(p, V4, "open", "clear", ""));
	pooler_stop(p);
}
END_TEST

/* The console goes by the rules, too, by one name; its owner does not. */
START_TEST(console)
{
	struct pooler *p = start("local pgbouncer stats reject\n"
				 "local pgbouncer admin md5\n"
				 "host pgbouncer admin all trust\n");
	PGconn *c;

	sql_refused(at(p, "", "pgbouncer", "stats", "console"),
	    rejects("[local]", "stats", "pgbouncer"));
	sql_refused(at(p, "", "pooler", "stats", "console"),
	    rejects("[local]", "stats", "pooler"));
	sql_refused(at(p, V4, "pgbouncer", "stats", "console"),
	    no_entry(V4, "stats", "pgbouncer"));
	sql_refused(at(p, "", "pgbouncer", "admin", "wrong"),
	    "password authentication failed");
	c = sql_open(at(p, "", "pgbouncer", "admin", "console"));
	sql_do(c, "SHOW VERSION");
	PQfinish(c);
	c = sql_open(at(p, V4, "pooler", "admin", ""));
	sql_do(c, "SHOW VERSION");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* Names as long as they may be are told in full. */
START_TEST(long_names)
{
	struct pooler *p = start(CONSOLE);
	char db[64], user[128];

	memset(db, 'd', sizeof(db) - 1);
	db[sizeof(db) - 1] = '\0';
	memset(user, 'u', sizeof(user) - 1);
	user[sizeof(user) - 1] = '\0';
	sql_refused(at(p, V4, db, user, ""), no_entry(V4, user, db));
	pooler_stop(p);
}
END_TEST

/* --- reload ------------------------------------------------------------- */

static PGconn *
admin(const struct pooler *p)
{
	return sql_open(at(p, "", "pgbouncer", "admin", ""));
}

START_TEST(reload)
{
	struct pooler *p = start(CONSOLE "host open clear all trust\n");
	PGconn *c = sql_open(at(p, V4, "open", "clear", "")), *a = admin(p);

	put_rules(p, CONSOLE "host other clear all trust\n");
	let_in(at(p, V4, "open", "clear", ""));
	sql_do(a, "RELOAD");
	let_in(at(p, V4, "other", "clear", ""));
	sql_refused(
	    at(p, V4, "open", "clear", ""), no_entry(V4, "clear", "open"));
	/* who is in stays in */
	ck_assert_int_eq(sql_num(c, "SELECT 42"), 42);
	PQfinish(a);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(bad_reload)
{
	struct pooler *p = start(CONSOLE "host open clear all trust\n");
	PGconn *a = admin(p);

	put_rules(p,
	    CONSOLE "host other clear all trust\n"
		    "host all all example.com trust\n"
		    "host all +staff all trust\n");
	sql_fails(a, "55000", "RELOAD");
	ck_assert(
	    file_has(p->log, text("%s/hba:3: neither an address", p->dir)));
	ck_assert(file_has(p->log, text("%s/hba:4: roles are", p->dir)));
	let_in(at(p, V4, "open", "clear", ""));
	sql_refused(
	    at(p, V4, "other", "clear", ""), no_entry(V4, "clear", "other"));
	/* gone is not empty */
	ck_assert_int_eq(unlink(text("%s/hba", p->dir)), 0);
	sql_fails(a, "55000", "RELOAD");
	let_in(at(p, V4, "open", "clear", ""));
	/* the map's file is as good a reason */
	put_rules(p, CONSOLE "host other clear all trust\n");
	spew(text("%s/maps", p->dir), "# a map\nm /( x\n");
	sql_fails(a, "55000", "RELOAD");
	ck_assert(file_has(
	    p->log, text("%s/maps:2: regular expression \"(\"", p->dir)));
	let_in(at(p, V4, "open", "clear", ""));
	spew(text("%s/maps", p->dir), "");
	sql_do(a, "RELOAD");
	let_in(at(p, V4, "other", "clear", ""));
	PQfinish(a);
	pooler_stop(p);
}
END_TEST

START_TEST(bad_start)
{
	struct pooler *p = prepare("local all all trust\nhost all all\n");

	pooler_write(p);
	ck_assert_int_eq(
	    pooler_exec(p, (const char *const[]){ p->conf, NULL }), 1);
	ck_assert(file_has(
	    p->log, text("%s/hba:2: the line ends before its", p->dir)));
}
END_TEST

/* A worker born later has the rules that its siblings have. */
START_TEST(replacement)
{
	struct pooler *p = start(CONSOLE "host open clear all trust\n");
	struct pooler_worker w[8];
	PGconn *a = admin(p);
	int n = pooler_look(a, w, 8);

	put_rules(p, "nonsense\n");
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(kill(w[i].pid, SIGKILL), 0);
	PQfinish(a);
	for (int i = 0; i < 20; i++) {
		PGconn *c = NULL;

		UNTIL(5000,
		    (PQfinish(c),
			c = PQconnectdb(at(p, V4, "open", "clear", "")),
			PQstatus(c) == CONNECTION_OK));
		PQfinish(c);
		sql_refused(at(p, V4, "other", "clear", ""),
		    no_entry(V4, "clear", "other"));
	}
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hba");
	TCase *tc = suite_case(s, "hba", 30);

	tcase_add_test(tc, by_address);
	tcase_add_test(tc, by_interface);
	tcase_add_test(tc, by_name);
	tcase_add_test(tc, methods);
	tcase_add_test(tc, first_wins);
	tcase_add_test(tc, console);
	tcase_add_test(tc, long_names);
	tcase_add_test(tc, reload);
	tcase_add_test(tc, bad_reload);
	tcase_add_test(tc, bad_start);
	tcase_add_test(tc, replacement);
	return suite_run(s, SUITE_PG);
}
