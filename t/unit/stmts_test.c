/* stmts_test.c - what a backend has, what it will have, in which order. */
#include "shm/stmts.h"

#include <string.h>

#include "shm/check.h"
#include "shm/slot.h"
#include "t/unit/shmtest.h"

enum { NAMES = 3 * STMTS_MIN, TURNS = 200000 };

static struct stmts *
fresh_set(void)
{
	fresh_segment(2, 8, 4);
	return stmts_of(3, 7);
}

static const uint8_t *
name_of(uint32_t i)
{
	static uint8_t name[STMTS_NAME];
	uint32_t h = (i + 1) * 2654435761u;

	memset(name, 0, sizeof(name));
	memcpy(name, &h, sizeof(h));
	memcpy(name + 8, &i, sizeof(i));
	return name;
}

/* Names that all want the same place. */
static const uint8_t *
crowd_of(uint32_t i)
{
	static uint8_t name[STMTS_NAME];
	uint32_t home = 2 * STMTS_MIN - 2 + (i % 3);

	memset(name, 0, sizeof(name));
	memcpy(name, &home, sizeof(home));
	memcpy(name + 8, &i, sizeof(i));
	return name;
}

static uint32_t
parse(struct stmts *s, uint32_t i)
{
	uint32_t e = stmts_add(s, name_of(i));

	ck_assert_uint_ne(e, STMTS_NONE);
	stmts_will(s, e, true, 1);
	stmts_did(s, e, true);
	return e;
}

static void
expect_whole(bool is_idle)
{
	const char *why = stmts_check(3, 7, is_idle);

	ck_assert_msg(why == NULL, "%s", why);
}

START_TEST(sizes)
{
	ck_assert_uint_eq(stmts_capacity(0), STMTS_MIN);
	ck_assert_uint_eq(stmts_capacity(STMTS_MIN + 1), 2 * STMTS_MIN);
	ck_assert_uint_eq(stmts_capacity(UINT32_MAX), STMTS_MAX);
	ck_assert_uint_eq(stmts_size(STMTS_MIN) % 64, 0);
	ck_assert_ptr_nonnull(fresh_set());
	ck_assert_ptr_null(stmts_of(seg->nslots, 7));
	ck_assert_uint_eq(stmts_count(seg->nslots), 0);
}
END_TEST

START_TEST(a_generation_begins_empty)
{
	struct stmts *s = fresh_set();

	parse(s, 1);
	ck_assert_uint_eq(stmts_count(3), 1);
	ck_assert_ptr_eq(stmts_of(3, 7), s);
	ck_assert_uint_ne(stmts_find(s, name_of(1)), STMTS_NONE);
	ck_assert_ptr_eq(stmts_of(3, 8), s);
	ck_assert_uint_eq(stmts_find(s, name_of(1)), STMTS_NONE);
	ck_assert_uint_eq(stmts_count(3), 0);
	/* its neighbours are untouched */
	parse(stmts_of(2, 7), 5);
	parse(stmts_of(4, 7), 6);
	ck_assert_uint_eq(stmts_count(3), 0);
	ck_assert_uint_eq(stmts_find(s, name_of(5)), STMTS_NONE);
	segment_drop();
}
END_TEST

START_TEST(order_of_use)
{
	struct stmts *s = fresh_set();
	uint32_t a = parse(s, 1), b = parse(s, 2), c = parse(s, 3);

	ck_assert_uint_eq(stmts_oldest(s), a);
	s->batch = 9;
	stmts_use(s, a);
	ck_assert_uint_eq(stmts_at(s, a)->used, 9);
	ck_assert_uint_eq(stmts_oldest(s), b);
	ck_assert_uint_eq(stmts_newer(s, b), c);
	ck_assert_uint_eq(stmts_newer(s, c), a);
	ck_assert_uint_eq(stmts_newer(s, a), STMTS_NONE);
	stmts_use(s, c);
	stmts_use(s, c);
	ck_assert_uint_eq(stmts_newer(s, a), c);
	stmts_will(s, a, false, 0);
	stmts_did(s, a, false);
	ck_assert_uint_eq(stmts_newer(s, b), c);
	expect_whole(true);
	segment_drop();
}
END_TEST

/* What a Describe has told holds until it is parsed anew. */
START_TEST(what_was_told)
{
	struct stmts *s = fresh_set();
	uint32_t a = stmts_add(s, name_of(1));
	struct stmts_entry *e = stmts_at(s, a);

	stmts_will(s, a, true, 1);
	stmts_told(s, name_of(1), 5, 6);
	ck_assert_uint_eq(e->rows, 0);
	stmts_did(s, a, true);
	stmts_told(s, name_of(1), 5, 6);
	stmts_told(s, name_of(2), 7, 8);
	ck_assert(e->rows == 5 && e->params == 6);
	/* by a portal */
	stmts_told(s, name_of(1), 5, 0);
	ck_assert(e->rows == 5 && e->params == 6);
	stmts_will(s, a, false, 0);
	ck_assert(e->rows == 0 && e->params == 0);
	stmts_will(s, a, true, 1);
	/* an answer to what was asked before */
	stmts_told(s, name_of(1), 5, 6);
	stmts_did(s, a, false);
	ck_assert_uint_eq(e->rows, 0);
	stmts_did(s, a, true);
	ck_assert(e->rows == 0 && e->params == 0);
	expect_whole(true);
	segment_drop();
}
END_TEST

START_TEST(what_is_under_way)
{
	struct stmts *s = fresh_set();
	uint32_t a = stmts_add(s, name_of(1));
	struct stmts_entry *e = stmts_at(s, a);

	s->batch = 4;
	stmts_will(s, a, true, 3);
	ck_assert(e->will && !e->has && e->batch == 4 && e->plan == 3);
	ck_assert_ptr_nonnull(stmts_check(3, 7, true));
	expect_whole(false);
	/* closed and parsed again before the first is answered */
	stmts_will(s, a, false, 0);
	ck_assert(!e->will);
	stmts_will(s, a, true, 3);
	stmts_did(s, a, true);
	ck_assert(e->has && e->will);
	stmts_did(s, a, false);
	ck_assert(!e->has && e->will);
	stmts_did(s, a, true);
	ck_assert(e->has && e->will && e->pending == 0 && e->plan == 3);
	expect_whole(true);
	/* a Close that was skipped has changed nothing, but who knows */
	stmts_will(s, a, false, 0);
	stmts_lost(s, a);
	ck_assert(e->has && e->will && e->plan == 0);
	expect_whole(true);
	stmts_will(s, a, false, 0);
	stmts_did(s, a, false);
	ck_assert_uint_eq(stmts_find(s, name_of(1)), STMTS_NONE);
	/* a Parse that failed leaves nothing */
	a = stmts_add(s, name_of(1));
	stmts_will(s, a, true, 3);
	stmts_lost(s, a);
	ck_assert_uint_eq(stmts_find(s, name_of(1)), STMTS_NONE);
	ck_assert_uint_eq(stmts_count(3), 0);
	segment_drop();
}
END_TEST

START_TEST(all_at_once)
{
	struct stmts *s = fresh_set();
	uint32_t a = parse(s, 1), b = parse(s, 2), c;

	stmts_doubt(s);
	ck_assert_uint_eq(stmts_at(s, a)->plan, 0);
	stmts_will(s, b, false, 0);
	stmts_will(s, b, true, 8);
	c = stmts_add(s, name_of(3));
	stmts_will(s, c, true, 8);
	/* DISCARD ALL is answered; what was sent behind it is still to come */
	stmts_gone(s);
	ck_assert_uint_eq(stmts_find(s, name_of(1)), STMTS_NONE);
	ck_assert(!stmts_at(s, b)->has && stmts_at(s, b)->will);
	stmts_did(s, b, false);
	stmts_did(s, b, true);
	ck_assert(stmts_at(s, b)->has);
	/* nobody will hear what became of the third */
	stmts_abandon(s);
	ck_assert(stmts_at(s, c)->has && stmts_at(s, c)->plan == 0);
	ck_assert_uint_eq(stmts_at(s, b)->plan, 8);
	expect_whole(true);
	ck_assert_uint_eq(stmts_count(3), 2);
	stmts_clear(s);
	ck_assert_uint_eq(stmts_count(3), 0);
	ck_assert_uint_eq(stmts_find(s, name_of(2)), STMTS_NONE);
	expect_whole(true);
	segment_drop();
}
END_TEST

START_TEST(it_fills_and_empties)
{
	struct stmts *s = fresh_set();

	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < STMTS_MIN; i++)
			parse(s, i);
		ck_assert_uint_eq(stmts_add(s, name_of(NAMES)), STMTS_NONE);
		ck_assert(!stmts_is_broken(s));
		expect_whole(true);
		stmts_gone(s);
		ck_assert_uint_eq(stmts_count(3), 0);
		expect_whole(true);
	}
	segment_drop();
}
END_TEST

/* Against a plain table, with names that crowd around the index's end. */
START_TEST(by_chance)
{
	struct stmts *s = fresh_set();
	bool there[NAMES] = { false };
	uint32_t n = 0, r = 1;

	for (int turn = 0; turn < TURNS; turn++) {
		uint32_t i = (r = r * 1103515245u + 12345u) / 65536 % NAMES;
		const uint8_t *name = i % 2 ? name_of(i) : crowd_of(i);
		uint32_t e = stmts_find(s, name);

		ck_assert_int_eq(e != STMTS_NONE, there[i]);
		if (e == STMTS_NONE && n < STMTS_MIN) {
			e = stmts_add(s, name);
			ck_assert_uint_ne(e, STMTS_NONE);
			stmts_will(s, e, true, 1);
			stmts_did(s, e, true);
			there[i] = true;
			n++;
		} else if (e != STMTS_NONE && r & 1 << 20) {
			stmts_will(s, e, false, 0);
			stmts_did(s, e, false);
			there[i] = false;
			n--;
		} else if (e != STMTS_NONE) {
			stmts_use(s, e);
		}
		ck_assert_uint_eq(stmts_count(3), n);
		if (turn % 1000 == 0)
			expect_whole(true);
	}
	segment_drop();
}
END_TEST

/* Whatever is written over it: no harm, and mostly it is noticed. */
START_TEST(garbage)
{
	uint32_t r = 1, noticed = 0;

	for (int round = 0; round < 2000; round++) {
		struct stmts *s = fresh_set();
		uint8_t *at = (uint8_t *)s;

		for (uint32_t i = 0; i < 40; i++)
			parse(s, i);
		for (int i = 0; i < 20; i++) {
			size_t k = (r = r * 1103515245u + 12345u) / 65536;

			k = k * 7919 % stmts_size(STMTS_MIN);
			if (k < 8 || k > 15)
				at[k] = (uint8_t)(r >> 24);
		}
		s->gen = 7;
		for (uint32_t i = 0; i < 60; i++) {
			uint32_t e = stmts_find(s, name_of(i));

			if (e == STMTS_NONE)
				e = stmts_add(s, name_of(i));
			if (e == STMTS_NONE)
				continue;
			stmts_use(s, e);
			stmts_will(s, e, (i & 1) != 0, 1);
			stmts_did(s, e, (i & 1) != 0);
		}
		stmts_doubt(s);
		noticed += stmts_check(3, 7, true) != NULL;
		stmts_abandon(s);
		stmts_gone(s);
		stmts_clear(s);
		ck_assert(!stmts_is_broken(s));
		segment_drop();
	}
	ck_assert_uint_gt(noticed, 1000);
}
END_TEST

START_TEST(check_segment_looks)
{
	char why[128];
	struct stmts *s;
	uint32_t e;

	fresh_segment(2, 8, 4);
	join(0, "db", "user", 5);
	ck_assert_int_eq(check_segment(0, true, why, sizeof(why)), 0);
	s = stmts_of(0, 1);
	e = parse(s, 1);
	atomic_store(&pool_at(0)->count, 1);
	atomic_store(&db_at(0)->count, 1);
	atomic_store(&user_at(0)->count, 1);
	atomic_store(&slot_at(0)->pool, 0);
	atomic_store(&slot_at(0)->pool_gen, atomic_load(&pool_at(0)->gen));
	atomic_store(&seg->slots_used, 1);
	atomic_store(&slot_at(0)->hold, slot_word(SLOT_IDLE, 0, 1));
	ck_assert_msg(check_segment(0, true, why, sizeof(why)) == 0, "%s", why);
	stmts_will(s, e, false, 0);
	ck_assert_int_eq(check_segment(0, true, why, sizeof(why)), -1);
	ck_assert_ptr_nonnull(strstr(why, "under way"));
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = { TEST(sizes),
		TEST(a_generation_begins_empty), TEST(order_of_use),
		TEST(what_was_told), TEST(what_is_under_way), TEST(all_at_once),
		TEST(it_fills_and_empties), TEST(by_chance), TEST(garbage),
		TEST(check_segment_looks), NO_MORE_TESTS };

	return run_tests("stmts", tests, 60);
}
