/*
 * crew.h - threads for what may block, and the jobs that they do.
 *
 * Every job goes to a thread; one more is started when none is idle, up to the
 * crew's limit, and one that hangs is left behind: its job is given back as
 * late, and what the thread makes of it, if it ever ends, is thrown away.  One
 * slow job never delays another, as long as there are threads.
 *
 *   QUEUED -> RUNNING -> READY       given back by crew_take()
 *      |         `-----> ABANDONED   late or cancelled; its thread drops it
 *      `---------------------------> late: given back; cancelled: dropped
 *
 * What a job is about lies in the owner's struct around it.  While it runs
 * that is its thread's, but for what nobody changes after crew_add().
 *
 * All functions are for the main thread, which waits on crew->fd.  None of
 * them blocks.
 */
#ifndef WORKER_RESOLVER_CREW_H
#define WORKER_RESOLVER_CREW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/err.h"

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_READY, JOB_ABANDONED };

struct job {
	struct job *next; /* of all that are unanswered; the main thread's */
	struct job *then; /* in the queue */
	enum job_state state;
	uint64_t due_ms; /* monotonic; set by the owner */
};

struct crew {
	/* the owner's, set before crew_open() */
	void (*work)(struct job *j); /* in a thread; may block */
	void (*drop)(struct job *j); /* wipes and frees; in any thread */
	size_t stack;                /* of a thread */
	uint32_t most_threads;       /* those that hang included */
	uint32_t most_idle;          /* threads that stay without work */
	uint32_t most_jobs;

	/* crew.c's own */
	int fd; /* readable when a job may be ready */
	int bell;
	struct job *jobs;
	uint32_t njobs;
	pthread_mutex_t lock; /* guards what follows, and the states */
	pthread_cond_t is_work;
	struct job *first, *last; /* the queue */
	uint32_t nqueued, nidle, nthreads;
};

/* A crew lives as long as its process. */
int crew_open(struct crew *c, struct err *e);

/* A job that is now the crew's.  -1: there are too many; it stays yours. */
int crew_add(struct crew *c, struct job *j);

/* All that have not been taken: go on by ->next. */
struct job *crew_first(const struct crew *c);

/* Before taking them. */
void crew_clear(struct crew *c);

/*
 * Take one: ready, or out of time at `now_ms`; the latter is *late, and only
 * what nobody changes may be read of it.  NULL: none.  Give it to crew_drop()
 * after use.
 */
struct job *crew_take(struct crew *c, uint64_t now_ms, bool *late);
void crew_drop(struct crew *c, struct job *j);

/* Nobody wants it any more; it has not been taken. */
void crew_cancel(struct crew *c, struct job *j);

/* The longest wait in ms before the next job is out of time; or -1. */
int crew_wait_ms(const struct crew *c, uint64_t now_ms);

/* Threads that exist. */
uint32_t crew_threads(struct crew *c);

#endif
