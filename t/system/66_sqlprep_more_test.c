/*
 * 66_sqlprep_more_test.c - prepared statements in SQL: beside those of the
 * protocol, in pipelines, of any size, in a crowd, and what is not known.
 */
#include <unistd.h>

#include "t/lib/wire.h"
#include "t/system/sqlprep.h"

enum { CLIENTS = 6 };

/* --- names of SQL and names of the protocol ---------------------------------------- */

static void
name_it(const struct twin *t, const char *name, const char *query)
{
	const struct twin *c = t;

	ck_assert_int_eq(PQsendPrepare(c->there, name, query, 0, NULL), 1);
	ck_assert_int_eq(PQsendPrepare(c->here, name, query, 0, NULL), 1);
	compare(t, text("Parse %s: %s", name, query));
}

START_TEST(one_space_of_names)
{
	struct stage s = stage_new("");
	struct twin t = twin_new(s.p);

	for (unsigned i = 0; i < 2 * OTHERS + 2; i++) {
		disturb(&s);
		hold(&s, i % (OTHERS + 1));
		say(&t, SIMPLE, "PREPARE a AS SELECT 'by SQL'");
		name_it(&t, "a", "SELECT 'taken'");
		say(&t, NAMED, "a");
		name_it(&t, "b", "SELECT 'by Parse'");
		hold(&s, (i + 1) % (OTHERS + 1));
		say(&t, SIMPLE, "EXECUTE b");
		say(&t, SIMPLE, "EXECUTE a");
		say(&t, SIMPLE, "PREPARE b AS SELECT 'taken'");
		say(&t, SIMPLE, "DEALLOCATE b");
		say(&t, NAMED, "b");
		/* what it does hangs on the names there are when it is run */
		name_it(&t, "run a", "EXECUTE a");
		say(&t, NAMED, "run a");
		say(&t, SIMPLE, "DEALLOCATE a; PREPARE a AS SELECT 'new', 1");
		hold(&s, (i + 2) % (OTHERS + 1));
		say(&t, NAMED, "run a");
		name_it(&t, "drop a", "DEALLOCATE a");
		name_it(&t, "make a", "PREPARE a AS SELECT 'made'");
		say(&t, NAMED, "make a");
		say(&t, NAMED, "drop a");
		say(&t, NAMED, "drop a");
		say(&t, NAMED, "run a");
		hold(&s, i % (OTHERS + 1));
		say(&t, NAMED, "make a");
		say(&t, NAMED, "run a");
		say(&t, SIMPLE, "BEGIN");
		say(&t, NAMED, "drop a");
		say(&t, NAMED, "make a");
		say(&t, SIMPLE, "SELECT 1/0");
		say(&t, NAMED, "drop a");
		say(&t, SIMPLE, "ROLLBACK");
		say(&t, NAMED, "run a");
		say(&t, EXTENDED, "DISCARD ALL");
	}
	hold(&s, 0);
	twin_free(&t);
	stage_free(&s);
}
END_TEST

/* A pipeline of extended queries, one Sync behind all. */
static void
pipe_to(PGconn *c, const char *const *queries)
{
	ck_assert_int_eq(PQenterPipelineMode(c), 1);
	for (; *queries != NULL; queries++)
		send(c, EXTENDED, *queries);
	ck_assert_int_eq(PQpipelineSync(c), 1);
}

static void
pipe_answers(PGconn *c, char *to, size_t size)
{
	int nothing = 0;
	size_t n = 0;

	while (nothing < 2) {
		PGresult *r = PQgetResult(c);

		nothing = r == NULL ? nothing + 1 : 0;
		if (r == NULL)
			continue;
		tell(r, to + n, size - n);
		n += strlen(to + n);
		if (PQresultStatus(r) == PGRES_PIPELINE_SYNC)
			nothing = 2;
		PQclear(r);
	}
	ck_assert_int_eq(PQexitPipelineMode(c), 1);
}

static void
say_all(const struct twin *t, const char *const *queries)
{
	static char here[65536], there[65536];

	pipe_to(t->there, queries);
	pipe_to(t->here, queries);
	pipe_answers(t->there, there, sizeof(there));
	pipe_answers(t->here, here, sizeof(here));
	ck_assert_msg(strcmp(here, there) == 0,
	    "%s\n--- PostgreSQL says\n%s\n--- we say\n%s", queries[0], there,
	    here);
}

START_TEST(in_a_pipeline)
{
	static const char *const pipes[][8] = {
		{ "PREPARE a AS SELECT 1", "EXECUTE a", "SELECT 2",
		    "DEALLOCATE a", "SELECT 3" },
		{ "PREPARE a AS SELECT 4", "PREPARE a AS SELECT 5",
		    "EXECUTE a" },
		{ "EXECUTE a", "SELECT 1/0", "DEALLOCATE a" },
		{ "EXECUTE a", "DEALLOCATE a", "EXECUTE a",
		    "PREPARE a AS SELECT 6" },
		{ "BEGIN", "PREPARE a AS SELECT 7", "EXECUTE a", "ROLLBACK",
		    "EXECUTE a", "EXECUTE a" },
		{ "EXECUTE a", "DEALLOCATE ALL", "EXECUTE a" },
		{ "EXECUTE a", "SELECT 1" },
		{ "PREPARE a AS SELECT 8", "DEALLOCATE ALL",
		    "PREPARE a AS SELECT 9", "EXECUTE a", "DISCARD ALL" },
	};
	struct stage s = stage_new("");
	struct twin t = twin_new(s.p);

	for (unsigned i = 0; i < 3; i++)
		for (size_t k = 0; k < sizeof(pipes) / sizeof(*pipes); k++) {
			disturb(&s);
			hold(&s, (i + (unsigned)k) % (OTHERS + 1));
			say_all(&t, pipes[k]);
		}
	hold(&s, 0);
	twin_free(&t);
	stage_free(&s);
}
END_TEST

/* Queries one behind the other, none of which waits for an answer. */
START_TEST(queries_ahead)
{
	struct stage s = stage_new("");
	struct wire *w = wire_open("127.0.0.1", s.p->port);

	wire_login(w, "app", "app");
	for (unsigned i = 0; i < 4; i++) {
		disturb(&s);
		hold(&s, i % (OTHERS + 1));
		wire_query(w, "PREPARE a AS SELECT 'ahead'");
		wire_query(w, "PREPARE b AS SELECT 'too'");
		wire_query(w, "DEALLOCATE b");
		wire_query(w, "EXECUTE a");
		wire_query(w, "SELECT 1/0; DEALLOCATE a");
		wire_query(w, "EXECUTE a; DEALLOCATE a");
		wire_query(w, "EXECUTE a");
		wire_expect(w, "CZCZCZTD");
		ck_assert_str_eq(wire_value(w), "ahead");
		wire_expect(w, "CZEZTDCCZ");
		wire_error(w, 'M', "prepared statement \"a\" does not exist");
		wire_expect(w, "Z");
	}
	wire_free(w);
	hold(&s, 0);
	stage_free(&s);
}
END_TEST

/* --- what is not for us to say ------------------------------------------------------- */

/* Types that only the server knows, names that cannot be told, and what is
 * hidden: the client keeps its backend as long as it has such a statement. */
START_TEST(kept_when_not_known)
{
	static const struct {
		const char *make, *run, *drop;
	} kept[] = {
		{ "PREPARE a(mood) AS SELECT $1::text, pg_typeof($1)",
		    "EXECUTE a('ok')", "DEALLOCATE a" },
		{ "DO $$BEGIN EXECUTE 'PREPARE a AS SELECT 1'; END$$",
		    "EXECUTE a", "DEALLOCATE ALL" },
		{ "PREPARE U&\"a\" AS SELECT 'odd'", "EXECUTE a",
		    "DISCARD ALL" },
	};
	struct stage s = stage_new("");
	struct twin t = twin_new(s.p);
	PGconn *console = pooler_console(s.p, "admin");

	say(&t, SIMPLE, "DROP TYPE IF EXISTS mood");
	say(&t, SIMPLE, "CREATE TYPE mood AS ENUM ('ok')");
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		disturb(&s);
		say(&t, SIMPLE, kept[i].make);
		disturb(&s);
		hold(&s, 1);
		say(&t, SIMPLE, kept[i].run);
		say(&t, SIMPLE, kept[i].run);
		/* a client and a backend of its own */
		UNTIL(3000,
		    pooler_show(
			console, "POOLS", "database", "app", "sv_active") == 2);
		say(&t, SIMPLE, kept[i].drop);
		say(&t, SIMPLE, kept[i].run);
		UNTIL(3000,
		    pooler_show(
			console, "POOLS", "database", "app", "sv_active") == 1);
	}
	PQfinish(console);
	twin_free(&t);
	hold(&s, 0);
	stage_free(&s);
}
END_TEST

/* A backend's own name is nobody's to use. */
START_TEST(names_of_backends)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	char name[64];

	sql_do(a, "PREPARE mine AS SELECT 'secret'");
	snprintf(name, sizeof(name), "%s",
	    sql_one(a, "SELECT name FROM pg_prepared_statements"));
	ck_assert_int_eq(strncmp(name, "pooler_", 7), 0);
	sql_fails(b, "26000", "EXECUTE %s", name);
	sql_fails(b, "26000", "EXECUTE \"%s\"", name);
	sql_fails(b, "26000", "DEALLOCATE %s", name);
	ck_assert_str_eq(sql_one(a, "EXECUTE mine"), "secret");
	sql_do(b, "PREPARE %s AS SELECT 'b''s'", name);
	ck_assert_str_eq(sql_one(a, "EXECUTE mine"), "secret");
	ck_assert_str_eq(sql_one(b, "EXECUTE %s", name), "b's");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

START_TEST(long_texts)
{
	struct stage s = stage_new("");
	struct twin t = twin_new(s.p);
	static char query[300 * 1024];

	for (int kb = 1; kb < 280; kb = kb * 3 + 7)
		for (int way = SIMPLE; way <= EXTENDED; way++) {
			char *at = query +
			    sprintf(query, "PREPARE a AS SELECT length('");

			memset(at, 'x', (size_t)kb * 1024);
			strcpy(at + kb * 1024, "')");
			hold(&s, 0);
			say(&t, (enum way)way, query);
			hold(&s, 1);
			say(&t, SIMPLE, "EXECUTE a");
			hold(&s, 2);
			say(&t, EXTENDED, "EXECUTE a");
			say(&t, SIMPLE, "DEALLOCATE a");
			say(&t, SIMPLE, "EXECUTE a");
		}
	hold(&s, 0);
	twin_free(&t);
	stage_free(&s);
}
END_TEST

/* As PgBouncer: SQL is not looked at. */
START_TEST(switched_off)
{
	static const char *const how[] = { "session_state = off",
		"max_prepared_statements = 0" };

	for (int i = 0; i < 2; i++) {
		struct pooler *p =
		    pooler_with(text("default_pool_size = 1\n%s", how[i]));
		PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

		sql_do(a, "PREPARE a AS SELECT 'of a'");
		ck_assert_str_eq(sql_one(b, "EXECUTE a"), "of a");
		PQfinish(a);
		PQfinish(b);
		pooler_stop(p);
	}
}
END_TEST

/* --- a crowd --------------------------------------------------------------------------- */

static uint64_t seed;

static unsigned
roll(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* Many bodies, so that a name means something else to each. */
static const char *
some_text(void)
{
	static const char *const names[] = { "a", "b", "\"C c\"" };
	const char *n = names[roll(3)], *m = names[roll(3)];
	unsigned k = roll(5);

	switch (roll(18)) {
	case 0:
	case 1:
	case 2:
		return text("PREPARE %s AS SELECT 'text %u'", n, k);
	case 3:
		return text(
		    "PREPARE %s(int, text) AS SELECT $1 + %u, $2", n, k);
	case 4:
		return text("PREPARE %s AS SELECT nothing_%u", n, k);
	case 5:
	case 6:
	case 7:
		return text("EXECUTE %s", n);
	case 8:
		return text("EXECUTE %s(%u, 'x')", n, k);
	case 9:
		return text("DEALLOCATE %s", n);
	case 10:
		return roll(4) ? text("EXPLAIN (COSTS OFF) EXECUTE %s", n)
			       : "DEALLOCATE ALL";
	case 11:
		return "BEGIN";
	case 12:
		return "COMMIT";
	case 13:
		return roll(2) ? text("ROLLBACK; EXECUTE %s", n) : "ROLLBACK";
	case 14:
		return roll(2) ? "SELECT 1/0" : "SELECT 'else'";
	case 15:
		return text("PREPARE %s AS SELECT 'text %u'; EXECUTE %s; "
			    "DEALLOCATE %s",
		    n, k, n, n);
	case 16:
		return text("EXECUTE %s; DEALLOCATE %s; "
			    "PREPARE %s AS SELECT 'text %u'",
		    n, m, m, k);
	default:
		return text("DEALLOCATE %s; PREPARE %s AS SELECT %u; "
			    "EXECUTE %s; SELECT 1/%u",
		    n, n, k, m, k);
	}
}

static void
say_some(const struct twin *t)
{
	const char *query = some_text();
	bool is_many = strchr(query, ';') != NULL;
	/* it is executed only behind what ends the transaction */
	bool is_failed = PQtransactionStatus(t->there) == PQTRANS_INERROR;

	if (is_failed && roll(2) == 0)
		query = "ROLLBACK";
	if (!is_many && !is_failed && roll(12) == 0)
		name_it(t, text("%c", 'a' + (int)roll(2)),
		    text("SELECT 'parsed %u'", roll(3)));
	else if (!is_many && !is_failed && roll(12) == 0)
		say(t, NAMED, text("%c", 'a' + (int)roll(2)));
	else
		say(t, is_many || roll(2) == 0 ? SIMPLE : EXTENDED, query);
}

/* Each says its own, in and out of transactions, on fewer backends. */
START_TEST(a_crowd)
{
	struct pooler *p = pooler_new();
	struct twin t[CLIENTS];
	int inside = 0, kills = 0;
	PGconn *console;

	pooler_set(p, "default_pool_size = 2\nmax_prepared_statements = 4");
	pooler_workers(p, 3);
	pooler_start(p);
	console = pooler_console(p, "admin");
	for (int i = 0; i < CLIENTS; i++)
		t[i] = twin_new(p);
	seed = (uint64_t)now_ms();
	printf("seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < 6000; i++) {
		struct twin *one = &t[roll(CLIENTS)];
		bool was = PQtransactionStatus(one->there) != PQTRANS_IDLE;

		/* a third one would wait for ever */
		if (!was && inside == 2)
			continue;
		say_some(one);
		inside +=
		    (PQtransactionStatus(one->there) != PQTRANS_IDLE) - was;
		if (inside == 0 && i % 500 > 490 && kills < i / 500 + 1) {
			kills++;
			/* what is asked behind a transaction is answered */
			UNTIL(3000,
			    pooler_show(console, "POOLS", "database", "app",
				"sv_active") == 0);
			pg_terminate(pg, "datname = 'app'");
			UNTIL(3000,
			    pooler_show(console, "POOLS", "database", "app",
				"sv_idle") == 0);
		}
	}
	ck_assert_int_gt(kills, 3);
	for (int i = 0; i < CLIENTS; i++)
		twin_free(&t[i]);
	PQfinish(console);
	pooler_stop(p);
}
END_TEST

/* What a client of the crowd says in `ms`, on its own. */
static void
say_alone(const struct pooler *p, uint64_t its_seed, int ms)
{
	struct twin t = twin_new(p);
	int64_t end = now_ms() + ms;

	seed = its_seed;
	while (now_ms() < end)
		say_some(&t);
	twin_free(&t);
}

/* All at once; who is in a transaction makes others wait. */
START_TEST(a_crowd_at_once)
{
	struct pooler *p = pooler_new();
	uint64_t first = (uint64_t)now_ms();
	pid_t kids[CLIENTS];

	pooler_set(p, "default_pool_size = 3\nmax_prepared_statements = 5");
	pooler_workers(p, 3);
	pooler_start(p);
	printf("seed %llu\n", (unsigned long long)first);
	for (int i = 0; i < CLIENTS; i++) {
		kids[i] = fork();
		ck_assert_int_ne(kids[i], -1);
		if (kids[i] == 0) {
			say_alone(p, first + (uint64_t)i, 4000);
			_exit(0);
		}
	}
	for (int i = 0; i < CLIENTS; i++)
		ck_assert_int_eq(spawn_wait(kids[i], 60000), 0);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sqlprep_more");
	TCase *tc = suite_case(s, "sqlprep_more", 120);

	tcase_add_test(tc, one_space_of_names);
	tcase_add_test(tc, in_a_pipeline);
	tcase_add_test(tc, queries_ahead);
	tcase_add_test(tc, kept_when_not_known);
	tcase_add_test(tc, names_of_backends);
	tcase_add_test(tc, long_texts);
	tcase_add_test(tc, switched_off);
	tcase_add_test(tc, a_crowd);
	tcase_add_test(tc, a_crowd_at_once);
	return suite_run(s, SUITE_PG);
}
