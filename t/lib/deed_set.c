/*
 * deed_set.c - settings of a session: each guest has its own, and sees them,
 * and nobody else's.
 */
#include <stdio.h>
#include <string.h>

#include "t/lib/crowd.h"
#include "t/lib/deed.h"
#include "t/lib/spawn.h"
#include "t/lib/wire.h"

enum { NAME, PATH, MEM, TIMEOUT, ZONE, STYLE, MINE, OTHER, ROLE, SETTINGS };

static const char *const names[SETTINGS] = { "application_name", "search_path",
	"work_mem", "statement_timeout", "TimeZone", "DateStyle", "soak.mine",
	"soak.other", "role" };

_Static_assert((int)SETTINGS == (int)GUEST_SETTINGS, "a book for each");

static char base[512];

const char *
deed_settings(void)
{
	static char sql[1024];
	size_t at = (size_t)snprintf(sql, sizeof(sql), "SELECT concat_ws('|'");

	for (int i = 0; i < SETTINGS; i++)
		at += (size_t)snprintf(sql + at, sizeof(sql) - at,
		    ", coalesce(current_setting('%s', true), '')", names[i]);
	snprintf(sql + at, sizeof(sql) - at, ")");
	return sql;
}

void
deed_set_base(const char *values)
{
	snprintf(base, sizeof(base), "%s", values);
}

/*
 * What RESET goes back to: the server's own values, and what the guest told at
 * its login; in session mode that is none of a backend's startup.
 */
static void
begin(struct guest *g)
{
	const char *at = base;

	for (int i = 0; i < SETTINGS; i++) {
		size_t n = strcspn(at, "|");

		snprintf(g->base[i], sizeof(g->base[i]), "%.*s",
		    i == NAME ? 0 : (int)n, at);
		at += n + (at[n] == '|');
		if (*g->told[i] && !g->seen->resets_told)
			memcpy(g->base[i], g->told[i], sizeof(g->base[i]));
	}
}

void
deed_told(struct guest *g)
{
	for (int i = 0; i < SETTINGS; i++)
		if (*g->told[i])
			memcpy(g->set[i], g->told[i], sizeof(g->set[i]));
}

void
deed_forget_settings(struct guest *g, bool with_role)
{
	begin(g);
	for (int i = 0; i < SETTINGS; i++)
		if (i != ROLE || with_role)
			memcpy(g->set[i], g->base[i], sizeof(g->set[i]));
}

static void
look(struct guest *g, bool by_extended)
{
	char want[1280];
	size_t at = 0;

	for (int i = 0; i < SETTINGS; i++)
		at += (size_t)snprintf(want + at, sizeof(want) - at, "%s%s",
		    i ? "|" : "", g->set[i]);
	if (by_extended)
		guest_extended(g, "%s", deed_settings());
	else
		guest_do(g, "%s", deed_settings());
	guest_is(g, want);
}

void
deed_look(struct guest *g)
{
	look(g, guest_draw(g, 3) == 0);
}

/* A value that says whose it is, where the setting takes any. */
static const char *
value(struct guest *g, int i)
{
	static const char *const zones[] = { "Asia/Tokyo", "America/New_York",
		"UTC", "Europe/Vienna" };
	static const char *const styles[] = { "German, DMY", "SQL, MDY",
		"ISO, YMD", "Postgres, DMY" };

	switch (i) {
	case PATH:
		return guest_draw(g, 2)
		    ? text("\"Own %d\", public", g->id)
		    : text("own_%d, \"it\"\"s\", pg_catalog", g->id);
	case MEM:
		return text("%dkB", 1025 + 2 * g->id);
	case TIMEOUT:
		return text("%ums",
		    100001 + 10 * ((unsigned)g->id + guest_draw(g, 50) * 128));
	case ZONE:
		return zones[guest_draw(g, 4)];
	case STYLE:
		return styles[guest_draw(g, 4)];
	case ROLE:
		return guest_draw(g, 2) ? "app" : "none";
	default:
		return text("it's %s", guest_token(g));
	}
}

static void
keep(struct guest *g, int i, const char *v)
{
	size_t n = strnlen(v, sizeof(g->set[i]) - 1);

	memmove(g->set[i], v, n);
	g->set[i][n] = '\0';
}

static const char *
quoted(const char *v)
{
	char out[256];
	size_t at = 0;

	out[at++] = '\'';
	for (; *v && at < sizeof(out) - 4; v++) {
		if (*v == '\'')
			out[at++] = '\'';
		out[at++] = *v;
	}
	out[at++] = '\'';
	out[at] = '\0';
	return text("%s", out);
}

/* `how` is "", "SESSION" or "LOCAL". */
static const char *
set_of(int i, const char *v, const char *how)
{
	/* a list is several values, not one */
	return text(
	    "SET %s %s TO %s", how, names[i], i == PATH ? v : quoted(v));
}

void
deed_set(struct guest *g)
{
	int i = (int)guest_draw(g, SETTINGS);
	const char *v = value(g, i), *w;

	switch (guest_draw(g, 6)) {
	case 0:
		guest_do(g, "SELECT set_config('%s', %s, false)", names[i],
		    quoted(v));
		break;
	case 1:
		guest_extended(g, "%s", set_of(i, v, "SESSION"));
		break;
	case 2:
		guest_extended(g,
		    "SELECT pg_catalog.set_config('%s', %s, false)", names[i],
		    quoted(v));
		break;
	case 3:
		w = text("%s x", guest_token(g));
		guest_do(g, "%s; SELECT 1; %s", set_of(i, v, ""),
		    set_of(MINE, w, ""));
		keep(g, i, v);
		i = MINE;
		v = w;
		break;
	default:
		guest_do(g, "%s", set_of(i, v, ""));
	}
	keep(g, i, v);
	if (guest_draw(g, 2))
		deed_look(g);
}

/* SET LOCAL ends with its transaction, whatever else is SET in it. */
void
deed_local(struct guest *g)
{
	int i = (int)guest_draw(g, SETTINGS), j = (int)guest_draw(g, SETTINGS);
	const char *v = value(g, i), *w = value(g, j);
	char old[128], kept[128];
	bool is_kept = guest_draw(g, 2);

	guest_query(g, "BEGIN");
	g->in_block = true;
	memcpy(kept, g->set[j], sizeof(kept));
	if (i != j) {
		guest_do(g, "%s", set_of(j, w, ""));
		keep(g, j, w);
	}
	memcpy(old, g->set[i], sizeof(old));
	if (guest_draw(g, 2))
		guest_do(g, "%s", set_of(i, v, "LOCAL"));
	else
		guest_do(g, "SELECT set_config('%s', %s, true)", names[i],
		    quoted(v));
	keep(g, i, v);
	look(g, false);
	g->in_block = false;
	guest_do(g, is_kept ? "COMMIT" : "ROLLBACK");
	memcpy(g->set[i], old, sizeof(old));
	if (!is_kept)
		memcpy(g->set[j], kept, sizeof(kept));
	look(g, false);
}

/* What is rolled back was never SET: each way to get there. */
void
deed_undone(struct guest *g)
{
	int i = (int)guest_draw(g, SETTINGS);
	const char *sql = set_of(i, value(g, i), "");

	switch (guest_draw(g, 5)) {
	case 0:
		guest_do(g, "BEGIN; %s; ROLLBACK", sql);
		break;
	case 1:
		guest_query(g, "BEGIN");
		guest_query(g, "%s", sql);
		guest_query(g, "SELECT 1/0");
		guest_fails(g, "22012");
		guest_query(g, "COMMIT");
		if (strcmp(g->a.tag, "ROLLBACK") != 0)
			guest_wrong(g, "%s", g->a.tag);
		break;
	case 2:
		guest_query(g, "%s; SELECT 1/0", sql);
		guest_fails(g, "22012");
		break;
	case 3:
		guest_query(g, "BEGIN; SAVEPOINT a; %s", sql);
		guest_query(g, "ROLLBACK TO a");
		g->in_block = true;
		look(g, false);
		g->in_block = false;
		guest_do(g, "COMMIT");
		break;
	default:
		guest_query(g, "SET work_mem TO 'a lot'");
		guest_fails(g, "22023");
	}
	look(g, false);
}

void
deed_reset(struct guest *g)
{
	int i = (int)guest_draw(g, SETTINGS);
	bool all = guest_draw(g, 4) == 0;

	if ((all || *g->told[i]) && !deed_is_on("resettold")) {
		deed_look(g);
		return;
	}
	switch (all ? 0 : 1 + guest_draw(g, 3)) {
	case 0:
		guest_do(g, "RESET ALL");
		deed_forget_settings(g, false);
		break;
	case 1:
		guest_do(g, "SET %s TO DEFAULT", names[i]);
		keep(g, i, g->base[i]);
		break;
	default:
		guest_do(g, "RESET %s", names[i]);
		keep(g, i, g->base[i]);
	}
	if (guest_draw(g, 2))
		deed_look(g);
}

/*
 * SET where no lexer of the query's text can see it.  Whether it outlives its
 * transaction for whom it is, is not promised; others never see it.
 */
void
deed_hidden(struct guest *g)
{
	int i = MINE + (int)guest_draw(g, 2);
	const char *v;

	guest_do(g,
	    "DO $x$ BEGIN EXECUTE 'SET ' || '%s TO ''%s''';"
	    " END $x$",
	    names[i], guest_token(g));
	if (guest_draw(g, 2))
		guest_do(g, "SELECT 1");
	v = value(g, i);
	guest_do(g, "%s", set_of(i, v, ""));
	keep(g, i, v);
	deed_look(g);
}

/* Prepared once, and run again on whichever server: with a value, without. */
void
deed_again(struct guest *g)
{
	const char *v = value(g, MINE), *fixed = text("always %d", g->id);

	switch (guest_draw(g, 3)) {
	case 0:
		guest_named(g, &g->has_setter[0], "set_mine",
		    "SELECT set_config('soak.mine', $1, false)", v);
		guest_is(g, v);
		keep(g, MINE, v);
		break;
	case 1:
		guest_named(g, &g->has_setter[1], "set_other",
		    set_of(OTHER, fixed, ""), NULL);
		keep(g, OTHER, fixed);
		break;
	default:
		guest_named(g, &g->has_setter[2], "set_zone",
		    "SET TIME ZONE 'Asia/Tokyo'", NULL);
		keep(g, ZONE, "Asia/Tokyo");
	}
	if (guest_draw(g, 2))
		deed_look(g);
}

static void
put(struct guest *g, bool is_extended, const char *sql)
{
	if (!is_extended) {
		guest_put(g, 'Q', "s", sql);
		return;
	}
	guest_put(g, 'P', "ssh", "", sql, 0);
	guest_put(g, 'B', "sshhh", "", "", 0, 0, 0);
	guest_put(g, 'E', "si", "", 0);
	guest_put(g, 'S', "");
}

/* Kept, failed, undone and local ones, all sent before the first answer. */
void
deed_piped(struct guest *g)
{
	enum { N = 12 };
	static const char *const seen = "SELECT current_setting('soak.mine')";
	const char *a = value(g, MINE), *b = value(g, MINE),
		   *c = value(g, MINE), *d = value(g, MINE);
	const struct {
		const char *sql, *code, *value;
	} step[N] = {
		{ set_of(MINE, a, ""), "", NULL },
		{ "SELECT 1/0", "22012", NULL },
		{ seen, "", a },
		{ "BEGIN", "", NULL },
		{ set_of(MINE, b, ""), "", NULL },
		{ seen, "", b },
		{ "ROLLBACK", "", NULL },
		{ seen, "", a },
		{ "BEGIN", "", NULL },
		{ set_of(MINE, c, "LOCAL"), "", NULL },
		{ "COMMIT", "", NULL },
		{ set_of(MINE, d, ""), "", NULL },
	};

	for (int i = 0; i < N; i++)
		put(g, guest_draw(g, 2), step[i].sql);
	for (int i = 0; i < N; i++) {
		guest_answers(g, 1);
		guest_fails(g, step[i].code);
		if (step[i].value)
			guest_is(g, step[i].value);
	}
	g->stmt[0].is_there = false;
	keep(g, MINE, d);
	deed_look(g);
}

/* A value as it stands in the startup packet's options. */
static const char *
escaped(const char *v)
{
	char out[256];
	size_t at = 0;

	for (; *v && at < sizeof(out) - 3; v++) {
		if (*v == ' ' || *v == '\\')
			out[at++] = '\\';
		out[at++] = *v;
	}
	out[at] = '\0';
	return text("%s", out);
}

static void
tell(struct guest *g, int i, const char *v)
{
	snprintf(g->told[i], sizeof(g->told[i]), "%s", v);
}

size_t
deed_startup(struct guest *g, char *out, size_t room)
{
	int i = (int)guest_draw(g, ROLE), j = (int)guest_draw(g, ROLE);
	bool more = deed_is_on("startup") && guest_draw(g, 2);

	memset(g->told, 0, sizeof(g->told));
	tell(g, NAME, text("guest %d", g->id));
	if (!more || i == NAME || j == NAME || i == j)
		return wire_startup(out, room, 196608, "user", "app",
		    "database", g->db, "application_name", g->told[NAME], NULL);
	tell(g, i, value(g, i));
	tell(g, j, value(g, j));
	return wire_startup(out, room, 196608, "user", "app", names[i],
	    g->told[i], "database", g->db, "options",
	    text("-c %s=%s", names[j], escaped(g->told[j])), "application_name",
	    g->told[NAME], NULL);
}
