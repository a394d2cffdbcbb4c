/*
 * prove.h - passwords that LDAP or PAM checks, and names of system users:
 * questions in, answers out.
 *
 * Each is a job of a crew (crew.h), one crew for each kind: a
 * directory that hangs delays no other method, and no name's look-up.  A
 * question that is out of time is answered no; one whose client has gone is
 * taken out of the queue, or left to its thread and forgotten.
 *
 * Passwords live in the job and in what the libraries make of them; a job is
 * wiped when it is freed.  What was answered is not kept.
 *
 * For the resolver's main thread alone.  Never blocks.
 */
#ifndef WORKER_RESOLVER_PROVE_H
#define WORKER_RESOLVER_PROVE_H

#include <poll.h>
#include <stdint.h>

#include "conf/err.h"
#include "shm/msg.h"

enum {
	PROVE_THREADS = 16, /* of each crew; those that hang included */
	PROVE_QUESTIONS = 1024,
	PROVE_LDAP_MS = 10000, /* at most, whatever the asker would wait */
	PROVE_PAM_MS = 30000,
	PROVE_WHY = 160,
	PROVE_PEER_MS = 5000,
	PROVE_FDS = MSG_PROVES,
};

enum prove_result {
	PROVE_RIGHT,
	PROVE_WRONG,  /* the password, or the user */
	PROVE_BROKEN, /* nobody could be asked: an operator's business */
};

/* Once; all answers go through `answer`, which must not keep the message. */
int prove_open(void (*answer)(const struct msg *m), struct err *e);

/* A MSG_PROVE has come.  One that is being worked on already is dropped. */
void prove_ask(const struct msg *m, uint64_t now_ms);

/* A MSG_PROVE_END has come: nobody waits for that answer any more. */
void prove_end(const struct msg *m);

/* What to wait for: PROVE_FDS descriptors.  prove_run() answers what is due. */
void prove_poll(struct pollfd *p);
void prove_run(const struct pollfd *p, uint64_t now_ms);

/* The longest wait in ms before a question is out of time; or -1. */
int prove_wait_ms(uint64_t now_ms);

#endif
