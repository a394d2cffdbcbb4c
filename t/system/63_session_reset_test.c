/*
 * 63_session_reset_test.c - a RESET goes back to what the client began with, in
 * the very transaction: the same as on a connection of its own to PostgreSQL.
 */
#include <unistd.h>

#include "t/lib/wire.h"
#include "t/system/session.h"
#include "t/system/sqlprep.h"

static const char began[] =
    "options='-c work_mem=7MB "
    "-c search_path=\"a\\\\ b\",\\\\ \"$user\",\\\\ public "
    "-c app.me=it\\'s\\\\\\\\me -c geqo=off -c role=painter' "
    "application_name=me client_encoding=LATIN1";

/* Both begin with the same. */
static struct twin
twin_began(const struct pooler *p, const char *with)
{
	return (struct twin){ pooler_conn(p, with),
		sql_open(text("host=127.0.0.1 port=%d user=app dbname=app2 %s",
		    pg->port, with)) };
}

static const char all_of_it[] =
    "SELECT current_setting('work_mem'), current_setting('search_path'), "
    "current_setting('app.me'), current_setting('geqo'), "
    "current_setting('application_name'), current_setting('client_encoding'), "
    "current_setting('TimeZone'), current_user";

static const char set_all[] =
    "SET work_mem = '9MB'; SET search_path = x; SET app.me = 'you'; "
    "SET geqo = on; SET application_name = 'you'; SET client_encoding = "
    "'UTF8'; SET TimeZone = 'UTC'; SET ROLE \"odd, role\"";

/* Before the reset, in the transaction with it, and behind both. */
static void
resets(const struct twin *t, enum way way, const char *const *queries)
{
	static const char *const ends[] = { "COMMIT", "ROLLBACK" };

	for (size_t i = 0; i < 2; i++) {
		say(t, SIMPLE, set_all);
		say(t, way, "BEGIN");
		for (const char *const *q = queries; *q != NULL; q++) {
			say(t, way, *q);
			say(t, way, all_of_it);
		}
		ck_assert_str_eq(PQparameterStatus(t->here, "TimeZone"),
		    PQparameterStatus(t->there, "TimeZone"));
		say(t, way, ends[i]);
		say(t, way, all_of_it);
		say(t, SIMPLE, "RESET ALL");
		say(t, SIMPLE, "SET ROLE painter");
		say(t, way, all_of_it);
	}
}

static struct pooler *
stage(void)
{
	struct pooler *p = one_backend("");

	roles();
	return p;
}

START_TEST(by_name)
{
	static const char *const queries[] = { "RESET work_mem",
		"RESET search_path", "RESET app.me", "RESET geqo",
		"SET application_name TO DEFAULT", "SET NAMES DEFAULT",
		"RESET TIME ZONE", "RESET ROLE", "SET geqo = on",
		"SET geqo TO DEFAULT", NULL };
	struct pooler *p = stage();
	struct twin t = twin_began(p, began);

	resets(&t, SIMPLE, queries);
	resets(&t, EXTENDED, queries);
	twin_free(&t);
	pooler_stop(p);
}
END_TEST

START_TEST(all_at_once)
{
	static const char *const queries[] = { "RESET ALL", "SET work_mem = 64",
		"SELECT 1; RESET ALL", "SET work_mem = 64; SET geqo = on",
		"RESET geqo; RESET work_mem", NULL };
	struct pooler *p = stage();
	struct twin t = twin_began(p, began);

	resets(&t, SIMPLE, queries);
	twin_free(&t);
	pooler_stop(p);
}
END_TEST

/* What the client has begun with is not what it has had set since. */
START_TEST(undone)
{
	struct pooler *p = stage();
	struct twin t = twin_began(p, began);

	say(&t, SIMPLE, "SET work_mem = '9MB'");
	say(&t, SIMPLE, "BEGIN");
	say(&t, SIMPLE, "SAVEPOINT a");
	say(&t, SIMPLE, "RESET work_mem");
	say(&t, SIMPLE, all_of_it);
	say(&t, SIMPLE, "ROLLBACK TO a");
	say(&t, SIMPLE, all_of_it);
	say(&t, SIMPLE, "RESET work_mem; ROLLBACK TO a");
	say(&t, SIMPLE, all_of_it);
	say(&t, SIMPLE, "RESET work_mem; SET work_mem = '3MB'");
	say(&t, SIMPLE, all_of_it);
	say(&t, SIMPLE, "RESET work_mem; RESET nonsense");
	say(&t, SIMPLE, all_of_it);
	say(&t, SIMPLE, "ROLLBACK");
	say(&t, SIMPLE, all_of_it);
	twin_free(&t);
	pooler_stop(p);
}
END_TEST

/* It is no query: the transaction may yet become another. */
START_TEST(no_snapshot)
{
	struct pooler *p = stage();
	struct twin t = twin_began(p, began);

	say(&t, SIMPLE, "BEGIN");
	say(&t, SIMPLE, "RESET ALL");
	say(&t, SIMPLE, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
	say(&t, SIMPLE, all_of_it);
	say(&t, SIMPLE, "COMMIT");
	twin_free(&t);
	pooler_stop(p);
}
END_TEST

/* What stands without a name, and with one, is there as it was. */
START_TEST(statements_stay)
{
	struct pooler *p = stage();
	struct twin t = twin_began(p, began);

	for (int i = 0; i < 3; i++) {
		say(&t, EXTENDED, "BEGIN");
		send(t.here, EXTENDED, "RESET work_mem");
		send(t.there, EXTENDED, "RESET work_mem");
		compare(&t, "RESET work_mem");
		send(t.here, NAMED, "");
		send(t.there, NAMED, "");
		compare(&t, "RESET work_mem, again");
		say(&t, EXTENDED, "SHOW work_mem");
		send(t.here, NAMED, "");
		send(t.there, NAMED, "");
		compare(&t, "SHOW work_mem, again");
		if (i == 0) {
			ck_assert(
			    PQsendPrepare(t.here, "s", "RESET geqo", 0, NULL));
			ck_assert(
			    PQsendPrepare(t.there, "s", "RESET geqo", 0, NULL));
			compare(&t, "Parse s");
		}
		say(&t, EXTENDED, "SET geqo = on");
		say(&t, NAMED, "s");
		say(&t, EXTENDED, all_of_it);
		say(&t, EXTENDED, "COMMIT");
	}
	twin_free(&t);
	pooler_stop(p);
}
END_TEST

static void
run(struct wire *w, const char *query, char end)
{
	wire_put(w, 'P', "ssh", "", query, 0);
	wire_put(w, 'B', "sshhh", "", "", 0, 0, 0);
	wire_put(w, 'E', "si", "", 0);
	wire_put(w, end, "");
}

/* In a transaction, with work_mem set otherwise than at the start. */
static struct wire *
in_transaction(const struct pooler *p)
{
	struct wire *w = session_wire(p, "work_mem", "7MB");

	wire_query(w, "SET work_mem = '9MB'");
	wire_expect(w, "CZ");
	wire_query(w, "BEGIN");
	wire_expect(w, "CZ");
	return w;
}

/* It is answered so. */
static void
has(struct wire *w, const char *value)
{
	wire_expect(w, "TD");
	ck_assert_str_eq(wire_value(w), value);
	wire_expect(w, "CZ");
}

static void
has_now(struct wire *w, const char *value)
{
	wire_query(w, "SHOW work_mem");
	has(w, value);
}

/* What comes behind it in its own batch, when it has been answered. */
START_TEST(in_one_batch)
{
	struct pooler *p = one_backend("");
	struct wire *w = in_transaction(p);

	run(w, "RESET work_mem", 'H');
	wire_expect(w, "12C");
	run(w, "SHOW work_mem", 'S');
	wire_expect(w, "12D");
	ck_assert_str_eq(wire_value(w), "7MB");
	wire_expect(w, "CZ");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* The first tag is there long before the last one: the client waits. */
START_TEST(answered_late)
{
	struct pooler *p = one_backend("");
	struct wire *w = in_transaction(p);

	wire_query(w,
	    "RESET geqo; SELECT repeat('x', 100000); SELECT pg_sleep(0.3); "
	    "RESET work_mem");
	wire_expect(w, "CT");
	wire_query(w, "SHOW work_mem");
	wire_expect(w, "DCTDCCZ");
	has(w, "7MB");
	/* and may yet fail */
	wire_query(w,
	    "RESET geqo; SELECT repeat('x', 100000); SELECT pg_sleep(0.3); "
	    "SELECT 1/0; RESET work_mem");
	wire_expect(w, "CT");
	wire_query(w, "SHOW work_mem");
	wire_expect(w, "DCTDCEZEZ");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* What has been set since is not put back, nor is what was in doubt. */
START_TEST(set_since)
{
	struct pooler *p = one_backend("");
	struct wire *w;
	PGconn *c = pooler_conn(p, "");
	char m[512];
	size_t n = 0;

	sql_do(c,
	    "CREATE OR REPLACE FUNCTION hidden() RETURNS int LANGUAGE sql AS "
	    "'SELECT set_config(''work_mem'', ''3MB'', false); SELECT 1'");
	PQfinish(c);
	w = in_transaction(p);
	n += wire_make(m, sizeof(m), 'Q', "s", "RESET work_mem");
	n += wire_make(m + n, sizeof(m) - n, 'Q', "s", "SELECT hidden()");
	wire_send(w, m, n);
	wire_expect(w, "CZ");
	has(w, "1");
	has_now(w, "3MB");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/*
 * As far as it goes: a statement that stands behind it in the same text finds
 * the server's own, and so does all the transaction.
 */
START_TEST(in_one_text)
{
	struct pooler *p = one_backend("");
	struct wire *w = in_transaction(p);

	wire_query(w, "RESET work_mem; SHOW work_mem");
	wire_expect(w, "C");
	has(w, "4MB");
	has_now(w, "4MB");
	wire_query(w, "COMMIT");
	wire_expect(w, "CZ");
	has_now(w, "7MB");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("session reset");
	TCase *tc = suite_case(s, "session", 60);

	tcase_add_test(tc, by_name);
	tcase_add_test(tc, all_at_once);
	tcase_add_test(tc, undone);
	tcase_add_test(tc, no_snapshot);
	tcase_add_test(tc, statements_stay);
	tcase_add_test(tc, in_one_batch);
	tcase_add_test(tc, answered_late);
	tcase_add_test(tc, set_since);
	tcase_add_test(tc, in_one_text);
	return suite_run(s, SUITE_PG);
}
