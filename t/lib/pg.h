/*
 * pg.h - a private PostgreSQL for the tests.
 *
 * initdb runs once: its directory, with the roles and databases below, is
 * kept in $POOLER_TEMPLATE (or in the program's own directory) and copied for
 * each server.  A server has its own port on 127.0.0.1, ::1 and a Unix socket
 * in its directory, no fsync, no autovacuum: every backend but our own is the
 * pooler's.
 *
 * Roles      postgres                superuser, trust
 *            app, app2, app3         trust
 *            plain_u md5_u scram_u   need PG_PASSWORD by that method
 * Databases  app, app2 (both owned by app), postgres
 */
#ifndef T_LIB_PG_H
#define T_LIB_PG_H

#include <stdbool.h>
#include <sys/types.h>

#define PG_PASSWORD "correct horse"

struct pg {
	pid_t pid; /* the postmaster; 0 when it does not run */
	int port;
	char dir[256];  /* data directory */
	char sock[256]; /* directory of the Unix socket */
	char log[256];
};

/* A new server, `max_connections` = `max` (0: 100). */
struct pg *pg_new(int max);
/* Start it (again); returns when it takes connections. */
void pg_start(struct pg *pg);
/* A fast stop: sessions are ended, files are closed. */
void pg_stop(struct pg *pg);
/* The postmaster and all backends at once, with SIGKILL. */
void pg_kill(struct pg *pg);
void pg_free(struct pg *pg);

/* A binary of PostgreSQL's, "initdb" say; NULL if there is none. */
const char *pg_bin(const char *name);

/*
 * Ask as superuser, past the pooler; the connection is not counted by
 * pg_backends().  The answer is the first column of the first row.
 */
const char *pg_ask(struct pg *pg, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The verifier, md5 or SCRAM, that it keeps of `role`. */
const char *pg_secret(struct pg *pg, const char *role);
long pg_num(struct pg *pg, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Client backends that satisfy `where` (columns of pg_stat_activity). */
int pg_backends(struct pg *pg, const char *where);
/* Their pids in ascending order, as text; "" for none. */
const char *pg_pids(struct pg *pg, const char *where);
/* End the backends that satisfy `where`; returns how many. */
int pg_terminate(struct pg *pg, const char *where);

#endif
