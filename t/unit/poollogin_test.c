/* poollogin_test.c - one login a pool, and what it leaves for the others. */
#include "shm/poollogin.h"

#include <stdio.h>
#include <string.h>

#include "t/unit/shmtest.h"

START_TEST(one_at_a_time)
{
	struct pool *p;

	fresh_segment(2, 8, 4);
	p = pool_at(join(0, "d", "u", 3));
	ck_assert(pool_login_take(p, 1));
	ck_assert_uint_eq(atomic_load(&p->login), 2);
	ck_assert(!pool_login_take(p, 0));
	ck_assert(!pool_login_take(p, 1));
	pool_login_drop(p, 0);
	ck_assert(!pool_login_take(p, 0));
	pool_login_drop(p, 1);
	ck_assert(pool_login_take(p, 0));
	segment_drop();
}
END_TEST

START_TEST(failures_are_numbered)
{
	struct pool_failure f = { .number = 77, .when_ms = 5, .told = 1 }, out;
	struct pool *p;

	fresh_segment(1, 8, 4);
	p = pool_at(join(0, "d", "u", 3));
	ck_assert(pool_failure_look(p, &out));
	ck_assert_uint_eq(out.number, 0);
	snprintf(f.say, sizeof(f.say), "no such role");
	pool_failure_write(p, &f);
	ck_assert(pool_failure_look(p, &out));
	ck_assert_uint_eq(out.number, 1);
	ck_assert_str_eq(out.say, "no such role");
	ck_assert_uint_eq(atomic_load(&p->failure_number), 1);
	pool_failure_clear(p);
	ck_assert(pool_failure_look(p, &out));
	ck_assert_uint_eq(out.number, 1);
	ck_assert_uint_eq(out.when_ms, 0);
	ck_assert_str_eq(out.say, "");
	pool_failure_write(p, &f);
	ck_assert(pool_failure_look(p, &out));
	ck_assert_uint_eq(out.number, 2);
	segment_drop();
}
END_TEST

START_TEST(greetings_are_numbered)
{
	struct pool_greeting g = { .len = 4, .nparams = 1 }, out;
	struct pool *p;
	uint64_t first;

	fresh_segment(1, 8, 4);
	p = pool_at(join(0, "d", "u", 3));
	ck_assert_uint_eq(atomic_load(&p->greeting_number), 0);
	memcpy(g.text, "a\0b", 4);
	pool_greeting_write(p, &g);
	first = atomic_load(&p->greeting_number);
	ck_assert_uint_ne(first, 0);
	ck_assert(pool_greeting_look(p, &out));
	ck_assert_uint_eq(out.number, first);
	ck_assert_mem_eq(out.text, "a\0b", 4);
	/* the same again changes nothing, bytes behind its end neither */
	g.text[100] = 'x';
	pool_greeting_write(p, &g);
	ck_assert_uint_eq(atomic_load(&p->greeting_number), first);
	g.text[2] = 'c';
	pool_greeting_write(p, &g);
	ck_assert_uint_gt(atomic_load(&p->greeting_number), first);
	/* its writer died before it told the number: the next one does */
	atomic_store(&p->greeting_number, first);
	ck_assert(pool_greeting_look(p, &out));
	ck_assert_uint_eq(out.number, first);
	ck_assert_mem_eq(out.text, "a\0b", 4);
	pool_greeting_write(p, &g);
	ck_assert(pool_greeting_look(p, &out));
	ck_assert_uint_gt(out.number, first);
	ck_assert_mem_eq(out.text, "a\0c", 4);
	/* a length that lies is cut */
	g.len = UINT32_MAX;
	pool_greeting_write(p, &g);
	ck_assert(pool_greeting_look(p, &out));
	ck_assert_uint_eq(out.len, POOL_GREETING);
	segment_drop();
}
END_TEST

START_TEST(mended_after_a_death)
{
	struct pool_greeting g = { .len = 4, .nparams = 1 }, out;
	struct pool_failure f = { .when_ms = 5 }, fout;
	struct pool *p;
	uint64_t number;

	fresh_segment(2, 8, 4);
	p = pool_at(join(0, "d", "u", 3));
	ck_assert(pool_login_take(p, 1));
	memcpy(g.text, "a\0b", 4);
	pool_greeting_write(p, &g);
	pool_failure_write(p, &f);
	number = atomic_load(&p->greeting_number);
	pool_login_mend(p, 0); /* not its */
	ck_assert_uint_eq(atomic_load(&p->login), 2);
	/* inside a new greeting: the old one is there throughout */
	atomic_fetch_add(&p->greeting_seq[(number + 1) & 1], 1);
	atomic_fetch_add(&p->failure_seq, 1);
	for (int i = 0; i < 2; i++) {
		ck_assert(pool_greeting_look(p, &out));
		ck_assert_uint_eq(out.number, number);
		ck_assert_mem_eq(out.text, "a\0b", 4);
		pool_login_mend(p, 1);
	}
	ck_assert_uint_eq(atomic_load(&p->login), 0);
	ck_assert(pool_failure_look(p, &fout));
	ck_assert_uint_eq(fout.when_ms, 0);
	ck_assert_uint_eq(fout.number, 1);
	g.text[2] = 'c';
	pool_greeting_write(p, &g);
	ck_assert(pool_greeting_look(p, &out));
	ck_assert_uint_gt(out.number, number);
	ck_assert_mem_eq(out.text, "a\0c", 4);
	/* whole records stay */
	ck_assert(pool_login_take(p, 0));
	pool_login_mend(p, 0);
	ck_assert_uint_gt(atomic_load(&p->greeting_number), number);
	segment_drop();
}
END_TEST

/* Whole pairs only, and never behind the text, whatever `len` says. */
START_TEST(greetings_are_walked)
{
	struct pool_greeting g = { .len = 8, .nparams = 2 };
	const char *name, *value;
	uint32_t pos = 0;

	memcpy(g.text, "a\0b\0c\0\0", 8);
	ck_assert(pool_greeting_next(&g, &pos, &name, &value));
	ck_assert_str_eq(name, "a");
	ck_assert_str_eq(value, "b");
	ck_assert(pool_greeting_next(&g, &pos, &name, &value));
	ck_assert_str_eq(name, "c");
	ck_assert_str_eq(value, "");
	ck_assert_uint_eq(pos, 7);
	ck_assert(!pool_greeting_next(&g, &pos, &name, &value));
	g.len = 6;
	pos = 4;
	ck_assert(!pool_greeting_next(&g, &pos, &name, &value));
	memset(g.text, 'x', sizeof(g.text));
	g.len = UINT32_MAX;
	pos = 0;
	ck_assert(!pool_greeting_next(&g, &pos, &name, &value));
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(one_at_a_time),
		TEST(failures_are_numbered),
		TEST(greetings_are_numbered),
		TEST(greetings_are_walked),
		TEST(mended_after_a_death),
		NO_MORE_TESTS,
	};

	return run_tests("poollogin", tests, 10);
}
