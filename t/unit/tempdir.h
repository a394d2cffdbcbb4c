/*
 * tempdir.h - for tests: a directory of its own to work in, and files there.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_UNIT_TEMPDIR_H
#define T_UNIT_TEMPDIR_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64]; /* the one of this test */

/* Into a new one, /tmp/NAME.SUFFIX: paths are relative to it. */
static inline void
tempdir_enter(const char *name)
{
	snprintf(dir, sizeof(dir), "/tmp/%s.XXXXXX", name);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

/* Out of it; nothing of it stays. */
static inline void
tempdir_leave(void)
{
	char cmd[100];

	ck_assert_int_eq(chdir("/"), 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static inline void
put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

#endif
