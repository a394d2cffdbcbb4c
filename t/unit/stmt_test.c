/* stmt_test.c - each different statement once, under one name everywhere. */
#include "worker/session/stmt.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/shmtest.h"
#include "worker/self.h"

enum { MANY = 1000 };

static struct conf conf;

static void
begin(int max)
{
	fresh_segment(2, 8, 4);
	conf.max_statement_memory = max;
	self.conf = &conf;
}

/* A Parse's body without parameter types. */
static struct stmt *
intern(const char *query)
{
	uint8_t body[256];
	size_t len = strlen(query) + 1;

	memcpy(body, query, len);
	body[len] = body[len + 1] = 0;
	return stmt_intern(body, len + 2);
}

START_TEST(shared)
{
	struct stmt *a, *b, *c;

	begin(1 << 20);
	a = intern("SELECT 1");
	b = intern("SELECT 2");
	c = intern("SELECT 1");
	ck_assert(a != NULL && a == c && a != b);
	ck_assert_uint_eq(stmt_number(), 2);
	ck_assert_str_ne(a->name, b->name);
	ck_assert_uint_eq(strlen(a->name), STMT_NAME - 1);
	ck_assert_uint_eq(a->len, 11);
	ck_assert_mem_eq(a->body, "SELECT 1\0\0\0", 11);
	stmt_drop(a);
	ck_assert_uint_eq(stmt_number(), 2);
	stmt_drop(c);
	ck_assert_uint_eq(stmt_number(), 1);
	stmt_drop(b);
	stmt_drop(NULL);
	ck_assert_uint_eq(stmt_memory(), 0);
	stmt_fini();
	segment_drop();
}
END_TEST

/* Types are a part of it, and nothing runs into anything else. */
START_TEST(what_differs)
{
	static const struct {
		const char *body;
		size_t len;
	} bodies[] = { { "q\0\0\0", 4 }, { "q\0\0\1\0\0\0\0", 8 },
		{ "q\0\0\1\0\0\0\27", 8 }, { "\0\0\0", 3 }, { "qq\0\0\0", 5 } };
	struct stmt *s[5];

	begin(1 << 20);
	for (size_t i = 0; i < 5; i++)
		s[i] =
		    stmt_intern((const uint8_t *)bodies[i].body, bodies[i].len);
	ck_assert_uint_eq(stmt_number(), 5);
	for (size_t i = 0; i < 5; i++)
		stmt_drop(s[i]);
	stmt_fini();
	segment_drop();
}
END_TEST

/* Every process calls it the same; the next start's calls it otherwise. */
START_TEST(one_name_everywhere)
{
	struct stmt *s;
	char name[STMT_NAME];
	int ends[2], status;

	begin(1 << 20);
	ck_assert_int_eq(pipe(ends), 0);
	if (fork() == 0) {
		s = intern("SELECT 1");
		_exit(write(ends[1], s->name, STMT_NAME) != STMT_NAME);
	}
	ck_assert_int_eq(read(ends[0], name, sizeof(name)), STMT_NAME);
	ck_assert_int_ne(wait(&status), -1);
	s = intern("SELECT 1");
	ck_assert_str_eq(s->name, name);
	stmt_drop(s);
	segment_drop();
	begin(1 << 20);
	s = intern("SELECT 1");
	ck_assert_str_ne(s->name, name);
	stmt_drop(s);
	stmt_fini();
	segment_drop();
}
END_TEST

START_TEST(names_are_known)
{
	uint8_t hash[STMTS_NAME];
	char name[STMT_NAME + 4];
	struct stmt *s;

	begin(1 << 20);
	s = intern("SELECT 1");
	memcpy(name, s->name, STMT_NAME);
	ck_assert(stmt_is_name((uint8_t *)name, STMT_NAME - 1, hash));
	ck_assert_mem_eq(hash, s->hash, STMTS_NAME);
	ck_assert(!stmt_is_name((uint8_t *)name, STMT_NAME - 2, hash));
	name[STMT_NAME - 2] = 'g';
	ck_assert(!stmt_is_name((uint8_t *)name, STMT_NAME - 1, hash));
	name[0] = 'q';
	ck_assert(!stmt_is_name((uint8_t *)name, STMT_NAME - 1, hash));
	stmt_drop(s);
	stmt_fini();
	segment_drop();
}
END_TEST

START_TEST(what_a_server_would_take)
{
	static const struct {
		bool ok;
		const char *body;
		size_t len;
	} rows[] = { { true, "\0\0\0", 3 }, { true, "q\0\0\0", 4 },
		{ true, "q\0\0\1\0\0\0\0", 8 }, { false, "", 0 },
		{ false, "qqqqqqqq", 8 }, { false, "q\0\0", 3 },
		{ false, "q\0\0\0\0", 5 }, { false, "q\0\0\1\0\0\0", 7 },
		{ false, "q\0\xff\xff\0\0\0\0", 8 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_int_eq(
		    stmt_is_valid((const uint8_t *)rows[i].body, rows[i].len),
		    rows[i].ok);
}
END_TEST

START_TEST(many)
{
	struct stmt *s[MANY];
	char query[32];

	begin(1 << 20);
	for (int i = 0; i < MANY; i++) {
		snprintf(query, sizeof(query), "SELECT %d", i);
		s[i] = intern(query);
		ck_assert_ptr_nonnull(s[i]);
	}
	ck_assert_uint_eq(stmt_number(), MANY);
	for (int i = 0; i < MANY; i++) {
		snprintf(query, sizeof(query), "SELECT %d", i);
		ck_assert_ptr_eq(intern(query), s[i]);
		stmt_drop(s[i]);
	}
	for (int i = MANY; i-- > 0;)
		stmt_drop(s[i]);
	ck_assert_uint_eq(stmt_number(), 0);
	ck_assert_uint_eq(stmt_memory(), 0);
	stmt_fini();
	segment_drop();
}
END_TEST

START_TEST(memory_is_bounded)
{
	struct stmt *s[MANY], *again;
	char query[32];
	int n = 0;

	begin(10000);
	for (;; n++) {
		ck_assert_int_lt(n, MANY);
		snprintf(query, sizeof(query), "SELECT %d", n);
		s[n] = intern(query);
		if (s[n] == NULL)
			break;
	}
	ck_assert_int_gt(n, 10);
	ck_assert_uint_le(stmt_memory(), 10000);
	ck_assert_uint_gt(stmt_memory(), 9800);
	ck_assert(!stmt_charge(200));
	/* one that is there takes no more */
	again = intern("SELECT 0");
	ck_assert_ptr_eq(again, s[0]);
	stmt_drop(again);
	stmt_drop(s[0]);
	ck_assert(stmt_charge(20));
	stmt_refund(20);
	s[0] = intern("SELECT 0");
	ck_assert_ptr_nonnull(s[0]);
	/* a reload may lower it */
	conf.max_statement_memory = 100;
	ck_assert(!stmt_charge(1));
	while (n-- > 0)
		stmt_drop(s[n]);
	ck_assert_uint_eq(stmt_memory(), 0);
	stmt_fini();
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = { TEST(shared),
		TEST(what_differs), TEST(one_name_everywhere),
		TEST(names_are_known), TEST(what_a_server_would_take),
		TEST(many), TEST(memory_is_bounded), NO_MORE_TESTS };

	return run_tests("stmt", tests, 30);
}
