/*
 * session_end.c - the clean boundary: what is in doubt is asked for, and then
 * the backend goes back, or stays.
 *
 *   LENT -> AUDIT, asked -> [resting -> settled] -> IDLE  relay_done()
 *            |      ^ `-> LENT                      pinned
 *            dropping    what session_pin = off does not let be
 *
 * Never blocks.
 */
#include <stdio.h>
#include <string.h>

#include "shm/crash.h"
#include "worker/backend/intern.h"
#include "worker/backend/params.h"
#include "worker/backend/scan.h"
#include "worker/client/client.h"
#include "worker/client/ear.h"
#include "worker/client/pin.h"
#include "worker/client/session_impl.h"
#include "worker/client/upstream.h"
#include "worker/proto/report.h"
#include "worker/proto/say.h"
#include "worker/self.h"

enum {
	TRIES = 5,                 /* of a question that is cancelled */
	ANSWER_MAX = 256 * 1024,   /* bytes of an answer */
	AGAIN_US = 5 * 1000 * 1000 /* a pinned client is asked after again */
};

/* --- the question ---------------------------------------------------------------- */

static void
ask(struct client *c, const struct wire *w, enum session_phase phase)
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

/* The same of one short command. */
static void
order(struct client *c, const char *command, enum session_phase phase)
{
	uint8_t bytes[32];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	say_query(&w, command);
	ask(c, &w, phase);
}

static void
ask_what(struct client *c)
{
	static uint8_t bytes[AUDIT_QUERY];
	struct session *s = c->session;
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	/* else they are all under their own names, and stay */
	if (self.conf->max_prepared_statements == 0)
		s->audit.bits &= (uint16_t)~AUDIT_PREPARED;
	audit_question(&w, &s->audit, vars_text(s->now), vars_len(s->now));
	s->asked_us = loop_now_us;
	CRASH_POINT("session.ask");
	ask(c, &w, SESSION_ASKED);
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
		session_note_vars(c->backend, e.text, e.len);
	ask(c, &w, SESSION_RESTING);
	return true;
}

static bool
is_pin_asked(const struct session *s)
{
	return (s->audit.bits & (AUDIT_PINS | AUDIT_LISTEN)) != 0 ||
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
	if (s == NULL || !session_is_tracking(c))
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

/* Was this parameter, which follows the client by itself, put back? */
static bool
is_reset(const struct audit_answer *r, int i)
{
	return !(r->params_set & (uint32_t)1 << i) &&
	    (r->asked->bits & AUDIT_RESET_ALL ||
		audit_is_named(r->asked, params_name(i)));
}

/* After a RESET these are as the client has begun with.  -1: no memory. */
static int
restore(struct client *c, const struct audit_answer *r)
{
	struct params_edit e;
	struct interned *p;
	bool is_changed = false;

	if (c->asked == NULL || !(r->asked->bits & AUDIT_RESET))
		return 0;
	params_edit_copy(&e, c->params->text, c->params->len);
	for (int i = 0; i < params_count(); i++) {
		const char *v = params_value(c->asked->text, c->asked->len, i);

		if (v == NULL || !is_reset(r, i))
			continue;
		is_changed |= params_edit_set(&e, i, v);
	}
	if (!is_changed)
		return 0;
	if ((p = params_intern(&e)) == NULL)
		return -1;
	intern_drop(c->params);
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
	struct interned *now;
	uint32_t pos = 0;

	while (vars_next(
	    vars_text(s->startup), vars_len(s->startup), &pos, &name, &value)) {
		v = vars_value(r->vars.text, r->vars.len, name);
		if ((v == NULL ||
			(v[0] == '\0' && vars_is_custom(name) &&
			    r->asked->bits & AUDIT_RESET)) &&
		    !vars_edit_put(&r->vars, name, value))
			r->is_too_long = true;
	}
	if (vars_intern(&r->vars, &now) == -1)
		return -1;
	intern_drop(s->now);
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

/*
 * A time-out of less than a second has been reset.  Should it have fired at
 * that very moment, the server says so late: in front of, or instead of, the
 * answer to an empty query.  Then it is this one's, not the next client's.
 */
static void
settle(struct client *c)
{
	order(c, "", SESSION_SETTLED);
}

static void
go_on(struct client *c)
{
	struct session *s = c->session;
	bool was_asked =
	    s->phase == SESSION_ASKED || s->phase == SESSION_DROPPING;

	if (s->phase == SESSION_RESTING) {
		settle(c);
		return;
	}
	s->phase = SESSION_QUIET;
	if (s->pins != 0) {
		stay(c);
		return;
	}
	if (was_asked && rest(c))
		return;
	deadline_clear(&c->deadline);
	relay_done(c);
}

/*
 * Tables that no text has told of: a function has left them, which its client
 * may not even know.  They go, and it stays.  Of a lock it would go on to think
 * that it holds it.
 */
static bool
is_droppable(const struct session *s, unsigned pins)
{
	return s->pins == 0 && pins == AUDIT_TEMP;
}

static void
drop_temp(struct client *c)
{
	order(c, "DISCARD TEMP", SESSION_DROPPING);
}

static void
warn_and_drop(struct client *c)
{
	uint8_t bytes[256];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	report_notice(&w, "WARNING", "01000",
	    "session_pin is off: temporary tables are dropped");
	if (client_send_wire(c, &w) == 0)
		drop_temp(c);
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

/* The listener goes on with these.  False: it cannot; it is closed. */
static bool
hears(struct client *c, const struct audit_answer *r)
{
	const char *channels[AUDIT_CHANNELS];
	struct err e;

	for (uint32_t i = 0; i < r->n_channels; i++)
		channels[i] = r->channels[i];
	if (ear_settle(c, channels, r->n_channels, &e) == 0)
		return true;
	client_close(c, &e);
	return false;
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
		session_note_vars(c->backend, NULL, UINT32_MAX);
	else
		session_note_vars(c->backend, r->vars.text, r->vars.len);
	if (adopt(c, r) == -1) {
		client_fail(c, "53200", "out of memory");
		return;
	}
	if (r->is_too_long) {
		client_fail(c, "54000", "session settings are too long");
		return;
	}
	if (asked & AUDIT_LISTEN && !hears(c, r))
		return;
	audit_clear(&s->audit);
	if (!self.conf->session_pin && is_droppable(s, pins)) {
		warn_and_drop(c);
		return;
	}
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
	r.startup = s->startup;
	r.login = c->lend->user;
	r.params = info->params;
	r.params_len = info->params_len;
	audit_begin(&r, vars_text(s->now), vars_len(s->now));
	bad = audit_read(&r, s->answer.p + s->answer.from, buf_len(&s->answer));
	buf_fini(&s->answer);
	if (bad == 0 && !r.has_error) {
		if (s->phase == SESSION_ASKED)
			on_told(c, &r);
		else
			go_on(c);
	} else if (bad == 0 && strcmp(r.error.sqlstate, "57014") == 0 &&
	    ++s->tries < TRIES) {
		/* a cancel that came late, or the client's own time-out: if that
		   was told late, too, there is an answer too many to come */
		atomic_fetch_or(&slot_at(c->backend->slot)->flags, SLOT_DIRTY);
		if (s->phase == SESSION_ASKED)
			ask_what(c);
		else if (s->phase == SESSION_DROPPING)
			drop_temp(c);
		else if (s->phase == SESSION_SETTLED || !rest(c))
			go_on(c);
	} else {
		refuse(c, "08P01", "session state could not be read",
		    bad == 0 ? r.error.message : "malformed answer");
	}
}

/* Was the question refused, and its transaction is to be ended yet? */
static bool
has_broken_off(const struct backend *b)
{
	return b->remain == 0 && buf_len(&b->in) == 0 &&
	    b->track.queue.len == 0 && track_tx_status(&b->track) == 'E';
}

/* What is said to it comes behind the error, which stands for all. */
static void
roll_back(struct client *c)
{
	struct session *s = c->session;
	uint8_t bytes[32];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	wire_begin(&w, 'Q');
	wire_str(&w, "ROLLBACK");
	wire_end(&w);
	ask(c, &w, s->phase);
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
	if (has_broken_off(b))
		roll_back(c);
	else if (scan_is_boundary(b))
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
