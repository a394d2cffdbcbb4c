/*
 * 26_edges_test.c - where two things end at once: a COPY and its data, a
 * message and its server, a login and its database.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

enum { HEAD = 5, ROW = 1000, ROW_SENT = 300 };

/* The server has failed the COPY while a CopyData was half sent: the backend
 * goes back when the other half has come, not at the client's next query. */
START_TEST(half_a_copydata_too_late)
{
	static const char half[500];
	struct pooler *p = pooler_with("default_pool_size = 1\n"
				       "query_wait_timeout = 15");
	struct wire *w = wire_open("127.0.0.1", p->port);
	PGconn *c = pooler_conn(p, "");
	char head[5] = { 'd', 0, 0, 1000 >> 8, (char)(1004 & 0xff) };

	sql_do(c, "CREATE TABLE edge (i int)");
	wire_login(w, "app", "app");
	wire_query(w, "COPY edge FROM STDIN");
	wire_expect(w, "G");
	wire_put(w, 'd', "x", "no number\n", (size_t)10);
	wire_send(w, head, sizeof(head));
	wire_send(w, half, sizeof(half));
	wire_error(w, 'C', "22P02");
	wire_expect(w, "Z");
	wire_send(w, half, sizeof(half));
	wire_put(w, 'c', "");
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	wire_query(w, "SELECT 2");
	wire_expect(w, "TDCZ");
	sql_do(c, "DROP TABLE edge");
	wire_free(w);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* A pooler whose database `fake` is served by `serve`. */
static struct pooler *
before_fake(struct fakepg **f, fake_fn *serve)
{
	struct pooler *p = pooler_new();

	*f = fakepg_start(serve);
	pooler_db(p, "fake = host=127.0.0.1 port=%d", (*f)->port);
	pooler_set(p, "server_reset_query =");
	pooler_start(p);
	return p;
}

static void
die_inside_a_row(int fd, struct fake_count *count)
{
	char body[256],
	    row[HEAD + ROW] = { 'D', 0, 0, (ROW + 4) >> 8,
		    (char)((ROW + 4) & 0xff) };

	fake_startup(fd, count);
	fake_welcome(fd);
	while (fake_recv(fd, body, sizeof(body)) == 'Q' &&
	    strncmp(body, "SET", 3) == 0) {
		fake_put(fd, 'C', "s", "SET");
		fake_ready(fd, 'I');
	}
	memset(row + HEAD, 'r', ROW);
	fake_send(fd, row, ROW_SENT);
}

/* What comes after the server's end would be read as the row's. */
START_TEST(server_dies_inside_a_row)
{
	struct fakepg *f;
	struct pooler *p = before_fake(&f, die_inside_a_row);
	struct wire *w = wire_open("127.0.0.1", p->port);
	char got[2 * ROW];
	size_t total = 0;
	ssize_t n;

	wire_login(w, "app", "fake");
	wire_query(w, "SELECT 1");
	while ((n = recv(w->fd, got + total, sizeof(got) - total, 0)) > 0)
		total += (size_t)n;
	ck_assert_uint_eq(total, ROW_SENT);
	wire_free(w);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

#define HUGE_ROW 400000

/*
 * A row of which a part has gone out when the end of the answer shows that it
 * must not be: no error follows in the middle of it.
 */
START_TEST(refused_inside_a_row)
{
	struct pooler *p = pooler_with("pool_mode = statement");
	struct wire *w = wire_to(p);
	static char got[2 * HUGE_ROW];
	size_t total = 0;
	ssize_t n;

	wire_query(w, "BEGIN; SELECT repeat('r', 400000)");
	while ((n = recv(w->fd, got + total, sizeof(got) - total, 0)) > 0)
		total += (size_t)n;
	ck_assert_uint_gt(total, 100);
	ck_assert_uint_lt(total, HUGE_ROW);
	for (size_t i = total - 100; i < total; i++)
		ck_assert_int_eq(got[i], 'r');
	wire_free(w);
	pooler_stop(p);
}
END_TEST

static void
fail_twice(int fd, struct fake_count *count)
{
	char body[256], both[256];
	size_t n;

	fake_startup(fd, count);
	fake_welcome(fd);
	while (fake_recv(fd, body, sizeof(body)) == 'Q' &&
	    strncmp(body, "SET", 3) == 0) {
		fake_put(fd, 'C', "s", "SET");
		fake_ready(fd, 'I');
	}
	n = wire_make(both, sizeof(both), 'E', "bsbsbsb", 'S', "ERROR", 'C',
	    "22012", 'M', "first", 0);
	n += wire_make(both + n, sizeof(both) - n, 'E', "bsbsbsb", 'S', "FATAL",
	    'C', "57P01", 'M', "second", 0);
	fake_send(fd, both, n);
}

/* One FATAL is enough, whatever came before it. */
START_TEST(fatal_behind_an_error)
{
	struct fakepg *f;
	struct pooler *p = before_fake(&f, fail_twice);
	struct wire *w = wire_open("127.0.0.1", p->port);

	wire_login(w, "app", "fake");
	wire_query(w, "SELECT 1");
	wire_error(w, 'C', "22012");
	wire_error(w, 'C', "57P01");
	wire_end(w);
	wire_free(w);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

static void
never_welcome(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_hang(fd);
}

/* A database that goes while somebody logs in there, and comes back. */
START_TEST(removed_in_a_login)
{
	struct pooler *p = pooler_new();
	struct fakepg *f = fakepg_start(never_welcome);
	char packet[256], *at;
	struct wire *w;
	size_t len;

	pooler_db(p, "slow = host=127.0.0.1 port=%d dbname=app", f->port);
	pooler_start(p);
	w = wire_open("127.0.0.1", p->port);
	len = wire_startup(packet, sizeof(packet), 196608, "user", "app",
	    "database", "slow", NULL);
	wire_send(w, packet, len);
	UNTIL(5000, f->count->logins == 1);
	at = strstr(p->text[0], "slow =");
	ck_assert_ptr_nonnull(at);
	*at = ';';
	pooler_reload(p);
	while (wire_recv(w, WIRE_MS) == 'R')
		continue;
	ck_assert_int_eq(w->type, 'E');
	wire_free(w);
	pooler_db(p, "slow = host=127.0.0.1 port=%d dbname=app", pg->port);
	pooler_reload(p);
	PQfinish(pooler_conn(p, "dbname=slow connect_timeout=15"));
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* All are overdue at once, and only those beyond the minimum go. */
START_TEST(idle_down_to_the_minimum)
{
	struct pooler *p = pooler_with("default_pool_size = 6\n"
				       "min_pool_size = 3\n"
				       "server_idle_timeout = 1");
	PGconn *c[6];
	char before[512];

	for (int i = 0; i < 6; i++) {
		c[i] = pooler_conn(p, "");
		sql_do(c[i], "BEGIN");
	}
	snprintf(before, sizeof(before), "%s", pg_pids(pg, "datname = 'app'"));
	for (int i = 0; i < 6; i++)
		sql_do(c[i], "COMMIT");
	UNTIL(5000, pg_backends(pg, "datname = 'app'") <= 3);
	/* and stay: of those that were there, not new ones */
	for (int64_t end = now_ms() + 800; now_ms() < end; nap()) {
		ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 3);
		ck_assert_str_eq(pg_ask(pg,
				     "SELECT count(*) FROM pg_stat_activity "
				     "WHERE datname = 'app' AND NOT pid = "
				     "ANY (string_to_array('%s', ' ')::int[])",
				     before),
		    "0");
	}
	for (int i = 0; i < 6; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("edges");
	TCase *tc = suite_case(s, "edges", 60);

	tcase_add_test(tc, half_a_copydata_too_late);
	tcase_add_test(tc, refused_inside_a_row);
	tcase_add_test(tc, server_dies_inside_a_row);
	tcase_add_test(tc, fatal_behind_an_error);
	tcase_add_test(tc, removed_in_a_login);
	tcase_add_test(tc, idle_down_to_the_minimum);
	return suite_run(s, SUITE_PG);
}
