/*
 * crash.h - places where tests kill a process between two shared writes.
 *
 * CRASH_POINT("slot.claim") does nothing in a normal build.  In a build with
 * -DCRASH_POINTS (`make CRASH=1`) the environment POOLER_CRASH =
 * "name:countdown[:process]" makes the process with that number kill itself
 * when it passes the point for the countdown-th time, once per start of the
 * pooler: the supervisor drops the variable for replacements.  Without a
 * process it is the first who comes by, and nobody after it.
 */
#ifndef SHM_CRASH_H
#define SHM_CRASH_H

#include <stdint.h>

#ifdef CRASH_POINTS
void crash_point(const char *name);
#define CRASH_POINT(name) crash_point(name)
#else
#define CRASH_POINT(name) ((void)0)
#endif

/* Called once in each child, with its process number. */
void crash_arm(uint32_t me);

/* No point kills any more (called before forking a replacement). */
void crash_disarm(void);

/* Print the names of all points, one a line, to stdout. */
void crash_list(void);

#endif
