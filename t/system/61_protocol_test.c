/*
 * 61_protocol_test.c - protocol 3.2: what is negotiated, once, and the longer
 * cancel keys that it brings, from our clients to us and from us to servers.
 *
 * libpq and PostgreSQL of today know 3.0 only: the clients here are raw, and
 * the servers are fakepg.
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/certs.h"
#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

#define CANCEL_REQUEST 80877102
#define SSL_REQUEST    80877103
#define V(minor)       (0x30000u + (minor))

static uint32_t
word(const char *p)
{
	uint32_t n;

	memcpy(&n, p, 4);
	return ntohl(n);
}

/* --- what a client asks for, and what it is told ----------------------------- */

static const struct ask {
	uint32_t minor, spoken;
	const char *option; /* NULL: none */
	bool is_told;
	size_t key_len;
} asks[] = {
	{ 0, 0, NULL, false, 4 },
	{ 0, 0, "_pq_.what", true, 4 },
	{ 1, 0, NULL, true, 4 }, /* there is no 3.1 */
	{ 2, 2, NULL, false, 32 },
	{ 2, 2, "_pq_.what", true, 32 },
	{ 3, 2, NULL, true, 32 },
	{ 9999, 2, "_pq_.test_protocol_negotiation", true, 32 },
	{ 65535, 2, NULL, true, 32 },
};

static size_t
startup_of(char *buf, size_t room, const struct ask *a)
{
	return wire_startup(buf, room, V(a->minor), "user", "app", "database",
	    "app", a->option, a->option ? "on" : NULL, NULL);
}

static void
expect_told(const struct wire *w, const struct ask *a)
{
	ck_assert_uint_eq(word(w->body), V(a->spoken));
	ck_assert_uint_eq(word(w->body + 4), a->option != NULL);
	ck_assert_uint_eq(w->len, 8 + (a->option ? strlen(a->option) + 1 : 0));
	if (a->option)
		ck_assert_str_eq(w->body + 8, a->option);
}

/* Told before it is asked for its password, and not again after it. */
static void
negotiate(const char *auth_type)
{
	bool has_password = strcmp(auth_type, "trust") != 0;
	struct pooler *p = pooler_new();

	pooler_set(p, "auth_type = %s", auth_type);
	pooler_auth(p, "app", "s3cret");
	pooler_start(p);
	for (size_t i = 0; i < sizeof(asks) / sizeof(*asks); i++) {
		struct wire *w = wire_open("127.0.0.1", p->port);
		char buf[512];

		wire_send(w, buf, startup_of(buf, sizeof(buf), &asks[i]));
		if (asks[i].is_told) {
			wire_expect(w, "v");
			expect_told(w, &asks[i]);
		}
		wire_expect(w, "R");
		ck_assert_uint_eq(word(w->body), has_password ? 3 : 0);
		if (has_password) {
			wire_put(w, 'p', "s", "s3cret");
			wire_expect(w, "R");
			ck_assert_uint_eq(word(w->body), 0);
		}
		wire_expect(w, "K");
		ck_assert_uint_eq(w->secret_len, asks[i].key_len);
		wire_expect(w, "Z");
		wire_query(w, "SELECT 1");
		wire_expect(w, "TDCZ");
		wire_free(w);
	}
	pooler_stop(p);
}

START_TEST(without_a_password)
{
	negotiate("trust");
}
END_TEST

START_TEST(with_a_password)
{
	negotiate("plain");
}
END_TEST

/* All that comes until ReadyForQuery: how many of type `type`? */
static int
count_over_tls(SSL *ssl, char type)
{
	char in[8192];
	size_t have = 0, at = 0;
	int n = 0, got;

	for (;;) {
		got = SSL_read(ssl, in + have, (int)(sizeof(in) - have));
		ck_assert_int_gt(got, 0);
		have += (size_t)got;
		while (have - at >= 5 && have - at > word(in + at + 1)) {
			n += in[at] == type;
			if (in[at] == 'Z')
				return n;
			at += word(in + at + 1) + 1;
		}
		ck_assert_uint_lt(have, sizeof(in));
	}
}

START_TEST(over_tls)
{
	struct pooler *p = pooler_new();
	SSL_CTX *x = SSL_CTX_new(TLS_client_method());

	pooler_set(p, "client_tls_sslmode = require");
	pooler_set(p, "client_tls_cert_file = %s", cert("server.crt"));
	pooler_set(p, "client_tls_key_file = %s", cert("server.key"));
	pooler_start(p);
	for (size_t i = 0; i < sizeof(asks) / sizeof(*asks); i++) {
		struct wire *w = wire_open("127.0.0.1", p->port);
		SSL *ssl = SSL_new(x);
		char buf[512];
		size_t n = startup_of(buf, sizeof(buf), &asks[i]);

		wire_put(w, 0, "i", SSL_REQUEST);
		ck_assert_int_eq(recv(w->fd, buf + n, 1, 0), 1);
		ck_assert_int_eq(buf[n], 'S');
		SSL_set_fd(ssl, w->fd);
		ck_assert_int_eq(SSL_connect(ssl), 1);
		ck_assert_int_eq(SSL_write(ssl, buf, (int)n), (int)n);
		ck_assert_int_eq(count_over_tls(ssl, 'v'), asks[i].is_told);
		SSL_free(ssl);
		wire_free(w);
	}
	SSL_CTX_free(x);
	pooler_stop(p);
}
END_TEST

START_TEST(console)
{
	struct pooler *p = pooler_with("");
	struct wire *w = wire_open("127.0.0.1", p->port);
	char buf[512];

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), V(2), "user", "admin", "database",
		"pgbouncer", NULL));
	wire_expect(w, "RKZ");
	ck_assert_uint_eq(w->secret_len, 32);
	wire_query(w, "SHOW VERSION");
	wire_expect(w, "TDCZ");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* --- our keys ---------------------------------------------------------------- */

static void
cancel(struct pooler *p, uint32_t pid, const char *key, size_t len)
{
	struct wire *k = wire_open("127.0.0.1", p->port);

	wire_put(k, 0, "iix", CANCEL_REQUEST, pid, key, len);
	wire_end(k);
	wire_free(k);
}

static struct wire *
sleeper(struct pooler *p, uint32_t minor)
{
	struct wire *w = wire_open("127.0.0.1", p->port);
	char buf[512];

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), V(minor), "user", "app", "database",
		"app", NULL));
	wire_expect(w, "RKZ");
	wire_query(w, "SELECT pg_sleep(60)");
	UNTIL(5000,
	    pg_backends(pg, "query LIKE '%pg_sleep%' AND state = 'active'") ==
		1);
	return w;
}

/* Only the whole key, from whichever worker it comes. */
START_TEST(whole_keys_only)
{
	struct pooler *p = pooler_with("workers = 4");

	for (uint32_t minor = 0; minor <= 2; minor += 2) {
		struct wire *w = sleeper(p, minor);
		char key[256] = "";

		memcpy(key, w->secret, w->secret_len);
		for (size_t len = 4; len <= sizeof(key); len++)
			if (len != w->secret_len && (len < 40 || len > 250))
				cancel(p, w->key[0], key, len);
		for (size_t i = 0; i < w->secret_len; i++) {
			key[i] ^= 1;
			cancel(p, w->key[0], key, w->secret_len);
			key[i] ^= 1;
		}
		ck_assert(wire_is_quiet(w, 100));
		/* beyond so many wrong keys a second none is looked at */
		for (int i = 0; wire_is_quiet(w, 200) && i < 20; i++)
			cancel(p, w->key[0], key, w->secret_len);
		wire_expect(w, "T");
		wire_error(w, 'C', "57014");
		wire_expect(w, "Z");
		wire_free(w);
	}
	pooler_stop(p);
}
END_TEST

/* --- servers ----------------------------------------------------------------- */

static const char long_key[256] = "a key of PostgreSQL 18\0with a zero in it";

/* Serve; a query of the name "hang" lasts until it is cancelled. */
static void
serve(int fd, struct fake_count *count, int cancels)
{
	char body[4096], type;

	while ((type = fake_recv(fd, body, sizeof(body))) != 'X') {
		if (type != 'Q')
			continue;
		count->queries++;
		if (!strstr(body, "hang")) {
			fake_row(fd, "fake");
			continue;
		}
		while (count->cancels <= cancels)
			usleep(1000);
		fake_put(fd, 'E', "bsbsbsb", 'S', "ERROR", 'C', "57014", 'M',
		    "canceled", 0);
		fake_ready(fd, 'I');
	}
}

static void
with_long_key(int fd, struct fake_count *count, size_t len)
{
	fake_startup(fd, count);
	fake_welcome_key(fd, 4711, long_key, len);
	serve(fd, count, count->cancels);
}

static void
key_of_32(int fd, struct fake_count *count)
{
	with_long_key(fd, count, 32);
}

static void
key_of_256(int fd, struct fake_count *count)
{
	with_long_key(fd, count, 256);
}

/* One that knows 3.0 only, as PostgreSQL did up to 17. */
static void
older(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	if (count->version != V(0))
		fake_put(fd, 'v', "ii", V(0), 0);
	fake_welcome_key(fd, 4711, long_key, 4);
	serve(fd, count, count->cancels);
}

static struct pooler *
before(struct fakepg *f, const char *setting)
{
	struct pooler *p = pooler_new();

	pooler_db(p, "fake = host=127.0.0.1 port=%d", f->port);
	pooler_set(p, "%s", setting);
	pooler_start(p);
	return p;
}

/* The server's key comes back to it as it was. */
static void
cancels_with(fake_fn *fn, const char *setting, uint32_t version, int len)
{
	struct fakepg *f = fakepg_start(fn);
	struct pooler *p = before(f, setting);
	PGconn *c = pooler_conn(p, "dbname=fake");
	char why[256];
	PGcancel *k;

	ck_assert_str_eq(sql_one(c, "SELECT 1"), "fake");
	ck_assert_uint_eq((uint32_t)f->count->version, version);
	sql_send(c, "SELECT hang");
	UNTIL(5000, f->count->queries == 2);
	k = PQgetCancel(c);
	ck_assert_msg(PQcancel(k, why, sizeof(why)) == 1, "%s", why);
	PQfreeCancel(k);
	ck_assert_ptr_nonnull(strstr(sql_get_error(c), "canceled"));
	ck_assert_int_eq(f->count->cancels, 1);
	ck_assert_int_eq(f->count->key_len, len);
	ck_assert_int_eq(memcmp(f->count->key, long_key, (size_t)len), 0);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}

START_TEST(server_of_3_0)
{
	cancels_with(older, "", V(0), 4);
}
END_TEST

START_TEST(server_of_3_2)
{
	cancels_with(key_of_32, "server_protocol = 3.2", V(2), 32);
}
END_TEST

START_TEST(longest_key)
{
	cancels_with(key_of_256, "server_protocol = 3.2", V(2), 256);
}
END_TEST

START_TEST(server_negotiates_down)
{
	cancels_with(older, "server_protocol = 3.2", V(2), 4);
}
END_TEST

/* --- answers that are none ---------------------------------------------------- */

static void
told_nothing_new(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_put(fd, 'v', "ii", V(2), 0);
	fake_welcome(fd);
	fake_serve(fd, count);
}

static void
told_twice(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_put(fd, 'v', "ii", V(0), 0);
	fake_put(fd, 'v', "ii", V(0), 0);
	fake_welcome(fd);
	fake_serve(fd, count);
}

static void
told_of_an_option(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_put(fd, 'v', "iis", V(0), 1, "_pq_.never_sent");
	fake_welcome(fd);
	fake_serve(fd, count);
}

static void
told_too_late(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 0);
	fake_put(fd, 'v', "ii", V(0), 0);
	fake_put(fd, 'K', "ii", 4711, 42);
	fake_ready(fd, 'I');
	fake_serve(fd, count);
}

static void
told_torn(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_put(fd, 'v', "i", V(0));
	fake_welcome(fd);
	fake_serve(fd, count);
}

static fake_fn *const rude[] = { told_nothing_new, told_twice,
	told_of_an_option, told_too_late, told_torn };

START_TEST(no_such_answer)
{
	struct fakepg *f = fakepg_start(rude[_i]);
	struct pooler *p = pooler_new();

	pooler_db(p, "fake = host=127.0.0.1 port=%d", f->port);
	pooler_set(p, "server_protocol = 3.2");
	pooler_set(p, "query_wait_timeout = 1");
	pooler_set(p, "server_login_retry = 1");
	pooler_start(p);
	sql_refused(pooler_at(p, "dbname=fake"), "");
	UNTIL(5000, f->count->logins >= 1);
	ck_assert_int_eq(f->count->queries, 0);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* --- function calls ------------------------------------------------------------- */

/* As they are, in whatever mode. */
START_TEST(function_call)
{
	static const char *const modes[] = { "session", "transaction",
		"statement" };
	struct pooler *p = pooler_with(
	    text("pool_mode = %s\ndefault_pool_size = 1", modes[_i]));
	uint32_t oid = (uint32_t)pg_num(
	    pg, "SELECT 'int4pl(int4, int4)'::regprocedure::oid::int");
	struct wire *w[2];

	for (int i = 0; i < 2; i++) {
		w[i] = wire_open("127.0.0.1", p->port);
		wire_login(w[i], "app", "app");
	}
	/* in session mode the server is the first one's: one after the other */
	for (int i = 0; i < 2; i++) {
		for (int n = 0; n < 3; n++) {
			wire_put(w[i], 'F', "ihhixixh", oid, 0, 2, 2, "19",
			    (size_t)2, 2, "23", (size_t)2, 0);
			wire_expect(w[i], "V");
			ck_assert_int_eq(memcmp(w[i]->body + 4, "42", 2), 0);
			wire_expect(w[i], "Z");
			wire_put(w[i], 'F', "ihhh", 1, 0, 0, 0);
			wire_expect(w[i], "EZ");
		}
		wire_put(w[i], 'X', "");
		wire_free(w[i]);
	}
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("61_protocol");
	TCase *tc = suite_case(s, "client", 60);

	tcase_add_test(tc, without_a_password);
	tcase_add_test(tc, with_a_password);
	tcase_add_test(tc, over_tls);
	tcase_add_test(tc, console);
	tcase_add_test(tc, whole_keys_only);
	tc = suite_case(s, "server", 60);
	tcase_add_test(tc, server_of_3_0);
	tcase_add_test(tc, server_of_3_2);
	tcase_add_test(tc, longest_key);
	tcase_add_test(tc, server_negotiates_down);
	tcase_add_loop_test(
	    tc, no_such_answer, 0, sizeof(rude) / sizeof(*rude));
	tcase_add_loop_test(tc, function_call, 0, 3);
	return suite_run(s, SUITE_PG);
}
