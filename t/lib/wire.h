/*
 * wire.h - a client that speaks the protocol byte by byte.
 *
 * For what libpq would never send: torn, early, late and wrong messages.  The
 * socket blocks; every wait has a limit, after which the test fails.
 */
#ifndef T_LIB_WIRE_H
#define T_LIB_WIRE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_MS 20000 /* how long to wait for anything */

struct wire {
	int fd;
	char type;        /* of the last message received */
	const char *body; /* its bytes */
	size_t len;       /* how many */
	uint32_t key[2];  /* from BackendKeyData */
	char secret[256]; /* and all of it behind the pid */
	size_t secret_len;
	char *in;
	size_t have, used, room; /* in `in` */
};

/* `host` is an address, or a directory for port's Unix socket. */
struct wire *wire_open(const char *host, int port);
/* The same; NULL if nobody takes the connection. */
struct wire *wire_try(const char *host, int port);
void wire_free(struct wire *w);

void wire_send(struct wire *w, const void *bytes, size_t len);
/* A byte at a time, each its own segment. */
void wire_drip(struct wire *w, const void *bytes, size_t len);

/*
 * Write a message to `out` and return its length.  `form` names the fields:
 * s string, b char (int8), h int16, i int32, x bytes (pointer, size_t length).
 * Type 0 is a message without a type byte.
 */
size_t wire_make(char *out, size_t room, char type, const char *form, ...);
size_t
wire_vmake(char *out, size_t room, char type, const char *form, va_list ap);
/* The same, sent at once. */
void wire_put(struct wire *w, char type, const char *form, ...);
void wire_query(struct wire *w, const char *sql);

/* A startup message of `version`; pairs of name and value, then NULL. */
size_t wire_startup(char *out, size_t room, uint32_t version, ...);
/* Log in by trust, up to ReadyForQuery. */
void wire_login(struct wire *w, const char *user, const char *db);

/* The next message's type, 0 at end of file; waits up to `ms`. */
char wire_recv(struct wire *w, int ms);
/*
 * Expect exactly these types next, ParameterStatus and NoticeResponse aside
 * unless they are named.
 */
void wire_expect(struct wire *w, const char *types);
/* Next is an error whose field `f` contains `what`; then return. */
void wire_error(struct wire *w, char f, const char *what);
/* A field of the message just received; NULL if it has none. */
const char *wire_field(const struct wire *w, char f);
/* Nothing more but the end of file. */
void wire_end(struct wire *w);
/* Nothing at all comes for `ms`. */
bool wire_is_quiet(struct wire *w, int ms);
/* First column of the row just received. */
const char *wire_value(const struct wire *w);

#endif
