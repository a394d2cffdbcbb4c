/*
 * sqlgen.h - texts of random pieces of SQL, for tests that hold for any text.
 */
#ifndef T_UNIT_SQLGEN_H
#define T_UNIT_SQLGEN_H

#include <stdlib.h>
#include <string.h>

static const char *const sqlgen_starts[] = { "select", "SELECT", "Insert into",
	"update", "DELETE", "with", "values", "begin", "commit", "end",
	"rollback", "fetch", " \n", "set", "create", "explain", "(" };

static const char *const sqlgen_pieces[] = { " ", " ", " ", "\n", "(", ")", ";",
	"'", "\"", "$$", "/*", "*/", "--", "\\", "&", "U&", "E'", ",", ".", "=",
	"1", "a", "\xc3\xa9", "temp", "temporary", "pg_temp", "into", "create",
	"table", "set", "to", "local", "set_config", "SET_config", "pg_",
	"advisory", "_lock", "pg_advisory_lock", "pg_try_advisory_lock",
	"currval", "lastVal", "dblink_connect", "execute",
	"pg_copy_physical_replication_slot", "prepared", "and chain",
	"savepoint", "on commit drop", "x", "conflict", "timestamp",
	"::", "\t" };

#define SQLGEN_COUNT(table) (sizeof(table) / sizeof(*(table)))

/* One text of random(3); returns its length. */
static size_t
sqlgen(char *to, size_t size)
{
	const char *piece =
	    sqlgen_starts[(size_t)random() % SQLGEN_COUNT(sqlgen_starts)];
	long left = random() % 12;
	size_t n = 0, len = strlen(piece);

	while (len < size - n) {
		memcpy(to + n, piece, len);
		n += len;
		if (left-- == 0)
			break;
		piece = sqlgen_pieces[(size_t)random() %
		    SQLGEN_COUNT(sqlgen_pieces)];
		len = strlen(piece);
	}
	to[n] = '\0';
	return n;
}

#endif
