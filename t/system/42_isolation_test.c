/*
 * 42_isolation_test.c - no byte of one client's conversation reaches another:
 * many clients on few servers and several workers, every query with a token,
 * while clients leave, cancel and workers die.
 */
#include <signal.h>
#include <stdlib.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/swarm.h"
#include "t/lib/watch.h"

static void
mix(const char *setting, int workers, int ms, bool with_kills)
{
	struct pooler *p = pooler_new();
	struct watch w;
	struct swarm *s[3];
	int64_t end, next;
	pid_t kids[POOLER_KIDS];
	int n;

	pooler_workers(p, workers);
	pooler_set(p, "max_client_conn = 400\ndefault_pool_size = 5");
	pooler_set(p, "%s", setting);
	pooler_start(p);
	w = watch_start(pg, "datname = 'app'");
	s[0] = swarm_new(pooler_at(p, ""), 40, SWARM_RECONNECT | SWARM_LEAVE);
	s[1] = swarm_new(pooler_at(p, ""), 20, SWARM_RECONNECT | SWARM_CANCEL);
	s[2] = swarm_new(
	    pooler_at(p, ""), 20, SWARM_RECONNECT | SWARM_LEAVE | SWARM_CANCEL);
	end = now_ms() + ms;
	next = now_ms() + 300;
	while (now_ms() < end) {
		for (int i = 0; i < 3; i++)
			swarm_run(s[i], 15);
		if (!with_kills || now_ms() < next)
			continue;
		n = spawn_kids(p->pid, kids, POOLER_KIDS);
		if (n > 0)
			kill(kids[(int)(s[0]->serial % (uint64_t)n)], SIGKILL);
		next = now_ms() + 250;
	}
	swarm_settle_all(s, 3, 20000);
	for (int i = 0; i < 3; i++) {
		swarm_check(s[i]);
		ck_assert_int_gt(s[i]->done, 0);
		if (!with_kills) {
			ck_assert_msg(s[i]->dropped == 0, "%ld dropped: %s",
			    s[i]->dropped, s[i]->first_error);
			ck_assert_int_eq(s[i]->refused, 0);
		}
		if (i > 0)
			ck_assert_int_gt(s[i]->cancels, 0);
		swarm_free(s[i]);
	}
	n = watch_stop(&w);
	ck_assert_msg(n <= 5 || is_standin(), "%d backends", n);
	pooler_stop(p);
}

START_TEST(transactions)
{
	mix("pool_mode = transaction", 4, 4000, false);
}
END_TEST

START_TEST(one_worker)
{
	mix("pool_mode = transaction", 1, 2000, false);
}
END_TEST

/* Servers come and go as well. */
START_TEST(short_lives)
{
	mix("server_lifetime = 0.05", 3, 3000, false);
}
END_TEST

START_TEST(with_resets)
{
	mix("server_reset_query_always = 1", 3, 2000, false);
}
END_TEST

START_TEST(with_kills)
{
	mix("server_lifetime = 2", 4, 8000, true);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("isolation");
	TCase *tc = suite_case(s, "isolation", 60);

	tcase_add_test(tc, transactions);
	tcase_add_test(tc, one_worker);
	if (!is_standin()) {
		tcase_add_test(tc, with_resets);
		tcase_add_test(tc, short_lives);
		tcase_add_test(tc, with_kills);
	}
	return suite_run(s, SUITE_PG);
}
