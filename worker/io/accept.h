/*
 * accept.h - take new clients from the listening sockets that all share.
 *
 * Every worker watches the same listeners, and whoever is woken accepts in
 * small batches, to EAGAIN.  That alone is not even: the kernel wakes whom it
 * likes, under light load always the same one.  So a worker that serves well
 * more clients than the least loaded one takes the listeners out of its loop,
 * and puts them back when that is over or nobody else is there.  Once a
 * second it tries them whatever the loads are: no client waits longer for a
 * worker that was stopped, or that died between its wake-up and its accept(2).
 *
 * Loads are the `clients` of shm/proc.h.  on_client() must have counted the
 * new client there when it returns, or the spread goes by stale figures.
 *
 * Out of descriptors or memory: the listeners rest for 100 ms at a time, told
 * in the log once a minute.  Never blocks.
 */
#ifndef WORKER_IO_ACCEPT_H
#define WORKER_IO_ACCEPT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "conf/err.h"

/*
 * `fd` is the callee's: non-blocking, close-on-exec.  `listener` is the index
 * in the fds of accept_open().
 */
typedef void accept_fn(int fd, const struct sockaddr_storage *addr,
    socklen_t len, uint32_t listener);

/*
 * Watch n non-blocking listening sockets as worker `me`.  They are this
 * module's from now on.  On -1 they still are the caller's.
 */
int accept_open(uint32_t me, const int *fds, uint32_t n, accept_fn *on_client,
    struct err *e);

/* Close the listeners; harmless without any. */
void accept_close(void);

/* Close those of TCP; a Unix socket stays, for the console. */
void accept_close_inet(void);

/* Take no clients for now, or take them again. */
void accept_pause(bool is_paused);

/* Compare loads, leave or rejoin.  Cheap: call it every turn. */
void accept_balance(void);

/*
 * Try all listeners at once, whatever the loads: after a repair, because an
 * exclusive wake-up dies with its worker.
 */
void accept_try(void);

/* Are the listeners in the loop?  For tests and for the log. */
bool accept_is_in(void);

#endif
