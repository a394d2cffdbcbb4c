/* sqlwalk.c - where a statement ends, and what its tokens tell; see sql.h. */
#include "worker/proto/sql_impl.h"

#include <string.h>

/* How far "CREATE [OR REPLACE] FUNCTION | PROCEDURE" has been read. */
enum routine {
	ROUTINE_FIRST, /* nothing of it */
	ROUTINE_CREATE,
	ROUTINE_YES,
	ROUTINE_NO
};

/* One statement on its way. */
struct scan {
	struct sqllex_token t, prev, prev2;
	size_t depth;  /* of ( ) */
	size_t atomic; /* of BEGIN ATOMIC and the CASEs in it */
	enum routine routine;
	unsigned flags; /* SQL_F_* */
	bool is_unsure;
	bool is_lost; /* where it ends cannot be told */
};

/* Functions by what a call of them means; found in any schema. */
static const struct {
	const char *name;
	unsigned flag;
} calls[] = {
	{ "set_config", SQL_F_SET_CONFIG },
	{ "pg_advisory_lock", SQL_F_LOCK },
	{ "pg_advisory_lock_shared", SQL_F_LOCK },
	{ "pg_try_advisory_lock", SQL_F_LOCK },
	{ "pg_try_advisory_lock_shared", SQL_F_LOCK },
	{ "pg_advisory_unlock", SQL_F_UNLOCK },
	{ "pg_advisory_unlock_shared", SQL_F_UNLOCK },
	{ "pg_advisory_unlock_all", SQL_F_UNLOCK },
	{ "currval", SQL_F_SEQUENCE },
	{ "lastval", SQL_F_SEQUENCE },
	/* sqlplain.c looks for "dblink" and "replication_" */
	{ "dblink_connect", SQL_F_SESSION },
	{ "dblink_connect_u", SQL_F_SESSION },
	{ "pg_create_logical_replication_slot", SQL_F_SESSION },
	{ "pg_create_physical_replication_slot", SQL_F_SESSION },
	{ "pg_copy_logical_replication_slot", SQL_F_SESSION },
	{ "pg_copy_physical_replication_slot", SQL_F_SESSION },
	{ "pg_replication_origin_session_setup", SQL_F_SESSION },
};

static unsigned
call_flag(const struct sqllex_token *t)
{
	if (!sqllex_is_ident(t) || t->len < sizeof("currval") - 1)
		return 0;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (sql_is_named(t, calls[i].name))
			return calls[i].flag;
	return 0;
}

/* pg_temp, pg_temp_3 */
static bool
is_temp_schema(const struct sqllex_token *t)
{
	static const char name[] = "pg_temp";
	struct sqllex_token start = { SQLLEX_IDENT, t->p, sizeof(name) - 1 };

	if (!sqllex_is_ident(t) || t->len < sizeof(name) + 1)
		return sqllex_is_word(t, name);
	if (t->type == SQLLEX_QUOTED)
		start.p++;
	return sqllex_is_word(&start, name);
}

/* At TEMP: of CREATE ... TEMP or SELECT INTO TEMP, not INSERT INTO temp. */
static bool
is_temp_made(const struct scan *s)
{
	if (sqllex_is_word(&s->prev, "into"))
		return !sqllex_is_word(&s->prev2, "insert") &&
		    !sqllex_is_word(&s->prev2, "merge");
	return sqllex_is_word(&s->prev, "create") ||
	    sqllex_is_word(&s->prev, "replace") ||
	    sqllex_is_word(&s->prev, "local") ||
	    sqllex_is_word(&s->prev, "global");
}

static void
follow_routine(struct scan *s)
{
	const struct sqllex_token *t = &s->t;

	if (s->routine == ROUTINE_FIRST)
		s->routine =
		    sqllex_is_word(t, "create") ? ROUTINE_CREATE : ROUTINE_NO;
	else if (s->routine == ROUTINE_CREATE &&
	    (sqllex_is_word(t, "function") || sqllex_is_word(t, "procedure")))
		s->routine = ROUTINE_YES;
	else if (s->routine == ROUTINE_CREATE && !sqllex_is_word(t, "or") &&
	    !sqllex_is_word(t, "replace"))
		s->routine = ROUTINE_NO;
}

/*
 * BEGIN ATOMIC ...; ...; END.  An END ends a CASE, or the body, behind a
 * semicolon; but both words may be labels of columns too.  What fits neither
 * is not guessed at.
 */
static void
follow_atomic(struct scan *s)
{
	bool is_start =
	    sqllex_is_self(&s->prev, ';') || sqllex_is_word(&s->prev, "atomic");

	if (s->atomic == 0) {
		if (s->depth == 0 && sqllex_is_word(&s->t, "atomic") &&
		    sqllex_is_word(&s->prev, "begin"))
			s->atomic = 1;
	} else if (sqllex_is_self(&s->prev, '.') ||
	    sqllex_is_word(&s->prev, "as")) {
		return;
	} else if (sqllex_is_word(&s->t, "case")) {
		s->atomic++;
	} else if (sqllex_is_word(&s->t, "end")) {
		s->atomic--;
		s->is_lost = is_start != (s->atomic == 0);
	}
}

static void
follow_word(struct scan *s)
{
	const struct sqllex_token *t = &s->t;

	if (s->routine != ROUTINE_NO)
		follow_routine(s);
	if (s->routine == ROUTINE_YES)
		follow_atomic(s);
	switch (*t->p | 0x20) {
	case 't':
		if ((sqllex_is_word(t, "temp") ||
			sqllex_is_word(t, "temporary")) &&
		    is_temp_made(s))
			s->flags |= SQL_F_TEMP | SQL_F_MAKES_TEMP;
		break;
	case 'd':
		if (sqllex_is_word(t, "drop") &&
		    sqllex_is_word(&s->prev, "commit") &&
		    sqllex_is_word(&s->prev2, "on"))
			s->flags |= SQL_F_ON_COMMIT_DROP;
		break;
	default:
		break;
	}
}

static void
follow_self(struct scan *s)
{
	switch (*s->t.p) {
	case '(':
		s->flags |= call_flag(&s->prev);
		s->depth++;
		break;
	case ')':
		s->depth -= s->depth > 0;
		break;
	case '.':
		if (is_temp_schema(&s->prev))
			s->flags |= SQL_F_TEMP;
		break;
	default:
		break;
	}
}

/* To the semicolon that ends it, or the end of the text. */
static bool
scan_step(struct scan *s, struct sqllex *l)
{
	switch (s->t.type) {
	case SQLLEX_END:
		s->is_lost = s->atomic > 0 || s->depth > 0;
		return false;
	case SQLLEX_BAD:
		s->is_lost = true;
		return false;
	case SQLLEX_IDENT:
		follow_word(s);
		break;
	case SQLLEX_UQUOTED:
		s->is_unsure = true;
		break;
	case SQLLEX_SELF:
		if (*s->t.p == ';' && s->depth == 0 && s->atomic == 0)
			return false;
		follow_self(s);
		break;
	default:
		break;
	}
	if (s->is_lost)
		return false;
	s->prev2 = s->prev;
	s->prev = s->t;
	sqllex_next(l, &s->t);
	return true;
}

static void
clear(struct sql_stmt *out)
{
	static const struct sql_span none;

	out->kind = SQL_PLAIN;
	out->sub = SQL_NONE;
	out->flags = 0;
	out->text = out->where = out->arg = out->body = none;
	out->name[0] = '\0';
	out->tx_modes = 0;
}

void
sql_walk_init(struct sql_walk *w, const char *text, size_t len, unsigned flags)
{
	sqllex_init(&w->lex, text, len, flags);
	w->is_exact = sqllex_is_exact(&w->lex);
}

bool
sql_next(struct sql_walk *w, struct sql_stmt *out)
{
	struct scan s = { 0 };
	const char *start;

	do
		sqllex_next(&w->lex, &s.t);
	while (sqllex_is_self(&s.t, ';'));
	if (s.t.type == SQLLEX_END)
		return false;
	start = s.t.p;
	clear(out);
	s.is_lost = !w->is_exact;
	while (!s.is_lost && scan_step(&s, &w->lex))
		continue;
	if (s.is_lost) {
		w->lex.p = w->lex.end;
		s.prev.p = w->lex.end;
		s.prev.len = 0;
	}
	if ((s.flags & SQL_F_TEMP) == 0)
		s.flags &= ~(unsigned)SQL_F_ON_COMMIT_DROP;
	out->flags = s.flags;
	out->text.p = start;
	out->text.len = (size_t)(s.prev.p + s.prev.len - start);
	if (s.is_lost || s.is_unsure)
		out->kind = SQL_UNSURE;
	else
		sql_kind_tell(out, w->lex.flags);
	return true;
}
