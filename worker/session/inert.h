/*
 * inert.h - what surely runs nothing that somebody has written.
 *
 * A text that calls a function or an operator, that touches a table, or runs
 * a statement by its name may do to its session what its words do not tell:
 * there are views, triggers, policies and casts.  The words of a transaction,
 * SET and the like, SHOW, and SELECT of a number run nothing but the server's
 * own; what they do themselves audit_sql() tells.
 *
 * For session_state = strict, where all else may do anything.  Pure.
 */
#ifndef WORKER_SESSION_INERT_H
#define WORKER_SESSION_INERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All statements of it; `flags` are sqllex.h's. */
bool inert_text(const char *text, size_t len, unsigned flags);

/* Is it one of those for large objects, which libpq calls by their oids?
 * What is built in has the same one in every server. */
bool inert_function(uint32_t oid);

#endif
