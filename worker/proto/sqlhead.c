/* sqlhead.c - reading a statement token by token; see sql_impl.h. */
#include "worker/proto/sql_impl.h"

#include <string.h>

bool
sql_is_named(const struct sqllex_token *t, const char *name)
{
	size_t len = strlen(name);

	if (t->type == SQLLEX_QUOTED)
		return t->len == len + 2 && memcmp(t->p + 1, name, len) == 0;
	return sqllex_is_word(t, name);
}

void
sql_fold(char *s)
{
	for (; *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s + ('a' - 'A'));
}

void
head_step(struct sql_head *h)
{
	sqllex_next(&h->lex, &h->t);
}

struct sqllex_token
head_peek(const struct sql_head *h)
{
	struct sqllex l = h->lex;
	struct sqllex_token t;

	sqllex_next(&l, &t);
	return t;
}

bool
head_is_end(const struct sql_head *h)
{
	return h->t.type == SQLLEX_END;
}

bool
head_take_word(struct sql_head *h, const char *word)
{
	if (!sqllex_is_word(&h->t, word))
		return false;
	head_step(h);
	return true;
}

bool
head_take_self(struct sql_head *h, char c)
{
	if (!sqllex_is_self(&h->t, c))
		return false;
	head_step(h);
	return true;
}

/* A word that may be left out before a name; last of all it is the name. */
void
head_take_noise(struct sql_head *h, const char *word)
{
	if (head_peek(h).type != SQLLEX_END)
		(void)head_take_word(h, word);
}

bool
head_take_name(struct sql_head *h, struct sql_stmt *s)
{
	s->sub = s->sub == SQL_NONE ? SQL_ONE : s->sub;
	s->where.p = h->t.p;
	s->where.len = h->t.len;
	if (sqllex_name(&h->t, s->name) == -1)
		return false;
	head_step(h);
	return true;
}

/* From here to the end. */
struct sql_span
head_rest(const struct sql_head *h, const struct sql_stmt *s)
{
	struct sql_span r = { h->t.p, 0 };

	r.len = (size_t)(s->text.p + s->text.len - r.p);
	return r;
}

/* What stands in ( ), if that comes next; false: it does not end. */
bool
head_take_parens(struct sql_head *h, struct sql_span *inside)
{
	size_t depth = 1;

	if (!head_take_self(h, '('))
		return true;
	inside->p = h->t.p;
	inside->len = 0;
	for (; !head_is_end(h); head_step(h)) {
		if (sqllex_is_self(&h->t, '('))
			depth++;
		if (sqllex_is_self(&h->t, ')') && --depth == 0)
			break;
		inside->len = (size_t)(h->t.p + h->t.len - inside->p);
	}
	return head_take_self(h, ')');
}
