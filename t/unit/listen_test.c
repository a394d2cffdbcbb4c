/* listen_test.c - addresses, refusals, and the life of a Unix socket. */
#include "master/listen.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <check.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/run.h"

static char dir[] = "/tmp/listen_test.XXXXXX";
static char path[96];
static struct err e;
static struct conf conf;
static int port;

/* A TCP port that nobody has. */
static int
free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	return ntohs(sin.sin_port);
}

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	port = free_port();
	snprintf(path, sizeof(path), "%s/.s.PGSQL.%d", dir, port);
	conf = (struct conf){
		.listen_addr = "127.0.0.1",
		.listen_port = port,
		.unix_socket_dir = dir,
		.unix_socket_mode = 0700,
		.unix_socket_group = "",
		.listen_backlog = 16,
		.tcp_defer_accept = 0,
	};
}

static void
teardown(void)
{
	listen_close();
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int
connect_unix(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int result, saved;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	result = connect(fd, (struct sockaddr *)&un, sizeof(un));
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

static int
connect_tcp(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result, saved;

	sin.sin_port = htons((uint16_t)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	result = connect(fd, (struct sockaddr *)&sin, sizeof(sin));
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

START_TEST(lists)
{
	struct listen_addr a[4];
	size_t n;

	ck_assert_int_eq(listen_parse("", 1, a, 4, &n, &e), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(listen_parse(" , ,", 1, a, 4, &n, &e), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(
	    listen_parse("127.0.0.1, ::1,127.0.0.1", 6432, a, 4, &n, &e), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(a[0].sa.ss_family, AF_INET);
	ck_assert_int_eq(
	    ntohs(((struct sockaddr_in *)(void *)&a[0].sa)->sin_port), 6432);
	ck_assert_int_eq(a[1].sa.ss_family, AF_INET6);
	ck_assert_int_eq(
	    ntohs(((struct sockaddr_in6 *)(void *)&a[1].sa)->sin6_port), 6432);
}
END_TEST

START_TEST(star_is_all_addresses)
{
	struct listen_addr a[4];
	bool has_v4 = false;
	size_t n;

	ck_assert_int_eq(listen_parse("*", 1, a, 4, &n, &e), 0);
	ck_assert_uint_ge(n, 1);
	for (size_t i = 0; i < n; i++) {
		const struct sockaddr_in *sin = (void *)&a[i].sa;

		if (sin->sin_family != AF_INET)
			continue;
		has_v4 = true;
		ck_assert_uint_eq(sin->sin_addr.s_addr, htonl(INADDR_ANY));
	}
	ck_assert(has_v4);
}
END_TEST

START_TEST(bad_lists)
{
	struct listen_addr a[2];
	char name[400];
	size_t n;

	ck_assert_int_eq(listen_parse("300.1.1.1", 1, a, 2, &n, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.log, "300.1.1.1"));
	ck_assert_int_eq(
	    listen_parse("127.0.0.1,127.0.0.2,127.0.0.3", 1, a, 2, &n, &e), -1);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(listen_parse(name, 1, a, 2, &n, &e), -1);
}
END_TEST

START_TEST(both_are_opened_and_closed)
{
	struct stat st;
	uint32_t n;

	ck_assert_msg(listen_open(&conf, (uid_t)-1, &e) == 0, "%s", e.log);
	(void)listen_fds(&n);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(connect_tcp(), 0);
	ck_assert_int_eq(connect_unix(), 0);
	listen_close();
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(connect_tcp(), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
}
END_TEST

#ifdef __linux__ /* elsewhere a duplicate keeps the listener open */
START_TEST(stop_reaches_duplicates)
{
	int *fds, copy = -1;
	uint32_t n;

	ck_assert_int_eq(listen_open(&conf, (uid_t)-1, &e), 0);
	fds = listen_fds(&n);
	for (uint32_t i = 0; i < n; i++) {
		struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(sa);

		getsockname(fds[i], (struct sockaddr *)&sa, &len);
		if (sa.ss_family == AF_INET)
			copy = dup(fds[i]);
	}
	ck_assert_int_ne(copy, -1);
	listen_stop();
	ck_assert_int_eq(connect_tcp(), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_int_eq(connect_unix(), 0);
	(void)listen_fds(&n);
	ck_assert_uint_eq(n, 1);
	close(copy);
}
END_TEST
#endif

START_TEST(nothing_is_refused)
{
	conf.listen_addr = "";
	conf.unix_socket_dir = "";
	ck_assert_int_eq(listen_open(&conf, (uid_t)-1, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.log, "nothing to listen on"));
}
END_TEST

/* Leave a socket's file behind, as a killed process does. */
static int
bind_path(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

START_TEST(stale_file_is_taken_away)
{
	close(bind_path());
	ck_assert_msg(listen_open(&conf, (uid_t)-1, &e) == 0, "%s", e.log);
	ck_assert_int_eq(connect_unix(), 0);
}
END_TEST

START_TEST(socket_in_use_refuses)
{
	int fd = bind_path();

	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(listen_open(&conf, (uid_t)-1, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.log, "in use"));
	ck_assert_int_eq(connect_unix(), 0);
	close(fd);
}
END_TEST

START_TEST(other_file_stays)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fclose(f);
	ck_assert_int_eq(listen_open(&conf, (uid_t)-1, &e), -1);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

/* Whatever the umask is, which stays what it was. */
START_TEST(rights_of_the_socket)
{
	struct group *gr = getgrnam(getuid() == 0 ? "daemon" : "");
	struct stat st;
	mode_t was = umask(077);

	if (gr == NULL)
		gr = getgrgid(getgid());
	ck_assert_ptr_nonnull(gr);
	conf.unix_socket_group = gr->gr_name;
	conf.unix_socket_mode = 0762;
	ck_assert_msg(
	    listen_open(&conf, getuid() == 0 ? 1 : (uid_t)-1, &e) == 0, "%s",
	    e.log);
	ck_assert_uint_eq(umask(was), 077);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0762);
	ck_assert_uint_eq(st.st_gid, gr->gr_gid);
	ck_assert_uint_eq(st.st_uid, getuid() == 0 ? 1 : getuid());
}
END_TEST

/* A virtual address may be at its twin; the others are served. */
START_TEST(absent_address)
{
	uint32_t n;

	conf.listen_addr = "192.0.2.1,127.0.0.1,2001:db8::1";
	ck_assert_int_eq(listen_open(&conf, (uid_t)-1, &e), 0);
	(void)listen_fds(&n);
	ck_assert_uint_eq(n, 2); /* and the Unix socket */
	ck_assert_int_eq(connect_tcp(), 0);
}
END_TEST

START_TEST(star_and_one_of_it)
{
	conf.listen_addr = "127.0.0.1,*";
	ck_assert_int_eq(listen_open(&conf, (uid_t)-1, &e), 0);
	ck_assert_int_eq(connect_tcp(), 0);
	listen_close();
	conf.listen_addr = "*,127.0.0.1,::1";
	ck_assert_int_eq(listen_open(&conf, (uid_t)-1, &e), 0);
	ck_assert_int_eq(connect_tcp(), 0);
}
END_TEST

START_TEST(a_fault_closes_all)
{
	uint32_t n;

	conf.listen_addr = "192.0.2.1"; /* not an address of ours */
	ck_assert_int_eq(listen_open(&conf, (uid_t)-1, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.log, "192.0.2.1"));
	(void)listen_fds(&n);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(access(path, F_OK), -1);
	conf.listen_addr = "127.0.0.1";
	conf.unix_socket_group = "no such group";
	ck_assert_int_eq(listen_open(&conf, (uid_t)-1, &e), -1);
	ck_assert_int_eq(access(path, F_OK), -1);
	conf.unix_socket_group = "";
	conf.unix_socket_dir = "/nonexistent";
	ck_assert_int_eq(listen_open(&conf, (uid_t)-1, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.log, "/nonexistent"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("listen");
	TCase *tc = tcase_create("listen");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, lists);
	tcase_add_test(tc, star_is_all_addresses);
	tcase_add_test(tc, bad_lists);
	tcase_add_test(tc, both_are_opened_and_closed);
#ifdef __linux__
	tcase_add_test(tc, stop_reaches_duplicates);
#endif
	tcase_add_test(tc, nothing_is_refused);
	tcase_add_test(tc, stale_file_is_taken_away);
	tcase_add_test(tc, socket_in_use_refuses);
	tcase_add_test(tc, other_file_stays);
	tcase_add_test(tc, rights_of_the_socket);
	tcase_add_test(tc, absent_address);
	tcase_add_test(tc, star_and_one_of_it);
	tcase_add_test(tc, a_fault_closes_all);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
