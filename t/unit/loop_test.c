/*
 * loop_test.c - which events the loop brings, whichever mechanism is under it.
 *
 * `gmake unit-loop unit-loop_turn`, and once more with LOOP=poll (or kqueue) and a BUILD of
 * its own.
 */
#include "worker/io/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include "t/unit/loopsim.h"

static void
on_any_stop(struct watch *w, unsigned events)
{
	on_any(w, events);
	loop_stop();
}

START_TEST(reading_is_level_triggered)
{
	struct end *n = new_end(on_any);
	char c;

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	run_turns(2);
	ck_assert_int_eq(n->calls, 0);
	say(n);
	run_turns(3);
	ck_assert_int_eq(n->calls, 3);
	ck_assert_uint_eq(n->events, LOOP_READ);
	ck_assert_int_eq(read(n->w.fd, &c, 1), 1);
	run_turns(2);
	ck_assert_int_eq(n->calls, 3);
}
END_TEST

START_TEST(interest_changes)
{
	struct end *n = new_end(on_any);

	ck_assert_int_eq(loop_want(&n->w, LOOP_WRITE), 0);
	run_turns(1);
	ck_assert_uint_eq(n->events, LOOP_WRITE);
	say(n);
	n->events = 0;
	ck_assert_int_eq(loop_want(&n->w, LOOP_READ | LOOP_WRITE), 0);
	run_turns(1);
	ck_assert_uint_eq(n->events, LOOP_READ | LOOP_WRITE);
	n->events = 0;
	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	run_turns(1);
	ck_assert_uint_eq(n->events, LOOP_READ);
	n->calls = 0;
	ck_assert_int_eq(loop_want(&n->w, 0), 0);
	run_turns(2);
	ck_assert_int_eq(n->calls, 0);
	n->events = 0;
	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	run_turns(1);
	ck_assert_uint_eq(n->events, LOOP_READ);
}
END_TEST

START_TEST(a_hangup_comes_unasked)
{
	struct end *n = new_end(on_any_stop);

	ck_assert_int_eq(loop_want(&n->w, 0), 0);
	close(n->peer);
	n->peer = -1;
	loop_run();
	ck_assert_uint_eq(n->events, LOOP_HANGUP);
}
END_TEST

/* A TCP connection; both ends are the caller's. */
static void
tcp_pair(int fd[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(l, 1), 0);
	ck_assert_int_eq(getsockname(l, (struct sockaddr *)&a, &len), 0);
	fd[1] = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(fd[1], (struct sockaddr *)&a, len), 0);
	len = sizeof(a);
	fd[0] = compat_accept(l, (struct sockaddr *)&a, &len);
	ck_assert_int_ne(fd[0], -1);
	close(l);
}

START_TEST(a_reset_comes_unasked)
{
	struct linger now = { .l_onoff = 1 };
	struct end *n = &ends[nends++];
	int fd[2];

	tcp_pair(fd);
	memset(n, 0, sizeof(*n));
	watch_init(&n->w, fd[0], on_any_stop);
	n->peer = -1;
	ck_assert_int_eq(loop_want(&n->w, 0), 0);
	run_turns(1);
	ck_assert_int_eq(n->calls, 0);
	setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd[1]);
	loop_run();
	ck_assert_uint_eq(n->events, LOOP_HANGUP);
}
END_TEST

START_TEST(an_end_of_file_is_readable)
{
	struct end *n = new_end(on_any);

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	ck_assert_int_eq(shutdown(n->peer, SHUT_WR), 0);
	run_turns(1);
	ck_assert_uint_eq(n->events, LOOP_READ);
}
END_TEST

/* Whoever is called first removes all others: they must not be called. */
static void
on_remove_others(struct watch *w, unsigned events)
{
	on_any(w, events);
	for (int i = 0; i < nends; i++)
		if (&ends[i].w != w)
			loop_remove(&ends[i].w);
}

START_TEST(nothing_comes_after_remove)
{
	int calls = 0;

	for (int i = 0; i < 50; i++) {
		struct end *n = new_end(on_remove_others);

		say(n);
		ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	}
	run_turns(1);
	for (int i = 0; i < nends; i++)
		calls += ends[i].calls;
	ck_assert_int_eq(calls, 1);
}
END_TEST

/*
 * Whoever is called first removes all others, closes them, and puts new
 * sockets under the same numbers into the same memory.
 */
static void
on_replace_others(struct watch *w, unsigned events)
{
	on_any(w, events);
	for (int i = 0; i < nends; i++) {
		int fd[2];

		if (&ends[i].w == w)
			continue;
		loop_remove(&ends[i].w);
		close(ends[i].w.fd);
		close(ends[i].peer);
		ck_assert_int_eq(
		    compat_socketpair(AF_UNIX, SOCK_STREAM, fd), 0);
		/* as memory that was another's: nothing of it is left */
		memset(&ends[i].w, 0xff, sizeof(ends[i].w));
		watch_init(&ends[i].w, fd[0], on_any);
		ends[i].peer = fd[1];
		ck_assert_int_eq(loop_want(&ends[i].w, LOOP_READ), 0);
	}
}

START_TEST(a_reused_watch_gets_no_old_event)
{
	int calls = 0;

	for (int i = 0; i < 20; i++) {
		say(new_end(on_replace_others));
		loop_want(&ends[i].w, LOOP_READ);
	}
	run_turns(1);
	for (int i = 0; i < nends; i++)
		calls += ends[i].calls;
	ck_assert_int_eq(calls, 1);
	/* and all of them are there in the next turn */
	for (int i = 0; i < nends; i++) {
		ends[i].calls = 0;
		watch_init(&ends[i].w, ends[i].w.fd, on_any);
		ends[i].w.is_added = true;
		ends[i].w.want = LOOP_READ;
		say(&ends[i]);
	}
	run_turns(2);
	for (int i = 0; i < nends; i++)
		ck_assert_int_ge(ends[i].calls, 1);
}
END_TEST

/* The duplicate of a removed and closed descriptor must not fire here. */
START_TEST(a_duplicate_does_not_fire_after_remove)
{
	struct end *n = new_end(on_any);
	int twin = dup(n->w.fd);

	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	loop_remove(&n->w);
	loop_remove(&n->w);
	close(n->w.fd);
	n->w.fd = -1;
	say(n);
	run_turns(2);
	ck_assert_int_eq(n->calls, 0);
	/* it may be watched under a number of its own */
	watch_init(&n->w, twin, on_any);
	ck_assert_int_eq(loop_want(&n->w, LOOP_READ), 0);
	run_turns(1);
	ck_assert_int_eq(n->calls, 1);
}
END_TEST

START_TEST(a_bad_descriptor_is_refused)
{
	struct watch w;

	watch_init(&w, -1, on_any);
	ck_assert_int_eq(loop_want(&w, LOOP_READ), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert(!w.is_added);
	loop_remove(&w);
}
END_TEST

/* More at once than one wait fetches. */
START_TEST(many_are_all_served)
{
	struct rlimit rl;
	int n;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	n = rl.rlim_cur > 2 * MAX + 50 ? MAX : 100;
	for (int i = 0; i < n; i++) {
		say(new_end(on_any));
		ck_assert_int_eq(loop_want(&ends[i].w, LOOP_READ), 0);
	}
	run_turns(8);
	for (int i = 0; i < n; i++)
		ck_assert_int_ge(ends[i].calls, 1);
	/* every second one leaves; the others stay */
	for (int i = 0; i < n; i++) {
		ends[i].calls = 0;
		if (i % 2)
			loop_remove(&ends[i].w);
	}
	run_turns(8);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(ends[i].calls > 0, i % 2 == 0);
}
END_TEST

static void
add_tests(TCase *t)
{
	tcase_add_test(t, reading_is_level_triggered);
	tcase_add_test(t, interest_changes);
	tcase_add_test(t, a_hangup_comes_unasked);
	tcase_add_test(t, a_reset_comes_unasked);
	tcase_add_test(t, an_end_of_file_is_readable);
	tcase_add_test(t, nothing_comes_after_remove);
	tcase_add_test(t, a_reused_watch_gets_no_old_event);
	tcase_add_test(t, a_duplicate_does_not_fire_after_remove);
	tcase_add_test(t, a_bad_descriptor_is_refused);
	tcase_add_test(t, many_are_all_served);
}

/* Those that may say that they are drained, and do not, are as the others. */
static void
begin_to_tell(void)
{
	is_telling = true;
}

int
main(void)
{
	Suite *s = suite_create("loop");
	TCase *telling = loop_case(s, "telling");

	add_tests(loop_case(s, "loop"));
	tcase_add_checked_fixture(telling, begin_to_tell, NULL);
	add_tests(telling);
	return run_suite(s);
}
