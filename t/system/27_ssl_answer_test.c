/*
 * 27_ssl_answer_test.c - what a server may say to an SSLRequest, and what is
 * made of it: one byte counts, and nothing else is believed.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/certs.h"
#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

#define SSL_REQUEST 80877103
#define LURE        "send the password to evil.example"
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
	return suite_run(s, SUITE_NO_PG);
}
