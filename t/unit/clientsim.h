/*
 * clientsim.h - for tests: a worker's clients, each a socket whose other end
 * the test holds.  No loop runs: the test says when a socket is ready.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_UNIT_CLIENTSIM_H
#define T_UNIT_CLIENTSIM_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "conf/conf.h"
#include "t/unit/conf_text.h"
#include "t/unit/shmtest.h"
#include "worker/backend/params.h"
#include "worker/client/client.h"
#include "worker/client/gate.h"
#include "worker/proto/report.h"
#include "worker/proto/startup.h"
#include "worker/self.h"

/* The other end of a client. */
struct sim {
	int fd;
	struct client *c; /* as long as it is there */
	uint8_t bytes[8192];
	size_t len; /* of what has been read, and not yet taken */
};

static const struct conf *sim_confs[4];
static size_t sim_nconfs;

static inline const struct conf *
sim_conf(const char *settings, const char *users)
{
	struct conf_files files;
	struct conf_faults faults;
	struct conf *c;
	char text[1024];

	conf_files_init(&files);
	conf_faults_init(&faults);
	snprintf(text, sizeof(text),
	    "[pooler]\nlog_connections = 0\nlog_disconnections = 0\n"
	    "log_pooler_errors = 0\n%s",
	    settings);
	text_add(&files, "main.ini", text);
	if (users != NULL)
		text_add(&files, "users", users);
	c = conf_load(&files, &faults);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	conf_files_free(&files);
	conf_faults_free(&faults);
	/* those that are replaced may still be in somebody's hands */
	ck_assert_uint_lt(sim_nconfs, sizeof(sim_confs) / sizeof(*sim_confs));
	return sim_confs[sim_nconfs++] = c;
}

/* Worker 0 of `workers`; `users`: the file of that name, or NULL. */
static inline void
sim_set_up(uint32_t workers, const char *settings, const char *users)
{
	struct err e;

	fresh_segment(workers, 4, 4);
	self.me = 0;
	self.conf = sim_conf(settings, users);
	self.conf_number = 1;
	atomic_store(&seg->conf_number, 1);
	self.fd_limit = 1 << 20;
	self.scratch = malloc(SELF_SCRATCH);
	ck_assert_ptr_nonnull(self.scratch);
	ck_assert_int_eq(loop_open(&e), 0);
	ck_assert_int_eq(clientrow_init(0), 0);
	ck_assert_int_eq(lend_init(), 0);
	params_init("");
	loop_now_us = clock_now_us();
}

/* A console that lets everybody in, and then says nothing. */
static inline void
sim_console_welcome(struct client *c, bool is_long_key)
{
	uint8_t bytes[16];
	struct wire w;

	(void)is_long_key;
	wire_init(&w, bytes, sizeof(bytes));
	report_auth_ok(&w);
	ck_assert_int_eq(client_send_wire(c, &w), 0);
}

static inline void
sim_console_mute(struct client *c)
{
	(void)c;
}

/* Accepted: NULL in ->c if it was refused. */
static inline void
sim_open(struct sim *s)
{
	static const struct client_console console = {
		.welcome = sim_console_welcome,
		.on_bytes = sim_console_mute,
		.resume = sim_console_mute,
	};
	struct sockaddr_storage unix_peer = { .ss_family = AF_UNIX };
	uint32_t before = client_number();
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(compat_cloexec_nonblock(pair[0]), 0);
	ck_assert_int_eq(compat_cloexec_nonblock(pair[1]), 0);
	memset(s, 0, sizeof(*s));
	s->fd = pair[1];
	client_console = &console;
	client_open(pair[0], &unix_peer, sizeof(unix_peer), 0);
	s->c = client_number() > before ? client_first() : NULL;
}

/* Its socket is readable, says the loop. */
static inline void
sim_poke(struct sim *s)
{
	s->c->watch.on_event(&s->c->watch, LOOP_READ);
}

static inline void
sim_send(struct sim *s, const void *p, size_t len)
{
	ck_assert_int_eq(send(s->fd, p, len, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void
sim_start(struct sim *s, const char *user, const char *database)
{
	uint8_t bytes[512];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	startup_build(&w, 0, user, database, NULL, 0);
	sim_send(s, bytes, w.len);
}

/* The next message is in s->bytes, whole; its type, or 0: there is none. */
static inline char
sim_look(struct sim *s)
{
	ssize_t n =
	    recv(s->fd, s->bytes + s->len, sizeof(s->bytes) - s->len, 0);
	struct frame f;

	if (n > 0)
		s->len += (size_t)n;
	if (frame_parse(s->bytes, s->len, sizeof(s->bytes), &f) != DONE ||
	    s->len - FRAME_HEAD < f.body)
		return 0;
	return (char)f.type;
}

/* Its length without the header. */
static inline size_t
sim_body(const struct sim *s)
{
	return frame_get32(s->bytes + 1) - 4;
}

static inline void
sim_take(struct sim *s)
{
	size_t n = FRAME_HEAD + sim_body(s);

	memmove(s->bytes, s->bytes + n, s->len - n);
	s->len -= n;
}

/* Is there an error with this text? */
static inline bool
sim_is_told(struct sim *s, const char *text)
{
	if (sim_look(s) != 'E')
		return false;
	for (size_t i = FRAME_HEAD; i < FRAME_HEAD + sim_body(s);
	     i += strlen((const char *)s->bytes + i) + 1)
		if (s->bytes[i] == 'M')
			return strcmp((const char *)s->bytes + i + 1, text) ==
			    0;
	return false;
}

static inline bool
sim_is_closed(struct sim *s)
{
	uint8_t byte;

	return recv(s->fd, &byte, 1, MSG_PEEK) == 0;
}

#endif
