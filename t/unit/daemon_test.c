/* daemon_test.c - user, descriptor limit, and the way to the background. */
#include "master/daemon.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <check.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/run.h"

static struct err e;

START_TEST(users)
{
	struct daemon_user u;

	ck_assert_int_eq(daemon_user_find("", &u, &e), 0);
	ck_assert_int_eq(u.uid == (uid_t)-1, 1);
	ck_assert_int_eq(daemon_user_become(&u, &e), 0);
	ck_assert_int_eq(daemon_user_find("root", &u, &e), 0);
	ck_assert_int_eq(u.uid, 0);
	ck_assert_int_eq(daemon_user_find("no such user", &u, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.log, "no such user"));
}
END_TEST

START_TEST(rights_are_dropped_for_good)
{
	struct daemon_user u;

	if (geteuid() != 0 || daemon_user_find("nobody", &u, &e) == -1)
		return; /* only root has something to drop */
	ck_assert_int_eq(daemon_user_become(&u, &e), 0);
	ck_assert_int_eq(geteuid(), u.uid);
	ck_assert_int_eq(getuid(), u.uid);
	ck_assert_int_eq(getegid(), u.gid);
	ck_assert_int_eq(setuid(0), -1);
	/* to be who we are is no fault, to become another is */
	ck_assert_int_eq(daemon_user_become(&u, &e), 0);
	ck_assert_int_eq(daemon_user_find("root", &u, &e), 0);
	ck_assert_int_eq(daemon_user_become(&u, &e), -1);
}
END_TEST

START_TEST(descriptors)
{
	struct rlimit r = { .rlim_cur = 100, .rlim_max = 300 };
	struct daemon_user u;
	uint64_t soft, hard;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
	if (geteuid() == 0 && daemon_user_find("nobody", &u, &e) == 0)
		ck_assert_int_eq(daemon_user_become(&u, &e), 0);
	ck_assert_int_eq(daemon_descriptors(50, 90, &soft, &hard, &e), 0);
	ck_assert_uint_eq(soft, 100);
	ck_assert_int_eq(daemon_descriptors(150, 200, &soft, &hard, &e), 0);
	ck_assert_uint_eq(soft, 200);
	ck_assert_int_eq(daemon_descriptors(250, 900, &soft, &hard, &e), 0);
	ck_assert_uint_eq(soft, 300);
	ck_assert_uint_eq(hard, 300);
	if (geteuid() == 0)
		return; /* may raise the hard limit as well */
	ck_assert_int_eq(daemon_descriptors(301, 900, &soft, &hard, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.log, "301"));
	ck_assert_ptr_nonnull(strstr(e.log, "300"));
}
END_TEST

/*
 * Start a daemon with a child of its own; both live until `stop` is closed.
 * Returns the exit status of the process that was started.
 */
static int
start_daemon(bool is_good, int out[2], int stop[2])
{
	int status;
	pid_t pid;

	ck_assert_int_eq(pipe(out), 0);
	ck_assert_int_eq(pipe(stop), 0);
	pid = fork();
	if (pid == 0) {
		char byte;

		(void)dup2(out[1], 1);
		(void)dup2(out[1], 2);
		close(out[0]);
		close(out[1]);
		close(stop[1]);
		if (daemon_detach(&e) == -1 || !is_good)
			_exit(7);
		if (fork() == 0)
			daemon_child();
		else
			daemon_ready();
		(void)!read(stop[0], &byte, 1);
		_exit(0);
	}
	close(out[1]);
	close(stop[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(starter_is_let_go)
{
	int out[2], stop[2];
	struct pollfd p = { .events = POLLIN };

	ck_assert_int_eq(start_daemon(true, out, stop), 0);
	/* the daemon and its child live, and hold nothing of its starter's */
	p.fd = out[0];
	ck_assert_int_eq(poll(&p, 1, 5000), 1);
	ck_assert_int_eq(p.revents & POLLHUP, POLLHUP);
	close(stop[1]);
}
END_TEST

START_TEST(bad_start_is_told)
{
	int out[2], stop[2];

	ck_assert_int_eq(start_daemon(false, out, stop), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("daemon");
	TCase *tc = tcase_create("daemon");

	tcase_add_test(tc, users);
	tcase_add_test(tc, rights_are_dropped_for_good);
	tcase_add_test(tc, descriptors);
	tcase_add_test(tc, starter_is_let_go);
	tcase_add_test(tc, bad_start_is_told);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
