/*
 * poollogin.h - a pool's one login, and what it tells the waiting clients.
 *
 * A pool has one login in progress; its word names the worker.  Who holds it
 * writes the two records: why the last login failed, and the greeting, which
 * is the ParameterStatus set of a fresh backend.
 *
 * Writes:  login                compare-and-swap; names the worker
 *          failure, greeting    the worker that holds `login`; repair for a
 *                               dead one
 * Never blocks or allocates.
 */
#ifndef SHM_POOLLOGIN_H
#define SHM_POOLLOGIN_H

#include <stdbool.h>
#include <stdint.h>

struct pool;

enum { POOL_GREETING = 4088 };

/* Whose word is a failure? */
enum pool_told {
	POOL_UNTOLD,      /* nobody's: it may pass by itself */
	POOL_TOLD,        /* the server's, in an ErrorResponse */
	POOL_NO_ANSWER,   /* ours: it asks for what is not known here */
	POOL_NO_PASSWORD, /* ours: there is no password to send in clear, */
	POOL_NO_MD5,      /* nor a hash; */
	POOL_NO_KEYS,     /* nor keys, or none but those of `mark` */
};

/* Why the last login did not succeed. */
struct pool_failure {
	uint64_t number;  /* 0: none yet; +1 a failure */
	uint64_t when_ms; /* monotonic */
	uint32_t told;    /* enum pool_told */
	uint32_t mark;    /* of the SCRAM keys that did not do; 0: none */
	char sqlstate[8];
	char say[240]; /* the server's words, or ours */
};

_Static_assert(sizeof(struct pool_failure) % 8 == 0, "seqcopy takes words");

struct pool_greeting {
	uint64_t number; /* 0: none yet; grows whenever its text changes */
	uint32_t len;
	uint32_t nparams;
	char text[POOL_GREETING]; /* name NUL value NUL ... */
};

/* The one login: take it, or false; give it up. */
bool pool_login_take(struct pool *p, uint32_t me);
void pool_login_drop(struct pool *p, uint32_t me);

/*
 * Both writers number their record themselves (`number` of the argument is
 * not looked at): a failure one higher than the last; so a greeting, if it is
 * not the one that stands there already.  A cleared
 * failure keeps its number, so that the next one is new to everybody; its
 * when_ms is 0.
 */
void pool_failure_write(struct pool *p, const struct pool_failure *f);
bool pool_failure_look(const struct pool *p, struct pool_failure *out);
void pool_failure_clear(struct pool *p); /* a login has succeeded */
void pool_greeting_write(struct pool *p, const struct pool_greeting *g);
bool pool_greeting_look(const struct pool *p, struct pool_greeting *out);

/* Its parameters one by one, from *pos = 0 on; false: there are no more. */
bool pool_greeting_next(const struct pool_greeting *g, uint32_t *pos,
    const char **name, const char **value);

/* A row is taken into use: nothing was ever told (pools lock). */
void pool_login_forget(struct pool *p);

/* A dead worker had the login: wipe what it left half written, free the word
 * (repair). */
void pool_login_mend(struct pool *p, uint32_t dead);

#endif
