/*
 * load_script.h - what a client asks, and the only right answer.
 *
 * A script is a few queries; a step is one of them with the messages, the
 * command tag and the transaction status that must come back.  Pure: bytes
 * out, no socket, no memory of its own.
 */
#ifndef BENCH_LOAD_SCRIPT_H
#define BENCH_LOAD_SCRIPT_H

#include "t/bench/load.h"

struct load_step {
	const char *sql;    /* %s is the token; NULL: the extended protocol */
	const char *expect; /* types of the messages, in order */
	const char *tag;    /* of CommandComplete */
	char status;        /* of ReadyForQuery */
};

/* The value of c->step that ends a transaction after an error. */
#define STEP_ROLLBACK UINT8_MAX

/* The step that `c` is at, or NULL after the last one. */
const struct load_step *load_script_step(const struct load_client *c);

/* Write the query of that step, with the client's token, into c->out. */
void load_script_query(struct load_client *c);

/* Write the startup message. */
void load_script_startup(struct load_client *c, const struct load_opt *opt);

/* Write the PasswordMessage. */
void load_script_password(struct load_client *c, const char *password);

#endif
