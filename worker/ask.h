/*
 * ask.h - a question to the resolver: the answer, or its deadline.
 *
 * A worker never looks up a name itself.  It asks the resolver over its
 * channel; equal questions in flight are one, and an answer is kept for
 * dns_max_ttl, a failure for dns_nxdomain_ttl.  An address in figures is no
 * question at all.  A question that gets no answer is sent again (the
 * resolver may have died over it) and fails after ASK_LIMIT_MS.
 *
 * Data: this process's own.  Never blocks; allocates for each name.
 */
#ifndef WORKER_ASK_H
#define WORKER_ASK_H

#include <stdint.h>
#include <sys/socket.h>

#include "conf/err.h"
#include "shm/chan.h"
#include "shm/msg.h"

struct conf;

enum { ASK_LIMIT_MS = 10000, ASK_AGAIN_MS = 3000 };

/* Its place among those who wait for the same name. */
struct ask_link {
	struct ask_link *next, *prev; /* NULL: in no list, not waiting */
};

enum ask_status { ASK_NONE, ASK_WELL, ASK_FAILED };

/* One question, embedded in whoever wants to know; zeroed before its use. */
struct ask {
	struct ask_link link;
	void (*on_answer)(struct ask *a);
	int port;
	enum ask_status status;
	struct msg_addrs addrs; /* when well: one address at least */
	struct err err;         /* when it failed */
};

/*
 * Once, before the first question: the channel, this process's number, and
 * the settings.
 */
void ask_open(struct chan *c, uint32_t me, const struct conf *conf);
void ask_conf(const struct conf *conf); /* other settings from now on */

/* Forget all names; whoever still waits is told that it failed. */
void ask_close(void);

/*
 * Ask for the addresses of `host`.  DONE: a->addrs holds them already.  FAIL:
 * a->err says why.  WAIT: on_answer(a) will be called, once, from the loop,
 * with a->status set; it may ask anew, and cancel any other question.  In no
 * other case is it called.  `a` must not be waiting.
 */
enum result ask_host(struct ask *a, const char *host, int port,
    void (*on_answer)(struct ask *a));

/* No longer interested; harmless when it does not wait. */
void ask_cancel(struct ask *a);

/*
 * A MSG_RESOLVED has come.  A failure without a text says that the question
 * reached nobody: it is sent again soon.
 */
void ask_on_message(const struct msg *m);

/* Address `i` of an answer, with a->port; its length, or 0 for no such one. */
socklen_t
ask_sockaddr(const struct ask *a, uint32_t i, struct sockaddr_storage *out);

/* For SHOW LISTS: names known, and those that are being asked for. */
uint32_t ask_names(void);
uint32_t ask_pending(void);

#endif
