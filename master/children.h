/*
 * children.h - fork, reap, repair, restart after a growing pause.
 *
 * A process number outlives the process that bears it.  Only waitpid(2)
 * proves a death; then, in this order: the dead one's channel is read to its
 * end, the segment is repaired (again at the next turn while a lock is busy),
 * what it left half done goes to heirs, and only then is the replacement
 * forked.
 *
 * Written by the supervisor alone, in which all of this runs.  Never blocks.
 */
#ifndef MASTER_CHILDREN_H
#define MASTER_CHILDREN_H

#include <sys/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/err.h"
#include "shm/chan.h"
#include "shm/proc.h"
#include "worker/child.h"

/* A kind of process, by enum proc_kind; main NULL: not part of this build. */
struct child_kind {
	const char *name;
	int (*main)(struct child_start *start);
};

struct children_hooks {
	/* One message of child `n`; `fd` (or -1) is the callee's. */
	void (*on_message)(uint32_t n, const struct msg *m, int fd);
	/* Fill in configuration and listeners for a child of that kind. */
	void (*on_birth)(struct child_start *start, enum proc_kind kind);
	/* In the child: close what is the supervisor's. */
	void (*in_child)(enum proc_kind kind);
};

/* For seg->nprocs numbers; `kinds` has one row per enum proc_kind. */
int children_init(const struct child_kind *kinds,
    const struct children_hooks *hooks, struct err *e);
void children_fini(void);

/* Fork whatever is due; not while stopping. */
void children_start(uint64_t now_ms);

/* Reap the dead and mend after them. */
void children_reap(uint64_t now_ms);

/*
 * Once a second: kill those without a sign of life for `stuck_ms` (0: never),
 * and those that live on without their channel.
 */
void children_check(uint64_t now_ms, uint64_t stuck_ms);

/* When children_start() or children_reap() has to be called again at the
 * latest; UINT64_MAX: when something happens. */
uint64_t children_due_ms(void);

/* Forks no more; who exits with 0 is expected to. */
void children_stop(void);
void children_kill(int signo); /* all that live */
/* Let the other kinds than workers end: their channel closes. */
void children_end_helpers(void);

pid_t children_pid(uint32_t n);         /* 0: does not run */
struct chan *children_chan(uint32_t n); /* NULL: does not run, or no channel */
uint32_t children_alive(bool workers_only);

/* Read what child `n` has sent, up to a bound. */
void children_read(uint32_t n);

/* False: it does not run, or its queue is full.  `fd` stays the caller's. */
bool children_send(uint32_t n, const struct msg *m, int fd);
/* To every living child. */
void children_send_all(const struct msg *m, int fd);

#endif
