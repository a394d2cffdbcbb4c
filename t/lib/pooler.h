/*
 * pooler.h - configure, start, watch and stop the pooler under test.
 *
 * The binary is $POOLER_BIN (build/pooler).  It may be any program that takes
 * the same INI file, a "pgbouncer" say: is_standin() tells, and what only ours
 * can do is left out then, so that the tests themselves can be checked against another one.
 *
 * pooler_new() makes a directory with a configuration that has two workers,
 * transaction mode, trust, users app, app2, app3, admin (console) and stats
 * (console, SHOW only), and, if there is a PostgreSQL, its databases app and
 * app2.  What the test adds comes after it, and the last value wins.
 */
#ifndef T_LIB_POOLER_H
#define T_LIB_POOLER_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <sys/types.h>

#define POOLER_KIDS 80

struct pooler {
	pid_t pid; /* the supervisor */
	int port;
	bool errors_ok; /* ERROR lines in its log are expected */
	char dir[256];  /* its files, and its Unix socket */
	char conf[288], log[288];
	char *text[4]; /* [databases], [users], settings, auth_file */
	const char **env;
	const char *host; /* that it listens at; NULL: 127.0.0.1 */
};

bool is_standin(void);
/* Built with ASan, which keeps freed memory for a while. */
bool is_sanitized(void);
const char *pooler_bin(void);
/* Does -V say so, "ldap: yes" say? */
bool pooler_says(const char *line);

struct pooler *pooler_new(void);
/* One line each: for [databases], [users], [pgbouncer]. */
void pooler_db(struct pooler *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void pooler_user(struct pooler *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void pooler_set(struct pooler *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void pooler_workers(struct pooler *p, int n);
void pooler_auth(struct pooler *p, const char *user, const char *secret);
/* Write the files (again), without starting or reloading. */
void pooler_write(struct pooler *p);

/* Write, start, and return when it takes connections. */
void pooler_start(struct pooler *p);
/* Run `pooler ARGS... conf` in the foreground: its exit code. */
int pooler_exec(struct pooler *p, const char *const *args);
/* New, one setting line (may hold several, split by '\n'), started. */
struct pooler *pooler_with(const char *setting);
/*
 * Stop at once, and look: a clean exit, no child left, no report of a
 * sanitizer, no ERROR or FATAL line unless errors_ok.
 */
void pooler_stop(struct pooler *p);
/* After it was stopped in another way: the same look, for exit `code`. */
void pooler_gone(struct pooler *p, int code);
void pooler_reload(struct pooler *p);

/* A libpq connection string: app@app unless `more` says otherwise. */
const char *pooler_at(const struct pooler *p, const char *more);
/* Connected, or the test fails. */
PGconn *pooler_conn(const struct pooler *p, const char *more);
/* The same, byte by byte: logged in as app@app, up to ReadyForQuery. */
struct wire;
struct wire *wire_to(const struct pooler *p);
/* Connected to the console as `user`. */
PGconn *pooler_console(const struct pooler *p, const char *user);

/* A number of the row of a SHOW whose column `key` is `val`; -1: no row. */
long pooler_show(PGconn *console, const char *what, const char *key,
    const char *val, const char *col);
/*
 * What SHOW WORKERS says of the workers, by number; returns how many.  Waits
 * until all of them run: a pid can be given to kill(2).
 */
struct pooler_worker {
	pid_t pid;
	long clients, restarts;
};
int pooler_look(PGconn *console, struct pooler_worker *w, int max);
/* Their pids alone. */
int pooler_pids(PGconn *console, pid_t *pids, int max);
/* The resolver's; 0: there is none just now. */
pid_t pooler_resolver(const struct pooler *p);
/* Resident memory of the supervisor and all its children, kB. */
long pooler_rss_kb(const struct pooler *p);

#endif
