/* sqlset.c - SET and RESET, and what they touch; see sql.h. */
#include "worker/proto/sql_impl.h"

#include <string.h>

/* SET SESSION CHARACTERISTICS; less "default_", those of a transaction. */
static const char *const tx_modes[] = {
	"default_transaction_isolation",
	"default_transaction_read_only",
	"default_transaction_deferrable",
};

static void
set_name(struct sql_stmt *s, const char *name)
{
	memcpy(s->name, name, strlen(name) + 1);
}

/* name[.name...] */
static bool
take_setting(struct sql_head *h, struct sql_stmt *s)
{
	char part[SQLLEX_NAME];
	size_t n = 0;
	int len;

	s->where.p = h->t.p;
	do {
		len = sqllex_name(&h->t, part);
		if (len == -1 || (size_t)len + 2 > sizeof(s->name) - n)
			return false;
		if (n > 0)
			s->name[n++] = '.';
		memcpy(s->name + n, part, (size_t)len + 1);
		n += (size_t)len;
		s->where.len = (size_t)(h->t.p + h->t.len - s->where.p);
		head_step(h);
	} while (head_take_self(h, '.'));
	sql_fold(s->name);
	for (size_t i = 0; i < sizeof(tx_modes) / sizeof(*tx_modes); i++)
		if (strcmp(s->name, tx_modes[i] + sizeof("default")) == 0)
			s->flags |= SQL_F_LOCAL;
	return true;
}

/* Is what we look at a setting's name, though it is a word of SET's? */
static bool
is_assigned(const struct sql_head *h)
{
	struct sqllex_token t = head_peek(h);

	return sqllex_is_self(&t, '=') || sqllex_is_self(&t, '.') ||
	    sqllex_is_word(&t, "to") || sqllex_is_word(&t, "from");
}

/* The value, or DEFAULT. */
static bool
take_value(struct sql_head *h, struct sql_stmt *s)
{
	s->sub = SQL_SET_VALUE;
	s->arg = head_rest(h, s);
	if (sqllex_is_word(&h->t, "default") && head_peek(h).type == SQLLEX_END)
		s->sub = SQL_SET_DEFAULT;
	return !head_is_end(h);
}

static bool
tell_set_any(struct sql_head *h, struct sql_stmt *s)
{
	if (!take_setting(h, s))
		return false;
	if (head_take_word(h, "from")) {
		s->sub = SQL_SET_CURRENT;
		return head_take_word(h, "current") && head_is_end(h);
	}
	return (head_take_word(h, "to") || head_take_self(h, '=')) &&
	    take_value(h, s);
}

static bool
tell_set_zone(struct sql_head *h, struct sql_stmt *s)
{
	set_name(s, "timezone");
	if (!head_take_word(h, "zone") || !take_value(h, s))
		return false;
	if (sqllex_is_word(&h->t, "local"))
		s->sub = SQL_SET_DEFAULT;
	return true;
}

static bool
tell_set_names(struct sql_head *h, struct sql_stmt *s)
{
	set_name(s, "client_encoding");
	s->sub = SQL_SET_DEFAULT;
	return head_is_end(h) || take_value(h, s);
}

static bool
tell_set_schema(struct sql_head *h, struct sql_stmt *s)
{
	set_name(s, "search_path");
	return take_value(h, s);
}

static bool
tell_set_role(struct sql_head *h, struct sql_stmt *s)
{
	set_name(s, "role");
	return take_value(h, s);
}

static bool
tell_set_xml(struct sql_head *h, struct sql_stmt *s)
{
	set_name(s, "xmloption");
	return head_take_word(h, "option") && take_value(h, s);
}

/* READ ONLY, READ WRITE; not READ COMMITTED */
static bool
is_read_mode(const struct sql_head *h)
{
	struct sqllex_token t = head_peek(h);

	return sqllex_is_word(&h->t, "read") &&
	    (sqllex_is_word(&t, "only") || sqllex_is_word(&t, "write"));
}

/* AUTHORIZATION, or CHARACTERISTICS AS TRANSACTION */
static bool
tell_set_session(struct sql_head *h, struct sql_stmt *s)
{
	if (head_take_word(h, "authorization")) {
		set_name(s, "session_authorization");
		return take_value(h, s);
	}
	if (!head_take_word(h, "characteristics") || !head_take_word(h, "as") ||
	    !head_take_word(h, "transaction") || !take_value(h, s))
		return false;
	for (; !head_is_end(h); head_step(h)) {
		if (sqllex_is_word(&h->t, "isolation"))
			s->tx_modes |= 1;
		else if (is_read_mode(h))
			s->tx_modes |= 2;
		else if (sqllex_is_word(&h->t, "deferrable"))
			s->tx_modes |= 4;
	}
	return s->tx_modes != 0;
}

/* Of the transaction only, or always refused. */
static bool
tell_set_nothing(struct sql_head *h, struct sql_stmt *s)
{
	(void)h;
	s->kind = SQL_PLAIN;
	s->flags &= ~(unsigned)SQL_F_LOCAL;
	return true;
}

static const struct {
	const char *word;
	bool (*tell)(struct sql_head *h, struct sql_stmt *s);
} sets[] = {
	{ "time", tell_set_zone },
	{ "names", tell_set_names },
	{ "schema", tell_set_schema },
	{ "role", tell_set_role },
	{ "xml", tell_set_xml },
	{ "session", tell_set_session },
	{ "transaction", tell_set_nothing },
	{ "constraints", tell_set_nothing },
	{ "catalog", tell_set_nothing },
};

bool
sql_tell_set(struct sql_head *h, struct sql_stmt *s)
{
	struct sqllex_token t;

	s->kind = SQL_SET;
	t = head_peek(h);
	if (!is_assigned(h)) {
		if (head_take_word(h, "local"))
			s->flags |= SQL_F_LOCAL;
		else if (!sqllex_is_word(&t, "authorization") &&
		    !sqllex_is_word(&t, "characteristics"))
			(void)head_take_word(h, "session");
	}
	if (is_assigned(h))
		return tell_set_any(h, s);
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++)
		if (head_take_word(h, sets[i].word))
			return sets[i].tell(h, s);
	return false;
}

bool
sql_tell_reset(struct sql_head *h, struct sql_stmt *s)
{
	struct sqllex_token t = head_peek(h);

	s->kind = SQL_RESET;
	s->sub = SQL_ONE;
	if (t.type == SQLLEX_END && head_take_word(h, "all")) {
		s->sub = SQL_ALL;
	} else if (sqllex_is_word(&t, "zone") && head_take_word(h, "time")) {
		head_step(h);
		set_name(s, "timezone");
	} else if (sqllex_is_word(&t, "authorization") &&
	    head_take_word(h, "session")) {
		head_step(h);
		set_name(s, "session_authorization");
	} else if (sqllex_is_word(&t, "isolation") &&
	    head_take_word(h, "transaction")) {
		head_step(h);
		set_name(s, "transaction_isolation");
		s->flags |= SQL_F_LOCAL;
		return head_take_word(h, "level") && head_is_end(h);
	} else if (!take_setting(h, s)) {
		return false;
	}
	return head_is_end(h);
}

const char *
sql_setting(const struct sql_stmt *s, unsigned i)
{
	if ((s->kind != SQL_SET && s->kind != SQL_RESET) || s->sub == SQL_ALL)
		return NULL;
	if (s->tx_modes == 0) {
		if (i == 0)
			return s->name;
		return i == 1 && strcmp(s->name, "session_authorization") == 0
		    ? "role"
		    : NULL;
	}
	for (unsigned k = 0; k < sizeof(tx_modes) / sizeof(*tx_modes); k++)
		if ((s->tx_modes & 1u << k) != 0 && i-- == 0)
			return tx_modes[k];
	return NULL;
}
