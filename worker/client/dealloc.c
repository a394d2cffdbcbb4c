/*
 * dealloc.c - DEALLOCATE, in SQL, of a statement prepared by the protocol.
 *
 * Names live in one space, so drivers do that.  The name is ours to forget;
 * the server is told to drop one that was made for it, so that its answer is
 * what the client expects, and other clients' statement stays.
 */
#include <string.h>
#include <strings.h>

#include "worker/client/prepare_impl.h"
#include "worker/client/upstream.h"
#include "worker/proto/sql.h"

#define NOTHING STMT_PREFIX "nothing"

/* Does it begin so?  Nearly no text does. */
static bool
is_candidate(const char *sql, size_t len)
{
	static const char word[] = "deallocate";

	while (len > 0 && strchr(" \t\r\n", *sql) != NULL && *sql != '\0') {
		sql++;
		len--;
	}
	return len >= sizeof(word) &&
	    strncasecmp(sql, word, sizeof(word) - 1) == 0;
}

/* The only statement of a text, which drops `out->name`? */
static bool
read_text(const char *sql, size_t len, struct sql_stmt *out)
{
	static struct sql_stmt more;
	struct sql_walk w;

	sql_walk_init(&w, sql, len, 0);
	return sql_next(&w, out) && out->kind == SQL_DEALLOCATE &&
	    out->sub == SQL_ONE && out->where.p != NULL && !sql_next(&w, &more);
}

/* Its message, with another name in it. */
static void
put(struct client *c, const struct look_at *m, const struct sql_span *where)
{
	uint8_t head[FRAME_HEAD] = { m->f.type };
	size_t before = (size_t)((const uint8_t *)where->p - m->body);
	size_t after = m->f.body - before - where->len;

	frame_put32(head + 1, (uint32_t)(4 + before + strlen(NOTHING) + after));
	upstream_put(c, head, sizeof(head));
	upstream_put(c, m->body, before);
	upstream_put(c, NOTHING, strlen(NOTHING));
	upstream_put(c, where->p + where->len, after);
}

static bool
enter(struct client *c, uint8_t type)
{
	struct prepare *p = c->prepare;
	struct change e = { .kind = CHANGE_UNNAMED, .entry = p->unnamed_round };

	if (type == 'Q')
		return track_client(&c->backend->track, 'Q') == 0;
	prepare_forget_text(p);
	if (changes_push(&p->changes, e) == -1)
		return false;
	p->unnamed_sent++;
	p->unnamed_batch = p->set->batch;
	return track_parse(&c->backend->track) == 0;
}

enum look
prepare_look_text(struct client *c, struct look_at *m)
{
	/* a Parse without a name; who names it may keep what he asked for */
	size_t skip = m->f.type == 'P';
	const char *sql = (const char *)m->body + skip;
	const struct track *t = &c->backend->track;
	static struct sql_stmt s;
	const char *end;
	struct name *e;

	if (m->have < m->f.body || m->have <= skip ||
	    (skip && m->body[0] != '\0') || !is_candidate(sql, m->have - skip))
		return LOOK_PASS;
	end = memchr(sql, '\0', m->have - skip);
	if (end == NULL || names_count(&c->prepare->names) == 0 ||
	    track_is_skipping(t) || !track_is_sure(t) ||
	    !read_text(sql, (size_t)(end - sql), &s))
		return LOOK_PASS;
	/* what it answers must be known beforehand */
	if (t->queue.len > 0)
		return prepare_stall(c);
	e = names_find(&c->prepare->names, s.name, strlen(s.name));
	if (e == NULL || e->is == NULL || track_tx_status(t) == 'E')
		return LOOK_PASS;
	prepare_look_at_pool(c);
	if (!supply_dummy(c, NOTHING) || !enter(c, m->f.type))
		return prepare_refuse_failed(c, m);
	(void)prepare_forget(c, e->text);
	put(c, m, &s.where);
	if (m->f.type == 'Q')
		prepare_turn(c, m);
	return prepare_took(m, m->f.body);
}
