/* track.c - what is sent to a server: the tokens that it has to answer. */
#include "worker/proto/track.h"

#include <string.h>

#include "worker/proto/track_impl.h"

void
track_init(struct track *t, uint8_t status)
{
	memset(t, 0, sizeof(*t));
	tokens_init(&t->queue);
	t->status = status;
}

void
track_fini(struct track *t)
{
	tokens_clear(&t->queue);
	t->owes = t->fakes = 0;
}

void
track_lose(struct track *t)
{
	t->books_lost += tokens_count(&t->queue, BOOKED, UINT32_MAX);
	tokens_clear(&t->queue);
	t->owes = t->fakes = 0;
	t->doubt = TRACK_LOST;
	t->copy = TRACK_COPY_NONE;
	t->early = t->extra = 0;
}

static int
push(struct track *t, enum token k)
{
	if (tokens_push(&t->queue, k) == -1)
		return -1;
	t->owes += token_wants_ready(k);
	t->fakes += token_is_in(k, FAKES);
	return 0;
}

/* The token of a client's message; -1 if no client may send it. */
static int
token_of(uint8_t type)
{
	switch (type) {
	case 'Q':
		return QUERY;
	case 'F':
		return CALL;
	case 'S':
		return SYNC;
	case 'E':
		return EXEC;
	case 'P':
	case 'B':
	case 'D':
	case 'C':
		return STEP;
	case 'c':
	case 'f':
		return END;
	case 'd':
	case 'H':
	case 'X':
		return NOTHING;
	default:
		return -1;
	}
}

/* Queue it; the server will come to it in its turn. */
static int
enqueue(struct track *t, enum token k)
{
	if (t->doubt == TRACK_DOUBT && k != END && t->owes > 0) {
		track_lose(t);
		return 0;
	}
	if (push(t, k) == -1)
		return -1;
	if (k == END)
		return 0;
	t->open = token_is_in(k, STEPS | EXECS | FAKES);
	t->late = t->late || (t->doubt == TRACK_DOUBT && !t->skip);
	return 0;
}

/* The server reads it in copy-in, or has failed by then. */
static int
client_in_copy(struct track *t, enum token k)
{
	if (k == SYNC) {
		t->early++;
		return 0;
	}
	if (k == END) {
		t->copy = TRACK_COPY_ENDING;
		return 0;
	}
	if (enqueue(t, k) == -1)
		return -1;
	if (t->doubt != TRACK_LOST)
		t->copy = TRACK_COPY_BROKEN;
	return 0;
}

/* The client sends what makes the token `k`. */
static int
client(struct track *t, enum token k)
{
	if (k == NOTHING || t->doubt == TRACK_LOST)
		return 0;
	if (t->copy == TRACK_COPY_IN)
		return client_in_copy(t, k);
	if (k == END && t->queue.len == 0)
		return 0;
	if (!t->skip)
		return enqueue(t, k);
	if (k != SYNC) {
		/* was it skipped, or had an early Sync ended that already? */
		if (t->doubt == TRACK_DOUBT)
			track_lose(t);
		return 0;
	}
	if (enqueue(t, SYNC) == -1)
		return -1;
	t->skip = false;
	return 0;
}

int
track_client(struct track *t, uint8_t type)
{
	int k = token_of(type);

	if (k == -1)
		return -1;
	if (type == 'X')
		t->dying = true;
	return client(t, (enum token)k);
}

int
track_parse(struct track *t)
{
	return client(t, PARSE);
}

int
track_describe(struct track *t)
{
	return client(t, DESCRIBE);
}

int
track_own(struct track *t, uint8_t type)
{
	enum token k = type == 'P' ? OWN_PARSE
	    : type == 'C'          ? OWN_CLOSE
	    : type == 'E'          ? OWN_EXEC
	    : type == 'S'          ? OWN_SYNC
	    : type == 'a'          ? OWN_ASK
	    : type == 'D'          ? OWN_DESCRIBE
				   : OWN_STEP;

	if (!track_is_sure(t) || t->skip || t->dying)
		return -1;
	return enqueue(t, k);
}

int
track_fake(struct track *t, uint8_t answer)
{
	if (!track_is_sure(t) || t->skip || t->fakes >= TRACK_FAKES)
		return -1;
	return enqueue(t, answer == '1' ? FAKE_PARSE : FAKE_CLOSE);
}

uint8_t
track_due(struct track *t)
{
	enum token k = track_front(t);

	if (!token_is_in(k, FAKES))
		return 0;
	track_advance(t);
	return k == FAKE_PARSE ? '1' : '3';
}
