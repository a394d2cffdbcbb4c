#include "worker/session/inert.h"

#include <strings.h>

#include "worker/proto/sql.h"

/* SELECT 1: the connection is asked for a sign of life. */
static bool
is_ping(const struct sql_stmt *s)
{
	static const char select[] = "select";
	const size_t n = sizeof(select) - 1;

	if (s->text.len <= n || strncasecmp(s->text.p, select, n) != 0 ||
	    s->text.p[n] != ' ')
		return false;
	for (size_t i = n; i < s->text.len; i++)
		if (s->text.p[i] != ' ' &&
		    (s->text.p[i] < '0' || s->text.p[i] > '9'))
			return false;
	return true;
}

static bool
is_show(const struct sql_stmt *s)
{
	static const char show[] = "show ";

	return s->text.len >= sizeof(show) - 1 &&
	    strncasecmp(s->text.p, show, sizeof(show) - 1) == 0;
}

bool
inert_text(const char *text, size_t len, unsigned flags)
{
	struct sql_walk w;
	struct sql_stmt s;

	sql_walk_init(&w, text, len, flags);
	while (sql_next(&w, &s))
		switch (s.kind) {
		case SQL_TX:
		case SQL_SET:
		case SQL_RESET:
		case SQL_DISCARD:
		case SQL_DEALLOCATE:
		case SQL_LISTEN:
		case SQL_UNLISTEN:
		case SQL_NOTIFY:
			break;
		case SQL_PLAIN:
			if (is_ping(&s) || is_show(&s))
				break;
			return false;
		default:
			return false;
		}
	return true;
}

bool
inert_function(uint32_t oid)
{
	static const uint16_t large_objects[] = { 715 /* lo_create */,
		952 /* lo_open */, 953 /* lo_close */, 954 /* loread */,
		955 /* lowrite */, 956 /* lo_lseek */, 957 /* lo_creat */,
		958 /* lo_tell */, 964 /* lo_unlink */, 1004 /* lo_truncate */,
		3170 /* lo_lseek64 */, 3171 /* lo_tell64 */,
		3172 /* lo_truncate64 */ };

	for (size_t i = 0; i < sizeof(large_objects) / sizeof(uint16_t); i++)
		if (large_objects[i] == oid)
			return true;
	return false;
}
