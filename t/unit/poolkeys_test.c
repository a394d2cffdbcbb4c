/* poolkeys_test.c - keys that one worker learns and all others use. */
#include "shm/poolkeys.h"

#include <string.h>

#include "conf/clock.h"
#include "t/unit/shmtest.h"

static struct pool_keys
some_keys(uint8_t with)
{
	struct pool_keys k = { .iterations = 4096, .salt_len = 16 };

	memset(k.client, with, sizeof(k.client));
	memset(k.stored, with, sizeof(k.stored));
	return k;
}

/* Do these bytes stand anywhere in the row? */
static bool
has_bytes(const struct pool *p, uint8_t of)
{
	uint8_t want[POOL_KEY];
	const uint8_t *at = (const uint8_t *)p;

	memset(want, of, sizeof(want));
	for (size_t i = 0; i + sizeof(want) <= sizeof(*p); i++)
		if (memcmp(at + i, want, sizeof(want)) == 0)
			return true;
	return false;
}

START_TEST(newest_stay)
{
	struct pool_keys k = some_keys(0xa5), out;
	struct pool *p;

	fresh_segment(2, 8, 4);
	p = pool_at(join(0, "d", "u", 3));
	ck_assert(!pool_keys_look(p, &out));
	pool_keys_write(p, 0, &k);
	ck_assert(pool_keys_look(p, &out));
	ck_assert_mem_eq(&out, &k, sizeof(k));
	k = some_keys(0x5a);
	pool_keys_write(p, 1, &k);
	ck_assert(pool_keys_look(p, &out));
	ck_assert_mem_eq(&out, &k, sizeof(k));
	ck_assert_uint_eq(atomic_load(&p->keys_lock), 0);
	ck_assert(!has_bytes(p, 0xa5));
	segment_drop();
}
END_TEST

START_TEST(gone_with_the_row)
{
	struct pool_keys k = some_keys(0xa5), out;
	uint64_t later = clock_now_ms() + 1000;
	struct pool *p;
	uint32_t i;

	fresh_segment(2, 8, 4);
	i = join(0, "d", "u", 3);
	p = pool_at(i);
	pool_keys_write(p, 0, &k);
	ck_assert(has_bytes(p, 0xa5));
	ck_assert_uint_eq(pool_reclaim(0, later), 0);
	pool_leave(0, i);
	ck_assert_uint_eq(pool_reclaim(0, later), 0);
	ck_assert_uint_eq(pool_reclaim(0, later), 1);
	ck_assert(!has_bytes(p, 0xa5));
	ck_assert_uint_eq(join(0, "d", "other", 3), i);
	ck_assert(!pool_keys_look(p, &out));
	segment_drop();
}
END_TEST

START_TEST(a_writer_dies)
{
	struct pool_keys k = some_keys(0xa5), out;
	struct pool *p;

	fresh_segment(3, 8, 4);
	p = pool_at(join(0, "d", "u", 3));
	pool_keys_write(p, 0, &k);
	/* with the lock, before the record and after it */
	atomic_store(&p->keys_lock, 1 + 1);
	pool_keys_mend(p, 0); /* not its */
	ck_assert_uint_eq(atomic_load(&p->keys_lock), 2);
	k = some_keys(0x5a);
	pool_keys_write(p, 2, &k); /* gives up at once */
	ck_assert(pool_keys_look(p, &out));
	ck_assert_uint_eq(out.client[0], 0xa5);
	pool_keys_mend(p, 1);
	ck_assert(pool_keys_look(p, &out));
	ck_assert_uint_eq(out.client[0], 0xa5);
	/* inside it */
	atomic_store(&p->keys_lock, 1 + 1);
	atomic_fetch_add(&p->keys_seq, 1);
	ck_assert(!pool_keys_look(p, &out));
	ck_assert_uint_eq(out.client[0], 0);
	pool_keys_mend(p, 1);
	pool_keys_mend(p, 1);
	ck_assert(!pool_keys_look(p, &out));
	ck_assert(!has_bytes(p, 0xa5));
	pool_keys_write(p, 0, &k);
	ck_assert(pool_keys_look(p, &out));
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(newest_stay),
		TEST(gone_with_the_row),
		TEST(a_writer_dies),
		NO_MORE_TESTS,
	};

	return run_tests("poolkeys", tests, 10);
}
