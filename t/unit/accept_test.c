/*
 * accept_test.c - workers that share a listener share its clients evenly, and
 * nobody waits for a worker that is stopped.
 *
 * The workers are real processes with loops of their own; the test is their
 * supervisor and their clients.
 */
#include "worker/io/accept.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "conf/log.h"
#include "shm/chan.h"
#include "shm/proc.h"
#include "shm/segment.h"
#include "t/unit/run.h"
#include "worker/io/deadline.h"
#include "worker/io/loop.h"

enum { WORKERS = 4, CLIENTS = 800 };

static int listener_fd, life[2];
static struct sockaddr_in address;
static pid_t workers[WORKERS];
static int clients[CLIENTS + 100], nclients;
static uint32_t me;
static struct watch life_watch, bell_watch;
static struct deadline alive;

static void
listen_up(void)
{
	socklen_t len = sizeof(address);

	address.sin_family = AF_INET;
	address.sin_port = 0;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener_fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(compat_cloexec_nonblock(listener_fd), 0);
	ck_assert_int_eq(
	    bind(listener_fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(listener_fd, 1024), 0);
	ck_assert_int_eq(
	    getsockname(listener_fd, (struct sockaddr *)&address, &len), 0);
}

static void
set_up(void)
{
	struct segment_sizes sizes = { .workers = WORKERS,
		.slots = 16,
		.pools = 4,
		.dbs = 4,
		.users = 4,
		.clients = 16 };
	struct rlimit rl;
	struct err e;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	ck_assert_msg(segment_make(&sizes, &e) == 0, "%s", e.log);
	ck_assert_int_eq(compat_pipe(life), 0);
	ck_assert_msg(bell_make(WORKERS, &e) == 0, "%s", e.log);
	listen_up();
	nclients = 0;
}

static void
tear_down(void)
{
	close(life[1]);
	for (int i = 0; i < WORKERS; i++) {
		if (workers[i] <= 0)
			continue;
		kill(workers[i], SIGCONT);
		ck_assert_int_eq(waitpid(workers[i], NULL, 0), workers[i]);
	}
	while (nclients > 0)
		close(clients[--nclients]);
	close(listener_fd);
	bell_drop();
	segment_drop();
}

/* --- a worker ----------------------------------------------------------- */

static void
on_client(int fd, const struct sockaddr_storage *addr, socklen_t len,
    uint32_t listener)
{
	struct proc *p = proc_at(me);

	/* kept open, and never looked at again */
	if (fd == -1 || listener != 0 || len == 0 || addr->ss_family != AF_INET)
		_exit(2);
	atomic_fetch_add(&p->clients, 1);
	atomic_fetch_add(&p->connections, 1);
}

static int
on_turn(void)
{
	accept_balance();
	return -1;
}

/* Seldom: who is out must not count on it to come back. */
static void
on_alive(struct deadline *d)
{
	proc_alive(me);
	deadline_set(d, loop_now_us + 1000000);
}

static void
on_bell(struct watch *w, unsigned events)
{
	(void)w;
	(void)events;
	bell_clear(me);
}

static void
on_life(struct watch *w, unsigned events)
{
	(void)w;
	(void)events;
	loop_stop();
}

static void
work(void)
{
	struct err e;

	close(life[1]);
	if (loop_open(&e) == -1)
		_exit(3);
	loop_hooks(on_turn, NULL);
	watch_init(&life_watch, life[0], on_life);
	loop_want(&life_watch, LOOP_READ);
	watch_init(&bell_watch, bell_fd(me), on_bell);
	loop_want(&bell_watch, LOOP_READ);
	deadline_init(&alive, on_alive);
	on_alive(&alive);
	atomic_store(&proc_at(me)->state, PROC_RUNNING);
	if (accept_open(me, &listener_fd, 1, on_client, &e) == -1)
		_exit(4);
	loop_run();
	_exit(0);
}

static void
start_worker(uint32_t n)
{
	workers[n] = fork();
	ck_assert_int_ne(workers[n], -1);
	if (workers[n] == 0) {
		me = n;
		work();
	}
	for (int ms = 0; atomic_load(&proc_at(n)->state) != PROC_RUNNING;
	     ms++) {
		ck_assert_int_lt(ms, 5000);
		poll(NULL, 0, 1);
	}
}

static void
start_workers(void)
{
	for (uint32_t n = 0; n < WORKERS; n++)
		start_worker(n);
}

/* --- the test's side ---------------------------------------------------- */

static void
one_client(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(compat_cloexec_nonblock(fd), 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		ck_assert_int_eq(errno, EINPROGRESS);
	clients[nclients++] = fd;
}

static void
await_clients(uint32_t n, int limit_ms)
{
	uint64_t end = clock_now_ms() + (uint64_t)limit_ms;

	while (proc_clients() < n) {
		ck_assert_msg(clock_now_ms() < end, "%u of %u clients",
		    (unsigned)proc_clients(), (unsigned)n);
		poll(NULL, 0, 1);
	}
	ck_assert_uint_eq(proc_clients(), n);
}

static void
assert_even(const char *what)
{
	uint32_t fair = proc_clients() / WORKERS;
	uint32_t n[WORKERS];

	for (uint32_t i = 0; i < WORKERS; i++)
		n[i] = atomic_load(&proc_at(i)->clients);
	printf("%s: %u %u %u %u\n", what, n[0], n[1], n[2], n[3]);
	for (uint32_t i = 0; i < WORKERS; i++) {
		ck_assert_uint_ge(n[i], fair * 85 / 100);
		ck_assert_uint_le(n[i], fair * 115 / 100);
	}
}

START_TEST(even_when_they_come_one_by_one)
{
	start_workers();
	for (uint32_t i = 1; i <= CLIENTS; i++) {
		one_client();
		await_clients(i, 20000);
	}
	assert_even("one by one");
}
END_TEST

/* Soon, too: the least loaded comes back when the others have had enough. */
START_TEST(even_when_they_come_at_once)
{
	start_workers();
	for (int i = 0; i < CLIENTS; i++)
		one_client();
	await_clients(CLIENTS, 20000);
	assert_even("at once");
}
END_TEST

/* One starts with nothing while the others have a hundred each. */
START_TEST(a_new_worker_catches_up)
{
	uint32_t had[WORKERS - 1], sum = 0;

	for (uint32_t n = 0; n < WORKERS - 1; n++)
		start_worker(n);
	for (uint32_t i = 0; i < 300; i++)
		one_client();
	await_clients(300, 20000);
	for (uint32_t n = 0; n < WORKERS - 1; n++)
		had[n] = atomic_load(&proc_at(n)->clients);
	start_worker(WORKERS - 1);
	/* the others must see it first: within their second */
	poll(NULL, 0, 1100);
	for (uint32_t i = 1; i <= 80; i++) {
		one_client();
		await_clients(300 + i, 20000);
	}
	for (uint32_t n = 0; n < WORKERS - 1; n++)
		sum += atomic_load(&proc_at(n)->clients) - had[n];
	printf("new worker: %u of 80\n", 80 - sum);
	ck_assert_uint_le(sum, 12);
}
END_TEST

/* The only one that has room stands still: the others go on without it. */
START_TEST(nobody_waits_for_a_stopped_worker)
{
	start_workers();
	for (uint32_t n = 1; n < WORKERS; n++)
		atomic_store(&proc_at(n)->clients, 100);
	ck_assert_int_eq(kill(workers[0], SIGSTOP), 0);
	for (int i = 0; i < 20; i++)
		one_client();
	await_clients(100 * (WORKERS - 1) + 20, 20000);
	ck_assert_uint_eq(atomic_load(&proc_at(0)->clients), 0);
}
END_TEST

/* --- one worker, in the test's own process ------------------------------- */

static int taken[64], ntaken;

static void
on_client_here(int fd, const struct sockaddr_storage *addr, socklen_t len,
    uint32_t listener)
{
	(void)addr;
	(void)len;
	ck_assert_uint_eq(listener, 0);
	taken[ntaken++] = fd;
	atomic_fetch_add(&proc_at(0)->clients, 1);
}

static uint64_t run_until_us;
static int wanted;

static int
on_turn_here(void)
{
	accept_balance();
	if (clock_now_us() >= run_until_us || ntaken >= wanted)
		loop_stop();
	return 5;
}

static void
run_for(int ms, int until_taken)
{
	run_until_us = clock_now_us() + (uint64_t)ms * 1000;
	wanted = until_taken;
	loop_run();
}

static void
open_here(void)
{
	struct err e;
	int fd = dup(listener_fd);

	for (int i = 0; i < WORKERS; i++)
		workers[i] = 0;
	me = 0;
	ntaken = 0;
	ck_assert_int_eq(loop_open(&e), 0);
	loop_hooks(on_turn_here, NULL);
	ck_assert_int_eq(accept_open(0, &fd, 1, on_client_here, &e), 0);
	ck_assert(accept_is_in());
}

static void
close_here(void)
{
	accept_close();
	while (ntaken > 0)
		close(taken[--ntaken]);
	loop_close();
}

START_TEST(leaves_and_comes_back)
{
	struct proc *mine = proc_at(0), *other = proc_at(1);

	open_here();
	atomic_store(&other->state, PROC_RUNNING);
	atomic_store(&other->alive_ms, clock_now_ms());
	atomic_store(&mine->clients, 100);
	atomic_store(&other->clients, 80);
	run_for(20, 99);
	ck_assert(!accept_is_in());
	atomic_store(&other->clients, 99);
	run_for(20, 99);
	ck_assert(accept_is_in());
	/* between the bounds all stays as it is */
	atomic_store(&other->clients, 88);
	run_for(20, 99);
	ck_assert(accept_is_in());
	atomic_store(&other->clients, 10);
	run_for(20, 99);
	ck_assert(!accept_is_in());
	/* nobody else is there any more */
	atomic_store(&other->gone, 1);
	run_for(20, 99);
	ck_assert(accept_is_in());
	close_here();
}
END_TEST

/* Who shows no life takes no clients, however few it has. */
START_TEST(the_lifeless_do_not_count)
{
	struct proc *other = proc_at(1);

	open_here();
	atomic_store(&other->state, PROC_RUNNING);
	atomic_store(&proc_at(0)->clients, 100);
	atomic_store(&other->alive_ms, clock_now_ms() - 2000);
	run_for(20, 99);
	ck_assert(accept_is_in());
	/* a moment ago it was well */
	atomic_store(&other->alive_ms, clock_now_ms() - 100);
	run_for(20, 99);
	ck_assert(!accept_is_in());
	atomic_store(&other->alive_ms, clock_now_ms() - 2000);
	run_for(20, 99);
	ck_assert(accept_is_in());
	close_here();
}
END_TEST

START_TEST(a_pause_holds)
{
	open_here();
	accept_pause(true);
	one_client();
	run_for(1200, 1);
	ck_assert_int_eq(ntaken, 0);
	accept_pause(false);
	run_for(1000, 1);
	ck_assert_int_eq(ntaken, 1);
	close_here();
	accept_close();
}
END_TEST

START_TEST(rests_without_descriptors)
{
	struct rlimit rl, low;
	uint64_t from;
	int next = dup(0);

	close(next);
	log_quiet(true);
	open_here();
	for (int i = 0; i < 3; i++)
		one_client();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	low = rl;
	low.rlim_cur = (rlim_t)next;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	run_for(250, 1);
	ck_assert_int_eq(ntaken, 0);
	ck_assert(!accept_is_in());
	/* it does not spin meanwhile, and goes on by itself */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
	from = clock_now_us();
	run_for(2000, 3);
	ck_assert_int_eq(ntaken, 3);
	ck_assert_uint_lt(clock_now_us() - from, 1000000);
	close_here();
}
END_TEST

static void
on_client_close(int fd, const struct sockaddr_storage *addr, socklen_t len,
    uint32_t listener)
{
	on_client_here(fd, addr, len, listener);
	accept_close();
}

START_TEST(may_be_closed_by_its_own_callback)
{
	struct err e;
	int fd = dup(listener_fd);

	open_here();
	accept_close();
	ck_assert_int_eq(accept_open(0, &fd, 1, on_client_close, &e), 0);
	one_client();
	one_client();
	run_for(100, 2);
	ck_assert_int_eq(ntaken, 1);
	ck_assert(!accept_is_in());
	close_here();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("accept");
	TCase *t = tcase_create("accept");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, even_when_they_come_one_by_one);
	tcase_add_test(t, even_when_they_come_at_once);
	tcase_add_test(t, a_new_worker_catches_up);
	tcase_add_test(t, nobody_waits_for_a_stopped_worker);
	tcase_add_test(t, leaves_and_comes_back);
	tcase_add_test(t, the_lifeless_do_not_count);
	tcase_add_test(t, a_pause_holds);
	tcase_add_test(t, rests_without_descriptors);
	tcase_add_test(t, may_be_closed_by_its_own_callback);
	suite_add_tcase(s, t);
	return run_suite(s);
}
