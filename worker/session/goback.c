#include "worker/session/goback.h"

#include <string.h>

#include "worker/backend/params.h"
#include "worker/proto/say.h"
#include "worker/proto/sql.h"
#include "worker/session/vars.h"

enum {
	STATEMENTS = 16, /* that are followed, of one text */
	TEXT = 48 * 1024 /* of a SET */
};

/* --- SET ------------------------------------------------------------------------ */

static bool
is_list(const char *name)
{
	static const char *const names[] = { "search_path", "temp_tablespaces",
		"session_preload_libraries", "local_preload_libraries" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((uint8_t)*s >= 0x80)
			return false;
	return true;
}

static const char *
skip_space(const char *p)
{
	return p + strspn(p, " \t\n\r\f\v");
}

/* One name of a list, as the server reads it.  What follows it; NULL: this is
 * none. */
static const char *
read_quoted(const char *p, char to[VARS_MAX])
{
	for (size_t n = 0; *p != '\0' && n < VARS_MAX - 1; p++) {
		if (*p == '"' && *++p != '"') {
			to[n] = '\0';
			return p;
		}
		to[n++] = *p;
	}
	return NULL;
}

static const char *
read_bare(const char *p, char to[VARS_MAX])
{
	size_t n = strcspn(p, ", \t\n\r\f\v");

	if (n == 0 || n >= VARS_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++)
		to[i] = p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i];
	to[n] = '\0';
	return p + n;
}

/* SET takes each name of a list by itself.  False: it is no list. */
static bool
put_list(struct wire *w, const char *p)
{
	static char name[VARS_MAX];

	p = skip_space(p);
	if (*p == '\0')
		say_constant(w, "");
	while (*p != '\0') {
		p = *p == '"' ? read_quoted(p + 1, name) : read_bare(p, name);
		if (p == NULL)
			return false;
		say_constant(w, name);
		p = skip_space(p);
		if (*p == '\0')
			return true;
		if (*p++ != ',')
			return false;
		wire_byte(w, ',');
		p = skip_space(p);
		if (*p == '\0')
			return false;
	}
	return true;
}

static void
put_set(struct wire *w, const char *name, const char *value)
{
	static char text[TEXT];
	struct wire t;

	if (value == NULL || !is_ascii(name) || !is_ascii(value))
		return;
	wire_init(&t, text, sizeof(text));
	wire_text(&t, "SET \"");
	for (const char *p = name; *p != '\0'; p++) {
		if (*p == '"')
			wire_byte(&t, '"');
		wire_byte(&t, (uint8_t)*p);
	}
	wire_text(&t, "\" TO ");
	if (!is_list(name))
		say_constant(&t, value);
	else if (!put_list(&t, value))
		return;
	wire_byte(&t, '\0');
	if (t.full)
		w->full = true;
	else
		say_command(w, text);
}

/* --- what is put back ------------------------------------------------------------- */

static bool
is_reset(const struct sql_stmt *s)
{
	return s->kind == SQL_RESET ||
	    (s->kind == SQL_SET && s->sub == SQL_SET_DEFAULT &&
		!(s->flags & SQL_F_LOCAL));
}

/* Where the resets at its end begin; NULL: there are none, or too many. */
static const char *
find_resets(const char *text, size_t len, unsigned flags)
{
	const char *from = NULL;
	unsigned n = 0;
	struct sql_walk w;
	struct sql_stmt s;

	sql_walk_init(&w, text, len, flags);
	while (sql_next(&w, &s)) {
		if (!is_reset(&s))
			n = 0;
		else if (n++ == 0)
			from = s.text.p;
	}
	return n > 0 && n <= STATEMENTS ? from : NULL;
}

static const char *
param(const struct goback *g, int i)
{
	if (i == -1 || params_value(g->has, g->has_len, i) == NULL)
		return NULL;
	return params_value(g->params, g->params_len, i);
}

/* But for the two that RESET ALL leaves alone. */
static void
put_all(struct wire *w, const struct goback *g)
{
	const char *name, *value;
	uint32_t pos = 0;

	for (int i = 0; i < params_count(); i++)
		put_set(w, params_name(i), param(g, i));
	while (vars_next(g->vars, g->vars_len, &pos, &name, &value))
		if (strcmp(name, "role") != 0 &&
		    strcmp(name, "session_authorization") != 0)
			put_set(w, name, value);
}

static void
put_one(struct wire *w, const struct goback *g, const char *name)
{
	const char *value = param(g, params_find(name));

	if (value == NULL)
		value = vars_value(g->vars, g->vars_len, name);
	put_set(w, name, value);
}

void
goback_build(struct wire *w, const struct goback *g, const char *text,
    size_t len, unsigned flags)
{
	const char *from = find_resets(text, len, flags), *name;
	struct sql_walk walk;
	struct sql_stmt s;

	if (from == NULL)
		return;
	sql_walk_init(&walk, from, (size_t)(text + len - from), flags);
	while (sql_next(&walk, &s)) {
		name = sql_setting(&s, 0);
		if (s.sub == SQL_ALL)
			put_all(w, g);
		else if (name != NULL && sql_setting(&s, 1) == NULL)
			put_one(w, g, name);
	}
}
