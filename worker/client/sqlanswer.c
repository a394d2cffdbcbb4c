/* sqlanswer.c - what the server's answers make of a client's names. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/backend/scan.h"
#include "worker/client/prepare_impl.h"
#include "worker/client/sqlprep.h"
#include "worker/client/upstream.h"

static void
did(struct prepare *p, const struct change *op, enum books tag)
{
	bool is_prepare = tag == BOOKS_PREPARED;

	switch ((enum sqlprep_op)op->kind) {
	case SQLPREP_PREPARE:
	case SQLPREP_DEALLOCATE:
		if (is_prepare == (op->kind == SQLPREP_PREPARE)) {
			stmts_did(p->set, op->entry, is_prepare);
			names_did(
			    &p->names, op->name, is_prepare ? op->stmt : NULL);
			return;
		}
		stmts_lost(p->set, op->entry);
		names_lost(&p->names, op->name);
		break;
	case SQLPREP_OTHER:
		return;
	default:
		break;
	}
	/* not what was asked for: nobody knows what it has */
	p->set->broken = 1;
}

static void
lost(struct prepare *p, const struct change *op)
{
	if (op->kind != SQLPREP_PREPARE && op->kind != SQLPREP_DEALLOCATE)
		return;
	if (p->set != NULL)
		stmts_lost(p->set, op->entry);
	names_lost(&p->names, op->name);
}

void
sqlprep_on_tag(struct prepare *p, enum books tag)
{
	struct change op;

	if (p->sql == NULL || p->set == NULL ||
	    changes_oldest(&p->sql->ops) == NULL)
		return;
	op = changes_pop(&p->sql->ops);
	did(p, &op, tag);
	stmt_drop(op.stmt);
}

/* What has not been done by now never will. */
static void
lose_all(struct prepare *p)
{
	while (p->sql->ops.len > 0) {
		struct change op = changes_pop(&p->sql->ops);

		lost(p, &op);
		stmt_drop(op.stmt);
	}
}

static void
drop_portals(struct sqlprep *q)
{
	while (q->nportals > 0)
		stmt_drop(q->portals[--q->nportals].stmt);
}

/* What was sent ahead of the Query has failed, and the server waits. */
static int
end_skipping(struct client *c)
{
	static const uint8_t sync[FRAME_HEAD] = { 'S', 0, 0, 0, 4 };

	if (track_client(&c->backend->track, 'S') == -1) {
		client_fail(c, "53200", "out of memory");
		return -1;
	}
	upstream_put(c, sync, sizeof(sync));
	return upstream_flush(c);
}

int
sqlprep_on_answers(struct client *c, const struct scan *sc)
{
	struct prepare *p = c->prepare;
	struct sqlprep *q = p->sql;
	const struct track *t = &c->backend->track;
	bool was_gated = q != NULL && q->is_gated;

	if (q == NULL)
		return 0;
	if (sc->readies > 0) {
		lose_all(p);
		q->nshifts = q->nsaid = 0;
		if (track_tx_status(t) == 'I')
			drop_portals(q);
	}
	if (!was_gated || p->changes.len > 0)
		return 0;
	q->is_gated = false;
	return track_is_skipping(t) && !track_is_dying(t) ? end_skipping(c) : 0;
}

const char *
sqlprep_said(const struct prepare *p, const uint8_t hash[STMTS_NAME])
{
	const struct sqlprep *q = p->sql;

	for (uint32_t i = 0; q != NULL && i < q->nsaid; i++)
		if (memcmp(q->said[i].hash, hash, STMTS_NAME) == 0)
			return q->said[i].name;
	return NULL;
}

const struct change *
sqlprep_failing(const struct prepare *p, const uint8_t hash[STMTS_NAME])
{
	const struct change *op =
	    p->sql == NULL ? NULL : changes_oldest(&p->sql->ops);

	return op != NULL && op->kind == SQLPREP_TAKEN &&
		memcmp(op->stmt->hash, hash, STMTS_NAME) == 0
	    ? op
	    : NULL;
}

bool
sqlprep_place(const struct prepare *p, const char *pos, char to[16])
{
	const struct sqlprep *q = p->sql;
	unsigned long at = strtoul(pos, NULL, 10);

	if (q == NULL || q->nshifts == 0 || at == 0 || at > UINT32_MAX ||
	    (int32_t)(p->changes.popped - q->shifts_from) < 0)
		return false;
	snprintf(to, 16, "%" PRIu32,
	    sqledit_back(q->shifts, q->nshifts, (uint32_t)at));
	return true;
}

void
sqlprep_end(struct prepare *p)
{
	struct sqlprep *q = p->sql;

	if (q == NULL)
		return;
	lose_all(p);
	changes_fini(&q->ops);
	drop_portals(q);
	q->nshifts = q->nsaid = 0;
	q->is_gated = false;
}

void
sqlprep_free(struct prepare *p)
{
	if (p->sql == NULL)
		return;
	sqlprep_end(p);
	free(p->sql);
	p->sql = NULL;
}
