/*
 * sqlkind.c - a statement's kind by its first words; see sql.h.
 *
 * Each tell_*() goes by the grammar of its statement and returns false for
 * what does not fit it: the server will refuse that, or is newer than this
 * file, and so it is SQL_UNSURE.
 */
#include "worker/proto/sql_impl.h"

/* name or ALL, and nothing else */
static bool
take_one_or_all(struct sql_head *h, struct sql_stmt *s)
{
	if (head_take_word(h, "all"))
		s->sub = SQL_ALL;
	else if (!head_take_name(h, s))
		return false;
	return head_is_end(h);
}

/* --- transactions ---------------------------------------------------------- */

static bool
tell_begin(struct sql_head *h, struct sql_stmt *s)
{
	(void)h;
	s->kind = SQL_TX;
	s->sub = SQL_TX_BEGIN;
	return true;
}

static bool
tell_start(struct sql_head *h, struct sql_stmt *s)
{
	return sqllex_is_word(&h->t, "transaction") && tell_begin(h, s);
}

/* [AND [NO] CHAIN] */
static bool
take_chain(struct sql_head *h, struct sql_stmt *s)
{
	if (head_take_word(h, "and")) {
		if (!head_take_word(h, "no"))
			s->flags |= SQL_F_CHAIN;
		if (!head_take_word(h, "chain"))
			return false;
	}
	return head_is_end(h);
}

static bool
tell_commit(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_TX;
	s->sub = SQL_TX_COMMIT;
	if (head_take_word(h, "prepared")) {
		s->sub = SQL_TX_COMMIT_PREPARED;
		return true;
	}
	if (!head_take_word(h, "work"))
		(void)head_take_word(h, "transaction");
	return take_chain(h, s);
}

static bool
tell_rollback(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_TX;
	s->sub = SQL_TX_ROLLBACK;
	if (head_take_word(h, "prepared")) {
		s->sub = SQL_TX_ROLLBACK_PREPARED;
		return true;
	}
	if (!head_take_word(h, "work"))
		(void)head_take_word(h, "transaction");
	if (!head_take_word(h, "to"))
		return take_chain(h, s);
	s->sub = SQL_TX_ROLLBACK_TO;
	head_take_noise(h, "savepoint");
	return head_take_name(h, s) && head_is_end(h);
}

static bool
tell_savepoint(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_TX;
	s->sub = SQL_TX_SAVEPOINT;
	return head_take_name(h, s) && head_is_end(h);
}

static bool
tell_release(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_TX;
	s->sub = SQL_TX_RELEASE;
	head_take_noise(h, "savepoint");
	return head_take_name(h, s) && head_is_end(h);
}

/* --- everything else ------------------------------------------------------- */

static bool
tell_discard(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_DISCARD;
	if (head_take_word(h, "all"))
		s->sub = SQL_ALL;
	else if (head_take_word(h, "plans"))
		s->sub = SQL_PLANS;
	else if (head_take_word(h, "sequences"))
		s->sub = SQL_SEQUENCES;
	else if (head_take_word(h, "temp") || head_take_word(h, "temporary"))
		s->sub = SQL_TEMP;
	else
		return false;
	return head_is_end(h);
}

static bool
tell_prepare(struct sql_head *h, struct sql_stmt *s)
{
	struct sqllex_token t = head_peek(h);

	if (sqllex_is_string(&t) && head_take_word(h, "transaction")) {
		s->kind = SQL_TX;
		s->sub = SQL_TX_PREPARE;
		return true;
	}
	s->kind = SQL_PREPARE;
	if (!head_take_name(h, s) || !head_take_parens(h, &s->arg) ||
	    !head_take_word(h, "as"))
		return false;
	s->body = head_rest(h, s);
	return !head_is_end(h);
}

static bool
tell_execute(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_EXECUTE;
	return head_take_name(h, s) && head_take_parens(h, &s->arg);
}

static bool
tell_deallocate(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_DEALLOCATE;
	head_take_noise(h, "prepare");
	return take_one_or_all(h, s);
}

/* ... TABLE ... AS EXECUTE; an AS further on is one of a query's. */
static bool
tell_create(struct sql_head *h, struct sql_stmt *s)
{
	struct sql_span ignored;

	while (head_take_word(h, "global") || head_take_word(h, "local") ||
	    head_take_word(h, "temp") || head_take_word(h, "temporary") ||
	    head_take_word(h, "unlogged"))
		continue;
	if (!head_take_word(h, "table"))
		return true;
	while (!head_is_end(h) && !sqllex_is_word(&h->t, "as")) {
		if (!sqllex_is_self(&h->t, '('))
			head_step(h);
		else if (!head_take_parens(h, &ignored))
			return false;
	}
	head_step(h);
	return !head_take_word(h, "execute") || tell_execute(h, s);
}

static bool
tell_explain(struct sql_head *h, struct sql_stmt *s)
{
	struct sql_span ignored;

	if (!head_take_parens(h, &ignored))
		return false;
	while (head_take_word(h, "analyze") || head_take_word(h, "analyse") ||
	    head_take_word(h, "verbose"))
		continue;
	if (head_take_word(h, "execute"))
		return tell_execute(h, s);
	return !head_take_word(h, "create") || tell_create(h, s);
}

static bool
tell_listen(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_LISTEN;
	return head_take_name(h, s) && head_is_end(h);
}

static bool
tell_unlisten(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_UNLISTEN;
	if (head_take_self(h, '*'))
		s->sub = SQL_ALL;
	else if (!head_take_name(h, s))
		return false;
	return head_is_end(h);
}

static bool
tell_notify(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_NOTIFY;
	if (!head_take_name(h, s))
		return false;
	if (head_take_self(h, ',')) {
		s->arg = head_rest(h, s);
		if (!sqllex_is_string(&h->t))
			return false;
		head_step(h);
	}
	return head_is_end(h);
}

/* name [options] CURSOR [WITH HOLD | WITHOUT HOLD] FOR ... */
static bool
tell_declare(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_DECLARE;
	if (!head_take_name(h, s))
		return false;
	for (; !head_is_end(h) && !sqllex_is_word(&h->t, "for"); head_step(h)) {
		struct sqllex_token t = head_peek(h);

		if (sqllex_is_word(&h->t, "with") && sqllex_is_word(&t, "hold"))
			s->flags |= SQL_F_HOLD;
	}
	return !head_is_end(h);
}

static bool
tell_close(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_CLOSE;
	return take_one_or_all(h, s);
}

static bool
tell_load(struct sql_head *h, struct sql_stmt *s)
{
	s->kind = SQL_LOAD;
	return sqllex_is_string(&h->t);
}

static bool
tell_do(struct sql_head *h, struct sql_stmt *s)
{
	(void)h;
	s->kind = SQL_DO;
	return true;
}

static bool
tell_call(struct sql_head *h, struct sql_stmt *s)
{
	(void)h;
	s->kind = SQL_CALL;
	return true;
}

/* Any other word is SQL_PLAIN. */
static const struct {
	const char *word;
	bool (*tell)(struct sql_head *h, struct sql_stmt *s);
} kinds[] = {
	{ "begin", tell_begin },
	{ "start", tell_start },
	{ "commit", tell_commit },
	{ "end", tell_commit },
	{ "rollback", tell_rollback },
	{ "abort", tell_rollback },
	{ "savepoint", tell_savepoint },
	{ "release", tell_release },
	{ "set", sql_tell_set },
	{ "reset", sql_tell_reset },
	{ "discard", tell_discard },
	{ "prepare", tell_prepare },
	{ "execute", tell_execute },
	{ "deallocate", tell_deallocate },
	{ "create", tell_create },
	{ "explain", tell_explain },
	{ "listen", tell_listen },
	{ "unlisten", tell_unlisten },
	{ "notify", tell_notify },
	{ "declare", tell_declare },
	{ "close", tell_close },
	{ "load", tell_load },
	{ "do", tell_do },
	{ "call", tell_call },
};

/* Nothing is left of what was told before it failed. */
static void
give_up(struct sql_stmt *s)
{
	static const struct sql_span none;

	s->kind = SQL_UNSURE;
	s->sub = SQL_NONE;
	s->where = s->arg = s->body = none;
	s->name[0] = '\0';
	s->tx_modes = 0;
}

void
sql_kind_tell(struct sql_stmt *s, unsigned lex_flags)
{
	struct sql_head h;

	sqllex_init(&h.lex, s->text.p, s->text.len, lex_flags);
	head_step(&h);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!head_take_word(&h, kinds[i].word))
			continue;
		if (!kinds[i].tell(&h, s))
			give_up(s);
		return;
	}
}
