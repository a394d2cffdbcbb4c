#include "worker/client/interrupt.h"

#include <unistd.h>

#include "shm/cancelkey.h"
#include "shm/crash.h"
#include "worker/backend/cancel.h"
#include "worker/backend/scan.h"
#include "worker/self.h"

enum { WRONG_MAX = 100, SECOND_US = 1000000 }; /* wrong keys a second */

static uint64_t wrong_since_us;
static uint32_t wrong;

/* May one more key be looked at?  Guessing gets slow after a few. */
static bool
is_allowed(void)
{
	if (loop_now_us - wrong_since_us > SECOND_US) {
		wrong_since_us = loop_now_us;
		wrong = 0;
	}
	return wrong < WRONG_MAX;
}

void
interrupt_request(
    struct client *c, int32_t pid, const uint8_t *key, size_t key_len)
{
	struct msg m = { .type = MSG_CANCEL, .proc = (uint16_t)self.me };
	uint32_t row, gen;
	int fd;

	if (!is_allowed() ||
	    !cancelkey_find((uint32_t)pid, key, key_len, &row, &gen)) {
		wrong++;
		client_close(c, NULL);
		return;
	}
	fd = client_detach(c);
	CRASH_POINT("interrupt.detached");
	if (clientrow_worker(row) == self.me) {
		interrupt_deliver(row, gen, fd);
		return;
	}
	m.idx = row;
	m.gen = gen;
	if (self_send(&m, fd) == -1)
		log_warn(NULL, "a cancel request could not be passed on");
	close(fd);
}

void
interrupt_deliver(uint32_t row, uint32_t gen, int requester)
{
	struct client *c = client_at_row(row);

	if (c == NULL || atomic_load(&clientrow_at(row)->gen) != gen) {
		close(requester);
		return;
	}
	if (c->state == CLIENT_OWN ||
	    (c->state == CLIENT_LENT && !scan_is_boundary(c->backend))) {
		cancel_send(c->backend, requester);
		return;
	}
	close(requester);
	if (c->state == CLIENT_QUEUED)
		want_cancel(c);
}
