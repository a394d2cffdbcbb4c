/*
 * traffic.c - bytes to and from a server, and what of them its slot keeps.
 *
 * Data: the backend's own, and its slot's, as the owner.  Never blocks.
 */
#include "worker/backend/backend.h"

#include <errno.h>
#include <string.h>

#include "worker/backend/params.h"
#include "worker/io/stream.h"
#include "worker/proto/field.h"
#include "worker/self.h"

int
backend_send(struct backend *b, const void *p, size_t len)
{
	ssize_t left = buf_send(&b->out, b->watch.fd, b->tls, p, len);

	if (left <= 0)
		return (int)left;
	return loop_want(&b->watch, b->watch.want | LOOP_WRITE);
}

void
backend_want_read(struct backend *b, bool want)
{
	unsigned w = b->watch.want & LOOP_WRITE;

	if (loop_want(&b->watch, want ? w | LOOP_READ : w) == -1)
		log_error(NULL, "event loop: %s", strerror(errno));
}

ssize_t
backend_recv(struct backend *b, uint8_t **p, size_t *len)
{
	size_t held = buf_len(&b->in), room = SELF_SCRATCH - SELF_HOLD;
	uint8_t *at = self.scratch + SELF_HOLD;
	ssize_t n;

	n = stream_recv(b->watch.fd, b->tls, at, room);
	if (n == -1 && buf_is_later(errno) && stream_wants(b->tls) & LOOP_WRITE)
		loop_want(&b->watch, b->watch.want | LOOP_WRITE);
	if (n <= 0)
		return n;
	if (b->tls == NULL && (size_t)n < room)
		loop_drained(&b->watch);
	if (held > 0) {
		memcpy(at - held, b->in.p + b->in.from, held);
		buf_fini(&b->in);
	}
	*p = at - held;
	*len = (size_t)n + held;
	return n;
}

int
backend_hold(struct backend *b, const uint8_t *p, size_t len)
{
	if (len > SELF_HOLD)
		return -1;
	return buf_put(&b->in, p, len);
}

/* --- what the slot keeps ------------------------------------------------- */

int
backend_parameter(
    struct backend *b, const uint8_t *body, size_t len, const char **value)
{
	struct field f;
	struct slot_info info;
	struct params_edit edit;
	const char *name;
	int i;

	field_init(&f, body, len);
	name = field_str(&f);
	*value = field_str(&f);
	if (f.bad || (i = params_find(name)) == -1)
		return -1;
	info = *backend_info(b);
	params_edit_copy(&edit, info.params, info.params_len);
	if (!params_edit_set(&edit, i, *value)) {
		/* it must not be lent with a set that tells a lie */
		atomic_fetch_or(&slot_at(b->slot)->flags, SLOT_DIRTY);
		return -1;
	}
	memcpy(info.params, edit.text, edit.len);
	info.params_len = edit.len;
	slot_info_write(b->slot, &info);
	return i;
}

void
backend_vars(struct backend *b, uint32_t len)
{
	struct slot_info info = *backend_info(b);

	if (info.vars_len == len)
		return;
	info.vars_len = len;
	slot_info_write(b->slot, &info);
}
