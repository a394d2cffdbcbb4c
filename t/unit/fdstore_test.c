/*
 * fdstore_test.c - descriptors by slot and generation: who gets which, once.
 *
 * The slots' words are set by hand, the workers' rows too: the store goes by
 * them alone.  What it sends is noted here instead of being sent.
 */
#include "master/fdstore.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/proc.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "t/unit/run.h"

enum { WORKERS = 3, SLOTS = 200, NOTES = 1000 };

static struct {
	struct msg m;
	uint32_t to;
	int fd;
} notes[NOTES];
static uint32_t nnotes;
static bool is_refusing;
static uint64_t now_ms;

static bool
note(uint32_t w, const struct msg *m, int fd)
{
	if (is_refusing)
		return false;
	ck_assert_uint_lt(nnotes, NOTES);
	notes[nnotes].to = w;
	notes[nnotes].m = *m;
	notes[nnotes++].fd = fd;
	return true;
}

static void
setup(void)
{
	struct segment_sizes sizes = { .workers = WORKERS,
		.slots = SLOTS,
		.pools = 4,
		.dbs = 4,
		.users = 4,
		.clients = 4 };
	struct err e;

	ck_assert_int_eq(segment_make(&sizes, &e), 0);
	ck_assert_int_eq(fdstore_init(note, &e), 0);
	for (uint32_t w = 0; w < WORKERS; w++) {
		atomic_store(&proc_at(w)->state, PROC_RUNNING);
		atomic_store(&proc_at(w)->alive_ms, 1000);
	}
	now_ms = 1000;
	nnotes = 0;
}

static void
teardown(void)
{
	fdstore_fini();
	segment_drop();
}

static void
set_slot(uint32_t slot, enum slot_state state, uint32_t owner, uint64_t gen)
{
	atomic_store(&slot_at(slot)->hold, slot_word(state, owner, gen));
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static int
new_fd(void)
{
	int fd = open("/dev/null", O_RDWR);

	ck_assert_int_ne(fd, -1);
	return fd;
}

/* A backend of worker 0, logged in and idle. */
static int
add(uint32_t slot, uint64_t gen)
{
	int fd = new_fd();

	set_slot(slot, SLOT_LOGIN, 0, gen);
	fdstore_put(slot, gen, fd);
	have_set(0, slot, gen);
	set_slot(slot, SLOT_IDLE, 0, gen);
	return fd;
}

static uint32_t
sent_to(uint32_t w, uint16_t type)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < nnotes; i++)
		n += notes[i].to == w && notes[i].m.type == type;
	return n;
}

START_TEST(kept_by_generation)
{
	int first = add(5, 7), second = new_fd(), stale = new_fd();

	ck_assert(fdstore_has(5, 7));
	ck_assert(!fdstore_has(5, 6));
	ck_assert(!fdstore_has(4, 7));
	ck_assert(!fdstore_has(UINT32_MAX, 7));
	fdstore_put(5, 6, stale); /* from before */
	ck_assert(!is_open(stale));
	ck_assert(fdstore_has(5, 7));
	set_slot(5, SLOT_LOGIN, 1, 8);
	fdstore_put(5, 8, second);
	ck_assert(!is_open(first));
	ck_assert(fdstore_has(5, 8));
	ck_assert_uint_eq(fdstore_count(), 1);
}
END_TEST

START_TEST(hostile_names)
{
	int a = new_fd(), b = new_fd();

	fdstore_put(SLOTS, 1, a);
	fdstore_put(3, 0, b);
	ck_assert(!is_open(a));
	ck_assert(!is_open(b));
	fdstore_put(3, 1, -1);
	fdstore_share(UINT32_MAX, 1, now_ms);
	fdstore_gone(UINT32_MAX, 1, 0);
	fdstore_adopt(UINT32_MAX, 1, 0, now_ms);
	(void)add(3, 1);
	fdstore_adopt(3, 1, PROC_NOBODY, now_ms);
	fdstore_lost(PROC_NOBODY);
	ck_assert_uint_eq(nnotes, 0);
}
END_TEST

START_TEST(shared_with_others_once)
{
	int fd = add(5, 7);

	fdstore_share(5, 7, now_ms);
	ck_assert_uint_eq(sent_to(0, MSG_FD), 0);
	ck_assert_uint_eq(sent_to(1, MSG_FD), 1);
	ck_assert_uint_eq(sent_to(2, MSG_FD), 1);
	ck_assert_int_eq(notes[0].fd, fd);
	ck_assert_uint_eq(notes[0].m.idx, 5);
	ck_assert_uint_eq(notes[0].m.gen, 7);
	ck_assert(fdstore_run(now_ms));
	have_set(1, 5, 7);
	ck_assert(fdstore_run(now_ms));
	have_set(2, 5, 7);
	ck_assert(!fdstore_run(now_ms));
	ck_assert_uint_eq(nnotes, 2);
}
END_TEST

START_TEST(no_more_than_64_in_flight)
{
	for (uint32_t i = 0; i < 100; i++) {
		(void)add(i, 3);
		fdstore_share(i, 3, now_ms);
		have_set(2, i, 3);
	}
	ck_assert_uint_eq(sent_to(1, MSG_FD), FDSTORE_FLIGHT);
	ck_assert_uint_eq(sent_to(2, MSG_FD), 100);
	/* it does not run: a second later nothing more was sent */
	now_ms += 1000;
	ck_assert(fdstore_run(now_ms));
	ck_assert_uint_eq(sent_to(1, MSG_FD), FDSTORE_FLIGHT);
	for (uint32_t i = 0; i < 50; i++)
		have_set(1, i, 3);
	ck_assert(fdstore_run(now_ms));
	ck_assert_uint_eq(sent_to(1, MSG_FD), 100);
	for (uint32_t i = 0; i < 100; i++)
		have_set(1, i, 3);
	ck_assert(!fdstore_run(now_ms));
	ck_assert_uint_eq(sent_to(1, MSG_FD), 100);
}
END_TEST

START_TEST(lost_is_sent_again)
{
	(void)add(5, 7);
	have_set(2, 5, 7);
	fdstore_share(5, 7, now_ms);
	ck_assert_uint_eq(sent_to(1, MSG_FD), 1);
	now_ms += 500;
	(void)fdstore_run(now_ms);
	ck_assert_uint_eq(sent_to(1, MSG_FD), 1);
	/* it has had its turn since, and still lacks it */
	atomic_store(&proc_at(1)->alive_ms, now_ms);
	(void)fdstore_run(now_ms);
	ck_assert_uint_eq(sent_to(1, MSG_FD), 2);
}
END_TEST

START_TEST(refused_is_sent_later)
{
	(void)add(5, 7);
	is_refusing = true;
	fdstore_share(5, 7, now_ms);
	ck_assert(fdstore_run(now_ms));
	is_refusing = false;
	ck_assert(fdstore_run(now_ms));
	ck_assert_uint_eq(sent_to(1, MSG_FD), 1);
	ck_assert_uint_eq(sent_to(2, MSG_FD), 1);
}
END_TEST

START_TEST(gone_is_told_to_those_who_have_it)
{
	int fd = add(5, 7);

	have_set(1, 5, 7);
	fdstore_gone(5, 6, 0);
	ck_assert(is_open(fd));
	fdstore_gone(5, 7, 0);
	ck_assert(!is_open(fd));
	ck_assert(!fdstore_has(5, 7));
	ck_assert_uint_eq(sent_to(0, MSG_FD_DROP), 0);
	ck_assert_uint_eq(sent_to(1, MSG_FD_DROP), 1);
	ck_assert_uint_eq(sent_to(2, MSG_FD_DROP), 0);
	ck_assert_uint_eq(fdstore_count(), 0);
}
END_TEST

START_TEST(rescan_closes_the_stale)
{
	int kept = add(1, 7), freed = add(2, 7), renewed = add(3, 7);

	set_slot(2, SLOT_FREE, 0, 7);
	set_slot(3, SLOT_RESERVED, 1, 8);
	fdstore_rescan();
	ck_assert(is_open(kept));
	ck_assert(!is_open(freed));
	ck_assert(!is_open(renewed));
	ck_assert_uint_eq(fdstore_count(), 1);
}
END_TEST

START_TEST(replacement_inherits_the_shared)
{
	struct child_fd fds[SLOTS];
	int shared = add(1, 7), pinned = add(2, 7), login = add(3, 7);
	int flagged = add(4, 7), stale = add(5, 7);
	uint32_t n;

	fdstore_share(1, 7, now_ms);
	atomic_store(&slot_at(2)->flags, SLOT_PINNED);
	set_slot(3, SLOT_LOGIN, 0, 7);
	atomic_store(&slot_at(3)->flags, SLOT_SHARED); /* of the one before */
	/* its owner died before it could say so here */
	atomic_store(&slot_at(4)->flags, SLOT_SHARED);
	fdstore_share(5, 7, now_ms);
	set_slot(5, SLOT_FREE, 0, 7);
	n = fdstore_inherit(2, fds);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(fds[0].slot, 1);
	ck_assert_int_eq(fds[0].fd, shared);
	ck_assert_uint_eq(fds[1].slot, 4);
	ck_assert_uint_eq(have_look(2, 1), 7);
	ck_assert_uint_eq(have_look(2, 2), 0);
	ck_assert_uint_eq(have_look(2, 4), 7);
	/* what changes between the two must not change what is kept */
	set_slot(4, SLOT_FREE, 0, 7);
	fdstore_child(fds, n);
	ck_assert(is_open(shared));
	ck_assert(is_open(flagged));
	ck_assert(!is_open(pinned));
	ck_assert(!is_open(login));
	ck_assert(!is_open(stale));
}
END_TEST

START_TEST(heir_is_told_until_it_has_it)
{
	int fd = add(5, 7);

	set_slot(5, SLOT_CLOSING, 1, 7);
	is_refusing = true;
	fdstore_adopt(5, 7, 1, now_ms);
	is_refusing = false;
	ck_assert(fdstore_run(now_ms));
	ck_assert_uint_eq(sent_to(1, MSG_FD_ADOPT), 1);
	ck_assert_int_eq(notes[nnotes - 1].fd, fd);
	ck_assert(fdstore_run(now_ms));
	ck_assert_uint_eq(sent_to(1, MSG_FD_ADOPT), 1);
	now_ms += 1000;
	atomic_store(&proc_at(1)->alive_ms, now_ms);
	ck_assert(fdstore_run(now_ms));
	ck_assert_uint_eq(sent_to(1, MSG_FD_ADOPT), 2);
	have_set(1, 5, 7);
	ck_assert(!fdstore_run(now_ms));
	ck_assert_uint_eq(sent_to(1, MSG_FD_ADOPT), 2);
}
END_TEST

/* It is no heir any more: it died before it was told, or its backend's end has
 * been seen.  Whoever has the slot now is none of its business. */
START_TEST(stale_heir_is_not_told)
{
	static const struct {
		enum slot_state state;
		uint32_t owner;
		uint64_t gen;
	} now[] = {
		{ SLOT_CLOSING, 2, 7 }, /* another was named */
		{ SLOT_FREE, 0, 7 },
		{ SLOT_LOGIN, 1, 8 },   /* the place has a new backend */
		{ SLOT_CLOSING, 1, 8 }, /* which ends as well */
	};

	for (size_t i = 0; i < sizeof(now) / sizeof(*now); i++) {
		(void)add(5, 7);
		set_slot(5, SLOT_CLOSING, 1, 7);
		is_refusing = true;
		fdstore_adopt(5, 7, 1, now_ms);
		is_refusing = false;
		set_slot(5, now[i].state, now[i].owner, now[i].gen);
		ck_assert(!fdstore_run(now_ms));
		ck_assert_uint_eq(sent_to(1, MSG_FD_ADOPT), 0);
		/* and is forgotten, should the word ever be the same again */
		set_slot(5, SLOT_CLOSING, 1, 7);
		fdstore_lost(0);
		(void)fdstore_run(now_ms);
		ck_assert_uint_eq(sent_to(1, MSG_FD_ADOPT), 0);
		fdstore_gone(5, 7, 0);
	}
}
END_TEST

START_TEST(heir_that_has_it_is_told_once)
{
	(void)add(5, 7);
	have_set(1, 5, 7);
	set_slot(5, SLOT_CLOSING, 1, 7);
	fdstore_adopt(5, 7, 1, now_ms);
	ck_assert_uint_eq(sent_to(1, MSG_FD_ADOPT), 1);
	ck_assert(!fdstore_run(now_ms));
	ck_assert_uint_eq(sent_to(1, MSG_FD_ADOPT), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fdstore");
	TCase *tc = tcase_create("fdstore");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, kept_by_generation);
	tcase_add_test(tc, hostile_names);
	tcase_add_test(tc, shared_with_others_once);
	tcase_add_test(tc, no_more_than_64_in_flight);
	tcase_add_test(tc, lost_is_sent_again);
	tcase_add_test(tc, refused_is_sent_later);
	tcase_add_test(tc, gone_is_told_to_those_who_have_it);
	tcase_add_test(tc, rescan_closes_the_stale);
	tcase_add_test(tc, replacement_inherits_the_shared);
	tcase_add_test(tc, heir_is_told_until_it_has_it);
	tcase_add_test(tc, stale_heir_is_not_told);
	tcase_add_test(tc, heir_that_has_it_is_told_once);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
