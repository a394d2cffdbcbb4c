/* check_test.c - each invariant, broken once. */
#include "shm/check.h"

#include <string.h>

#include "conf/clock.h"
#include "shm/clientrow.h"
#include "shm/limits.h"
#include "shm/queue.h"
#include "shm/slot.h"
#include "t/unit/shmtest.h"

static uint32_t pool, slot;
static uint64_t gen;

/* One backend of worker 1, active; worker 2 is gone. */
static void
make(void)
{
	fresh_segment(3, 8, 4);
	pool = join(1, "d", "u", 5);
	ck_assert_int_eq(limits_open(1, pool, 0, 0, &slot, &gen), LIMITS_OK);
	ck_assert(
	    slot_move(slot_at(slot), slot_look(slot_at(slot)), SLOT_ACTIVE, 1));
	atomic_store(&proc_at(2)->gone, 1);
}

static void
expect(bool strict, const char *text)
{
	char why[200];
	int r = check_segment(PROC_SUPERVISOR, strict, why, sizeof(why));

	if (text == NULL) {
		ck_assert_msg(r == 0, "%s", why);
		ck_assert_str_eq(why, "");
	} else {
		ck_assert_int_eq(r, -1);
		ck_assert_msg(strstr(why, text) != NULL, "\"%s\" is not \"%s\"",
		    why, text);
	}
	ck_assert_uint_eq(atomic_load(&seg->limits_lock), 0);
}

/* Broken, found, mended, well again. */
#define BROKEN(strict, text, breaks, mends) \
	do {                                \
		breaks;                     \
		expect(strict, text);       \
		mends;                      \
		expect(strict, NULL);       \
	} while (0)

#define SET(word, value) atomic_store(&(word), (value))

START_TEST(words)
{
	struct slot *s, *f;
	uint64_t free_word;

	make();
	s = slot_at(slot);
	f = slot_at(slot + 1);
	free_word = slot_look(f);
	expect(true, NULL);
#define BROKEN_AS(strict, text, state, owner)                            \
	BROKEN(strict, text, SET(s->hold, slot_word(state, owner, gen)), \
	    SET(s->hold, slot_word(SLOT_ACTIVE, 1, gen)))
	BROKEN_AS(false, "no such state", 9, 1);
	BROKEN(false, "generation 0",
	    SET(s->hold, slot_word(SLOT_ACTIVE, 1, 0)),
	    SET(s->hold, slot_word(SLOT_ACTIVE, 1, gen)));
	BROKEN(false, "free, but owned",
	    SET(f->hold, free_word & ~UINT64_C(0xff00)),
	    SET(f->hold, free_word));
	BROKEN_AS(false, "no such owner", SLOT_ACTIVE, 3);
	BROKEN_AS(false, "no such owner", SLOT_LOGIN, PROC_NOBODY);
	BROKEN_AS(false, "owner is gone", SLOT_ACTIVE, 2);
	BROKEN_AS(false, "owner is gone", SLOT_LOGIN, 2);
	BROKEN_AS(false, "owner is gone", SLOT_CLOSING, 2);
	BROKEN_AS(false, "owner is gone", SLOT_RESERVED, 2);
	BROKEN_AS(true, "owner is gone", SLOT_GRANTED, 2);
	/* these are well */
	BROKEN_AS(false, NULL, SLOT_GRANTED, 2);
	BROKEN_AS(true, NULL, SLOT_IDLE, 2);
	BROKEN_AS(true, NULL, SLOT_CLOSING, PROC_NOBODY);
	SET(s->hold, slot_word(SLOT_IDLE, 1, gen));
	BROKEN(true, "linked to client", SET(s->client, 7), SET(s->client, 0));
	BROKEN(true, "cancels", SET(s->cancels, 1), SET(s->cancels, 0));
	BROKEN(false, NULL, SET(s->client, 7), SET(s->client, 0));
	segment_drop();
}
END_TEST

START_TEST(counters)
{
	struct slot *s;
	struct pool *p;

	make();
	s = slot_at(slot);
	p = pool_at(pool);
	BROKEN(
	    false, "pool 0: its counter", SET(p->count, 2), SET(p->count, 1));
	BROKEN(false, "its counter", SET(db_at(0)->count, 0),
	    SET(db_at(0)->count, 1));
	BROKEN(false, "its counter", SET(user_at(0)->count, 9),
	    SET(user_at(0)->count, 1));
	BROKEN(true, "too many", SET(p->size, 0), SET(p->size, 5));
	BROKEN(false, NULL, SET(p->size, 0), SET(p->size, 5));
	BROKEN(true, NULL, (SET(p->size, 0), SET(p->reserve, 1)),
	    (SET(p->size, 5), SET(p->reserve, 0)));
	BROKEN(true, "too many", SET(db_at(0)->max, 0),
	    SET(db_at(0)->max, POOL_UNLIMITED));
	BROKEN(true, "too many", SET(user_at(0)->max, 0),
	    SET(user_at(0)->max, POOL_UNLIMITED));
	BROKEN(false, "no such pool", SET(s->pool, seg->npools),
	    SET(s->pool, pool));
	BROKEN(false, "another by now", SET(s->pool_gen, 77),
	    SET(s->pool_gen, atomic_load(&p->gen)));
	BROKEN(false, "no such database", SET(p->db, seg->ndbs), SET(p->db, 0));
	BROKEN(false, "above the mark", SET(seg->slots_used, 0),
	    SET(seg->slots_used, 1));
	segment_drop();
}
END_TEST

START_TEST(the_dead)
{
	uint32_t row;

	make();
	BROKEN(false, "waits for pool",
	    queue_publish(2, pool, 1, clock_now_us()),
	    queue_publish(2, pool, 0, 0));
	SET(proc_at(2)->gone, 0);
	ck_assert(grant_offer(2, pool, 1, 1));
	SET(proc_at(2)->gone, 1);
	expect(false, NULL);
	BROKEN(true, "with a grant", (void)0, grant_clear(2, pool));
	BROKEN(false, "a member",
	    SET(segtab.members[2 * segtab.npools + pool], 1),
	    SET(segtab.members[2 * segtab.npools + pool], 0));
	BROKEN(false, "has slot", have_set(2, 3, 1), have_set(2, 3, 0));
	ck_assert_int_eq(clientrow_init(2), 0);
	BROKEN(false, "has client row", row = clientrow_take(),
	    clientrow_free(row));
	clientrow_fini();
	BROKEN(false, "login's owner", SET(pool_at(pool)->login, 3),
	    SET(pool_at(pool)->login, 0));
	BROKEN(false, NULL, SET(pool_at(pool)->login, 2),
	    SET(pool_at(pool)->login, 0));
	BROKEN(false, "holds the pools lock", SET(seg->pools_lock, 3),
	    SET(seg->pools_lock, 0));
	BROKEN(false, NULL, SET(seg->pools_lock, PROC_SUPERVISOR + 1),
	    SET(seg->pools_lock, 0));
	segment_drop();
}
END_TEST

START_TEST(the_lock_it_needs)
{
	char why[200];

	make();
	ck_assert(limits_try(1));
	ck_assert_int_eq(
	    check_segment(PROC_SUPERVISOR, true, why, sizeof(why)), 1);
	limits_drop(1);
	SET(seg->limits_lock, 3);
	ck_assert_int_eq(
	    check_segment(PROC_SUPERVISOR, true, why, sizeof(why)), -1);
	ck_assert_msg(strstr(why, "holds the limits lock") != NULL, "%s", why);
	SET(seg->limits_lock, 0);
	expect(true, NULL);
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(words),
		TEST(counters),
		TEST(the_dead),
		TEST(the_lock_it_needs),
		NO_MORE_TESTS,
	};

	return run_tests("check", tests, 30);
}
