/*
 * dns.c - questions, and the threads that look them up.
 *
 *   QUEUED -> RUNNING -> READY       taken by the main thread, freed
 *      |         `-----> ABANDONED   out of time; the thread frees it
 *      `---------------------------> out of time; the main thread frees it
 *
 * The list of questions is the main thread's own.  The queue, the states, the
 * results and the numbers of threads are guarded by `lock`, which nobody holds
 * while blocking.  The program's only threads, and its only mutex.
 */
#include "worker/resolver/dns.h"

#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/clock.h"
#include "conf/compat.h"

enum { STACK = 512 * 1024 };

enum question_state { QUEUED, RUNNING, READY, ABANDONED };

struct question {
	struct question *next; /* of all that are unanswered */
	struct question *then; /* in the queue */
	enum question_state state;
	uint64_t due_ms;
	struct dns_answer answer;
	char host[DNS_HOST];
};

static struct question *questions;
static uint32_t nquestions;
static uint32_t limit;
static int (*look_up)(const char *, struct msg_addrs *, char *);
static int bell[2] = { -1, -1 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct question *first, *last; /* the queue */
static uint32_t nqueued, nidle, nthreads;

/* --- the look-up itself -------------------------------------------------- */

/* Copy one address, unless it is of another family or there already. */
static void
add_address(const struct addrinfo *ai, struct msg_addrs *out)
{
	struct msg_addrs one = { .n = 1 };

	if (ai->ai_family == AF_INET) {
		const struct sockaddr_in *in =
		    (const struct sockaddr_in *)(const void *)ai->ai_addr;

		one.a[0].family = 4;
		memcpy(one.a[0].addr, &in->sin_addr, 4);
	} else if (ai->ai_family == AF_INET6) {
		const struct sockaddr_in6 *in =
		    (const struct sockaddr_in6 *)(const void *)ai->ai_addr;

		one.a[0].family = 6;
		one.a[0].scope = in->sin6_scope_id;
		memcpy(one.a[0].addr, &in->sin6_addr, 16);
	} else {
		return;
	}
	for (uint32_t i = 0; i < out->n; i++)
		if (memcmp(&out->a[i], &one.a[0], sizeof(one.a[0])) == 0)
			return;
	out->a[out->n++] = one.a[0];
}

int
dns_lookup(const char *host, struct msg_addrs *out, char why[DNS_WHY])
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *all = NULL;
	int rc = getaddrinfo(host, NULL, &hints, &all);

	memset(out, 0, sizeof(*out));
	if (rc != 0) {
		snprintf(why, DNS_WHY, "%s",
		    rc == EAI_SYSTEM ? "system error" : gai_strerror(rc));
		return -1;
	}
	for (const struct addrinfo *ai = all; ai && out->n < MSG_ADDRS;
	     ai = ai->ai_next)
		add_address(ai, out);
	freeaddrinfo(all);
	if (out->n > 0)
		return 0;
	snprintf(why, DNS_WHY, "no usable address");
	return -1;
}

/* --- threads ------------------------------------------------------------- */

/* With `lock` held. */
static struct question *
dequeue(void)
{
	struct question *q = first;

	first = q->then;
	if (!first)
		last = NULL;
	nqueued--;
	return q;
}

/* Look up one question; called and left with `lock` held. */
static void
serve(struct question *q)
{
	struct msg_addrs addrs;
	char why[DNS_WHY] = "", host[DNS_HOST];
	int rc;

	q->state = RUNNING;
	memcpy(host, q->host, sizeof(host));
	pthread_mutex_unlock(&lock);
	rc = look_up(host, &addrs, why);
	pthread_mutex_lock(&lock);
	if (q->state == ABANDONED) {
		free(q);
		return;
	}
	q->answer.status = rc == 0 ? DNS_WELL : DNS_FAILED;
	if (rc == 0)
		q->answer.addrs = addrs;
	memcpy(q->answer.why, why, sizeof(why));
	q->state = READY;
	/* a full pipe is rung already */
	if (write(bell[1], "", 1) == -1)
		return;
}

static void *
run(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		if (first) {
			serve(dequeue());
			continue;
		}
		if (nidle >= DNS_IDLE)
			break;
		nidle++;
		while (!first)
			pthread_cond_wait(&work, &lock);
		nidle--;
	}
	nthreads--;
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* All signals stay with the main thread. */
static int
start_thread(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t t;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return -1;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&t, &attr, run, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc == 0 ? 0 : -1;
}

/* --- the main thread's side ---------------------------------------------- */

int
dns_open(int (*lookup)(const char *, struct msg_addrs *, char *),
    uint32_t limit_ms, struct err *e)
{
	if (compat_pipe(bell) == -1)
		return err_set(e, "53000", "out of resources", "pipe: %s",
		    strerror(errno));
	look_up = lookup;
	limit = limit_ms;
	return 0;
}

int
dns_fd(void)
{
	return bell[0];
}

void
dns_clear(void)
{
	char bytes[256];

	while (read(bell[0], bytes, sizeof(bytes)) > 0)
		;
}

static void
enqueue(struct question *q)
{
	bool need;

	pthread_mutex_lock(&lock);
	if (last)
		last->then = q;
	else
		first = q;
	last = q;
	nqueued++;
	need = nqueued > nidle && nthreads < DNS_THREADS;
	if (need)
		nthreads++;
	pthread_cond_signal(&work);
	pthread_mutex_unlock(&lock);
	if (!need || start_thread() == 0)
		return;
	/* another thread will come to it, or its time runs out */
	pthread_mutex_lock(&lock);
	nthreads--;
	pthread_mutex_unlock(&lock);
}

int
dns_ask(uint32_t proc, uint64_t id, const char *host)
{
	struct question *q;

	for (q = questions; q; q = q->next)
		if (q->answer.proc == proc && q->answer.id == id &&
		    strcmp(q->host, host) == 0)
			return 0;
	if (nquestions >= DNS_QUESTIONS || strlen(host) >= DNS_HOST)
		return -1;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -1;
	q->answer.proc = proc;
	q->answer.id = id;
	q->due_ms = clock_now_ms() + limit;
	(void)compat_strlcpy(q->host, host, sizeof(q->host));
	q->next = questions;
	questions = q;
	nquestions++;
	enqueue(q);
	return 0;
}

/* Out of the queue; with `lock` held. */
static void
withdraw(struct question *q)
{
	struct question *before = NULL;

	for (struct question *at = first; at != q; at = at->then)
		before = at;
	if (before)
		before->then = q->then;
	else
		first = q->then;
	if (last == q)
		last = before;
	nqueued--;
}

/* Is it answered, one way or the other?  With `lock` held. */
static bool
take_it(struct question *q, uint64_t now_ms, struct dns_answer *out)
{
	if (q->state != READY && now_ms < q->due_ms)
		return false;
	*out = q->answer;
	if (q->state != READY) {
		out->status = DNS_TIMED_OUT;
		snprintf(out->why, sizeof(out->why), "timed out");
	}
	if (q->state == QUEUED)
		withdraw(q);
	return true;
}

bool
dns_take(uint64_t now_ms, struct dns_answer *out)
{
	struct question **at = &questions, *q;
	bool is_running;

	pthread_mutex_lock(&lock);
	while (*at && !take_it(*at, now_ms, out))
		at = &(*at)->next;
	q = *at;
	is_running = q && q->state == RUNNING;
	if (q) {
		*at = q->next;
		nquestions--;
	}
	/* from here on a running one belongs to its thread */
	if (is_running)
		q->state = ABANDONED;
	pthread_mutex_unlock(&lock);
	if (q && !is_running)
		free(q);
	return q != NULL;
}

int
dns_wait_ms(uint64_t now_ms)
{
	uint64_t due = UINT64_MAX;

	for (const struct question *q = questions; q; q = q->next)
		if (q->due_ms < due)
			due = q->due_ms;
	if (due == UINT64_MAX)
		return -1;
	return due <= now_ms ? 0 : (int)(due - now_ms);
}

uint32_t
dns_threads(void)
{
	uint32_t n;

	pthread_mutex_lock(&lock);
	n = nthreads;
	pthread_mutex_unlock(&lock);
	return n;
}
