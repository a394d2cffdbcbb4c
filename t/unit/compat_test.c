/* compat_test.c - what stands in for the systems' differences. */
#include "conf/compat.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/run.h"

extern char **environ;

static char **start_argv;

static void
ck_flags(int fd)
{
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
}

START_TEST(strlcpy_cuts)
{
	char to[4] = "zzz";

	ck_assert_uint_eq(compat_strlcpy(to, "ab", sizeof(to)), 2);
	ck_assert_str_eq(to, "ab");
	ck_assert_uint_eq(compat_strlcpy(to, "abc", sizeof(to)), 3);
	ck_assert_str_eq(to, "abc");
	ck_assert_uint_eq(compat_strlcpy(to, "abcdef", sizeof(to)), 6);
	ck_assert_str_eq(to, "abc");
	ck_assert_uint_eq(compat_strlcpy(to, "", 1), 0);
	ck_assert_str_eq(to, "");
	to[0] = 'q';
	ck_assert_uint_eq(compat_strlcpy(to, "abc", 0), 3);
	ck_assert_int_eq(to[0], 'q');
}
END_TEST

START_TEST(bzero_and_memeq)
{
	unsigned char a[40], b[40];

	memset(a, 7, sizeof(a));
	memcpy(b, a, sizeof(b));
	ck_assert(compat_memeq_ct(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] ^= 0x80;
		ck_assert(!compat_memeq_ct(a, b, sizeof(a)));
		b[i] ^= 0x80;
	}
	ck_assert(compat_memeq_ct(a, b, 0));
	compat_bzero(a, sizeof(a) - 1);
	for (size_t i = 0; i < sizeof(a) - 1; i++)
		ck_assert_uint_eq(a[i], 0);
	ck_assert_uint_eq(a[sizeof(a) - 1], 7);
	compat_bzero(NULL, 0);
}
END_TEST

START_TEST(flags)
{
	int fd[2];

	ck_assert_int_eq(pipe(fd), 0);
	ck_assert_int_eq(compat_cloexec_nonblock(fd[0]), 0);
	ck_flags(fd[0]);
	close(fd[0]);
	close(fd[1]);
	errno = 0;
	ck_assert_int_eq(compat_cloexec_nonblock(fd[0]), -1);
	ck_assert_int_eq(errno, EBADF);

	ck_assert_int_eq(compat_pipe(fd), 0);
	ck_flags(fd[0]);
	ck_flags(fd[1]);
	close(fd[0]);
	close(fd[1]);
	ck_assert_int_eq(compat_socketpair(AF_UNIX, SOCK_SEQPACKET, fd), 0);
	ck_flags(fd[0]);
	ck_flags(fd[1]);
	close(fd[0]);
	close(fd[1]);
}
END_TEST

START_TEST(accept_and_peer)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/compat_test.XXXXXX";
	int l, c, a;
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/s", dir);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(l, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(l, 5), 0);
	ck_assert_int_eq(connect(c, (struct sockaddr *)&sun, sizeof(sun)), 0);
	a = compat_accept(l, NULL, NULL);
	ck_assert_int_ne(a, -1);
	ck_flags(a);
	ck_assert_int_eq(compat_getpeereid(a, &uid, &gid), 0);
	ck_assert_uint_eq(uid, getuid());
	ck_assert_uint_eq(gid, getgid());
	ck_assert_int_eq(compat_peer_pid(a), getpid());
	close(a);
	close(c);
	close(l);
	unlink(sun.sun_path);
	rmdir(dir);
	/* not a socket, and a socket of another family */
	ck_assert_int_eq(compat_getpeereid(0, &uid, &gid), -1);
	a = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(compat_getpeereid(a, &uid, &gid), -1);
	close(a);
}
END_TEST

START_TEST(memfd)
{
	int fd = compat_memfd("test");
	char back[3];
	struct stat st;

	ck_assert_int_ne(fd, -1);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(pwrite(fd, "abc", 3, 0), 3);
	ck_assert_int_eq(pread(fd, back, 3, 0), 3);
	ck_assert_mem_eq(back, "abc", 3);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_nlink, 0);
	close(fd);
}
END_TEST

START_TEST(reopen)
{
	int p[2], fd;
	char c;

	ck_assert_int_eq(pipe(p), 0);
	fd = compat_reopen_nonblock(p[1]);
	if (fd != -1) {
		ck_flags(fd);
		ck_assert_int_eq(write(fd, "x", 1), 1);
		ck_assert_int_eq(read(p[0], &c, 1), 1);
		close(fd);
	}
	/* whether it could be done or not, p[1] is as it was */
	ck_assert_int_eq(fcntl(p[1], F_GETFL) & O_NONBLOCK, 0);
	close(p[0]);
	close(p[1]);
	ck_assert_int_eq(compat_reopen_nonblock(p[1]), -1);
}
END_TEST

START_TEST(syslog_socket)
{
	char longer[300];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
#ifndef __OpenBSD__
	ck_assert_int_eq(compat_syslog_open("/nonexistent/log"), -1);
	ck_assert_int_eq(compat_syslog_open(longer), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
#endif
}
END_TEST

START_TEST(cpus)
{
	ck_assert_int_ge(compat_cpus(), 1);
	ck_assert_int_le(compat_cpus(), 4096);
}
END_TEST

#ifdef __linux__
START_TEST(title)
{
	char cmdline[512] = "";
	const char *home_was = getenv("HOME");
	char *home = strdup(home_was == NULL ? "" : home_was);
	char *first = strdup(start_argv[0]);
	char **argv = start_argv;
	FILE *f;
	size_t n;
	int argc = 0;

	while (argv[argc] != NULL)
		argc++;
	compat_title("before init %d", 1); /* does nothing */
	ck_assert_str_eq(start_argv[0], first);
	compat_title_init(argc, &argv);
	compat_title("worker %d (%s)", 2, "412 clients");

	f = fopen("/proc/self/cmdline", "r");
	ck_assert_ptr_nonnull(f);
	n = fread(cmdline, 1, sizeof(cmdline) - 1, f);
	fclose(f);
	ck_assert_uint_gt(n, 0);
	ck_assert_int_eq(
	    strncmp(cmdline, "pooler: worker 2 (412 clients)", 30), 0);
	/* what stood in the area is elsewhere now, unharmed */
	ck_assert_str_eq(argv[0], first);
	if (home_was != NULL)
		ck_assert_str_eq(getenv("HOME"), home);
	/* a longer one, then a shorter one: nothing of the first is left */
	compat_title("%0400d", 1);
	compat_title("x");
	f = fopen("/proc/self/cmdline", "r");
	n = fread(cmdline, 1, sizeof(cmdline) - 1, f);
	fclose(f);
	cmdline[n] = '\0';
	ck_assert_str_eq(cmdline, "pooler: x");
	free(home);
	free(first);
}
END_TEST
#endif

int
main(int argc, char **argv)
{
	Suite *s = suite_create("compat");
	TCase *tc = tcase_create("compat");

	(void)argc;
	start_argv = argv;
	suite_add_tcase(s, tc);
	tcase_add_test(tc, strlcpy_cuts);
	tcase_add_test(tc, bzero_and_memeq);
	tcase_add_test(tc, flags);
	tcase_add_test(tc, accept_and_peer);
	tcase_add_test(tc, memfd);
	tcase_add_test(tc, reopen);
	tcase_add_test(tc, syslog_socket);
	tcase_add_test(tc, cpus);
#ifdef __linux__
	tcase_add_test(tc, title);
#endif
	return run_suite(s);
}
