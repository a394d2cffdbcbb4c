/*
 * prepare.h - what the tests of prepared statements share: messages, what is
 * expected of them, and a pool of two backends one of which is held.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_SYSTEM_PREPARE_H
#define T_SYSTEM_PREPARE_H

#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

/* --- messages -------------------------------------------------------------- */

static inline void
parse(struct wire *w, const char *name, const char *query)
{
	wire_put(w, 'P', "ssh", name, query, 0);
}

/* Bind with one text parameter, or none (NULL), and Execute. */
static inline void
run(struct wire *w, const char *name, const char *param)
{
	if (param == NULL)
		wire_put(w, 'B', "sshhh", "", name, 0, 0, 0);
	else
		wire_put(w, 'B', "sshhixh", "", name, 0, 1,
		    (uint32_t)strlen(param), param, strlen(param), 0);
	wire_put(w, 'E', "si", "", 0);
}

/* The same and Sync, in one write, as drivers do. */
static inline void
run_at_once(struct wire *w, const char *name)
{
	char m[512];
	size_t n = 0;

	n += wire_make(m, sizeof(m), 'B', "sshhh", "", name, 0, 0, 0);
	n += wire_make(m + n, sizeof(m) - n, 'D', "bs", 'P', "");
	n += wire_make(m + n, sizeof(m) - n, 'E', "si", "", 0);
	n += wire_make(m + n, sizeof(m) - n, 'S', "");
	wire_send(w, m, n);
}

static inline void
sync_it(struct wire *w)
{
	wire_put(w, 'S', "");
}

static inline void
close_it(struct wire *w, const char *name)
{
	wire_put(w, 'C', "bs", 'S', name);
}

static inline void
describe(struct wire *w, const char *name)
{
	wire_put(w, 'D', "bs", 'S', name);
}

/* A row with this value, and the end of the command. */
static inline void
expect_value(struct wire *w, const char *types, const char *value)
{
	wire_expect(w, types);
	wire_expect(w, "D");
	ck_assert_str_eq(wire_value(w), value);
	wire_expect(w, "C");
}

static inline void
expect_error(struct wire *w, const char *types, const char *sqlstate,
    const char *message)
{
	wire_expect(w, types);
	wire_expect(w, "E");
	ck_assert_str_eq(wire_field(w, 'C'), sqlstate);
	if (message != NULL)
		ck_assert_str_eq(wire_field(w, 'M'), message);
}

/* The same, and the batch is over. */
static inline void
expect_refusal(struct wire *w, const char *types, const char *sqlstate,
    const char *message)
{
	expect_error(w, types, sqlstate, message);
	wire_expect(w, "Z");
}

/* --- a question and its whole answer ----------------------------------------- */

static inline void
prepare(struct wire *w, const char *name, const char *query)
{
	parse(w, name, query);
	sync_it(w);
	wire_expect(w, "1Z");
}

static inline void
expect_run(
    struct wire *w, const char *name, const char *param, const char *value)
{
	run(w, name, param);
	sync_it(w);
	expect_value(w, "2", value);
	wire_expect(w, "Z");
}

/* There is no statement of this name; `message` may be NULL. */
static inline void
expect_unknown(struct wire *w, const char *name, const char *message)
{
	run(w, name, NULL);
	sync_it(w);
	expect_refusal(w, "", "26000", message);
}

/* A simple query that answers one value. */
static inline void
expect_answer(struct wire *w, const char *query, const char *value)
{
	wire_query(w, query);
	expect_value(w, "T", value);
	wire_expect(w, "Z");
}

/* A simple query that answers none. */
static inline void
command(struct wire *w, const char *query)
{
	wire_query(w, query);
	wire_expect(w, "CZ");
}

/* --- a pool of two, and who holds one of them -------------------------------- */

struct two {
	struct pooler *p;
	struct wire *w, *other[2], *holder;
	char pid[16]; /* of the backend that w had when it was asked last */
};

static inline void
ask_pid(struct wire *w, char pid[16])
{
	wire_query(w, "SELECT pg_backend_pid()");
	wire_expect(w, "TD");
	snprintf(pid, 16, "%s", wire_value(w));
	wire_expect(w, "CZ");
}

static inline struct two
two_new(const char *setting)
{
	struct two t = { .p = pooler_with(
			     text("default_pool_size = 2\n%s", setting)) };

	t.w = wire_to(t.p);
	t.other[0] = wire_to(t.p);
	t.other[1] = wire_to(t.p);
	return t;
}

/* The backend that w had is held: it gets the other one. */
static inline void
hold(struct two *t)
{
	char pids[2][16];
	int k;

	ask_pid(t->w, t->pid);
	for (int i = 0; i < 2; i++) {
		command(t->other[i], "BEGIN");
		ask_pid(t->other[i], pids[i]);
	}
	k = strcmp(pids[0], t->pid) == 0 ? 0 : 1;
	ck_assert_str_eq(pids[k], t->pid);
	t->holder = t->other[k];
	command(t->other[1 - k], "COMMIT");
}

static inline void
let_go(struct two *t)
{
	command(t->holder, "COMMIT");
}

static inline void
two_free(struct two *t)
{
	wire_free(t->w);
	wire_free(t->other[0]);
	wire_free(t->other[1]);
	pooler_stop(t->p);
}

#endif
