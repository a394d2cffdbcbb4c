/*
 * deed_hold.c - what holds a backend: temporary tables, advisory locks of the
 * session, cursors that outlive their transaction.  Each is let go again, with
 * other deeds in between.
 */
#include <stdatomic.h>
#include <string.h>

#include "t/lib/crowd.h"
#include "t/lib/deed.h"
#include "t/lib/spawn.h"

static void
meanwhile(struct guest *g)
{
	g->is_holding = true;
	for (unsigned i = guest_draw(g, 4); i > 0; i--)
		deed_run(g);
	g->is_holding = false;
}

/* Everybody's has the same name, and its own content. */
void
deed_temp(struct guest *g)
{
	const char *name = "pg_temp.mine";
	char t[GUEST_TOKEN];

	guest_token_to(g, t);
	guest_do(g, "SELECT to_regclass('%s') IS NULL", name);
	guest_is(g, "t");
	switch (guest_draw(g, 3)) {
	case 0:
		guest_do(g, "CREATE TEMP TABLE mine AS SELECT '%s' AS who", t);
		break;
	case 1:
		guest_extended(g, "CREATE TABLE pg_temp.mine(who text)");
		guest_do(g, "INSERT INTO %s VALUES ('%s')", name, t);
		break;
	default:
		guest_do(g, "SELECT '%s' AS who INTO TEMPORARY mine", t);
	}
	meanwhile(g);
	guest_do(g, "INSERT INTO %s VALUES ('%s') RETURNING who", name, t);
	guest_do(g, "SELECT string_agg(who, ' ') FROM %s", name);
	guest_is(g, text("%s %s", t, t));
	guest_do(g, "DROP TABLE %s", name);
}

/*
 * A lock belongs to one: who gets it says so, and who finds in the end that
 * somebody else has said so since, while the lock was its own all the time,
 * has seen two hold it.
 */
void
deed_lock(struct guest *g)
{
	int k = (int)guest_draw(g, GUEST_LOCKS), me = g->id + 1, holder;
	_Atomic int *slot = &g->seen->holder[k];

	guest_do(g, "SELECT pg_try_advisory_lock(%d)", 4200 + k);
	if (!strcmp(g->a.value, "f"))
		return;
	guest_is(g, "t");
	atomic_store(slot, me);
	meanwhile(g);
	guest_do(g,
	    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
	    " AND objid = %d AND pid = pg_backend_pid()",
	    4200 + k);
	guest_is(g, "1");
	holder = me;
	atomic_compare_exchange_strong(slot, &holder, 0);
	guest_do(g, "SELECT pg_advisory_unlock(%d)", 4200 + k);
	guest_is(g, "t");
	if (holder != me)
		guest_wrong(g, "lock %d was guest %d's as well", k, holder - 1);
}

void
deed_cursor(struct guest *g)
{
	char t[GUEST_TOKEN];

	guest_token_to(g, t);
	guest_do(g,
	    "DECLARE walk CURSOR WITH HOLD FOR"
	    " SELECT '%s:' || i FROM generate_series(1, 9) i",
	    t);
	guest_do(g, "FETCH 3 FROM walk");
	guest_is(g, text("%s:1", t));
	meanwhile(g);
	guest_do(g, "FETCH 6 FROM walk");
	guest_is(g, text("%s:4", t));
	if (strcmp(g->a.last, text("%s:9", t)) != 0)
		guest_wrong(g, "%s at the end", g->a.last);
	guest_do(g, "CLOSE walk");
}
