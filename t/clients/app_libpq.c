/*
 * app_libpq.c - libpq as an application in C uses it, above all its pipeline
 * mode: a thread and a connection a member.
 *
 * Stands on libpq alone, not on t/lib: whatever it shows is libpq's conduct.
 */
#include "t/clients/app_libpq.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CROWD_MAX = 500 };

static struct member crowd[CROWD_MAX];
static int crowd_size = 24;
static atomic_int serial;

const char *
bad(struct member *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m->said, sizeof(m->said), fmt, ap);
	va_end(ap);
	for (char *p = m->said; *p; p++)
		if (*p == '\n')
			*p = ' ';
	return m->said;
}

struct words
words(const char *fmt, ...)
{
	struct words w;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w.s, sizeof(w.s), fmt, ap);
	va_end(ap);
	return w;
}

struct words
token(const char *what)
{
	return words("%s-%d-%d", what, (int)getpid(), ++serial);
}

const char *
is_value(struct member *m, PGresult *r, const char *want)
{
	const char *why = NULL;

	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		why = bad(m, "%s for '%s'", PQresultErrorMessage(r), want);
	else if (PQntuples(r) != 1)
		why = bad(m, "%d rows for '%s'", PQntuples(r), want);
	else if (strcmp(PQgetvalue(r, 0, 0), want) != 0)
		why = bad(m, "'%.100s' is not '%s'", PQgetvalue(r, 0, 0), want);
	PQclear(r);
	return why;
}

const char *
is_status(struct member *m, PGresult *r, ExecStatusType want, const char *state)
{
	const char *got = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *why = NULL;

	if (PQresultStatus(r) != want)
		why = bad(m, "%s, not %s: %s", PQresStatus(PQresultStatus(r)),
		    PQresStatus(want), PQresultErrorMessage(r));
	else if (state && (!got || strcmp(got, state) != 0))
		why = bad(m, "SQLSTATE %s, not %s", got ? got : "-", state);
	PQclear(r);
	return why;
}

const char *
same(struct member *m, const char *sql, const char *want)
{
	return is_value(m, PQexec(m->c, sql), want);
}

const char *
run(struct member *m, const char *sql)
{
	return is_status(m, PQexec(m->c, sql), PGRES_COMMAND_OK, NULL);
}

const char *
fails(struct member *m, const char *sql, const char *state)
{
	return is_status(m, PQexec(m->c, sql), PGRES_FATAL_ERROR, state);
}

const char *
echo(struct member *m, const char *name, const char *value, const char *want)
{
	return is_value(
	    m, PQexecPrepared(m->c, name, 1, &value, NULL, NULL, 0), want);
}

#define STEP(name)          \
	{                   \
#name, name \
	}

static const struct {
	const char *name;
	step_fn *fn;
} steps[] = { STEP(simple), STEP(prepared), STEP(large), STEP(single_row),
	STEP(pipeline), STEP(pipeline_error), STEP(pipeline_flush),
	STEP(pipeline_transaction), STEP(copy), STEP(large_object),
	STEP(listen_notify), STEP(set), STEP(startup), STEP(temporary),
	STEP(advisory), STEP(sql_prepare), STEP(held), STEP(cancel),
	STEP(after) };

enum { STEPS = sizeof(steps) / sizeof(*steps) };

/* --- the crowd -------------------------------------------------------------------- */

static step_fn *now_fn;

static void
on_notice(void *unused, const char *message)
{
	(void)unused;
	(void)message;
}

static void *
on_thread(void *arg)
{
	struct member *m = arg;

	m->why = now_fn(m);
	return NULL;
}

static void
meet(struct member *m)
{
	m->c = PQconnectdb("connect_timeout=20");
	PQsetNoticeProcessor(m->c, on_notice, NULL);
	if (PQstatus(m->c) == CONNECTION_OK)
		return;
	printf("FAIL connect: %s", PQerrorMessage(m->c));
	exit(EXIT_FAILURE);
}

static void
do_step(const char *name, step_fn *fn)
{
	const char *why = NULL;
	int failed = 0;

	now_fn = fn;
	for (int i = 0; i < crowd_size; i++)
		if (pthread_create(
			&crowd[i].thread, NULL, on_thread, &crowd[i]) != 0)
			abort();
	for (int i = 0; i < crowd_size; i++) {
		pthread_join(crowd[i].thread, NULL);
		if (!crowd[i].why)
			continue;
		failed++;
		why = why ? why : crowd[i].why;
		PQfinish(crowd[i].c);
		meet(&crowd[i]);
	}
	if (failed == 0)
		printf("ok %s\n", name);
	else
		printf(
		    "FAIL %s: %d of %d: %s\n", name, failed, crowd_size, why);
}

/* Is it one of the words, or are there none? */
static bool
is_chosen(const char *name)
{
	const char *only = getenv("APP_ONLY"), *at = only;
	size_t len = strlen(name);

	if (!only || !*only)
		return true;
	for (; (at = strstr(at, name)) != NULL; at += len)
		if ((at == only || at[-1] == ' ') &&
		    (at[len] == '\0' || at[len] == ' '))
			return true;
	return false;
}

int
main(void)
{
	const char *size = getenv("APP_CROWD");
	int plan = 1;

	if (size)
		crowd_size = atoi(size);
	if (crowd_size < 1 || crowd_size > CROWD_MAX) {
		printf("APP_CROWD: 1 to %d\n", CROWD_MAX);
		return EXIT_FAILURE;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < STEPS; i++)
		plan += is_chosen(steps[i].name);
	printf("plan %d\n", plan);
	for (int i = 0; i < crowd_size; i++) {
		crowd[i].n = i;
		meet(&crowd[i]);
	}
	printf("ok connect\n");
	for (int i = 0; i < STEPS; i++)
		if (is_chosen(steps[i].name))
			do_step(steps[i].name, steps[i].fn);
	for (int i = 0; i < crowd_size; i++)
		PQfinish(crowd[i].c);
	return EXIT_SUCCESS;
}
