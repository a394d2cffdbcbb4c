#include "worker/client/pin.h"

#include <stdio.h>

#include "shm/slot.h"
#include "worker/backend/backend.h"
#include "worker/backend/kept.h"
#include "worker/client/audit.h"
#include "worker/client/client.h"

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
	else if (!(atomic_fetch_or(&s->flags, SLOT_KEPT) & SLOT_KEPT))
		kept_tell(c->backend);
}

unsigned
pin_of_row(uint32_t flags)
{
	return flags >> SHIFT & AUDIT_PINS;
}
