/*
 * session_look.c - what a client says, and what it is answered: what of it may
 * have done something to its session?
 *
 * Never blocks.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "worker/backend/intern.h"
#include "worker/backend/params.h"
#include "worker/backend/scan.h"
#include "worker/client/client.h"
#include "worker/client/ear.h"
#include "worker/client/pin.h"
#include "worker/client/prepare.h"
#include "worker/client/raise.h"
#include "worker/client/session_impl.h"
#include "worker/proto/sql.h"
#include "worker/self.h"
#include "worker/session/fit.h"
#include "worker/session/goback.h"
#include "worker/session/inert.h"

/* --- what the client says ----------------------------------------------------------- */

unsigned
session_text_flags(const struct client *c)
{
	static const char *const unsafe[] = { "SJIS", "SHIFT_JIS_2004", "BIG5",
		"GBK", "UHC", "GB18030", "JOHAB" };
	const struct interned *p = c->params;
	const char *strings = params_value(
	    p->text, p->len, params_find("standard_conforming_strings"));
	const char *charset =
	    params_value(p->text, p->len, params_find("client_encoding"));
	unsigned flags = 0;

	if (strings != NULL && strcmp(strings, "on") != 0)
		flags |= SQLLEX_BACKSLASH;
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(*unsafe); i++)
		if (charset == NULL || strcasecmp(charset, unsafe[i]) == 0)
			flags |= SQLLEX_UNSAFE;
	return flags;
}

/* Has it said in this lease that its next texts are to be read otherwise? */
static bool
is_rereading(const struct audit *a)
{
	const char *end = a->names + a->names_len;

	if (a->bits & AUDIT_ALL)
		return true;
	for (const char *n = a->names; n < end; n += strlen(n) + 1)
		if (strcmp(n, "standard_conforming_strings") == 0 ||
		    strcmp(n, "client_encoding") == 0)
			return true;
	return false;
}

static bool
is_strict(void)
{
	return self.conf->session_state == SESSION_STATE_STRICT;
}

/* --- what a RESET goes back to --------------------------------------------------------- */

/* False: no memory. */
static bool
note_resets(struct client *c, const char *sql, size_t len)
{
	static uint8_t bytes[FIT_MAX];
	const struct slot_info *info = backend_info(c->backend);
	struct session *s = c->session;
	const struct goback g = {
		.params = c->asked->text,
		.params_len = c->asked->len,
		.has = info->params,
		.has_len = info->params_len,
		.vars = vars_text(s->startup),
		.vars_len = vars_len(s->startup),
	};
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	goback_build(&w, &g, sql, len, session_text_flags(c));
	return w.full || w.len == 0 || buf_put(&s->back, bytes, w.len) == 0;
}

/* It has said something else since. */
static void
forget_resets(struct session *s)
{
	if (buf_len(&s->back) > 0)
		buf_fini(&s->back);
}

enum look
session_go_back(struct client *c, struct look_at *m)
{
	const struct session *s = c->session;
	size_t len = s == NULL ? 0 : buf_len(&s->back);

	if (len == 0 || session_send_own(c, s->back.p + s->back.from, len) == 0)
		return LOOK_PASS;
	m->sqlstate = "08006";
	m->why = "session state could not be set";
	return LOOK_END;
}

/* --- texts ------------------------------------------------------------------------------ */

static bool
read_text(struct client *c, const char *sql, size_t len, unsigned *bits)
{
	struct session *s = session_get(c);

	if (s == NULL)
		return false;
	if (is_rereading(&s->audit))
		s->audit.bits |= AUDIT_ANYTHING;
	*bits = audit_sql(&s->audit, sql, len, session_text_flags(c));
	if (is_strict() && !inert_text(sql, len, session_text_flags(c)))
		*bits |= AUDIT_ANYTHING | AUDIT_SEQUENCE;
	s->audit.bits |= (uint16_t)*bits;
	s->is_read = true;
	s->audit.bits &= (uint16_t)~AUDIT_SEQUENCE;
	forget_resets(s);
	return !(*bits & AUDIT_RESET) || note_resets(c, sql, len);
}

/* Has nothing of the client's been sent in this lease? */
static bool
is_first(const struct client *c)
{
	const struct track *t = &c->backend->track;

	return c->session->pins == 0 && track_owes(t) == 0 && !t->open &&
	    track_tx_status(t) == 'I' && track_is_sure(t);
}

/*
 * currval() and lastval() tell what the session has drawn from sequences:
 * what was drawn before this lease is another's.  Who asks once asks again:
 * from now on session_begin() sees to it.
 */
static bool
forget_sequences(struct client *c)
{
	const struct fit f = { .has = { "", 0, "", 0 },
		.want = { "", 0, "", 0 },
		.is_forgetting = true };
	struct session *s = c->session;

	if (s->uses_sequences)
		return true;
	s->uses_sequences = true;
	return !is_first(c) || session_send_fit(c, &f) == 0;
}

/* What ends a temporary table looks like any other statement. */
static bool
has_drop(const char *p, size_t len)
{
	for (; len >= 4; p++, len--)
		if ((*p | 0x20) == 'd' && strncasecmp(p, "drop", 4) == 0)
			return true;
	return false;
}

static enum look
end(struct look_at *m, const char *sqlstate, const char *why)
{
	m->sqlstate = sqlstate;
	m->why = why;
	return LOOK_END;
}

/* session_pin = off: what would keep its server is not run at all. */
static enum look
refuse_pins(struct client *c, struct look_at *m, const char *sql, size_t len)
{
	static char why[PIN_TEXT + sizeof("session_pin is off: ")];
	unsigned pins = pin_told(sql, len, session_text_flags(c));
	char what[PIN_TEXT];

	if (pins == 0)
		return LOOK_PASS;
	snprintf(
	    why, sizeof(why), "session_pin is off: %s", pin_text(pins, what));
	return raise_look(m, "0A000", why);
}

/* Before it listens itself, the listener does. */
static enum look
listen_first(struct client *c, struct look_at *m, const char *sql, size_t len,
    uint16_t before)
{
	enum look seen = ear_look(c, m, sql, len, session_text_flags(c));

	if (seen == LOOK_WAIT)
		c->session->audit.bits = before; /* it will be seen again */
	return seen;
}

static enum look
look_at_text(struct client *c, struct look_at *m, const char *sql, size_t len,
    unsigned *bits)
{
	struct session *s = c->session;
	uint16_t before;

	if (s != NULL)
		forget_resets(s);
	if (s != NULL && s->pins & AUDIT_TEMP && has_drop(sql, len))
		s->audit.bits |= AUDIT_TEMP;
	before = s == NULL ? 0 : s->audit.bits;
	m->is_plain = sql_is_plain(sql, len);
	if (m->is_plain && !is_strict())
		return LOOK_PASS;
	if (!self.conf->session_pin &&
	    refuse_pins(c, m, sql, len) == LOOK_RAISE)
		return LOOK_RAISE;
	if (!read_text(c, sql, len, bits))
		return end(m, "53200", "out of memory");
	if (*bits & AUDIT_SEQUENCE && !forget_sequences(c))
		return end(m, "08006", "session state could not be set");
	if (!(*bits & AUDIT_LISTEN))
		return LOOK_PASS;
	return listen_first(c, m, sql, len, before);
}

/* Nothing tells what it does: it may do anything. */
static enum look
look_away(struct client *c, struct look_at *m)
{
	struct session *s = session_get(c);

	if (s == NULL)
		return end(m, "53200", "out of memory");
	if (is_strict() && !forget_sequences(c))
		return end(m, "08006", "session state could not be set");
	if (m->f.type != 'B')
		forget_resets(s);
	s->audit.bits |= AUDIT_ANYTHING;
	if (m->f.type == 'P')
		s->unnamed = AUDIT_ANYTHING;
	return LOOK_PASS;
}

/* The function's oid stands first. */
static enum look
look_at_call(struct client *c, struct look_at *m)
{
	if (m->have < 4)
		return m->have < m->f.body ? LOOK_MORE : LOOK_PASS;
	return inert_function(frame_get32(m->body)) ? LOOK_PASS
						    : look_away(c, m);
}

enum look
session_look(struct client *c, struct look_at *m)
{
	const char *sql = (const char *)m->body;
	const char *nul;
	unsigned bits = 0;
	enum look r;

	if (!session_is_tracking(c))
		return LOOK_PASS;
	if (m->f.type == 'F')
		return look_at_call(c, m);
	if (m->f.type == 'B')
		return look_away(c, m);
	if (m->f.body > LOOK_MORE_MAX)
		return look_away(c, m);
	if (m->have < m->f.body)
		return LOOK_MORE;
	if (m->f.type == 'Q')
		return look_at_text(c, m, sql, m->have, &bits);
	m->is_plain = prepare_is_plain_again(c, m);
	if (m->is_plain && c->session == NULL && !is_strict())
		return LOOK_PASS;
	nul = memchr(sql, '\0', m->have);
	if (nul == NULL)
		return LOOK_PASS; /* the server refuses it */
	r = look_at_text(
	    c, m, nul + 1, m->have - (size_t)(nul + 1 - sql), &bits);
	/* what it does it does when it is executed, now or in another lease */
	if (r != LOOK_RAISE && c->session != NULL && nul == sql)
		c->session->unnamed =
		    (uint16_t)(bits & ~(unsigned)AUDIT_SEQUENCE);
	return r;
}

enum look
session_bound(struct client *c, struct look_at *m, const char *sql, size_t len)
{
	uint16_t before = c->session == NULL ? 0 : c->session->audit.bits;
	unsigned bits;

	if (!session_is_tracking(c) || sql_is_plain(sql, len))
		return LOOK_PASS;
	if (!read_text(c, sql, len, &bits))
		return end(m, "53200", "out of memory");
	return bits & AUDIT_LISTEN ? listen_first(c, m, sql, len, before)
				   : LOOK_PASS;
}

void
session_prepared(struct client *c, bool is_made)
{
	struct session *s = c->session;

	/* session_look() has made it for such a text */
	if (s != NULL && (is_made || s->pins & AUDIT_PREPARED))
		s->audit.bits |= AUDIT_PREPARED;
}

void
session_bound_unnamed(struct client *c)
{
	struct session *s = c->session;

	/* mostly it was parsed in this lease, and is in doubt already */
	if (s == NULL || (s->unnamed & ~(unsigned)s->audit.bits) == 0)
		return;
	s->audit.bits |= s->unnamed;
	if (s->unnamed & AUDIT_NAMES)
		s->audit.bits |= AUDIT_ALL;
	s->is_read = true;
}

/* --- what the server says ---------------------------------------------------------------- */

void
session_on_tags(struct client *c, uint32_t tags, bool has_error)
{
	static const uint32_t telling = SCAN_TAG_SET | SCAN_TAG_RESET |
	    SCAN_TAG_DISCARD | SCAN_TAG_LOAD | SCAN_TAG_DO | SCAN_TAG_CALL;
	struct session *s = c->session;

	if (c->ears != NULL)
		ear_on_tags(c, tags, has_error);
	if (tags & (SCAN_TAG_SET | SCAN_TAG_RESET) && s != NULL &&
	    buf_len(&s->back) > 0)
		prepare_hold(c);
	if (!(tags & telling) || !session_is_tracking(c) ||
	    (s != NULL && s->is_read))
		return;
	/* it did what no text has told */
	if ((s = session_get(c)) == NULL)
		atomic_fetch_or(&slot_at(c->backend->slot)->flags, SLOT_DIRTY);
	else
		s->audit.bits |= AUDIT_ANYTHING;
}
