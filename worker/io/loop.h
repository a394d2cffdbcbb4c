/*
 * loop.h - wait for events, call on_*, free at the turn's end.
 *
 * One loop a process, over epoll, kqueue or poll (the file that GNUmakefile
 * chooses).  Level-triggered: a callback takes what it wants and is called
 * again while there is more.  A `struct watch` is embedded in whatever owns
 * the descriptor; the loop never allocates for it.
 *
 * To find out whether there is more, the mechanism looks at each descriptor
 * once again behind its callback.  Whoever knows that there is not can spare
 * it that: with `tells_drained` set, a callback that has read the last byte
 * says loop_drained(), and is called when new ones come.  Whatever else than
 * bytes is to be told (an end of file, a hang-up, room to write) comes as ever.
 *
 * Freeing: a callback may end any session, its own too.  Its watch is removed
 * at once (no callback comes after loop_remove(), not even for events that
 * were already fetched), and its memory goes to loop_defer(), which frees it
 * when the turn ends.
 *
 * Order in a turn: events; then deadlines that have passed; then the turn
 * hook (queues, grants: it may ask for another turn without waiting); then
 * deferred frees.
 */
#ifndef WORKER_IO_LOOP_H
#define WORKER_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/err.h"

enum {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
	LOOP_HANGUP = 4, /* error or hang-up; always reported */
	/* For sockets that several processes watch: an event need not wake
	 * all.  Counts when the watch is added; a mechanism may ignore it. */
	LOOP_EXCLUSIVE = 8,
};

struct watch {
	int fd;        /* -1: none; owned by whoever embeds it */
	uint8_t want;  /* LOOP_READ | LOOP_WRITE | ... as registered */
	bool is_added; /* the kernel has it */
	/* The owner's: its callback may say loop_drained(). */
	bool tells_drained;
	bool is_edge;    /* registered so; the mechanism's own */
	bool is_armed;   /* what comes next will be reported; its own, too */
	uint32_t serial; /* the loop's own; tells stale events */
	void (*on_event)(struct watch *w, unsigned events);
};

/* The monotonic time of this turn; refreshed once a turn, after the wait. */
extern uint64_t loop_now_us;

int loop_open(struct err *e);
void loop_close(void);

/* Set fd and callback; not yet in the loop. */
void watch_init(struct watch *w, int fd,
    void (*on_event)(struct watch *w, unsigned events));

/*
 * Register or change interest; 0 removes nothing but asks for no events
 * (hang-ups still come).  -1: the kernel refused (errno).  No system call
 * when nothing changes.
 */
int loop_want(struct watch *w, unsigned want);

/* Out of the loop; the descriptor stays open.  Harmless when not in it. */
void loop_remove(struct watch *w);

/*
 * In a callback, of its own watch: there is no byte left to read.  On a stream
 * a read of fewer bytes than there was room for shows that (epoll(7)); where
 * TLS keeps some back, nothing does.
 */
static inline void
loop_drained(struct watch *w)
{
	w->is_armed = true;
}

/* Call free_fn(p) when this turn ends. */
void loop_defer(void *p, void (*free_fn)(void *));

/*
 * before_wait() is called each turn and returns the longest wait in ms that it
 * can accept (-1: any, 0: do not sleep).  Who is woken by others publishes there
 * that it will sleep, and then looks once more for what to do; after_wait() is
 * where it takes that back.
 */
void loop_hooks(int (*before_wait)(void), void (*after_wait)(void));

/* Run until loop_stop(). */
void loop_run(void);
void loop_stop(void);

/* Which one is this: "epoll", "kqueue" or "poll". */
const char *loop_name(void);

#endif
