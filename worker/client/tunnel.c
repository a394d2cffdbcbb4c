/*
 * tunnel.c - a client's way into TLS.
 *
 *   STARTUP -> TLS -> STARTUP       TLS -> gone
 *
 * Nothing that came ahead of the handshake is ever read as a message, and
 * nothing is told in plain text to a client that expects TLS.
 *
 * Data: this process's context, replaced when the settings are.  Never blocks.
 */
#include <stdio.h>

#include "conf/compat.h"
#include "shm/segment.h"
#include "worker/client/client.h"
#include "worker/io/stream.h"
#include "worker/self.h"

static struct tls_ctx *context; /* NULL: no TLS for clients */

void
tunnel_conf(void)
{
	struct err e;

	if (tls_ctx_renew(&context, TLS_CLIENTS, self.conf, seg->ticket_secret,
		&e) == TLS_REFUSED)
		log_error(NULL, "TLS for clients stays as it was: %s", e.log);
}

void
tunnel_fini(void)
{
	tls_ctx_unref(context);
	context = NULL;
}

bool
tunnel_is_offered(void)
{
	return context != NULL;
}

void
tunnel_show(const struct client *c)
{
	char text[TLS_DESCRIBE];
	struct clientrow_info i;

	if (c->tls == NULL || !clientrow_info_look(c->row, &i))
		return;
	tls_describe(c->tls, text, sizeof(text));
	compat_strlcpy(i.tls, text, sizeof(i.tls));
	clientrow_info_write(c->row, &i);
}

int
tunnel_start(struct client *c, bool is_direct)
{
	struct err e;

	/* from here on it could not read our own words */
	client_set_state(c, CLIENT_TLS);
	c->tls = tls_accept(context, c->watch.fd, is_direct, &e);
	if (c->tls == NULL) {
		client_close(c, &e);
		return -1;
	}
	c->watch.tells_drained = false;
	/* not at once: our caller still looks at what it has read */
	if (loop_want(&c->watch, tls_wants(c->tls)) == -1) {
		client_fail(c, "53200", "out of memory");
		return -1;
	}
	return 0;
}

void
tunnel_on_event(struct client *c)
{
	struct err e;

	switch (tls_run(c->tls, &e)) {
	case WAIT:
		if (loop_want(&c->watch, tls_wants(c->tls)) == -1)
			client_fail(c, "53200", "out of memory");
		return;
	case FAIL:
		client_close(c, &e); /* an alert has told it */
		return;
	case DONE:
		break;
	}
	tunnel_show(c);
	client_set_state(c, CLIENT_STARTUP);
	client_rewatch(c);
}
