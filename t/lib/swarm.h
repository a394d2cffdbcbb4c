/*
 * swarm.h - many clients in one loop, each of whose queries carries a token
 * that must come back to it, and to nobody else.
 *
 * A member connects, sends a query of a random kind (simple, extended, a
 * transaction in one message or in three, slow, large, failing), checks the
 * answer, and goes on.  What is counted is all that can happen to a client.
 * Written by the test alone; never blocks longer than it is told to.
 */
#ifndef T_LIB_SWARM_H
#define T_LIB_SWARM_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum swarm_flag {
	SWARM_RECONNECT = 1, /* who is dropped comes again */
	SWARM_LEAVE = 2,     /* leave at random, in mid-query too */
	SWARM_CANCEL = 4,    /* cancel own queries at random */
	SWARM_BRIEF = 8,     /* simple one-row queries only */
};

struct member {
	PGconn *conn;
	int state;      /* swarm.c's */
	int kind, step; /* of the query in flight */
	bool answered;  /* the token has come */
	bool cancelled; /* by us, while this query ran */
	char token[40];
};

struct swarm {
	const char *at; /* connection string */
	unsigned flags;
	int n;
	struct member *member;
	uint64_t seed, serial;
	bool stopping; /* nothing new is begun */
	bool gathered; /* who is lost from now on was there before */

	long done;    /* right answers */
	long wrong;   /* another's token, or no token */
	long stray;   /* cancelled, but not by us */
	long failed;  /* errors that the query did not ask for */
	long dropped; /* connections lost while in use */
	long refused; /* connections that did not come about */
	long cancels, left;
	char first_error[512];
};

struct swarm *swarm_new(const char *at, int n, unsigned flags);
/* Let them work for `ms`. */
void swarm_run(struct swarm *s, int ms);
/* Until all are connected, refused ones too; fails after `ms`.  Who is lost
 * behind it does not come again, unless with SWARM_RECONNECT. */
void swarm_gather(struct swarm *s, int ms);
/* Begin nothing new and wait for what runs; fails after `ms`. */
void swarm_settle(struct swarm *s, int ms);
/* Of several at once: one may hold what another waits for. */
void swarm_settle_all(struct swarm *const *s, int n, int ms);
int swarm_connected(const struct swarm *s);
/* No token went astray and no stranger's cancel hit. */
void swarm_check(const struct swarm *s);
void swarm_free(struct swarm *s);

#endif
