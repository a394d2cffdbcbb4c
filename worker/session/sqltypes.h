/*
 * sqltypes.h - the parameter types of a PREPARE, as a Parse has them.
 *
 * PREPARE names types, Parse their numbers.  Those of PostgreSQL's own types
 * are the same everywhere and known here, in all their spellings; of any other
 * only the server knows which it is.  A length or precision is of no account,
 * as for the server.
 *
 * Pure.  Never blocks or allocates.
 */
#ifndef WORKER_SESSION_SQLTYPES_H
#define WORKER_SESSION_SQLTYPES_H

#include <stddef.h>
#include <stdint.h>

enum { SQLTYPES_MAX = 256 };

/*
 * The list of types in `text`, what stands between the parentheses, as at most
 * SQLTYPES_MAX numbers.  How many; -1: one of them is not known here, or it is
 * no such list.  `flags`: SQLLEX_*.
 */
int sqltypes_read(
    const char *text, size_t len, unsigned flags, uint32_t to[SQLTYPES_MAX]);

#endif
