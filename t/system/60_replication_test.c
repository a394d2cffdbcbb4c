/*
 * 60_replication_test.c - replication connections through the pooler:
 * PostgreSQL's own tools, a subscription, and raw clients.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/certs.h"
#include "t/system/replication.h"

#define CANCEL_REQUEST 80877102

static const char *
tool_at(const char *db)
{
	return text("host=127.0.0.1 port=%d user=app dbname=%s", p->port, db);
}

static const char *
out_file(const char *name)
{
	return text("%s/%s", p->dir, name);
}

/* One of PostgreSQL's tools, as the user that may write to p->dir. */
static const char *tool_env[] = { "HOME=/nonexistent", NULL };
#define TOOL(...) ((const char *const[]){ __VA_ARGS__, NULL })

static pid_t
begin(const char *const *argv)
{
	return spawn(
	    &(struct spawn){ .out = out_file("tool.log"), .env = tool_env },
	    argv);
}

static void
run(const char *const *argv)
{
	int rc = spawn_run(
	    &(struct spawn){ .out = out_file("tool.log"), .env = tool_env },
	    argv);

	ck_assert_msg(
	    rc == 0, "%s: %d: %s", argv[0], rc, slurp(out_file("tool.log")));
}

static void
interrupt(pid_t pid)
{
	kill(pid, SIGINT);
	ck_assert_int_eq(spawn_wait(pid, 10000), 0);
}

/* --- PostgreSQL's tools ------------------------------------------------------- */

START_TEST(recvlogical)
{
	const char *const slot[] = { pg_bin("pg_recvlogical"), "-d", NULL, "-S",
		"decoded", "--create-slot", "-P", "test_decoding", NULL };
	const char *argv[9];
	PGconn *c;
	pid_t pid;

	start("default_pool_size = 3");
	memcpy(argv, slot, sizeof(slot));
	argv[2] = tool_at("app");
	run(argv);
	pid = begin(TOOL(pg_bin("pg_recvlogical"), "-d", tool_at("app"), "-S",
	    "decoded", "--start", "-f", out_file("decoded"), "-s", "1", "-F",
	    "0"));
	c = pooler_conn(p, "");
	sql_do(c, "CREATE TABLE t (v text)");
	for (int i = 0; i < 50; i++)
		sql_do(c, "INSERT INTO t VALUES ('token-%d')", i);
	/* it comes while it is made, and in order */
	UNTIL(10000, file_has(out_file("decoded"), "token-49'"));
	ck_assert_int_eq(file_count(out_file("decoded"), "INSERT: v"), 50);
	sql_do(c, "INSERT INTO t SELECT repeat('x', 3000000)");
	sql_do(c, "INSERT INTO t VALUES ('the end')");
	UNTIL(10000, file_has(out_file("decoded"), "the end"));
	PQfinish(c);
	interrupt(pid);
	run(TOOL(pg_bin("pg_recvlogical"), "-d", tool_at("app"), "-S",
	    "decoded", "--drop-slot"));
	stop();
}
END_TEST

START_TEST(receivewal)
{
	char dir[2048], segment[64], whole[4096];
	pid_t pid;

	start("default_pool_size = 3");
	snprintf(dir, sizeof(dir), "%s", spawn_subdir("wal"));
	run(TOOL(pg_bin("pg_receivewal"), "-d", tool_at("app"), "-S", "wal",
	    "--create-slot"));
	pid = begin(TOOL(pg_bin("pg_receivewal"), "-d", tool_at("app"), "-S",
	    "wal", "-D", dir, "-s", "1", "--synchronous"));
	UNTIL(10000,
	    pg_num(pg,
		"SELECT count(*) FROM pg_stat_replication "
		"WHERE state = 'streaming'") == 1);
	pg_ask(pg, "CREATE TABLE w AS SELECT generate_series(1, 30000) AS i");
	snprintf(segment, sizeof(segment), "%s",
	    pg_ask(pg, "SELECT pg_walfile_name(pg_current_wal_lsn())"));
	snprintf(whole, sizeof(whole), "%s/%s", dir, segment);
	pg_ask(pg, "SELECT pg_switch_wal()");
	pg_ask(pg, "CREATE TABLE w2 (i int)");
	/* whole, it loses its suffix */
	UNTIL(10000, access(whole, F_OK) == 0);
	run(TOOL("cmp", whole, text("%s/pg_wal/%s", pg->dir, segment)));
	interrupt(pid);
	stop();
}
END_TEST

/* TLS for the server's side: this PostgreSQL has it from now on. */
static void
switch_on_tls(void)
{
	pg_ask(pg, "ALTER SYSTEM SET ssl_cert_file = '%s'", cert("server.crt"));
	pg_ask(pg, "ALTER SYSTEM SET ssl_key_file = '%s'", cert("server.key"));
	pg_ask(pg, "ALTER SYSTEM SET ssl = on");
	pg_ask(pg, "SELECT pg_reload_conf()");
	UNTIL(5000, !strcmp(pg_ask(pg, "SHOW ssl"), "on"));
}

/* Plain, and with TLS on both sides. */
START_TEST(basebackup)
{
	const char *dir;
	struct pg copy;

	start(_i ? text("default_pool_size = 3\n"
			"client_tls_sslmode = require\n"
			"client_tls_cert_file = %s\n"
			"client_tls_key_file = %s\n"
			"server_tls_sslmode = require",
		       cert("server.crt"), cert("server.key"))
		 : "default_pool_size = 3");
	if (_i)
		switch_on_tls();
	pg_ask(pg,
	    "CREATE TABLE big AS SELECT repeat(md5(i::text), 30) AS v "
	    "FROM generate_series(1, 50000) i");
	dir = text("%s/copy", spawn_subdir(text("backup%d", _i)));
	run(TOOL(pg_bin("pg_basebackup"), "-d", tool_at("app"), "-D", dir, "-c",
	    "fast", "-X", "stream"));
	run(TOOL(pg_bin("pg_verifybackup"), dir));
	if (_i) {
		/* its files are those of the one that has TLS */
		stop();
		return;
	}
	/* and it is a server that knows what the first one knew */
	memset(&copy, 0, sizeof(copy));
	snprintf(copy.dir, sizeof(copy.dir), "%s", dir);
	snprintf(copy.sock, sizeof(copy.sock), "%s", spawn_subdir("copysock"));
	snprintf(copy.log, sizeof(copy.log), "%s.log", dir);
	copy.port = spawn_port();
	add_line(text("%s/postgresql.conf", dir),
	    text("port = %d\nunix_socket_directories = '%s'", copy.port,
		copy.sock));
	pg_start(&copy);
	ck_assert_int_eq(pg_num(&copy, "SELECT count(*) FROM big"), 50000);
	pg_stop(&copy);
	stop();
}
END_TEST

/* What its reader does not take stays at the server. */
START_TEST(basebackup_unread)
{
	long before, now;
	struct wire *w;
	size_t got = 0;
	char t;

	start("default_pool_size = 3");
	pg_ask(pg,
	    "CREATE TABLE big AS SELECT repeat(md5(i::text), 60) AS v "
	    "FROM generate_series(1, 60000) i");
	w = sender("true");
	before = pooler_rss_kb(p);
	wire_query(w, "BASE_BACKUP (CHECKPOINT 'fast')");
	for (int i = 0; i < 50; i++) {
		nap();
		now = pooler_rss_kb(p);
		ck_assert_msg(now < before + 20000, "%ld, %ld kB", before, now);
	}
	while ((t = wire_recv(w, WIRE_MS)) != 'Z') {
		ck_assert_int_ne(t, 'E');
		got += w->len;
	}
	ck_assert_uint_gt(got, 100 << 20);
	ck_assert_int_lt(pooler_rss_kb(p), before + 20000);
	hang_up(w);
	stop();
}
END_TEST

/* It goes away in the middle: the server stops, and its place is free. */
START_TEST(basebackup_abandoned)
{
	struct wire *w;

	start("default_pool_size = 1");
	pg_ask(pg,
	    "CREATE TABLE big AS SELECT repeat(md5(i::text), 60) AS v "
	    "FROM generate_series(1, 60000) i");
	for (int i = 0; i < 3; i++) {
		w = sender("true");
		wire_query(w, "BASE_BACKUP (CHECKPOINT 'fast')");
		wire_expect(w, "T");
		wire_free(w);
	}
	UNTIL(5000, pg_num(pg, ALL_BACKENDS) == 0);
	ck_assert(!file_has(p->log, "did not close its connection"));
	stop();
}
END_TEST

START_TEST(subscription)
{
	struct pg *sub;
	PGconn *c;

	start("default_pool_size = 6");
	sub = pg_new(0);
	c = pooler_conn(p, "");
	sql_do(c, "CREATE TABLE s (i int PRIMARY KEY, v float8)");
	sql_do(c,
	    "INSERT INTO s SELECT i, i / 3.0 FROM generate_series(1, "
	    "1000) i");
	sql_do(c, "CREATE PUBLICATION pub FOR TABLE s");
	pg_ask(sub, "CREATE TABLE s (i int PRIMARY KEY, v float8)");
	pg_ask(sub, "CREATE SUBSCRIPTION sub CONNECTION '%s' PUBLICATION pub",
	    tool_at("app"));
	/* the copy of what was there, then what comes */
	UNTIL(20000, pg_num(sub, "SELECT count(*) FROM s") == 1000);
	sql_do(c, "INSERT INTO s VALUES (1001, 0.1)");
	sql_do(c, "UPDATE s SET v = -7 WHERE i <= 10");
	sql_do(c, "DELETE FROM s WHERE i = 11");
	UNTIL(20000, pg_num(sub, "SELECT count(*) FROM s WHERE v = -7") == 10);
	UNTIL(20000, pg_num(sub, "SELECT count(*) FROM s") == 1000);
	ck_assert_str_eq(pg_ask(sub, "SELECT sum(v)::text FROM s"),
	    sql_one(c, "SELECT sum(v)::text FROM s"));
	pg_ask(sub, "DROP SUBSCRIPTION sub");
	ck_assert_int_eq(
	    pg_num(pg, "SELECT count(*) FROM pg_replication_slots"), 0);
	PQfinish(c);
	pg_free(sub);
	stop();
}
END_TEST

/* --- the conversation ----------------------------------------------------------- */

static const char *const modes[] = { "session", "transaction", "statement" };

/* Both sides talk at once; the client ends it. */
static void
both_talk(struct wire *w, const char *start_replication)
{
	wire_query(w, start_replication);
	wire_expect(w, "W");
	pg_ask(pg, "SELECT pg_logical_emit_message(false, 'a', 'b')");
	for (int i = 0; i < 5; i++) {
		/* a status update that asks for an answer */
		wire_put(w, 'd', "biiiiiiiib", 'r', 0, 0, 0, 0, 0, 0, 0, 0, 1);
		wire_expect(w, "d");
	}
	wire_put(w, 'c', "");
	while (wire_recv(w, WIRE_MS) == 'd')
		;
	ck_assert_int_eq(w->type, 'c');
	/* an answer may come behind it, then the tags */
	while (wire_recv(w, WIRE_MS) == 'd' || w->type == 'C')
		;
	ck_assert_int_eq(w->type, 'Z');
	wire_query(w, "IDENTIFY_SYSTEM");
	wire_expect(w, "TDCZ");
}

START_TEST(copy_both)
{
	struct wire *w;
	char pid[32];

	start(text("default_pool_size = 3\npool_mode = %s", modes[_i]));
	w = sender("database");
	wire_query(w, "IDENTIFY_SYSTEM");
	wire_expect(w, "TDCZ");
	wire_query(w, "SELECT pg_backend_pid()::text");
	wire_expect(w, "TD");
	snprintf(pid, sizeof(pid), "%s", wire_value(w));
	wire_expect(w, "CZ");
	wire_query(w,
	    "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL "
	    "test_decoding (SNAPSHOT 'nothing')");
	wire_expect(w, "TDCZ");
	both_talk(w, "START_REPLICATION SLOT s LOGICAL 0/0");
	/* a temporary slot, a transaction: it is one server all the time */
	wire_query(w, "BEGIN");
	wire_expect(w, "CZ");
	ck_assert_int_eq(w->body[0], 'T');
	wire_query(w, "SELECT pg_backend_pid()::text");
	wire_expect(w, "TD");
	ck_assert_str_eq(wire_value(w), pid);
	wire_expect(w, "CZ");
	wire_query(w, "COMMIT");
	wire_expect(w, "CZ");
	hang_up(w);
	w = sender("true");
	for (int i = 0; i < 3; i++)
		both_talk(w,
		    text("START_REPLICATION %s",
			pg_ask(pg, "SELECT pg_current_wal_lsn()::text")));
	hang_up(w);
	stop();
}
END_TEST

START_TEST(physical)
{
	struct wire *w;

	start("default_pool_size = 3");
	w = sender("true");
	wire_query(w, "IDENTIFY_SYSTEM");
	wire_expect(w, "TDCZ");
	wire_query(w, "TIMELINE_HISTORY 1");
	wire_expect(w, "TEZ");
	wire_query(w, "SELECT 1");
	wire_error(w, 'M', "cannot execute SQL commands");
	wire_expect(w, "Z");
	wire_query(w, "START_REPLICATION 0/0 TIMELINE 9");
	wire_expect(w, "EZ");
	hang_up(w);
	stop();
}
END_TEST

/* Any worker may get the request. */
START_TEST(cancel)
{
	struct wire *w, *k;

	start("default_pool_size = 3");
	w = sender("database");
	for (int i = 0; i < 5; i++) {
		wire_query(w, "SELECT pg_sleep(60)");
		UNTIL(5000,
		    pg_num(pg,
			"SELECT count(*) FROM pg_stat_activity "
			"WHERE wait_event = 'PgSleep'") == 1);
		k = wire_open("127.0.0.1", p->port);
		wire_put(k, 0, "iii", CANCEL_REQUEST, w->key[0], w->key[1]);
		wire_end(k);
		wire_free(k);
		wire_expect(w, "T");
		wire_error(w, 'C', "57014");
		wire_expect(w, "Z");
	}
	hang_up(w);
	stop();
}
END_TEST

/* What runs when its client goes is cancelled, and does not keep its place. */
START_TEST(client_vanishes)
{
	struct wire *w;

	start("default_pool_size = 1");
	w = sender("database");
	wire_query(w, "SELECT pg_sleep(60)");
	UNTIL(5000,
	    pg_num(pg,
		"SELECT count(*) FROM pg_stat_activity WHERE "
		"wait_event = 'PgSleep'") == 1);
	wire_free(w);
	UNTIL(5000, pg_num(pg, SENDERS) == 0);
	w = sender("database");
	wire_query(w, "SELECT 1");
	wire_expect(w, "TDCZ");
	hang_up(w);
	stop();
}
END_TEST

/* The server's last words come once, and nothing after them. */
START_TEST(server_ends_it)
{
	struct wire *w;

	start("default_pool_size = 1");
	w = sender("database");
	wire_query(w, "SELECT 1");
	wire_expect(w, "TDCZ");
	pg_ask(pg,
	    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
	    "WHERE backend_type = 'walsender'");
	wire_error(w, 'C', "57P01");
	wire_end(w);
	wire_free(w);
	stop();
}
END_TEST

/* All that a client says at startup goes to the server, which judges it. */
START_TEST(startup_parameters)
{
	struct wire *w;
	PGconn *c;
	char buf[512];

	start("default_pool_size = 2");
	c = sql_open(text("%s replication=database application_name=walker "
			  "options='-c extra_float_digits=3 -c geqo=off' "
			  "client_encoding=LATIN1",
	    tool_at("app")));
	ck_assert_str_eq(sql_one(c, "SHOW extra_float_digits"), "3");
	ck_assert_str_eq(sql_one(c, "SHOW geqo"), "off");
	ck_assert_str_eq(sql_one(c, "SHOW client_encoding"), "LATIN1");
	ck_assert_str_eq(PQparameterStatus(c, "application_name"), "walker");
	ck_assert_str_eq(PQparameterStatus(c, "client_encoding"), "LATIN1");
	PQfinish(c);
	w = wire_open("127.0.0.1", p->port);
	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30002, "user", "app", "database",
		"app", "replication", "database", "_pq_.new", "1", "no_such",
		"1", NULL));
	wire_expect(w, "v");
	wire_error(w, 'M', "no_such");
	wire_end(w);
	wire_free(w);
	stop();
}
END_TEST

START_TEST(wrong_value)
{
	struct wire *w;

	start("");
	w = dial("app", "app", "perhaps");
	wire_error(w, 'C', "22023");
	wire_end(w);
	wire_free(w);
	w = dial("admin", "pgbouncer", "true");
	wire_error(w, 'M', "console");
	wire_free(w);
	/* and these are no replication at all */
	w = sender("off");
	wire_query(w, "SELECT 1");
	wire_expect(w, "TDCZ");
	ck_assert_int_eq(pg_num(pg, SENDERS), 0);
	hang_up(w);
	stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("60_replication");
	TCase *tc = suite_case(s, "tools", 90);

	tcase_add_test(tc, recvlogical);
	tcase_add_test(tc, receivewal);
	tcase_add_loop_test(tc, basebackup, 0, 2);
	tcase_add_test(tc, basebackup_unread);
	tcase_add_test(tc, basebackup_abandoned);
	tcase_add_test(tc, subscription);
	tc = suite_case(s, "conversation", 60);
	tcase_add_loop_test(tc, copy_both, 0, 3);
	tcase_add_test(tc, physical);
	tcase_add_test(tc, cancel);
	tcase_add_test(tc, client_vanishes);
	tcase_add_test(tc, server_ends_it);
	tcase_add_test(tc, startup_parameters);
	tcase_add_test(tc, wrong_value);
	return suite_run(s, SUITE_NO_PG);
}
