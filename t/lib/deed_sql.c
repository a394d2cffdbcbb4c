/*
 * deed_sql.c - PREPARE, EXECUTE, DEALLOCATE and DISCARD.
 */
#include <stdio.h>
#include <string.h>

#include "t/lib/crowd.h"
#include "t/lib/deed.h"
#include "t/lib/spawn.h"

enum { PLAIN, ADDS, BOTH, SQL_KINDS };

static const char *const names[GUEST_SQL] = { "p0", "p1", "\"P 2\"", "p3" };

static struct guest_stmt
some(struct guest *g)
{
	struct guest_stmt s = { .kind = (int)guest_draw(g, SQL_KINDS) };

	if (guest_draw(g, 3) > 0)
		snprintf(s.mark, sizeof(s.mark), "q%u:", guest_draw(g, 12));
	else
		snprintf(s.mark, sizeof(s.mark), "%s:", guest_token(g));
	return s;
}

static const char *
prepare_of(int i, const struct guest_stmt *s)
{
	switch (s->kind) {
	case PLAIN:
		return text("PREPARE %s AS SELECT '%s'", names[i], s->mark);
	case ADDS:
		return text("PREPARE %s(int) AS SELECT '%s' || ($1 + 1)",
		    names[i], s->mark);
	default:
		return text("prepare %s (text, int) as SELECT $1 || '%s' || $2",
		    names[i], s->mark);
	}
}

static const char *
execute_of(int i, const struct guest_stmt *s, unsigned n)
{
	switch (s->kind) {
	case PLAIN:
		return text("EXECUTE %s", names[i]);
	case ADDS:
		return text("EXECUTE %s(%u)", names[i], n);
	default:
		return text("EXECUTE %s('it''s;', %u)", names[i], n);
	}
}

static const char *
expected(const struct guest_stmt *s, unsigned n)
{
	switch (s->kind) {
	case PLAIN:
		return text("%s", s->mark);
	case ADDS:
		return text("%s%u", s->mark, n + 1);
	default:
		return text("it's;%s%u", s->mark, n);
	}
}

static void
execute(struct guest *g, int i)
{
	const struct guest_stmt *s = &g->sql[i];
	unsigned n = guest_draw(g, 100000);

	switch (guest_draw(g, 4)) {
	case 0:
		guest_extended(g, "%s", execute_of(i, s, n));
		break;
	case 1:
		guest_do(
		    g, "EXPLAIN (ANALYZE, COSTS OFF) %s", execute_of(i, s, n));
		if (!strstr(g->a.value, "Result"))
			guest_wrong(g, "a plan of %s", g->a.value);
		return;
	default:
		guest_do(g, "%s", execute_of(i, s, n));
	}
	guest_is(g, expected(s, n));
}

/* The whole life of a name in one message. */
static void
at_once(struct guest *g, int i)
{
	struct guest_stmt s = some(g);
	unsigned n = guest_draw(g, 100000);
	bool stays = guest_draw(g, 2);

	guest_do(g, "%s%s%s; %s; %s; %s%s",
	    g->sql[i].is_there ? "DEALLOCATE " : "",
	    g->sql[i].is_there ? text("%s;", names[i]) : "", prepare_of(i, &s),
	    execute_of(i, &s, n), execute_of(i, &s, n + 1),
	    stays ? "" : "DEALLOCATE PREPARE ", stays ? "" : names[i]);
	guest_is(g, expected(&s, n));
	if (strcmp(g->a.last, expected(&s, n + 1)) != 0)
		guest_wrong(g, "%s at the end", g->a.last);
	g->sql[i] = s;
	g->sql[i].is_there = stays;
}

static void
prepare(struct guest *g, int i)
{
	struct guest_stmt s = some(g);

	if (guest_draw(g, 3) == 0)
		guest_extended(g, "%s", prepare_of(i, &s));
	else
		guest_do(g, "%s", prepare_of(i, &s));
	if (strcmp(g->a.tag, "PREPARE") != 0)
		guest_wrong(g, "%s", g->a.tag);
	g->sql[i] = s;
	g->sql[i].is_there = true;
}

/* PREPARE is not undone by a rollback. */
static void
rolled_back(struct guest *g, int i)
{
	struct guest_stmt s = some(g);

	guest_query(g, "BEGIN");
	guest_query(g, "%s", prepare_of(i, &s));
	guest_fails(g, "");
	guest_query(g, "ROLLBACK");
	guest_fails(g, "");
	g->sql[i] = s;
	g->sql[i].is_there = true;
}

static void
refused(struct guest *g, int i)
{
	struct guest_stmt s = some(g);

	if (g->sql[i].is_there) {
		guest_query(g, "%s", prepare_of(i, &s));
		guest_fails(g, "42P05");
		return;
	}
	if (guest_draw(g, 2))
		guest_query(g, "EXECUTE %s", names[i]);
	else
		guest_query(g, "DEALLOCATE %s", names[i]);
	guest_fails(g, "26000");
}

static void
present(struct guest *g, int i)
{
	if (guest_draw(g, 6) == 0) {
		guest_do(g, "DEALLOCATE %s", names[i]);
		g->sql[i].is_there = false;
	} else {
		execute(g, i);
	}
}

void
deed_sql(struct guest *g)
{
	int i = (int)guest_draw(g, GUEST_SQL);

	if (!g->in_block && guest_draw(g, 10) == 0)
		refused(g, i);
	else if (guest_draw(g, 8) == 0)
		at_once(g, i);
	else if (g->sql[i].is_there)
		present(g, i);
	else if (!g->in_block && guest_draw(g, 4) == 0 && deed_is_on("tx"))
		rolled_back(g, i);
	else
		prepare(g, i);
}

/* What SQL has prepared is bound, or closed, by the protocol. */
static void
by_protocol(struct guest *g, int i)
{
	static const char *const raw[GUEST_SQL] = { "p0", "p1", "P 2", "p3" };
	bool is_there = true;

	if (guest_draw(g, 4) == 0) {
		guest_put(g, 'C', "bs", 'S', raw[i]);
		guest_put(g, 'S', "");
		guest_answers(g, 1);
		guest_types(g, "3Z");
		g->sql[i].is_there = false;
	} else if (g->sql[i].kind == PLAIN) {
		guest_named(g, &is_there, raw[i], "", NULL);
		guest_is(g, expected(&g->sql[i], 0));
	} else if (g->sql[i].kind == ADDS) {
		guest_named(g, &is_there, raw[i], "", "41");
		guest_is(g, expected(&g->sql[i], 41));
	}
}

/* Both kinds of prepared statements share their names. */
void
deed_cross(struct guest *g)
{
	int i = (int)guest_draw(g, GUEST_SQL);

	if (guest_draw(g, 2))
		deed_stmt_by_sql(g);
	else if (g->sql[i].is_there)
		by_protocol(g, i);
	else
		prepare(g, i);
}

void
deed_dealloc(struct guest *g)
{
	if (guest_draw(g, 2))
		guest_extended(g, "DEALLOCATE ALL");
	else
		guest_do(g, "deallocate prepare all");
	if (strcmp(g->a.tag, "DEALLOCATE ALL") != 0)
		guest_wrong(g, "%s", g->a.tag);
	deed_forget_stmts(g);
}

void
deed_discard(struct guest *g)
{
	guest_do(g, "DISCARD ALL");
	deed_forget_stmts(g);
	deed_forget_channels(g);
	deed_forget_settings(g, true);
}
