/*
 * suite.c - run a system test program's tests and clean up behind them.
 */
#include "t/lib/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "t/lib/spawn.h"

struct pg *pg;

static pid_t self;
static int cases_left;
static enum suite_need needs;

/* Check's asserts work in tests and fixtures only, so all is done there. */
static void
set_up(void)
{
	spawn_dir();
	if (needs == SUITE_PG && !pg)
		pg = pg_new(0);
}

static void
tear_down(void)
{
	if (--cases_left > 0)
		return;
	pg_free(pg);
	pg = NULL;
}

TCase *
suite_case(Suite *s, const char *name, int limit_s)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, limit_s);
	tcase_add_unchecked_fixture(tc, set_up, tear_down);
	suite_add_tcase(s, tc);
	cases_left++;
	return tc;
}

/* Asked to stop: PostgreSQL may not have a parent-death signal. */
static void
on_term(int sig)
{
	if (getpid() == self && pg && pg->pid)
		kill(pg->pid, SIGINT);
	signal(sig, SIG_DFL);
	raise(sig);
}

int
suite_run(Suite *s, enum suite_need need)
{
	SRunner *r = srunner_create(s);
	int failed;

	self = getpid();
	needs = need;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_term);
	signal(SIGINT, on_term);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	spawn_clean(failed > 0);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
