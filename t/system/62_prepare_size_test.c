/*
 * 62_prepare_size_test.c - prepared statements in every size: torn, larger
 * than any buffer, more than there is memory for.
 */
#include "t/system/prepare.h"

#define MB (1024 * 1024)

/* A byte at a time, each its own segment. */
START_TEST(torn_everywhere)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *other = wire_to(p);
	char buf[1024];

	for (int round = 0; round < 2; round++) {
		size_t n = 0;

#define ADD(...) n += wire_make(buf + n, sizeof(buf) - n, __VA_ARGS__)
		ADD('P', "ssh", "torn", "SELECT 'x' || $1::text", 0);
		ADD('D', "bs", 'S', "torn");
		ADD('B', "sshhixh", "portal", "torn", 0, 1, 1, "y", (size_t)1,
		    0);
		ADD('E', "si", "portal", 0);
		ADD('C', "bs", 'S', "torn");
		ADD('P', "ssh", "", "SELECT 'z'", 0);
		ADD('B', "sshhh", "", "", 0, 0, 0);
		ADD('E', "si", "", 0);
		ADD('S', "");
#undef ADD
		wire_drip(w, buf, n);
		expect_value(w, "1tT2", "xy");
		expect_value(w, "312", "z");
		wire_expect(w, "Z");
		/* the second time the backend has it */
		prepare(other, "", "SELECT 1");
	}
	wire_free(w);
	wire_free(other);
	pooler_stop(p);
}
END_TEST

static void
parse_large(struct wire *w, const char *name, const char *query)
{
	size_t room = strlen(query) + 200;
	char *m = malloc(room);

	wire_send(w, m, wire_make(m, room, 'P', "ssh", name, query, 0));
	free(m);
}

static void
bind_large(struct wire *w, const char *name, const char *value)
{
	size_t len = strlen(value), room = len + 200;
	char *m = malloc(room);

	wire_send(w, m,
	    wire_make(m, room, 'B', "sshhixh", "", name, 0, 1, (uint32_t)len,
		value, len, 0));
	wire_put(w, 'E', "si", "", 0);
	sync_it(w);
	free(m);
}

START_TEST(large_messages)
{
	struct two t = two_new("");
	char *query = malloc(MB + 100), *value = malloc(MB + 1);

	memset(value, 'v', MB);
	value[MB] = '\0';
	snprintf(
	    query, MB + 100, "SELECT length($1::text)::text /* %s */", value);
	parse_large(t.w, "large", query);
	sync_it(t.w);
	wire_expect(t.w, "1Z");
	for (int i = 0; i < 2; i++) {
		bind_large(t.w, "large", value);
		expect_value(t.w, "2", "1048576");
		wire_expect(t.w, "Z");
		/* on the other backend, too: it is sent ahead */
		if (i == 0)
			hold(&t);
	}
	let_go(&t);
	/* without a name, too long to be kept */
	parse_large(t.w, "", query);
	bind_large(t.w, "", value);
	expect_value(t.w, "12", "1048576");
	wire_expect(t.w, "Z");
	/* taken */
	parse_large(t.w, "large", query);
	sync_it(t.w);
	wire_expect(t.w, "EZ");
	two_free(&t);
	free(query);
	free(value);
}
END_TEST

/* Bounded, and told. */
START_TEST(too_much)
{
	struct pooler *p = pooler_with("max_statement_memory = 100000");
	struct wire *w = wire_to(p), *other = wire_to(p);
	char query[2000];
	int n = 0;

	memset(query, ' ', sizeof(query));
	query[sizeof(query) - 1] = '\0';
	prepare(other, "a", "SELECT 1");
	for (char type = 'Z'; type == 'Z'; n++) {
		snprintf(query, 40, "SELECT %d --", n);
		query[strlen(query)] = ' ';
		parse(w, text("n%d", n), query);
		sync_it(w);
		if ((type = wire_recv(w, WIRE_MS)) == '1')
			type = wire_recv(w, WIRE_MS);
	}
	ck_assert_int_gt(n, 8);
	ck_assert_int_lt(n, 50);
	ck_assert_int_eq(w->type, 'E');
	ck_assert_str_eq(wire_field(w, 'C'), "53200");
	wire_expect(w, "Z");
	/* it goes on with what it has, and has room for what it lets go */
	run(w, "n0", NULL);
	close_it(w, "n1");
	sync_it(w);
	expect_value(w, "2", "0");
	wire_expect(w, "3Z");
	parse(w, "n1", query);
	sync_it(w);
	wire_expect(w, "1Z");
	wire_free(w);
	/* what it had is free again, and others go on */
	for (int i = 0; i < 8; i++) {
		prepare(other, text("n%d", i), query);
	}
	wire_free(other);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("prepare_size");
	TCase *tc = suite_case(s, "prepare_size", 60);

	tcase_add_test(tc, torn_everywhere);
	tcase_add_test(tc, large_messages);
	tcase_add_test(tc, too_much);
	return suite_run(s, SUITE_PG);
}
