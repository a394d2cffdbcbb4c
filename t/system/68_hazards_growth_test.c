/*
 * 68_hazards_growth_test.c - memory that grew in other poolers.
 */
#include <stdlib.h>
#include <string.h>

#include "t/system/hazards.h"

/* Whoever has sent and got one large message keeps no memory for it. */
START_TEST(large_messages_are_forgotten)
{
	enum { CLIENTS = 60, LEN = 2000000 };
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c[CLIENTS];
	char *big = malloc(LEN + 1);
	long kb = 0;

	ck_assert_ptr_nonnull(big);
	memset(big, 'x', LEN);
	big[LEN] = '\0';
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = pooler_conn(p, "");
		ck_assert_str_eq(
		    sql_param(c[i], "SELECT right($1::text, 3)", big), "xxx");
		ck_assert_int_eq(
		    strlen(sql_one(c[i], "SELECT repeat('y', %d)", LEN)), 4000);
		if (i == 3)
			kb = pooler_rss_kb(p);
	}
	if (!is_sanitized())
		ck_assert_int_lt(pooler_rss_kb(p) - kb, 16384);
	for (int i = 0; i < CLIENTS; i++)
		PQfinish(c[i]);
	free(big);
	pooler_stop(p);
}
END_TEST

enum growth { FAILING, UNNAMED, NAMED, SETTINGS, SQL_LEVEL };

/* One of the things of which there are no two alike. */
static void
put_new(struct wire *w, enum growth how, unsigned i)
{
	char name[32];

	snprintf(name, sizeof(name), "n%u", i);
	if (how == FAILING) {
		put_statement(w, name, text("SELECT nowhere_%u", i));
	} else if (how == SETTINGS) {
		wire_query(w, text("SET soak.a TO 'v%u'; RESET soak.a", i));
		return;
	} else if (how == SQL_LEVEL) {
		wire_query(w, text("PREPARE a AS SELECT %u; DEALLOCATE a", i));
		return;
	} else {
		put_statement(w, how == NAMED ? name : "",
		    text("SELECT %u, '%0500u'", i, i));
		if (how == NAMED)
			wire_put(w, 'C', "bs", 'S', name);
	}
	wire_put(w, 'S', "");
}

/* Thousands of each, and memory is what it was behind the first of them. */
START_TEST(nothing_grows)
{
	enum { ROUNDS = 40, BATCH = 100 };
	struct pooler *p = pooler_with("default_pool_size = 2\n"
				       "max_prepared_statements = 50");
	struct wire *w = wire_to(p);
	unsigned i = 0;
	long kb = 0;

	for (int r = 0; r < ROUNDS; r++) {
		for (int k = 0; k < BATCH; k++)
			put_new(w, (enum growth)_i, i++);
		for (int k = 0; k < BATCH;) {
			char t = wire_recv(w, WIRE_MS);

			ck_assert_int_ne(t, 0);
			ck_assert_msg(t != 'E' || _i == FAILING, "%s",
			    wire_field(w, 'M'));
			k += t == 'Z';
		}
		if (r == ROUNDS / 4)
			kb = pooler_rss_kb(p);
	}
	if (!is_sanitized())
		ck_assert_msg(pooler_rss_kb(p) - kb < 256, "%ld kB more",
		    pooler_rss_kb(p) - kb);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hazards growth");
	TCase *tc = suite_case(s, "hazards growth", 60);

	tcase_add_test(tc, large_messages_are_forgotten);
	tcase_add_loop_test(tc, nothing_grows, FAILING, SQL_LEVEL + 1);
	return suite_run(s, SUITE_PG);
}
