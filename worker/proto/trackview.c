/* trackview.c - what the books say, to those who ask.  Changes nothing. */
#include "worker/proto/track.h"

static bool
is_at_rest(const struct track *t)
{
	return t->queue.len == 0 && t->status == 'I' && !t->open && !t->skip &&
	    !t->dying && t->copy == TRACK_COPY_NONE;
}

bool
track_is_clean(const struct track *t)
{
	return is_at_rest(t) && t->doubt == TRACK_SURE;
}

bool
track_is_spent(const struct track *t)
{
	return is_at_rest(t) && t->doubt == TRACK_DOUBT;
}

uint8_t
track_tx_status(const struct track *t)
{
	return t->status;
}

bool
track_is_copy_in(const struct track *t)
{
	return t->copy == TRACK_COPY_IN;
}

bool
track_is_copy_out(const struct track *t)
{
	return t->copy == TRACK_COPY_OUT;
}

bool
track_is_skipping(const struct track *t)
{
	return t->skip;
}

bool
track_is_sure(const struct track *t)
{
	return t->doubt == TRACK_SURE && t->copy == TRACK_COPY_NONE;
}

bool
track_is_dying(const struct track *t)
{
	return t->dying;
}

uint32_t
track_owes(const struct track *t)
{
	return t->owes;
}

bool
track_is_stray(const struct track *t, uint8_t type)
{
	return (type == 'd' || type == 'c' || type == 'f') &&
	    t->queue.len == 0 && t->doubt != TRACK_LOST;
}
