/*
 * 65_listen_test.c - LISTEN and NOTIFY by clients that have no server of their
 * own: what is said reaches who listens, all of it, in order, nobody else.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

enum { SOON_MS = 5000, NEVER_MS = 150 };

/* A pooler and its clients: two that may listen, one that tells. */
static struct pooler *p;
static int pool_size;
static PGconn *a, *b, *other;

static void
begin_in(const char *mode, int servers, int workers)
{
	p = pooler_new();
	pool_size = servers;
	pooler_workers(p, workers);
	pooler_set(p, "default_pool_size = %d\npool_mode = %s", servers, mode);
	pooler_start(p);
	a = pooler_conn(p, "");
	b = pooler_conn(p, "");
	other = pooler_conn(p, "");
}

static void
begin(int servers, int workers)
{
	begin_in("transaction", servers, workers);
}

/* The next notification as "channel:payload"; "" when none comes in time. */
static const char *
heard(PGconn *c, int ms)
{
	static char said[9000];
	long end = now_ms() + ms;
	PGnotify *n;

	for (;;) {
		struct pollfd pfd = { .fd = PQsocket(c), .events = POLLIN };
		long left = end - now_ms();

		n = PQnotifies(c);
		if (n != NULL)
			break;
		if (left <= 0 || poll(&pfd, 1, (int)left) <= 0)
			return "";
		ck_assert_msg(PQconsumeInput(c), "%s", PQerrorMessage(c));
	}
	ck_assert_int_gt(n->be_pid, 0);
	snprintf(said, sizeof(said), "%s:%s", n->relname, n->extra);
	PQfreemem(n);
	return said;
}

static void
hears(PGconn *c, const char *what)
{
	ck_assert_str_eq(heard(c, SOON_MS), what);
}

static void
hears_nothing(PGconn *c)
{
	ck_assert_str_eq(heard(c, NEVER_MS), "");
}

/* No server of the pool listens any more, and none has been lost. */
static void
nobody_listens(void)
{
	const int n = pool_size;
	PGconn *c[16];

	for (int i = 0; i < n; i++) {
		c[i] = pooler_conn(p, "");
		sql_do(c[i], "BEGIN");
		ck_assert_int_eq(sql_num(c[i],
				     "SELECT count(*) FROM "
				     "pg_listening_channels()"),
		    0);
	}
	for (int i = 0; i < n; i++)
		PQfinish(c[i]);
}

/* The clients leave, and nothing of what they listened to stays. */
static void
end(void)
{
	PQfinish(a);
	PQfinish(b);
	PQfinish(other);
	nobody_listens();
	pooler_stop(p);
}

/* Servers in this state. */
static long
shown(PGconn *console, const char *state)
{
	PGresult *r = PQexec(console, "SHOW SERVERS");
	int col = PQfnumber(r, "state");
	long n = 0;

	ck_assert_int_ge(col, 0);
	for (int i = 0; i < PQntuples(r); i++)
		n += strcmp(PQgetvalue(r, i, col), state) == 0;
	PQclear(r);
	return n;
}

START_TEST(idle_client_hears)
{
	begin(3, 2);
	sql_do(a, "LISTEN news");
	sql_do(b, "LISTEN \"We\"\"ird Name\"");
	sql_do(other, "NOTIFY news, 'one'");
	hears(a, "news:one");
	sql_do(other, "SELECT pg_notify('We\"ird Name', 'two')");
	hears(b, "We\"ird Name:two");
	/* from itself, too; and NOTIFY without a payload */
	sql_do(a, "NOTIFY news");
	hears(a, "news:");
	hears_nothing(b);
	hears_nothing(other);
	/* folded as the server folds */
	sql_do(b, "listen  NewS ;");
	sql_do(other, "NOTIFY NEWS, 'three'");
	hears(a, "news:three");
	hears(b, "news:three");
	end();
}
END_TEST

/* However many listen, one server of each worker does. */
START_TEST(many_share_one)
{
	enum { MANY = 60 };
	PGconn *console, *c[MANY];
	long listening;

	begin(4, 2);
	console = pooler_console(p, "admin");
	for (int i = 0; i < MANY; i++) {
		c[i] = pooler_conn(p, "");
		sql_do(c[i], "LISTEN all_of_us");
		sql_do(c[i], "LISTEN only_%d", i);
	}
	sql_do(other, "NOTIFY all_of_us, 'x'");
	for (int i = 0; i < MANY; i++)
		hears(c[i], "all_of_us:x");
	for (int i = 0; i < MANY; i++)
		sql_do(other, "NOTIFY only_%d, 'you'", i);
	for (int i = 0; i < MANY; i++)
		hears(c[i], text("only_%d:you", i));
	for (int i = 0; i < MANY; i++)
		ck_assert_str_eq(heard(c[i], 0), "");
	ck_assert_int_le(pg_backends(pg, "datname = 'app'"), 4);
	listening = shown(console, "listening");
	ck_assert_int_ge(listening, 1);
	ck_assert_int_le(listening, 2);
	ck_assert_int_ge(
	    pooler_show(console, "POOLS", "database", "app", "sv_active"),
	    listening);
	for (int i = 0; i < MANY; i++)
		PQfinish(c[i]);
	UNTIL(SOON_MS, shown(console, "listening") == 0);
	PQfinish(console);
	end();
}
END_TEST

/* All of it, in order, while the client works and the notifiers do. */
START_TEST(all_in_order)
{
	enum { MANY = 500 };
	const char *said;
	char big[7900];

	begin(4, 2);
	memset(big, 'b', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	sql_do(a, "LISTEN feed");
	sql_do(a, "LISTEN feed2");
	for (int i = 0; i < MANY; i++) {
		sql_do(other, "NOTIFY feed%s, '%d'", i % 2 ? "2" : "", i);
		if (i % 7 == 0)
			ck_assert_int_eq(sql_num(a, "SELECT %d", i), i);
	}
	for (int i = 0; i < MANY; i++)
		hears(a, text("feed%s:%d", i % 2 ? "2" : "", i));
	ck_assert_str_eq(
	    sql_param(other, "SELECT pg_notify('feed', $1)", big), "");
	said = heard(a, SOON_MS);
	ck_assert_uint_eq(strlen(said), strlen("feed:") + strlen(big));
	ck_assert_str_eq(said + strlen("feed:"), big);
	end();
}
END_TEST

/* LISTEN is a part of its transaction, however that ends. */
START_TEST(in_transactions)
{
	begin(3, 1);
	sql_do(a, "BEGIN");
	sql_do(a, "LISTEN t");
	sql_do(a, "ROLLBACK");
	sql_do(other, "NOTIFY t, 'rolled back'");
	hears_nothing(a);
	sql_do(a, "BEGIN");
	sql_do(a, "LISTEN t");
	sql_fails(a, "22012", "SELECT 1/0");
	sql_do(a, "COMMIT");
	sql_do(other, "NOTIFY t, 'failed'");
	hears_nothing(a);
	sql_do(a, "BEGIN; SAVEPOINT s");
	sql_do(a, "LISTEN t");
	sql_do(a, "ROLLBACK TO s");
	sql_do(a, "LISTEN u");
	sql_do(a, "COMMIT");
	sql_do(other, "NOTIFY t, 'savepoint'");
	sql_do(other, "NOTIFY u, 'kept'");
	hears(a, "u:kept");
	/* told before the commit was answered */
	sql_do(a, "BEGIN");
	sql_do(a, "LISTEN t");
	sql_do(other, "NOTIFY u, 'while'");
	hears_nothing(a); /* a transaction is open */
	sql_do(a, "COMMIT");
	hears(a, "u:while");
	sql_do(other, "NOTIFY t, 'at last'");
	hears(a, "t:at last");
	/* what it says itself in the transaction, once */
	sql_do(a, "BEGIN; LISTEN self; NOTIFY self, 'me'; COMMIT");
	hears(a, "self:me");
	sql_do(a, "LISTEN self2; NOTIFY self2, 'me, too'");
	hears(a, "self2:me, too");
	hears_nothing(a);
	/* several statements in one */
	sql_do(a, "LISTEN v; SELECT 1; LISTEN w");
	sql_do(other, "NOTIFY w, 'w'");
	hears(a, "w:w");
	end();
}
END_TEST

START_TEST(unlisten)
{
	begin(3, 2);
	sql_do(a, "LISTEN x");
	sql_do(a, "LISTEN y");
	sql_do(b, "LISTEN x");
	sql_do(a, "UNLISTEN x");
	sql_do(other, "NOTIFY x, '1'");
	sql_do(other, "NOTIFY y, '2'");
	hears(a, "y:2");
	hears(b, "x:1");
	/* rolled back, it still listens */
	sql_do(a, "BEGIN");
	sql_do(a, "UNLISTEN *");
	sql_do(a, "ROLLBACK");
	sql_do(other, "NOTIFY y, '3'");
	hears(a, "y:3");
	/* what failed before does not matter */
	sql_fails(a, "22012", "SELECT 1/0");
	sql_do(a, "BEGIN");
	sql_do(a, "ROLLBACK");
	sql_do(b, "LISTEN y");
	sql_fails(b, "22012", "SELECT 1/0");
	sql_do(b, "UNLISTEN y");
	sql_do(other, "NOTIFY y, 'not b'");
	hears(a, "y:not b");
	hears_nothing(b);
	/* one that it never listened to */
	sql_do(a, "UNLISTEN z");
	sql_do(other, "NOTIFY y, '4'");
	hears(a, "y:4");
	sql_do(a, "UNLISTEN *");
	sql_do(other, "NOTIFY y, '5'");
	sql_do(other, "NOTIFY x, '6'");
	hears(b, "x:6");
	hears_nothing(a);
	/* and DISCARD ALL */
	sql_do(b, "DISCARD ALL");
	sql_do(other, "NOTIFY x, '7'");
	hears_nothing(b);
	end();
}
END_TEST

/* As drivers do it. */
START_TEST(extended_protocol)
{
	PGresult *r;

	begin(3, 2);
	r = PQexecParams(a, "LISTEN ext", 0, NULL, NULL, NULL, NULL, 0);
	ck_assert_str_eq(PQcmdStatus(r), "LISTEN");
	PQclear(r);
	sql_do(other, "NOTIFY ext, 'e'");
	hears(a, "ext:e");
	r = PQexecParams(a, "UNLISTEN ext", 0, NULL, NULL, NULL, NULL, 0);
	ck_assert_str_eq(PQcmdStatus(r), "UNLISTEN");
	PQclear(r);
	sql_do(other, "NOTIFY ext, 'f'");
	hears_nothing(a);
	end();
}
END_TEST

static void
run_prepared(PGconn *c, const char *name)
{
	PGresult *r = PQexecPrepared(c, name, 0, NULL, NULL, NULL, 0);

	ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
}

/* Parsed in one transaction, and run in many others. */
START_TEST(prepared_before)
{
	begin(4, 2);
	PQclear(PQprepare(a, "on", "LISTEN prep", 0, NULL));
	PQclear(PQprepare(a, "off", "UNLISTEN prep", 0, NULL));
	for (int i = 0; i < 20; i++) {
		run_prepared(a, "on");
		sql_do(other, "NOTIFY prep, '%d'", i);
		hears(a, text("prep:%d", i));
		run_prepared(a, "off");
		sql_do(other, "NOTIFY prep, 'unheard'");
	}
	hears_nothing(a);
	end();
}
END_TEST

/* What is said right after the answer to LISTEN is never lost. */
START_TEST(at_once)
{
	begin(4, 2);
	for (int i = 0; i < 60; i++) {
		PGconn *new = pooler_conn(p, "");

		sql_do(new, "LISTEN now");
		sql_do(other, "NOTIFY now, '%d'", i);
		hears(new, text("now:%d", i));
		sql_do(new, "UNLISTEN now");
		sql_do(new, "LISTEN now");
		sql_do(other, "NOTIFY now, 'again %d'", i);
		hears(new, text("now:again %d", i));
		PQfinish(new);
	}
	end();
}
END_TEST

/* Whoever listened learns that something may be lost. */
START_TEST(lost_listener)
{
	begin(3, 1);
	sql_do(a, "LISTEN gone");
	ck_assert_int_eq(sql_num(b, "SELECT 1"), 1);
	pg_terminate(pg, "datname = 'app' AND query LIKE 'LISTEN %'");
	sql_closed(a, SOON_MS);
	ck_assert_int_eq(sql_num(b, "SELECT 2"), 2);
	end();
}
END_TEST

/* It never takes the last server of a pool.  Who asks for it is refused, and
 * goes on; `_i`: as it is asked for. */
START_TEST(no_room)
{
	PGconn *console;
	PGresult *r;

	begin(_i == 2 ? 2 : 1, 1);
	if (_i == 2) { /* parsed while there was room */
		PQclear(PQprepare(a, "on", "LISTEN alone", 0, NULL));
		console = pooler_console(p, "admin");
		sql_do(console, "SET default_pool_size = 1");
		pool_size = 1;
		UNTIL(SOON_MS, shown(console, "listening") == 0);
		PQfinish(console);
	}
	sql_do(a, "BEGIN; CREATE TABLE no_room (n int)");
	if (_i == 0)
		r = PQexec(a, "UNLISTEN other; LISTEN alone");
	else if (_i == 1)
		r = PQexecParams(
		    a, "LISTEN alone", 0, NULL, NULL, NULL, NULL, 0);
	else
		r = PQexecPrepared(a, "on", 0, NULL, NULL, NULL, 0);
	ck_assert_str_eq(PQresultErrorField(r, PG_DIAG_SQLSTATE), "53300");
	ck_assert_str_eq(
	    PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED), "ERROR");
	PQclear(r);
	ck_assert_int_eq(PQtransactionStatus(a), PQTRANS_INERROR);
	sql_do(a, "ROLLBACK");
	ck_assert_int_eq(sql_num(b, "SELECT 1"), 1);
	sql_fails(a, "42P01", "SELECT * FROM no_room");
	end();
}
END_TEST

/* In session mode it is the client's own server that listens. */
START_TEST(session_mode)
{
	begin_in("session", 3, 2);
	sql_do(a, "LISTEN s");
	sql_do(other, "NOTIFY s, 's'");
	hears(a, "s:s");
	end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("listen");
	TCase *tc = suite_case(s, "listen", 60);

	tcase_add_test(tc, idle_client_hears);
	tcase_add_test(tc, many_share_one);
	tcase_add_test(tc, all_in_order);
	tcase_add_test(tc, in_transactions);
	tcase_add_test(tc, unlisten);
	tcase_add_test(tc, extended_protocol);
	tcase_add_test(tc, prepared_before);
	tcase_add_test(tc, at_once);
	tcase_add_test(tc, lost_listener);
	tcase_add_loop_test(tc, no_room, 0, 3);
	tcase_add_test(tc, session_mode);
	return suite_run(s, SUITE_PG);
}
