/*
 * children_test.c - the life of child processes, with a child that does as it
 * is told: the message's `arg` says what.
 */
#include "master/children.h"

#include <sys/socket.h>
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/clock.h"
#include "conf/log.h"
#include "master/fdstore.h"
#include "master/signal.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "t/unit/run.h"

enum { WORKERS = 2, SLOTS = 8, LIMIT_MS = 10000, SEEN = 64 };

enum order {
	ORDER_ECHO,        /* say it back */
	ORDER_SAY_AND_DIE, /* five messages, then a crash */
	ORDER_EXIT,        /* exit code 0 */
	ORDER_LEAVE,       /* close the channel and live on */
	ORDER_WRITE,       /* a byte into the inherited descriptor */
};

static struct {
	uint32_t from;
	struct msg m;
} seen[SEEN];
static uint32_t nseen;
static int pair[2];

/* --- the child --- */

static _Noreturn void
crash(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void
obey(struct child_start *s, const struct msg *m)
{
	struct msg out = *m;

	switch (m->type == MSG_CONF ? (enum order)m->arg : ORDER_ECHO) {
	case ORDER_ECHO:
		(void)chan_send(&s->chan, &out, -1);
		break;
	case ORDER_SAY_AND_DIE:
		for (out.id = 1; out.id <= 5; out.id++)
			(void)chan_send(&s->chan, &out, -1);
		crash();
	case ORDER_EXIT:
		exit(0);
	case ORDER_LEAVE:
		chan_close(&s->chan);
		for (;;)
			pause();
	case ORDER_WRITE:
		if (s->nfds != 1 || write(s->fds[0].fd, "x", 1) != 1)
			crash();
		break;
	}
}

static int
child_main(struct child_start *s)
{
	for (;;) {
		struct pollfd p = { .fd = s->chan.fd, .events = POLLIN };
		struct msg m;
		bool truncated;
		int fd;

		(void)poll(&p, 1, 100);
		proc_alive(s->me);
		switch (chan_recv(&s->chan, &m, &fd, &truncated)) {
		case DONE:
			obey(s, &m);
			break;
		case FAIL:
			exit(0);
		case WAIT:
			break;
		}
	}
}

/* --- the supervisor --- */

static void
on_message(uint32_t n, const struct msg *m, int fd)
{
	ck_assert_uint_lt(nseen, SEEN);
	seen[nseen].from = n;
	seen[nseen++].m = *m;
	if (fd != -1)
		close(fd);
}

static void
on_birth(struct child_start *start, enum proc_kind kind)
{
	(void)kind;
	start->conf_number = 3;
	start->life = -1;
}

static void
in_child(enum proc_kind kind)
{
	(void)kind;
}

static const struct child_kind kinds[] = {
	[PROC_WORKER] = { "worker", child_main },
	[PROC_RESOLVER] = { "resolver", child_main },
	[PROC_MONITOR] = { "monitor", NULL },
};

static const struct children_hooks hooks = { on_message, on_birth, in_child };

static bool
send_fd(uint32_t w, const struct msg *m, int fd)
{
	return children_send(w, m, fd);
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

	log_quiet(true);
	signal_start();
	ck_assert_int_eq(segment_make(&sizes, &e), 0);
	ck_assert_int_eq(bell_make(seg->nprocs, &e), 0);
	ck_assert_int_eq(fdstore_init(send_fd, &e), 0);
	ck_assert_int_eq(children_init(kinds, &hooks, &e), 0);
	nseen = 0;
	children_check(clock_now_ms(), 0);
	children_start(clock_now_ms());
}

static void
teardown(void)
{
	children_stop();
	children_kill(SIGKILL);
	while (children_alive(false) > 0)
		children_reap(clock_now_ms());
	children_fini();
	fdstore_fini();
	bell_drop();
	segment_drop();
}

/* One turn of the supervisor. */
static void
turn(void)
{
	uint64_t now_ms = clock_now_ms();

	children_reap(now_ms);
	children_start(now_ms);
	for (uint32_t n = 0; n < seg->nprocs; n++)
		children_read(n);
	(void)poll(NULL, 0, 1);
}

/* Turns until `cond`, or a failure after LIMIT_MS. */
#define UNTIL(cond)                                                      \
	do {                                                             \
		uint64_t until_ms = clock_now_ms() + LIMIT_MS;           \
		while (!(cond)) {                                        \
			ck_assert_msg(clock_now_ms() < until_ms, #cond); \
			turn();                                          \
		}                                                        \
	} while (0)

static void
order(uint32_t n, enum order what)
{
	struct msg m = { .type = MSG_CONF, .arg = what };

	ck_assert(children_send(n, &m, -1));
}

START_TEST(all_are_born)
{
	ck_assert_uint_eq(children_alive(true), WORKERS);
	ck_assert_uint_eq(children_alive(false), WORKERS + 1);
	ck_assert_int_eq(children_pid(proc_monitor()), 0);
	ck_assert_int_eq(children_pid(9999), 0);
	for (uint32_t n = 0; n <= WORKERS; n++) {
		ck_assert_int_eq(
		    atomic_load(&proc_at(n)->pid), children_pid(n));
		ck_assert_uint_eq(atomic_load(&proc_at(n)->gone), 0);
		ck_assert_uint_eq(atomic_load(&proc_at(n)->conf_number), 3);
		order(n, ORDER_ECHO);
	}
	ck_assert_uint_eq(atomic_load(&seg->keeper), 1);
	UNTIL(nseen == WORKERS + 1);
	ck_assert_uint_eq(children_due_ms(), UINT64_MAX);
}
END_TEST

START_TEST(last_words_are_heard)
{
	pid_t old = children_pid(0);

	order(0, ORDER_SAY_AND_DIE);
	UNTIL(children_pid(0) != old && children_pid(0) != 0);
	ck_assert_uint_eq(nseen, 5);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(seen[i].from, 0);
		ck_assert_uint_eq(seen[i].m.id, i + 1);
	}
	ck_assert_uint_eq(atomic_load(&proc_at(0)->restarts), 1);
	ck_assert_uint_eq(atomic_load(&proc_at(0)->gone), 0);
	ck_assert_uint_eq(atomic_load(&proc_at(1)->restarts), 0);
	ck_assert_uint_ge(atomic_load(&seg->repairs), 1);
	order(0, ORDER_ECHO);
	UNTIL(nseen == 6);
}
END_TEST

START_TEST(unread_orders_do_not_hide_last_words)
{
	struct msg m = { .type = MSG_CONF, .arg = ORDER_ECHO };
	pid_t old = children_pid(0);

	/* it dies with messages unread: our end then sees ECONNRESET */
	order(0, ORDER_SAY_AND_DIE);
	for (int i = 0; i < 20; i++)
		(void)children_send(0, &m, -1);
	UNTIL(children_pid(0) != old && children_pid(0) != 0);
	ck_assert_uint_eq(nseen, 5);
}
END_TEST

START_TEST(second_death_waits)
{
	uint64_t began_ms = clock_now_ms();
	pid_t old = children_pid(1);

	ck_assert_int_eq(kill(old, SIGKILL), 0);
	UNTIL(children_pid(1) != old && children_pid(1) != 0);
	old = children_pid(1);
	ck_assert_int_eq(kill(old, SIGKILL), 0);
	UNTIL(children_pid(1) == 0);
	ck_assert_uint_ne(children_due_ms(), UINT64_MAX);
	ck_assert_uint_eq(atomic_load(&proc_at(1)->gone), 1);
	UNTIL(children_pid(1) != 0);
	ck_assert_uint_ge(clock_now_ms() - began_ms, 100);
	ck_assert_uint_eq(atomic_load(&proc_at(1)->restarts), 2);
}
END_TEST

START_TEST(keeper_moves_on)
{
	pid_t first = children_pid(0);

	/* two deaths in a row: the second leaves the number empty a while */
	kill(first, SIGKILL);
	UNTIL(children_pid(0) != first && children_pid(0) != 0);
	first = children_pid(0);
	kill(first, SIGKILL);
	UNTIL(children_pid(0) == 0);
	ck_assert_uint_eq(atomic_load(&seg->keeper), 2);
}
END_TEST

/* Slot 3 with a stored descriptor, held by worker `owner`. */
static void
lend(enum slot_state state, uint32_t owner, bool is_shared)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	atomic_store(&slot_at(3)->hold, slot_word(SLOT_LOGIN, owner, 7));
	fdstore_put(3, 7, pair[0]);
	atomic_store(&slot_at(3)->hold, slot_word(state, owner, 7));
	if (is_shared) {
		have_set(0, 3, 7);
		have_set(1, 3, 7);
		fdstore_share(3, 7, clock_now_ms());
	}
}

START_TEST(replacement_is_born_holding_idle_backends)
{
	pid_t old = children_pid(0);
	char byte = 0;

	lend(SLOT_IDLE, 0, true);
	kill(old, SIGKILL);
	UNTIL(children_pid(0) != old && children_pid(0) != 0);
	ck_assert_uint_eq(have_look(0, 3), 7);
	ck_assert_int_eq(slot_state(slot_look(slot_at(3))), SLOT_IDLE);
	order(0, ORDER_WRITE);
	ck_assert_int_eq(read(pair[1], &byte, 1), 1);
	ck_assert_int_eq(byte, 'x');
}
END_TEST

START_TEST(busy_backend_goes_to_an_heir)
{
	pid_t old = children_pid(0);

	lend(SLOT_ACTIVE, 0, false);
	kill(old, SIGKILL);
	UNTIL(children_pid(0) != old && nseen > 0);
	ck_assert_uint_eq(seen[0].from, 1);
	ck_assert_uint_eq(seen[0].m.type, MSG_FD_ADOPT);
	ck_assert_uint_eq(seen[0].m.idx, 3);
	ck_assert_uint_eq(seen[0].m.gen, 7);
	ck_assert_uint_eq(slot_look(slot_at(3)), slot_word(SLOT_CLOSING, 1, 7));
}
END_TEST

START_TEST(orphan_waits_for_the_first_worker)
{
	pid_t old[WORKERS] = { children_pid(0), children_pid(1) };

	lend(SLOT_ACTIVE, 0, false);
	kill(old[0], SIGSTOP); /* both are to be dead at one look */
	kill(old[0], SIGKILL);
	kill(old[1], SIGKILL);
	UNTIL(children_pid(0) != old[0] && children_pid(0) != 0 &&
	    children_pid(1) != old[1] && children_pid(1) != 0);
	UNTIL(nseen > 0 && seen[nseen - 1].m.type == MSG_FD_ADOPT);
	ck_assert_uint_eq(slot_state(slot_look(slot_at(3))), SLOT_CLOSING);
	ck_assert_uint_eq(
	    slot_owner(slot_look(slot_at(3))), seen[nseen - 1].from);
}
END_TEST

/* Child `n` is stopped; the others show life. */
static void
stop_one(uint32_t n)
{
	pid_t old = children_pid(n);
	uint64_t now_ms = clock_now_ms();

	UNTIL(atomic_load(&proc_at(n)->alive_ms) != 0);
	ck_assert_int_eq(kill(old, SIGSTOP), 0);
	/* not by one look, however late it comes: we may have slept */
	children_check(now_ms + 100000, 3000);
	turn();
	ck_assert_int_eq(children_pid(n), old);
	for (uint64_t t = 101000; t <= 105000; t += 1000) {
		for (uint32_t i = 0; i < seg->nprocs; i++) {
			if (i != n)
				atomic_store(&proc_at(i)->alive_ms, now_ms + t);
		}
		children_check(now_ms + t, 3000);
	}
	UNTIL(children_pid(n) != old);
	for (uint32_t i = 0; i < seg->nprocs; i++)
		ck_assert_uint_eq(atomic_load(&proc_at(i)->restarts), i == n);
}

START_TEST(stuck_worker_is_killed)
{
	stop_one(0);
}
END_TEST

/* Without it no name is looked up any more. */
START_TEST(stuck_resolver_is_killed)
{
	stop_one(proc_resolver());
}
END_TEST

START_TEST(no_timeout_no_kill)
{
	pid_t old = children_pid(0);
	uint64_t now_ms = clock_now_ms();

	for (uint64_t t = 0; t <= 100000; t += 1000)
		children_check(now_ms + t, 0);
	for (int i = 0; i < 50; i++)
		turn();
	ck_assert_int_eq(children_pid(0), old);
}
END_TEST

START_TEST(child_without_channel_is_killed)
{
	pid_t old = children_pid(0);

	order(0, ORDER_LEAVE);
	UNTIL(children_chan(0) == NULL);
	ck_assert_int_eq(children_pid(0), old);
	children_check(clock_now_ms() + 2000, 0);
	UNTIL(children_pid(0) != old);
}
END_TEST

START_TEST(signals_to_the_group_pass_by)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT,
		SIGUSR1, SIGUSR2, SIGPIPE };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		kill(children_pid(0), signals[i]);
	order(0, ORDER_ECHO);
	UNTIL(nseen == 1);
	ck_assert_uint_eq(atomic_load(&proc_at(0)->restarts), 0);
}
END_TEST

START_TEST(stopping_forks_no_more)
{
	children_stop();
	order(0, ORDER_EXIT);
	UNTIL(children_pid(0) == 0);
	kill(children_pid(1), SIGKILL);
	UNTIL(children_alive(true) == 0);
	ck_assert_uint_eq(children_due_ms(), UINT64_MAX);
	children_end_helpers();
	UNTIL(children_alive(false) == 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("children");
	TCase *tc = tcase_create("children");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all_are_born);
	tcase_add_test(tc, last_words_are_heard);
	tcase_add_test(tc, unread_orders_do_not_hide_last_words);
	tcase_add_test(tc, second_death_waits);
	tcase_add_test(tc, keeper_moves_on);
	tcase_add_test(tc, replacement_is_born_holding_idle_backends);
	tcase_add_test(tc, busy_backend_goes_to_an_heir);
	tcase_add_test(tc, orphan_waits_for_the_first_worker);
	tcase_add_test(tc, stuck_worker_is_killed);
	tcase_add_test(tc, stuck_resolver_is_killed);
	tcase_add_test(tc, no_timeout_no_kill);
	tcase_add_test(tc, child_without_channel_is_killed);
	tcase_add_test(tc, signals_to_the_group_pass_by);
	tcase_add_test(tc, stopping_forks_no_more);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
