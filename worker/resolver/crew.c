/*
 * crew.c - jobs, and the threads that do them.
 *
 * The list of jobs is the main thread's own.  The queue, the states and the
 * numbers of threads are guarded by the crew's lock, which nobody holds while
 * blocking.  The program's only threads, and its only mutexes.
 */
#include "worker/resolver/crew.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "conf/compat.h"

/* --- threads ------------------------------------------------------------- */

/* With `lock` held. */
static struct job *
dequeue(struct crew *c)
{
	struct job *j = c->first;

	c->first = j->then;
	if (c->first == NULL)
		c->last = NULL;
	c->nqueued--;
	return j;
}

/* Do one job; called and left with `lock` held. */
static void
serve(struct crew *c, struct job *j)
{
	bool is_abandoned;

	j->state = JOB_RUNNING;
	pthread_mutex_unlock(&c->lock);
	c->work(j);
	pthread_mutex_lock(&c->lock);
	is_abandoned = j->state == JOB_ABANDONED;
	j->state = JOB_READY;
	if (is_abandoned) {
		c->drop(j);
		return;
	}
	/* a full pipe is rung already */
	if (write(c->bell, "", 1) == -1)
		return;
}

static void *
run(void *arg)
{
	struct crew *c = arg;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		if (c->first != NULL) {
			serve(c, dequeue(c));
			continue;
		}
		if (c->nidle >= c->most_idle)
			break;
		c->nidle++;
		while (c->first == NULL)
			pthread_cond_wait(&c->is_work, &c->lock);
		c->nidle--;
	}
	c->nthreads--;
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* All signals stay with the main thread. */
static int
start_thread(struct crew *c)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t t;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return -1;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, c->stack);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&t, &attr, run, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc == 0 ? 0 : -1;
}

/* --- the main thread's side ---------------------------------------------- */

int
crew_open(struct crew *c, struct err *e)
{
	int ends[2];

	if (compat_pipe(ends) == -1)
		return err_set(e, "53000", "out of resources", "pipe: %s",
		    strerror(errno));
	if (pthread_mutex_init(&c->lock, NULL) != 0 ||
	    pthread_cond_init(&c->is_work, NULL) != 0) {
		close(ends[0]);
		close(ends[1]);
		return err_set(e, "53000", "out of resources", "no mutex");
	}
	c->fd = ends[0];
	c->bell = ends[1];
	return 0;
}

void
crew_clear(struct crew *c)
{
	char bytes[256];

	while (read(c->fd, bytes, sizeof(bytes)) > 0)
		;
}

static void
enqueue(struct crew *c, struct job *j)
{
	bool need;

	pthread_mutex_lock(&c->lock);
	if (c->last != NULL)
		c->last->then = j;
	else
		c->first = j;
	c->last = j;
	c->nqueued++;
	need = c->nqueued > c->nidle && c->nthreads < c->most_threads;
	if (need)
		c->nthreads++;
	pthread_cond_signal(&c->is_work);
	pthread_mutex_unlock(&c->lock);
	if (!need || start_thread(c) == 0)
		return;
	/* another thread will come to it, or its time runs out */
	pthread_mutex_lock(&c->lock);
	c->nthreads--;
	pthread_mutex_unlock(&c->lock);
}

int
crew_add(struct crew *c, struct job *j)
{
	if (c->njobs >= c->most_jobs)
		return -1;
	j->state = JOB_QUEUED;
	j->then = NULL;
	j->next = c->jobs;
	c->jobs = j;
	c->njobs++;
	enqueue(c, j);
	return 0;
}

struct job *
crew_first(const struct crew *c)
{
	return c->jobs;
}

/* Out of the queue; with `lock` held. */
static void
withdraw(struct crew *c, struct job *j)
{
	struct job *before = NULL;

	for (struct job *at = c->first; at != j; at = at->then)
		before = at;
	if (before != NULL)
		before->then = j->then;
	else
		c->first = j->then;
	if (c->last == j)
		c->last = before;
	c->nqueued--;
}

static void
unlist(struct crew *c, const struct job *j)
{
	struct job **at = &c->jobs;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	c->njobs--;
}

struct job *
crew_take(struct crew *c, uint64_t now_ms, bool *late)
{
	struct job *j;

	pthread_mutex_lock(&c->lock);
	for (j = c->jobs; j != NULL; j = j->next)
		if (j->state == JOB_READY || now_ms >= j->due_ms)
			break;
	if (j != NULL) {
		*late = j->state != JOB_READY;
		if (j->state == JOB_QUEUED) {
			withdraw(c, j);
			j->state = JOB_READY;
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (j != NULL)
		unlist(c, j);
	return j;
}

void
crew_drop(struct crew *c, struct job *j)
{
	bool is_running;

	pthread_mutex_lock(&c->lock);
	if (j->state == JOB_QUEUED)
		withdraw(c, j);
	is_running = j->state == JOB_RUNNING;
	/* from here on a running one belongs to its thread */
	if (is_running)
		j->state = JOB_ABANDONED;
	pthread_mutex_unlock(&c->lock);
	if (!is_running)
		c->drop(j);
}

void
crew_cancel(struct crew *c, struct job *j)
{
	unlist(c, j);
	crew_drop(c, j);
}

int
crew_wait_ms(const struct crew *c, uint64_t now_ms)
{
	uint64_t due = UINT64_MAX;

	for (const struct job *j = c->jobs; j != NULL; j = j->next)
		if (j->due_ms < due)
			due = j->due_ms;
	if (due == UINT64_MAX)
		return -1;
	return due <= now_ms ? 0 : (int)(due - now_ms);
}

uint32_t
crew_threads(struct crew *c)
{
	uint32_t n;

	pthread_mutex_lock(&c->lock);
	n = c->nthreads;
	pthread_mutex_unlock(&c->lock);
	return n;
}
