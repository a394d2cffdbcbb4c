/*
 * asksecret.h - a user's secret from the resolver: the answer, or its deadline.
 *
 * For users whom auth_file does not know.  The resolver has the settings and
 * asks the database; equal questions in flight are one, and nothing is kept of
 * an answer.  A question that gets none is sent again (the resolver may have
 * died over it) and fails after ASK_LIMIT_MS.
 *
 * Data: this process's own.  Never blocks; allocates for each question.
 */
#ifndef WORKER_ASKSECRET_H
#define WORKER_ASKSECRET_H

#include <stdbool.h>

#include "conf/err.h"
#include "shm/msg.h"
#include "worker/ask.h"

struct asksecret_answer {
	enum ask_status status; /* ASK_WELL or ASK_FAILED */
	bool is_known;          /* when well: there is such a user */
	char secret[MSG_TEXT];  /* "": known, and has none */
	struct err err;         /* when it failed */
};

/* One question, embedded in whoever wants to know; zeroed before its use. */
struct asksecret {
	struct ask_link link;
	void (*on_answer)(
	    struct asksecret *a, const struct asksecret_answer *got);
};

/*
 * Ask for `user` of `database`.  WAIT: on_answer() will be called, once, from
 * the loop; what it is given is wiped after it.  It may ask anew, and cancel
 * any other question.  FAIL: *e.  `a` must not be waiting.
 */
enum result
asksecret(struct asksecret *a, const char *database, const char *user,
    void (*on_answer)(struct asksecret *, const struct asksecret_answer *),
    struct err *e);

/* No longer interested; harmless when it does not wait. */
void asksecret_cancel(struct asksecret *a);

/* A MSG_SECRET_IS has come. */
void asksecret_on_message(const struct msg *m);

/* Forget all; nobody is called. */
void asksecret_close(void);

/* Questions in flight. */
uint32_t asksecret_pending(void);

#endif
