/*
 * dns.h - look up names in helper threads, each within its limit.
 *
 * getaddrinfo(3) blocks for as long as the name servers like.  So every
 * question is a job of a crew (crew.h): one that hangs is answered "timed out",
 * and one slow look-up never delays another.
 *
 * All functions are for the main thread, which waits on dns_fd() and takes
 * answers.  None of them blocks.
 */
#ifndef WORKER_RESOLVER_DNS_H
#define WORKER_RESOLVER_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/err.h"
#include "conf/hostlist.h"
#include "shm/msg.h"

enum {
	DNS_THREADS = 32, /* at most, those that hang included */
	DNS_IDLE = 4,     /* threads that stay when there is no work */
	DNS_QUESTIONS = 1024,
	DNS_LIMIT_MS = 8000, /* an asker gives up somewhat later */
	DNS_HOST = HOSTLIST_HOST,
	DNS_WHY = 64,
};

enum dns_status { DNS_WELL, DNS_FAILED, DNS_TIMED_OUT };

struct dns_answer {
	uint32_t proc; /* of the question */
	uint64_t id;
	uint32_t status; /* enum dns_status */
	struct msg_addrs addrs;
	char why[DNS_WHY];
};

/*
 * A look-up, in a thread; it may block.  0 with at least one address, or -1
 * with its reason.
 */
int dns_lookup(const char *host, struct msg_addrs *out, char why[DNS_WHY]);

/* `lookup` is dns_lookup, or a test's own. */
int dns_open(int (*lookup)(const char *, struct msg_addrs *, char *),
    uint32_t limit_ms, struct err *e);

/*
 * Question `id` of process `proc`.  One that is being worked on already is
 * dropped (the asker was impatient).  -1: too many, or no memory.
 */
int dns_ask(uint32_t proc, uint64_t id, const char *host);

/* Readable when an answer may be there; dns_clear() before taking them. */
int dns_fd(void);
void dns_clear(void);

/* Take one: ready, or out of time at `now_ms` (monotonic).  False: none. */
bool dns_take(uint64_t now_ms, struct dns_answer *out);

/* The longest wait in ms before the next question is out of time; or -1. */
int dns_wait_ms(uint64_t now_ms);

/* Threads that exist. */
uint32_t dns_threads(void);

#endif
