/* names_test.c - one client's names for its statements. */
#include "worker/session/names.h"

#include <stdio.h>
#include <string.h>

#include "t/unit/shmtest.h"
#include "worker/self.h"

enum { MANY = 2000 };

static struct conf conf;
static struct names names;
static struct stmt *one, *two;

static struct stmt *
intern(const char *query)
{
	uint8_t body[256];
	size_t len = strlen(query) + 1;

	memcpy(body, query, len);
	body[len] = body[len + 1] = 0;
	return stmt_intern(body, len + 2);
}

static void
begin(int max)
{
	fresh_segment(2, 8, 4);
	conf.max_statement_memory = max;
	self.conf = &conf;
	memset(&names, 0, sizeof(names));
	one = intern("SELECT 1");
	two = intern("SELECT 2");
}

static void
end(void)
{
	names_fini(&names);
	stmt_drop(one);
	stmt_drop(two);
	ck_assert_uint_eq(stmt_memory(), 0);
	stmt_fini();
	segment_drop();
}

static struct name *
find(const char *name)
{
	return names_find(&names, name, strlen(name));
}

static struct name *
give(const char *name, struct stmt *s)
{
	struct name *e = names_make(&names, name, strlen(name));

	ck_assert_ptr_nonnull(e);
	names_will(e, s, 1);
	names_did(&names, e, s);
	return e;
}

START_TEST(found_and_forgotten)
{
	struct name *a, *b;

	begin(1 << 20);
	ck_assert_ptr_null(find("a"));
	a = give("a", one);
	b = give("b", two);
	ck_assert_ptr_eq(find("a"), a);
	ck_assert_ptr_eq(find("a")->is, one);
	ck_assert_ptr_eq(find("b"), b);
	ck_assert_ptr_null(find("A"));
	ck_assert_ptr_null(find(""));
	ck_assert_ptr_eq(names_make(&names, "b", 1), b);
	ck_assert_uint_eq(names_count(&names), 2);
	ck_assert_uint_eq(one->refs, 2);
	names_will(a, NULL, 2);
	ck_assert_ptr_null(find("a")->will);
	names_did(&names, a, NULL);
	ck_assert_ptr_null(find("a"));
	ck_assert_uint_eq(one->refs, 1);
	ck_assert_uint_eq(names_count(&names), 1);
	end();
}
END_TEST

/* PostgreSQL compares 63 bytes. */
START_TEST(long_names)
{
	char name[200];

	begin(1 << 20);
	memset(name, 'x', sizeof(name));
	give("x", one);
	ck_assert_ptr_null(names_find(&names, name, 63));
	ck_assert_ptr_nonnull(names_make(&names, name, 200));
	ck_assert_ptr_eq(
	    names_find(&names, name, 63), names_find(&names, name, 200));
	ck_assert_ptr_null(names_find(&names, name, 62));
	names_will(names_find(&names, name, 63), two, 1);
	names_did(&names, names_find(&names, name, 64), two);
	ck_assert_uint_eq(strlen(names_find(&names, name, 200)->text), 63);
	end();
}
END_TEST

/* Told of the statement that it has, and no longer than it has that. */
START_TEST(told)
{
	const struct shape all = { 3, 4 }, portal = { 5, 0 };
	struct name *a;

	begin(1 << 20);
	a = give("a", one);
	names_ask(a);
	names_ask(a);
	names_told(&names, a, one, &all);
	ck_assert(a->told.rows == 3 && a->told.params == 4);
	names_told(&names, a, one, &portal);
	ck_assert(a->told.rows == 5 && a->told.params == 4);
	names_ask(a);
	names_told(&names, a, one, NULL);
	ck_assert_uint_eq(a->told.rows, 5);
	names_will(a, NULL, 1);
	names_will(a, two, 1);
	ck_assert_uint_eq(a->told.rows, 5);
	names_did(&names, a, NULL);
	names_did(&names, a, two);
	ck_assert(a->told.rows == 0 && a->told.params == 0);
	/* of what it had before; and it stays until that is answered */
	names_ask(a);
	names_ask(a);
	names_told(&names, a, one, &all);
	ck_assert_uint_eq(a->told.rows, 0);
	names_gone(&names);
	ck_assert_ptr_eq(find("a"), a);
	names_told(&names, a, two, &all);
	ck_assert_ptr_null(find("a"));
	end();
}
END_TEST

/* A Parse fails behind one that does not, then a Close is skipped. */
START_TEST(under_way)
{
	struct name *a;

	begin(1 << 20);
	a = give("a", one);
	names_will(a, NULL, 5);
	names_will(a, two, 6);
	ck_assert(a->will == two && a->is == one && a->batch == 6);
	names_did(&names, a, NULL);
	ck_assert(a->will == two && a->is == NULL);
	names_lost(&names, a);
	ck_assert_ptr_null(find("a"));
	a = give("a", one);
	names_will(a, NULL, 7);
	names_lost(&names, a);
	ck_assert(find("a") == a && a->will == one && a->is == one);
	/* one that fails leaves nothing */
	a = names_make(&names, "b", 1);
	names_will(a, two, 8);
	names_lost(&names, a);
	ck_assert_ptr_null(find("b"));
	end();
}
END_TEST

START_TEST(gone)
{
	struct name *b;

	begin(1 << 20);
	give("a", one);
	b = give("b", one);
	names_will(b, two, 3);
	names_gone(&names);
	ck_assert_ptr_null(find("a"));
	ck_assert(find("b") == b && b->is == NULL && b->will == two);
	ck_assert_uint_eq(one->refs, 1);
	names_did(&names, b, two);
	ck_assert_ptr_eq(find("b")->is, two);
	end();
}
END_TEST

START_TEST(by_hash)
{
	uint8_t nothing[STMTS_NAME] = { 0 };

	begin(1 << 20);
	give("a", one);
	give("b", two);
	ck_assert_ptr_eq(names_of(&names, one->hash), find("a"));
	ck_assert_ptr_eq(names_of(&names, two->hash), find("b"));
	/* of several the one used last */
	give("c", one);
	ck_assert_ptr_eq(names_of(&names, one->hash), find("c"));
	ck_assert_ptr_null(names_of(&names, nothing));
	end();
}
END_TEST

START_TEST(many)
{
	char name[32];

	begin(1 << 24);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < MANY; i++) {
			snprintf(name, sizeof(name), "stmt_%d", i);
			give(name, i % 2 ? one : two);
		}
		ck_assert_uint_eq(names_count(&names), MANY);
		for (int i = 0; i < MANY; i++) {
			snprintf(name, sizeof(name), "stmt_%d", i);
			ck_assert_ptr_eq(find(name)->is, i % 2 ? one : two);
		}
		names_gone(&names);
		ck_assert_uint_eq(names_count(&names), 0);
		ck_assert_uint_eq(names.bytes, 0);
	}
	end();
}
END_TEST

START_TEST(bounded)
{
	char name[32];
	int n = 0;

	begin(65536);
	/* its part: each name has the whole statement */
	while (names_has_room(&names, one)) {
		snprintf(name, sizeof(name), "n%d", n++);
		give(name, one);
		ck_assert_int_lt(n, MANY);
	}
	ck_assert_int_gt(n, 100);
	ck_assert_uint_le(names.bytes, 65536 / NAMES_PART + 100);
	/* all memory */
	ck_assert(stmt_charge(65536 - stmt_memory()));
	ck_assert_ptr_null(names_make(&names, "more", 4));
	ck_assert_ptr_nonnull(find("n0"));
	names_fini(&names);
	stmt_refund(stmt_memory() - 2 * (sizeof(*one) + one->len));
	end();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = { TEST(found_and_forgotten),
		TEST(told), TEST(long_names), TEST(under_way), TEST(gone),
		TEST(by_hash), TEST(many), TEST(bounded), NO_MORE_TESTS };

	return run_tests("names", tests, 30);
}
