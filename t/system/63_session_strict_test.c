/*
 * 63_session_strict_test.c - session_state = strict: what functions and
 * triggers set is its client's, and nobody else's.  Switched on late: what was
 * left before harms nobody.
 */
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/session.h"

static const char *const made[] = {
	"DROP SCHEMA IF EXISTS sly CASCADE; CREATE SCHEMA sly; "
	"GRANT ALL ON SCHEMA sly TO PUBLIC",
	"CREATE FUNCTION sly.mem(text) RETURNS text LANGUAGE plpgsql AS "
	"$$BEGIN PERFORM set_config('work_mem', $1, false); RETURN $1; END$$",
	"CREATE FUNCTION sly.own(text) RETURNS text LANGUAGE plpgsql AS "
	"$$BEGIN PERFORM set_config('sly.own', $1, false); RETURN $1; END$$",
	"CREATE FUNCTION sly.lock() RETURNS void LANGUAGE plpgsql AS "
	"$$BEGIN PERFORM pg_advisory_lock(7); END$$",
	"CREATE FUNCTION sly.temp() RETURNS void LANGUAGE plpgsql AS "
	"$$BEGIN CREATE TEMP TABLE tt (n int); END$$",
	"CREATE FUNCTION sly.last() RETURNS bigint LANGUAGE plpgsql AS "
	"$$BEGIN RETURN lastval(); END$$",
	"CREATE SEQUENCE sly.drawn",
	"CREATE VIEW sly.view AS SELECT sly.mem('7MB')",
	"CREATE TABLE sly.t (n int, at text DEFAULT '7MB')",
	"CREATE FUNCTION sly.trip() RETURNS trigger LANGUAGE plpgsql AS "
	"$$BEGIN SET work_mem = '7MB'; RETURN NEW; END$$",
	"CREATE TRIGGER trip BEFORE INSERT ON sly.t FOR EACH ROW "
	"EXECUTE FUNCTION sly.trip()",
	"CREATE TABLE sly.late (n int)",
	"CREATE CONSTRAINT TRIGGER trip AFTER INSERT ON sly.late "
	"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
	"EXECUTE FUNCTION sly.trip()",
	"GRANT ALL ON ALL TABLES IN SCHEMA sly TO PUBLIC",
	"GRANT ALL ON ALL SEQUENCES IN SCHEMA sly TO PUBLIC",
};

static void
make_sly(void)
{
	PGconn *owner = sql_open(text(
	    "host=%s port=%d user=postgres dbname=app", pg->sock, pg->port));

	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
		sql_do(owner, "%s", made[i]);
	PQfinish(owner);
}

/* Of a pool of two backends, the one that `a` has had last is held by `b` or
 * `c`: what it says next it says elsewhere. */
static void
move_away(PGconn *a, PGconn *b, PGconn *c)
{
	int pid = sql_backend(a);

	sql_do(b, "BEGIN");
	if (sql_backend(b) == pid)
		return;
	sql_do(c, "BEGIN");
	ck_assert_int_eq(sql_backend(c), pid);
	sql_do(b, "COMMIT");
}

static void
let_go(PGconn *b, PGconn *c)
{
	PQclear(PQexec(b, "ROLLBACK"));
	PQclear(PQexec(c, "ROLLBACK"));
}

static const char *const ways[] = {
	"SELECT sly.mem('7MB')",
	"SELECT * FROM sly.view",
	"INSERT INTO sly.t VALUES (1)",
	"BEGIN; INSERT INTO sly.late VALUES (1); COMMIT",
	"INSERT INTO sly.late VALUES (1)",
	"SELECT 1; SELECT 2 WHERE sly.mem('7MB') <> ''",
	"BEGIN; DECLARE c CURSOR FOR SELECT sly.mem('7MB'); FETCH c; COMMIT",
	"WITH x AS (SELECT sly.mem('7MB')) SELECT * FROM x",
	"VALUES (sly.mem('7MB'))",
	"EXPLAIN ANALYZE SELECT sly.mem('7MB')",
	"PREPARE s AS SELECT sly.mem('7MB'); EXECUTE s; DEALLOCATE s",
};

START_TEST(every_way)
{
	struct pooler *p =
	    pooler_with("default_pool_size = 2\nsession_state = strict");
	PGconn *b = pooler_conn(p, ""), *c = pooler_conn(p, "");

	make_sly();
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		PGconn *a = pooler_conn(p, "");

		ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "4MB");
		sql_do(a, "%s", ways[i]);
		move_away(a, b, c);
		ck_assert_msg(strcmp(sql_one(a, "SHOW work_mem"), "7MB") == 0,
		    "%s: it has lost it", ways[i]);
		ck_assert_msg(strcmp(sql_one(b, "SHOW work_mem"), "4MB") == 0,
		    "%s: another has it", ways[i]);
		let_go(b, c);
		ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
		ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
		/* rolled back */
		sql_do(a, "BEGIN; SELECT sly.mem('9MB'); ROLLBACK");
		ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
		PQfinish(a);
	}
	PQfinish(b);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

static void
done(PGresult *r)
{
	ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK ||
		PQresultStatus(r) == PGRES_TUPLES_OK,
	    "%s", PQresultErrorMessage(r));
	PQclear(r);
}

/* One backend: `b` is the next on it. */
static void
only_his(PGconn *a, PGconn *b, const char *what)
{
	ck_assert_msg(strcmp(sql_one(b, "SHOW work_mem"), "4MB") == 0,
	    "%s: another has it", what);
	ck_assert_msg(strcmp(sql_one(a, "SHOW work_mem"), "7MB") == 0,
	    "%s: it has lost it", what);
	sql_do(a, "RESET work_mem");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "4MB");
}

/* Parsed in one transaction, bound in others; `_i`: prepared statements are
 * looked after, or pass as they are. */
START_TEST(bound_later)
{
	struct pooler *p = one_backend(_i == 0
		? "session_state = strict"
		: "session_state = strict\nmax_prepared_statements = 0");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	struct wire *w = wire_open("127.0.0.1", p->port);

	make_sly();
	done(PQprepare(a, "s", "SELECT sly.mem('7MB')", 0, NULL));
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
		done(PQexecPrepared(a, "s", 0, NULL, NULL, NULL, 0));
		only_his(a, b, "named");
	}
	PQfinish(a);
	wire_login(w, "app", "app");
	wire_put(w, 'P', "ssh", "", "SELECT sly.mem('7MB')", 0);
	if (_i == 0) { /* else it ends with the transaction */
		wire_put(w, 'S', "");
		wire_expect(w, "1Z");
		ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	}
	wire_put(w, 'B', "sshhh", "", "", 0, 0, 0);
	wire_put(w, 'E', "si", "", 0);
	wire_put(w, 'S', "");
	wire_expect(w, _i == 0 ? "2DCZ" : "12DCZ");
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	wire_query(w, "SHOW work_mem");
	wire_expect(w, "TD");
	ck_assert_str_eq(wire_value(w), "7MB");
	wire_expect(w, "CZ");
	wire_free(w);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* COPY, and a function call of the protocol; that in track as well. */
START_TEST(other_messages)
{
	static const char *const states[] = { "strict", "track" };
	struct pooler *p = one_backend(text("session_state = %s", states[_i]));
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	PQArgBlock arg = { .len = 3, .isint = 0, .u.ptr = NULL };
	char seven[] = "7MB", out[64];
	int mem, len;

	make_sly();
	if (_i == 0) {
		PQclear(PQexec(a, "COPY sly.t FROM STDIN"));
		ck_assert_int_eq(PQputCopyData(a, "1\t\\N\n", 5), 1);
		ck_assert_int_eq(PQputCopyEnd(a, NULL), 1);
		while (PQgetResult(a) != NULL)
			continue;
		only_his(a, b, "COPY");
	}
	mem = (int)sql_num(a, "SELECT 'sly.mem'::regproc::oid::int");
	/* libpq's PQfn asks for binary, which text is as well */
	arg.u.ptr = (int *)(void *)seven;
	done(PQfn(a, mem, (int *)(void *)out, &len, 0, &arg, 1));
	only_his(a, b, "FunctionCall");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* What cannot be taken along: it keeps its backend. */
START_TEST(pins)
{
	struct pooler *p =
	    pooler_with("default_pool_size = 2\nsession_state = strict");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	PGconn *console = pooler_console(p, "admin");

	make_sly();
	sql_do(a, "SELECT sly.lock()");
	UNTIL(2000,
	    pooler_show(console, "POOLS", "database", "app", "sv_pinned") == 1);
	sql_do(a, "SELECT pg_advisory_unlock(7)");
	UNTIL(2000,
	    pooler_show(console, "POOLS", "database", "app", "sv_pinned") == 0);
	sql_do(a, "SELECT sly.temp()");
	sql_do(a, "INSERT INTO tt VALUES (7)");
	for (int i = 0; i < 3; i++) {
		sql_fails(b, "42P01", "SELECT n FROM tt");
		ck_assert_str_eq(sql_one(a, "SELECT n FROM tt"), "7");
	}
	PQfinish(console);
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* No catalogue has names of its own making: nobody else sees them, and who
 * has said the name once keeps it.  Nor is it told what others have drawn. */
START_TEST(own_names)
{
	struct pooler *p = one_backend("session_state = strict");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	static const char ask[] = "SELECT current_setting('sly.own', true)";

	make_sly();
	sql_do(a, "SELECT sly.own('mine')");
	ck_assert_str_eq(sql_one(b, ask), "");
	sql_do(a, "SET sly.own = 'x'");
	sql_do(a, "SELECT sly.own('mine')");
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(sql_one(b, ask), "");
		ck_assert_str_eq(sql_one(a, ask), "mine");
	}
	sql_do(a, "SELECT nextval('sly.drawn')");
	sql_fails(b, "55000", "SELECT sly.last()");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* It leaves before it has been asked for, in a transaction and behind it. */
START_TEST(leaves)
{
	struct pooler *p = one_backend("session_state = strict");
	PGconn *b = pooler_conn(p, "");

	make_sly();
	for (int i = 0; i < 4; i++) {
		struct wire *w = wire_to(p);

		if (i % 2 == 0) {
			wire_query(w, "BEGIN");
			wire_expect(w, "CZ");
		}
		wire_query(w, "SELECT sly.mem('7MB')");
		if (i < 2)
			wire_expect(w, "TDCZ");
		wire_free(w);
		ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	}
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("session_strict");
	TCase *tc = suite_case(s, "strict", 60);

	tcase_add_test(tc, every_way);
	tcase_add_loop_test(tc, bound_later, 0, 2);
	tcase_add_loop_test(tc, other_messages, 0, 2);
	tcase_add_test(tc, pins);
	tcase_add_test(tc, own_names);
	tcase_add_test(tc, leaves);
	return suite_run(s, SUITE_PG);
}
