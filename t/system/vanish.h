/*
 * vanish.h - clients that vanish, and what must be left of them: nothing.
 *
 * For tests with one pool of servers for the user app, beside whom a
 * superuser looks on, past the pooler.
 */
#ifndef T_SYSTEM_VANISH_H
#define T_SYSTEM_VANISH_H

#include <string.h>
#include <sys/socket.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

enum manner { TERMINATE, CLOSE, RESET, MANNERS };

/* All that a session can leave at its server, in an open transaction; but for
 * LISTEN, which with a pool of one has no place (65_listen). */
#define LITTER                                                               \
	"BEGIN; SET work_mem = '77MB'; SET search_path = pg_catalog;"        \
	"CREATE TEMP TABLE litter (i int); PREPARE litter AS SELECT 1;"      \
	"SELECT pg_advisory_lock(28); "                                      \
	"DECLARE litter CURSOR WITH HOLD FOR SELECT 1; SET ROLE pg_monitor;" \
	"COMMIT; BEGIN; "
#define LITTER_TAGS "CCCCCTDCCCCC"

#define MINE "usename = 'app'"
#define BUSY MINE " AND state = 'active'"

static struct pooler *p;
static PGconn *boss; /* past the pooler */

static inline void
start(const char *settings)
{
	boss = sql_open(
	    text("host=127.0.0.1 port=%d user=postgres dbname=app", pg->port));
	sql_do(boss, "SET client_min_messages = error");
	sql_do(boss, "DROP TABLE IF EXISTS kept");
	sql_do(boss, "CREATE TABLE kept (t text)");
	sql_do(boss, "GRANT ALL ON kept TO app");
	sql_do(boss, "GRANT pg_monitor TO app");
	p = pooler_with(settings);
}

/* With TLS a server is one worker's, and moves when another wants it. */
static inline void
serve_tls(bool on)
{
	if (!strcmp(pg_ask(pg, "SHOW ssl"), on ? "on" : "off"))
		return;
	pg_ask(pg, "ALTER SYSTEM SET ssl_cert_file = '%s'", cert("server.crt"));
	pg_ask(pg, "ALTER SYSTEM SET ssl_key_file = '%s'", cert("server.key"));
	pg_ask(pg, "ALTER SYSTEM SET ssl = %s", on ? "on" : "off");
	pg_ask(pg, "SELECT pg_reload_conf()");
	UNTIL(5000, !strcmp(pg_ask(pg, "SHOW ssl"), on ? "on" : "off"));
}

static inline struct wire *
client(void)
{
	struct wire *w = wire_to(p);

	return w;
}

static inline void
leave(struct wire *w, enum manner how)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	if (how == TERMINATE)
		wire_put(w, 'X', "");
	if (how == RESET)
		setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	wire_free(w);
}

/* The next client's server, which knows nothing of anybody before. */
static inline int
next_pid(void)
{
	PGconn *c = pooler_conn(p, "");
	int pid;

	sql_do(c, "BEGIN");
	pid = sql_backend(c);
	ck_assert_int_eq(PQtransactionStatus(c), PQTRANS_INTRANS);
	ck_assert_str_eq(sql_one(c, "SELECT current_user"), "app");
	ck_assert_str_ne(sql_one(c, "SHOW work_mem"), "77MB");
	ck_assert_str_ne(sql_one(c, "SHOW search_path"), "pg_catalog");
	ck_assert_int_eq(sql_num(c,
			     "SELECT (SELECT count(*) FROM pg_class WHERE "
			     "relpersistence = 't') + (SELECT count(*) FROM "
			     "pg_prepared_statements) + (SELECT count(*) FROM "
			     "pg_cursors WHERE name <> '') + (SELECT count(*) "
			     "FROM pg_listening_channels()) + (SELECT count(*) "
			     "FROM pg_locks WHERE locktype = 'advisory')"),
	    0);
	sql_do(c, "COMMIT");
	PQfinish(c);
	return pid;
}

static inline long
kept(void)
{
	return sql_num(boss, "SELECT count(*) FROM kept");
}

/* Nothing runs, holds a lock or is open any more. */
static inline void
is_quiet(int ms)
{
	UNTIL(ms, pg_backends(pg, BUSY) == 0);
	UNTIL(ms, pg_backends(pg, MINE " AND state LIKE 'idle in%'") == 0);
	UNTIL(ms,
	    sql_num(boss,
		"SELECT count(*) FROM pg_locks WHERE "
		"relation = 'kept'::regclass OR locktype = 'advisory'") == 0);
}

/* Bound and executed; no Sync. */
static inline void
put_batch(struct wire *w, const char *sql)
{
	wire_put(w, 'P', "ssh", "", sql, 0);
	wire_put(w, 'B', "sshhh", "", "", 0, 0, 0);
	wire_put(w, 'E', "si", "", 0);
}

static inline void
in_pipeline_without_sync(struct wire *w)
{
	put_batch(w, "INSERT INTO kept VALUES ('first')");
	put_batch(w, "INSERT INTO kept VALUES ('second')");
}

#endif
