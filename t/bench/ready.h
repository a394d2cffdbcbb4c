/*
 * ready.h - which of many sockets can be read or written right now.
 *
 * One set for the whole program, level-triggered: epoll on Linux
 * (ready_linux.c), poll elsewhere (ready_bsd.c).  An event is a hint: its
 * socket may have been closed, or its number used again, since it was fetched,
 * so every read and write must be non-blocking.
 *
 * Written by the program's one thread.  Only ready_wait() blocks.
 */
#ifndef BENCH_READY_H
#define BENCH_READY_H

#include <stdbool.h>
#include <stdint.h>

struct ready_event {
	uint32_t tag; /* what ready_want() was given */
	bool in;      /* can be read, or has ended or failed */
	bool out;     /* can be written, or has failed */
};

/* Make the set, for descriptors below `max_fd`.  -1 with errno. */
int ready_open(int max_fd);

/*
 * Watch `fd`, or watch it for something else; costs nothing if nothing
 * changes.  -1 with errno.
 */
int ready_want(int fd, bool in, bool out, uint32_t tag);

/* Forget `fd`; call it before close(2). */
void ready_drop(int fd);

/*
 * Fetch up to `max` events, waiting at most `timeout_ms` (-1: for ever).
 * Their number; 0 also when a signal came.  -1 with errno.
 */
int ready_wait(struct ready_event *events, int max, int timeout_ms);

#endif
