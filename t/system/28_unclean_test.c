/*
 * 28_unclean_test.c - servers that cannot be made clean when their client has
 * vanished: the next client has another one, soon, and its own answers.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

#define CANCEL_REQUEST 80877102

/* marks of struct fake_count */
enum { ASKED, TOLD };

static struct fakepg *f;
static struct pooler *p;

static void
start(fake_fn *serve, int cancel_s)
{
	f = fakepg_start(serve);
	p = pooler_new();
	pooler_db(p, "fake = host=127.0.0.1 port=%d dbname=app", f->port);
	pooler_set(p, "default_pool_size = 1\nserver_login_retry = 0.2");
	pooler_set(
	    p, "query_wait_timeout = 15\ncancel_wait_timeout = %d", cancel_s);
	pooler_start(p);
}

/* The first server gets a query whose client vanishes at once, and is told. */
static void
lose(fake_fn *serve, int cancel_s)
{
	struct wire *w;

	start(serve, cancel_s);
	w = wire_open("127.0.0.1", p->port);
	wire_login(w, "app", "fake");
	wire_query(w, "SELECT 'lost'");
	UNTIL(5000, f->count->mark[ASKED] == 1);
	wire_free(w);
	f->count->mark[TOLD] = 1;
}

/* `why` it is closed then. */
static void
vanish(fake_fn *serve, const char *why)
{
	PGconn *c;

	lose(serve, 1);
	c = pooler_conn(p, "dbname=fake");
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq(sql_one(c, "SELECT 'mine'"), "fake");
	ck_assert_int_eq(f->count->logins, 2);
	ck_assert_msg(file_has(p->log, why), "not closed for: %s", why);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}

/* Up to the query of the client that vanishes, at the first login; any other
 * is good, and does not come back. */
static void
begin(int fd, struct fake_count *count)
{
	char body[256];

	fake_startup(fd, count);
	fake_welcome(fd);
	if (count->logins > 1) {
		fake_serve(fd, count);
		_exit(0);
	}
	while (fake_recv(fd, body, sizeof(body)) == 'Q' &&
	    strstr(body, "lost") == NULL) {
		fake_put(fd, 'C', "s", "SET");
		fake_ready(fd, 'I');
	}
	count->mark[ASKED] = 1;
	while (count->mark[TOLD] == 0)
		nap();
}

static void
cancelled(int fd)
{
	fake_put(fd, 'E', "bsbsbsb", 'S', "ERROR", 'C', "57014", 'M',
	    "canceling statement due to user request", 0);
}

static void
never_answers(int fd, struct fake_count *count)
{
	begin(fd, count);
	fake_hang(fd);
}

/* Not once only: a cancel may come before its query. */
START_TEST(cancels_are_repeated)
{
	vanish(never_answers, "in use: not clean in time");
}
END_TEST

static void
needs_a_third(int fd, struct fake_count *count)
{
	char body[256];

	begin(fd, count);
	while (count->cancels < 3)
		nap();
	cancelled(fd);
	fake_ready(fd, 'I');
	if (fake_recv(fd, body, sizeof(body)) != 'Q' ||
	    strcmp(body, "DISCARD ALL") != 0)
		_exit(1);
	fake_put(fd, 'C', "s", "DISCARD ALL");
	fake_ready(fd, 'I');
	fake_serve(fd, count);
}

START_TEST(third_cancel)
{
	PGconn *c;

	lose(needs_a_third, 60);
	c = pooler_conn(p, "dbname=fake");
	ck_assert_str_eq(sql_one(c, "SELECT 'mine'"), "fake");
	ck_assert_int_eq(f->count->logins, 1);
	ck_assert_int_ge(f->count->cancels, 3);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* A cancel request that ends only when it is told to. */
static void
slow_to_cancel(int fd, struct fake_count *count)
{
	uint32_t head[2];
	char body[256];

	while (recv(fd, head, sizeof(head), MSG_PEEK) < (ssize_t)sizeof(head))
		nap();
	if (ntohl(head[1]) == CANCEL_REQUEST) {
		while (count->mark[TOLD] < 2)
			nap();
		_exit(0);
	}
	begin(fd, count);
	cancelled(fd);
	fake_ready(fd, 'I');
	(void)fake_recv(fd, body, sizeof(body));
	if (count->mark[TOLD] < 2)
		_exit(1);
	fake_put(fd, 'C', "s", "DISCARD ALL");
	fake_ready(fd, 'I');
	fake_serve(fd, count);
}

/* Who knows what it would hit. */
START_TEST(cancel_is_waited_for)
{
	PGconn *c;

	lose(slow_to_cancel, 60);
	c = pooler_conn(p, "dbname=fake");
	sql_send(c, "SELECT 'mine'");
	ck_assert(!sql_is_ready(c, 300));
	f->count->mark[TOLD] = 2;
	ck_assert_str_eq(sql_get(c), "fake");
	ck_assert_int_eq(f->count->logins, 1);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* Rows without end, cancel or not, until the pooler hangs up. */
static void
never_ends(int fd, struct fake_count *count)
{
	static char row[16000];
	char bye[64];

	begin(fd, count);
	fake_put(fd, 'T', "hsihihih", 1, "v", 0, 0, 25, -1, -1, 0);
	while (recv(fd, bye, sizeof(bye), MSG_DONTWAIT) != 0)
		fake_put(
		    fd, 'D', "hix", 1, (uint32_t)sizeof(row), row, sizeof(row));
}

START_TEST(too_many_answers)
{
	vanish(never_ends, "in use: too many answers");
}
END_TEST

static void
refuses_to_discard(int fd, struct fake_count *count)
{
	char body[256];

	begin(fd, count);
	cancelled(fd);
	fake_ready(fd, 'I');
	(void)fake_recv(fd, body, sizeof(body));
	fake_put(fd, 'E', "bsbsbsb", 'S', "ERROR", 'C', "42601", 'M',
	    "syntax error", 0);
	fake_ready(fd, 'I');
	fake_hang(fd);
}

START_TEST(discard_fails)
{
	vanish(refuses_to_discard, "in use: DISCARD ALL failed");
}
END_TEST

/* The transaction is still there behind it. */
static void
stays_in_transaction(int fd, struct fake_count *count)
{
	char body[256];

	begin(fd, count);
	cancelled(fd);
	fake_ready(fd, 'E');
	(void)fake_recv(fd, body, sizeof(body));
	fake_put(fd, 'C', "s", "ROLLBACK");
	fake_ready(fd, 'E');
	(void)fake_recv(fd, body, sizeof(body));
	fake_put(fd, 'C', "s", "DISCARD ALL");
	fake_ready(fd, 'T');
	fake_hang(fd);
}

START_TEST(still_in_transaction)
{
	vanish(stays_in_transaction, "not at a clean boundary");
}
END_TEST

static void
says_goodbye(int fd, struct fake_count *count)
{
	begin(fd, count);
	fake_put(fd, 'E', "bsbsbsb", 'S', "FATAL", 'C', "57P01", 'M',
	    "terminating connection", 0);
	fake_hang(fd);
}

START_TEST(fatal)
{
	vanish(says_goodbye, "in use: server says goodbye");
}
END_TEST

static void
breaks_protocol(int fd, struct fake_count *count)
{
	begin(fd, count);
	fake_put(fd, '1', "");
	fake_hang(fd);
}

START_TEST(wrong_answer)
{
	vanish(breaks_protocol, "in use: server broke the protocol");
}
END_TEST

static void
hangs_up(int fd, struct fake_count *count)
{
	begin(fd, count);
	close(fd);
	_exit(0);
}

START_TEST(gone_as_well)
{
	vanish(hangs_up, "in use: server closed the connection");
}
END_TEST

/* Answered in time, but with half of something behind it. */
static void
says_half(int fd, struct fake_count *count)
{
	begin(fd, count);
	cancelled(fd);
	fake_ready(fd, 'I');
	fake_send(fd, "N\0\0\0\40SLOG", 9);
	fake_hang(fd);
}

START_TEST(half_a_message)
{
	vanish(says_half, "client disconnected while in use");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("unclean");
	TCase *tc = suite_case(s, "unclean", 30);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_test(tc, cancels_are_repeated);
	tcase_add_test(tc, third_cancel);
	tcase_add_test(tc, cancel_is_waited_for);
	tcase_add_test(tc, too_many_answers);
	tcase_add_test(tc, discard_fails);
	tcase_add_test(tc, still_in_transaction);
	tcase_add_test(tc, fatal);
	tcase_add_test(tc, wrong_answer);
	tcase_add_test(tc, gone_as_well);
	tcase_add_test(tc, half_a_message);
	return suite_run(s, SUITE_PG);
}
