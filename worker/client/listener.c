/*
 * listener.c - the connection that listens, and its channels.
 *
 *   OFF -> QUEUED -> READY <-> ASKED       OFF: nobody listens, no backend
 *    ^       `--------`--------'           QUEUED: waits for one
 *    `-- all channels have gone            ASKED: LISTEN and UNLISTEN run
 *
 * A channel has ears, one for each client that listens or is about to.  What
 * the server has been told follows: one Query at a time, for all that changed.
 */
#include "worker/client/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/crash.h"
#include "shm/segment.h"
#include "worker/backend/scan.h"
#include "worker/client/channel.h"
#include "worker/client/client.h"
#include "worker/client/ear.h"
#include "worker/io/outer.h"
#include "worker/self.h"

enum {
	BATCH = 16 * 1024, /* bytes of LISTEN and UNLISTEN in one Query */
	/* the longest message that a listening server has for us: channel,
	   payload (8000 bytes), or an error */
	NOTE_MAX = 32 * 1024,
};

enum listener_state { OFF, QUEUED, READY, ASKED };

struct listener {
	struct lend *lend;
	struct waiter waiter;
	struct lessee lessee;
	struct backend *backend; /* in READY, ASKED */
	struct channel *first;
	struct deadline broken; /* it could not be sent to */
	struct buf in;          /* a message that is not complete */
	uint8_t state;          /* enum listener_state */
	bool has_failed;        /* in ASKED: the server has refused */
	uint32_t busy;  /* channels are being gone through: none may go */
	struct err err; /* why it was refused; or why there is no backend */
};

/* Those that nobody wants go. */
static void
sweep(struct listener *l)
{
	if (l->busy == 0) /* if not, it will be done then */
		channel_sweep(&l->first);
}

static void
resume_all(struct listener *l)
{
	for (struct channel *ch = l->first; ch != NULL; ch = ch->next)
		channel_resume(ch);
}

/* There is no backend for those who are new. */
static void
refuse(struct listener *l, const struct err *err)
{
	l->err = *err;
	l->busy++;
	for (struct channel *ch = l->first; ch != NULL; ch = ch->next)
		channel_turn(ch, EAR_NEW, EAR_REFUSED);
	resume_all(l);
	l->busy--;
	sweep(l);
}

/* --- the backend ----------------------------------------------------------- */

/* Nobody listens any more: it is like any other again. */
static void
give_back(struct listener *l)
{
	struct backend *b = l->backend;

	l->backend = NULL;
	l->state = OFF;
	buf_fini(&l->in);
	atomic_fetch_and(&slot_at(b->slot)->flags, ~(uint32_t)SLOT_LISTENS);
	CRASH_POINT("listen.over");
	backend_give(b);
}

/* What the server has been told differs from what is wanted: tell it. */
static void
ask(struct listener *l)
{
	uint8_t bytes[BATCH + 4 * CHANNEL_NAME];
	struct channel *ch;
	struct wire w;
	bool is_any = false;

	if (l->state != READY || l->busy > 0)
		return;
	wire_init(&w, bytes, sizeof(bytes));
	wire_begin(&w, 'Q');
	for (ch = l->first; ch != NULL && w.len < BATCH; ch = ch->next) {
		ch->asked = (uint8_t)channel_to_ask(ch);
		if (ch->asked == CHANNEL_QUIET)
			continue;
		channel_turn(ch, EAR_NEW, EAR_ASKED);
		channel_put(&w, ch);
		is_any = true;
	}
	wire_byte(&w, '\0');
	wire_end(&w);
	if (!is_any) {
		if (l->first == NULL)
			give_back(l);
		return;
	}
	l->state = ASKED;
	l->has_failed = false;
	if (track_client(&l->backend->track, 'Q') == -1 ||
	    backend_send(l->backend, bytes, w.len) == -1)
		deadline_set(&l->broken, loop_now_us);
}

/* Not from within ask(): that may be on behalf of a client in the middle of
 * its bytes, which would be closed with all the others. */
static void
on_broken(struct deadline *d)
{
	struct listener *l = OUTER_OF(d, struct listener, broken);

	if (l->backend != NULL)
		backend_close(l->backend, "write to server failed");
}

/* The answer to what was asked has come. */
static void
answered(struct listener *l)
{
	for (struct channel *ch = l->first; ch != NULL; ch = ch->next) {
		if (ch->asked != CHANNEL_QUIET && !l->has_failed)
			ch->is_heard = ch->asked == CHANNEL_LISTEN;
		channel_turn(
		    ch, EAR_ASKED, l->has_failed ? EAR_REFUSED : EAR_TUNED);
		ch->asked = CHANNEL_QUIET;
	}
	l->state = READY;
	resume_all(l);
}

/* --- what the server says -------------------------------------------------- */

static void
on_note(struct listener *l, const uint8_t *frame, size_t len)
{
	const uint8_t *name = frame + FRAME_HEAD + 4;
	size_t room = len - FRAME_HEAD;
	struct channel *ch;

	if (room < 5 || memchr(name, '\0', room - 4) == NULL)
		return; /* not what a server sends */
	ch = channel_find(l->first, (const char *)name);
	for (struct ear *e = ch == NULL ? NULL : ch->ears, *next; e != NULL;
	     e = next) {
		next = e->next;
		ear_tell(e, frame, len);
	}
}

static void
on_message(struct listener *l, const uint8_t *frame, size_t len)
{
	struct report r;

	switch (frame[0]) {
	case 'A':
		on_note(l, frame, len);
		break;
	case 'E':
		report_parse(frame + FRAME_HEAD, len - FRAME_HEAD, &r);
		err_set(&l->err, r.sqlstate[0] ? r.sqlstate : "08P01",
		    r.message, "listener: %s", r.message);
		l->has_failed = true;
		break;
	case 'Z':
		answered(l);
		break;
	}
}

/* Whole messages in l->in; false: no server sends such a one. */
static bool
read_messages(struct listener *l)
{
	struct frame f;

	for (;;) {
		const uint8_t *p = l->in.p + l->in.from;
		size_t have = buf_len(&l->in), whole;
		uint8_t message[NOTE_MAX];

		switch (frame_parse(p, have, NOTE_MAX - FRAME_HEAD, &f)) {
		case FAIL:
			return false;
		case WAIT:
			return true;
		case DONE:
			break;
		}
		whole = FRAME_HEAD + (size_t)f.body;
		if (have < whole)
			return true;
		/* the buffer may go with its last byte */
		memcpy(message, p, whole);
		l->in.from += (uint32_t)whole;
		if (buf_len(&l->in) == 0)
			buf_fini(&l->in);
		on_message(l, message, whole);
	}
}

static struct listener *
of_lessee(struct lessee *lessee)
{
	return OUTER_OF(lessee, struct listener, lessee);
}

/* NULL, or why the connection has to be closed. */
static const char *
receive(struct listener *l)
{
	struct scan sc;
	const char *why;

	switch (scan_recv(l->backend, &sc, &why)) {
	case WAIT:
		return NULL;
	case FAIL:
		return why;
	case DONE:
		break;
	}
	if (buf_put(&l->in, sc.from, sc.pass) == -1 || !read_messages(l))
		return "server broke the protocol";
	return NULL;
}

static void
on_readable(struct lessee *lessee, struct backend *b)
{
	struct listener *l = of_lessee(lessee);
	const char *why;

	l->busy++;
	why = receive(l);
	l->busy--;
	if (why != NULL) {
		backend_close(b, "%s", why);
		return;
	}
	sweep(l);
	ask(l);
}

static void
on_drained(struct lessee *lessee, struct backend *b)
{
	(void)lessee;
	(void)b;
}

/* What was said in between is lost; whoever listened has to know it. */
static void
on_gone(struct lessee *lessee, const struct err *gone)
{
	struct listener *l = of_lessee(lessee);
	struct err e;

	err_set(&e, "57P01", "the server connection that listened is lost",
	    "listening connection lost: %s", gone->log);
	l->backend = NULL;
	l->state = OFF;
	buf_fini(&l->in);
	deadline_clear(&l->broken);
	l->busy++;
	for (struct channel *ch = l->first; ch != NULL; ch = ch->next) {
		ch->is_heard = false;
		ch->asked = CHANNEL_QUIET;
		while (ch->ears != NULL)
			client_close(ch->ears->client, &e);
	}
	l->busy--;
	sweep(l);
}

static void
on_books(struct lessee *lessee, struct backend *b, enum books what)
{
	(void)lessee;
	(void)b;
	(void)what;
}

/* --- to get one ------------------------------------------------------------ */

/*
 * With all places of a pool listening nobody could work.  Two workers may
 * look at once: each has raised its flag before it looks.  `more` are to come.
 * -1: *e.
 */
static int
leave_room(const struct lend *lend, uint32_t more, struct err *e)
{
	uint32_t used = atomic_load(&seg->slots_used), n = more;

	for (uint32_t i = 0; i < used; i++) {
		const struct slot *s = slot_at(i);

		n += slot_state(slot_look(s)) == SLOT_ACTIVE &&
		    (atomic_load(&s->flags) & SLOT_LISTENS) != 0 &&
		    atomic_load(&s->pool) == lend->pool;
	}
	if (n < atomic_load(&lend->row->size))
		return 0;
	return err_set(e, "53300",
	    "no server connection of the pool is left to listen",
	    "LISTEN needs a larger pool");
}

/* -1: it may not listen; *e. */
static int
have(struct listener *l, struct backend *b, struct err *e)
{
	l->backend = b;
	l->state = READY;
	backend_lend(b, &l->lessee);
	/* Its flag alone tells what it is for: the slot is an ordinary one. */
	CRASH_POINT("listen.lent");
	atomic_fetch_or(&slot_at(b->slot)->flags, SLOT_LISTENS);
	CRASH_POINT("listen.begun");
	if (leave_room(l->lend, 0, e) == -1) {
		give_back(l);
		return -1;
	}
	ask(l);
	return 0;
}

static void
on_ready(struct waiter *w, struct backend *b)
{
	struct listener *l = OUTER_OF(w, struct listener, waiter);
	struct err e;

	if (have(l, b, &e) == -1)
		refuse(l, &e);
}

static void
on_error(struct waiter *w, const struct err *e)
{
	struct listener *l = OUTER_OF(w, struct listener, waiter);

	l->state = OFF;
	refuse(l, e);
}

static struct listener *
listener_of(struct lend *lend)
{
	struct listener *l = lend->listener;

	if (l != NULL)
		return l;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->lend = lend;
	deadline_init(&l->broken, on_broken);
	l->waiter.on_ready = on_ready;
	l->waiter.on_error = on_error;
	l->lessee.on_readable = on_readable;
	l->lessee.on_drained = on_drained;
	l->lessee.on_gone = on_gone;
	l->lessee.on_books = on_books;
	lend->listener = l;
	return l;
}

int
listener_begin(struct listener *l, struct err *e)
{
	struct backend *b;
	bool has_failed;

	if (l->state == READY)
		ask(l);
	if (l->state != OFF)
		return 0;
	/* who asks may hold what it would wait for */
	if (leave_room(l->lend, 1, e) == -1)
		return -1;
	b = lend_take(l->lend, &l->waiter, &has_failed, e);
	if (b == NULL && has_failed)
		return -1;
	l->state = QUEUED;
	return b == NULL ? 0 : have(l, b, e);
}

/* --- for ear.c ------------------------------------------------------------- */

struct channel *
listener_channel(struct lend *lend, const char *name)
{
	struct listener *l = listener_of(lend);
	struct channel *ch = l == NULL ? NULL : channel_find(l->first, name);

	if (ch != NULL || l == NULL)
		return ch;
	ch = channel_new(&l->first, name);
	if (ch != NULL)
		ch->listener = l;
	return ch;
}

/* Some of its ears have gone. */
void
listener_less(struct listener *l)
{
	sweep(l);
	if (l->state == QUEUED && l->first == NULL) {
		lend_forget(&l->waiter);
		l->state = OFF;
	}
	ask(l);
}

const struct err *
listener_refusal(const struct listener *l)
{
	return &l->err;
}

void
listener_fini(struct lend *lend)
{
	struct listener *l = lend->listener;

	if (l == NULL)
		return;
	lend_forget(&l->waiter);
	deadline_clear(&l->broken);
	buf_fini(&l->in);
	/* what the server still heard when the last client went */
	channel_fini(&l->first);
	free(l);
	lend->listener = NULL;
}
