/*
 * servertls.h - how this worker speaks TLS to servers.
 *
 * One context for all of them, as server_tls_* says; connections of an older
 * one live on.
 *
 * Data: this process's own.  Never blocks.
 */
#ifndef WORKER_BACKEND_SERVERTLS_H
#define WORKER_BACKEND_SERVERTLS_H

#include <stdbool.h>

#include "worker/io/tls.h"

/* The settings have changed, or are there for the first time. */
void servertls_conf(void);
void servertls_fini(void);

/* Are servers asked for TLS? */
bool servertls_is_on(void);
/* It begins at once, without an SSLRequest. */
bool servertls_is_direct(void);

/* A handshake on `fd` with the server `host`.  NULL: *e. */
struct tls *servertls_connect(int fd, const char *host, struct err *e);

#endif
