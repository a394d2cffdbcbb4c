/* sqlconfig.c - calls of set_config(); see sql.h. */
#include "worker/proto/sql_impl.h"

#include <string.h>

/* One argument, if it is a constant: a string or a word, even with ::type. */
struct arg {
	struct sqllex_token t;
	bool is_constant;
};

static bool
is_arg_end(const struct sql_head *h)
{
	return head_is_end(h) || sqllex_is_self(&h->t, ',') ||
	    sqllex_is_self(&h->t, ')');
}

/* [::type] */
static void
take_cast(struct sql_head *h)
{
	if (h->t.type != SQLLEX_OP || *h->t.p != ':' || h->t.p[1] != ':')
		return;
	head_step(h);
	if (sqllex_is_ident(&h->t))
		head_step(h);
}

/* Up to the comma or parenthesis behind it. */
static void
take_arg(struct sql_head *h, struct arg *a)
{
	size_t depth = 0;

	a->t = h->t;
	a->is_constant = sqllex_is_string(&h->t) || h->t.type == SQLLEX_IDENT;
	if (!is_arg_end(h)) {
		head_step(h);
		if (a->is_constant)
			take_cast(h);
	}
	/* what more there is, no constant alone */
	a->is_constant = a->is_constant && is_arg_end(h);
	if (sqllex_is_self(&a->t, '(') || sqllex_is_self(&a->t, '['))
		depth++;
	for (; !head_is_end(h) && (depth > 0 || !is_arg_end(h)); head_step(h)) {
		if (sqllex_is_self(&h->t, '(') || sqllex_is_self(&h->t, '['))
			depth++;
		else if (sqllex_is_self(&h->t, ')') ||
		    sqllex_is_self(&h->t, ']'))
			depth -= depth > 0;
	}
}

static bool
is_one_of(const char *s, const char *const *list)
{
	while (*list != NULL && strcmp(s, *list) != 0)
		list++;
	return *list != NULL;
}

static enum sql_local
tell_local(const struct arg *a)
{
	static const char *const yes[] = { "true", "t", "on", "yes", "y", "1",
		NULL };
	static const char *const no[] = { "false", "f", "off", "no", "n", "0",
		NULL };
	char value[8];

	if (!a->is_constant)
		return SQL_LOCAL_UNKNOWN;
	if (sqllex_is_word(&a->t, "true"))
		return SQL_LOCAL_YES;
	if (sqllex_is_word(&a->t, "false"))
		return SQL_LOCAL_NO;
	if (sqllex_value(&a->t, value, sizeof(value)) == -1)
		return SQL_LOCAL_UNKNOWN;
	sql_fold(value);
	return is_one_of(value, yes) ? SQL_LOCAL_YES
	    : is_one_of(value, no)   ? SQL_LOCAL_NO
				     : SQL_LOCAL_UNKNOWN;
}

/* Behind the opening parenthesis. */
static void
tell_call(struct sql_head h, struct sql_config *out)
{
	struct arg args[3];
	size_t n = 0;

	memset(args, 0, sizeof(args));
	do
		take_arg(&h, &args[n++]);
	while (n < 3 && head_take_self(&h, ','));
	out->name[0] = '\0';
	out->local = SQL_LOCAL_UNKNOWN;
	out->value.p = NULL;
	out->value.len = 0;
	if (n < 3 || !sqllex_is_self(&h.t, ')'))
		return;
	if (!args[0].is_constant ||
	    sqllex_value(&args[0].t, out->name, sizeof(out->name)) == -1)
		out->name[0] = '\0';
	sql_fold(out->name);
	out->local = tell_local(&args[2]);
	if (args[1].is_constant && sqllex_is_string(&args[1].t)) {
		out->value.p = args[1].t.p;
		out->value.len = args[1].t.len;
	}
}

bool
sql_config_next(const struct sql_walk *w, const struct sql_stmt *s,
    const char **pos, struct sql_config *out)
{
	const char *end = s->text.p + s->text.len;
	const char *from = *pos != NULL ? *pos : s->text.p;
	struct sql_head h;
	bool is_named;

	sqllex_init(&h.lex, from, (size_t)(end - from), w->lex.flags);
	head_step(&h);
	while (!head_is_end(&h)) {
		is_named = sql_is_named(&h.t, "set_config");
		head_step(&h);
		if (!is_named || !head_take_self(&h, '('))
			continue;
		*pos = h.t.p;
		tell_call(h, out);
		return true;
	}
	return false;
}
