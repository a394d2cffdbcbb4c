/*
 * 62_prepare_pipe_test.c - prepared statements in pipelines: long ones, with
 * errors anywhere, without a Sync, and left in the middle.
 */
#include "t/system/prepare.h"

enum { LONG = 3000 };

/* A name in each batch, every third of which fails before it. */
START_TEST(long_pipeline)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);

	for (int i = 0; i < LONG; i++) {
		if (i % 3 == 0)
			parse(w, "", "SELECT nothing_like_it");
		parse(w, text("n%d", i), text("SELECT 'v%d'", i % 50));
		run(w, text("n%d", i), NULL);
		sync_it(w);
		for (int k = i - i % 100; i % 100 == 99 && k <= i; k++) {
			if (k % 3 == 0) {
				wire_expect(w, "EZ");
				continue;
			}
			expect_value(w, "12", text("v%d", k % 50));
			wire_expect(w, "Z");
		}
	}
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* All at once, without reading; then each name is what it should be. */
START_TEST(deep_pipeline)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);
	int n = 1500;

	for (int i = 0; i < n; i++) {
		if (i % 7 == 0)
			parse(w, "", "SELEC");
		parse(w, text("n%d", i), text("SELECT 'v%d'", i % 10));
		sync_it(w);
	}
	for (int i = 0; i < n; i++)
		wire_expect(w, i % 7 == 0 ? "EZ" : "1Z");
	for (int i = 0; i < n; i++) {
		run(w, text("n%d", i), NULL);
		sync_it(w);
		if (i % 7 == 0)
			expect_error(w, "", "26000", NULL);
		else
			expect_value(w, "2", text("v%d", i % 10));
		wire_expect(w, "Z");
	}
	/* one batch, 3000 answers of our own */
	for (int i = 0; i < n; i++)
		if (i % 7 != 0)
			close_it(w, text("n%d", i));
	for (int i = 0; i < n; i++)
		parse(w, text("m%d", i), text("SELECT 'v%d'", i % 10));
	sync_it(w);
	for (int i = 0; i < n; i++)
		if (i % 7 != 0)
			wire_expect(w, "3");
	for (int i = 0; i < n; i++)
		wire_expect(w, "1");
	wire_expect(w, "Z");
	ck_assert(wire_is_quiet(w, 50));
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* More different statements under way than a backend's books have room for. */
START_TEST(more_than_fit)
{
	struct pooler *p = pooler_with("default_pool_size = 1\n"
				       "max_prepared_statements = 2");
	struct wire *w = wire_to(p);
	PGconn *console;
	int n = 1200;

	for (int i = 0; i < n; i++)
		parse(w, text("n%d", i), text("SELECT '%d'", i));
	run(w, "n0", NULL);
	sync_it(w);
	for (int i = 0; i < n; i++)
		wire_expect(w, "1");
	expect_value(w, "2", "0");
	wire_expect(w, "Z");
	for (int i = 0; i < n; i += 11) {
		expect_run(w, text("n%d", i), NULL, text("%d", i));
	}
	for (int i = 0; i < 1000; i++) {
		expect_run(w, text("n%d", i % 3), NULL, text("%d", i % 3));
	}
	/* it has shrunk again */
	console = pooler_console(p, "admin");
	ck_assert_int_le(pooler_show(console, "SERVERS", "database", "app",
			     "prepared_statements"),
	    2);
	ck_assert_int_eq(pooler_show(console, "CLIENTS", "database", "app",
			     "prepared_statements"),
	    n);
	expect_answer(
	    w, "SELECT count(*) <= 2 FROM pg_prepared_statements", "t");
	PQfinish(console);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* No Sync for a long time, each part answered at a Flush. */
START_TEST(flush_only)
{
	struct two t = two_new("max_prepared_statements = 2");

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 5; i++) {
			parse(t.w, text("f%d", i), text("SELECT '%d'", i));
			describe(t.w, text("f%d", i));
			wire_put(t.w, 'H', "");
			wire_expect(t.w, "1tT");
			/* known by now: answered without the server */
			parse(t.w, text("g%d", i), text("SELECT '%d'", i));
			wire_put(t.w, 'H', "");
			wire_expect(t.w, "1");
			run(t.w, text("g%d", i), NULL);
			wire_put(t.w, 'H', "");
			expect_value(t.w, "2", text("%d", i));
			close_it(t.w, text("f%d", i));
			close_it(t.w, text("g%d", i));
			wire_put(t.w, 'H', "");
			wire_expect(t.w, "33");
		}
		sync_it(t.w);
		wire_expect(t.w, "Z");
		if (round == 0)
			hold(&t);
	}
	let_go(&t);
	two_free(&t);
}
END_TEST

/* Parse sent, client gone before the Sync. */
START_TEST(gone_before_sync)
{
	struct pooler *p = pooler_with("default_pool_size = 1");

	for (int i = 0; i < 6; i++) {
		struct wire *w = wire_to(p), *next = wire_to(p);

		parse(w, "a", text("SELECT 'gone %d'", i / 2));
		if (i % 2 == 0)
			wire_put(w, 'H', "");
		wire_free(w);
		parse(next, "b", text("SELECT 'gone %d'", i / 2));
		run(next, "b", NULL);
		sync_it(next);
		expect_value(next, "12", text("gone %d", i / 2));
		wire_expect(next, "Z");
		wire_free(next);
	}
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("prepare_pipe");
	TCase *tc = suite_case(s, "prepare_pipe", 60);

	tcase_add_test(tc, long_pipeline);
	tcase_add_test(tc, deep_pipeline);
	tcase_add_test(tc, more_than_fit);
	tcase_add_test(tc, flush_only);
	tcase_add_test(tc, gone_before_sync);
	return suite_run(s, SUITE_PG);
}
