/*
 * rerun.c - a batch that failed only because a backend's statement was stale.
 *
 * "cached plan must not change result type", or a statement that somebody has
 * dropped behind our back: the client has done nothing wrong, and on a
 * connection of its own the second would not have happened.  So the batch is
 * run again, on the statement parsed anew, and the client sees only that.
 *
 * That is safe for one batch at a time: begun with the server idle and outside
 * a transaction, one Bind to begin with and one Sync to end with, refused
 * before anything of it was answered.  A failed Bind skips the rest, so nothing
 * has been run.  Its bytes, as they were sent, are kept until the first answer.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/client/prepare_impl.h"
#include "worker/client/upstream.h"

enum {
	KEEP_SMALL = 1024,    /* blocks that are used again and again */
	KEEP_MAX = 16 * 1024, /* longest batch that is kept */
	KEEP_SPARE = 64       /* blocks that wait to be used */
};

struct kept {
	struct kept *next; /* spare */
	struct stmt *stmt; /* with a reference */
	size_t len;
	uint8_t bytes[];
};

static struct kept *spare;
static uint32_t nspare;

static struct kept *
take_block(size_t len)
{
	struct kept *k = spare;

	if (len > KEEP_SMALL)
		return malloc(sizeof(*k) + len);
	if (k == NULL)
		return malloc(sizeof(*k) + KEEP_SMALL);
	spare = k->next;
	nspare--;
	return k;
}

void
prepare_drop_kept(struct prepare *p)
{
	struct kept *k = p->kept;

	p->kept = NULL;
	stmt_drop(k->stmt);
	if (k->len > KEEP_SMALL || nspare >= KEEP_SPARE) {
		free(k);
		return;
	}
	k->next = spare;
	spare = k;
	nspare++;
}

void
prepare_fini(void)
{
	struct kept *k;

	while ((k = spare) != NULL) {
		spare = k->next;
		free(k);
	}
	nspare = 0;
}

/* A Bind, and no more than what belongs to it, up to one Sync. */
static bool
is_batch(const uint8_t *p, size_t len)
{
	struct frame f = { 0 };

	while (len > 0) {
		if (f.type == 'S' ||
		    frame_parse(p, len, KEEP_MAX, &f) != DONE || f.type == 0 ||
		    strchr("BDES", f.type) == NULL || len - FRAME_HEAD < f.body)
			return false;
		p += FRAME_HEAD + f.body;
		len -= FRAME_HEAD + f.body;
	}
	return f.type == 'S';
}

void
prepare_keep(struct client *c, const uint8_t *bytes, size_t len)
{
	struct prepare *p = c->prepare;
	struct stmt *s = p->keep_for;

	p->keep_for = NULL;
	if (s == NULL || len > KEEP_MAX || !is_batch(bytes, len) ||
	    (p->kept = take_block(len)) == NULL)
		return;
	stmt_hold(s);
	p->kept->stmt = s;
	p->kept->len = len;
	memcpy(p->kept->bytes, bytes, len);
}

/* Does the client ask in it what the rows are like? */
static bool
is_described(const struct kept *k)
{
	const uint8_t *at = k->bytes;
	size_t left = k->len;
	struct frame f;

	while (left > 0 && frame_parse(at, left, KEEP_MAX, &f) == DONE) {
		if (f.type == 'D' && f.body > 0 && at[FRAME_HEAD] == 'P')
			return true;
		at += FRAME_HEAD + f.body;
		left -= FRAME_HEAD + f.body;
	}
	return false;
}

bool
prepare_may_rerun(struct client *c, bool is_first, bool is_stale)
{
	struct prepare *p = c->prepare;
	const struct track *t = &c->backend->track;

	if (p->kept == NULL || !is_first || c->backend->remain > 0 ||
	    track_owes(t) != 1 || t->queue.len != 1 ||
	    (is_stale && !is_described(p->kept)))
		return false;
	p->held |= HELD_RERUN;
	/* what the client sends now comes after it */
	p->is_waiting = true;
	c->is_asking = true;
	return true;
}

/* Enter the messages of the batch once more. */
static bool
enter_again(struct client *c, const struct kept *k)
{
	const uint8_t *at = k->bytes;
	size_t left = k->len;
	struct frame f;

	while (left > 0 && frame_parse(at, left, KEEP_MAX, &f) == DONE) {
		if (track_client(&c->backend->track, f.type) == -1)
			return false;
		at += FRAME_HEAD + f.body;
		left -= FRAME_HEAD + f.body;
	}
	return true;
}

void
prepare_rerun(struct client *c)
{
	struct prepare *p = c->prepare;
	bool ok;

	p->held &= (uint8_t)~HELD_RERUN;
	prepare_look_at_pool(c);
	ok = supply(c, p->kept->stmt) == DONE && enter_again(c, p->kept);
	if (ok)
		upstream_put(c, p->kept->bytes, p->kept->len);
	prepare_drop_kept(p);
	p->is_new_batch = true;
	if (upstream_flush(c) == 0 && !ok)
		client_fail(c, "54000", "too many requests are outstanding");
}
