/*
 * sql.c - libpq in few words.
 */
#include "t/lib/sql.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/spawn.h"

static const char *
vtext(const char *fmt, va_list ap)
{
	char buf[4096];

	ck_assert_int_lt(
	    vsnprintf(buf, sizeof(buf), fmt, ap), (int)sizeof(buf));
	return text("%s", buf);
}

static void
no_notice(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

PGconn *
sql_open(const char *conninfo)
{
	PGconn *c = PQconnectdb(conninfo);

	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s: %s", conninfo,
	    PQerrorMessage(c));
	PQsetNoticeReceiver(c, no_notice, NULL);
	return c;
}

void
sql_refused(const char *conninfo, const char *why)
{
	PGconn *c = PQconnectdb(conninfo);

	ck_assert_msg(PQstatus(c) != CONNECTION_OK, "%s: let in", conninfo);
	ck_assert_msg(strstr(PQerrorMessage(c), why) != NULL,
	    "%s: expected \"%s\", got \"%s\"", conninfo, why,
	    PQerrorMessage(c));
	PQfinish(c);
}

static const char *
first(PGresult *r)
{
	const char *out = "";

	if (PQntuples(r) > 0 && PQnfields(r) > 0)
		out = text("%.4000s", PQgetvalue(r, 0, 0));
	PQclear(r);
	return out;
}

static const char *
good(PGresult *r, const char *sql)
{
	ExecStatusType st = PQresultStatus(r);

	ck_assert_msg(st == PGRES_TUPLES_OK || st == PGRES_COMMAND_OK ||
		st == PGRES_EMPTY_QUERY,
	    "%.200s: %s", sql, PQresultErrorMessage(r));
	return first(r);
}

void
sql_do(PGconn *c, const char *fmt, ...)
{
	const char *sql;
	va_list ap;

	va_start(ap, fmt);
	sql = vtext(fmt, ap);
	va_end(ap);
	good(PQexec(c, sql), sql);
}

const char *
sql_one(PGconn *c, const char *fmt, ...)
{
	const char *sql;
	va_list ap;

	va_start(ap, fmt);
	sql = vtext(fmt, ap);
	va_end(ap);
	return good(PQexec(c, sql), sql);
}

long
sql_num(PGconn *c, const char *fmt, ...)
{
	const char *sql;
	va_list ap;

	va_start(ap, fmt);
	sql = vtext(fmt, ap);
	va_end(ap);
	return strtol(good(PQexec(c, sql), sql), NULL, 10);
}

void
sql_fails(PGconn *c, const char *sqlstate, const char *fmt, ...)
{
	const char *sql, *got;
	PGresult *r;
	va_list ap;

	va_start(ap, fmt);
	sql = vtext(fmt, ap);
	va_end(ap);
	r = PQexec(c, sql);
	got = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	ck_assert_msg(got && !strcmp(got, sqlstate),
	    "%s: expected %s, got %s: %s", sql, sqlstate, got ? got : "none",
	    PQresultErrorMessage(r));
	PQclear(r);
}

const char *
sql_param(PGconn *c, const char *query, const char *param)
{
	return good(
	    PQexecParams(c, query, 1, NULL, &param, NULL, NULL, 0), query);
}

void
sql_large(PGconn *c, size_t len)
{
	char *big = malloc(len + 1);
	const char *param = big;
	PGresult *r;

	ck_assert_ptr_nonnull(big);
	for (size_t i = 0; i < len; i++)
		big[i] = (char)('a' + i % 23);
	big[len] = '\0';
	r = PQexecParams(c, "SELECT $1::text", 1, NULL, &param, NULL, NULL, 0);
	ck_assert_msg(
	    PQresultStatus(r) == PGRES_TUPLES_OK, "%s", PQerrorMessage(c));
	ck_assert_str_eq(PQgetvalue(r, 0, 0), big);
	PQclear(r);
	free(big);
	r = PQexec(c, "SELECT i FROM generate_series(1, 50000) i");
	ck_assert_int_eq(PQntuples(r), 50000);
	ck_assert_str_eq(PQgetvalue(r, 49999, 0), "50000");
	PQclear(r);
}

void
sql_send(PGconn *c, const char *fmt, ...)
{
	const char *sql;
	va_list ap;

	va_start(ap, fmt);
	sql = vtext(fmt, ap);
	va_end(ap);
	ck_assert_msg(PQsendQuery(c, sql), "%s: %s", sql, PQerrorMessage(c));
}

bool
sql_is_ready(PGconn *c, int ms)
{
	int64_t end = now_ms() + ms;

	for (;;) {
		struct pollfd p = { .fd = PQsocket(c), .events = POLLIN };
		int64_t left = end - now_ms();

		if (!PQconsumeInput(c) || !PQisBusy(c))
			return true;
		if (left < 0)
			return false;
		poll(&p, 1, (int)left + 1);
	}
}

/* The last result of a query, or the first that is an error. */
static PGresult *
collect(PGconn *c)
{
	PGresult *r = NULL, *next;

	while ((next = PQgetResult(c)) != NULL) {
		if (r && PQresultStatus(r) == PGRES_FATAL_ERROR) {
			PQclear(next);
			continue;
		}
		PQclear(r);
		r = next;
	}
	return r;
}

const char *
sql_get(PGconn *c)
{
	return good(collect(c), "answer");
}

const char *
sql_get_error(PGconn *c)
{
	PGresult *r = collect(c);
	const char *out = text("%s", PQresultErrorMessage(r));

	ck_assert_msg(PQresultStatus(r) == PGRES_FATAL_ERROR,
	    "no error but status %d", (int)PQresultStatus(r));
	PQclear(r);
	return out;
}

void
sql_closed(PGconn *c, int ms)
{
	int64_t end = now_ms() + patience(ms);

	while (PQconsumeInput(c)) {
		struct pollfd p = { .fd = PQsocket(c), .events = POLLIN };

		ck_assert_msg(now_ms() < end, "still open after %d ms", ms);
		poll(&p, 1, 50);
	}
}

int
sql_backend(PGconn *c)
{
	return (int)sql_num(c, "SELECT pg_backend_pid()");
}
