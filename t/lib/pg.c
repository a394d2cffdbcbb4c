/*
 * pg.c - start, ask and end a private PostgreSQL.
 */
#include "t/lib/pg.h"

#include <glob.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/spawn.h"

static const char setup[] =
    "CREATE ROLE app LOGIN;\n"
    "CREATE ROLE app2 LOGIN;\n"
    "CREATE ROLE app3 LOGIN;\n"
    "CREATE ROLE plain_u LOGIN PASSWORD '" PG_PASSWORD "';\n"
    "SET password_encryption = 'md5';\n"
    "CREATE ROLE md5_u LOGIN PASSWORD '" PG_PASSWORD "';\n"
    "SET password_encryption = 'scram-sha-256';\n"
    "CREATE ROLE scram_u LOGIN PASSWORD '" PG_PASSWORD "';\n"
    "CREATE DATABASE app OWNER app;\n"
    "CREATE DATABASE app2 OWNER app;\n";

static const char hba[] = "local all plain_u password\n"
			  "local all md5_u md5\n"
			  "local all scram_u scram-sha-256\n"
			  "local all all trust\n"
			  "host all plain_u all password\n"
			  "host all md5_u all md5\n"
			  "host all scram_u all scram-sha-256\n"
			  "host all all all trust\n";

static const char settings[] = "fsync = off\n"
			       "full_page_writes = off\n"
			       "synchronous_commit = off\n"
			       "wal_level = replica\n"
			       "max_wal_senders = 5\n"
			       "autovacuum = off\n"
			       "jit = off\n"
			       "shared_buffers = 16MB\n"
			       "max_parallel_workers = 0\n"
			       "log_connections = on\n"
			       "log_disconnections = on\n"
			       "log_line_prefix = '%m [%p] %u@%d '\n";

static bool
is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

const char *
pg_bin(const char *name)
{
	static char found[8][256];
	static int next;
	char *out = found[next++ % 8];
	const char *dir = getenv("PG_BINDIR");
	glob_t g = { 0 };

	if (dir) {
		snprintf(out, sizeof(found[0]), "%s/%s", dir, name);
		return is_there(out) ? out : NULL;
	}
	glob(text("/usr/lib/postgresql/*/bin/%s", name), 0, NULL, &g);
	glob(text("/usr/local/bin/%s", name), GLOB_APPEND, NULL, &g);
	glob(text("/usr/local/pgsql/bin/%s", name), GLOB_APPEND, NULL, &g);
	glob(text("/usr/pkg/bin/%s", name), GLOB_APPEND, NULL, &g);
	glob(text("/usr/bin/%s", name), GLOB_APPEND, NULL, &g);
	snprintf(out, sizeof(found[0]), "%s", g.gl_pathc ? g.gl_pathv[0] : "");
	globfree(&g);
	return *out ? out : NULL;
}

static void
append(const char *path, const char *content)
{
	char *old = slurp(path);
	size_t len = strlen(old) + strlen(content) + 1;
	char *both = malloc(len);

	ck_assert_ptr_nonnull(both);
	snprintf(both, len, "%s%s", old, content);
	spew(path, both);
	free(both);
	free(old);
}

/* The directory that all servers are copies of. */
static const char *template(void)
{
	const char *dir = getenv("POOLER_TEMPLATE");
	const char *out = text("%s/initdb.log", spawn_dir());
	const char *in = text("%s/setup.sql", spawn_dir());

	if (!dir || !*dir)
		dir = text("%s/template", spawn_dir());
	if (is_there(text("%s/ready", dir)))
		return dir;
	ck_assert_msg(pg_bin("initdb") != NULL, "PostgreSQL is not installed");
	/* an empty directory may stand there, made by root for us */
	if (is_there(dir))
		spawn_own(dir);
	ck_assert_int_eq(
	    spawn_run(&(struct spawn){ .out = out },
		(const char *const[]){ pg_bin("initdb"), "--no-sync", "-D", dir,
		    "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C",
		    "--wal-segsize=1", NULL }),
	    0);
	spew(text("%s/pg_hba.conf", dir), hba);
	append(text("%s/postgresql.conf", dir), settings);
	spew(in, setup);
	ck_assert_int_eq(spawn_run(&(struct spawn){ .out = out, .in = in },
			     (const char *const[]){ pg_bin("postgres"),
				 "--single", "-D", dir, "postgres", NULL }),
	    0);
	ck_assert_msg(!file_has(out, "ERROR:"), "see %s", out);
	spew(text("%s/ready", dir), "");
	return dir;
}

struct pg *
pg_new(int max)
{
	static int serial;
	struct pg *pg = calloc(1, sizeof(*pg));
	const char *sub = text("pg%d-%d", (int)getpid(), serial++);

	ck_assert_ptr_nonnull(pg);
	snprintf(pg->sock, sizeof(pg->sock), "%s", spawn_subdir(sub));
	snprintf(pg->dir, sizeof(pg->dir), "%s/%s/data", spawn_dir(), sub);
	snprintf(pg->log, sizeof(pg->log), "%s/%s/log", spawn_dir(), sub);
	pg->port = spawn_port();
	ck_assert_int_eq(
	    spawn_run(&(struct spawn){ .out = NULL },
		(const char *const[]){ "cp", "-R", template(), pg->dir, NULL }),
	    0);
	ck_assert_int_eq(chmod(pg->dir, 0700), 0);
	append(text("%s/postgresql.conf", pg->dir),
	    text("port = %d\nmax_connections = %d\nlisten_addresses = '%s'\n"
		 "unix_socket_directories = '%s'\n",
		pg->port, max ? max : 100,
		have_ipv6() ? "127.0.0.1,::1" : "127.0.0.1", pg->sock));
	pg_start(pg);
	return pg;
}

static PGconn *
connect_admin(const struct pg *pg)
{
	return PQconnectdb(text(
	    "host=%s port=%d user=postgres "
	    "dbname=postgres connect_timeout=10 application_name=test-admin",
	    pg->sock, pg->port));
}

/*
 * Each process of a test keeps one connection; a test inherits that of the
 * main program as bytes only, so it forgets it.
 */
static PGconn *
admin(const struct pg *pg)
{
	static PGconn *conn;
	static pid_t whose, server;

	if (conn && whose == getpid() && server == pg->pid &&
	    PQstatus(conn) == CONNECTION_OK)
		return conn;
	if (conn && whose == getpid())
		PQfinish(conn);
	conn = connect_admin(pg);
	whose = getpid();
	server = pg->pid;
	ck_assert_msg(
	    PQstatus(conn) == CONNECTION_OK, "%s", PQerrorMessage(conn));
	return conn;
}

static bool
is_up(const struct pg *pg)
{
	PGconn *c = connect_admin(pg);
	bool up = PQstatus(c) == CONNECTION_OK;

	PQfinish(c);
	return up;
}

void
pg_start(struct pg *pg)
{
	/* SIGINT is PostgreSQL's fast shutdown */
	pg->pid = spawn(
	    &(struct spawn){ .out = pg->log, .death_signal = SIGINT },
	    (const char *const[]){ pg_bin("postgres"), "-D", pg->dir, NULL });
	for (int64_t end = now_ms() + 60000; !is_up(pg); nap())
		ck_assert_msg(now_ms() < end && spawn_wait(pg->pid, 0) == -1,
		    "PostgreSQL does not start: %.2000s", slurp(pg->log));
}

void
pg_stop(struct pg *pg)
{
	if (!pg->pid)
		return;
	kill(pg->pid, SIGINT);
	ck_assert_int_ne(spawn_wait(pg->pid, 20000), -1);
	pg->pid = 0;
}

void
pg_kill(struct pg *pg)
{
	pid_t kids[256];
	int n = spawn_kids(pg->pid, kids, 256);

	kill(pg->pid, SIGKILL);
	for (int i = 0; i < n && i < 256; i++)
		kill(kids[i], SIGKILL);
	ck_assert_int_ne(spawn_wait(pg->pid, 10000), -1);
	for (int i = 0; i < n && i < 256; i++)
		UNTIL(10000, !is_alive(kids[i]));
	unlink(text("%s/postmaster.pid", pg->dir));
	pg->pid = 0;
}

void
pg_free(struct pg *pg)
{
	if (!pg)
		return;
	pg_stop(pg);
	free(pg);
}

static const char *
ask(struct pg *pg, const char *sql)
{
	PGresult *r = PQexec(admin(pg), sql);
	const char *out;

	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK ||
		PQresultStatus(r) == PGRES_COMMAND_OK,
	    "%s: %s", sql, PQresultErrorMessage(r));
	out = PQntuples(r) ? text("%s", PQgetvalue(r, 0, 0)) : "";
	PQclear(r);
	return out;
}

const char *
pg_ask(struct pg *pg, const char *fmt, ...)
{
	char sql[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sql, sizeof(sql), fmt, ap);
	va_end(ap);
	return ask(pg, sql);
}

const char *
pg_secret(struct pg *pg, const char *role)
{
	return pg_ask(
	    pg, "SELECT rolpassword FROM pg_authid WHERE rolname = '%s'", role);
}

long
pg_num(struct pg *pg, const char *fmt, ...)
{
	char sql[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sql, sizeof(sql), fmt, ap);
	va_end(ap);
	return strtol(ask(pg, sql), NULL, 10);
}

#define OTHERS                                                         \
	"FROM pg_stat_activity WHERE backend_type = 'client backend' " \
	"AND pid <> pg_backend_pid() AND (%s)"

int
pg_backends(struct pg *pg, const char *where)
{
	return (int)pg_num(pg, "SELECT count(*) " OTHERS, where);
}

const char *
pg_pids(struct pg *pg, const char *where)
{
	return pg_ask(pg,
	    "SELECT string_agg(pid::text, ' ' ORDER BY pid) " OTHERS, where);
}

int
pg_terminate(struct pg *pg, const char *where)
{
	return (int)pg_num(
	    pg, "SELECT count(pg_terminate_backend(pid)) " OTHERS, where);
}
