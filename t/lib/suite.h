/*
 * suite.h - the frame of a system test program.
 *
 * Each test runs in a process and a process group of its own (Check's fork
 * mode), with a time limit, against one PostgreSQL that the program starts
 * before the first and stops after the last.
 */
#ifndef T_LIB_SUITE_H
#define T_LIB_SUITE_H

#include <check.h>

#include "t/lib/pg.h"

/* The program's PostgreSQL; NULL with SUITE_NO_PG. */
extern struct pg *pg;

enum suite_need { SUITE_PG, SUITE_NO_PG };

/* Each test of `tc` may take some `limit_s` seconds, and begins with a server
 * that nobody else uses any more. */
TCase *suite_case(Suite *s, const char *name, int limit_s);
/* Run everything; returns main's exit code. */
int suite_run(Suite *s, enum suite_need need);

#endif
