#include "worker/client/pin.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "shm/slot.h"
#include "worker/backend/backend.h"
#include "worker/backend/kept.h"
#include "worker/client/client.h"
#include "worker/proto/sql.h"
#include "worker/session/audit.h"

enum { SHIFT = CLIENTROW_PINS_SHIFT };

const char *
pin_text(unsigned pins, char to[PIN_TEXT])
{
	static const struct {
		unsigned bit;
		const char *what;
	} reasons[] = { { AUDIT_TEMP, "temporary table" },
		{ AUDIT_LOCK, "advisory lock" },
		{ AUDIT_CURSOR, "cursor with hold" },
		{ AUDIT_LOAD, "loaded library" },
		{ AUDIT_OTHER, "session function" },
		{ AUDIT_PREPARED, "prepared statement" } };
	size_t len = 0;

	to[0] = '\0';
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (pins & reasons[i].bit && len < PIN_TEXT)
			len += (size_t)snprintf(to + len, PIN_TEXT - len,
			    "%s%s", len > 0 ? ", " : "", reasons[i].what);
	return to;
}

/* Are the functions that it names not called, but kept in what it makes? */
static bool
is_definition(const struct sql_stmt *s)
{
	static const char *const words[] = { "create", "alter", "explain" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t n = strlen(words[i]);

		if (s->text.len >= n &&
		    strncasecmp(s->text.p, words[i], n) == 0)
			return true;
	}
	return false;
}

static unsigned
told_by(const struct sql_stmt *s)
{
	unsigned pins = 0;

	if (s->kind == SQL_UNSURE)
		return 0;
	if (s->kind == SQL_LOAD)
		pins |= AUDIT_LOAD;
	if (s->kind == SQL_DECLARE && s->flags & SQL_F_HOLD)
		pins |= AUDIT_CURSOR;
	if (s->flags & SQL_F_MAKES_TEMP && !(s->flags & SQL_F_ON_COMMIT_DROP))
		pins |= AUDIT_TEMP;
	if (is_definition(s))
		return pins;
	if (s->flags & SQL_F_LOCK)
		pins |= AUDIT_LOCK;
	if (s->flags & SQL_F_SESSION)
		pins |= AUDIT_OTHER;
	return pins;
}

unsigned
pin_told(const char *text, size_t len, unsigned flags)
{
	struct sql_walk w;
	struct sql_stmt s;
	unsigned pins = 0;

	sql_walk_init(&w, text, len, flags);
	while (sql_next(&w, &s))
		pins |= told_by(&s);
	return pins;
}

void
pin_note(struct client *c, unsigned pins)
{
	struct slot *s = slot_at(c->backend->slot);
	struct clientrow *r = clientrow_at(c->row);
	uint32_t others =
	    atomic_load(&r->flags) & ~((uint32_t)AUDIT_PINS << SHIFT);

	atomic_store(&r->flags, others | (uint32_t)pins << SHIFT);
	if (pins == 0)
		atomic_fetch_and(&s->flags, ~(uint32_t)SLOT_KEPT);
	else if (!(atomic_fetch_or(&s->flags, SLOT_KEPT) & SLOT_KEPT)) {
		count_add(c->lend->count, COUNT_PINS, 1);
		kept_tell(c->backend);
	}
}

unsigned
pin_of_row(uint32_t flags)
{
	return flags >> SHIFT & AUDIT_PINS;
}
