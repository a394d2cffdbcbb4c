/*
 * app_libpq_pipe.c - libpq's pipeline mode.
 */
#include "t/clients/app_libpq.h"

#include <stdbool.h>

/* The results of one query of a pipeline, which has to be `want`. */
static const char *
piped_value(struct member *m, const char *want)
{
	TRY(is_value(m, PQgetResult(m->c), want));
	MUST(m, PQgetResult(m->c) == NULL);
	return NULL;
}

static const char *
piped_status(struct member *m, ExecStatusType want, const char *state)
{
	TRY(is_status(m, PQgetResult(m->c), want, state));
	MUST(m, PQgetResult(m->c) == NULL);
	return NULL;
}

static const char *
piped_sync(struct member *m)
{
	return is_status(m, PQgetResult(m->c), PGRES_PIPELINE_SYNC, NULL);
}

static bool
send_echo(struct member *m, const char *value)
{
	return PQsendQueryParams(m->c, "SELECT $1::text", 1, NULL, &value, NULL,
		   NULL, 0) == 1;
}

const char *
pipeline(struct member *m)
{
	enum { N = 100 };
	struct words t = token("piped");
	const char *value = t.s;

	MUST(m, PQenterPipelineMode(m->c) == 1);
	MUST(m,
	    PQsendPrepare(m->c, "piped",
		words("SELECT $1::text || ' %d'", m->n).s, 0, NULL) == 1);
	for (int i = 0; i < N; i++)
		MUST(m,
		    PQsendQueryPrepared(
			m->c, "piped", 1, &value, NULL, NULL, 0) == 1);
	MUST(m, PQpipelineSync(m->c) == 1);
	MUST(m, send_echo(m, t.s) && PQpipelineSync(m->c) == 1);
	TRY(piped_status(m, PGRES_COMMAND_OK, NULL));
	for (int i = 0; i < N; i++)
		TRY(piped_value(m, words("%s %d", t.s, m->n).s));
	TRY(piped_sync(m));
	TRY(piped_value(m, t.s));
	TRY(piped_sync(m));
	MUST(m, PQexitPipelineMode(m->c) == 1);
	return run(m, "DEALLOCATE piped");
}

/* An error: what follows up to the Sync is skipped, a Prepare among it. */
const char *
pipeline_error(struct member *m)
{
	struct words t = token("skip");

	MUST(m, PQenterPipelineMode(m->c) == 1);
	for (int round = 0; round < 3; round++) {
		MUST(m, send_echo(m, t.s));
		MUST(m,
		    PQsendQueryParams(m->c, "SELECT 1 / 0", 0, NULL, NULL, NULL,
			NULL, 0) == 1);
		MUST(m,
		    PQsendPrepare(m->c, "skipped", "SELECT 1", 0, NULL) == 1);
		MUST(m, send_echo(m, "never"));
		MUST(m, PQpipelineSync(m->c) == 1);
		MUST(m,
		    PQsendQueryPrepared(
			m->c, "skipped", 0, NULL, NULL, NULL, 0) == 1);
		MUST(m, PQpipelineSync(m->c) == 1);
		MUST(m, send_echo(m, t.s) && PQpipelineSync(m->c) == 1);
		TRY(piped_value(m, t.s));
		TRY(piped_status(m, PGRES_FATAL_ERROR, "22012"));
		TRY(piped_status(m, PGRES_PIPELINE_ABORTED, NULL));
		TRY(piped_status(m, PGRES_PIPELINE_ABORTED, NULL));
		TRY(piped_sync(m));
		TRY(piped_status(m, PGRES_FATAL_ERROR, "26000"));
		TRY(piped_sync(m));
		TRY(piped_value(m, t.s));
		TRY(piped_sync(m));
	}
	MUST(m, PQexitPipelineMode(m->c) == 1);
	return NULL;
}

/* A Flush brings the answers; the transaction is open until the Sync. */
const char *
pipeline_flush(struct member *m)
{
	MUST(m, PQenterPipelineMode(m->c) == 1);
	for (int i = 0; i < ROUNDS; i++) {
		struct words t = token("flush");

		MUST(m,
		    send_echo(m, t.s) && PQsendFlushRequest(m->c) == 1 &&
			PQflush(m->c) == 0);
		TRY(piped_value(m, t.s));
	}
	MUST(m, PQsendPrepare(m->c, "flushed", "SELECT 5", 0, NULL) == 1);
	MUST(m, PQsendFlushRequest(m->c) == 1 && PQflush(m->c) == 0);
	TRY(piped_status(m, PGRES_COMMAND_OK, NULL));
	MUST(m, PQsendQueryPrepared(m->c, "flushed", 0, NULL, NULL, NULL, 0));
	MUST(m, PQpipelineSync(m->c) == 1);
	TRY(piped_value(m, "5"));
	TRY(piped_sync(m));
	MUST(m, PQexitPipelineMode(m->c) == 1);
	return run(m, "DEALLOCATE flushed");
}

const char *
pipeline_transaction(struct member *m)
{
	static const char *const sql[] = { "BEGIN",
		"INSERT INTO kept VALUES ($1)", "COMMIT" };
	struct words t = token("tx");
	const char *value = t.s;

	MUST(m, PQenterPipelineMode(m->c) == 1);
	for (int i = 0; i < 3; i++)
		MUST(m,
		    PQsendQueryParams(m->c, sql[i], i == 1, NULL, &value, NULL,
			NULL, 0) == 1);
	MUST(m, PQpipelineSync(m->c) == 1);
	for (int i = 0; i < 3; i++)
		TRY(piped_status(m, PGRES_COMMAND_OK, NULL));
	TRY(piped_sync(m));
	MUST(m, PQexitPipelineMode(m->c) == 1);
	return same(m,
	    words("SELECT count(*) FROM kept WHERE token = '%s'", t.s).s, "1");
}
