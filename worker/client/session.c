#include "worker/client/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shm/crash.h"
#include "worker/backend/params.h"
#include "worker/backend/scan.h"
#include "worker/client/audit.h"
#include "worker/client/client.h"
#include "worker/client/fit.h"
#include "worker/client/pin.h"
#include "worker/client/prepare.h"
#include "worker/client/upstream.h"
#include "worker/client/vars.h"
#include "worker/proto/sql.h"
#include "worker/self.h"

enum {
	TRIES = 5,                 /* of a question that is cancelled */
	ANSWER_MAX = 256 * 1024,   /* bytes of an answer */
	AGAIN_US = 5 * 1000 * 1000 /* a pinned client is asked after again */
};

enum phase { NONE, ASKED, RESTING };

struct session {
	struct audit audit;   /* what is in doubt */
	struct vars *now;     /* what its transactions are to have */
	struct vars *startup; /* what a RESET goes back to */
	struct buf answer;    /* in CLIENT_AUDIT */
	uint64_t asked_us;    /* the last question */
	uint16_t unnamed;     /* what the statement without a name may do */
	uint16_t pins;        /* AUDIT_PINS: why it keeps its backend */
	uint8_t phase;
	uint8_t tries;
	bool is_read;        /* a text has told what it does, in this lease */
	bool uses_sequences; /* currval(), lastval() */
};

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
	s->now = vars_share(s->startup);
	return 0;
}

void
session_free(struct client *c)
{
	struct session *s = c->session;

	if (s == NULL)
		return;
	c->session = NULL;
	vars_drop(s->now);
	vars_drop(s->startup);
	buf_fini(&s->answer);
	free(s);
}

static bool
is_tracking(const struct client *c)
{
	return self.conf->session_state == SESSION_STATE_TRACK &&
	    c->lend->set.pool_mode != POOL_SESSION;
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
	return s->phase == NONE && s->pins == 0 && s->audit.bits == 0
	    ? SESSION_KNOWN
	    : SESSION_DOUBTED;
}

/* --- a backend is lent ------------------------------------------------------------ */

/* What the slot's backend has from now on; what does not fit is not known. */
static void
note_vars(struct backend *b, const char *text, uint32_t len)
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
		note_vars(b, f->want.vars, f->want.vars_len);
	CRASH_POINT("session.fitted");
	return 0;
}

int
session_begin(struct client *c)
{
	const struct slot_info *info = backend_info(c->backend);
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

/* --- what the client says ----------------------------------------------------------- */

/* How the server reads its texts. */
static unsigned
text_flags(const struct client *c)
{
	static const char *const unsafe[] = { "SJIS", "SHIFT_JIS_2004", "BIG5",
		"GBK", "UHC", "GB18030", "JOHAB" };
	const struct params *p = c->params;
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
	*bits = audit_sql(&s->audit, sql, len, text_flags(c));
	s->is_read = true;
	s->audit.bits &= (uint16_t) ~(AUDIT_SEQUENCE | AUDIT_EXECUTE);
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
	const struct fit f = { .is_forgetting = true };
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

static enum look
look_at_text(struct client *c, struct look_at *m, const char *sql, size_t len,
    unsigned *bits)
{
	struct session *s = c->session;

	if (s != NULL && s->pins & AUDIT_TEMP && has_drop(sql, len))
		s->audit.bits |= AUDIT_TEMP;
	if (sql_is_plain(sql, len))
		return LOOK_PASS;
	if (!read_text(c, sql, len, bits))
		return end(m, "53200", "out of memory");
	if (*bits & AUDIT_SEQUENCE && !forget_sequences(c))
		return end(m, "08006", "session state could not be set");
	return LOOK_PASS;
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

	if (!is_tracking(c))
		return LOOK_PASS;
	if (m->f.body > LOOK_MORE_MAX)
		return look_away(c, m);
	if (m->have < m->f.body)
		return LOOK_MORE;
	if (m->f.type == 'Q')
		return look_at_text(c, m, sql, m->have, &bits);
	nul = memchr(sql, '\0', m->have);
	if (nul == NULL)
		return LOOK_PASS; /* the server refuses it */
	r = look_at_text(
	    c, m, nul + 1, m->have - (size_t)(nul + 1 - sql), &bits);
	/* what it does it does when it is executed, now or in another lease */
	if (c->session != NULL && nul == sql)
		c->session->unnamed = (uint16_t)(bits &
		    ~(unsigned)(AUDIT_SEQUENCE | AUDIT_EXECUTE));
	return r;
}

void
session_bound(struct client *c, const char *sql, size_t len)
{
	unsigned bits;

	if (is_tracking(c) && !sql_is_plain(sql, len))
		(void)read_text(c, sql, len, &bits);
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

/* --- the clean boundary ---------------------------------------------------------------- */

void
session_on_tags(struct client *c, uint32_t tags)
{
	static const uint32_t telling = SCAN_TAG_SET | SCAN_TAG_RESET |
	    SCAN_TAG_DISCARD | SCAN_TAG_LOAD | SCAN_TAG_DO | SCAN_TAG_CALL;
	struct session *s = c->session;

	if (!(tags & telling) || !is_tracking(c) || (s != NULL && s->is_read))
		return;
	/* it did what no text has told */
	if ((s = get(c)) == NULL)
		client_fail(c, "53200", "out of memory");
	else
		s->audit.bits |= AUDIT_ANYTHING;
}

static void
ask(struct client *c, const struct wire *w, enum phase phase)
{
	struct session *s = c->session;
	struct backend *b = c->backend;

	s->phase = (uint8_t)phase;
	client_set_state(c, CLIENT_AUDIT);
	if (w->full || track_client(&b->track, 'Q') == -1 ||
	    backend_send(b, w->p, w->len) == -1) {
		backend_close(b, "session state could not be asked for");
		return;
	}
	if (!(b->watch.want & LOOP_READ))
		backend_want_read(b, true);
}

static void
ask_what(struct client *c)
{
	static uint8_t bytes[AUDIT_QUERY];
	struct session *s = c->session;
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	audit_question(&w, &s->audit, vars_text(s->now), vars_len(s->now));
	s->asked_us = loop_now_us;
	CRASH_POINT("session.ask");
	ask(c, &w, ASKED);
}

/* What must not stay on an idle backend goes.  False: there is nothing. */
static bool
rest(struct client *c)
{
	static struct vars_edit e;
	struct session *s = c->session;
	uint8_t bytes[256];
	struct wire w;

	vars_edit_init(&e, s->now);
	wire_init(&w, bytes, sizeof(bytes));
	if (!audit_rest(&w, &e))
		return false;
	if (backend_info(c->backend)->vars_len != SLOT_VARS_UNKNOWN)
		note_vars(c->backend, e.text, e.len);
	ask(c, &w, RESTING);
	return true;
}

static bool
is_pin_asked(const struct session *s)
{
	return (s->audit.bits & AUDIT_PINS) != 0 ||
	    loop_now_us - s->asked_us >= AGAIN_US;
}

static void
keep(struct client *c)
{
	uint64_t limit_us = (uint64_t)self.conf->pin_timeout_ms * 1000;

	if (limit_us > 0 &&
	    deadline_set(&c->deadline, loop_now_us + limit_us) == -1)
		client_fail(c, "53200", "out of memory");
}

bool
session_end(struct client *c)
{
	struct session *s = c->session;

	if (c->is_fitted) {
		/* as the server spells them: else they would differ for ever */
		c->is_fitted = false;
		want_follow(c);
	}
	if (s == NULL || !is_tracking(c))
		return true;
	if (s->pins != 0 && !is_pin_asked(s)) {
		keep(c);
		return false;
	}
	if (s->pins != 0)
		s->audit.bits |= s->pins;
	s->is_read = false;
	s->tries = 0;
	if (s->audit.bits != 0) {
		ask_what(c);
		return false;
	}
	return !rest(c);
}

void
session_try(struct client *c)
{
	if (session_begin(c) == -1 || upstream_flush(c) == -1)
		return;
	/* as the server spells them */
	c->session->audit.bits = AUDIT_ALL;
	ask_what(c);
}

/* --- the answer ------------------------------------------------------------------------- */

/* After a RESET these are as the client has begun with. */
static int
restore(struct client *c, const struct audit_answer *r)
{
	struct params_edit e;
	struct params *p;
	bool is_changed = false;

	if (c->asked == NULL || !(r->asked->bits & AUDIT_ALL))
		return 0;
	params_edit_copy(&e, c->params->text, c->params->len);
	for (int i = 0; i < params_count(); i++) {
		const char *v = params_value(c->asked->text, c->asked->len, i);

		if (v == NULL || r->params_set & (uint32_t)1 << i)
			continue;
		is_changed |= params_edit_set(&e, i, v);
	}
	if (!is_changed)
		return 0;
	if ((p = params_intern(&e)) == NULL)
		return -1;
	params_drop(c->params);
	c->params = p;
	want_show_app(c);
	return 0;
}

/* The client's set: what the backend has, and what it began with. */
static int
adopt(struct client *c, struct audit_answer *r)
{
	struct session *s = c->session;
	const char *name, *value, *v;
	struct vars *now;
	uint32_t pos = 0;

	while (vars_next(
	    vars_text(s->startup), vars_len(s->startup), &pos, &name, &value)) {
		v = vars_value(r->vars.text, r->vars.len, name);
		if ((v == NULL ||
			(v[0] == '\0' && vars_is_custom(name) &&
			    r->asked->bits & AUDIT_ALL)) &&
		    !vars_edit_put(&r->vars, name, value))
			r->is_too_long = true;
	}
	if (vars_intern(&r->vars, &now) == -1)
		return -1;
	vars_drop(s->now);
	s->now = now;
	return restore(c, r);
}

/* It stays: on with what it has said meanwhile. */
static void
stay(struct client *c)
{
	client_set_state(c, CLIENT_LENT);
	keep(c);
	/* what it began with may have to be set anew */
	if (c->state == CLIENT_GONE || session_begin(c) == -1)
		return;
	if (buf_len(&c->in) == 0 && upstream_flush(c) == -1)
		return;
	client_unhold(c, pass_up);
	client_rewatch(c);
}

static void
go_on(struct client *c)
{
	struct session *s = c->session;
	bool was_asked = s->phase == ASKED;

	s->phase = NONE;
	if (s->pins != 0) {
		stay(c);
		return;
	}
	if (was_asked && rest(c))
		return;
	deadline_clear(&c->deadline);
	relay_done(c);
}

static void
refuse(
    struct client *c, const char *sqlstate, const char *why, const char *what)
{
	struct err e;
	char say[sizeof(e.say)];

	snprintf(say, sizeof(say), "%s: %s", why, what);
	client_fail(c, sqlstate, say);
}

static void
on_told(struct client *c, struct audit_answer *r)
{
	struct session *s = c->session;
	unsigned asked = s->audit.bits, pins;
	char what[PIN_TEXT];

	pins = (s->pins & ~asked) | r->pins |
	    ((s->pins | asked) & (AUDIT_LOAD | AUDIT_OTHER));
	if (asked & AUDIT_HIDDEN)
		note_vars(c->backend, NULL, UINT32_MAX);
	else
		note_vars(c->backend, r->vars.text, r->vars.len);
	if (adopt(c, r) == -1) {
		client_fail(c, "53200", "out of memory");
		return;
	}
	if (r->is_too_long) {
		client_fail(c, "54000", "session settings are too long");
		return;
	}
	audit_clear(&s->audit);
	if (pins != 0 && !self.conf->session_pin) {
		s->pins = (uint16_t)pins;
		refuse(c, "0A000", "session_pin is off", pin_text(pins, what));
		return;
	}
	if (s->pins != pins)
		pin_note(c, pins);
	s->pins = (uint16_t)pins;
	go_on(c);
}

static void
on_whole(struct client *c)
{
	static struct audit_answer r;
	struct session *s = c->session;
	const struct slot_info *info = backend_info(c->backend);
	int bad;

	r.asked = &s->audit;
	r.login = c->lend->user;
	r.params = info->params;
	r.params_len = info->params_len;
	audit_begin(&r, vars_text(s->now), vars_len(s->now));
	bad = audit_read(&r, s->answer.p + s->answer.from, buf_len(&s->answer));
	buf_fini(&s->answer);
	if (bad == 0 && !r.has_error) {
		if (s->phase == ASKED)
			on_told(c, &r);
		else
			go_on(c);
	} else if (bad == 0 && strcmp(r.error.sqlstate, "57014") == 0 &&
	    ++s->tries < TRIES) {
		/* a cancel that came late, or the client's own time-out */
		if (s->phase == ASKED)
			ask_what(c);
		else if (!rest(c))
			go_on(c);
	} else {
		refuse(c, "08P01", "session state could not be read",
		    bad == 0 ? r.error.message : "malformed answer");
	}
}

void
session_on_answer(struct client *c, struct backend *b, const struct scan *sc)
{
	struct session *s = c->session;

	struct err e;

	if (sc->has_params)
		want_follow(c);
	if (sc->has_own_failed) {
		err_set(&e,
		    sc->error.sqlstate[0] ? sc->error.sqlstate : "08P01",
		    sc->error.message, "%s", sc->error.message);
		client_close(c, &e);
		return;
	}
	if (buf_len(&s->answer) + sc->pass > ANSWER_MAX) {
		client_fail(c, "54000", "session settings are too long");
		return;
	}
	if (buf_put(&s->answer, sc->from, sc->pass) == -1) {
		client_fail(c, "53200", "out of memory");
		return;
	}
	if (scan_is_boundary(b))
		on_whole(c);
}

void
session_on_deadline(struct client *c)
{
	const struct session *s = c->session;
	char what[PIN_TEXT];

	if (s == NULL || s->pins == 0 || c->state != CLIENT_LENT)
		return;
	if (scan_is_boundary(c->backend))
		refuse(c, "57P05", "pin_timeout: idle with a server for its",
		    pin_text(s->pins, what));
	else
		keep(c);
}
