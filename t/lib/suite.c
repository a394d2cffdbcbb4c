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

/* Whom PostgreSQL serves but ourselves. */
#define STRANGERS "application_name <> 'test-admin'"

/*
 * Before each test, in its own process.  A backend exits when its client has
 * gone, but not at once; a test that counts backends has its own in mind.
 */
static void
wait_for_silence(void)
{
	if (pg == NULL || pg->pid == 0)
		return;
	(void)pg_terminate(pg, STRANGERS);
	UNTIL(10000, pg_backends(pg, STRANGERS) == 0);
}

TCase *
suite_case(Suite *s, const char *name, int limit_s)
{
	TCase *tc = tcase_create(name);

	/* twice the time: it is there for what hangs, not for what is slow */
	tcase_set_timeout(tc, 2 * limit_s);
	tcase_add_unchecked_fixture(tc, set_up, tear_down);
	tcase_add_checked_fixture(tc, wait_for_silence, NULL);
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
