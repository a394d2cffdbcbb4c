/*
 * 26_refused_test.c - what the pooler itself refuses a client that is in: more
 * than it can keep the books of, a database that is gone; and what it keeps.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
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

/* Lets in, takes whatever comes, and answers nothing. */
static void
swallow(int fd, struct fake_count *count)
{
	static char bytes[65536];

	fake_startup(fd, count);
	fake_welcome(fd);
	while (recv(fd, bytes, sizeof(bytes), 0) > 0)
		;
}

/* Send until there is an answer; returns how many bytes went out. */
static size_t
pour(struct wire *w, const char *bytes, size_t len)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN | POLLOUT };
	int64_t end_ms = now_ms() + 60000;
	size_t all = 0, at = 0;

	for (;;) {
		ssize_t n;

		ck_assert_int_lt(now_ms(), end_ms);
		ck_assert_int_ne(poll(&p, 1, 1000), -1);
		if (p.revents & (POLLIN | POLLHUP))
			return all;
		n = send(
		    w->fd, bytes + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno != EAGAIN)
			return all;
		at = (at + (size_t)(n > 0 ? n : 0)) % len;
		all += (size_t)(n > 0 ? n : 0);
	}
}

/*
 * A million and more requests, none of them answered: the books have an end,
 * and so has the memory.  Nobody else is harmed.
 */
START_TEST(too_many_requests)
{
	struct fakepg *f = fakepg_start(swallow);
	struct pooler *p = pooler_new();
	static char pair[60000];
	size_t len = 0;
	struct wire *w;
	PGconn *c;

	pooler_db(p, "deaf = host=127.0.0.1 port=%d", f->port);
	pooler_workers(p, 1);
	pooler_start(p);
	c = pooler_conn(p, "");
	/* no two of a kind in a row: each is a run of its own */
	while (len + 16 < sizeof(pair)) {
		len += wire_make(pair + len, 16, 'Q', "s", "");
		len += wire_make(pair + len, 16, 'S', "");
	}
	w = wire_open("127.0.0.1", p->port);
	wire_login(w, "app", "deaf");
	ck_assert_uint_gt(pour(w, pair, len), 4000000);
	wire_error(w, 'M', "too many requests are outstanding");
	ck_assert_str_eq(wire_field(w, 'C'), "54000");
	wire_free(w);
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* Somebody is in, and idle; his database is taken out of the configuration. */
START_TEST(database_removed)
{
	struct pooler *p = pooler_with("server_lifetime = 0");
	PGconn *c, *other = pooler_conn(p, "dbname=app");
	char *without = strdup(p->text[0]);

	pooler_db(p, "gone = host=127.0.0.1 port=%d dbname=app", pg->port);
	pooler_reload(p);
	c = pooler_conn(p, "dbname=gone");
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	UNTIL(5000, pg_backends(pg, "usename = 'app'") <= 1);
	p->text[0] = without;
	pooler_reload(p);
	PQsetErrorVerbosity(c, PQERRORS_VERBOSE);
	sql_send(c, "SELECT 2");
	ck_assert_ptr_nonnull(
	    strstr(sql_get_error(c), "3D000: database removed"));
	sql_closed(c, 2000);
	PQfinish(c);
	ck_assert_int_eq(sql_num(other, "SELECT 3"), 3);
	PQfinish(other);
	pooler_stop(p);
}
END_TEST

/* The first server does not say what application_name it has, the others do. */
static void
half_open(int fd, struct fake_count *count)
{
	static char body[4096];
	int n;
	char t;

	fake_startup(fd, count);
	n = count->logins;
	fake_put(fd, 'R', "i", 0);
	fake_put(fd, 'S', "ss", "TimeZone", "UTC");
	if (n > 1)
		fake_put(fd, 'S', "ss", "application_name", "");
	fake_put(fd, 'K', "ii", 4711, n);
	fake_ready(fd, 'I');
	/* settings come ahead of the query, as parameters of a statement */
	while ((t = fake_recv(fd, body, sizeof(body))) != 'X') {
		if (t == 'P')
			fake_put(fd, '1', "");
		if (t == 'B' && memmem(body, sizeof(body), "mine", 4) != NULL) {
			count->mark[0]++;
			fake_put(fd, 'S', "ss", "application_name", "mine");
		}
		if (t == 'B')
			fake_put(fd, '2', "");
		if (t == 'E')
			fake_put(fd, 'C', "s", "SELECT 1");
		if (t == 'Q') {
			/* as if the query had set it */
			fake_put(fd, 'S', "ss", "TimeZone", "Asia/Kathmandu");
			fake_row(fd, "fake");
		}
		memset(body, 0, sizeof(body));
	}
}

/*
 * What a server does not report stays as the client said it is, also when that
 * server has reported something else.
 */
START_TEST(unreported_parameters_are_kept)
{
	struct fakepg *f = fakepg_start(half_open);
	struct pooler *p = pooler_new();
	PGconn *c;

	pooler_db(p, "half = host=127.0.0.1 port=%d", f->port);
	pooler_set(p, "server_lifetime = 0");
	pooler_workers(p, 1);
	pooler_start(p);
	c = pooler_conn(p, "dbname=half application_name=mine");
	ck_assert_str_eq(sql_one(c, "SELECT 1"), "fake");
	ck_assert_int_eq(f->count->logins, 1);
	ck_assert_int_eq(f->count->mark[0], 0);
	ck_assert_str_eq(sql_one(c, "SELECT 2"), "fake");
	ck_assert_int_eq(f->count->logins, 2);
	ck_assert_int_eq(f->count->mark[0], 1);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("refused");
	TCase *tc = suite_case(s, "refused", 60);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_test(tc, too_many_requests);
	tcase_add_test(tc, database_removed);
	tcase_add_test(tc, unreported_parameters_are_kept);
	return suite_run(s, SUITE_PG);
}
