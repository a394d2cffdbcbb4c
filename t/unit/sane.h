/*
 * sane.h - for tests: is the segment in order?
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_UNIT_SANE_H
#define T_UNIT_SANE_H

#include <check.h>
#include <time.h>

#include "shm/check.h"
#include "shm/proc.h"

static inline void
expect_sane(bool strict)
{
	const struct timespec nap = { 0, 1000000 };
	char why[200] = "";
	int r;

	/* 1: a worker that is not being run just now has the lock */
	for (int i = 0;; i++) {
		r = check_segment(PROC_SUPERVISOR, strict, why, sizeof(why));
		if (r != 1 || i == 10000)
			break;
		nanosleep(&nap, NULL);
	}
	ck_assert_msg(r == 0, "%s", r == 1 ? "the lock stays busy" : why);
}

#endif
