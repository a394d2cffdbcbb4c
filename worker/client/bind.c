/* bind.c - what a client's Bind, Describe and Close become. */
#include <ctype.h>
#include <string.h>

#include "worker/client/prepare_impl.h"
#include "worker/client/session.h"
#include "worker/client/sqlprep.h"
#include "worker/client/upstream.h"

/*
 * The name that goes to the server for the client's.  DONE: *to; WAIT; FAIL.
 * One that the client does not have passes as it is: the server says that it
 * is not there.  Only names of the kind that backends have do not.
 */
static enum result
translate(struct client *c, const uint8_t *name, size_t len, const char **to)
{
	static char strange[NAMES_LEN + 1];
	struct prepare *p = c->prepare;
	struct name *e = names_find(&p->names, (const char *)name, len);

	if (prepare_is_uncertain(p, e))
		return WAIT;
	if (e != NULL && e->will != NULL) {
		*to = e->will->name;
		return supply(c, e->will);
	}
	*to = (const char *)name;
	if (strncmp(*to, STMT_PREFIX, sizeof(STMT_PREFIX) - 1) == 0) {
		len = len < NAMES_LEN ? len : NAMES_LEN;
		memcpy(strange, *to, len);
		strange[len] = '\0';
		strange[0] = (char)toupper((unsigned char)strange[0]);
		*to = strange;
	}
	return DONE;
}

/* The message, with `to` for the name of `len` bytes at `at`. */
static enum look
put_renamed(
    struct client *c, struct look_at *m, size_t at, size_t len, const char *to)
{
	uint8_t head[FRAME_HEAD] = { m->f.type };
	size_t to_len = strlen(to);

	frame_put32(head + 1, (uint32_t)(4 + m->f.body - len + to_len));
	upstream_put(c, head, sizeof(head));
	upstream_put(c, m->body, at);
	upstream_put(c, to, to_len + 1);
	return prepare_took(m, at + len + 1);
}

enum look
prepare_rename(
    struct client *c, struct look_at *m, size_t at, size_t len, const char *to)
{
	if (track_client(&c->backend->track, m->f.type) == -1)
		return prepare_refuse_failed(c, m);
	return put_renamed(c, m, at, len, to);
}

/* Does it begin what the server knows nothing of, outside a transaction?  What
 * the lease has begun with, our own messages, stands for itself. */
static bool
is_alone(const struct client *c, const struct look_at *m)
{
	const struct track *t = &c->backend->track;

	return m->f.type == 'B' && track_tx_status(t) == 'I' &&
	    (!c->has_sent || (t->queue.len == 0 && upstream_is_empty()));
}

/* The same of the statement without a name. */
static enum look
use_unnamed(struct client *c, struct look_at *m, size_t at)
{
	struct prepare *p = c->prepare;
	enum look look = LOOK_PASS;
	enum result r;

	session_bound_unnamed(c);
	if (p->text != NULL && p->is_text_sql) {
		if (p->unnamed_sent > 0 && p->unnamed_batch != p->set->batch)
			return prepare_stall(c);
		look = sqlprep_use(c, m, at, 0, p->text, p->text_len);
	}
	if (look != LOOK_PASS)
		return look;
	r = supply_unnamed(c);
	return r == DONE ? LOOK_PASS : prepare_not_done(c, m, r);
}

/* What its text does, in SQL and to the session, it does now. */
static enum look
use_known(struct client *c, struct look_at *m, size_t at, size_t len,
    const struct stmt *s)
{
	enum look look = LOOK_PASS;

	if (s->is_sql)
		look = sqlprep_use(c, m, at, len, s->body, s->len);
	if (look != LOOK_PASS || s->is_plain)
		return look;
	return session_bound(c, m, (const char *)s->body,
	    strnlen((const char *)s->body, s->len));
}

/* The backend has it, and calls it by another name. */
static enum look
use_named(struct client *c, struct look_at *m, size_t at, struct name *e)
{
	size_t len = strlen((const char *)m->body + at);
	enum look look;

	if (m->f.type == 'D')
		return told_describe(c, e) == -1
		    ? prepare_refuse_failed(c, m)
		    : put_renamed(c, m, at, len, e->will->name);
	look = told_bind(c, m, e);
	if (look != LOOK_PASS)
		return look;
	if (is_alone(c, m)) {
		c->prepare->keep_for = e->will;
		upstream_mark();
	}
	return prepare_rename(c, m, at, len, e->will->name);
}

/* A Bind or Describe, whose statement is named at `at`. */
static enum look
look_use(struct client *c, struct look_at *m, size_t at)
{
	struct prepare *p = c->prepare;
	ssize_t len = prepare_text_at(m, at);
	const char *to;
	struct name *e;
	enum look look;
	enum result r;

	if (len == -1)
		return prepare_torn(m);
	if (len == 0)
		return use_unnamed(c, m, at);
	e = names_find(&p->names, (const char *)m->body + at, (size_t)len);
	if (e != NULL && e->will != NULL && !prepare_is_uncertain(p, e)) {
		look = use_known(c, m, at, (size_t)len, e->will);
		if (look != LOOK_PASS)
			return look;
	}
	r = translate(c, m->body + at, (size_t)len, &to);
	if (r != DONE)
		return prepare_not_done(c, m, r);
	if (to == (const char *)m->body + at)
		return LOOK_PASS;
	if (e == NULL || e->will == NULL)
		return prepare_rename(c, m, at, (size_t)len, to);
	return use_named(c, m, at, e);
}

enum look
prepare_look_bind(struct client *c, struct look_at *m)
{
	ssize_t portal = prepare_text_at(m, 0);

	if (portal == -1)
		return prepare_torn(m);
	sqlprep_unbind(c->prepare, (const char *)m->body);
	return look_use(c, m, (size_t)portal + 1);
}

enum look
prepare_look_describe(struct client *c, struct look_at *m)
{
	return look_use(c, m, 1);
}

static enum look
close_fake(struct client *c, struct look_at *m, struct name *e)
{
	struct prepare *p = c->prepare;
	struct change change = { .kind = CHANGE_FORGET, .name = e };

	if (c->backend->track.fakes >= TRACK_FAKES)
		return prepare_stall(c);
	if (changes_push(&p->changes, change) == -1)
		return prepare_refuse(m, "53200", "out of memory");
	if (track_fake(&c->backend->track, '3') == -1) {
		changes_unpush(&p->changes);
		return prepare_refuse_failed(c, m);
	}
	names_will(e, NULL, p->set->batch);
	return prepare_took(m, m->f.body);
}

enum look
prepare_look_close(struct client *c, struct look_at *m)
{
	struct prepare *p = c->prepare;
	ssize_t len = prepare_text_at(m, 1);
	struct name *e;
	const char *to;

	if (len == -1 || m->have < m->f.body)
		return prepare_torn(m);
	if (len == 0) {
		prepare_forget_text(p);
		return LOOK_PASS;
	}
	e = names_find(&p->names, (const char *)m->body + 1, (size_t)len);
	if (prepare_is_uncertain(p, e))
		return prepare_stall(c);
	if (e != NULL && e->will != NULL)
		return close_fake(c, m, e);
	if (translate(c, m->body + 1, (size_t)len, &to) == DONE &&
	    to != (const char *)m->body + 1)
		return prepare_rename(c, m, 1, (size_t)len, to);
	return LOOK_PASS;
}
