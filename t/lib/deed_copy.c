/*
 * deed_copy.c - COPY both ways, whole and torn.
 */
#include <string.h>

#include "t/lib/deed.h"
#include "t/lib/spawn.h"

/* Rows of one token, in messages of their own. */
static void
put_rows(struct guest *g, const char *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const char *row = text("%s\t%u\n", t, i);

		guest_put(g, 'd', "x", row, strlen(row));
		if (i % 100 == 99)
			guest_send(g);
	}
}

static void
begin(struct guest *g, bool is_extended)
{
	static const char sql[] = "COPY public.soak_copy FROM STDIN";

	if (is_extended) {
		guest_put(g, 'P', "ssh", "", sql, 0);
		guest_put(g, 'B', "sshhh", "", "", 0, 0, 0);
		guest_put(g, 'E', "si", "", 0);
		guest_put(g, 'H', "");
		g->stmt[0].is_there = false;
	} else {
		guest_put(g, 'Q', "s", sql);
	}
	guest_until(g, 'G');
}

void
deed_copy_in(struct guest *g)
{
	char t[GUEST_TOKEN];
	unsigned n = guest_draw(g, 500);
	bool is_extended = guest_draw(g, 3) == 0;

	guest_token_to(g, t);
	begin(g, is_extended);
	put_rows(g, t, n);
	guest_put(g, 'c', "");
	if (is_extended)
		guest_put(g, 'S', "");
	guest_answers(g, 1);
	guest_types(g, "CZ");
	if (strcmp(g->a.tag, text("COPY %u", n)) != 0)
		guest_wrong(g, "%s instead of COPY %u", g->a.tag, n);
	guest_do(g, "DELETE FROM public.soak_copy WHERE who = '%s'", t);
	if (strcmp(g->a.tag, text("DELETE %u", n)) != 0)
		guest_wrong(g, "%s of %u", g->a.tag, n);
}

void
deed_copy_out(struct guest *g)
{
	const char *t = guest_token(g);
	unsigned n = 1 + guest_draw(g, 2000);

	guest_do(g,
	    "COPY (SELECT '%s:' || i FROM generate_series(1, %u) i)"
	    " TO STDOUT",
	    t, n);
	guest_types(g, "HdcCZ");
	if (g->a.copied != (int)n ||
	    strcmp(g->a.last, text("%s:%u\n", t, n)) != 0)
		guest_wrong(g, "%d of %u rows, the last is %s", g->a.copied, n,
		    g->a.last);
}

/* Given up by the client, or refused while it still sends. */
void
deed_copy_fails(struct guest *g)
{
	char t[GUEST_TOKEN];
	unsigned n = guest_draw(g, 300);
	bool gives_up = guest_draw(g, 2), is_extended = guest_draw(g, 3) == 0;

	guest_token_to(g, t);
	begin(g, is_extended);
	put_rows(g, t, n);
	if (gives_up) {
		guest_put(g, 'f', "s", t);
	} else {
		guest_put(g, 'd', "x", "a\tb\n", (size_t)4);
		put_rows(g, t, n);
		guest_put(g, 'c', "");
	}
	if (is_extended)
		guest_put(g, 'S', "");
	guest_answers(g, 1);
	guest_types(g, "EZ");
	guest_fails(g, gives_up ? "57014" : "22P02");
	if (gives_up && !strstr(g->a.error, t))
		guest_wrong(g, "given up by another: %s", g->a.error);
	guest_do(
	    g, "SELECT count(*) FROM public.soak_copy WHERE who = '%s'", t);
	guest_is(g, "0");
}
