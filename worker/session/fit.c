#include "worker/session/fit.h"

#include <string.h>

#include "worker/backend/params.h"
#include "worker/proto/say.h"
#include "worker/session/vars.h"

enum { PAIRS = 512 };

/* What one SELECT sets; value NULL: back to what the session began with. */
struct batch {
	const char *name[PAIRS], *value[PAIRS];
	unsigned n;
	bool is_full;
};

static void
add(struct batch *b, const char *name, const char *value)
{
	if (b->n == PAIRS) {
		b->is_full = true;
		return;
	}
	b->name[b->n] = name;
	b->value[b->n++] = value;
}

/* --- messages ---------------------------------------------------------------- */

static void
put_param(struct wire *w, unsigned i)
{
	char digits[12];
	unsigned n = sizeof(digits);

	do
		digits[--n] = (char)('0' + i % 10);
	while ((i /= 10) > 0);
	wire_byte(w, '$');
	wire_bytes(w, digits + n, sizeof(digits) - n);
}

static void
put_bound(struct wire *w, const char *s)
{
	size_t len = s == NULL ? 0 : strlen(s);

	wire_int32(w, s == NULL ? UINT32_MAX : (uint32_t)len);
	wire_bytes(w, s == NULL ? "" : s, len);
}

static void
put_bind(struct wire *w, const struct batch *b)
{
	wire_begin(w, 'B');
	wire_str(w, "");
	wire_str(w, "");
	wire_int16(w, 0);
	wire_int16(w, (uint16_t)(2 * b->n));
	for (unsigned i = 0; i < b->n; i++) {
		put_bound(w, b->name[i]);
		put_bound(w, b->value[i]);
	}
	wire_int16(w, 0);
	wire_end(w);
}

static unsigned
put_command(struct wire *w, const char *sql)
{
	say_command(w, sql);
	return 3;
}

static unsigned
put_select(struct wire *w, const struct batch *b)
{
	if (b->is_full)
		w->full = true;
	if (b->n == 0)
		return 0;
	wire_begin(w, 'P');
	wire_str(w, "");
	for (unsigned i = 0; i < b->n; i++) {
		wire_text(w, i == 0 ? "SELECT " : ",");
		wire_text(w, "pg_catalog.set_config(");
		put_param(w, 2 * i + 1);
		wire_byte(w, ',');
		put_param(w, 2 * i + 2);
		wire_text(w, ",false)");
	}
	wire_byte(w, '\0');
	wire_int16(w, 0);
	wire_end(w);
	put_bind(w, b);
	say_execute(w);
	return 3;
}

/* --- what differs ---------------------------------------------------------------- */

/* In the order in which they are set, behind all others. */
static const char *const identity[] = { "session_authorization", "role" };

static bool
is_identity(const char *name)
{
	return strcmp(name, identity[0]) == 0 || strcmp(name, identity[1]) == 0;
}

/* What the server has never reported is not there to be set. */
static const char *
param_due(const struct fit *f, int i)
{
	const char *h = params_value(f->has.params, f->has.params_len, i);
	const char *v = params_value(f->want.params, f->want.params_len, i);

	if (h == NULL || v == NULL || (!f->is_unknown && strcmp(h, v) == 0))
		return NULL;
	return v;
}

static const char *
var(const struct fit_side *s, const char *name)
{
	return vars_value(s->vars, s->vars_len, name);
}

/* Back to the rights of the login, and away with what is not wanted. */
static void
add_resets(struct batch *b, const struct fit *f)
{
	const char *name, *value;
	uint32_t pos = 0;

	for (int i = 1; i >= 0; i--)
		if (f->is_unknown || var(&f->has, identity[i]) != NULL)
			add(b, identity[i], NULL);
	while (!f->is_unknown &&
	    vars_next(f->has.vars, f->has.vars_len, &pos, &name, &value))
		if (!is_identity(name) && var(&f->want, name) == NULL)
			add(b, name, NULL);
}

static void
add_params(struct batch *b, const struct fit *f, int but)
{
	const char *value;

	for (int i = 0; i < params_count(); i++)
		if (i != but && (value = param_due(f, i)) != NULL)
			add(b, params_name(i), value);
}

static void
add_vars(struct batch *b, const struct fit *f)
{
	const char *name, *value, *has;
	uint32_t pos = 0;

	while (vars_next(f->want.vars, f->want.vars_len, &pos, &name, &value)) {
		has = f->is_unknown ? NULL : var(&f->has, name);
		if (!is_identity(name) &&
		    (has == NULL || strcmp(has, value) != 0))
			add(b, name, value);
	}
	for (int i = 0; i < 2; i++)
		if ((value = var(&f->want, identity[i])) != NULL)
			add(b, identity[i], value);
}

static bool
is_same(const char *a, uint32_t a_len, const char *b, uint32_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

bool
fit_is_done(const struct fit *f)
{
	return !f->is_unknown && !f->is_forgetting &&
	    is_same(f->has.params, f->has.params_len, f->want.params,
		f->want.params_len) &&
	    is_same(
		f->has.vars, f->has.vars_len, f->want.vars, f->want.vars_len);
}

unsigned
fit_build(struct wire *w, const struct fit *f)
{
	static const char begin[] = "BEGIN ISOLATION LEVEL READ COMMITTED";
	int encoding = params_find("client_encoding");
	const char *charset = encoding == -1 ? NULL : param_due(f, encoding);
	struct batch b = { .n = 0 };
	bool is_other = f->is_unknown ||
	    !is_same(
		f->has.vars, f->has.vars_len, f->want.vars, f->want.vars_len);
	size_t len = w->len;
	unsigned n = put_command(w, begin), none = n;

	if (f->is_forgetting)
		n += put_command(w, "DISCARD SEQUENCES");
	if (is_other)
		add_resets(&b, f);
	if (f->is_unknown) {
		n += put_select(w, &b) + put_command(w, "RESET ALL");
		b.n = 0;
	}
	if (charset != NULL) {
		add(&b, params_name(encoding), charset);
		n += put_select(w, &b);
		b.n = 0;
	}
	add_params(&b, f, encoding);
	if (is_other)
		add_vars(&b, f);
	n += put_select(w, &b);
	if (n == none) {
		w->len = len;
		return 0;
	}
	return n + put_command(w, "COMMIT");
}
