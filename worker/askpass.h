/*
 * askpass.h - is this a user's password?  Asked of LDAP or PAM, by the resolver.
 *
 * A question is put together text by text, the password last (shm/msg.h), and
 * then asked.  No two are one, and nothing is kept.  It is sent again when it
 * has reached nobody, and once when the resolver that had it is dead: a
 * directory counts wrong passwords, and it may have died of the question.  One that is cancelled is taken back at the resolver
 * too.
 *
 * Data: this process's own.  Never blocks; allocates nothing.
 */
#ifndef WORKER_ASKPASS_H
#define WORKER_ASKPASS_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/msg.h"
#include "worker/io/deadline.h"

enum { ASKPASS_NAME = 256 }; /* with its NUL */

/* One question, embedded in whoever wants to know. */
struct askpass {
	struct askpass *next; /* of its bucket */
	struct deadline deadline;
	void (*on_answer)(struct askpass *a, enum msg_proved answer);
	char name[ASKPASS_NAME]; /* RIGHT of MSG_PROVE_PEER: whose number */
	uint64_t until_us;
	uint32_t restarts;   /* of the resolver, when it was last asked */
	bool is_nowhere;     /* it has reached nobody */
	bool has_cost;       /* a resolver has died with it */
	bool is_asked;       /* and waits */
	struct msg question; /* holds a password: askpass_fini() */
};

void askpass_init(struct askpass *a, enum msg_prove by);

/* The next text.  -1: too long, nothing was added. */
int askpass_add(struct askpass *a, const char *text);

/*
 * Ask.  0: on_answer() will be called, once, from the loop, with anything but
 * NOBODY; it may free `a`.  -1: no memory.  `limit_ms`: when the resolver
 * should give up; without an answer it is WRONG somewhat later.
 */
int askpass(struct askpass *a, uint64_t limit_ms,
    void (*on_answer)(struct askpass *a, enum msg_proved answer));

/* Cancel and wipe. */
void askpass_fini(struct askpass *a);

/* A MSG_PROVED has come. */
void askpass_on_message(const struct msg *m);

#endif
