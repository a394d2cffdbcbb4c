/*
 * target.h - where a server is: one entry of a host list as an address.
 *
 * An entry is a name, an address, a directory (/dir: the Unix socket
 * /dir/.s.PGSQL.PORT), or @name (an abstract socket, Linux).  No entry at
 * all means the Unix socket in unix_socket_dir.
 *
 * Pure: names are looked up elsewhere (worker/ask.h).
 */
#ifndef WORKER_BACKEND_TARGET_H
#define WORKER_BACKEND_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/msg.h"
#include "shm/slot.h"

enum { TARGET_TEXT = 160 };

/* Is it a Unix socket?  Then *addr is filled; with len 0: the path is too
 * long for a socket. */
bool target_unix(const char *host, int port, const char *default_dir,
    struct slot_addr *addr);

/* Address `i` of an answer of the resolver. */
bool target_inet(
    const struct msg_addrs *a, uint32_t i, int port, struct slot_addr *addr);

/* "10.0.0.7:5432", "[::1]:5432", "unix:5432" (or "unknown"), for logs. */
void target_text(const struct slot_addr *addr, char out[TARGET_TEXT]);

/* The parts that SHOW wants: host text and port. */
void
target_parts(const struct slot_addr *addr, char *host, size_t size, int *port);

#endif
