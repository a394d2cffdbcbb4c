/*
 * 19_tls_inside_test.c - what a client asks for once it is inside TLS: more
 * encryption, which there is none of; a cancel, as outside; and nothing at
 * all, which costs next to nothing.
 *
 * PostgreSQL is asked the same: it takes a second request for a startup packet
 * of a protocol that it does not know.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

enum { CANCEL = 80877102, SSL_REQUEST = 80877103, GSS_REQUEST = 80877104 };

static struct pooler *p;

static void
set_up(void)
{
	p = pooler_new();
	pooler_set(p, "client_tls_sslmode = require");
	pooler_set(p, "client_tls_cert_file = %s", cert("server.crt"));
	pooler_set(p, "client_tls_key_file = %s", cert("server.key"));
	pooler_set(p, "default_pool_size = 2");
	pooler_start(p);
}

/* The server has TLS from now on. */
static void
serve(void)
{
	pg_ask(pg, "ALTER SYSTEM SET ssl_cert_file = '%s'", cert("server.crt"));
	pg_ask(pg, "ALTER SYSTEM SET ssl_key_file = '%s'", cert("server.key"));
	pg_ask(pg, "ALTER SYSTEM SET ssl = on");
	pg_ask(pg, "SELECT pg_reload_conf()");
	UNTIL(5000, !strcmp(pg_ask(pg, "SHOW ssl"), "on"));
}

static void
tear_down(void)
{
	PGconn *c = pooler_conn(p, "sslmode=require");

	/* whoever was refused has cost nobody else anything */
	ck_assert_int_eq(sql_num(c, "SELECT 41 + 1"), 42);
	PQfinish(c);
	pooler_stop(p);
}

/* --- a client inside TLS ------------------------------------------------------ */

struct inside {
	struct wire *w;
	SSL *ssl;
	char in[4096]; /* the last message: type, length, body */
	size_t len;
};

/* Outside, for now. */
static struct wire *
come(int port)
{
	struct wire *w = wire_open("127.0.0.1", port);
	struct timeval limit = { .tv_sec = WIRE_MS / 1000 };

	ck_assert_int_eq(
	    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)),
	    0);
	return w;
}

static void
ask(struct wire *w, int32_t code, char want)
{
	char answer;

	wire_put(w, 0, "i", code);
	ck_assert_int_eq(recv(w->fd, &answer, 1, 0), 1);
	ck_assert_int_eq(answer, want);
}

/* `most` is the highest version that it wants; 0: any. */
static struct inside
shake(struct wire *w, bool is_direct, int most)
{
	static const unsigned char alpn[] = "\x0apostgresql";
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct inside i = { .w = w };

	SSL_CTX_set_max_proto_version(ctx, most);
	i.ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	if (is_direct)
		SSL_set_alpn_protos(i.ssl, alpn, sizeof(alpn) - 1);
	SSL_set_fd(i.ssl, i.w->fd);
	ck_assert_int_eq(SSL_connect(i.ssl), 1);
	return i;
}

static struct inside
enter(int port, bool is_direct, int most)
{
	struct wire *w = come(port);

	if (!is_direct)
		ask(w, SSL_REQUEST, 'S');
	return shake(w, is_direct, most);
}

static void
leave(struct inside *i)
{
	SSL_free(i->ssl);
	wire_free(i->w);
}

static void
say(struct inside *i, const char *bytes, size_t len)
{
	ck_assert_int_eq(SSL_write(i->ssl, bytes, (int)len), (int)len);
}

static bool
take(struct inside *i, size_t more)
{
	ck_assert_uint_le(i->len + more, sizeof(i->in));
	for (int n; more > 0; more -= (size_t)n, i->len += (size_t)n)
		if ((n = SSL_read(i->ssl, i->in + i->len, (int)more)) <= 0)
			return false;
	return true;
}

/* The next message's type; 0: no more come. */
static char
hear(struct inside *i)
{
	const uint8_t *in = (const uint8_t *)i->in;

	i->len = 0;
	if (!take(i, 5))
		return 0;
	ck_assert(take(i,
	    ((size_t)in[1] << 24 | (size_t)in[2] << 16 | (size_t)in[3] << 8 |
		in[4]) -
		4));
	return i->in[0];
}

/* It is told this much, and that was all. */
static void
is_refused(struct inside *i, const char *sqlstate)
{
	ck_assert_int_eq(hear(i), 'E');
	ck_assert_ptr_nonnull(memmem(i->in, i->len, "SFATAL", 7));
	ck_assert_msg(
	    memmem(i->in, i->len, sqlstate, strlen(sqlstate) + 1) != NULL,
	    "not C%s: %.*s", sqlstate, (int)i->len - 5, i->in + 5);
	ck_assert_int_eq(hear(i), 0);
	leave(i);
}

static size_t
startup(char *out, size_t room)
{
	return wire_startup(
	    out, room, 0x30000, "user", "app", "database", "app", NULL);
}

/* --- tests ---------------------------------------------------------------------- */

enum { ALONE, WITH_A_STARTUP, IN_BYTES, WAYS };

/* A request for encryption, the way `_i` says: and no second answer to it. */
START_TEST(encryption)
{
	int32_t code = _i / WAYS == 0 ? SSL_REQUEST : GSS_REQUEST;
	char bytes[512];
	size_t n = wire_make(bytes, sizeof(bytes), 0, "i", code);

	set_up();
	serve();
	if (_i % WAYS == WITH_A_STARTUP)
		n += startup(bytes + n, sizeof(bytes) - n);
	for (int at = 0; at < 3; at++) {
		struct inside i =
		    enter(at == 0 ? pg->port : p->port, at == 2, 0);

		if (_i % WAYS != IN_BYTES)
			say(&i, bytes, n);
		else
			for (size_t b = 0; b < n; b++)
				say(&i, bytes + b, 1);
		is_refused(&i, at == 0 ? "C0A000" : "C08P01");
	}
	tear_down();
}
END_TEST

/* GSSAPI may be asked for first; there is none, and TLS is open still. */
START_TEST(gss_first)
{
	char bytes[512];
	size_t n = startup(bytes, sizeof(bytes));
	struct inside i;
	struct wire *w;

	set_up();
	w = come(p->port);
	ask(w, GSS_REQUEST, 'N');
	ask(w, SSL_REQUEST, 'S');
	i = shake(w, false, 0);
	say(&i, bytes, n);
	ck_assert_int_eq(hear(&i), 'R');
	leave(&i);
	tear_down();
}
END_TEST

/* The console says how they came. */
START_TEST(shown)
{
	PGconn *c;
	PGresult *r;

	set_up();
	c = pooler_console(p, "admin sslmode=require");
	r = PQexec(c, "SHOW CLIENTS");
	ck_assert_int_eq(PQntuples(r), 1);
	ck_assert_int_eq(
	    strncmp(PQgetvalue(r, 0, PQfnumber(r, "tls")), "TLSv1.3/", 8), 0);
	PQclear(r);
	PQfinish(c);
	tear_down();
}
END_TEST

/* TLS in TLS: what outside begins direct TLS is here no packet at all. */
START_TEST(hello)
{
	static const char bytes[] = "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03";

	set_up();
	for (int is_direct = 0; is_direct < 2; is_direct++) {
		struct inside i = enter(p->port, is_direct, 0);

		say(&i, bytes, sizeof(bytes) - 1);
		is_refused(&i, "C08P01");
	}
	tear_down();
}
END_TEST

/*
 * TLS 1.2 can begin anew in the middle, with a record that begins as direct
 * TLS does: before the startup packet, and behind it.
 */
START_TEST(anew)
{
	char bytes[512];
	size_t n = startup(bytes, sizeof(bytes));

	set_up();
	for (int how = 0; how < 4; how++) {
		struct inside i = enter(p->port, how & 1, TLS1_2_VERSION);

		if (how & 2) {
			say(&i, bytes, n);
			while (hear(&i) != 'Z')
				ck_assert_int_ne(i.in[0], 'E');
		}
		ERR_clear_error();
		ck_assert_int_eq(SSL_renegotiate(i.ssl), 1);
		ck_assert_int_ne(SSL_do_handshake(i.ssl), 1);
		ck_assert_int_eq(
		    ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
		leave(&i);
	}
	tear_down();
}
END_TEST

/* In a session the first byte is a message's type, and none is 0. */
START_TEST(in_a_session)
{
	char bytes[512];
	size_t n = startup(bytes, sizeof(bytes));

	set_up();
	serve();
	for (int at = 0; at < 2; at++) {
		struct inside i = enter(at == 0 ? pg->port : p->port, false, 0);

		say(&i, bytes, n);
		while (hear(&i) != 'Z')
			ck_assert_int_ne(i.in[0], 'E');
		say(&i, "\0\0\0\x08\x04\xd2\x16\x2f", 8);
		is_refused(&i, "C08P01");
	}
	tear_down();
}
END_TEST

/* Nothing but a startup packet logs in, and a cancel is as good as outside. */
START_TEST(cancel)
{
	char bytes[64];
	size_t n;
	struct wire *w;
	struct inside i;
	PGconn *c;
	SSL *ssl;

	set_up();
	i = enter(p->port, false, 0);
	n = startup(i.in, sizeof(i.in));
	say(&i, i.in, n);
	while (hear(&i) != 'K')
		ck_assert_int_ne(i.in[0], 'E');
	n = wire_make(
	    bytes, sizeof(bytes), 0, "ix", CANCEL, i.in + 5, (size_t)8);
	while (hear(&i) != 'Z')
		continue;
	c = pooler_conn(p, "sslmode=require");
	w = i.w;
	ssl = i.ssl;
	i.len = wire_make(i.in, sizeof(i.in), 'Q', "s", "SELECT pg_sleep(20)");
	say(&i, i.in, i.len);
	UNTIL(5000, pg_backends(pg, "query LIKE 'SELECT pg_sleep%'") == 1);
	i = enter(p->port, false, 0);
	say(&i, bytes, n);
	ck_assert_int_eq(hear(&i), 0);
	leave(&i);
	i.w = w;
	i.ssl = ssl;
	while (hear(&i) != 'E')
		ck_assert_int_ne(i.in[0], 0);
	ck_assert_ptr_nonnull(memmem(i.in, i.len, "C57014", 7));
	ck_assert_int_eq(hear(&i), 'Z');
	ck_assert_int_eq(sql_num(c, "SELECT 5"), 5);
	PQfinish(c);
	leave(&i);
	tear_down();
}
END_TEST

/* Records need 16 kB each way: not while nobody says anything. */
START_TEST(idle)
{
	enum { N = 80, KB_EACH = 24 };
	PGconn *c[N];
	long before;

	set_up();
	/* what comes once, whoever comes */
	for (int i = 0; i < 8; i++) {
		c[i] = pooler_conn(p, "sslmode=require");
		ck_assert_int_eq(sql_num(c[i], "SELECT 1"), 1);
	}
	before = pooler_rss_kb(p);
	for (int i = 8; i < N; i++) {
		c[i] = pooler_conn(p, "sslmode=require");
		ck_assert_int_eq(sql_num(c[i], "SELECT %d", i), i);
	}
	if (!is_sanitized())
		ck_assert_int_lt(
		    (pooler_rss_kb(p) - before) / (N - 8), KB_EACH);
	for (int i = 0; i < N; i++)
		PQfinish(c[i]);
	tear_down();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls_inside");
	TCase *tc = suite_case(s, "tls_inside", 40);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_loop_test(tc, encryption, 0, 2 * WAYS);
	tcase_add_test(tc, gss_first);
	tcase_add_test(tc, shown);
	tcase_add_test(tc, hello);
	tcase_add_test(tc, anew);
	tcase_add_test(tc, in_a_session);
	tcase_add_test(tc, cancel);
	tcase_add_test(tc, idle);
	return suite_run(s, SUITE_PG);
}
