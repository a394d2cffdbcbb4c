/*
 * interrupt_test.c - whom a cancel request reaches: by its key, not more often
 * than a guesser should try, and never who has come in another's place.
 *
 * A client in QUEUED stands for one whose query runs: it is told at once.
 */
#include "worker/client/interrupt.h"

#include "shm/cancelkey.h"
#include "t/unit/clientsim.h"

enum { WRONG_MAX = 100, SECOND = 1000000 };

static const char told[] = "canceling statement due to user request";
static struct cancelkey key;

static void
set_up(void)
{
	sim_set_up(
	    2, "client_login_timeout = 0\nmax_client_logins = 0\n", NULL);
	loop_now_us += 10 * SECOND;
}

/* One who waits for a server; `key` is its key. */
static void
queue_up(struct sim *s)
{
	sim_open(s);
	ck_assert_ptr_nonnull(s->c);
	cancelkey_give(s->c->row, false, &key);
	client_set_state(s->c, CLIENT_QUEUED);
}

static void
request(uint32_t pid, const uint8_t *secret, size_t len)
{
	struct sim s;

	sim_open(&s);
	ck_assert_ptr_nonnull(s.c);
	interrupt_request(s.c, (int32_t)pid, secret, len);
	/* nothing is said, right or wrong */
	ck_assert_int_eq(sim_look(&s), 0);
	ck_assert(sim_is_closed(&s));
	close(s.fd);
}

static void
guess(int n)
{
	for (int i = 0; i < n; i++)
		request(key.pid ^ 1, key.secret, key.len);
}

static bool
is_cancelled_by_key(struct sim *s)
{
	request(key.pid, key.secret, key.len);
	return sim_is_told(s, told);
}

START_TEST(right_key)
{
	struct sim s, other;

	set_up();
	queue_up(&other);
	queue_up(&s);
	request(key.pid, key.secret, key.len - 1);
	ck_assert_int_eq(sim_look(&s), 0);
	ck_assert(is_cancelled_by_key(&s));
	ck_assert_int_eq(sim_look(&other), 0);
	ck_assert_int_eq(other.c->state, CLIENT_QUEUED);
}
END_TEST

/* A hundred wrong keys, and even the right one is not looked at, until the
 * second is over. */
START_TEST(guessing_gets_slow)
{
	struct sim s;

	set_up();
	queue_up(&s);
	guess(WRONG_MAX - 1);
	ck_assert(is_cancelled_by_key(&s));
	queue_up(&s);
	guess(1);
	ck_assert(!is_cancelled_by_key(&s));
	loop_now_us += SECOND;
	ck_assert(!is_cancelled_by_key(&s));
	loop_now_us++;
	ck_assert(is_cancelled_by_key(&s));
	/* a new second, a new hundred */
	queue_up(&s);
	guess(WRONG_MAX - 1);
	ck_assert(is_cancelled_by_key(&s));
}
END_TEST

static int requester[2];

static void
deliver(uint32_t row, uint32_t gen)
{
	char byte;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, requester), 0);
	interrupt_deliver(row, gen, requester[0]);
	/* whoever asked is let go */
	ck_assert_int_eq(recv(requester[1], &byte, 1, 0), 0);
	close(requester[1]);
}

/* The row has another client by now, or none, or was never ours. */
START_TEST(stale_generation)
{
	struct sim s;
	uint32_t row, gen;

	set_up();
	queue_up(&s);
	row = s.c->row;
	gen = atomic_load(&clientrow_at(row)->gen);
	client_close(s.c, NULL);
	deliver(row, gen);
	do
		queue_up(&s);
	while (s.c->row != row);
	ck_assert_uint_ne(atomic_load(&clientrow_at(row)->gen), gen);
	deliver(row, gen);
	ck_assert_int_eq(sim_look(&s), 0);
	ck_assert_int_eq(s.c->state, CLIENT_QUEUED);
	deliver(clientrow_first(1), 1);
	deliver(UINT32_MAX, 1);
	deliver(row, atomic_load(&clientrow_at(row)->gen));
	ck_assert(sim_is_told(&s, told));
}
END_TEST

/* One who has nothing running is left alone. */
START_TEST(idle)
{
	struct sim s;

	set_up();
	queue_up(&s);
	client_set_state(s.c, CLIENT_IDLE);
	ck_assert(!is_cancelled_by_key(&s));
	ck_assert_int_eq(s.c->state, CLIENT_IDLE);
}
END_TEST

/* Another worker's: passed on, with the requester's descriptor. */
START_TEST(passed_on)
{
	struct chan theirs;
	struct msg m;
	struct sim s;
	struct err e;
	bool truncated;
	uint32_t row;
	char byte;
	int fd;

	set_up();
	ck_assert_int_eq(chan_pair(&self.chan, &theirs, &e), 0);
	/* as worker 1 would have done it */
	ck_assert_int_eq(clientrow_init(1), 0);
	row = clientrow_take();
	ck_assert_uint_eq(clientrow_worker(row), 1);
	cancelkey_give(row, false, &key);
	ck_assert_int_eq(clientrow_init(0), 0);
	sim_open(&s);
	interrupt_request(s.c, (int32_t)key.pid, key.secret, key.len);
	ck_assert_int_eq(chan_recv(&theirs, &m, &fd, &truncated), DONE);
	ck_assert_uint_eq(m.type, MSG_CANCEL);
	ck_assert_uint_eq(m.idx, row);
	ck_assert_uint_eq(m.gen, atomic_load(&clientrow_at(row)->gen));
	/* it stays open as long as somebody has it */
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(recv(s.fd, &byte, 1, 0), -1);
	close(fd);
	ck_assert_int_eq(recv(s.fd, &byte, 1, 0), 0);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(right_key),
		TEST(guessing_gets_slow),
		TEST(stale_generation),
		TEST(idle),
		TEST(passed_on),
		NO_MORE_TESTS,
	};

	return run_tests("interrupt", tests, 10);
}
