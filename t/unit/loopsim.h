/*
 * loopsim.h - for tests: the event loop, and sockets whose other ends are here.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_UNIT_LOOPSIM_H
#define T_UNIT_LOOPSIM_H

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "t/unit/run.h"
#include "worker/io/deadline.h"
#include "worker/io/loop.h"

enum { MAX = 600 };

struct end {
	struct watch w; /* first, so that a watch is its end */
	int peer;
	int calls;
	unsigned events; /* of the last call */
};

static struct end ends[MAX];
static int nends, turns, turns_left;
static struct deadline limit;
static bool is_telling; /* new ends may say that they are drained */

/* Stop after `turns_left` turns. */
static inline int
on_turn(void)
{
	turns++;
	if (turns_left > 0 && --turns_left == 0)
		loop_stop();
	return turns_left > 0 ? 0 : -1;
}

static inline void
on_limit(struct deadline *d)
{
	(void)d;
	ck_abort_msg("the loop did not end");
}

static inline void
set_up(void)
{
	struct err e;

	ck_assert_msg(loop_open(&e) == 0, "%s", e.log);
	loop_hooks(on_turn, NULL);
	deadline_init(&limit, on_limit);
	deadline_set(&limit, clock_now_us() + 30000000);
	nends = turns = turns_left = 0;
}

static inline void
tear_down(void)
{
	deadline_clear(&limit);
	for (int i = 0; i < nends; i++) {
		loop_remove(&ends[i].w);
		if (ends[i].w.fd != -1)
			close(ends[i].w.fd);
		if (ends[i].peer != -1)
			close(ends[i].peer);
	}
	loop_close();
}

static inline void
run_turns(int n)
{
	turns_left = n + 1;
	loop_run();
}

static inline void
on_any(struct watch *w, unsigned events)
{
	struct end *n = (struct end *)w;

	n->calls++;
	n->events |= events;
}

static inline struct end *
new_end(void (*on_event)(struct watch *, unsigned))
{
	struct end *n = &ends[nends++];
	int fd[2];

	ck_assert_int_eq(compat_socketpair(AF_UNIX, SOCK_STREAM, fd), 0);
	memset(n, 0, sizeof(*n));
	watch_init(&n->w, fd[0], on_event);
	n->w.tells_drained = is_telling;
	n->peer = fd[1];
	return n;
}

static inline void
say(struct end *n)
{
	ck_assert_int_eq(write(n->peer, "x", 1), 1);
}

/* The case of a suite; each test has a loop that ends in three seconds. */
static inline TCase *
loop_case(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	printf("mechanism: %s\n", loop_name());
	tcase_add_checked_fixture(t, set_up, tear_down);
	suite_add_tcase(s, t);
	return t;
}

#endif
