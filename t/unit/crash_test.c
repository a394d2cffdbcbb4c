/* crash_test.c - the list of crash points is the sources', and they kill. */
#include "shm/crash.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/shmtest.h"

enum { POINTS_MAX = 500, NAME_MAX_ = 64 };

struct names {
	int n;
	char name[POINTS_MAX][NAME_MAX_];
};

static bool
has(const struct names *l, const char *name)
{
	for (int i = 0; i < l->n; i++)
		if (strcmp(l->name[i], name) == 0)
			return true;
	return false;
}

static void
add(struct names *l, const char *name, size_t len)
{
	ck_assert_uint_lt(len, NAME_MAX_);
	ck_assert_int_lt(l->n, POINTS_MAX);
	memcpy(l->name[l->n], name, len);
	l->name[l->n][len] = '\0';
	l->n++;
}

/* What crash_list() prints. */
static struct names listed;

static void
read_list(void)
{
	char line[200];
	int fds[2], status;
	FILE *f;
	pid_t kid;

	ck_assert_int_eq(pipe(fds), 0);
	kid = fork();
	ck_assert_int_ne(kid, -1);
	if (kid == 0) {
		if (dup2(fds[1], STDOUT_FILENO) == -1)
			_exit(1);
		crash_list();
		fflush(stdout);
		_exit(0);
	}
	close(fds[1]);
	f = fdopen(fds[0], "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		add(&listed, line, strcspn(line, "\n"));
	fclose(f);
	ck_assert_int_eq(waitpid(kid, &status, 0), kid);
	ck_assert_int_eq(status, 0);
}

/* Every CRASH_POINT("...") of one file. */
static void
read_source(struct names *l, const char *path)
{
	static const char mark[] = "CRASH_POINT(\"";
	char line[500];
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		const char *at = strstr(line, mark);

		if (at != NULL) {
			at += sizeof(mark) - 1;
			add(l, at, strcspn(at, "\""));
		}
	}
	fclose(f);
}

START_TEST(the_list_is_complete)
{
	static const char *const folders[] = { "shm/*.c", "worker/*.c",
		"worker/*/*.c", "master/*.c" };
	static struct names source;
	glob_t g;

	read_list();
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (glob(folders[i], 0, NULL, &g) != 0)
			continue;
		for (size_t k = 0; k < g.gl_pathc; k++)
			read_source(&source, g.gl_pathv[k]);
		globfree(&g);
	}
	ck_assert_int_gt(source.n, 20);
	for (int i = 0; i < source.n; i++)
		ck_assert_msg(has(&listed, source.name[i]),
		    "not in the list of crash.c: %s", source.name[i]);
	for (int i = 0; i < listed.n; i++)
		ck_assert_msg(has(&source, listed.name[i]),
		    "listed, but in no source: %s", listed.name[i]);
	for (int i = 1; i < listed.n; i++)
		ck_assert_msg(strcmp(listed.name[i - 1], listed.name[i]) < 0,
		    "out of order: %s", listed.name[i]);
}
END_TEST

#ifdef CRASH_POINTS

enum { SURVIVED = 17 };

/* How process 3 ends that passes "a" twice and "b" once. */
static int
end_of(const char *env)
{
	int status;
	pid_t kid = fork();

	ck_assert_int_ne(kid, -1);
	if (kid == 0) {
		if (env != NULL)
			setenv("POOLER_CRASH", env, 1);
		else
			unsetenv("POOLER_CRASH");
		crash_arm(3);
		crash_point("a");
		crash_point("b");
		crash_point("a");
		_exit(SURVIVED);
	}
	ck_assert_int_eq(waitpid(kid, &status, 0), kid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

START_TEST(kills_where_it_is_told)
{
	ck_assert_int_eq(end_of(NULL), SURVIVED);
	ck_assert_int_eq(end_of("a:1"), SIGKILL);
	ck_assert_int_eq(end_of("a:2"), SIGKILL);
	ck_assert_int_eq(end_of("a:3"), SURVIVED);
	ck_assert_int_eq(end_of("b:1:3"), SIGKILL);
	ck_assert_int_eq(end_of("b:1:2"), SURVIVED);
	ck_assert_int_eq(end_of("c:1"), SURVIVED);
	ck_assert_int_eq(end_of("a"), SURVIVED);
	ck_assert_int_eq(end_of(":1"), SURVIVED);
	ck_assert_int_eq(end_of("a:"), SURVIVED);
	ck_assert_int_eq(end_of(""), SURVIVED);
}
END_TEST

/* Whoever it is: but only the first. */
START_TEST(kills_one)
{
	fresh_segment(4, 4, 4);
	ck_assert_int_eq(end_of("a:3"), SURVIVED);
	ck_assert_int_eq(end_of("a:1"), SIGKILL);
	ck_assert_int_eq(end_of("a:1"), SURVIVED);
	ck_assert_int_eq(end_of("b:1"), SURVIVED);
	ck_assert_int_eq(end_of("a:1:3"), SIGKILL);
	segment_drop();
}
END_TEST

START_TEST(disarmed)
{
	setenv("POOLER_CRASH", "a:1", 1);
	crash_arm(0);
	crash_disarm();
	crash_point("a");
	ck_assert_ptr_null(getenv("POOLER_CRASH"));
}
END_TEST

#else

/* Without -DCRASH_POINTS nothing kills, whatever the environment says. */
START_TEST(does_nothing)
{
	setenv("POOLER_CRASH", "a:1", 1);
	crash_arm(0);
	CRASH_POINT("a");
	crash_disarm();
	ck_assert_str_eq(getenv("POOLER_CRASH"), "a:1");
}
END_TEST

#endif

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(the_list_is_complete),
#ifdef CRASH_POINTS
		TEST(kills_where_it_is_told),
		TEST(kills_one),
		TEST(disarmed),
#else
		TEST(does_nothing),
#endif
		NO_MORE_TESTS,
	};

	return run_tests("crash", tests, 20);
}
