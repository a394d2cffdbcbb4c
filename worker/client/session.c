#include "worker/client/session.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shm/crash.h"
#include "worker/backend/intern.h"
#include "worker/backend/params.h"
#include "worker/backend/scan.h"
#include "worker/client/client.h"
#include "worker/client/ear.h"
#include "worker/client/fit.h"
#include "worker/client/pin.h"
#include "worker/client/prepare.h"
#include "worker/client/session_impl.h"
#include "worker/client/upstream.h"
#include "worker/proto/sql.h"
#include "worker/self.h"

/* --- memory -------------------------------------------------------------------- */

static struct session *
get(struct client *c)
{
	if (c->session == NULL)
		c->session = calloc(1, sizeof(*c->session));
	return c->session;
}

int
session_open(struct client *c, const struct vars_edit *startup)
{
	struct session *s;

	if (startup == NULL || startup->len == 0)
		return 0;
	if ((s = get(c)) == NULL || vars_intern(startup, &s->startup) == -1)
		return -1;
	s->now = intern_share(s->startup);
	return 0;
}

void
session_free(struct client *c)
{
	struct session *s = c->session;

	if (s == NULL)
		return;
	c->session = NULL;
	intern_drop(s->now);
	intern_drop(s->startup);
	buf_fini(&s->answer);
	free(s);
}

bool
session_is_tracking(const struct client *c)
{
	return self.conf->session_state == SESSION_STATE_TRACK &&
	    c->backend->mode != POOL_SESSION;
}

void
session_lose(struct client *c)
{
	struct session *s = c->session;

	c->is_fitted = false;
	if (s == NULL)
		return;
	if (s->pins != 0)
		pin_note(c, 0);
	s->pins = 0;
	audit_clear(&s->audit);
}

enum session_left
session_part(struct client *c)
{
	const struct session *s = c->session;

	if (s == NULL)
		return SESSION_KNOWN;
	if (s->pins != 0)
		pin_note(c, 0);
	if ((s->pins | s->audit.bits) & (AUDIT_LOAD | AUDIT_OTHER))
		return SESSION_SPENT;
	return s->phase == SESSION_QUIET && s->pins == 0 && s->audit.bits == 0
	    ? SESSION_KNOWN
	    : SESSION_DOUBTED;
}

/* --- a backend is lent ------------------------------------------------------------ */

void
session_note_vars(struct backend *b, const char *text, uint32_t len)
{
	struct slot_info info = *backend_info(b);

	if (text != NULL && len <= sizeof(info.vars)) {
		memcpy(info.vars, text, len);
		info.vars_len = len;
	} else {
		info.vars_len = SLOT_VARS_UNKNOWN;
	}
	slot_info_write(b->slot, &info);
}

/* The books know each of our messages; none is followed by a Sync. */
static bool
enter_own(struct backend *b, const uint8_t *p, size_t len)
{
	struct frame f;

	while (len > 0) {
		if (frame_parse(p, len, FRAME_MAX, &f) != DONE ||
		    track_own(&b->track, f.type == 'P' ? 'p' : f.type) == -1)
			return false;
		p += FRAME_HEAD + (size_t)f.body;
		len -= FRAME_HEAD + (size_t)f.body;
	}
	return true;
}

/* -1: it could not be sent. */
static int
send_fit(struct client *c, const struct fit *f)
{
	static uint8_t bytes[FIT_MAX];
	struct backend *b = c->backend;
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	if (fit_build(&w, f) == 0)
		return 0;
	if (w.full || !enter_own(b, bytes, w.len))
		return -1;
	upstream_put(c, bytes, w.len);
	prepare_lose_unnamed(c);
	c->is_fitted = true;
	if (f->is_unknown || f->has.vars_len != f->want.vars_len ||
	    (f->has.vars_len > 0 &&
		memcmp(f->has.vars, f->want.vars, f->has.vars_len) != 0))
		session_note_vars(b, f->want.vars, f->want.vars_len);
	CRASH_POINT("session.fitted");
	return 0;
}

/* Nearly always: nothing is set beyond the parameters, and these agree. */
static inline bool
is_at_home(const struct client *c, const struct slot_info *info)
{
	return c->session == NULL && info->vars_len == 0 &&
	    info->params_len == c->params->len &&
	    memcmp(info->params, c->params->text, c->params->len) == 0;
}

static int
fit_session(struct client *c, const struct slot_info *info)
{
	const struct session *s = c->session;
	struct fit f = {
		.has = { info->params, info->params_len, info->vars,
		    info->vars_len },
		.want = { c->params->text, c->params->len, "", 0 },
	};

	if (info->vars_len > sizeof(info->vars)) {
		f.is_unknown = true;
		f.has.vars_len = 0;
	}
	if (s != NULL) {
		f.want.vars = vars_text(s->now);
		f.want.vars_len = vars_len(s->now);
		f.is_forgetting = s->uses_sequences;
	}
	if (fit_is_done(&f) || send_fit(c, &f) == 0)
		return 0;
	backend_close(c->backend, "session state could not be set");
	return -1;
}

int
session_begin(struct client *c)
{
	const struct slot_info *info = backend_info(c->backend);

	return is_at_home(c, info) ? 0 : fit_session(c, info);
}

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
read_text(struct client *c, const char *sql, size_t len, unsigned *bits)
{
	struct session *s = get(c);

	if (s == NULL)
		return false;
	if (is_rereading(&s->audit))
		s->audit.bits |= AUDIT_ANYTHING;
	*bits = audit_sql(&s->audit, sql, len, session_text_flags(c));
	s->is_read = true;
	s->audit.bits &= (uint16_t)~AUDIT_SEQUENCE;
	return true;
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
	return !is_first(c) || send_fit(c, &f) == 0;
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

	if (s != NULL && s->pins & AUDIT_TEMP && has_drop(sql, len))
		s->audit.bits |= AUDIT_TEMP;
	before = s == NULL ? 0 : s->audit.bits;
	m->is_plain = sql_is_plain(sql, len);
	if (m->is_plain)
		return LOOK_PASS;
	if (!read_text(c, sql, len, bits))
		return end(m, "53200", "out of memory");
	if (*bits & AUDIT_SEQUENCE && !forget_sequences(c))
		return end(m, "08006", "session state could not be set");
	if (!(*bits & AUDIT_LISTEN))
		return LOOK_PASS;
	return listen_first(c, m, sql, len, before);
}

/* Too long to be looked at: it may do anything. */
static enum look
look_away(struct client *c, struct look_at *m)
{
	struct session *s = get(c);

	if (s == NULL)
		return end(m, "53200", "out of memory");
	s->audit.bits |= AUDIT_ANYTHING;
	if (m->f.type == 'P')
		s->unnamed = AUDIT_ANYTHING;
	return LOOK_PASS;
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
	if (m->f.body > LOOK_MORE_MAX)
		return look_away(c, m);
	if (m->have < m->f.body)
		return LOOK_MORE;
	if (m->f.type == 'Q')
		return look_at_text(c, m, sql, m->have, &bits);
	m->is_plain = prepare_is_plain_again(c, m);
	if (m->is_plain && c->session == NULL)
		return LOOK_PASS;
	nul = memchr(sql, '\0', m->have);
	if (nul == NULL)
		return LOOK_PASS; /* the server refuses it */
	r = look_at_text(
	    c, m, nul + 1, m->have - (size_t)(nul + 1 - sql), &bits);
	/* what it does it does when it is executed, now or in another lease */
	if (c->session != NULL && nul == sql)
		c->session->unnamed =
		    (uint16_t)(bits & ~(unsigned)AUDIT_SEQUENCE);
	return r;
}

bool
session_bound(struct client *c, const char *sql, size_t len)
{
	uint16_t before = c->session == NULL ? 0 : c->session->audit.bits;
	struct look_at unused;
	unsigned bits;

	if (!session_is_tracking(c) || sql_is_plain(sql, len) ||
	    !read_text(c, sql, len, &bits) || !(bits & AUDIT_LISTEN))
		return true;
	/* why it may not is said when it has been answered */
	return listen_first(c, &unused, sql, len, before) != LOOK_WAIT;
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
	if (!(tags & telling) || !session_is_tracking(c) ||
	    (s != NULL && s->is_read))
		return;
	/* it did what no text has told */
	if ((s = get(c)) == NULL)
		atomic_fetch_or(&slot_at(c->backend->slot)->flags, SLOT_DIRTY);
	else
		s->audit.bits |= AUDIT_ANYTHING;
}
