/*
 * app_libpq.h - what the parts of app_libpq share: a member of the crowd, its
 * steps, and how to say that something is not as it should be.
 */
#ifndef T_CLIENTS_APP_LIBPQ_H
#define T_CLIENTS_APP_LIBPQ_H

#include <libpq-fe.h>
#include <pthread.h>

enum { ROUNDS = 8, TEXT_MAX = 512, WAIT_S = 15 };

struct member {
	int n;
	PGconn *c;
	pthread_t thread;
	const char *why; /* NULL: the step went well */
	char said[TEXT_MAX];
};

/* NULL, or what went wrong; the connection is replaced then. */
typedef const char *step_fn(struct member *m);

/* app_libpq_plain.c */
step_fn simple, prepared, large, single_row, copy, large_object;
/* app_libpq_pipe.c */
step_fn pipeline, pipeline_error, pipeline_flush, pipeline_transaction;
/* app_libpq_session.c */
step_fn listen_notify, set, startup, temporary, advisory, sql_prepare, held,
    cancel, after;

/* The fault, kept where the member is. */
const char *bad(struct member *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define MUST(m, cond)                                                     \
	do {                                                              \
		if (!(cond))                                              \
			return bad(m, "line %d: %s: %s", __LINE__, #cond, \
			    PQerrorMessage((m)->c));                      \
	} while (0)

#define TRY(call)                        \
	do {                             \
		const char *why_ = call; \
		if (why_)                \
			return why_;     \
	} while (0)

struct words {
	char s[TEXT_MAX];
};

struct words words(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What nobody else sends. */
struct words token(const char *what);

/* Ends `r`: does it have one row whose first column is `want`? */
const char *is_value(struct member *m, PGresult *r, const char *want);
/* Ends `r`: is it of that status, and for an error, of that SQLSTATE? */
const char *is_status(
    struct member *m, PGresult *r, ExecStatusType want, const char *state);
/* Execute the prepared statement `name` with one value. */
const char *
echo(struct member *m, const char *name, const char *value, const char *want);

/* One query: its value; no result; its error. */
const char *same(struct member *m, const char *sql, const char *want);
const char *run(struct member *m, const char *sql);
const char *fails(struct member *m, const char *sql, const char *state);

#endif
