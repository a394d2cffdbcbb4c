/*
 * 90_load_test.c - 200 clients with 1, 2 and 8 workers, each answer checked,
 * while a worker is killed every second and the limit is watched; clients in
 * thousands; and no growth of memory or descriptors in a long run.
 */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/swarm.h"
#include "t/lib/watch.h"
#include "t/lib/wire.h"

static void
load(int workers, int ms, bool with_kills)
{
	struct pooler *p = pooler_new();
	struct watch w;
	struct swarm *s;
	pid_t kids[POOLER_KIDS];
	int64_t end, next;

	pooler_workers(p, workers);
	pooler_set(p, "max_client_conn = 500\ndefault_pool_size = 10");
	pooler_start(p);
	w = watch_start(pg, "datname = 'app'");
	s = swarm_new(pooler_at(p, ""), 200, SWARM_RECONNECT);
	swarm_gather(s, 20000);
	end = now_ms() + ms;
	next = now_ms() + 500;
	while (now_ms() < end) {
		swarm_run(s, 100);
		if (!with_kills || now_ms() < next)
			continue;
		if (spawn_kids(p->pid, kids, POOLER_KIDS) > 0)
			kill(kids[0], SIGKILL);
		next += 1000;
	}
	swarm_settle(s, 20000);
	swarm_check(s);
	if (!with_kills)
		ck_assert_int_eq(s->dropped + s->refused, 0);
	ck_assert_int_gt(s->done, 200);
	swarm_free(s);
	ck_assert_int_le(watch_stop(&w), 10);
	pooler_stop(p);
}

START_TEST(one_worker)
{
	load(1, 2000, false);
}
END_TEST

START_TEST(two_workers)
{
	load(2, 4000, true);
}
END_TEST

START_TEST(eight_workers)
{
	load(8, 4000, true);
}
END_TEST

START_TEST(thousand_clients)
{
	struct rlimit lim;
	struct pooler *p;
	struct wire *w[1000];
	long before;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	p = pooler_with("max_client_conn = 1100\ndefault_pool_size = 8");
	before = pooler_rss_kb(p);
	for (int i = 0; i < 1000; i++) {
		w[i] = wire_open("127.0.0.1", p->port);
		wire_login(w[i], "app", "app");
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1000; i++)
			wire_query(w[i], text("SELECT 'c%d'", i));
		for (int i = 0; i < 1000; i++) {
			wire_expect(w[i], "TD");
			ck_assert_str_eq(wire_value(w[i]), text("c%d", i));
			wire_expect(w[i], "CZ");
		}
	}
	ck_assert_int_le(pg_backends(pg, "datname = 'app'"), 8);
	ck_assert_int_lt(
	    pooler_rss_kb(p) - before, (is_sanitized() ? 64 : 16) * 1024);
	for (int i = 0; i < 1000; i++)
		wire_free(w[i]);
	pooler_stop(p);
}
END_TEST

/* Descriptors of all processes of the pooler; 0 where one cannot tell. */
static int
descriptors(const struct pooler *p)
{
	pid_t kids[POOLER_KIDS];
	int n = spawn_kids(p->pid, kids, POOLER_KIDS - 1), sum = 0;

	kids[n++] = p->pid;
	for (int i = 0; i < n; i++) {
		DIR *d = opendir(text("/proc/%d/fd", (int)kids[i]));

		while (d && readdir(d))
			sum++;
		if (d)
			closedir(d);
	}
	return sum;
}

START_TEST(no_growth)
{
	struct pooler *p = pooler_with("default_pool_size = 5\n"
				       "server_lifetime = 0.1");
	struct swarm *s = swarm_new(
	    pooler_at(p, ""), 30, SWARM_RECONNECT | SWARM_LEAVE | SWARM_CANCEL);
	long kb;
	int fds;

	/* everything has been used once */
	swarm_run(s, 2500);
	swarm_settle(s, 10000);
	kb = pooler_rss_kb(p);
	fds = descriptors(p);
	swarm_run(s, 4000);
	swarm_settle(s, 10000);
	if (!is_sanitized())
		ck_assert_int_lt(pooler_rss_kb(p) - kb, 2048);
	/* servers come and go, so give or take a few of each */
	ck_assert_int_lt(descriptors(p) - fds, 40);
	swarm_check(s);
	swarm_free(s);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("load");
	TCase *tc = suite_case(s, "load", 90);

	tcase_add_test(tc, one_worker);
	tcase_add_test(tc, thousand_clients);
	if (!is_standin()) {
		tcase_add_test(tc, no_growth);
		tcase_add_test(tc, two_workers);
		tcase_add_test(tc, eight_workers);
	}
	return suite_run(s, SUITE_PG);
}
