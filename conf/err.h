/*
 * err.h - one fault, described once, for its three readers.
 *
 * The function that knows what went wrong fills a struct err; its callers
 * pass it up unchanged; whoever ends the session sends it once and logs it
 * once.  The client's text names nothing that the client did not send: no
 * address, no path, no secret.
 *
 * Never blocks, allocates or logs.
 */
#ifndef CONF_ERR_H
#define CONF_ERR_H

/* What a step of unfinished work may say. */
enum result {
	WAIT, /* needs more bytes, or its turn: call again */
	DONE,
	FAIL /* and the struct err says why */
};

struct err {
	char sqlstate[6]; /* what the client's driver acts on */
	char say[320];    /* what the client's user reads */
	char log[384];    /* what the operator reads; "" is no line */
};

/*
 * Fill `e` (which may be NULL: nobody wants to know).  `sqlstate` is five
 * characters of PostgreSQL's appendix A; `say` is taken as it is, `logfmt` is
 * printf's and may be NULL for no line.  Too long texts are cut.  Always
 * returns -1, so that a function can fail with `return err_set(...)`.
 */
int err_set(struct err *e, const char *sqlstate, const char *say,
    const char *logfmt, ...) __attribute__((format(printf, 4, 5)));

void err_clear(struct err *e);

#endif
