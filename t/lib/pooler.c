/*
 * pooler.c - run the pooler under test.
 */
#include "t/lib/pooler.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

enum { DATABASES, USERS, SETTINGS, SECRETS };

#define CANCEL_REQUEST 80877102

/*
 * The binary as an ordinary user can run it: for root a copy, because the
 * tree may lie where nobody else may go.
 */
const char *
pooler_bin(void)
{
	static char path[4096];
	const char *bin = getenv("POOLER_BIN"), *from;

	if (*path)
		return path;
	bin = bin && *bin ? bin : "build/pooler";
	ck_assert_msg(access(bin, X_OK) == 0 && realpath(bin, path),
	    "%s is not there", bin);
	if (getuid() != 0)
		return path;
	from = text("%s", path);
	snprintf(
	    path, sizeof(path), "%s/pooler-%d", spawn_dir(), (int)getpid());
	ck_assert_int_eq(spawn_run(&(struct spawn){ .same_user = true },
			     (const char *const[]){ "cp", from, path, NULL }),
	    0);
	ck_assert_int_eq(chmod(path, 0755), 0);
	return path;
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif

bool
is_sanitized(void)
{
#if __has_feature(address_sanitizer) || defined(__SANITIZE_ADDRESS__)
	return true;
#else
	return false;
#endif
}

bool
is_standin(void)
{
	const char *bin = getenv("POOLER_BIN");

	return bin && strstr(bin, "pgbouncer") != NULL;
}

static void
add(struct pooler *p, int part, const char *fmt, va_list ap)
{
	char line[4096];
	size_t old = p->text[part] ? strlen(p->text[part]) : 0;
	int n = vsnprintf(line, sizeof(line), fmt, ap);

	ck_assert_int_lt(n, (int)sizeof(line));
	p->text[part] = realloc(p->text[part], old + (size_t)n + 2);
	ck_assert_ptr_nonnull(p->text[part]);
	sprintf(p->text[part] + old, "%s\n", line);
}

void
pooler_db(struct pooler *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(p, DATABASES, fmt, ap);
	va_end(ap);
}

void
pooler_user(struct pooler *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(p, USERS, fmt, ap);
	va_end(ap);
}

void
pooler_set(struct pooler *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(p, SETTINGS, fmt, ap);
	va_end(ap);
}

static void
add_secret(struct pooler *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(p, SECRETS, fmt, ap);
	va_end(ap);
}

void
pooler_auth(struct pooler *p, const char *user, const char *secret)
{
	add_secret(p, "\"%s\" \"%s\"", user, secret);
}

void
pooler_workers(struct pooler *p, int n)
{
	if (!is_standin())
		pooler_set(p, "workers = %d", n);
}

bool
pooler_says(const char *line)
{
	const char *bin = getenv("POOLER_BIN");
	char command[4096], out[256];
	bool is_said = false;
	FILE *f;

	/* before the tests run, so without pooler_bin() */
	snprintf(command, sizeof(command), "'%s' -V",
	    bin && *bin ? bin : "build/pooler");
	f = popen(command, "r");
	while (f != NULL && fgets(out, sizeof(out), f) != NULL)
		is_said |= strncmp(out, line, strlen(line)) == 0;
	if (f != NULL)
		pclose(f);
	return is_said;
}

struct pooler *
pooler_new(void)
{
	static int serial;
	struct pooler *p = calloc(1, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	snprintf(p->dir, sizeof(p->dir), "%s",
	    spawn_subdir(text("p%d-%d", (int)getpid(), serial++)));
	snprintf(p->conf, sizeof(p->conf), "%s/pooler.conf", p->dir);
	snprintf(p->log, sizeof(p->log), "%s/log", p->dir);
	p->port = spawn_port();
	for (int i = 0; i < 4; i++)
		p->text[i] = strdup("");
	if (pg) {
		pooler_db(p, "app = host=127.0.0.1 port=%d", pg->port);
		pooler_db(p, "app2 = host=127.0.0.1 port=%d", pg->port);
	}
	pooler_set(p, "listen_addr = 127.0.0.1\nlisten_port = %d", p->port);
	pooler_set(p, "unix_socket_dir = %s", p->dir);
	pooler_set(p, "auth_file = %s/users", p->dir);
	pooler_set(p, "auth_type = trust\npool_mode = transaction");
	pooler_set(p, "admin_users = admin\nstats_users = stats");
	pooler_workers(p, 2);
	for (const char *const *u =
		 (const char *const[]){ "app", "app2", "app3", NULL };
	     *u; u++)
		pooler_auth(p, *u, "");
	pooler_auth(p, "admin", "console");
	pooler_auth(p, "stats", "console");
	return p;
}

void
pooler_write(struct pooler *p)
{
	size_t len = strlen(p->text[DATABASES]) + strlen(p->text[USERS]) +
	    strlen(p->text[SETTINGS]) + 64;
	char *all = malloc(len);

	ck_assert_ptr_nonnull(all);
	snprintf(all, len, "[databases]\n%s\n[users]\n%s\n[pgbouncer]\n%s",
	    p->text[DATABASES], p->text[USERS], p->text[SETTINGS]);
	spew(p->conf, all);
	spew(text("%s/users", p->dir), p->text[SECRETS]);
	free(all);
}

/*
 * Does a worker take clients?  Ours cancels with a key that nobody has: when
 * it is at its end it counts as a client no more, wherever that is looked at.
 */
static bool
is_up(const struct pooler *p)
{
	struct wire *w =
	    wire_try(p->host != NULL ? p->host : "127.0.0.1", p->port);

	if (w == NULL)
		return false;
	wire_put(w, 0, "iii", CANCEL_REQUEST, 0, 0);
	while (wire_recv(w, WIRE_MS) != 0)
		;
	wire_free(w);
	return true;
}

void
pooler_start(struct pooler *p)
{
	const char *env[8] = { "ASAN_OPTIONS=detect_leaks=1:abort_on_error=0" };

	for (int i = 0; p->env && p->env[i]; i++)
		env[i + 1] = p->env[i];
	pooler_write(p);
	p->pid = spawn(
	    &(struct spawn){
		.out = p->log, .env = env, .death_signal = SIGQUIT },
	    (const char *const[]){ pooler_bin(), p->conf, NULL });
	for (int64_t end = now_ms() + 30000; !is_up(p); nap()) {
		int status = spawn_wait(p->pid, 0);

		if (status == -1 && now_ms() < end)
			continue;
		ck_abort_msg(
		    "no start (status %d): %.2000s", status, slurp(p->log));
	}
}

int
pooler_exec(struct pooler *p, const char *const *args)
{
	const char *argv[16] = { pooler_bin() };
	int n = 1;

	while (*args && n < 15)
		argv[n++] = *args++;
	return spawn_run(&(struct spawn){ .out = p->log }, argv);
}

struct pooler *
pooler_with(const char *setting)
{
	struct pooler *p = pooler_new();

	pooler_set(p, "%s", setting);
	pooler_start(p);
	return p;
}

static void
look(struct pooler *p)
{
	static const char *const bad[] = { "AddressSanitizer", "LeakSanitizer",
		"runtime error:", "Assertion", "BROKEN", NULL };
	static const char *const severe[] = { " ERROR ", " FATAL ", NULL };
	char *log = slurp(p->log);

	for (int i = 0; bad[i]; i++)
		ck_assert_msg(!strstr(log, bad[i]), "%s: %.3000s", p->log,
		    strstr(log, bad[i]));
	for (int i = 0; severe[i] && !p->errors_ok && !is_standin(); i++)
		ck_assert_msg(!strstr(log, severe[i]), "%s:%.500s", p->log,
		    strstr(log, severe[i]));
	free(log);
}

void
pooler_gone(struct pooler *p, int code)
{
	int status = spawn_wait(p->pid, 15000);

	ck_assert_msg(status != -1, "the pooler does not end");
	look(p);
	ck_assert_msg(WIFEXITED(status) || is_standin(),
	    "the pooler died of signal %d", WTERMSIG(status));
	if (!is_standin())
		ck_assert_int_eq(WEXITSTATUS(status), code);
	for (int i = 0; i < 4; i++)
		free(p->text[i]);
	free(p);
}

void
pooler_stop(struct pooler *p)
{
	pid_t kids[POOLER_KIDS];
	int n = spawn_kids(p->pid, kids, POOLER_KIDS);

	ck_assert_int_le(n, POOLER_KIDS);
	kill(p->pid, SIGQUIT);
	pooler_gone(p, 0);
	for (int i = 0; i < n; i++)
		UNTIL(3000, !is_alive(kids[i]));
}

void
pooler_reload(struct pooler *p)
{
	PGconn *c = pooler_console(p, "admin");

	pooler_write(p);
	sql_do(c, "RELOAD");
	PQfinish(c);
}

const char *
pooler_at(const struct pooler *p, const char *more)
{
	return text("host=127.0.0.1 port=%d user=app dbname=app sslmode=disable"
		    " gssencmode=disable connect_timeout=20 %s",
	    p->port, more);
}

PGconn *
pooler_conn(const struct pooler *p, const char *more)
{
	return sql_open(pooler_at(p, more));
}

struct wire *
wire_to(const struct pooler *p)
{
	struct wire *w = wire_open("127.0.0.1", p->port);

	wire_login(w, "app", "app");
	return w;
}

PGconn *
pooler_console(const struct pooler *p, const char *user)
{
	return sql_open(pooler_at(p,
	    text("dbname=pgbouncer user=%s "
		 "password=console",
		user)));
}

long
pooler_show(PGconn *console, const char *what, const char *key, const char *val,
    const char *col)
{
	PGresult *r = PQexec(console, text("SHOW %s", what));
	int kcol = PQfnumber(r, key), vcol = PQfnumber(r, col);
	long n = -1;

	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "SHOW %s: %s", what,
	    PQresultErrorMessage(r));
	ck_assert_msg(
	    kcol >= 0 && vcol >= 0, "SHOW %s: no %s or %s", what, key, col);
	for (int i = 0; i < PQntuples(r) && n == -1; i++)
		if (!strcmp(PQgetvalue(r, i, kcol), val))
			n = strtol(PQgetvalue(r, i, vcol), NULL, 10);
	PQclear(r);
	return n;
}

static long
cell(const PGresult *r, int row, const char *col)
{
	int at = PQfnumber(r, col);

	ck_assert_msg(at >= 0, "SHOW WORKERS has no %s", col);
	return strtol(PQgetvalue(r, row, at), NULL, 10);
}

static int
look_once(PGconn *console, struct pooler_worker *w, int max)
{
	PGresult *r = PQexec(console, "SHOW WORKERS");
	int n = 0, kind = PQfnumber(r, "kind"), state = PQfnumber(r, "state");
	bool all_run = true;

	ck_assert_msg(kind >= 0, "SHOW WORKERS: %s", PQresultErrorMessage(r));
	for (int i = 0; i < PQntuples(r) && n < max; i++) {
		if (strcmp(PQgetvalue(r, i, kind), "worker") != 0)
			continue;
		w[n].pid = (pid_t)cell(r, i, "pid");
		w[n].clients = cell(r, i, "clients");
		w[n].restarts = cell(r, i, "restarts");
		all_run &= w[n++].pid > 1 &&
		    strcmp(PQgetvalue(r, i, state), "running") == 0;
	}
	PQclear(r);
	return all_run ? n : 0;
}

int
pooler_look(PGconn *console, struct pooler_worker *w, int max)
{
	int n;

	UNTIL(10000, (n = look_once(console, w, max)) > 0);
	return n;
}

int
pooler_pids(PGconn *console, pid_t *pids, int max)
{
	struct pooler_worker w[64];
	int n = pooler_look(console, w, max < 64 ? max : 64);

	for (int i = 0; i < n; i++)
		pids[i] = w[i].pid;
	return n;
}

pid_t
pooler_resolver(const struct pooler *p)
{
	PGconn *c = pooler_console(p, "admin");
	PGresult *r = PQexec(c, "SHOW WORKERS");
	pid_t pid = 0;

	for (int i = 0; i < PQntuples(r); i++)
		if (strcmp(PQgetvalue(r, i, PQfnumber(r, "kind")),
			"resolver") == 0)
			pid =
			    (pid_t)atol(PQgetvalue(r, i, PQfnumber(r, "pid")));
	PQclear(r);
	PQfinish(c);
	return pid;
}

long
pooler_rss_kb(const struct pooler *p)
{
	pid_t kids[POOLER_KIDS];
	int n = spawn_kids(p->pid, kids, POOLER_KIDS);
	long kb = spawn_rss_kb(p->pid);

	for (int i = 0; i < n && i < POOLER_KIDS; i++)
		kb += spawn_rss_kb(kids[i]);
	return kb;
}
