/*
 * sql.h - libpq in few words.  What goes wrong ends the test.
 */
#ifndef T_LIB_SQL_H
#define T_LIB_SQL_H

#include <libpq-fe.h>
#include <stdbool.h>

/* Connected, or the test fails. */
PGconn *sql_open(const char *conninfo);
/* The connection is refused with an error that contains `why`. */
void sql_refused(const char *conninfo, const char *why);

/* Run to success; a result set is thrown away. */
void
sql_do(PGconn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* First column of the first row ("" if there is none). */
const char *
sql_one(PGconn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
long
sql_num(PGconn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Fails with this SQLSTATE. */
void sql_fails(PGconn *c, const char *sqlstate, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same as an extended query with one text parameter. */
const char *sql_param(PGconn *c, const char *query, const char *param);
/* A value of `len` bytes comes back as it went, and then 50000 rows come. */
void sql_large(PGconn *c, size_t len);

/* Send without waiting for the answer. */
void
sql_send(PGconn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Has an answer come in, within `ms`? */
bool sql_is_ready(PGconn *c, int ms);
/* The answer to sql_send(): first column of the first row. */
const char *sql_get(PGconn *c);
/* The answer is an error; returns its text. */
const char *sql_get_error(PGconn *c);
/* The connection is closed by the other side, within `ms`. */
void sql_closed(PGconn *c, int ms);
int sql_backend(PGconn *c);

#endif
