/*
 * log_test.c - the line's form, where it goes, and that it never waits.
 *
 * Check runs each test in a process of its own, so each has a fresh log.
 */
#include "conf/log.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/keys.h"
#include "conf/settings.h"
#include "t/unit/run.h"

static char dir[] = "/tmp/log_test.XXXXXX";
static char path[64];
static struct conf conf;

static void
setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	keys_default(KEY_GLOBAL, &conf);
	conf.logfile = path;
	setenv("TZ", "UTC", 1);
	log_quiet(true);
}

static void
teardown(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static const char *
slurp(const char *name)
{
	static char text[65536];
	FILE *f = fopen(name, "r");
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* The text behind "DATE TIME UTC [pid] ", whose form is checked. */
static const char *
behind_stamp(const char *line)
{
	static const char form[] = "dddd-dd-dd dd:dd:dd.ddd UTC [";
	char pid[32];

	for (size_t i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'd')
			ck_assert(isdigit((unsigned char)line[i]));
		else
			ck_assert_int_eq(line[i], form[i]);
	}
	line += strlen(form);
	snprintf(pid, sizeof(pid), "%d] ", (int)getpid());
	ck_assert_int_eq(strncmp(line, pid, strlen(pid)), 0);
	return line + strlen(pid);
}

START_TEST(form)
{
	struct log_who who;

	ck_assert_int_eq(log_setup(&conf), 0);
	log_who_set(&who, "C-0x%x: %s/%s@%s:%d", 0x1f03, "app", "web",
	    "10.0.0.7", 51324);
	errno = 77;
	log_info(&who, "closing because: %s (age=%ds)", "client close", 12);
	ck_assert_int_eq(errno, 77);
	ck_assert_str_eq(behind_stamp(slurp(path)),
	    "LOG C-0x1f03: app/web@10.0.0.7:51324 closing because: client "
	    "close (age=12s)\n");
}
END_TEST

START_TEST(levels)
{
	conf.verbose = 0;
	ck_assert_int_eq(log_setup(&conf), 0);
	log_noise(NULL, "0noise");
	log_debug(NULL, "0debug");
	log_info(NULL, "0info");
	log_warn(NULL, "0warn");
	log_error(NULL, "0error");
	conf.verbose = 1;
	ck_assert_int_eq(log_setup(&conf), 0);
	log_noise(NULL, "1noise");
	log_debug(NULL, "1debug");
	conf.verbose = 2;
	ck_assert_int_eq(log_setup(&conf), 0);
	log_noise(NULL, "2noise");
	ck_assert_ptr_null(strstr(slurp(path), "0noise"));
	ck_assert_ptr_null(strstr(slurp(path), "0debug"));
	ck_assert_ptr_null(strstr(slurp(path), "1noise"));
	ck_assert_ptr_nonnull(strstr(slurp(path), "] LOG 0info\n"));
	ck_assert_ptr_nonnull(strstr(slurp(path), "] WARNING 0warn\n"));
	ck_assert_ptr_nonnull(strstr(slurp(path), "] ERROR 0error\n"));
	ck_assert_ptr_nonnull(strstr(slurp(path), "] DEBUG 1debug\n"));
	ck_assert_ptr_nonnull(strstr(slurp(path), "] NOISE 2noise\n"));
	ck_assert(log_is_on(LOG_AT_NOISE));
	log_verbose(0);
	ck_assert(!log_is_on(LOG_AT_DEBUG));
}
END_TEST

/* A name with a line feed in it does not make a line. */
START_TEST(no_injection)
{
	struct log_who who;

	ck_assert_int_eq(log_setup(&conf), 0);
	log_who_set(&who, "C-1: a\nb/\033[31m");
	log_warn(&who, "user \"%s\"", "x\r\n2026 LOG forged\t\177\303\251");
	ck_assert_str_eq(behind_stamp(slurp(path)),
	    "WARNING C-1: a\\nb/\\x1b[31m user \"x\\x0d\\n2026 LOG "
	    "forged\\t\\x7f\303\251\"\n");
}
END_TEST

START_TEST(long_lines)
{
	char longer[5000], feeds[5000];
	const char *text;

	memset(longer, 'x', sizeof(longer));
	memset(feeds, '\n', sizeof(feeds));
	longer[sizeof(longer) - 1] = feeds[sizeof(feeds) - 1] = '\0';
	ck_assert_int_eq(log_setup(&conf), 0);
	log_info(NULL, "%s", longer);
	log_info(NULL, "%s", feeds);
	log_info(NULL, "after");
	text = slurp(path);
	ck_assert_uint_le(strcspn(text, "\n"), 2048);
	text += strcspn(text, "\n") + 1;
	ck_assert_uint_le(strcspn(text, "\n"), 2048);
	text += strcspn(text, "\n") + 1;
	ck_assert_str_eq(behind_stamp(text), "LOG after\n");
}
END_TEST

START_TEST(reopen)
{
	char old[80];

	ck_assert_int_eq(log_setup(&conf), 0);
	log_info(NULL, "one");
	snprintf(old, sizeof(old), "%s.1", path);
	ck_assert_int_eq(rename(path, old), 0);
	log_info(NULL, "two");
	ck_assert_int_eq(log_reopen(), 0);
	log_info(NULL, "three");
	ck_assert_ptr_nonnull(strstr(slurp(old), "one"));
	ck_assert_ptr_nonnull(strstr(slurp(old), "two"));
	ck_assert_ptr_null(strstr(slurp(old), "three"));
	ck_assert_ptr_nonnull(strstr(slurp(path), "three"));
}
END_TEST

/* A name that cannot be opened changes nothing. */
START_TEST(bad_file)
{
	char name[PATH_MAX + 2] = "";
	struct err e;

	ck_assert_int_eq(log_setup(&conf), 0);
	conf.logfile = "/nonexistent/dir/log";
	ck_assert_int_eq(log_setup(&conf), -1);
	log_info(NULL, "still here");
	ck_assert_ptr_nonnull(strstr(slurp(path), "] LOG still here\n"));
	ck_assert_ptr_nonnull(strstr(slurp(path), "ERROR cannot open logfile"));
	ck_assert_int_eq(log_reopen(), 0);
	ck_assert_int_eq(log_try("/nonexistent/dir/log", &e), -1);
	ck_assert_ptr_nonnull(strstr(e.log, "\"/nonexistent/dir/log\""));
	memset(name, 'x', sizeof(name) - 1);
	ck_assert_int_eq(log_try(name, &e), -1);
	ck_assert_int_eq(log_try(path, &e), 0);
	conf.logfile = "";
	ck_assert_int_eq(log_setup(&conf), 0);
	log_info(NULL, "nowhere");
	ck_assert_ptr_null(strstr(slurp(path), "nowhere"));
}
END_TEST

/* A pipe that nobody reads: lines are lost and counted, nothing waits. */
START_TEST(full_pipe)
{
	char buf[65536], all[4096];
	ssize_t n;
	int fd;
	uint64_t lost;

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(log_setup(&conf), 0);
	for (int i = 0; i < 5000; i++)
		log_info(NULL, "a line that is some forty bytes long %d", i);
	lost = log_lost();
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_lt(lost, 5000);
	do
		n = read(fd, buf, sizeof(buf));
	while (n > 0);
	ck_assert_uint_eq(log_lost(), lost);
	log_info(NULL, "through");
	n = read(fd, buf, sizeof(buf) - 1);
	ck_assert_int_gt(n, 0);
	buf[n] = '\0';
	snprintf(all, sizeof(all), "WARNING %llu log lines were lost\n",
	    (unsigned long long)lost);
	ck_assert_ptr_nonnull(strstr(buf, all));
	ck_assert_ptr_nonnull(strstr(buf, "LOG through\n"));
	ck_assert_uint_eq(log_lost(), 0);
	close(fd);
}
END_TEST

START_TEST(full_stderr)
{
	char line[2100];
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	conf.logfile = "";
	log_quiet(false);
	/* before there is a configuration, and after */
	for (int i = 0; i < 100; i++)
		log_info(NULL, "%01000d", i);
	ck_assert_uint_gt(log_lost(), 0);
	ck_assert_int_eq(log_setup(&conf), 0);
	for (int i = 0; i < 100; i++)
		log_info(NULL, "%01000d", i);
	ck_assert_uint_gt(log_lost(), 50);
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_gt(read(p[0], line, sizeof(line)), 1000);
	ck_assert_uint_lt((size_t)(behind_stamp(line) - line), 80);
}
END_TEST

/* A daemon does not hold the pipe of who started it. */
START_TEST(quiet_lets_go)
{
	char line[300];
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	close(p[1]);
	conf.logfile = "";
	log_quiet(false);
	ck_assert_int_eq(log_setup(&conf), 0);
	log_info(NULL, "heard");
	log_quiet(true);
	log_info(NULL, "not heard");
	ck_assert_int_eq(log_setup(&conf), 0);
	close(STDERR_FILENO);
	memset(line, 0, sizeof(line));
	ck_assert_int_gt(read(p[0], line, sizeof(line) - 1), 0);
	ck_assert_str_eq(behind_stamp(line), "LOG heard\n");
	ck_assert_int_eq(read(p[0], line, sizeof(line)), 0);
}
END_TEST

START_TEST(socket_stderr)
{
	char line[300];
	int p[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	ck_assert_int_eq(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	conf.logfile = "";
	log_quiet(false);
	ck_assert_int_eq(log_setup(&conf), 0);
	log_error(NULL, "to a socket");
	memset(line, 0, sizeof(line));
	ck_assert_int_gt(read(p[0], line, sizeof(line) - 1), 0);
	ck_assert_str_eq(behind_stamp(line), "ERROR to a socket\n");
	for (int i = 0; i < 5000; i++)
		log_info(NULL, "%0500d", i);
	ck_assert_uint_gt(log_lost(), 0);
	/* and a reader that has gone is no signal */
	close(p[0]);
	log_info(NULL, "gone");
}
END_TEST

START_TEST(to_syslog)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char line[4096];
	ssize_t n;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/dev-log", dir);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	log_syslog_path(sun.sun_path);
	conf.logfile = "";
	conf.syslog = 1;
	conf.syslog_ident = "ident";
	conf.syslog_facility = "LOCAL3";
	ck_assert_int_eq(log_setup(&conf), 0);
	log_warn(NULL, "to syslog\n");
	n = recv(fd, line, sizeof(line) - 1, 0);
	ck_assert_int_gt(n, 0);
	line[n] = '\0';
	/* local3 is 19, a warning 4: 19 * 8 + 4 */
	ck_assert_int_eq(strncmp(line, "<156>", 5), 0);
	ck_assert_ptr_nonnull(strstr(line, " ident["));
	ck_assert_ptr_nonnull(strstr(line, "]: WARNING to syslog\\n"));
	/* a daemon that does not read costs lines, not time */
	for (int i = 0; i < 5000; i++)
		log_info(NULL, "line %d", i);
	ck_assert_uint_gt(log_lost(), 0);
	close(fd);
	log_info(NULL, "nobody there");
	ck_assert_uint_gt(log_lost(), 1);
}
END_TEST

/* What standard error or syslog misses is no hole in the file. */
START_TEST(one_of_several)
{
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	close(p[1]);
	log_quiet(false);
	log_syslog_path("/nonexistent/log");
	conf.syslog = 1;
	ck_assert_int_eq(log_setup(&conf), 0);
	(void)signal(SIGPIPE, SIG_IGN);
	close(p[0]);
	for (int i = 0; i < 3; i++)
		log_info(NULL, "line %d", i);
	ck_assert_uint_eq(log_lost(), 6);
	ck_assert_ptr_nonnull(strstr(slurp(path), "LOG line 2\n"));
	ck_assert_ptr_null(strstr(slurp(path), "lost"));
}
END_TEST

START_TEST(facilities)
{
	ck_assert(log_is_facility("daemon"));
	ck_assert(log_is_facility("Local7"));
	ck_assert(!log_is_facility("local8"));
	ck_assert(!log_is_facility(""));
}
END_TEST

START_TEST(fatal_ends)
{
	int status;
	pid_t pid;

	ck_assert_int_eq(log_setup(&conf), 0);
	pid = fork();
	if (pid == 0)
		fatal("cannot %s", "go on");
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 1);
	ck_assert_ptr_nonnull(strstr(slurp(path), "] FATAL cannot go on\n"));
}
END_TEST

/* Lines of many processes never mix: each is one write. */
START_TEST(many_writers)
{
	const char *text;
	int lines = 0;

	ck_assert_int_eq(log_setup(&conf), 0);
	for (int k = 0; k < 4; k++) {
		if (fork() == 0) {
			for (int i = 0; i < 100; i++)
				log_info(NULL, "<%0100d>", i);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		continue;
	for (text = slurp(path); *text != '\0'; lines++) {
		size_t n = strcspn(text, "\n");

		ck_assert_int_eq(text[n - 1], '>');
		ck_assert_int_eq(text[n - 102], '<');
		text += n + 1;
	}
	ck_assert_int_eq(lines, 400);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, form);
	tcase_add_test(tc, levels);
	tcase_add_test(tc, no_injection);
	tcase_add_test(tc, long_lines);
	tcase_add_test(tc, reopen);
	tcase_add_test(tc, bad_file);
	tcase_add_test(tc, full_pipe);
	tcase_add_test(tc, full_stderr);
	tcase_add_test(tc, quiet_lets_go);
	tcase_add_test(tc, socket_stderr);
	tcase_add_test(tc, to_syslog);
	tcase_add_test(tc, one_of_several);
	tcase_add_test(tc, facilities);
	tcase_add_test(tc, fatal_ends);
	tcase_add_test(tc, many_writers);
	return run_suite(s);
}
