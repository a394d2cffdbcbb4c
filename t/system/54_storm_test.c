/*
 * 54_storm_test.c - clients that are at the door: too many, too slow, silent.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/swarm.h"
#include "t/lib/wire.h"

#define SSL_REQUEST 80877103

enum { CROWD = 500, HELLOS = 150 };

static struct pooler *p;
static SSL_CTX *context;
static int black_hole = -1; /* a server that takes connections, and no more */

/* TLS as it is offered, SCRAM for the user who has a password; one worker. */
static void
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

static void
with(const char *more)
{
	configure(more);
	pooler_start(p);
}

static struct wire *
dial(void)
{
	return wire_open("127.0.0.1", p->port);
}

static const char *
tls_at(void)
{
	return pooler_at(
	    p, "host=localhost hostaddr=127.0.0.1 sslmode=require");
}

/* Descriptors of the only worker; -1 where the system does not tell. */
static long
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

static pid_t
worker_of(PGconn *admin)
{
	pid_t pid[POOLER_KIDS];

	ck_assert_int_eq(pooler_pids(admin, pid, POOLER_KIDS), 1);
	return pid[0];
}

/* --- how far they come -------------------------------------------------------- */

static void
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
static size_t
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
start_as(struct wire *w, const char *user, const char *db)
{
	char bytes[512];

	wire_send(w, bytes,
	    wire_startup(bytes, sizeof(bytes), 0x30000, "user", user,
		"database", db, NULL));
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

/* Until it is closed; true if the reason was told. */
static bool
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

/* The next wait in the backlog, and come in as others leave. */
START_TEST(cap_reached_and_released)
{
	struct wire *w[30], *late;
	PGconn *admin, *c;
	long before;

	with("max_client_logins = 10");
	admin = pooler_console(p, "admin");
	c = pooler_conn(p, "");
	before = descriptors(admin);
	for (int i = 0; i < 10; i++)
		w[i] = dial();
	UNTIL(5000, before == -1 || descriptors(admin) == before + 10);
	late = dial();
	start_as(late, "app", "app");
	/* it is neither refused nor served; who is in is */
	ck_assert(wire_is_quiet(late, 500));
	ck_assert_int_eq(sql_num(c, "SELECT 3"), 3);
	if (before != -1)
		ck_assert_int_eq(descriptors(admin), before + 10);
	for (int i = 0; i < 5; i++)
		wire_free(w[i]);
	wire_expect(late, "RKZ");
	for (int i = 5; i < 10; i++)
		wire_free(w[i]);
	wire_free(late);
	UNTIL(5000, descriptors(admin) == before);
	PQfinish(c);
	PQfinish(admin);
	pooler_stop(p);
}
END_TEST

/* Who let us wait for long makes room once others wait for it. */
START_TEST(silent_ones_make_room)
{
	struct wire *w[30];
	PGconn *c;
	int64_t from = now_ms();
	int told = 0;

	with("max_client_logins = 10");
	for (int i = 0; i < 30; i++)
		w[i] = dial();
	c = pooler_conn(p, "connect_timeout=25");
	ck_assert_int_lt(now_ms() - from, 25000);
	ck_assert_int_eq(sql_num(c, "SELECT 4"), 4);
	PQfinish(c);
	for (int i = 0; i < 10; i++)
		told += is_closed_with(w[i], "too many clients are logging in");
	ck_assert_int_eq(told, 10);
	for (int i = 0; i < 30; i++)
		wire_free(w[i]);
	pooler_stop(p);
}
END_TEST

/*
 * And they take no place of max_client_conn, and no row of the segment, from
 * those who say who they are.
 */
START_TEST(silent_ones_do_not_fill_max_client_conn)
{
	static struct wire *w[400];
	PGconn *admin, *c;
	int64_t from;
	long before;

	with("max_client_conn = 20");
	admin = pooler_console(p, "admin");
	before = descriptors(admin);
	for (int i = 0; i < 400; i++)
		w[i] = dial();
	UNTIL(5000, before == -1 || descriptors(admin) >= before + 200);
	/* a moment ago they may have been about to speak */
	sql_refused(pooler_at(p, ""), "no more connections allowed");
	from = now_ms();
	UNTIL(10000, now_ms() - from > 5500);
	c = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(c, "SELECT 5"), 5);
	PQfinish(c);
	PQfinish(admin);
	for (int i = 0; i < 400; i++)
		wire_free(w[i]);
	pooler_stop(p);
}
END_TEST

/* A burst above the cap: all come in, none is refused. */
START_TEST(burst_beyond_the_cap)
{
	struct swarm *s;

	with("max_client_logins = 20");
	s = swarm_new(tls_at(), 200, SWARM_BRIEF);
	swarm_gather(s, 40000);
	ck_assert_int_eq(swarm_connected(s), 200);
	ck_assert_int_eq(s->refused, 0);
	swarm_run(s, 200);
	swarm_settle(s, 20000);
	swarm_check(s);
	swarm_free(s);
	pooler_stop(p);
}
END_TEST

static int
count_answered(struct wire **w, int n)
{
	struct pollfd pf[HELLOS];
	int answered = 0;

	for (int i = 0; i < n; i++)
		pf[i] = (struct pollfd){ .fd = w[i]->fd, .events = POLLIN };
	ck_assert_int_ge(poll(pf, (nfds_t)n, 0), 0);
	for (int i = 0; i < n; i++)
		answered += (pf[i].revents & POLLIN) != 0;
	return answered;
}

/*
 * Handshakes that have all come in at once, and then a query: how many of them
 * had their answer when it had its own?
 */
static int
answered_before(PGconn *c, pid_t worker)
{
	static struct wire *w[HELLOS];
	char bytes[4096];
	size_t n = hello(bytes, sizeof(bytes));
	int answered;

	for (int i = 0; i < HELLOS; i++) {
		w[i] = dial();
		ask_tls(w[i]);
	}
	kill(worker, SIGSTOP);
	for (int i = 0; i < HELLOS; i++)
		wire_send(w[i], bytes, n);
	sql_send(c, "SELECT 6");
	kill(worker, SIGCONT);
	ck_assert_str_eq(sql_get(c), "6");
	answered = count_answered(w, HELLOS);
	/* and they have their turn, too */
	UNTIL(20000, count_answered(w, HELLOS) == HELLOS);
	for (int i = 0; i < HELLOS; i++)
		wire_free(w[i]);
	return answered;
}

/* It does not wait for them all; we may look late, but not each time. */
START_TEST(handshakes_do_not_hold_up_queries)
{
	int least = HELLOS;
	PGconn *admin, *c;
	pid_t worker;

	with("");
	admin = pooler_console(p, "admin");
	worker = worker_of(admin);
	c = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	for (int i = 0; i < 5 && least >= HELLOS * 2 / 3; i++) {
		int n = answered_before(c, worker);

		least = n < least ? n : least;
	}
	ck_assert_msg(least < HELLOS * 2 / 3, "%d were first", least);
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
	if (!is_standin()) {
		tcase_add_test(tc, cap_reached_and_released);
		tcase_add_test(tc, silent_ones_make_room);
		tcase_add_test(tc, silent_ones_do_not_fill_max_client_conn);
		tcase_add_test(tc, burst_beyond_the_cap);
		tcase_add_test(tc, handshakes_do_not_hold_up_queries);
	}
	return suite_run(s, SUITE_PG);
}
