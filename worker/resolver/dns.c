/*
 * dns.c - questions for names, each a job of the crew that looks them up.
 *
 * What a look-up finds is written by its thread alone, and read when it is
 * ready; who asked does not change.
 */
#include "worker/resolver/dns.h"

#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "worker/resolver/crew.h"

enum { STACK = 512 * 1024 };

struct question {
	struct job job;
	struct dns_answer answer; /* of it, proc and id never change */
	char host[DNS_HOST];
};

static void work(struct job *j);
static void drop(struct job *j);

static struct crew crew = {
	.work = work,
	.drop = drop,
	.stack = STACK,
	.most_threads = DNS_THREADS,
	.most_idle = DNS_IDLE,
	.most_jobs = DNS_QUESTIONS,
};
static uint32_t limit;
static int (*look_up)(const char *, struct msg_addrs *, char *);

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

/* --- jobs ---------------------------------------------------------------- */

static struct question *
question_of(struct job *j)
{
	return (struct question *)(void *)((char *)j -
	    offsetof(struct question, job));
}

/* In a thread. */
static void
work(struct job *j)
{
	struct question *q = question_of(j);
	struct dns_answer *a = &q->answer;

	a->status =
	    look_up(q->host, &a->addrs, a->why) == 0 ? DNS_WELL : DNS_FAILED;
}

static void
drop(struct job *j)
{
	free(question_of(j));
}

/* --- the main thread's side ---------------------------------------------- */

int
dns_open(int (*lookup)(const char *, struct msg_addrs *, char *),
    uint32_t limit_ms, struct err *e)
{
	look_up = lookup;
	limit = limit_ms;
	return crew_open(&crew, e);
}

int
dns_fd(void)
{
	return crew.fd;
}

void
dns_clear(void)
{
	crew_clear(&crew);
}

int
dns_ask(uint32_t proc, uint64_t id, const char *host)
{
	struct question *q;

	for (struct job *j = crew_first(&crew); j != NULL; j = j->next) {
		q = question_of(j);
		if (q->answer.proc == proc && q->answer.id == id &&
		    strcmp(q->host, host) == 0)
			return 0;
	}
	q = strlen(host) < DNS_HOST ? calloc(1, sizeof(*q)) : NULL;
	if (q == NULL)
		return -1;
	q->answer.proc = proc;
	q->answer.id = id;
	q->job.due_ms = clock_now_ms() + limit;
	(void)compat_strlcpy(q->host, host, sizeof(q->host));
	if (crew_add(&crew, &q->job) == 0)
		return 0;
	free(q);
	return -1;
}

bool
dns_take(uint64_t now_ms, struct dns_answer *out)
{
	bool is_late;
	struct job *j = crew_take(&crew, now_ms, &is_late);
	struct question *q;

	if (j == NULL)
		return false;
	q = question_of(j);
	if (is_late) {
		*out = (struct dns_answer){ .proc = q->answer.proc,
			.id = q->answer.id,
			.status = DNS_TIMED_OUT,
			.why = "timed out" };
	} else {
		*out = q->answer;
	}
	crew_drop(&crew, j);
	return true;
}

int
dns_wait_ms(uint64_t now_ms)
{
	return crew_wait_ms(&crew, now_ms);
}

uint32_t
dns_threads(void)
{
	return crew_threads(&crew);
}
