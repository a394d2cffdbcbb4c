/*
 * app_libpq_plain.c - one query after another, COPY, large objects.
 */
#include "t/clients/app_libpq.h"

#include <libpq/libpq-fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char *
simple(struct member *m)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct words t = token("simple");

		TRY(same(m, words("SELECT '%s'", t.s).s, t.s));
		TRY(same(m, words("SELECT 1; SELECT '%s'", t.s).s, t.s));
	}
	return NULL;
}

/* One name for all members, and a statement of its own for each. */
const char *
prepared(struct member *m)
{
	struct words sql = words("SELECT $1::text || ' of %d'", m->n);
	PGresult *r;

	TRY(is_status(m, PQprepare(m->c, "mine", sql.s, 0, NULL),
	    PGRES_COMMAND_OK, NULL));
	r = PQdescribePrepared(m->c, "mine");
	MUST(m, PQnparams(r) == 1 && PQparamtype(r, 0) == 25);
	PQclear(r);
	for (int i = 0; i < ROUNDS; i++) {
		struct words t = token("prepared");

		TRY(echo(m, "mine", t.s, words("%s of %d", t.s, m->n).s));
	}
	TRY(is_status(m, PQprepare(m->c, "mine", "SELECT 1", 0, NULL),
	    PGRES_FATAL_ERROR, "42P05"));
	TRY(echo(m, "mine", "x", words("x of %d", m->n).s));
	TRY(run(m, "DEALLOCATE mine"));
	return is_status(m,
	    PQexecPrepared(m->c, "mine", 0, NULL, NULL, NULL, 0),
	    PGRES_FATAL_ERROR, "26000");
}

/* More than any buffer in between, out and back. */
const char *
large(struct member *m)
{
	enum { LARGE = 3000000 };
	char *text;
	const char *value;
	PGresult *r;
	bool is_same;

	if (m->n >= 8)
		return NULL;
	text = malloc(LARGE + 1);
	MUST(m, text != NULL);
	memset(text, 'a' + m->n, LARGE);
	text[LARGE] = '\0';
	value = text;
	r = PQexecParams(
	    m->c, "SELECT $1::text || 'z'", 1, NULL, &value, NULL, NULL, 0);
	is_same = PQresultStatus(r) == PGRES_TUPLES_OK &&
	    PQgetlength(r, 0, 0) == LARGE + 1 &&
	    memcmp(PQgetvalue(r, 0, 0), text, LARGE) == 0;
	PQclear(r);
	free(text);
	MUST(m, is_same);
	return NULL;
}

const char *
single_row(struct member *m)
{
	struct words t = token("row");
	PGresult *r;
	int n = 0;

	MUST(m,
	    PQsendQuery(m->c,
		words("SELECT '%s' FROM "
		      "generate_series(1, 500)",
		    t.s)
		    .s) == 1);
	MUST(m, PQsetSingleRowMode(m->c) == 1);
	while ((r = PQgetResult(m->c)) != NULL) {
		if (PQresultStatus(r) == PGRES_SINGLE_TUPLE &&
		    strcmp(PQgetvalue(r, 0, 0), t.s) == 0)
			n++;
		PQclear(r);
	}
	MUST(m, n == 500);
	return NULL;
}

const char *
copy(struct member *m)
{
	struct words t = token("copy");
	char *row;
	int n = 0, len;

	TRY(is_status(
	    m, PQexec(m->c, "COPY kept FROM STDIN"), PGRES_COPY_IN, NULL));
	for (int i = 0; i < 2000; i++) {
		struct words line = words("%s-%04d\n", t.s, i);

		MUST(m, PQputCopyData(m->c, line.s, (int)strlen(line.s)) == 1);
	}
	MUST(m, PQputCopyEnd(m->c, NULL) == 1);
	TRY(is_status(m, PQgetResult(m->c), PGRES_COMMAND_OK, NULL));
	MUST(m, PQgetResult(m->c) == NULL);
	TRY(is_status(m,
	    PQexec(m->c,
		words("COPY (SELECT token FROM kept WHERE "
		      "token LIKE '%s-%%' ORDER BY token) TO STDOUT",
		    t.s)
		    .s),
	    PGRES_COPY_OUT, NULL));
	while ((len = PQgetCopyData(m->c, &row, 0)) > 0) {
		bool is_next = strcmp(row, words("%s-%04d\n", t.s, n++).s) == 0;

		PQfreemem(row);
		MUST(m, is_next);
	}
	MUST(m, len == -1 && n == 2000);
	TRY(is_status(m, PQgetResult(m->c), PGRES_COMMAND_OK, NULL));
	MUST(m, PQgetResult(m->c) == NULL);
	TRY(is_status(
	    m, PQexec(m->c, "COPY kept FROM STDIN"), PGRES_COPY_IN, NULL));
	MUST(m, PQputCopyEnd(m->c, "changed my mind") == 1);
	TRY(is_status(m, PQgetResult(m->c), PGRES_FATAL_ERROR, "57014"));
	MUST(m, PQgetResult(m->c) == NULL);
	return NULL;
}

/* They go by FunctionCall, a message that nobody else uses. */
const char *
large_object(struct member *m)
{
	struct words t = token("object");
	char back[TEXT_MAX] = "";
	Oid object;
	int fd;

	TRY(run(m, "BEGIN"));
	object = lo_creat(m->c, INV_READ | INV_WRITE);
	MUST(m, object != InvalidOid);
	fd = lo_open(m->c, object, INV_READ | INV_WRITE);
	MUST(m, fd >= 0);
	MUST(m, lo_write(m->c, fd, t.s, strlen(t.s)) == (int)strlen(t.s));
	MUST(m, lo_lseek(m->c, fd, 0, SEEK_SET) == 0);
	MUST(m, lo_read(m->c, fd, back, sizeof(back)) == (int)strlen(t.s));
	MUST(m, strcmp(back, t.s) == 0);
	MUST(m, lo_close(m->c, fd) == 0);
	TRY(run(m, "COMMIT"));
	MUST(m, lo_unlink(m->c, object) == 1);
	return NULL;
}
