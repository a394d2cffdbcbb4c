/*
 * app_libpq_session.c - what a session keeps from one query to the next.
 */
#include "t/clients/app_libpq.h"

#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

static const char *
wait_note(struct member *m, PGnotify **note)
{
	time_t end = time(NULL) + WAIT_S;

	while ((*note = PQnotifies(m->c)) == NULL) {
		struct pollfd p = { PQsocket(m->c), POLLIN, 0 };

		MUST(m, time(NULL) < end);
		MUST(m, poll(&p, 1, 1000) >= 0);
		MUST(m, PQconsumeInput(m->c) == 1);
	}
	return NULL;
}

/* My neighbour's notes: sent by a connection, heard by an idle one. */
const char *
listen_notify(struct member *m)
{
	PGconn *other = PQconnectdb("");
	const char *why = NULL;

	if (PQstatus(other) != CONNECTION_OK)
		why = bad(m, "%s", PQerrorMessage(other));
	else
		why = run(m, words("LISTEN room%d", m->n).s);
	for (int i = 0; i < ROUNDS && !why; i++) {
		struct words t = token("note");
		PGnotify *note = NULL;

		PQclear(
		    PQexec(other, words("NOTIFY room%d, '%s'", m->n, t.s).s));
		why = wait_note(m, &note);
		if (!why && strcmp(note->extra, t.s) != 0)
			why = bad(m, "note '%s', not '%s'", note->extra, t.s);
		PQfreemem(note);
	}
	PQfinish(other);
	TRY(why);
	return run(m, "UNLISTEN *");
}

const char *
set(struct member *m)
{
	struct words t = token("set"), place = words("s%d", m->n % 4);

	TRY(run(m, words("SET application_name = '%s'", t.s).s));
	TRY(run(m, words("SET search_path = %s, \"$user\"", place.s).s));
	for (int i = 0; i < ROUNDS; i++) {
		TRY(same(m, "SHOW application_name", t.s));
		TRY(same(m, "SELECT name FROM place", place.s));
		MUST(m,
		    strcmp(PQparameterStatus(m->c, "application_name"), t.s) ==
			0);
	}
	TRY(run(m, "RESET ALL"));
	TRY(fails(m, "SELECT name FROM place", "42P01"));
	return same(m, "SHOW application_name", "");
}

const char *
startup(struct member *m)
{
	struct words name = words("start %d", m->n);
	struct words mem = words("%dkB", 1100 + m->n);
	PGconn *old = m->c;
	const char *why = NULL;

	m->c = PQconnectdb(words("application_name='%s' options='-c "
				 "work_mem=%s -c app.odd=a\\\\ b'",
	    name.s, mem.s)
			       .s);
	if (PQstatus(m->c) != CONNECTION_OK)
		why = bad(m, "%s", PQerrorMessage(m->c));
	for (int i = 0; i < ROUNDS && !why; i++) {
		why = same(m, "SHOW application_name", name.s);
		if (!why)
			why = same(m, "SHOW work_mem", mem.s);
		if (!why)
			why = same(m, "SHOW app.odd", "a b");
	}
	PQfinish(m->c);
	m->c = old;
	return why;
}

const char *
temporary(struct member *m)
{
	struct words t = token("temp");

	TRY(run(m, "CREATE TEMP TABLE basket (v text)"));
	TRY(run(m, words("INSERT INTO basket VALUES ('%s')", t.s).s));
	for (int i = 0; i < ROUNDS; i++)
		TRY(same(m, "SELECT v FROM basket", t.s));
	return run(m, "DROP TABLE basket");
}

const char *
advisory(struct member *m)
{
	struct words t = words("%d", 4500 + m->n);

	TRY(same(m, words("SELECT pg_advisory_lock(%s)", t.s).s, ""));
	for (int i = 0; i < ROUNDS; i++)
		TRY(same(m,
		    words("SELECT count(*) FROM pg_locks WHERE locktype "
			  "= 'advisory' AND objid = %s AND pid = "
			  "pg_backend_pid()",
			t.s)
			.s,
		    "1"));
	TRY(same(m, words("SELECT pg_advisory_unlock(%s)", t.s).s, "t"));
	return same(m, words("SELECT pg_advisory_unlock(%s)", t.s).s, "f");
}

const char *
sql_prepare(struct member *m)
{
	TRY(run(m, words("PREPARE plan (text) AS SELECT $1 || ' %d'", m->n).s));
	for (int i = 0; i < ROUNDS; i++) {
		struct words t = token("plan");

		TRY(same(m, words("EXECUTE plan('%s')", t.s).s,
		    words("%s %d", t.s, m->n).s));
		/* by the protocol, under the same name */
		TRY(echo(m, "plan", t.s, words("%s %d", t.s, m->n).s));
	}
	TRY(run(m, "DEALLOCATE plan"));
	return fails(m, "EXECUTE plan('x')", "26000");
}

const char *
held(struct member *m)
{
	struct words t = token("held");

	TRY(run(m,
	    words("DECLARE walk CURSOR WITH HOLD FOR SELECT '%s-' || i "
		  "FROM generate_series(1, 9) i",
		t.s)
		.s));
	for (int i = 1; i < 10; i++)
		TRY(same(m, "FETCH walk", words("%s-%d", t.s, i).s));
	return run(m, "CLOSE walk");
}

/* Another one cancels it when it runs for certain. */
static const char *
wait_sleeper(struct member *m, PGconn *other, const char *mine)
{
	time_t end = time(NULL) + WAIT_S;
	struct words sql = words("SELECT count(*) FROM pg_stat_activity WHERE "
				 "state = 'active' AND pid <> pg_backend_pid() "
				 "AND query LIKE '%%%s%%'",
	    mine);

	for (bool runs = false; !runs;) {
		PGresult *r = PQexec(other, sql.s);

		runs = PQresultStatus(r) == PGRES_TUPLES_OK &&
		    strcmp(PQgetvalue(r, 0, 0), "1") == 0;
		PQclear(r);
		MUST(m, time(NULL) < end);
	}
	return NULL;
}

const char *
cancel(struct member *m)
{
	struct words t = token("sleep");
	PGconn *other;
	PGcancel *handle;
	const char *why;
	char said[256];
	int done;

	if (m->n >= 2)
		return NULL;
	MUST(
	    m, PQsendQuery(m->c, words("SELECT pg_sleep(30) /* %s */", t.s).s));
	other = PQconnectdb("");
	why = wait_sleeper(m, other, t.s);
	PQfinish(other);
	TRY(why);
	handle = PQgetCancel(m->c);
	MUST(m, handle != NULL);
	done = PQcancel(handle, said, sizeof(said));
	PQfreeCancel(handle);
	MUST(m, done == 1);
	TRY(is_status(m, PQgetResult(m->c), PGRES_FATAL_ERROR, "57014"));
	MUST(m, PQgetResult(m->c) == NULL);
	return same(m, "SELECT 4", "4");
}

const char *
after(struct member *m)
{
	struct words t = token("after");

	return same(m, words("SELECT '%s'", t.s).s, t.s);
}
