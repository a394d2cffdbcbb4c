/*
 * pinned_test.c - who gives up a place that only one worker can use, and when:
 * worker 0, which is under test, and others that the test speaks for.
 */
#include "worker/backend/pinned.h"

#include <poll.h>

#include "shm/limits.h"
#include "shm/queue.h"
#include "t/unit/clientsim.h"
#include "t/unit/run.h"
#include "worker/backend/depart.h"
#include "worker/backend/fdcache.h"
#include "worker/backend/servertls.h"

enum { SIZE = 4, SECOND = 1000000, REST_US = 50000 };

static struct lend *lend;
static struct chan supervisor;

static struct lend *
lend_of(const char *user)
{
	bool is_busy;
	struct lend *l = lend_join(
	    conf_db_find(self.conf, "app"), "app", user, false, &is_busy);

	ck_assert_ptr_nonnull(l);
	return l;
}

static void
set_up_with(uint32_t workers, const char *settings)
{
	char text[512];
	struct err e;

	snprintf(text, sizeof(text),
	    "default_pool_size = 4\n%s\n[databases]\napp = host=/nowhere\n",
	    settings);
	sim_set_up(workers, text, NULL);
	ck_assert_int_eq(bell_make(workers, &e), 0);
	ck_assert_int_eq(chan_pair(&self.chan, &supervisor, &e), 0);
	ck_assert_int_eq(backend_init(), 0);
	ck_assert_int_eq(depart_init(), 0);
	servertls_conf();
	lend = lend_of("app");
	loop_now_us = clock_now_us() + SECOND;
}

static void
set_up(uint32_t workers)
{
	set_up_with(workers, "server_tls_sslmode = require");
}

/* One more place of worker `w`, in use. */
static uint32_t
place(uint32_t w, struct lend *l)
{
	uint32_t slot;
	uint64_t gen;

	ck_assert_int_eq(limits_open(w, l->pool, 0, 1, &slot, &gen), LIMITS_OK);
	ck_assert(
	    slot_move(slot_at(slot), slot_look(slot_at(slot)), SLOT_ACTIVE, w));
	atomic_store(&slot_at(slot)->flags, SLOT_PINNED);
	return slot;
}

/* The same, ours: it has served for just a second, and was used just now. */
static struct backend *
ours(struct lend *l)
{
	uint32_t slot = place(0, l);
	struct slot *s = slot_at(slot);
	struct backend *b;
	struct err e;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	b = fdcache_add(slot, slot_gen(slot_look(s)), pair[0]);
	ck_assert_ptr_nonnull(b);
	b->lend = l;
	b->state = BACKEND_CACHED;
	track_init(&b->track, 'I');
	b->tls = servertls_connect(pair[0], "h", &e);
	ck_assert_ptr_nonnull(b->tls);
	/* without a handshake it can say no farewell: not behind half a
	 * message */
	ck_assert_int_eq(buf_put(&b->out, "", 1), 0);
	atomic_store(&s->born_us, loop_now_us - SECOND);
	atomic_store(&s->since_us, loop_now_us);
	return b;
}

static void
idle(struct backend *b)
{
	struct slot *s = slot_at(b->slot);

	ck_assert(slot_move(s, slot_look(s), SLOT_IDLE, 0));
}

static void
waits(uint32_t w, uint32_t n)
{
	queue_publish(w, lend->pool, n, loop_now_us);
	if (w == 0)
		lend->nwaiting = n;
}

/* Would it be closed?  Then it has been. */
static bool
parts(struct backend *b)
{
	uint32_t slot = b->slot;
	bool is = pinned_part(lend, b);

	ck_assert_int_eq(slot_state(slot_look(slot_at(slot))),
	    is ? SLOT_CLOSING : SLOT_ACTIVE);
	return is;
}

/* How many of all places are on their way out. */
static uint32_t
closing(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < atomic_load(&seg->slots_used); i++)
		n += slot_state(slot_look(slot_at(i))) == SLOT_CLOSING;
	return n;
}

/* --- done with one --------------------------------------------------------- */

/* Three here, one there, where somebody waits: one moves, and no more. */
START_TEST(one_for_who_waits)
{
	struct backend *b[3];

	set_up(2);
	for (int i = 0; i < 3; i++)
		b[i] = ours(lend);
	place(1, lend);
	loop_now_us++;
	ck_assert(!parts(b[0]));
	waits(1, 5);
	ck_assert(parts(b[0]));
	/* that one is on its way to it */
	ck_assert(!parts(b[1]));
}
END_TEST

/* Two workers in need: one for each. */
START_TEST(one_for_each)
{
	struct backend *b[4];

	set_up(3);
	for (int i = 0; i < 4; i++)
		b[i] = ours(lend);
	loop_now_us++;
	waits(1, 1);
	waits(2, 1);
	ck_assert(parts(b[0]));
	ck_assert(parts(b[1]));
	ck_assert(!parts(b[2]));
}
END_TEST

START_TEST(not_before_it_has_served)
{
	struct backend *b;

	set_up(2);
	b = ours(lend);
	ours(lend);
	ours(lend);
	place(1, lend);
	waits(1, 1);
	ck_assert(!parts(b));
	loop_now_us++;
	ck_assert(parts(b));
}
END_TEST

START_TEST(nobody_else_waits)
{
	struct backend *b;

	set_up(2);
	b = ours(lend);
	ours(lend);
	ours(lend);
	place(1, lend);
	loop_now_us++;
	ck_assert(!parts(b));
	waits(0, 9);
	ck_assert(!parts(b));
}
END_TEST

START_TEST(there_is_room)
{
	struct backend *b;

	set_up(2);
	b = ours(lend);
	ours(lend);
	ours(lend);
	loop_now_us++;
	waits(1, 1);
	ck_assert(!parts(b));
	place(1, lend);
	ck_assert(parts(b));
}
END_TEST

/* What it has of other pools is no share of this one. */
START_TEST(each_pool_for_itself)
{
	struct backend *b;
	struct lend *other;

	set_up_with(2, "server_tls_sslmode = require\ndefault_pool_size = 2");
	other = lend_of("other");
	b = ours(lend);
	ours(lend);
	place(1, other);
	place(1, other);
	loop_now_us++;
	waits(1, 1);
	ck_assert(parts(b));
}
END_TEST

/* `mine` here, the others there; who else waits. */
static const struct {
	uint32_t mine, here; /* waiters */
	bool is_parted;
} shares[] = {
	{ 4, 1, true },
	{ 3, 1, true },
	{ 2, 1, false }, /* half of it, and two wait */
	{ 1, 1, false },
	{ 3, 0, true },  /* alone it has a right to all, */
	{ 2, 0, false }, /* but not to be ahead of us */
	{ 1, 0, false },
};

START_TEST(fair_shares)
{
	struct backend *b;

	set_up(2);
	b = ours(lend);
	for (uint32_t i = 1; i < SIZE; i++)
		if (i < shares[_i].mine)
			b = ours(lend);
		else
			place(1, lend);
	loop_now_us++;
	waits(0, shares[_i].here);
	waits(1, 1);
	ck_assert_int_eq(parts(b), shares[_i].is_parted);
}
END_TEST

/* Nobody is there to take it. */
START_TEST(one_worker)
{
	struct backend *b = NULL;

	set_up(1);
	for (int i = 0; i < SIZE; i++)
		b = ours(lend);
	loop_now_us++;
	waits(0, 3);
	ck_assert(!parts(b));
	idle(b);
	pinned_look();
	ck_assert_uint_eq(closing(), 0);
}
END_TEST

/* --- rung -------------------------------------------------------------------- */

/* Four of ours, of which two lie idle; somebody else waits. */
static void
two_idle(struct backend *b[SIZE])
{
	for (int i = 0; i < SIZE; i++)
		b[i] = ours(lend);
	idle(b[1]);
	idle(b[2]);
	waits(1, 2);
}

START_TEST(idle_ones_go)
{
	struct backend *b[SIZE];

	set_up(2);
	two_idle(b);
	/* neither has it served for long enough, nor has it rested */
	pinned_look();
	ck_assert_uint_eq(closing(), 0);
	loop_now_us++;
	pinned_look();
	ck_assert_uint_eq(closing(), 1);
	ck_assert_int_eq(b[1]->state, BACKEND_CLOSING);
	pinned_look();
	ck_assert_uint_eq(closing(), 1);
}
END_TEST

START_TEST(rested_ones_go)
{
	struct backend *b[SIZE];

	set_up(2);
	two_idle(b);
	for (int i = 0; i < SIZE; i++)
		atomic_store(&slot_at(b[i]->slot)->born_us, loop_now_us);
	loop_now_us += REST_US;
	pinned_look();
	ck_assert_uint_eq(closing(), 0);
	loop_now_us++;
	pinned_look();
	ck_assert_uint_eq(closing(), 1);
}
END_TEST

/* What is shared is granted instead, and what is in use stays. */
START_TEST(others_stay)
{
	struct backend *b[SIZE];

	set_up(2);
	two_idle(b);
	atomic_store(&slot_at(b[1]->slot)->flags, SLOT_SHARED);
	b[2]->state = BACKEND_HELD;
	loop_now_us++;
	pinned_look();
	ck_assert_uint_eq(closing(), 0);
	b[2]->state = BACKEND_CACHED;
	pinned_look();
	ck_assert_int_eq(b[2]->state, BACKEND_CLOSING);
	ck_assert_uint_eq(closing(), 1);
}
END_TEST

/* Another pool needs the room: one at a time, as it comes free. */
START_TEST(for_another_pool)
{
	struct backend *b[SIZE];
	struct lend *other;

	set_up_with(2, "server_tls_sslmode = require\nmax_db_connections = 4");
	other = lend_of("other");
	two_idle(b);
	waits(1, 0);
	loop_now_us++;
	pinned_look();
	ck_assert_uint_eq(closing(), 0);
	queue_publish(1, other->pool, 2, loop_now_us);
	pinned_look();
	ck_assert_uint_eq(closing(), 1);
	pinned_look();
	ck_assert_uint_eq(closing(), 1);
}
END_TEST

START_TEST(no_tls_any_more)
{
	struct backend *b[SIZE];

	set_up(2);
	two_idle(b);
	loop_now_us++;
	self.conf = sim_conf("server_tls_sslmode = disable\n[databases]\n"
			     "app = host=/nowhere\n",
	    NULL);
	servertls_conf();
	pinned_look();
	ck_assert_uint_eq(closing(), 0);
}
END_TEST

/* --- ringing ----------------------------------------------------------------- */

static bool
is_rung(uint32_t w)
{
	struct pollfd p = { .fd = bell_fd(w), .events = POLLIN };
	bool is = poll(&p, 1, 0) == 1;

	bell_clear(w);
	return is;
}

/* Of four workers, who is rung: a bit each. */
static unsigned
rung(void)
{
	unsigned set = 0;

	for (uint32_t w = 0; w < 4; w++)
		set |= (unsigned)is_rung(w) << w;
	return set;
}

START_TEST(owners_are_rung)
{
	uint32_t slot[SIZE];
	struct slot *s;

	set_up(4);
	for (uint32_t w = 0; w < SIZE; w++) {
		slot[w] = place(w, lend);
		s = slot_at(slot[w]);
		if (w != 2)
			slot_move(s, slot_look(s), SLOT_IDLE, w);
	}
	atomic_store(&slot_at(slot[3])->flags, SLOT_SHARED);
	(void)rung();
	pinned_ask(lend);
	ck_assert_uint_eq(rung(), 1 << 1);
	atomic_store(&slot_at(slot[3])->flags, SLOT_PINNED);
	pinned_ask(lend);
	ck_assert_uint_eq(rung(), 1 << 1 | 1 << 3);
}
END_TEST

START_TEST(nobody_is_rung)
{
	struct slot *s;

	set_up(4);
	for (uint32_t i = 0; i < SIZE - 1; i++) {
		s = slot_at(place(1, lend));
		slot_move(s, slot_look(s), SLOT_IDLE, 1);
	}
	(void)rung();
	/* there is room: we open one of our own */
	pinned_ask(lend);
	ck_assert_uint_eq(rung(), 0);
	place(2, lend);
	pinned_ask(lend);
	ck_assert_uint_eq(rung(), 1 << 1);
	self.conf = sim_conf("server_tls_sslmode = disable\n[databases]\n"
			     "app = host=/nowhere\n",
	    NULL);
	servertls_conf();
	pinned_ask(lend);
	ck_assert_uint_eq(rung(), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pinned");
	TCase *tc = tcase_create("pinned");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, one_for_who_waits);
	tcase_add_test(tc, one_for_each);
	tcase_add_test(tc, not_before_it_has_served);
	tcase_add_test(tc, nobody_else_waits);
	tcase_add_test(tc, there_is_room);
	tcase_add_test(tc, each_pool_for_itself);
	tcase_add_loop_test(
	    tc, fair_shares, 0, (int)(sizeof(shares) / sizeof(*shares)));
	tcase_add_test(tc, one_worker);
	tcase_add_test(tc, idle_ones_go);
	tcase_add_test(tc, rested_ones_go);
	tcase_add_test(tc, others_stay);
	tcase_add_test(tc, for_another_pool);
	tcase_add_test(tc, no_tls_any_more);
	tcase_add_test(tc, owners_are_rung);
	tcase_add_test(tc, nobody_is_rung);
	return run_suite(s);
}
