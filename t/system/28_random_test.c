/*
 * 28_random_test.c - hundreds of clients vanish, each at some instant of some
 * conversation: two servers stay two, and every answer is right.
 */
#include <stdlib.h>

#include "t/lib/watch.h"
#include "t/system/vanish.h"

static void
begin_at_random(struct wire *w, unsigned *seed)
{
	switch (rand_r(seed) % 8) {
	case 0:
		wire_query(w, "SELECT pg_sleep(30)");
		return;
	case 1:
		wire_query(w, "BEGIN; LOCK kept; SELECT 'stray'");
		return;
	case 2:
		wire_query(w, "COPY kept FROM STDIN");
		wire_put(w, 'd', "x", "row\n", (size_t)4);
		return;
	case 3:
		wire_query(w,
		    "COPY (SELECT generate_series(1, 100000)) TO "
		    "STDOUT");
		return;
	case 4:
		in_pipeline_without_sync(w);
		return;
	case 5:
		for (int i = 0; i < 10; i++)
			wire_query(w, "SELECT 'stray'");
		return;
	case 6:
		wire_query(w, LITTER "SELECT pg_sleep(0.01)");
		return;
	default:
		put_batch(w, "SELECT repeat('stray', 100000)");
		wire_put(w, 'H', "");
		return;
	}
}

static void
check_answers(PGconn *const *c, int round)
{
	for (int i = 0; i < 2; i++) {
		const char *mine = text("%d of %d", round, i);

		sql_send(c[i], "SELECT '%s', pg_sleep(0)", mine);
		ck_assert(sql_is_ready(c[i], 20000));
		ck_assert_str_eq(sql_get(c[i]), mine);
	}
}

START_TEST(at_random)
{
	unsigned seed = 28;
	PGconn *c[2];
	struct watch seen;

	serve_tls(false);
	start("default_pool_size = 2");
	seen = watch_start(pg, MINE);
	for (int i = 0; i < 2; i++)
		c[i] = pooler_conn(p, "");
	for (int round = 0; round < 200; round++) {
		struct wire *w = client();
		int64_t until = now_ms() + rand_r(&seed) % 12;
		int how = rand_r(&seed) % MANNERS;

		begin_at_random(w, &seed);
		while (now_ms() < until)
			nap();
		/* sleepers are told goodbye for seconds: the others wait */
		leave(w, how == TERMINATE && round % 10 ? CLOSE : how);
		check_answers(c, round);
	}
	ck_assert_int_eq(kept(), 0);
	sql_do(c[0], "BEGIN");
	sql_do(c[1], "BEGIN");
	ck_assert_int_ne(sql_backend(c[0]), sql_backend(c[1]));
	UNTIL(5000, pg_backends(pg, MINE) == 2);
	for (int i = 0; i < 2; i++)
		PQfinish(c[i]);
	is_quiet(3000);
	ck_assert_int_le(watch_stop(&seen), 2);
	next_pid();
	PQfinish(boss);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("random");
	TCase *tc = suite_case(s, "random", 120);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_test(tc, at_random);
	return suite_run(s, SUITE_PG);
}
