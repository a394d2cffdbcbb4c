/*
 * 11_greet_test.c - the first bytes of a client, the rude ones above all.
 */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

#define SSL_REQUEST    80877103
#define GSS_REQUEST    80877104
#define CANCEL_REQUEST 80877102

static struct pooler *p;

static void
set_up(void)
{
	p = pooler_with("default_pool_size = 2\n"
			"session_state = off");
}

static void
tear_down(void)
{
	PGconn *c = pooler_conn(p, "");

	/* whatever was sent, the next one is served */
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	pooler_stop(p);
}

static struct wire *
dial(void)
{
	return wire_open("127.0.0.1", p->port);
}

/* The answer to a request for encryption is one byte, without a frame. */
static void
expect_n(struct wire *w)
{
	struct pollfd pf = { .fd = w->fd, .events = POLLIN };
	char c;

	ck_assert_int_eq(poll(&pf, 1, WIRE_MS), 1);
	ck_assert_int_eq(recv(w->fd, &c, 1, 0), 1);
	ck_assert_int_eq(c, 'N');
}

START_TEST(encryption_is_declined)
{
	struct wire *w = dial();

	wire_put(w, 0, "i", SSL_REQUEST);
	expect_n(w);
	wire_put(w, 0, "i", GSS_REQUEST);
	expect_n(w);
	wire_login(w, "app", "app");
	wire_query(w, "SELECT 1");
	wire_expect(w, "TDCZ");
	wire_free(w);
}
END_TEST

/* Each may be asked for once: it was answered. */
START_TEST(encryption_asked_for_twice)
{
	const int32_t request = _i == 0 ? SSL_REQUEST : GSS_REQUEST;
	struct wire *w = dial();

	wire_put(w, 0, "i", request);
	expect_n(w);
	wire_put(w, 0, "i", request);
	wire_error(w, 'C', "08P01");
	wire_end(w);
	wire_free(w);
}
END_TEST

/*
 * Bytes that came with the request, before its answer, could have been put
 * there by somebody in between.
 */
static void
injected(uint32_t request)
{
	struct wire *w = dial();
	char buf[512];
	size_t n = wire_make(buf, sizeof(buf), 0, "i", request), start = n;
	bool welcomed = false;

	n += wire_startup(buf + n, sizeof(buf) - n, 0x30000, "user", "app",
	    "database", "app", NULL);
	wire_send(w, buf, n);
	/* perhaps an N first; then an error or just the end: no welcome */
	for (;;) {
		struct pollfd pf = { .fd = w->fd, .events = POLLIN };
		char got[4096];
		ssize_t len;

		ck_assert_int_eq(poll(&pf, 1, WIRE_MS), 1);
		len = recv(w->fd, got, sizeof(got), 0);
		if (len <= 0)
			break;
		if (memchr(got, 'R', (size_t)len) == got)
			welcomed = true;
	}
	ck_assert_uint_gt(n, start);
	ck_assert(!welcomed);
	wire_free(w);
}

START_TEST(injection_behind_ssl_request)
{
	injected(SSL_REQUEST);
}
END_TEST

START_TEST(injection_behind_gss_request)
{
	injected(GSS_REQUEST);
}
END_TEST

START_TEST(newer_minor_is_negotiated)
{
	struct wire *w = dial();
	char buf[2048], name[1000] = "_pq_.";
	uint32_t word[2];

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30002, "user", "app", "database",
		"app", "_pq_.future", "on", NULL));
	wire_expect(w, "v");
	memcpy(word, w->body, 8);
	/* it may have 3.2 (from us), but for one option that nobody knows */
	ck_assert_uint_eq(ntohl(word[0]) & 0xffff, is_standin() ? 0 : 2);
	ck_assert_uint_eq(ntohl(word[1]), 1);
	ck_assert_str_eq(w->body + 8, "_pq_.future");
	wire_expect(w, "RKZ");
	wire_query(w, "SELECT 1");
	wire_expect(w, "TDCZ");
	wire_free(w);
	/* as many options as there may be are all named */
	w = dial();
	memset(name + 5, 'x', sizeof(name) - 6);
	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", "app", "database",
		"app", name, "", NULL));
	wire_expect(w, "v");
	ck_assert_str_eq(w->body + 8, name);
	wire_expect(w, "RKZ");
	wire_free(w);
}
END_TEST

START_TEST(other_majors_are_refused)
{
	static const uint32_t versions[] = { 0x20000, 0x10000, 0x40000, 0,
		0xffffffff, 80877101 };
	char buf[512];

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		struct wire *w = dial();

		wire_send(w, buf,
		    wire_startup(buf, sizeof(buf), versions[i], "user", "app",
			"database", "app", NULL));
		if (wire_recv(w, WIRE_MS) != 0) {
			ck_assert_int_eq(w->type, 'E');
			wire_end(w);
		}
		wire_free(w);
	}
}
END_TEST

/* A length, a start of the message, and then nothing good. */
START_TEST(hostile_lengths)
{
	static const uint32_t lengths[] = { 0, 1, 3, 4, 7, 9, 65536, 100000,
		0x7fffffff, 0x80000000, 0xfffffffb, 0xffffffff };
	static char rest[70000];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct wire *w = dial();
		uint32_t head[2] = { htonl(lengths[i]), htonl(0x30000) };

		wire_send(w, head, sizeof(head));
		/* it may be gone before all of it is sent */
		(void)send(w->fd, rest, sizeof(rest), MSG_NOSIGNAL);
		shutdown(w->fd, SHUT_WR);
		while (recv(w->fd, rest, sizeof(rest), 0) > 0)
			continue;
		memset(rest, 0, sizeof(rest));
		wire_free(w);
	}
}
END_TEST

START_TEST(malformed_startups)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "", 0 },          /* no end at all */
		{ "user", 4 },      /* no value */
		{ "user\0app", 8 }, /* torn string */
		{ "user\0app\0database", 17 },
		{ "database\0app\0\0", 14 },         /* no user */
		{ "user\0\0database\0app\0\0", 20 }, /* empty user */
		{ "user\0app\0\0x\0y\0\0", 15 },     /* after the end */
		{ "\0\0\0\0\0\0\0\0", 8 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (i == 6 && is_standin())
			continue;
		struct wire *w = dial();

		wire_put(w, 0, "ix", 0x30000, bad[i].bytes, bad[i].len);
		shutdown(w->fd, SHUT_WR);
		if (wire_recv(w, WIRE_MS) != 0) {
			ck_assert_msg(
			    w->type == 'E', "%d: %c", (int)i, w->type);
			wire_end(w);
		}
		wire_free(w);
	}
}
END_TEST

START_TEST(unknown_parameter)
{
	struct wire *w = dial();
	char buf[512];

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", "app", "database",
		"app", "nonsense", "1", NULL));
	wire_error(w, 'M', "unsupported startup parameter: nonsense");
	ck_assert_str_eq(wire_field(w, 'C'), "08P01");
	wire_end(w);
	wire_free(w);
}
END_TEST

/* A client that is sent away makes two lines; each has its own switch. */
START_TEST(switches_of_the_log)
{
	static const char closing[] = "closing because: unsupported startup",
			  error[] = "pooler error: unsupported startup";

	for (int i = 0; i < 4; i++) {
		int n = file_count(p->log, closing);
		int m = file_count(p->log, error);

		pooler_set(p, "log_disconnections = %d", i & 1);
		pooler_set(p, "log_pooler_errors = %d", i >> 1);
		pooler_reload(p);
		sql_refused(
		    pooler_at(p, "options='-c nonsense=1'"), "nonsense");
		ck_assert_int_eq(file_count(p->log, closing), n + (i & 1));
		ck_assert_int_eq(file_count(p->log, error), m + (i >> 1));
	}
}
END_TEST

START_TEST(unknown_database)
{
	struct wire *w = dial();
	char buf[512];

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", "app", "database",
		"nowhere", NULL));
	wire_error(w, 'M', "nowhere");
	if (!is_standin())
		ck_assert_str_eq(wire_field(w, 'C'), "3D000");
	wire_end(w);
	wire_free(w);
}
END_TEST

/* Without a database the user's name is meant. */
START_TEST(default_database)
{
	struct wire *w = dial();
	char buf[512];

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", "app", NULL));
	wire_expect(w, "RKZ");
	wire_query(w, "SELECT current_database()::text");
	wire_expect(w, "TD");
	ck_assert_str_eq(wire_value(w), "app");
	wire_expect(w, "CZ");
	wire_free(w);
}
END_TEST

/* Messages that have no place before, or after, the login. */
START_TEST(wrong_order)
{
	static const char types[] = "QPpBXdSZR~";
	struct wire *w;

	for (const char *t = types; *t; t++) {
		w = dial();
		wire_put(w, *t, "s", "SELECT 1");
		shutdown(w->fd, SHUT_WR);
		while (wire_recv(w, WIRE_MS) != 0)
			ck_assert_int_eq(w->type, 'E');
		wire_free(w);
	}
	w = dial();
	wire_login(w, "app", "app");
	wire_put(w, '~', "s", "what");
	while (wire_recv(w, WIRE_MS) != 0)
		ck_assert_int_eq(w->type, 'E');
	wire_free(w);
}
END_TEST

START_TEST(password_message_torture)
{
	static const uint32_t lengths[] = { 0, 3, 4, 0x7fffffff, 0xffffffff };
	static const char *const auth[] = { "plain", "md5", "scram-sha-256" };
	char buf[512];

	for (size_t a = 0; a < 3; a++) {
		pooler_set(p, "auth_type = %s", auth[a]);
		pooler_auth(p, "pw", "secret");
		pooler_reload(p);
		for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths);
		     i++) {
			struct wire *w = dial();
			uint32_t len = htonl(lengths[i]);

			wire_send(w, buf,
			    wire_startup(buf, sizeof(buf), 0x30000, "user",
				"pw", "database", "app", NULL));
			wire_expect(w, "R");
			wire_send(w, "p", 1);
			wire_send(w, &len, 4);
			wire_send(w, "SCRAM-SHA-256\0\377\377\377\377n,,", 21);
			shutdown(w->fd, SHUT_WR);
			while (wire_recv(w, WIRE_MS) != 0)
				ck_assert_int_ne(w->type, 'Z');
			wire_free(w);
		}
		pooler_set(p, "auth_type = trust");
		pooler_reload(p);
	}
}
END_TEST

/* A client that says nothing is sent away after client_login_timeout. */
START_TEST(silent_client)
{
	struct wire *w, *half;
	int64_t t0;

	pooler_stop(p);
	/* a kernel that waits for the first byte would wait for it too long */
	p = pooler_with("client_login_timeout = 1\ntcp_defer_accept = 0");
	t0 = now_ms();
	w = dial();
	half = dial();
	wire_send(half, "\0\0\0", 3);
	while (wire_recv(w, WIRE_MS) != 0)
		ck_assert_int_eq(w->type, 'E');
	while (wire_recv(half, WIRE_MS) != 0)
		ck_assert_int_eq(half->type, 'E');
	ck_assert_int_ge(now_ms() - t0, 800);
	ck_assert_int_lt(now_ms() - t0, 30000);
	wire_free(w);
	wire_free(half);
	/* who comes next may have to wait for the first server */
	pooler_set(p, "client_login_timeout = 20");
	pooler_reload(p);
}
END_TEST

/* Cancel requests with keys that nobody has are closed without a word. */
START_TEST(wrong_cancel_keys)
{
	for (uint32_t i = 0; i < 50; i++) {
		struct wire *w = dial();

		wire_put(w, 0, "iii", CANCEL_REQUEST, i * 7919u, ~i);
		wire_end(w);
		wire_free(w);
	}
}
END_TEST

/* Hundreds that only knock. */
START_TEST(port_scan)
{
	for (int i = 0; i < 300; i++)
		wire_free(dial());
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("greet");
	TCase *tc = suite_case(s, "greet", 30);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, encryption_is_declined);
	tcase_add_loop_test(tc, encryption_asked_for_twice, 0, 2);
	tcase_add_test(tc, injection_behind_ssl_request);
	tcase_add_test(tc, injection_behind_gss_request);
	tcase_add_test(tc, other_majors_are_refused);
	tcase_add_test(tc, hostile_lengths);
	tcase_add_test(tc, malformed_startups);
	tcase_add_test(tc, unknown_parameter);
	tcase_add_test(tc, switches_of_the_log);
	tcase_add_test(tc, unknown_database);
	tcase_add_test(tc, default_database);
	tcase_add_test(tc, wrong_order);
	tcase_add_test(tc, password_message_torture);
	tcase_add_test(tc, silent_client);
	tcase_add_test(tc, wrong_cancel_keys);
	tcase_add_test(tc, port_scan);
	if (!is_standin())
		tcase_add_test(tc, newer_minor_is_negotiated);
	return suite_run(s, SUITE_PG);
}
