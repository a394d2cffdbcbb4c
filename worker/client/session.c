#include "worker/client/session.h"

#include <stdlib.h>
#include <string.h>

#include "shm/crash.h"
#include "shm/segment.h"
#include "worker/backend/intern.h"
#include "worker/backend/params.h"
#include "worker/client/client.h"
#include "worker/client/pin.h"
#include "worker/client/prepare.h"
#include "worker/client/session_impl.h"
#include "worker/client/upstream.h"
#include "worker/self.h"
#include "worker/session/fit.h"

/* --- memory -------------------------------------------------------------------- */

struct session *
session_get(struct client *c)
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
	if ((s = session_get(c)) == NULL ||
	    vars_intern(startup, &s->startup) == -1)
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
	buf_fini(&s->back);
	free(s);
}

bool
session_is_tracking(const struct client *c)
{
	return self.conf->session_state != SESSION_STATE_OFF &&
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

int
session_send_own(struct client *c, const uint8_t *p, size_t len)
{
	if (!enter_own(c->backend, p, len))
		return -1;
	upstream_put(c, p, len);
	prepare_lose_unnamed(c);
	return 0;
}

int
session_send_fit(struct client *c, const struct fit *f)
{
	static uint8_t bytes[FIT_MAX];
	struct backend *b = c->backend;
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	if (fit_build(&w, f) == 0)
		return 0;
	if (w.full || session_send_own(c, bytes, w.len) == -1)
		return -1;
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
	if (fit_is_done(&f) || session_send_fit(c, &f) == 0)
		return 0;
	backend_close(c->backend, "session state could not be set");
	return -1;
}

/* How well is looked after what will be done to it? */
static void
note_care(const struct backend *b)
{
	struct slot *s = slot_at(b->slot);
	uint32_t less = SLOT_UNTENDED | SLOT_LOOSE;

	if (b->mode != POOL_SESSION &&
	    self.conf->session_state != SESSION_STATE_OFF)
		less = self.conf->session_state == SESSION_STATE_STRICT
		    ? 0
		    : SLOT_LOOSE;
	if ((atomic_load_explicit(&s->flags, memory_order_relaxed) & less) !=
	    less)
		atomic_fetch_or(&s->flags, less);
}

int
session_begin(struct client *c)
{
	const struct slot_info *info = backend_info(c->backend);

	note_care(c->backend);

	return is_at_home(c, info) ? 0 : fit_session(c, info);
}

void
session_on_conf(void)
{
	struct backend *b;

	for (uint32_t i = 0; i < seg->nslots; i++)
		if ((b = backend_at(i)) != NULL && b->state == BACKEND_LENT)
			note_care(b);
}
