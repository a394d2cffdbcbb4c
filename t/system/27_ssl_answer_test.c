/*
 * 27_ssl_answer_test.c - what a server may say to an SSLRequest, and what is
 * made of it: one byte counts, and nothing else is believed.  A request to
 * cancel is asked for and answered in the same way.
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/certs.h"
#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

#define CANCEL_REQUEST 80877102
#define SSL_REQUEST    80877103
#define LURE           "send the password to evil.example"
#define ERROR         \
	"E\0\0\0\x2a" \
	"SFATAL\0C28000\0M" LURE "\0\0"
#define WELCOME "R\0\0\0\x08\0\0\0\0Z\0\0\0\5I"

#define ROW(mode, bytes, log)                       \
	{                                           \
		mode, bytes, sizeof(bytes) - 1, log \
	}

/* With this server_tls_sslmode, this answer: what the log says. */
static const struct {
	const char *mode, *bytes;
	size_t len;
	const char *log;
} rows[] = {
	ROW("require", "N", "server refused TLS"),
	ROW("verify-ca", "N", "server refused TLS"),
	ROW("require", "N" WELCOME, "server refused TLS"),
	ROW("require", "", "closed the connection at SSLRequest"),
	ROW("prefer", "", "closed the connection at SSLRequest"),
	ROW("prefer", ERROR, "server answered SSLRequest with 0x45"),
	ROW("require", ERROR, "server answered SSLRequest with 0x45"),
	ROW("prefer", WELCOME, "server answered SSLRequest with 0x52"),
	ROW("require", "G", "server answered SSLRequest with 0x47"),
	ROW("prefer", "\0", "server answered SSLRequest with 0x00"),
	/* what follows in plain text is no handshake (CVE-2021-23222) */
	ROW("require", "S" WELCOME, "TLS handshake: "),
	ROW("prefer", "S" WELCOME, "TLS handshake: "),
};

static int row; /* of this test's process, and of the servers that it forks */

/* Answer, and count what else comes. */
static void
serve(int fd, struct fake_count *count)
{
	uint32_t head[2];
	char rest[1024];
	ssize_t n;

	fake_read(fd, head, sizeof(head));
	if (ntohl(head[1]) != SSL_REQUEST)
		_exit(1);
	count->mark[0]++;
	fake_send(fd, rows[row].bytes, rows[row].len);
	if (rows[row].len == 0)
		return;
	while ((n = read(fd, rest, sizeof(rest))) > 0)
		count->mark[1] += (int)n;
}

START_TEST(answers)
{
	struct pooler *p = pooler_new();
	struct fakepg *f;
	PGconn *c;

	row = _i;
	f = fakepg_start(serve);
	p->errors_ok = true;
	pooler_db(p, "app = host=localhost port=%d", f->port);
	pooler_set(p, "server_tls_sslmode = %s", rows[_i].mode);
	pooler_set(p, "server_login_retry = 0.1\nquery_wait_timeout = 1");
	if (strncmp(rows[_i].mode, "verify", 6) == 0)
		pooler_set(p, "server_tls_ca_file = %s", cert("ca.crt"));
	pooler_start(p);
	c = PQconnectdb(pooler_at(p, ""));
	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	ck_assert_ptr_null(strstr(PQerrorMessage(c), "evil"));
	PQfinish(c);
	ck_assert_int_ge(f->count->mark[0], 1);
	ck_assert(file_has(p->log, rows[_i].log));
	ck_assert(!file_has(p->log, "evil"));
	/* no startup packet, no first message of TLS, unless it said S */
	if (rows[_i].bytes[0] != 'S')
		ck_assert_int_eq(f->count->mark[1], 0);
	else
		UNTIL(5000, f->count->mark[1] > 0);
	ck_assert_int_eq(f->count->logins, 0);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* --- cancel -------------------------------------------------------------------- */

/* Through TLS, what fake_welcome() has to say. */
static void
welcome(SSL *ssl)
{
	char bytes[4096];
	ssize_t n;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == -1)
		_exit(1);
	fake_welcome(fd[0]);
	n = read(fd[1], bytes, sizeof(bytes));
	if (n <= 0 || SSL_write(ssl, bytes, (int)n) != (int)n)
		_exit(1);
}

/* How the server has TLS: asked for, the first time only, or at once. */
static enum { ASKED, ASKED_ONCE, DIRECT, WAYS } way;

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	(void)ssl, (void)arg;
	*out = in + 1;
	*out_len = in[0];
	return in_len == in[0] + 1U ? SSL_TLSEXT_ERR_OK
				    : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A server with TLS: one session that never has its answer, and cancels. */
static void
serve_session(int fd, struct fake_count *count)
{
	SSL_CTX *x = SSL_CTX_new(TLS_server_method());
	SSL *ssl = SSL_new(x);
	uint32_t head[2];
	char bytes[4096];
	int n;

	if (way != DIRECT) {
		fake_read(fd, head, sizeof(head));
		if (ntohl(head[1]) != SSL_REQUEST) {
			count->mark[0]++; /* in plain text */
			return;
		}
		fake_send(
		    fd, way == ASKED || count->logins == 0 ? "S" : "N", 1);
	}
	if (way == ASKED_ONCE && count->logins > 0) {
		while ((n = (int)read(fd, bytes, sizeof(bytes))) > 0)
			count->mark[1] += n;
		return;
	}
	SSL_CTX_set_alpn_select_cb(x, on_alpn, NULL);
	SSL_use_certificate_file(ssl, cert("server.crt"), SSL_FILETYPE_PEM);
	SSL_use_PrivateKey_file(ssl, cert("server.key"), SSL_FILETYPE_PEM);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) != 1 || SSL_read(ssl, bytes, sizeof(bytes)) < 8)
		_exit(1);
	memcpy(head, bytes, sizeof(head));
	if (ntohl(head[1]) == CANCEL_REQUEST) {
		count->cancels++;
		return;
	}
	count->logins++;
	welcome(ssl);
	while (SSL_read(ssl, bytes, sizeof(bytes)) > 0)
		count->queries++;
}

START_TEST(cancel)
{
	struct pooler *p = pooler_new();
	struct fakepg *f;
	char why[256];
	PGcancel *k;
	PGconn *c;

	way = _i;
	certs_dir();
	f = fakepg_start(serve_session);
	p->errors_ok = true;
	pooler_db(p, "app = host=localhost port=%d", f->port);
	pooler_set(
	    p, "server_tls_sslmode = %s", way == DIRECT ? "require" : "prefer");
	if (way == DIRECT)
		pooler_set(p, "server_tls_negotiation = direct");
	pooler_start(p);
	c = pooler_conn(p, "");
	sql_send(c, "SELECT 1");
	UNTIL(5000, f->count->queries == 1);
	k = PQgetCancel(c);
	(void)PQcancel(k, why, sizeof(why));
	PQfreeCancel(k);
	if (way != ASKED_ONCE)
		UNTIL(5000, f->count->cancels == 1);
	else
		UNTIL(
		    5000, file_has(p->log, "not be sent: server refused TLS"));
	/* its key is as secret as the session: nobody else saw it */
	ck_assert_int_eq(f->count->mark[0], 0);
	ck_assert_int_eq(f->count->mark[1], 0);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* --- direct -------------------------------------------------------------------- */

static void
serve_direct(int fd, struct fake_count *count)
{
	uint8_t first;

	fake_read(fd, &first, 1);
	count->mark[0] = first;
}

/* TLS at once, without a question. */
START_TEST(direct)
{
	struct pooler *p = pooler_new();
	struct fakepg *f = fakepg_start(serve_direct);
	PGconn *c;

	p->errors_ok = true;
	pooler_db(p, "app = host=localhost port=%d", f->port);
	pooler_set(p, "server_tls_sslmode = require");
	pooler_set(p, "server_tls_negotiation = direct");
	pooler_set(p, "query_wait_timeout = 1");
	pooler_start(p);
	c = PQconnectdb(pooler_at(p, ""));
	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	PQfinish(c);
	ck_assert_int_eq(f->count->mark[0], 0x16);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ssl answer");
	TCase *tc = suite_case(s, "ssl answer", 30);

	/* the log's words are ours */
	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_loop_test(
	    tc, answers, 0, (int)(sizeof(rows) / sizeof(*rows)));
	tcase_add_loop_test(tc, cancel, 0, WAYS);
	tcase_add_test(tc, direct);
	return suite_run(s, SUITE_NO_PG);
}
