/*
 * deed_stmt.c - prepared statements of the protocol: named and unnamed, the
 * same names as everybody's with other texts, in batches that fail.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/deed.h"
#include "t/lib/spawn.h"

enum { TEXT, NUMBER, OF_INT, OF_TEXT, STMT_KINDS };

static const char *const names[GUEST_STMTS] = { "", "s0", "s1", "s2", "S 3",
	"a_rather_long_name_of_a_prepared_statement_just_below_the_63" };

void
deed_forget_stmts(struct guest *g)
{
	memset(g->stmt, 0, sizeof(g->stmt));
	memset(g->sql, 0, sizeof(g->sql));
	memset(g->has_setter, 0, sizeof(g->has_setter));
	memset(g->has_ear, 0, sizeof(g->has_ear));
	memset(g->has_end, 0, sizeof(g->has_end));
}

static const char *
text_of(const struct guest_stmt *s)
{
	switch (s->kind) {
	case TEXT:
		return text("SELECT '%s' || $1::text", s->mark);
	case NUMBER:
		return text("SELECT '%s' || ($1::int + 1)", s->mark);
	default:
		return text("SELECT concat('%s', $1)", s->mark);
	}
}

static const char *
expected(const struct guest_stmt *s, unsigned param)
{
	return text("%s%u", s->mark, s->kind == NUMBER ? param + 1 : param);
}

/* A text that some share and others do not have. */
static struct guest_stmt
some(struct guest *g)
{
	struct guest_stmt s = { .kind = (int)guest_draw(g, STMT_KINDS) };

	if (guest_draw(g, 3) > 0)
		snprintf(s.mark, sizeof(s.mark), "m%u:", guest_draw(g, 12));
	else
		snprintf(s.mark, sizeof(s.mark), "%s:", guest_token(g));
	return s;
}

static void
put_parse(struct guest *g, int i, const struct guest_stmt *s)
{
	if (s->kind == OF_INT || s->kind == OF_TEXT)
		guest_put(g, 'P', "sshi", names[i], text_of(s), 1,
		    s->kind == OF_INT ? 23 : 25);
	else
		guest_put(g, 'P', "ssh", names[i], text_of(s), 0);
}

static void
put_run(struct guest *g, int i, unsigned param)
{
	const char *p = text("%u", param);

	guest_put(g, 'B', "sshhixh", "", names[i], 0, 1, (uint32_t)strlen(p), p,
	    strlen(p), 0);
	guest_put(g, 'E', "si", "", 0);
}

static void
put_name(struct guest *g, char type, int i)
{
	guest_put(g, type, "bs", 'S', names[i]);
}

static void
must_be(struct guest *g, const char *types)
{
	if (*g->a.code)
		guest_wrong(g, "%s %s", g->a.code, g->a.error);
	guest_types(g, types);
}

/* Prepare, run, and maybe close or take over the name, in one batch. */
static void
prepare(struct guest *g, int i)
{
	struct guest_stmt s = some(g), *m = &g->stmt[i];
	unsigned param = guest_draw(g, 100000);
	bool replaces = m->is_there && i > 0;

	if (replaces)
		put_name(g, 'C', i);
	put_parse(g, i, &s);
	put_run(g, i, param);
	guest_put(g, 'S', "");
	guest_answers(g, 1);
	must_be(g, replaces ? "312DCZ" : "12DCZ");
	guest_is(g, expected(&s, param));
	*m = s;
	m->is_there = true;
}

static void
use(struct guest *g, int i)
{
	unsigned param = guest_draw(g, 100000);
	bool asks = guest_draw(g, 3) == 0;

	if (asks)
		put_name(g, 'D', i);
	put_run(g, i, param);
	guest_put(g, 'S', "");
	guest_answers(g, 1);
	must_be(g, asks ? "tT2DCZ" : "2DCZ");
	guest_is(g, expected(&g->stmt[i], param));
}

/* What PostgreSQL refuses. */
static void
refused(struct guest *g, int i)
{
	struct guest_stmt s = some(g);

	if (g->stmt[i].is_there && i > 0) {
		put_parse(g, i, &s);
		guest_put(g, 'S', "");
		guest_answers(g, 1);
		guest_fails(g, "42P05");
	} else if (!g->stmt[i].is_there && i > 0) {
		if (guest_draw(g, 2))
			put_run(g, i, 1);
		else
			put_name(g, 'D', i);
		guest_put(g, 'S', "");
		guest_answers(g, 1);
		guest_fails(g, "26000");
	} else {
		return;
	}
	guest_types(g, "EZ");
}

static void
close_it(struct guest *g, int i)
{
	put_name(g, 'C', i);
	guest_put(g, 'S', "");
	guest_answers(g, 1);
	must_be(g, "3Z");
	g->stmt[i].is_there = false;
}

void
deed_stmt(struct guest *g)
{
	int i = (int)guest_draw(g, GUEST_STMTS);

	if (i == 0) {
		/* any simple query would take it away */
		prepare(g, 0);
		use(g, 0);
		return;
	}
	switch (guest_draw(g, 8)) {
	case 0:
		close_it(g, i);
		break;
	case 1:
		if (!g->in_block)
			refused(g, i);
		break;
	case 2:
	case 3:
		prepare(g, i);
		break;
	default:
		if (g->stmt[i].is_there)
			use(g, i);
		else
			prepare(g, i);
	}
}

void
deed_stmt_by_sql(struct guest *g)
{
	int i = 1 + (int)guest_draw(g, GUEST_STMTS - 1);
	unsigned param = guest_draw(g, 100000);

	if (!g->stmt[i].is_there) {
		prepare(g, i);
	} else if (guest_draw(g, 4) == 0) {
		guest_do(g, "DEALLOCATE \"%s\"", names[i]);
		g->stmt[i].is_there = false;
	} else {
		guest_do(g, "EXECUTE \"%s\"('%u')", names[i], param);
		guest_is(g, expected(&g->stmt[i], param));
	}
}

/* A batch in which the middle fails: what comes first holds, the rest not. */
static void
fails_inside(struct guest *g)
{
	struct guest_stmt s = some(g), bad = some(g);
	unsigned param = guest_draw(g, 100000);
	int i = 1 + (int)guest_draw(g, GUEST_STMTS - 2), j = i + 1;

	put_name(g, 'C', i);
	put_name(g, 'C', j);
	put_parse(g, i, &s);
	put_run(g, i, param);
	if (guest_draw(g, 2))
		guest_put(g, 'P', "ssh", names[j], "SELEC 1", 0);
	else
		guest_put(g, 'P', "ssh", names[j], "SELECT $1 FROM nowhere", 0);
	put_parse(g, j, &bad);
	put_run(g, j, param);
	put_name(g, 'C', i);
	guest_put(g, 'S', "");
	/* and at once what tells whether it is so */
	put_run(g, i, param);
	guest_put(g, 'S', "");
	put_run(g, j, param);
	guest_put(g, 'S', "");
	g->stmt[i] = s;
	g->stmt[j].is_there = false;
	guest_answers(g, 1);
	guest_types(g, "3312DCEZ");
	if (g->a.code[0] != '4' || g->a.code[1] != '2')
		guest_wrong(g, "%s %s", g->a.code, g->a.error);
	if (strcmp(g->a.value, expected(&s, param)) != 0)
		guest_wrong(g, "%s", g->a.value);
	guest_answers(g, 1);
	must_be(g, "2DCZ");
	guest_is(g, expected(&s, param));
	guest_answers(g, 1);
	guest_types(g, "EZ");
	guest_fails(g, "26000");
	g->stmt[i].is_there = true;
}

/* A name is prepared, refused, closed and prepared anew, all in one batch. */
static void
all_in_one(struct guest *g)
{
	struct guest_stmt s = some(g), t = some(g);
	unsigned param = guest_draw(g, 100000);
	int i = 1 + (int)guest_draw(g, GUEST_STMTS - 1);

	put_name(g, 'C', i);
	put_parse(g, i, &s);
	put_run(g, i, param);
	put_name(g, 'C', i);
	put_parse(g, i, &t);
	put_run(g, i, param);
	guest_put(g, 'S', "");
	guest_answers(g, 1);
	must_be(g, "312DC312DCZ");
	guest_is(g, expected(&s, param));
	if (strcmp(g->a.last, expected(&t, param)) != 0)
		guest_wrong(g, "%s, not %s", g->a.last, expected(&t, param));
	g->stmt[i] = t;
	g->stmt[i].is_there = true;
}

/* Many batches at once, each with an answer of its own. */
static void
many_batches(struct guest *g)
{
	unsigned n = 2 + guest_draw(g, 20), param[22];
	struct guest_stmt s[22];
	int name[22];

	for (unsigned k = 0; k < n; k++) {
		int i = (int)guest_draw(g, GUEST_STMTS);

		name[k] = i;
		param[k] = guest_draw(g, 100000);
		if (!g->stmt[i].is_there || i == 0) {
			g->stmt[i] = some(g);
			g->stmt[i].is_there = true;
			put_parse(g, i, &g->stmt[i]);
			name[k] = -1;
		}
		s[k] = g->stmt[i];
		put_run(g, i, param[k]);
		guest_put(g, 'S', "");
	}
	for (unsigned k = 0; k < n; k++) {
		guest_answers(g, 1);
		must_be(g, name[k] == -1 ? "12DCZ" : "2DCZ");
		guest_is(g, expected(&s[k], param[k]));
	}
}

/* A parameter larger than any buffer. */
static void
large(struct guest *g)
{
	static char bytes[150000];
	uint32_t n = 1000 + guest_draw(g, sizeof(bytes) - 1000);
	const char *t = guest_token(g);

	memset(bytes, 'y', n);
	guest_put(g, 'P', "ssh", "",
	    text("SELECT concat('%s:', length($1::text))", t), 0);
	guest_put(g, 'B', "sshhixh", "", "", 0, 1, n, bytes, (size_t)n, 0);
	guest_put(g, 'E', "si", "", 0);
	guest_put(g, 'S', "");
	g->stmt[0].is_there = false;
	guest_answers(g, 1);
	must_be(g, "12DCZ");
	guest_is(g, text("%s:%u", t, n));
}

void
deed_pipeline(struct guest *g)
{
	switch (guest_draw(g, 5)) {
	case 0:
	case 1:
		fails_inside(g);
		break;
	case 2:
		all_in_one(g);
		break;
	case 3:
		many_batches(g);
		break;
	default:
		large(g);
	}
}

/* Step by step with Flush, and a Sync at the very end. */
void
deed_flush(struct guest *g)
{
	struct guest_stmt s = some(g);
	unsigned param = guest_draw(g, 100000);
	int i = (int)guest_draw(g, GUEST_STMTS);

	put_name(g, 'C', i);
	put_parse(g, i, &s);
	guest_put(g, 'H', "");
	guest_until(g, '1');
	g->stmt[i] = s;
	g->stmt[i].is_there = true;
	put_name(g, 'D', i);
	guest_put(g, 'H', "");
	guest_until(g, 'T');
	for (unsigned n = 1 + guest_draw(g, 3); n > 0; n--) {
		put_run(g, i, param + n);
		guest_put(g, 'H', "");
		guest_until(g, 'C');
		guest_is(g, expected(&s, param + n));
	}
	guest_put(g, 'S', "");
	guest_answers(g, 1);
	must_be(g, "Z");
}

/* A named portal, read in parts. */
void
deed_portal(struct guest *g)
{
	const char *t = guest_token(g);

	guest_put(g, 'P', "ssh", "",
	    text("SELECT '%s:' || i FROM generate_series(1, 5) i", t), 0);
	guest_put(g, 'B', "sshhh", "door", "", 0, 0, 0);
	for (int n = 0; n < 3; n++) {
		guest_put(g, 'E', "si", "door", 2);
		guest_put(g, 'H', "");
	}
	guest_put(g, 'C', "bs", 'P', "door");
	guest_put(g, 'S', "");
	g->stmt[0].is_there = false;
	guest_answers(g, 1);
	must_be(g, "12DsDsDC3Z");
	guest_is(g, text("%s:1", t));
	if (strcmp(g->a.last, text("%s:5", t)) != 0)
		guest_wrong(g, "%s at the end", g->a.last);
}
