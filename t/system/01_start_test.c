/*
 * 01_start_test.c - the command line, configurations good and bad, and what
 * keeps the pooler from starting.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

#define RUN(p, ...) pooler_exec((p), (const char *const[]){ __VA_ARGS__, NULL })

/* The pooler refuses to start, for a reason that contains `why`. */
static void
no_start(struct pooler *p, const char *why)
{
	pooler_write(p);
	ck_assert_int_eq(RUN(p, p->conf), 1);
	ck_assert_msg(file_has(p->log, why), "expected \"%s\", got %.2000s",
	    why, slurp(p->log));
}

START_TEST(version_and_help)
{
	struct pooler *p = pooler_new();

	ck_assert_int_eq(RUN(p, "-V"), 0);
	ck_assert_int_eq(RUN(p, "--version"), 0);
	ck_assert_int_ge(
	    file_count(p->log, is_standin() ? "PgBouncer 1." : "pooler"), 2);
	ck_assert_int_eq(RUN(p, "-h"), 0);
	ck_assert_int_eq(RUN(p, "--help"), 0);
	ck_assert_int_ge(file_count(p->log, "Usage"), 2);
	ck_assert_int_eq(file_count(p->log, "--daemon"), 2);
}
END_TEST

START_TEST(wrong_arguments)
{
	struct pooler *p = pooler_new();

	ck_assert_int_eq(pooler_exec(p, (const char *const[]){ NULL }), 1);
	ck_assert(file_has(p->log, "no configuration file"));
	ck_assert_int_ne(RUN(p, "--no-such-option"), 0);
	ck_assert_int_eq(RUN(p, text("%s/not-there.conf", p->dir)), 1);
	ck_assert(file_has(p->log, "not-there.conf"));
}
END_TEST

START_TEST(check_a_good_file)
{
	struct pooler *p = pooler_new();

	pooler_write(p);
	ck_assert_int_eq(RUN(p, "-t", p->conf), 0);
	ck_assert_int_eq(RUN(p, "-t", "-c", p->conf), 0);
	/* it did no more than look */
	ck_assert_int_ne(
	    access(text("%s/.s.PGSQL.%d", p->dir, p->port), F_OK), 0);
	ck_assert_ptr_null(wire_try("127.0.0.1", p->port));
}
END_TEST

/* All faults at once, each with file and line. */
START_TEST(check_a_bad_file)
{
	struct pooler *p = pooler_new();

	pooler_write(p);
	spew(p->conf,
	    "[pooler]\n"
	    "listen_port = many\n"
	    "no_such_key = 1\n"
	    "pool_mode = sometimes\n"
	    "default_pool_size = -5\n"
	    "[databases]\n"
	    "app = host=127.0.0.1 port=none\n"
	    "[nonsense]\n"
	    "%include no-such-file\n"
	    "x = y\n");
	ck_assert_int_eq(RUN(p, "-t", p->conf), 1);
	for (int line = 2; line <= 9; line++)
		if (line != 6)
			ck_assert_msg(
			    file_has(p->log, text("%s:%d", p->conf, line)),
			    "line %d is not told: %s", line, slurp(p->log));
	ck_assert(file_has(p->log, "no_such_key"));
	ck_assert_int_eq(RUN(p, p->conf), 1);
}
END_TEST

START_TEST(both_names_of_the_section)
{
	struct pooler *p = pooler_new();
	PGconn *c;

	pooler_write(p);
	spew(text("%s/more.conf", p->dir),
	    "[pooler]\n; a comment\n"
	    "   default_pool_size=1   \n# another\n");
	pooler_set(p, "default_pool_size = 7\n%%include %s/more.conf", p->dir);
	pooler_start(p);
	c = pooler_console(p, "admin");
	ck_assert_int_eq(
	    pooler_show(c, "CONFIG", "key", "default_pool_size", "value"), 1);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(nothing_to_listen_on)
{
	struct pooler *p = pooler_new();

	pooler_set(p, "listen_addr =\nunix_socket_dir =");
	no_start(p, "to listen on");
}
END_TEST

START_TEST(port_in_use)
{
	struct pooler *p = pooler_new();
	int port, fd = fake_listen(&port);

	pooler_set(p, "listen_port = %d\nunix_socket_dir =", port);
	pooler_set(p, "logfile = %s/own.log", p->dir);
	no_start(p, text("%d", port));
	/* who starts it may not show its standard error */
	ck_assert(file_has(text("%s/own.log", p->dir), text("%d", port)));
	close(fd);
}
END_TEST

START_TEST(unix_socket_in_use)
{
	struct pooler *p = pooler_new(), *q = pooler_new();

	pooler_start(p);
	pooler_set(q, "listen_addr =\nlisten_port = %d\nunix_socket_dir = %s",
	    p->port, p->dir);
	no_start(q, is_standin() ? "unix" : "in use");
	/* the first one has not been hurt */
	PQfinish(pooler_conn(p, text("host=%s", p->dir)));
	pooler_stop(p);
}
END_TEST

/* A socket that a dead one left behind is no obstacle. */
START_TEST(stale_unix_socket)
{
	struct pooler *p = pooler_new();
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s",
	    text("%s/.s.PGSQL.%d", p->dir, p->port));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	spawn_own(un.sun_path);
	close(fd);
	pooler_start(p);
	PQfinish(pooler_conn(p, text("host=%s", p->dir)));
	pooler_stop(p);
	/* and it leaves none */
	ck_assert(is_standin() || access(un.sun_path, F_OK) != 0);
}
END_TEST

START_TEST(pid_file)
{
	struct pooler *p = pooler_new(), *q = pooler_new();
	char *file = strdup(text("%s/pid", p->dir)), *s;

	pooler_set(p, "pidfile = %s", file);
	pooler_set(q, "pidfile = %s", file);
	/* of somebody long dead */
	spew(file, "2147483646\n");
	pooler_start(p);
	s = slurp(file);
	ck_assert_int_eq((pid_t)strtol(s, NULL, 10), p->pid);
	free(s);
	no_start(q, is_standin() ? "pidfile" : file);
	PQfinish(pooler_conn(p, ""));
	pooler_stop(p);
	ck_assert(is_standin() || access(file, F_OK) != 0);
	free(file);
}
END_TEST

START_TEST(several_addresses)
{
	struct pooler *p = pooler_new();

	pooler_set(p, "listen_addr = 127.0.0.1, 127.0.0.2%s",
	    have_ipv6() ? ", ::1" : "");
	pooler_start(p);
	PQfinish(pooler_conn(p, ""));
	PQfinish(pooler_conn(p, "host=127.0.0.2"));
	if (have_ipv6())
		PQfinish(pooler_conn(p, "host=::1"));
	PQfinish(pooler_conn(p, text("host=%s", p->dir)));
	pooler_stop(p);
}
END_TEST

START_TEST(any_address)
{
	struct pooler *p = pooler_with("listen_addr = *");

	PQfinish(pooler_conn(p, ""));
	if (have_ipv6())
		PQfinish(pooler_conn(p, "host=::1"));
	pooler_stop(p);
}
END_TEST

START_TEST(unix_socket_mode)
{
	struct pooler *p = pooler_with("unix_socket_mode = 0750");
	struct stat st;

	ck_assert_int_eq(stat(text("%s/.s.PGSQL.%d", p->dir, p->port), &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_int_eq(st.st_mode & 0777, 0750);
	pooler_stop(p);
}
END_TEST

START_TEST(root_is_refused)
{
	struct pooler *p = pooler_new();
	const char *const argv[] = { pooler_bin(), p->conf, NULL };

	pooler_write(p);
	ck_assert_int_eq(
	    spawn_run(
		&(struct spawn){ .out = p->log, .same_user = true }, argv),
	    1);
	ck_assert(file_has(p->log, "root"));
}
END_TEST

/* Started by root with a user to become: no process of it stays root. */
START_TEST(root_becomes_the_user)
{
	struct pooler *p = pooler_new();
	const char *const argv[] = { pooler_bin(), p->conf, NULL };
	pid_t kids[POOLER_KIDS];
	struct stat dir, proc;
	int n;

	pooler_set(p, "user = postgres");
	pooler_write(p);
	p->pid = spawn(
	    &(struct spawn){
		.out = p->log, .same_user = true, .death_signal = SIGQUIT },
	    argv);
	UNTIL(10000,
	    file_count(p->log, "listening") > 0 &&
		access(text("%s/.s.PGSQL.%d", p->dir, p->port), F_OK) == 0);
	PQfinish(pooler_conn(p, ""));
	ck_assert_int_eq(stat(p->dir, &dir), 0);
	n = spawn_kids(p->pid, kids, POOLER_KIDS);
	for (int i = -1; i < n; i++) {
		if (stat(text("/proc/%d", (int)(i < 0 ? p->pid : kids[i])),
			&proc) == 0)
			ck_assert_int_eq(proc.st_uid, dir.st_uid);
	}
	pooler_stop(p);
}
END_TEST

START_TEST(daemon_mode)
{
	struct pooler *p = pooler_new();
	char *file = strdup(text("%s/pid", p->dir)), *s;
	pid_t pid;

	/* it needs a place for its pid and its log */
	pooler_write(p);
	ck_assert_int_eq(RUN(p, "-d", p->conf), 1);
	pooler_set(p, "pidfile = %s\nlogfile = %s/own.log", file, p->dir);
	pooler_write(p);
	ck_assert_int_eq(RUN(p, "-d", p->conf), 0);
	UNTIL(10000, access(file, R_OK) == 0);
	s = slurp(file);
	pid = (pid_t)strtol(s, NULL, 10);
	free(s);
	ck_assert_int_gt(pid, 1);
	UNTIL(5000, wire_try("127.0.0.1", p->port) != NULL);
	ck_assert_int_eq(kill(pid, SIGQUIT), 0);
	UNTIL(10000, !is_alive(pid));
	ck_assert(file_has(text("%s/own.log", p->dir), "LOG"));
}
END_TEST

/* As a supervisor or a cron job may start it: without standard streams. */
START_TEST(closed_streams)
{
	static const char script[] = "exec \"$0\" -d \"$1\" <&- >&- 2>&-";
	struct pooler *p = pooler_new();
	const char *argv[] = { "sh", "-c", script, pooler_bin(), p->conf,
		NULL };
	char *file = strdup(text("%s/pid", p->dir)), *s;
	pid_t pid;

	pooler_set(p, "pidfile = %s\nlogfile = %s/own.log", file, p->dir);
	pooler_write(p);
	ck_assert_int_eq(spawn_run(&(struct spawn){ .out = p->log }, argv), 0);
	s = slurp(file);
	pid = (pid_t)strtol(s, NULL, 10);
	free(s);
	free(file);
	ck_assert_int_gt(pid, 1);
	PQfinish(pooler_conn(p, ""));
	PQfinish(pooler_conn(p, text("host=%s", p->dir)));
	ck_assert_int_eq(kill(pid, SIGQUIT), 0);
	UNTIL(10000, !is_alive(pid));
}
END_TEST

START_TEST(quiet)
{
	struct pooler *p = pooler_new();

	pooler_set(p, "logfile = %s/own.log", p->dir);
	pooler_write(p);
	p->pid =
	    spawn(&(struct spawn){ .out = p->log, .death_signal = SIGQUIT },
		(const char *const[]){ pooler_bin(), "-q", p->conf, NULL });
	UNTIL(10000, file_count(text("%s/own.log", p->dir), "listening") > 0);
	ck_assert(!file_has(p->log, "listening"));
	/* it says so before it can be told to stop */
	PQfinish(pooler_conn(p, ""));
	pooler_stop(p);
}
END_TEST

/* The form of a line that tools parse. */
START_TEST(log_form)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c = pooler_conn(p, "");
	int y, m, d, H, M, S, ms, pid, n = 0;
	char zone[8], level[16], *s, *save;

	sql_num(c, "SELECT 1");
	PQfinish(c);
	UNTIL(5000, file_has(p->log, "closing because: client "));
	ck_assert(file_has(p->log, "login attempt: db=app user=app tls=no"));
	ck_assert(file_has(p->log, " C-0x"));
	ck_assert(file_has(p->log, " S-0x"));
	ck_assert(file_has(p->log, ": app/app@127.0.0.1:"));
	s = slurp(p->log);
	for (char *l = strtok_r(s, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save), n++)
		ck_assert_msg(
		    sscanf(l, "%d-%d-%d %d:%d:%d.%d %7s [%d] %15s", &y, &m, &d,
			&H, &M, &S, &ms, zone, &pid, level) == 10,
		    "%s", l);
	ck_assert_int_ge(n, 5);
	free(s);
	pooler_stop(p);
}
END_TEST

/* Descriptors are made room for, or the figure that lacks is told. */
START_TEST(descriptor_limit)
{
	struct pooler *p = pooler_new();
	struct rlimit low = { 256, 1024 }, hard = { 256, 256 };
	struct wire *w[220];

	pooler_set(p, "max_client_conn = 600");
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	pooler_start(p);
	for (int i = 0; i < 220; i++) {
		w[i] = wire_open("127.0.0.1", p->port);
		wire_login(w[i], "app", "app");
	}
	for (int i = 0; i < 220; i++)
		wire_free(w[i]);
	pooler_stop(p);
	p = pooler_new();
	pooler_set(p, "max_client_conn = 6000");
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &hard), 0);
	pooler_write(p);
	ck_assert_int_eq(RUN(p, p->conf), 1);
	ck_assert(file_has(p->log, "descriptor"));
}
END_TEST

START_TEST(workers)
{
	struct pooler *p = pooler_new();
	pid_t pids[16];
	PGconn *c;

	pooler_workers(p, 5);
	pooler_start(p);
	c = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_pids(c, pids, 16), 5);
	for (int i = 0; i < 5; i++)
		ck_assert(is_alive(pids[i]));
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

#ifdef __linux__
/* How many of its children have said that they are such a process? */
static int
titled(const struct pooler *p, const char *what)
{
	pid_t kids[POOLER_KIDS];
	int n = spawn_kids(p->pid, kids, POOLER_KIDS), sum = 0;

	for (int i = 0; i < n; i++) {
		char *s = slurp(text("/proc/%d/cmdline", (int)kids[i]));

		sum += !strncmp(s, "pooler: ", 8) && strstr(s, what) != NULL;
		free(s);
	}
	return sum;
}

/* ps(1) tells which process does what. */
START_TEST(titles)
{
	struct pooler *p = pooler_new();

	pooler_workers(p, 3);
	pooler_start(p);
	/* until it runs, a child bears its parent's */
	UNTIL(5000, titled(p, "worker") == 3);
	UNTIL(5000, titled(p, "resolver") == 1);
	pooler_stop(p);
}
END_TEST
#endif

int
main(void)
{
	Suite *s = suite_create("start");
	TCase *tc = suite_case(s, "start", 30);

	tcase_add_test(tc, version_and_help);
	tcase_add_test(tc, wrong_arguments);
	tcase_add_test(tc, nothing_to_listen_on);
	tcase_add_test(tc, port_in_use);
	tcase_add_test(tc, unix_socket_in_use);
	tcase_add_test(tc, stale_unix_socket);
	tcase_add_test(tc, pid_file);
	tcase_add_test(tc, several_addresses);
	tcase_add_test(tc, any_address);
	tcase_add_test(tc, unix_socket_mode);
	tcase_add_test(tc, daemon_mode);
	tcase_add_test(tc, closed_streams);
	tcase_add_test(tc, quiet);
	tcase_add_test(tc, log_form);
	if (getuid() == 0) {
		tcase_add_test(tc, root_is_refused);
		tcase_add_test(tc, root_becomes_the_user);
	}
	if (!is_standin()) {
		tcase_add_test(tc, check_a_good_file);
		tcase_add_test(tc, check_a_bad_file);
		tcase_add_test(tc, both_names_of_the_section);
		tcase_add_test(tc, descriptor_limit);
		tcase_add_test(tc, workers);
#ifdef __linux__
		tcase_add_test(tc, titles);
#endif
	}
	return suite_run(s, SUITE_PG);
}
