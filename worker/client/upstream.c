/* upstream.c - what goes from a client to its backend in this turn. */
#include "worker/client/upstream.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "worker/client/client.h"
#include "worker/client/prepare.h"

enum { STAGE = 64 * 1024 };

/* In order: the stage, then the client's own bytes that follow it. */
static uint8_t stage[STAGE];
static size_t staged;
static size_t marked; /* bytes of the stage in front of the client's batch */
static const uint8_t *raw;
static size_t nraw;
static bool has_failed;

static void
send_now(struct client *c, const void *p, size_t len)
{
	if (len > 0 && !has_failed)
		has_failed = backend_send(c->backend, p, len) == -1;
}

static void
send_stage(struct client *c)
{
	send_now(c, stage, staged);
	staged = marked = 0;
}

static void
put(struct client *c, const uint8_t *p, size_t len)
{
	if (len > sizeof(stage) - staged)
		send_stage(c);
	if (len > sizeof(stage)) {
		send_now(c, p, len);
		return;
	}
	memcpy(stage + staged, p, len);
	staged += len;
}

static void
put_raw(struct client *c)
{
	if (nraw > 0)
		put(c, raw, nraw);
	nraw = 0;
}

void
upstream_pass(struct client *c, const void *p, size_t len)
{
	if (nraw > 0 && raw + nraw == p) {
		nraw += len;
		return;
	}
	put_raw(c);
	raw = p;
	nraw = len;
}

void
upstream_put(struct client *c, const void *p, size_t len)
{
	put_raw(c);
	put(c, p, len);
}

void
upstream_mark(void)
{
	marked = staged;
}

bool
upstream_is_empty(void)
{
	return staged == 0 && nraw == 0;
}

int
upstream_flush(struct client *c)
{
	if (staged > 0) {
		put_raw(c);
		if (c->prepare != NULL)
			prepare_keep(c, stage + marked, staged - marked);
		send_stage(c);
	}
	send_now(c, raw, nraw);
	nraw = 0;
	if (!has_failed)
		return 0;
	has_failed = false;
	backend_close(c->backend, "write to server failed");
	return -1; /* on_gone has closed the client */
}
