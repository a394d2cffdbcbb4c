/* raise.c - an error of ours that the server itself raises. */
#include "worker/client/raise.h"

#include <string.h>

#include "worker/client/client.h"
#include "worker/client/prepare.h"
#include "worker/client/upstream.h"
#include "worker/proto/field.h"
#include "worker/proto/say.h"

#define MARK "pooler_raise" /* as the error's schema */

enum { TEXT_MAX = 256 + 4 * RAISE_WHY_MAX };

enum look
raise_look(struct look_at *m, const char *sqlstate, const char *why)
{
	m->sqlstate = sqlstate;
	m->why = why;
	m->routine = NULL;
	return LOOK_RAISE;
}

/* --- the block ---------------------------------------------------------------- */

/* In a string that ends neither the literal nor the block, whatever the
 * server's settings are. */
static void
put_quoted(struct wire *w, const char *s)
{
	static const char hex[] = "0123456789abcdef";

	wire_text(w, "E'");
	for (size_t n = 0; n < RAISE_WHY_MAX && s[n] != '\0'; n++) {
		uint8_t b = (uint8_t)s[n];

		if (b == '\'' || b == '\\' || b == '$') {
			wire_text(w, "\\x");
			wire_byte(w, (uint8_t)hex[b >> 4]);
			wire_byte(w, (uint8_t)hex[b & 15]);
		} else {
			wire_byte(w, b >= ' ' && b <= '~' ? b : '?');
		}
	}
	wire_byte(w, '\'');
}

static void
put_block(struct wire *w, const struct look_at *m)
{
	wire_text(w,
	    "DO LANGUAGE plpgsql $pooler$BEGIN RAISE EXCEPTION USING ERRCODE=");
	put_quoted(w, m->sqlstate);
	wire_text(w, ",MESSAGE=");
	put_quoted(w, m->why);
	wire_text(w, ",SCHEMA='" MARK "'");
	if (m->routine != NULL) {
		wire_text(w, ",TABLE=");
		put_quoted(w, m->routine);
	}
	wire_text(w, ";END$pooler$");
	wire_byte(w, '\0');
}

/* --- in the message's place ------------------------------------------------------ */

/* The books know all three, or the backend is closed for it. */
static bool
enter_batch(struct track *t)
{
	return track_is_sure(t) && track_own(t, 'a') == 0 &&
	    track_own(t, 'a') == 0 && track_client(t, 'E') == 0;
}

int
raise_send(struct client *c, const struct look_at *m)
{
	static uint8_t bytes[TEXT_MAX + 64];
	char text[TEXT_MAX];
	struct track *t = &c->backend->track;
	bool is_query = m->f.type == 'Q' || m->f.type == 'F';
	struct wire w;

	/* the server would not read it */
	if (track_is_skipping(t))
		return track_client(t, m->f.type);
	wire_init(&w, text, sizeof(text));
	put_block(&w, m);
	if (w.full)
		return -1;
	wire_init(&w, bytes, sizeof(bytes));
	if (is_query)
		say_query(&w, text);
	else
		say_command(&w, text);
	if (w.full || (is_query ? track_client(t, 'Q') == -1 : !enter_batch(t)))
		return -1;
	upstream_put(c, bytes, w.len);
	prepare_raised(c, m);
	return 0;
}

/* --- its error ---------------------------------------------------------------------- */

/* What the client is to see of it. */
struct error {
	const char *severity[2]; /* as told, and in English */
	const char *sqlstate, *why, *routine;
	bool is_ours;
};

static void
read_error(const uint8_t *body, size_t len, struct error *e)
{
	struct field f;
	uint8_t code;

	field_init(&f, body, len);
	while ((code = field_byte(&f)) != 0) {
		const char *value = field_str(&f);

		if (code == 'S')
			e->severity[0] = value;
		else if (code == 'V')
			e->severity[1] = value;
		else if (code == 'C')
			e->sqlstate = value;
		else if (code == 'M')
			e->why = value;
		else if (code == 't')
			e->routine = value;
		else if (code == 's' && strcmp(value, MARK) == 0)
			e->is_ours = true;
	}
	e->is_ours &= field_is_done(&f);
}

static void
put_field(struct wire *w, uint8_t code, const char *value)
{
	if (value == NULL)
		return;
	wire_byte(w, code);
	wire_str(w, value);
}

size_t
raise_on_error(const struct lessee_error *error, uint8_t *out, size_t room)
{
	struct error e = { .is_ours = false };
	struct wire w;

	if (error->len != 1 + (size_t)frame_get32(error->msg + 1))
		return 0;
	read_error(error->msg + FRAME_HEAD, error->len - FRAME_HEAD, &e);
	if (!e.is_ours)
		return 0;
	wire_init(&w, out, room);
	wire_begin(&w, 'E');
	put_field(&w, 'S', e.severity[0]);
	put_field(&w, 'V', e.severity[1]);
	put_field(&w, 'C', e.sqlstate);
	put_field(&w, 'M', e.why);
	put_field(&w, 'R', e.routine);
	wire_byte(&w, 0);
	wire_end(&w);
	return w.full ? 0 : w.len;
}
