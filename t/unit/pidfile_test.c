/* pidfile_test.c - a living holder refuses, a dead one is written over. */
#include "master/pidfile.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/run.h"

static char dir[] = "/tmp/pidfile_test.XXXXXX";
static char path[64];
static struct err e;

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/pid", dir);
}

static void
teardown(void)
{
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
put(const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static long
number_in_it(void)
{
	FILE *f = fopen(path, "r");
	long n = -1;

	ck_assert_ptr_nonnull(f);
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

START_TEST(none_is_free)
{
	ck_assert_int_eq(pidfile_check(path, &e), 0);
}
END_TEST

START_TEST(living_holder_refuses)
{
	pid_t child = fork();
	char text[32];

	if (child == 0) {
		pause();
		_exit(0);
	}
	snprintf(text, sizeof(text), "%ld\n", (long)child);
	put(text);
	ck_assert_int_eq(pidfile_check(path, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.log, path));
	ck_assert_ptr_nonnull(strstr(e.log, "running"));
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(pidfile_check(path, &e), 0);
}
END_TEST

START_TEST(nonsense_is_stale)
{
	static const char *const texts[] = { "", "\n", "abc\n", "-1\n", "0\n",
		"99999999999999999999\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		put(texts[i]);
		ck_assert_msg(pidfile_check(path, &e) == 0, "%s", texts[i]);
	}
}
END_TEST

START_TEST(written_and_removed)
{
	put("1234567890123456\n");
	ck_assert_int_eq(pidfile_write(path, (uid_t)-1, &e), 0);
	ck_assert_int_eq(number_in_it(), getpid());
	ck_assert_int_eq(pidfile_check(path, &e), 0);
	pidfile_remove(path);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(not_ours_stays)
{
	put("1\n");
	pidfile_remove(path);
	ck_assert_int_eq(number_in_it(), 1);
}
END_TEST

/* Root writes it, maybe where another user may plant a link. */
START_TEST(links_are_not_followed)
{
	char other[sizeof(path) + 8];
	struct stat st;
	FILE *f;

	snprintf(other, sizeof(other), "%s.other", path);
	for (int i = 0; i < 2; i++) {
		f = fopen(other, "w");
		ck_assert_ptr_nonnull(f);
		fputs("precious", f);
		fclose(f);
		ck_assert_int_eq(
		    i == 0 ? symlink(other, path) : link(other, path), 0);
		ck_assert_int_eq(pidfile_write(path, getuid(), &e), 0);
		ck_assert_int_eq(number_in_it(), getpid());
		ck_assert_int_eq(lstat(path, &st), 0);
		ck_assert(S_ISREG(st.st_mode));
		ck_assert_int_eq(stat(other, &st), 0);
		ck_assert_int_eq(st.st_size, 8);
		pidfile_remove(path);
		ck_assert_int_eq(unlink(other), 0);
	}
}
END_TEST

START_TEST(bad_directory_is_said)
{
	ck_assert_int_eq(pidfile_write("/nonexistent/pid", (uid_t)-1, &e), -1);
	ck_assert_ptr_nonnull(strstr(e.log, "/nonexistent/pid"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pidfile");
	TCase *tc = tcase_create("pidfile");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, none_is_free);
	tcase_add_test(tc, living_holder_refuses);
	tcase_add_test(tc, nonsense_is_stale);
	tcase_add_test(tc, written_and_removed);
	tcase_add_test(tc, not_ours_stays);
	tcase_add_test(tc, links_are_not_followed);
	tcase_add_test(tc, bad_directory_is_said);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
