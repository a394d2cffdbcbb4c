/*
 * sql_fuzz.c - any text as SQL; its first byte are the lexer's flags.
 *
 * Tokens lie in the text, in order, with only blank between; statements too.
 * What is said to be plain holds nothing.  A statement that was cut out is the
 * same when it is given alone.
 */
#include "worker/proto/sql.h"

#include "t/fuzz/fuzz.h"

/* White space and comments are all that is left between two tokens. */
static void
check_gap(const char *from, const char *to)
{
	struct sqllex_token t;
	struct sqllex l;

	sqllex_init(&l, from, (size_t)(to - from), 0);
	MUST(sqllex_next(&l, &t) == SQLLEX_END);
}

static void
check_token(const struct sqllex_token *t)
{
	char name[SQLLEX_NAME], value[32];
	int len = sqllex_name(t, name);

	MUST(len == -1 || (sqllex_is_ident(t) && strlen(name) == (size_t)len));
	len = sqllex_value(t, value, sizeof(value));
	MUST(len == -1 || sqllex_is_string(t));
	MUST(len < (int)sizeof(value) && (len == -1 || value[len] == '\0'));
	MUST(!sqllex_is_ident(t) || !sqllex_is_string(t));
}

static void
check_tokens(const char *text, size_t size, unsigned flags)
{
	struct sqllex_token t;
	struct sqllex l;
	const char *p = text, *end;

	sqllex_init(&l, text, size, flags);
	end = l.end;
	while (sqllex_next(&l, &t) != SQLLEX_END) {
		MUST(t.p >= p && t.len > 0 && t.len <= (size_t)(end - t.p));
		check_gap(p, t.p);
		check_token(&t);
		p = t.p + t.len;
		MUST(l.p == p);
		MUST(t.type != SQLLEX_BAD || p == end);
	}
	MUST(t.p == end && t.len == 0);
	if (p < end)
		check_gap(p, end);
}

static void
check_inside(const struct sql_span *in, const struct sql_span *s)
{
	if (s->p == NULL) {
		MUST(s->len == 0);
		return;
	}
	MUST(s->p >= in->p && s->p <= in->p + in->len);
	MUST(s->len <= (size_t)(in->p + in->len - s->p));
}

static void
check_configs(const struct sql_walk *w, const struct sql_stmt *s)
{
	const char *pos = NULL, *before = s->text.p;
	struct sql_config c;
	int count = 0;

	while (sql_config_next(w, s, &pos, &c)) {
		MUST(pos > before && pos <= s->text.p + s->text.len);
		MUST_END(c.name);
		MUST(c.local <= SQL_LOCAL_UNKNOWN);
		check_inside(&s->text, &c.value);
		before = pos;
		count++;
	}
	MUST((count > 0) == ((s->flags & SQL_F_SET_CONFIG) != 0) ||
	    s->kind == SQL_UNSURE);
}

static void
check_settings(const struct sql_stmt *s)
{
	unsigned n = 0;

	while (sql_setting(s, n) != NULL)
		n++;
	MUST(n <= 3);
	if (s->kind == SQL_SET || (s->kind == SQL_RESET && s->sub == SQL_ONE))
		MUST(n > 0 && sql_setting(s, 0)[0] != '\0');
	else
		MUST(n == 0);
}

/* Alone, from a copy of just its bytes. */
static void
check_alone(const struct sql_stmt *s, unsigned flags)
{
	char *copy = fuzz_copy((const uint8_t *)s->text.p, s->text.len);
	struct sql_stmt again;
	struct sql_walk w;

	sql_walk_init(&w, copy, s->text.len, flags);
	MUST(sql_next(&w, &again));
	MUST(again.kind == s->kind && again.sub == s->sub);
	MUST(again.flags == s->flags && again.text.len == s->text.len);
	MUST(strcmp(again.name, s->name) == 0);
	MUST(again.arg.len == s->arg.len && again.body.len == s->body.len);
	MUST(!sql_next(&w, &again));
	free(copy);
}

static void
check_stmt(const struct sql_walk *w, const struct sql_stmt *s, bool is_plain)
{
	bool is_simple_tx = s->kind == SQL_TX &&
	    (s->sub == SQL_TX_BEGIN || s->sub == SQL_TX_COMMIT ||
		s->sub == SQL_TX_ROLLBACK);

	MUST_END(s->name);
	MUST(s->text.len > 0);
	check_inside(&s->text, &s->where);
	check_inside(&s->text, &s->arg);
	check_inside(&s->text, &s->body);
	check_settings(s);
	check_configs(w, s);
	if (is_plain) {
		MUST(s->flags == 0);
		MUST(s->kind == SQL_PLAIN || s->kind == SQL_UNSURE ||
		    is_simple_tx);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned flags = size > 0 ? data[0] & 3 : 0, count = 0;
	const char *text = size > 0 ? (const char *)data + 1 : NULL, *p = text;
	bool is_plain;
	struct sql_walk w;
	struct sql_stmt s;

	size -= size > 0;
	check_tokens(text, size, flags);
	is_plain = sql_is_plain(text, size);
	sql_walk_init(&w, text, size, flags);
	memset(&s, 0xa5, sizeof(s));
	while (sql_next(&w, &s)) {
		MUST(s.text.p >= p && s.text.len <= size);
		p = s.text.p + s.text.len;
		MUST(p <= text + size);
		check_stmt(&w, &s, is_plain);
		if (s.kind != SQL_UNSURE)
			check_alone(&s, flags);
		count++;
	}
	MUST(!sql_next(&w, &s));
	MUST(!is_plain || count <= 1);
	return 0;
}
