/*
 * 19_binding_test.c - SCRAM-SHA-256-PLUS against somebody in the middle.
 *
 * One who ends TLS on both sides, with a certificate that the client takes,
 * reads all that is said.  Channel binding tells on him: unless he has the
 * very certificate of the far end, which is how it is seen here that it is
 * used at all.  He stands before the server, and before the pooler.
 */
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/lib/certs.h"
#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

/* --- in the middle ------------------------------------------------------------ */

/* What becomes of the mechanisms that the far end offers. */
enum edit { AS_IT_IS, ONLY_PLUS, WITHOUT_PLUS };

/* Set before it is started. */
static struct {
	const char *cert; /* what it shows: a name in certs.h */
	enum edit edit;
	int to; /* the far end's port */
} middle;

static SSL *
tls_on(int fd, const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	SSL *s;

	/* a record that is no data must not make it wait for one that is */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_use_certificate_file(
	    ctx, cert(text("%s.crt", middle.cert)), SSL_FILETYPE_PEM);
	SSL_CTX_use_PrivateKey_file(
	    ctx, cert(text("%s.key", middle.cert)), SSL_FILETYPE_PEM);
	s = SSL_new(ctx);
	SSL_set_fd(s, fd);
	return s;
}

static const uint8_t ssl_request[8] = { 0, 0, 0, 8, 4, 210, 22, 47 };

static SSL *
take_in(int fd)
{
	uint8_t head[8];
	SSL *s;

	fake_read(fd, head, sizeof(head));
	if (memcmp(head, ssl_request, sizeof(head)) != 0)
		_exit(0);
	fake_send(fd, "S", 1);
	s = tls_on(fd, TLS_server_method());
	if (SSL_accept(s) != 1)
		_exit(0);
	return s;
}

static SSL *
go_on(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char answer;
	SSL *s;

	a.sin_port = htons((uint16_t)middle.to);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == -1)
		_exit(0);
	fake_send(fd, ssl_request, sizeof(ssl_request));
	fake_read(fd, &answer, 1);
	s = tls_on(fd, TLS_client_method());
	if (answer != 'S' || SSL_connect(s) != 1)
		_exit(0);
	return s;
}

/* Of the same length, and known to nobody. */
static void
replace(char *p, size_t len, const char *name, size_t size, char by)
{
	char *at = memmem(p, len, name, size);

	if (at != NULL)
		at[size - 2] = by;
}

#define PLAIN_NAME "SCRAM-SHA-256"
#define PLUS_NAME  PLAIN_NAME "-PLUS"

/* Pass on what has come; false at its end. */
static bool
pass(SSL *from, SSL *to, bool is_up, struct fake_count *count)
{
	char buf[4096];
	int n = SSL_read(from, buf, sizeof(buf));

	if (n <= 0)
		return SSL_get_error(from, n) == SSL_ERROR_WANT_READ;
	if (is_up && memmem(buf, (size_t)n, PLUS_NAME, sizeof(PLUS_NAME)) &&
	    memmem(buf, (size_t)n, "p=tls-server-end-point,,", 24))
		count->mark[0]++;
	if (!is_up && middle.edit == ONLY_PLUS)
		replace(buf, (size_t)n, PLAIN_NAME, sizeof(PLAIN_NAME), '7');
	if (!is_up && middle.edit == WITHOUT_PLUS)
		replace(buf, (size_t)n, PLUS_NAME, sizeof(PLUS_NAME), 'Z');
	return SSL_write(to, buf, n) == n;
}

static void
stand_between(int fd, struct fake_count *count)
{
	SSL *down = take_in(fd), *up = go_on();
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
		{ .fd = SSL_get_fd(up), .events = POLLIN } };

	for (;;) {
		if (SSL_pending(down) == 0 && SSL_pending(up) == 0 &&
		    poll(p, 2, -1) == -1)
			return;
		if ((p[0].revents || SSL_pending(down) > 0) &&
		    !pass(down, up, true, count))
			return;
		if ((p[1].revents || SSL_pending(up) > 0) &&
		    !pass(up, down, false, count))
			return;
		p[0].revents = p[1].revents = 0;
	}
}

static struct fakepg *
start_middle(const char *name, enum edit edit, int to)
{
	middle.cert = name;
	middle.edit = edit;
	middle.to = to;
	return fakepg_start(stand_between);
}

/* --- before the server -------------------------------------------------------- */

/* In, by PLUS or otherwise, or the far end's words. */
#define BOUND   "*"
#define UNBOUND ""

static void
serve_tls(void)
{
	pg_ask(pg, "ALTER SYSTEM SET ssl_cert_file = '%s'", cert("server.crt"));
	pg_ask(pg, "ALTER SYSTEM SET ssl_key_file = '%s'", cert("server.key"));
	pg_ask(pg, "ALTER SYSTEM SET ssl = on");
	pg_ask(pg, "SELECT pg_reload_conf()");
	UNTIL(5000, strcmp(pg_ask(pg, "SHOW ssl"), "on") == 0);
}

/* The pooler shows server.crt, and has the user's verifier or password. */
static struct pooler *
prepare(bool is_verifier, int port)
{
	struct pooler *p = pooler_new();

	pooler_db(p, "app = host=127.0.0.1 port=%d", port);
	pooler_auth(
	    p, "scram_u", is_verifier ? pg_secret(pg, "scram_u") : PG_PASSWORD);
	pooler_set(p, "auth_type = scram-sha-256");
	pooler_set(p, "client_tls_sslmode = require");
	pooler_set(p, "client_tls_cert_file = %s", cert("server.crt"));
	pooler_set(p, "client_tls_key_file = %s", cert("server.key"));
	return p;
}

/* Log in as scram_u by libpq; `want` is what has to come of it. */
static void
try(const struct pooler *p, int port, const char *more, const char *want,
    const struct fakepg *f)
{
	const char *at = text("host=127.0.0.1 port=%d dbname=app user=scram_u "
			      "password='" PG_PASSWORD "' sslmode=require %s",
	    port ? port : p->port, more);
	PGconn *c;

	if (strcmp(want, BOUND) != 0 && strcmp(want, UNBOUND) != 0) {
		sql_refused(at, want);
		return;
	}
	c = sql_open(at);
	ck_assert_str_eq(sql_one(c, "SELECT current_user"), "scram_u");
	PQfinish(c);
	ck_assert_int_eq(f->count->mark[0] > 0, strcmp(want, BOUND) == 0);
}

/* What the one in the middle is like, and what the server says. */
static const struct {
	const char *cert;
	enum edit edit;
	const char *want;
} servers[] = {
	{ "server", AS_IT_IS, BOUND },
	{ "server", ONLY_PLUS, BOUND },
	{ "server", WITHOUT_PLUS, "channel binding" },
	{ "other", AS_IT_IS, "channel binding" },
	{ "other", ONLY_PLUS, "channel binding" },
	{ "other", WITHOUT_PLUS, "channel binding" },
};

enum { AT_SERVER = sizeof(servers) / sizeof(*servers) };

START_TEST(before_server)
{
	bool is_verifier = _i >= AT_SERVER;
	int i = _i % AT_SERVER;
	struct fakepg *f;
	struct pooler *p;

	serve_tls();
	f = start_middle(servers[i].cert, servers[i].edit, pg->port);
	p = prepare(is_verifier, f->port);
	pooler_set(p, "server_tls_sslmode = require\nquery_wait_timeout = 15");
	pooler_start(p);
	try(p, 0, "", servers[i].want, f);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* Without SCRAM nobody would notice: it is not he who is clumsy. */
START_TEST(unnoticed)
{
	struct fakepg *f;
	struct pooler *p;
	PGconn *c;

	serve_tls();
	f = start_middle("other", AS_IT_IS, pg->port);
	p = pooler_new();
	pooler_db(p, "app = host=127.0.0.1 port=%d", f->port);
	pooler_set(p, "server_tls_sslmode = require");
	pooler_start(p);
	c = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(c, "SELECT 42"), 42);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* --- before the pooler -------------------------------------------------------- */

static const struct {
	const char *cert;
	enum edit edit;
	const char *demand, *want;
} clients[] = {
	{ "server", AS_IT_IS, "prefer", BOUND },
	{ "server", AS_IT_IS, "require", BOUND },
	{ "server", AS_IT_IS, "disable", UNBOUND },
	{ "server", ONLY_PLUS, "require", BOUND },
	{ "server", WITHOUT_PLUS, "prefer", "channel binding" },
	{ "server", WITHOUT_PLUS, "require", "channel binding" },
	{ "server", WITHOUT_PLUS, "disable", UNBOUND },
	{ "other", AS_IT_IS, "prefer", "channel binding" },
	{ "other", AS_IT_IS, "require", "channel binding" },
	{ "other", AS_IT_IS, "disable", UNBOUND },
};

enum { AT_POOLER = sizeof(clients) / sizeof(*clients) };

START_TEST(before_pooler)
{
	bool is_verifier = _i >= AT_POOLER;
	int i = _i % AT_POOLER;
	struct pooler *p = prepare(is_verifier, pg->port);
	struct fakepg *f;

	pooler_start(p);
	f = start_middle(clients[i].cert, clients[i].edit, p->port);
	try(p, f->port, text("channel_binding=%s", clients[i].demand),
	    clients[i].want, f);
	fakepg_stop(f);
	pooler_stop(p);
}
END_TEST

/* Once for all tests. */
static void
make_certs(void)
{
	(void)certs_dir();
}

int
main(void)
{
	Suite *s = suite_create("binding");
	TCase *tc = suite_case(s, "binding", 60);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_unchecked_fixture(tc, make_certs, NULL);
	tcase_add_loop_test(tc, before_server, 0, 2 * AT_SERVER);
	tcase_add_test(tc, unnoticed);
	tcase_add_loop_test(tc, before_pooler, 0, 2 * AT_POOLER);
	return suite_run(s, SUITE_PG);
}
