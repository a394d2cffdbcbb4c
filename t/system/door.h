/*
 * door.h - a pooler of one worker, and clients that stop short of its door.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_SYSTEM_DOOR_H
#define T_SYSTEM_DOOR_H

#include <dirent.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

#define SSL_REQUEST 80877103

static struct pooler *p;
static SSL_CTX *context;

/* TLS as it is offered, SCRAM for the user who has a password; one worker. */
static inline void
configure(const char *more)
{
	p = pooler_new();
	pooler_workers(p, 1);
	pooler_set(p, "client_tls_sslmode = prefer");
	pooler_set(p, "client_tls_cert_file = %s", cert("server.crt"));
	pooler_set(p, "client_tls_key_file = %s", cert("server.key"));
	pooler_set(p, "default_pool_size = 5");
	pooler_set(p, "max_client_conn = 2000");
	pooler_set(p, "listen_backlog = 1000");
	/* a kernel that waits for the first byte would hide who is silent */
	pooler_set(p, "tcp_defer_accept = 0");
	pooler_set(p, "%s", more);
}

static inline void
with(const char *more)
{
	configure(more);
	pooler_start(p);
}

static inline struct wire *
dial(void)
{
	return wire_open("127.0.0.1", p->port);
}

static inline const char *
tls_at(void)
{
	return pooler_at(
	    p, "host=localhost hostaddr=127.0.0.1 sslmode=require");
}

/* Descriptors of the only worker; -1 where the system does not tell. */
static inline long
descriptors(PGconn *admin)
{
	pid_t pid[POOLER_KIDS];
	struct dirent *e;
	long n = 0;
	DIR *d;

	ck_assert_int_eq(pooler_pids(admin, pid, POOLER_KIDS), 1);
	d = opendir(text("/proc/%d/fd", (int)pid[0]));
	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static inline void
ask_tls(struct wire *w)
{
	struct pollfd pf = { .fd = w->fd, .events = POLLIN };
	char answer;

	wire_put(w, 0, "i", SSL_REQUEST);
	ck_assert_int_eq(poll(&pf, 1, WIRE_MS), 1);
	ck_assert_int_eq(recv(w->fd, &answer, 1, 0), 1);
	ck_assert_int_eq(answer, 'S');
}

/* A ClientHello, as bytes. */
static inline size_t
hello(char *out, size_t room)
{
	BIO *in = BIO_new(BIO_s_mem()), *to = BIO_new(BIO_s_mem());
	SSL *ssl = SSL_new(context);
	int n;

	SSL_set_bio(ssl, in, to);
	(void)SSL_connect(ssl);
	n = BIO_read(to, out, (int)room);
	ck_assert_int_gt(n, 100);
	SSL_free(ssl);
	return (size_t)n;
}

static inline void
start_as(struct wire *w, const char *user, const char *db)
{
	char bytes[512];

	wire_send(w, bytes,
	    wire_startup(bytes, sizeof(bytes), 0x30000, "user", user,
		"database", db, NULL));
}

/* Until it is closed; true if the reason was told. */
static inline bool
is_closed_with(struct wire *w, const char *why)
{
	char got[4096];
	size_t n = 0;
	ssize_t len;
	struct pollfd pf = { .fd = w->fd, .events = POLLIN };

	for (;;) {
		ck_assert_int_eq(poll(&pf, 1, WIRE_MS), 1);
		len = recv(w->fd, got + n, sizeof(got) - 1 - n, 0);
		if (len <= 0)
			break;
		n += (size_t)len;
		ck_assert_uint_lt(n, sizeof(got) - 1);
	}
	got[n] = '\0';
	for (size_t i = 0; i + strlen(why) <= n; i++)
		if (memcmp(got + i, why, strlen(why)) == 0)
			return true;
	return false;
}

#endif
