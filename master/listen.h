/*
 * listen.h - open and hand on the listening sockets.
 *
 * Opened once, before privileges are dropped, shared by all workers through
 * fork(2), and kept here for replacements.  A Unix socket's file is left
 * behind by a process that was killed: it is taken away only when nobody
 * answers on it.
 *
 * Written by the supervisor.  listen_open() may ask the resolver of the
 * system for names in listen_addr: at start only.
 */
#ifndef MASTER_LISTEN_H
#define MASTER_LISTEN_H

#include <sys/types.h>
#include <sys/socket.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "conf/err.h"

enum { LISTEN_MAX = 64 };

struct listen_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

/*
 * The addresses that `list` names ("*" is every address of both families;
 * names are looked up), each once.  -1: one of them means nothing, or they
 * are more than `max`.
 */
int listen_parse(const char *list, int port, struct listen_addr *out,
    size_t max, size_t *count, struct err *e);

/*
 * Open what `c` asks for.  Unix sockets belong to `owner`
 * ((uid_t)-1: as they are).  -1: one of them cannot be had, or there is
 * nothing to listen on; all is closed again.  An address that this machine
 * does not have is passed over, unless there is no other.
 */
int listen_open(const struct conf *c, uid_t owner, struct err *e);

/* Say where we listen: apart, since the sockets come before the log. */
void listen_log(void);

/* The open sockets; the array is this module's. */
int *listen_fds(uint32_t *count);

/*
 * Take no more connections over TCP, in no process: where the system can do
 * that (shutdown(2)), at once; elsewhere when the workers have closed theirs
 * too.  Unix sockets stay, for the console.
 */
void listen_stop(void);

/* In a child that accepts nothing: close all. */
void listen_child(void);

/* Close all, and take the Unix sockets' files away. */
void listen_close(void);

#endif
