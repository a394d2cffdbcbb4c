/*
 * fakepg.h - a server that is slow, torn, rude or dead.
 *
 * It listens on 127.0.0.1 and gives each connection to a process that runs
 * the test's own function: that decides how far the conversation is polite.
 * The helpers below are its vocabulary; they end the process quietly when the
 * pooler hangs up.  Everything ends with the test.
 */
#ifndef T_LIB_FAKEPG_H
#define T_LIB_FAKEPG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fakepg {
	pid_t pid;
	int port;
	/* shared with its processes: */
	struct fake_count {
		_Atomic int opened;  /* connections taken, of any kind */
		_Atomic int logins;  /* startup messages read */
		_Atomic int cancels; /* cancel requests read */
		_Atomic int queries; /* that fake_serve() answered */
		_Atomic int mark[2]; /* the test's own */
		_Atomic int version; /* asked for in the last startup */
		_Atomic int key_len; /* of the last cancel request's key, */
		char key[256];       /* written before `cancels` rises */
	} * count;
};

/* The function for a connection; may return, the connection is closed then. */
typedef void fake_fn(int fd, struct fake_count *count);

struct fakepg *fakepg_start(fake_fn *serve);
void fakepg_stop(struct fakepg *f);

/* A listening socket on 127.0.0.1 and its port. */
int fake_listen(int *port);

/* --- for use inside a fake_fn --- */
void fake_send(int fd, const void *bytes, size_t len);
/* A message; `form` as wire_make's. */
void fake_put(int fd, char type, const char *form, ...);
/* Read exactly `len` bytes. */
void fake_read(int fd, void *buf, size_t len);
/* One message: its type; up to `room` bytes of its body, zero-ended. */
char fake_recv(int fd, char *body, size_t room);
/*
 * Read the startup packet; an SSLRequest is answered 'N', a cancel request is
 * counted and ends the process.
 */
void fake_startup(int fd, struct fake_count *count);
/* AuthenticationOk, a few parameters, the key, ReadyForQuery. */
void fake_welcome(int fd);
/* The same with a key of its own. */
void fake_welcome_key(int fd, uint32_t pid, const char *key, size_t len);
void fake_ready(int fd, char status);
/* One row of one text column, CommandComplete, ReadyForQuery. */
void fake_row(int fd, const char *value);
/* Answer each query with the row "fake", until Terminate. */
void fake_serve(int fd, struct fake_count *count);
/* Say nothing until the other side hangs up. */
void fake_hang(int fd);
/* Close with a reset. */
void fake_reset(int fd);

#endif
