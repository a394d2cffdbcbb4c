/*
 * 66_sqlprep_failed_test.c - a text that ends a failed transaction, and then
 * executes what its backend does not have: nothing can be prepared before.
 */
#include <unistd.h>

#include "t/lib/wire.h"
#include "t/system/sqlprep.h"

static void
say_both(const struct twin *t, const char *query)
{
	say(t, SIMPLE, query);
}

/* All servers are others from now on. */
static void
renew(PGconn *console)
{
	/* what is asked behind a transaction is answered */
	UNTIL(3000,
	    pooler_show(console, "POOLS", "database", "app", "sv_active") == 0);
	pg_terminate(pg, "datname = 'app'");
	UNTIL(3000,
	    pooler_show(console, "POOLS", "database", "app", "sv_idle") == 0);
}

/* In a failed transaction, on a server that has nothing of the client's. */
static void
break_off(const struct twin *t, PGconn *console)
{
	say_both(t, "DEALLOCATE ALL");
	say_both(t, "PREPARE a AS SELECT 'a'");
	say_both(t, "PREPARE b(int) AS SELECT $1 + 1");
	renew(console);
	say_both(t, "BEGIN");
	say_both(t, "SAVEPOINT s");
	say_both(t, "SELECT 1/0");
}

static const char *const texts[] = {
	"ROLLBACK; EXECUTE a",
	"COMMIT; EXECUTE a",
	"END; EXECUTE a; EXECUTE b(2)",
	" ;; abort /* \303\244 */ WORK;EXECUTE b(nosuch)",
	"ROLLBACK AND CHAIN; EXECUTE a",
	"COMMIT AND CHAIN; EXECUTE a",
	"ROLLBACK TO s; EXECUTE a",
	"ROLLBACK TO SAVEPOINT nosuch; EXECUTE a",
	"PREPARE TRANSACTION 'it'; EXECUTE a",
	"ROLLBACK; SELECT 1/0; EXECUTE a",
	"ROLLBACK; SELECT 1; EXECUTE a; SELECT 1/0",
	"ROLLBACK; BEGIN; EXECUTE a; SELECT 1/0; EXECUTE a",
	"ROLLBACK; PREPARE c AS SELECT 3; EXECUTE c; EXECUTE a",
	"ROLLBACK; EXECUTE a; DEALLOCATE a",
	"ROLLBACK; DEALLOCATE a; EXECUTE b(4); EXECUTE a",
	"ROLLBACK; EXPLAIN (COSTS OFF) EXECUTE a",
	"ROLLBACK; ROLLBACK; EXECUTE a",
	"ROLLBACK; EXECUTE a; ROLLBACK; EXECUTE b(1)",
	/* no exit, or not at once */
	"EXECUTE a",
	"SELECT 1; ROLLBACK; EXECUTE a",
	"RELEASE s; EXECUTE a",
};

enum { TEXTS = sizeof(texts) / sizeof(*texts) };

/* With all that hangs on it: what is left, and what comes next. */
static void
go_on(const struct twin *t)
{
	say(t, NAMED, "");
	say_both(t, "EXECUTE b(7)");
	say_both(t, "ROLLBACK");
	say_both(t, "EXECUTE a");
	say(t, EXTENDED, "EXECUTE b(8)");
}

START_TEST(each_exit)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *console = pooler_console(p, "admin");
	struct twin t = twin_new(p);

	for (int i = 0; i < TEXTS; i++) {
		break_off(&t, console);
		say_both(&t, texts[i]);
		go_on(&t);
	}
	PQfinish(console);
	twin_free(&t);
	pooler_stop(p);
}
END_TEST

/* Between the two the server is another's. */
START_TEST(others_wait)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *console = pooler_console(p, "admin");
	struct twin t = twin_new(p);
	PGconn *other = pooler_conn(p, "");
	int failed = 0;

	say_both(&t, "SET application_name = 'me'");
	for (int i = 0; i < TEXTS; i++) {
		break_off(&t, console);
		sql_send(other,
		    "SET application_name = 'you'; PREPARE a AS SELECT "
		    "'not yours'; SELECT pg_sleep(0.01)");
		failed += PQtransactionStatus(t.there) == PQTRANS_INERROR;
		say_both(&t, texts[i]);
		say_both(&t, "SHOW application_name");
		/* it has its turn when nobody is inside any more */
		say_both(&t, "ROLLBACK");
		sql_get(other);
		sql_do(other, "DEALLOCATE ALL");
		go_on(&t);
	}
	ck_assert_int_eq(failed, TEXTS);
	PQfinish(other);
	PQfinish(console);
	twin_free(&t);
	pooler_stop(p);
}
END_TEST

/* What stands behind it comes behind it, and it is long. */
START_TEST(in_a_row)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *console = pooler_console(p, "admin");
	struct wire *w = wire_open("127.0.0.1", p->port);
	size_t size = 100 * 1000, n = 0;
	char *m = malloc(3 * size), *query = malloc(size);

	ck_assert(m != NULL && query != NULL);
	wire_login(w, "app", "app");
	memset(query, ' ', size);
	memcpy(query, "ROLLBACK; EXECUTE a;", 20);
	query[size - 1] = '\0';
	for (int i = 0; i < 2; i++) {
		wire_query(w, "PREPARE a AS SELECT 'a'");
		wire_expect(w, i == 0 ? "CZ" : "EZ");
		renew(console);
		wire_query(w, "BEGIN; SELECT 1/0");
		wire_expect(w, "CEZ");
		n = wire_make(m, 3 * size, 'Q', "s",
		    i == 0 ? "ROLLBACK; EXECUTE a" : query);
		n += wire_make(m + n, 3 * size - n, 'Q', "s",
		    "SELECT 'behind'; BEGIN; SELECT 1/0");
		n += wire_make(
		    m + n, 3 * size - n, 'Q', "s", "ROLLBACK; EXECUTE a");
		wire_send(w, m, n);
		wire_expect(w, "CTD");
		ck_assert_str_eq(wire_value(w), "a");
		wire_expect(w, "CZTD");
		ck_assert_str_eq(wire_value(w), "behind");
		wire_expect(w, "CCEZCTD");
		ck_assert_str_eq(wire_value(w), "a");
		wire_expect(w, "CZ");
	}
	free(m);
	free(query);
	PQfinish(console);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sqlprep failed");
	TCase *tc = suite_case(s, "sqlprep", 60);

	tcase_add_test(tc, each_exit);
	tcase_add_test(tc, others_wait);
	tcase_add_test(tc, in_a_row);
	return suite_run(s, SUITE_PG);
}
