#include "worker/session/audit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/compat.h"
#include "worker/backend/params.h"
#include "worker/proto/field.h"
#include "worker/proto/say.h"
#include "worker/proto/sql.h"

/* --- from texts to doubts ---------------------------------------------------- */

static bool
names_next(const struct audit *a, uint16_t *pos, const char **name)
{
	if (*pos >= a->names_len)
		return false;
	*name = a->names + *pos;
	*pos = (uint16_t)(*pos + strlen(*name) + 1);
	return true;
}

bool
audit_is_named(const struct audit *a, const char *name)
{
	const char *n;
	uint16_t pos = 0;

	while (names_next(a, &pos, &n))
		if (strcasecmp(n, name) == 0)
			return true;
	return false;
}

void
audit_name(struct audit *a, const char *name)
{
	size_t size = strlen(name) + 1;

	if (vars_is_fleeting(name) || audit_is_named(a, name))
		return;
	if (size > sizeof(a->names) - a->names_len) {
		a->bits |= AUDIT_ALL;
		if (vars_is_custom(name))
			a->bits |= AUDIT_HIDDEN;
		return;
	}
	memcpy(a->names + a->names_len, name, size);
	a->names_len = (uint16_t)(a->names_len + size);
	a->bits |= AUDIT_NAMES;
}

static void
name_all(struct audit *a, const struct sql_stmt *s)
{
	const char *name;

	for (unsigned i = 0; (name = sql_setting(s, i)) != NULL; i++)
		audit_name(a, name);
}

/* set_config(), wherever it stands. */
static void
note_configs(
    struct audit *a, const struct sql_walk *w, const struct sql_stmt *s)
{
	const char *pos = NULL;
	struct sql_config c;

	while (sql_config_next(w, s, &pos, &c)) {
		if (c.local == SQL_LOCAL_YES)
			continue;
		/* a value that is no constant may be NULL, which resets */
		if (c.name[0] != '\0')
			audit_name(a, c.name);
		else
			a->bits |= AUDIT_ALL | AUDIT_HIDDEN;
	}
}

/* What is told by tokens, in a statement of any kind. */
static void
note_flags(struct audit *a, const struct sql_walk *w, const struct sql_stmt *s)
{
	if (s->flags & SQL_F_TEMP && !(s->flags & SQL_F_ON_COMMIT_DROP))
		a->bits |= AUDIT_TEMP;
	if (s->flags & (SQL_F_LOCK | SQL_F_UNLOCK))
		a->bits |= AUDIT_LOCK;
	if (s->flags & SQL_F_SESSION)
		a->bits |= AUDIT_OTHER;
	if (s->flags & SQL_F_SEQUENCE)
		a->bits |= AUDIT_SEQUENCE;
	if (s->flags & SQL_F_SET_CONFIG)
		note_configs(a, w, s);
}

/* PREPARE does nothing yet: it is its EXECUTE that does. */
static void
note_prepare(
    struct audit *a, const struct sql_walk *w, const struct sql_stmt *s)
{
	struct audit body = { .bits = 0 };

	note_flags(&body, w, s);
	if (body.bits & AUDIT_NAMES)
		body.bits |= AUDIT_ALL | AUDIT_HIDDEN;
	a->later |= (uint16_t)(body.bits & ~(unsigned)AUDIT_NAMES);
}

static void
note_discard(struct audit *a, const struct sql_stmt *s)
{
	if (s->sub == SQL_ALL)
		a->bits |= AUDIT_ALL | AUDIT_RESET | AUDIT_RESET_ALL |
		    AUDIT_TEMP | AUDIT_LOCK | AUDIT_CURSOR | AUDIT_LISTEN;
	else if (s->sub == SQL_TEMP)
		a->bits |= AUDIT_TEMP;
}

static void
note(struct audit *a, const struct sql_walk *w, const struct sql_stmt *s)
{
	switch (s->kind) {
	case SQL_PREPARE:
		note_prepare(a, w, s);
		return;
	case SQL_SET:
		if (s->flags & SQL_F_LOCAL)
			break;
		if (s->sub != SQL_SET_VALUE)
			a->bits |= AUDIT_ALL | AUDIT_RESET;
		name_all(a, s);
		break;
	case SQL_RESET:
		a->bits |= AUDIT_ALL | AUDIT_RESET;
		if (s->sub == SQL_ALL)
			a->bits |= AUDIT_RESET_ALL;
		name_all(a, s);
		break;
	case SQL_DISCARD:
		note_discard(a, s);
		break;
	case SQL_EXECUTE:
		a->bits |= a->later;
		break;
	case SQL_DECLARE:
		if (s->flags & SQL_F_HOLD)
			a->bits |= AUDIT_CURSOR;
		break;
	case SQL_CLOSE:
		a->bits |= AUDIT_CURSOR;
		break;
	case SQL_LISTEN:
	case SQL_UNLISTEN:
		a->bits |= AUDIT_LISTEN;
		break;
	case SQL_LOAD:
		a->bits |= AUDIT_LOAD;
		break;
	case SQL_DO:
	case SQL_CALL:
	case SQL_UNSURE:
		a->bits |= AUDIT_ANYTHING;
		break;
	default:
		break;
	}
	note_flags(a, w, s);
}

unsigned
audit_sql(struct audit *a, const char *text, size_t len, unsigned flags)
{
	uint16_t before = a->bits, now;
	struct sql_walk w;
	struct sql_stmt s;

	a->bits = 0;
	sql_walk_init(&w, text, len, flags);
	while (sql_next(&w, &s))
		note(a, &w, &s);
	now = a->bits;
	a->bits |= before;
	return now;
}

void
audit_clear(struct audit *a)
{
	a->bits = 0;
	a->names_len = 0;
}

/* --- the question -------------------------------------------------------------- */

/*
 * It runs under the client's search_path, which may put operators in front of
 * the system's: none is named without its schema.
 */
#define EQ " OPERATOR(pg_catalog.=) "

/* Its own transaction, whatever the session's default is: one that is
 * serializable and deferrable would wait. */
static const char begin[] = "BEGIN ISOLATION LEVEL READ COMMITTED";
static const char all[] =
    ";SELECT 'v',name,pg_catalog.current_setting(name)"
    " FROM pg_catalog.pg_settings WHERE source" EQ "'session'";
/* an object of the temporary schema depends on it: there is an index */
static const char temp[] =
    ";SELECT 't','','' FROM pg_catalog.pg_depend WHERE refclassid" EQ
    "'2615' AND refobjid" EQ "pg_catalog.pg_my_temp_schema() LIMIT 1";
static const char lock[] =
    ";SELECT 'l','','' FROM pg_catalog.pg_locks WHERE locktype" EQ
    "'advisory' AND pid" EQ "pg_catalog.pg_backend_pid() LIMIT 1";
/* the listener listens for it (ear.h), so this backend need not any more */
static const char channels[] =
    ";SELECT 'n',channel,'' FROM pg_catalog.pg_listening_channels()"
    " channel;UNLISTEN *";
static const char cursor[] =
    ";SELECT 'c','','' FROM pg_catalog.pg_cursors WHERE is_holdable LIMIT 1";
/* stmt.h: what we have prepared */
static const char prepared[] =
    ";SELECT 'p','','' FROM pg_catalog.pg_prepared_statements"
    " WHERE name OPERATOR(pg_catalog.!~) '^pooler_' LIMIT 1";

static void
put_name(struct wire *w, const char *name, bool *is_first)
{
	wire_text(w, *is_first ? ";SELECT 's'," : " UNION ALL SELECT 's',");
	say_constant(w, name);
	wire_text(w, ",pg_catalog.current_setting(");
	say_constant(w, name);
	wire_text(w, ",true)");
	*is_first = false;
}

static void
put_names(
    struct wire *w, const struct audit *a, const char *vars, uint32_t vars_len)
{
	const char *name, *value;
	bool is_all = (a->bits & AUDIT_ALL) != 0, is_first = true;
	uint32_t at = 0;
	uint16_t pos = 0;

	while (names_next(a, &pos, &name))
		if (!is_all || vars_is_custom(name))
			put_name(w, name, &is_first);
	if (!is_all)
		return;
	/* what pg_settings does not show */
	put_name(w, "session_authorization", &is_first);
	put_name(w, "role", &is_first);
	while (vars_next(vars, vars_len, &at, &name, &value))
		if (vars_is_custom(name) && !audit_is_named(a, name))
			put_name(w, name, &is_first);
}

void
audit_question(
    struct wire *w, const struct audit *a, const char *vars, uint32_t vars_len)
{
	wire_begin(w, 'Q');
	wire_text(w, begin);
	put_names(w, a, vars, vars_len);
	if (a->bits & AUDIT_ALL)
		wire_text(w, all);
	if (a->bits & AUDIT_TEMP)
		wire_text(w, temp);
	if (a->bits & AUDIT_LOCK)
		wire_text(w, lock);
	if (a->bits & AUDIT_CURSOR)
		wire_text(w, cursor);
	if (a->bits & AUDIT_LISTEN)
		wire_text(w, channels);
	if (a->bits & AUDIT_PREPARED)
		wire_text(w, prepared);
	wire_text(w, ";COMMIT");
	wire_byte(w, '\0');
	wire_end(w);
}

/* --- the answer ---------------------------------------------------------------- */

void
audit_begin(struct audit_answer *r, const char *vars, uint32_t vars_len)
{
	r->params_set = 0;
	r->pins = 0;
	r->n_channels = 0;
	r->is_too_long = r->has_error = false;
	r->vars.len = 0;
	if (r->asked->bits & AUDIT_ALL || vars_len > sizeof(r->vars.text))
		return;
	memcpy(r->vars.text, vars, vars_len);
	r->vars.len = vars_len;
}

/* As a fresh session has it: who logged in, in no role.  What a session has
 * begun with is another matter: then "none" is a setting like any other. */
static bool
is_fresh_identity(
    const struct audit_answer *r, const char *name, const char *value)
{
	if (vars_value(vars_text(r->startup), vars_len(r->startup), name) !=
		NULL &&
	    !(r->asked->bits & AUDIT_RESET))
		return false;
	return (strcmp(name, "role") == 0 && strcmp(value, "none") == 0) ||
	    (strcmp(name, "session_authorization") == 0 &&
		strcmp(value, r->login) == 0);
}

static void
take(struct audit_answer *r, char kind, const char *name, const char *value)
{
	int i = params_find(name);

	if (vars_is_fleeting(name))
		return;
	if (i != -1 && params_value(r->params, r->params_len, i) != NULL) {
		/* it follows the client already (params.h) */
		if (kind == 'v')
			r->params_set |= (uint32_t)1 << i;
		return;
	}
	if (value == NULL || is_fresh_identity(r, name, value))
		vars_edit_drop(&r->vars, name);
	else if (!vars_edit_put(&r->vars, name, value))
		r->is_too_long = true;
}

/* Column with a NUL behind it in `to`; NULL: it is null, or too long. */
static const char *
column(struct audit_answer *r, struct field *f, char *to, size_t size)
{
	uint32_t len = (uint32_t)field_int32(f);
	const uint8_t *p;

	if (len == UINT32_MAX)
		return NULL;
	p = field_bytes(f, len);
	if (p == NULL || len >= size) {
		r->is_too_long = true;
		return NULL;
	}
	memcpy(to, p, len);
	to[len] = '\0';
	return to;
}

static int
on_row(struct audit_answer *r, const uint8_t *body, size_t len)
{
	static char name_room[SQL_NAME], value_room[VARS_MAX];
	char kind_room[4];
	const char *kind, *name, *value;
	struct field f;

	field_init(&f, body, len);
	if (field_int16(&f) != 3)
		return -1;
	kind = column(r, &f, kind_room, sizeof(kind_room));
	name = column(r, &f, name_room, sizeof(name_room));
	value = column(r, &f, value_room, sizeof(value_room));
	if (f.bad || r->is_too_long)
		return f.bad ? -1 : 0;
	if (kind == NULL || name == NULL)
		return -1;
	switch (kind[0]) {
	case 's':
	case 'v':
		take(r, kind[0], name, value);
		return 0;
	case 't':
		r->pins |= AUDIT_TEMP;
		return 0;
	case 'l':
		r->pins |= AUDIT_LOCK;
		return 0;
	case 'c':
		r->pins |= AUDIT_CURSOR;
		return 0;
	case 'n':
		if (r->n_channels == AUDIT_CHANNELS)
			r->is_too_long = true;
		else
			(void)compat_strlcpy(
			    r->channels[r->n_channels++], name, SQLLEX_NAME);
		return 0;
	case 'p':
		r->pins |= AUDIT_PREPARED;
		return 0;
	}
	return -1;
}

int
audit_read(struct audit_answer *r, const uint8_t *p, size_t len)
{
	struct frame f;

	while (len > 0) {
		if (frame_parse(p, len, FRAME_MAX, &f) != DONE ||
		    len - FRAME_HEAD < f.body)
			return -1;
		p += FRAME_HEAD;
		if (f.type == 'D' && on_row(r, p, f.body) == -1)
			return -1;
		if (f.type == 'E' && !r->has_error) {
			(void)report_parse(p, f.body, &r->error);
			r->has_error = true;
		}
		p += f.body;
		len -= FRAME_HEAD + (size_t)f.body;
	}
	return 0;
}

/* --- rest ------------------------------------------------------------------------ */

/* Less than a second: the server may not even come to reset it in time. */
static bool
is_brief(const char *value)
{
	char *unit;
	unsigned long n = strtoul(value, &unit, 10);

	return n > 0 && n < 1000 && strcmp(unit, "ms") == 0;
}

bool
audit_rest(struct wire *w, struct vars_edit *vars)
{
	static const char *const ending[] = { "idle_session_timeout",
		"statement_timeout", "transaction_timeout" };
	bool is_any = false;

	wire_begin(w, 'Q');
	for (size_t i = 0; i < sizeof(ending) / sizeof(*ending); i++) {
		const char *v = vars_value(vars->text, vars->len, ending[i]);

		if (v == NULL || (i > 0 && !is_brief(v)))
			continue;
		vars_edit_drop(vars, ending[i]);
		wire_text(w, is_any ? ";RESET " : "RESET ");
		wire_text(w, ending[i]);
		is_any = true;
	}
	wire_byte(w, '\0');
	wire_end(w);
	return is_any;
}
