/*
 * ops.c - what operators do, and bad luck.
 */
#include "t/lib/ops.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/deed.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

static unsigned
draw(struct ops *o, unsigned below)
{
	o->seed = o->seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(o->seed >> 33) % below;
}

/* One worker dies, and whose clients it had is counted. */
static void
kill_one(struct ops *o)
{
	struct pooler_worker w[POOLER_KIDS];
	PGconn *console = pooler_console(o->p, "admin");
	int n = pooler_look(console, w, POOLER_KIDS);
	int i = o->kills++ % n;

	o->clients += w[i].clients;
	kill(w[i].pid, SIGKILL);
	PQfinish(console);
	/* until then it may take one more connection: our next console's */
	UNTIL(10000, !is_alive(w[i].pid));
}

/* A listening backend takes all of its worker's listeners along. */
static void
terminate_one(struct ops *o)
{
	const char *pid = pg_ask(pg,
	    "SELECT pid FROM pg_stat_activity WHERE %s"
	    " ORDER BY hashint4(pid + %u) LIMIT 1",
	    o->where, draw(o, 1000000));
	bool listens;

	if (*pid == '\0')
		return;
	listens = *pg_ask(pg,
		      "SELECT pid FROM pg_stat_activity"
		      " WHERE pid = %s AND query ~ '^(UN)?LISTEN'",
		      pid) != '\0';
	o->ends++;
	o->clients += listens ? o->c->n : 1;
	pg_ask(pg,
	    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
	    " WHERE pid = %s",
	    pid);
}

static void
restart(struct ops *o)
{
	int most = watch_stop(&o->w);

	if (most > o->most)
		o->most = most;
	o->restarts++;
	o->clients += o->c->n;
	pg_stop(pg);
	pg_start(pg);
	o->w = watch_start(pg, o->where);
}

static void
change(struct ops *o)
{
	PGconn *console = pooler_console(o->p, "admin");
	unsigned n = draw(o, 1000);

	o->changes++;
	switch (draw(o, 6)) {
	case 0:
		sql_do(console, "SET default_pool_size = %d",
		    o->places - (int)(n % 4));
		break;
	case 1:
		sql_do(console, "SET max_prepared_statements = %u", 5 + n % 30);
		break;
	case 2:
		sql_do(console, "SET server_lifetime = %u", 1 + n % 5);
		break;
	case 3:
		sql_do(console, "SET query_wait_timeout = %u", 60 + n);
		break;
	case 4:
		pooler_set(o->p, "server_idle_timeout = %u", 1 + n % 20);
		pooler_write(o->p);
		kill(o->p->pid, SIGHUP);
		break;
	default:
		sql_do(console, "RELOAD");
	}
	PQfinish(console);
}

static const struct {
	const char *kind;
	void (*run)(struct ops *o);
	int every_ms, first_ms;
	bool costs;
} all[] = {
	{ "kill", kill_one, 700, 700, true },
	{ "terminate", terminate_one, 230, 400, true },
	{ "restart", restart, 45000, 9000, true },
	{ "change", change, 330, 300, false },
};

_Static_assert(sizeof(all) / sizeof(*all) ==
	sizeof(((struct ops *)0)->next) / sizeof(int64_t),
    "each has its time");

struct ops
ops_begin(struct pooler *p, struct crowd *c, const char *where, int places)
{
	struct ops o = { .p = p, .c = c, .where = where, .places = places };

	o.seed = c->seed;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		o.next[i] = deed_is_on(all[i].kind) &&
			(c->seen->may_lose || !all[i].costs)
		    ? now_ms() + all[i].first_ms
		    : INT64_MAX;
	o.w = watch_start(pg, where);
	return o;
}

void
ops_run(struct ops *o)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (now_ms() < o->next[i])
			continue;
		all[i].run(o);
		o->next[i] = now_ms() + all[i].every_ms;
	}
}

int
ops_end(struct ops *o)
{
	int most = watch_stop(&o->w);

	return most > o->most ? most : o->most;
}

long
ops_loss(const struct ops *o)
{
	/* who was just logging in was nobody's yet */
	return o->clients + 3L * o->kills;
}

const char *
ops_line(const struct ops *o)
{
	return text("%d kills, %d backends ended, %d restarts, %d changes",
	    o->kills, o->ends, o->restarts, o->changes);
}
