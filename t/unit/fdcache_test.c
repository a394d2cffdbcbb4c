/* fdcache_test.c - descriptors that come, come twice, come late, and go. */
#include "worker/backend/fdcache.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/log.h"
#include "shm/limits.h"
#include "t/unit/shmtest.h"
#include "worker/backend/depart.h"
#include "worker/backend/lend.h"
#include "worker/self.h"

enum { ME = 0, OTHER = 1 };

static struct conf conf;
static uint32_t pool, slot;
static uint64_t gen;

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

/* As good as a server's; its other end is not looked at. */
static int
new_fd(void)
{
	int fd[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	return fd[0];
}

/* The slot's next backend: in login, of the other worker. */
static void
next_backend(void)
{
	ck_assert_int_eq(
	    limits_open(OTHER, pool, 0, 0, &slot, &gen), LIMITS_OK);
}

static void
move(enum slot_state state, uint32_t owner)
{
	struct slot *s = slot_at(slot);

	ck_assert(slot_move(s, slot_look(s), state, owner));
}

static void
set_up(void)
{
	struct err e;

	log_quiet(true);
	fresh_segment(2, 8, 4);
	self.me = ME;
	self.conf = &conf;
	self.chan.fd = -1;
	ck_assert_int_eq(loop_open(&e), 0);
	ck_assert_int_eq(lend_init(), 0);
	ck_assert_int_eq(depart_init(), 0);
	ck_assert_int_eq(backend_init(), 0);
	pool = join(OTHER, "d", "u", 5);
	next_backend();
	move(SLOT_ACTIVE, OTHER);
	move(SLOT_IDLE, OTHER);
}

static void
take_down(void)
{
	backend_fini();
	depart_fini();
	lend_fini();
	loop_close();
	segment_drop();
}

static void
expect(int fd, uint64_t of)
{
	const struct backend *b = backend_at(slot);

	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(b->watch.fd, fd);
	ck_assert_uint_eq(b->gen, of);
	ck_assert_uint_eq(have_look(ME, slot), of);
	ck_assert(is_open(fd));
}

static void
expect_none(void)
{
	ck_assert_ptr_null(backend_at(slot));
	ck_assert_uint_eq(have_look(ME, slot), 0);
}

/* It is sent again when the first is long in coming. */
START_TEST(twice)
{
	int first = new_fd(), second = new_fd();

	set_up();
	backend_learn(slot, gen, first);
	expect(first, gen);
	backend_learn(slot, gen, second);
	expect(first, gen);
	ck_assert(!is_open(second));
	take_down();
	ck_assert(!is_open(first));
}
END_TEST

START_TEST(too_late)
{
	int fd = new_fd(), nowhere = new_fd();

	set_up();
	backend_learn(slot, gen + 1, fd);
	ck_assert(!is_open(fd));
	expect_none();
	backend_learn(seg->nslots, gen, nowhere);
	ck_assert(!is_open(nowhere));
	take_down();
}
END_TEST

/* The backend has gone, and its slot has another: so goes the duplicate. */
START_TEST(next_generation)
{
	int old = new_fd(), new = new_fd();
	uint64_t before, to_gen;
	uint32_t to, to_pool;

	set_up();
	backend_learn(slot, gen, old);
	before = gen;
	move(SLOT_ACTIVE, OTHER);
	move(SLOT_CLOSING, OTHER);
	ck_assert(limits_close(OTHER, slot, gen, &to, &to_pool, &to_gen));
	next_backend();
	ck_assert_uint_ne(gen, before);
	backend_learn(slot, gen, new);
	ck_assert(!is_open(old));
	expect(new, gen);
	take_down();
}
END_TEST

START_TEST(told_to_forget)
{
	int fd = new_fd();

	set_up();
	backend_learn(slot, gen, fd);
	backend_forget(slot, gen + 1);
	expect(fd, gen);
	backend_forget(slot, gen);
	ck_assert(!is_open(fd));
	expect_none();
	backend_forget(slot, gen);
	take_down();
}
END_TEST

/* Nobody has told, but the slot's word does. */
START_TEST(found_out)
{
	uint64_t to_gen;
	uint32_t to, to_pool;
	int fd = new_fd();

	set_up();
	backend_learn(slot, gen, fd);
	backend_rescan();
	expect(fd, gen);
	move(SLOT_ACTIVE, OTHER);
	move(SLOT_CLOSING, OTHER);
	ck_assert(limits_close(OTHER, slot, gen, &to, &to_pool, &to_gen));
	backend_rescan();
	ck_assert(!is_open(fd));
	expect_none();
	take_down();
}
END_TEST

/* A replacement watches what its number last owned, and nothing else. */
START_TEST(who_watches)
{
	int fd = new_fd();

	set_up();
	backend_learn(slot, gen, fd);
	ck_assert(!backend_at(slot)->watch.is_added);
	backend_forget(slot, gen);
	move(SLOT_ACTIVE, OTHER);
	move(SLOT_GRANTED, ME);
	move(SLOT_IDLE, ME);
	fd = new_fd();
	backend_learn(slot, gen, fd);
	ck_assert(backend_at(slot)->watch.is_added);
	take_down();
}
END_TEST

/* What a dead worker has left: taken by its heir, once. */
START_TEST(inherited)
{
	int fd = new_fd(), again = new_fd(), stray = new_fd();

	set_up();
	backend_adopt(slot, gen, stray);
	ck_assert(!is_open(stray));
	expect_none();
	move(SLOT_ACTIVE, OTHER);
	move(SLOT_CLOSING, ME);
	stray = new_fd();
	backend_adopt(slot, gen + 1, stray);
	ck_assert(!is_open(stray));
	backend_adopt(slot, gen, -1);
	expect_none();
	backend_adopt(slot, gen, fd);
	expect(fd, gen);
	ck_assert_int_eq(backend_at(slot)->state, BACKEND_CLOSING);
	backend_adopt(slot, gen, again);
	expect(fd, gen);
	ck_assert(!is_open(again));
	take_down();
}
END_TEST

/* The heir has one of its own already: the message's is one too many. */
START_TEST(inherited_what_it_has)
{
	int fd = new_fd(), second = new_fd();

	set_up();
	backend_learn(slot, gen, fd);
	move(SLOT_ACTIVE, OTHER);
	move(SLOT_CLOSING, ME);
	backend_adopt(slot, gen, second);
	expect(fd, gen);
	ck_assert(!is_open(second));
	ck_assert_int_eq(backend_at(slot)->state, BACKEND_CLOSING);
	take_down();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(twice),
		TEST(too_late),
		TEST(next_generation),
		TEST(told_to_forget),
		TEST(found_out),
		TEST(who_watches),
		TEST(inherited),
		TEST(inherited_what_it_has),
		NO_MORE_TESTS,
	};

	return run_tests("fdcache", tests, 20);
}
