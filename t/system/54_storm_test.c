/*
 * 54_storm_test.c - clients that stop at the door, at every stage of a login.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/door.h"

enum { CROWD = 500 };

static int black_hole = -1; /* a server that takes connections, and no more */

/* --- how far they come -------------------------------------------------------- */

static void
come_nowhere(struct wire *w)
{
	(void)w;
}

static void
come_torn(struct wire *w)
{
	wire_send(w, "\0\0\0\x30\0\3\0\0user\0ap", 15);
}

static void
come_giant(struct wire *w)
{
	/* as long as a startup packet may be said to be, and never all */
	wire_send(w, "\0\0\x27\x10\0\3\0\0user\0app\0", 17);
}

static void
come_to_tls(struct wire *w)
{
	ask_tls(w);
}

static void
come_half_through_tls(struct wire *w)
{
	char bytes[4096];
	size_t n = hello(bytes, sizeof(bytes));

	ask_tls(w);
	wire_send(w, bytes, n / 2);
}

/* Through the handshake, and not a byte further. */
static void
come_through_tls(struct wire *w)
{
	SSL *ssl = SSL_new(context);

	ask_tls(w);
	SSL_set_fd(ssl, w->fd);
	ck_assert_int_eq(SSL_connect(ssl), 1);
	SSL_set_quiet_shutdown(ssl, 1);
	SSL_free(ssl);
}

static void
come_to_sasl(struct wire *w)
{
	start_as(w, "pw", "app");
	wire_expect(w, "R");
}

static void
come_half_through_sasl(struct wire *w)
{
	static const char first[] = "n,,n=,r=abcdefghijklmnopqrstuvwx";

	come_to_sasl(w);
	wire_put(w, 'p', "six", "SCRAM-SHA-256", (int)sizeof(first) - 1, first,
	    sizeof(first) - 1);
	wire_expect(w, "R");
}

/* Proved, and its server never says a word. */
static void
come_to_welcome(struct wire *w)
{
	start_as(w, "app", "black");
}

static void (*const stages[])(struct wire *) = {
	come_nowhere,
	come_torn,
	come_giant,
	come_to_tls,
	come_half_through_tls,
	come_through_tls,
	come_to_sasl,
	come_half_through_sasl,
	come_to_welcome,
};

enum { STAGES = sizeof(stages) / sizeof(*stages) };

static void
black_hole_open(void)
{
	int port = spawn_port();
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	black_hole = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(
	    bind(black_hole, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(black_hole, 16), 0);
	pooler_db(p, "black = host=127.0.0.1 port=%d dbname=app", port);
}

static void
scram_for_pw(void)
{
	const char *rules = text("%s/hba.conf", p->dir);

	spew(rules,
	    "host all pw all scram-sha-256\n"
	    "host all all all trust\nlocal all all trust\n");
	pooler_set(p, "auth_type = hba");
	pooler_set(p, "auth_hba_file = %s", rules);
	pooler_auth(p, "pw", "secret");
}

/* --- tests ---------------------------------------------------------------------- */

/* Wherever it stops, client_login_timeout ends it, and nothing of it stays. */
START_TEST(login_timeout_covers_all)
{
	struct wire *w[STAGES];
	PGconn *admin, *c;
	int64_t from;
	long before;

	configure("client_login_timeout = 2");
	black_hole_open();
	scram_for_pw();
	pooler_start(p);
	admin = pooler_console(p, "admin");
	c = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	before = descriptors(admin);
	from = now_ms();
	for (int i = 0; i < STAGES; i++) {
		w[i] = dial();
		stages[i](w[i]);
	}
	/* where TLS has begun words would be gibberish */
	for (int i = 0; i < STAGES; i++) {
		bool is_told = is_closed_with(w[i], "client_login_timeout");

		ck_assert_msg(is_told || (i >= 3 && i <= 5), "stage %d", i);
		ck_assert_int_ge(now_ms() - from, 1500);
		ck_assert_int_lt(now_ms() - from, 30000);
		wire_free(w[i]);
	}
	ck_assert_int_eq(sql_num(c, "SELECT 2"), 2);
	/* the black hole's connection is a server's, not a client's */
	UNTIL(5000, descriptors(admin) <= before + 1);
	PQfinish(c);
	PQfinish(admin);
	close(black_hole);
	pooler_stop(p);
}
END_TEST

static bool
has_answer(const struct wire *w)
{
	struct pollfd pf = { .fd = w->fd, .events = POLLIN };

	return poll(&pf, 1, 0) == 1;
}

/* To say a little now and then is no way to stay. */
START_TEST(byte_by_byte)
{
	struct wire *w;
	char bytes[512];
	size_t n, sent = 0;
	int64_t from, next;

	with("client_login_timeout = 2");
	w = dial();
	n = wire_startup(bytes, sizeof(bytes), 0x30000, "user", "app",
	    "database", "app", NULL);
	from = next = now_ms();
	while (sent < n && !has_answer(w)) {
		if (now_ms() >= next) {
			(void)send(w->fd, bytes + sent++, 1, MSG_NOSIGNAL);
			next += 200;
		}
		nap();
	}
	ck_assert_int_lt(now_ms() - from, 30000);
	ck_assert_uint_lt(sent, n);
	ck_assert(is_closed_with(w, "client_login_timeout"));
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* A crowd at the door, at every stage: who is in works, who is new gets in. */
START_TEST(crowd_that_never_logs_in)
{
	static struct wire *w[CROWD];
	PGconn *admin, *c, *late;
	long before;

	configure("");
	scram_for_pw();
	pooler_start(p);
	admin = pooler_console(p, "admin");
	c = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	before = descriptors(admin);
	for (int i = 0; i < CROWD; i++) {
		w[i] = dial();
		stages[i % (STAGES - 1)](w[i]);
		if (i % 50 == 0)
			ck_assert_int_eq(sql_num(c, "SELECT %d", i), i);
	}
	if (before != -1)
		UNTIL(5000, descriptors(admin) == before + CROWD);
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(sql_num(c, "SELECT %d", i), i);
	late = sql_open(tls_at());
	ck_assert_int_eq(sql_num(late, "SELECT 7"), 7);
	PQfinish(late);
	for (int i = 0; i < CROWD; i++)
		wire_free(w[i]);
	UNTIL(5000, descriptors(admin) == before);
	PQfinish(c);
	PQfinish(admin);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("storm");
	TCase *tc = suite_case(s, "door", 60);

	context = SSL_CTX_new(TLS_client_method());
	tcase_add_test(tc, login_timeout_covers_all);
	tcase_add_test(tc, byte_by_byte);
	tcase_add_test(tc, crowd_that_never_logs_in);
	return suite_run(s, SUITE_PG);
}
