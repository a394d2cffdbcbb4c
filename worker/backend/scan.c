#include "worker/backend/scan.h"

#include <errno.h>
#include <string.h>

#include "shm/pool.h"
#include "shm/stmts.h"
#include "worker/backend/lend.h"

enum {
	ERROR_HEAD = 1024,    /* of an ErrorResponse are looked at */
	TAG_HEAD = 24,        /* of a CommandComplete */
	PARAM_MAX = 8 * 1024, /* longest ParameterStatus that is believed */
	FAKE_LEN = 5,         /* of an answer that we give */
	ERROR_GROWS = 64,     /* by a name of the client's in it */
	GROW_MAX = 1024
};

/* What is passed on: [from, at), all of it seen and kept. */
struct edit {
	uint8_t *from, *at;
	size_t grown; /* by errors that got longer; at most GROW_MAX */
};

/* --- tags ------------------------------------------------------------------ */

static const struct tag {
	const char *text;
	uint32_t bit;
	bool is_whole; /* nothing may follow; else a word that begins so */
} tags[] = {
	{ "SET", SCAN_TAG_SET, true },
	{ "RESET", SCAN_TAG_RESET, true },
	{ "DISCARD ALL", SCAN_TAG_DISCARD | SCAN_TAG_ALL_GONE, true },
	{ "DISCARD ", SCAN_TAG_DISCARD, false },
	{ "DEALLOCATE ALL", SCAN_TAG_DEALLOCATE | SCAN_TAG_ALL_GONE, true },
	{ "DEALLOCATE", SCAN_TAG_DEALLOCATE, true },
	{ "DECLARE ", SCAN_TAG_DECLARE, false },
	{ "DROP ", SCAN_TAG_DROP, false },
	{ "DO", SCAN_TAG_DO, true },
	{ "PREPARE", SCAN_TAG_PREPARE, true },
	{ "LISTEN", SCAN_TAG_LISTEN, true },
	{ "LOAD", SCAN_TAG_LOAD, true },
	{ "UNLISTEN", SCAN_TAG_UNLISTEN, true },
	{ "CREATE ", SCAN_TAG_CREATE, false },
	{ "CALL", SCAN_TAG_CALL, true },
	{ "CLOSE ", SCAN_TAG_CLOSE, false },
	{ "ROLLBACK", SCAN_TAG_ROLLBACK, true },
	{ "ALTER ", SCAN_TAG_ALTER, false },
};

/* Is it one of the tags that nearly all commands have? */
static inline bool
is_usual(const uint8_t *tag, size_t have)
{
	if (have < 3)
		return false;
	switch (tag[0]) {
	case 'S':
		return tag[1] == 'E' && tag[2] == 'L';
	case 'U':
		return tag[1] == 'P';
	case 'D':
		return tag[1] == 'E' && tag[2] == 'L';
	case 'C':
		return tag[1] == 'O';
	case 'B':
	case 'F':
	case 'I':
		return true;
	default:
		return false;
	}
}

static uint32_t
tag_bits(const uint8_t *tag, size_t have)
{
	if (is_usual(tag, have))
		return 0;
	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
		size_t len = strlen(tags[i].text) + tags[i].is_whole;

		if (have >= len && memcmp(tag, tags[i].text, len) == 0)
			return tags[i].bit;
	}
	return 0;
}

/* --- what is passed on --------------------------------------------------------- */

/* The next `n` bytes are for us alone: close the gap. */
static void
cut(struct edit *e, size_t n)
{
	if (e->at > e->from)
		memmove(e->from + n, e->from, (size_t)(e->at - e->from));
	e->from += n;
	e->at += n;
}

static void
put_fake(uint8_t *p, uint8_t type)
{
	p[0] = type;
	frame_put32(p + 1, 4);
}

static void
tell_books(struct backend *b, enum books what, uint32_t n)
{
	while (b->user != NULL && n-- > 0)
		b->user->on_books(b->user, b, what);
}

/* The server has dropped all its statements, whoever asked for it. */
static void
lose_all(struct backend *b)
{
	struct stmts *s = stmts_of(b->slot, b->gen);

	if (s != NULL)
		stmts_gone(s);
	tell_books(b, BOOKS_GONE, 1);
}

/* The answers of ours whose turn has come. */
static void
put_due(struct backend *b, struct edit *e)
{
	uint8_t type;

	while ((type = track_due(&b->track)) != 0) {
		if (e->at > e->from)
			memmove(e->from - FAKE_LEN, e->from,
			    (size_t)(e->at - e->from));
		e->from -= FAKE_LEN;
		put_fake(e->at - FAKE_LEN, type);
		tell_books(b, BOOKS_DONE, 1);
	}
}

size_t
scan_due(struct backend *b, uint8_t *p)
{
	size_t n = 0;
	uint8_t type;

	while ((type = track_due(&b->track)) != 0) {
		put_fake(p + n, type);
		n += FAKE_LEN;
		tell_books(b, BOOKS_DONE, 1);
	}
	return n;
}

/* --- the walk -------------------------------------------------------------------- */

/*
 * How many bytes of this message must be in hand before it may be passed on;
 * 0: it is longer than any that a server sends.
 */
static size_t
needed(const struct frame *f)
{
	size_t whole = FRAME_HEAD + (size_t)f->body;

	switch (f->type) {
	case 'Z':
	case 'S':
		return whole <= PARAM_MAX ? whole : 0;
	case 'E':
		return whole < ERROR_HEAD ? whole : ERROR_HEAD;
	case 'C':
		return whole < TAG_HEAD ? whole : TAG_HEAD;
	default:
		return FRAME_HEAD;
	}
}

/*
 * A statement's time-out that fires just as the statement ends is told late:
 * to an idle connection, or in answer to the next query, whoever sent that.
 * Which of the two it was nobody can see, so what comes behind it may be one
 * answer too many: this backend serves its client to the end of its lease, and
 * nobody after that.
 */
static void
doubt_first(struct backend *b, const struct report *error)
{
	if (b->is_fresh && !b->was_cancelled &&
	    strcmp(error->sqlstate, "57014") == 0)
		atomic_fetch_or(&slot_at(b->slot)->flags, SLOT_DIRTY);
}

static void
note(struct backend *b, const struct frame *f, const uint8_t *body, size_t have,
    struct scan *out)
{
	const char *value;
	uint32_t bits;

	switch (f->type) {
	case 'C':
		if (b->track.is_own || (bits = tag_bits(body, have)) == 0)
			break;
		out->tags |= bits;
		b->has_altered |= (bits & SCAN_TAG_ALTER) != 0;
		if (bits & SCAN_TAG_ALL_GONE)
			lose_all(b);
		else if (bits & SCAN_TAG_PREPARE)
			tell_books(b, BOOKS_PREPARED, 1);
		else if (bits & SCAN_TAG_DEALLOCATE)
			tell_books(b, BOOKS_DEALLOCATED, 1);
		break;
	case 'Z':
		if (b->track.is_own)
			break;
		out->readies++;
		if (track_tx_status(&b->track) != 'I')
			break;
		out->idles++;
		if (b->has_altered)
			pool_plans_old(b->lend->row);
		b->has_altered = false;
		break;
	case 'S':
		if (backend_parameter(b, body, have, &value) != -1)
			out->has_params = true;
		break;
	case 'E':
		if (!out->has_error) {
			(void)report_parse(body, have, &out->error);
			doubt_first(b, &out->error);
		}
		out->has_error = true;
		out->has_own_failed |= b->track.has_failed;
		break;
	}
}

/*
 * An error of `len` bytes: in the words that its reader knows.  Returns how
 * many these are; 0: its reader shall not know.
 */
static size_t
reword(struct backend *b, struct edit *e, size_t len)
{
	uint8_t out[ERROR_HEAD + ERROR_GROWS];
	size_t n, room = GROW_MAX - e->grown, kept = (size_t)(e->at - e->from);
	struct lessee_error error = { e->at, len, kept == 0 };
	uint8_t *end = e->at + len;

	if (room > ERROR_GROWS)
		room = ERROR_GROWS;
	if (b->user == NULL || b->user->on_error == NULL)
		return len;
	n = b->user->on_error(b->user, &error, out, len + room);
	if (n == 0 || n == LESSEE_SILENT)
		return n == 0 ? len : 0;
	if (n > len)
		e->grown += n - len;
	if (kept > 0)
		memmove(end - n - kept, e->from, kept);
	e->at = end - n;
	e->from = e->at - kept;
	memcpy(e->at, out, n);
	return n;
}

/* The last of it has come: the server has done what was asked of it. */
static void
finish(struct backend *b)
{
	if (b->is_shape)
		b->shape = shape_end(&b->reader);
	tell_books(b, BOOKS_DONE, b->track.books_done);
}

/* A message has begun, of which `have` bytes of the body are here. */
static int
begin(struct backend *b, const struct frame *f, struct edit *e, size_t have,
    struct scan *out)
{
	const uint8_t *body = e->at + FRAME_HEAD;
	size_t passed = FRAME_HEAD + have;
	struct track *t = &b->track;

	if (track_server(t, f->type, body, have) != DONE)
		return -1;
	note(b, f, body, have, out);
	if (b->is_fresh && !t->is_own && f->type != 'N' && f->type != 'S' &&
	    f->type != 'A')
		b->is_fresh = false;
	if (f->type == 'E') {
		passed = reword(b, e, passed);
		shape_init(&b->reader);
	}
	b->remain = (uint32_t)(f->body - have);
	b->is_shape = t->is_shape;
	if (b->is_shape) {
		shape_begin(&b->reader, f->type);
		shape_feed(&b->reader, body, have);
	}
	if (t->books_done != 0 && (b->remain == 0 || !b->is_shape))
		finish(b);
	if (t->books_lost != 0)
		tell_books(b, BOOKS_LOST, t->books_lost);
	b->is_cut = t->is_own || passed == 0 || (f->type == 'A' && b->is_muted);
	if (b->is_cut)
		cut(e, FRAME_HEAD + have);
	else
		e->at += passed;
	return 0;
}

/* More of a message that had begun. */
static void
go_on(struct backend *b, struct edit *e, size_t left)
{
	size_t n = b->remain < left ? b->remain : left;

	b->remain -= (uint32_t)n;
	if (b->is_shape) {
		shape_feed(&b->reader, e->at, n);
		if (b->remain == 0 && b->track.books_done != 0)
			finish(b);
	}
	if (b->is_cut)
		cut(e, n);
	else
		e->at += n;
}

int
scan_run(struct backend *b, uint8_t *p, size_t len, struct scan *out)
{
	struct edit e = { .from = p, .at = p };
	uint8_t *end = p + len;

	memset(out, 0, offsetof(struct scan, error));
	out->is_inside = b->remain > 0 && !b->is_cut;
	while (e.at < end) {
		size_t left = (size_t)(end - e.at), need, whole;
		struct frame f;
		enum result r;

		if (b->remain > 0) {
			go_on(b, &e, left);
			continue;
		}
		if (b->track.fakes > 0)
			put_due(b, &e);
		r = frame_parse(e.at, left, FRAME_MAX, &f);
		need = r == DONE ? needed(&f) : 0;
		if (r == FAIL || (r == DONE && need == 0))
			return -1;
		if (r == WAIT || left < need) {
			if (backend_hold(b, e.at, left) == -1)
				return -1;
			break;
		}
		whole = FRAME_HEAD + (size_t)f.body;
		if (begin(b, &f, &e, (left < whole ? left : whole) - FRAME_HEAD,
			out) == -1)
			return -1;
	}
	if (b->remain == 0 && b->track.fakes > 0)
		put_due(b, &e);
	out->from = e.from;
	out->pass = (size_t)(e.at - e.from);
	return 0;
}

enum result
scan_recv(struct backend *b, struct scan *out, const char **why)
{
	uint8_t *p;
	size_t len;
	ssize_t n = backend_recv(b, &p, &len);
	int rc;

	if (n == -1 && buf_is_later(errno))
		return WAIT;
	if (n <= 0) {
		out->received = 0;
		*why = "server closed the connection unexpectedly";
		return FAIL;
	}
	rc = scan_run(b, p, len, out);
	out->received = (size_t)n;
	if (rc == 0)
		return DONE;
	*why = "server broke the protocol";
	return FAIL;
}

bool
scan_is_boundary(const struct backend *b)
{
	return b->remain == 0 && buf_len(&b->in) == 0 &&
	    track_is_clean(&b->track);
}
