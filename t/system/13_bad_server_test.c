/*
 * 13_bad_server_test.c - servers that lie, stall, tear and die while the
 * pooler logs in to them or uses them: the client is told, nobody else
 * notices, nothing is kept of such a server.
 */
#include <arpa/inet.h>
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

/* A pooler with the database `bad` on the fake and `app` on the real one. */
static struct pooler *
start(struct fakepg *f)
{
	struct pooler *p = pooler_new();

	p->errors_ok = true;
	pooler_db(p,
	    "bad = host=127.0.0.1 port=%d dbname=app "
	    "user=bad password=secret",
	    f->port);
	pooler_set(p, "default_pool_size = 2\nserver_login_retry = 1");
	pooler_start(p);
	return p;
}

/*
 * A client of `bad` gets no answer to its query but an error, in time; it
 * may be refused at login or later.
 */
static void
no_answer(struct pooler *p)
{
	PGconn *c = PQconnectdb(pooler_at(p, "dbname=bad"));
	int64_t t0 = now_ms();

	if (PQstatus(c) == CONNECTION_OK) {
		PGresult *r = PQexec(c, "SELECT 1");

		ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
		PQclear(r);
	}
	ck_assert_int_lt(now_ms() - t0, 20000);
	PQfinish(c);
}

/* The same, with a server of which `serve` is the whole conduct. */
static void
bad_login(fake_fn *serve)
{
	struct fakepg *f = fakepg_start(serve);
	struct pooler *p = start(f);
	PGconn *c = pooler_conn(p, "");

	/* the bad one has little time; not so the real one, before */
	pooler_set(p, "server_connect_timeout = 0.5\nquery_wait_timeout = 0.7");
	pooler_reload(p);
	no_answer(p);
	UNTIL(5000, f->count->opened >= 1);
	/* the neighbours are well */
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	pooler_stop(p);
	fakepg_stop(f);
}

#define BAD_LOGIN(name)                                             \
	static void name##_serve(int fd, struct fake_count *count); \
	START_TEST(name)                                            \
	{                                                           \
		bad_login(name##_serve);                            \
	}                                                           \
	END_TEST                                                    \
	static void name##_serve(int fd, struct fake_count *count)

BAD_LOGIN(closes_at_once)
{
	(void)fd;
	(void)count;
}

BAD_LOGIN(resets_at_once)
{
	(void)count;
	fake_reset(fd);
}

BAD_LOGIN(never_answers)
{
	(void)count;
	fake_hang(fd);
}

BAD_LOGIN(dies_after_startup)
{
	fake_startup(fd, count);
}

BAD_LOGIN(dies_after_ok)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 0);
}

BAD_LOGIN(dies_before_ready)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 0);
	fake_put(fd, 'S', "ss", "server_version", "15.0");
	fake_put(fd, 'K', "ii", 1, 2);
	fake_reset(fd);
}

BAD_LOGIN(stalls_before_ready)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 0);
	fake_hang(fd);
}

BAD_LOGIN(torn_in_a_message)
{
	fake_startup(fd, count);
	fake_send(fd, "R\0\0\0\10\0\0", 7);
}

BAD_LOGIN(length_too_small)
{
	fake_startup(fd, count);
	fake_send(fd, "R\0\0\0\3\0\0\0\0", 9);
	fake_hang(fd);
}

BAD_LOGIN(length_negative)
{
	fake_startup(fd, count);
	fake_send(fd, "R\377\377\377\377\0\0\0\0", 9);
	fake_hang(fd);
}

BAD_LOGIN(length_huge)
{
	static const char noise[65536];

	fake_startup(fd, count);
	fake_send(fd, "S\177\377\377\377", 5);
	for (int i = 0; i < 200; i++)
		fake_send(fd, noise, sizeof(noise));
	fake_hang(fd);
}

BAD_LOGIN(parameters_without_end)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 0);
	for (int i = 0;; i++)
		fake_put(fd, 'S', "ss", text("name%d", i), "value");
}

BAD_LOGIN(notices_without_end)
{
	fake_startup(fd, count);
	for (;;)
		fake_put(fd, 'N', "bsb", 'M', "and another thing", 0);
}

BAD_LOGIN(parameter_without_zero)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 0);
	fake_put(fd, 'S', "x", "DateStyle", (size_t)9);
	fake_hang(fd);
}

BAD_LOGIN(key_too_short)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 0);
	fake_put(fd, 'K', "h", 1);
	fake_hang(fd);
}

/* It has proved nothing, and let nobody in. */
BAD_LOGIN(ready_without_ok)
{
	fake_startup(fd, count);
	fake_put(fd, 'K', "ii", 4711, 42);
	fake_ready(fd, 'I');
	fake_serve(fd, count);
}

/* Once is enough: what it wants is the password. */
BAD_LOGIN(asks_after_ok)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 0);
	fake_put(fd, 'R', "i", 3);
	fake_put(fd, 'K', "ii", 4711, 42);
	fake_ready(fd, 'I');
	fake_serve(fd, count);
}

/* What follows is all as it should be: only the key's length is wrong. */
BAD_LOGIN(key_too_long)
{
	static const char key[300];

	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 0);
	fake_put(fd, 'K', "ix", 4711, key, sizeof(key));
	fake_ready(fd, 'I');
	fake_serve(fd, count);
}

/* In one segment with the login's end: an answer to nobody's question. */
BAD_LOGIN(bytes_behind_ready)
{
	char both[128];
	size_t n = wire_make(both, sizeof(both), 'Z', "b", 'I');

	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 0);
	fake_put(fd, 'K', "ii", 4711, 42);
	n += wire_make(both + n, sizeof(both) - n, 'C', "s", "STRAY");
	fake_send(fd, both, n);
	fake_serve(fd, count);
}

BAD_LOGIN(unknown_message)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 0);
	fake_put(fd, '#', "s", "?");
	fake_hang(fd);
}

BAD_LOGIN(unknown_method)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 7);
	fake_hang(fd);
}

BAD_LOGIN(error_without_fields)
{
	fake_startup(fd, count);
	fake_put(fd, 'E', "");
}

BAD_LOGIN(error_with_only_an_end)
{
	fake_startup(fd, count);
	fake_put(fd, 'E', "b", 0);
}

BAD_LOGIN(error_torn)
{
	fake_startup(fd, count);
	fake_put(fd, 'E', "x", "SFATAL\0M", (size_t)8);
	fake_hang(fd);
}

BAD_LOGIN(error_very_long)
{
	static char m[15000];

	memset(m, 'm', sizeof(m) - 1);
	fake_startup(fd, count);
	fake_put(fd, 'E', "bsb", 'M', m, 0);
}

BAD_LOGIN(md5_without_salt)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 5);
	fake_hang(fd);
}

BAD_LOGIN(sasl_without_mechanism)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "ib", 10, 0);
	fake_hang(fd);
}

BAD_LOGIN(sasl_unknown_mechanism)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "isb", 10, "SCRAM-MD4", 0);
	fake_hang(fd);
}

/* Up to the server's first SCRAM message, which is `first`. */
static void
scram(int fd, struct fake_count *count, const char *form)
{
	static char body[4096], nonce[12000], reply[14000];
	const char *r;

	fake_startup(fd, count);
	fake_put(fd, 'R', "isb", 10, "SCRAM-SHA-256", 0);
	if (fake_recv(fd, body, sizeof(body)) != 'p')
		_exit(0);
	/* mechanism, length, n,,n=,r=NONCE: the body holds zero bytes */
	r = body + strlen(body) + 1 + 4;
	r = strstr(r, "r=");
	memset(nonce, 'n', sizeof(nonce) - 1);
	if (!r || snprintf(reply, sizeof(reply), form, r + 2, nonce) < 0)
		_exit(1);
	fake_put(fd, 'R', "ix", 11, reply, strlen(reply));
	fake_recv(fd, body, sizeof(body));
}

BAD_LOGIN(scram_nonce_endless)
{
	scram(fd, count, "r=%s%s,s=c2FsdHNhbHQ=,i=4096");
	fake_hang(fd);
}

BAD_LOGIN(scram_nonce_not_ours)
{
	scram(fd, count, "r=%.4sxyz%.3s,s=c2FsdHNhbHQ=,i=4096");
	fake_hang(fd);
}

BAD_LOGIN(scram_no_salt)
{
	scram(fd, count, "r=%s%.8s,s=,i=4096");
	fake_hang(fd);
}

BAD_LOGIN(scram_rounds_without_end)
{
	/* would keep the worker busy for minutes */
	scram(fd, count, "r=%s%.8s,s=c2FsdHNhbHQ=,i=2147483647");
	fake_hang(fd);
}

BAD_LOGIN(scram_rounds_zero)
{
	scram(fd, count, "r=%s%.8s,s=c2FsdHNhbHQ=,i=0");
	fake_hang(fd);
}

/* The server cannot prove that it knows the password. */
BAD_LOGIN(scram_wrong_proof)
{
	scram(fd, count, "r=%s%.8s,s=c2FsdHNhbHQ=,i=4096");
	fake_put(fd, 'R', "ix", 12,
	    "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", (size_t)46);
	fake_welcome(fd);
	fake_serve(fd, count);
}

/* ... or skips the proof. */
BAD_LOGIN(scram_proof_skipped)
{
	scram(fd, count, "r=%s%.8s,s=c2FsdHNhbHQ=,i=4096");
	fake_welcome(fd);
	fake_serve(fd, count);
}

BAD_LOGIN(ok_in_the_middle_of_scram)
{
	static char body[4096];

	fake_startup(fd, count);
	fake_put(fd, 'R', "isb", 10, "SCRAM-SHA-256", 0);
	fake_recv(fd, body, sizeof(body));
	fake_welcome(fd);
	fake_serve(fd, count);
}

int
main(void)
{
	Suite *s = suite_create("bad server");
	TCase *tc = suite_case(s, "login", 40);

	tcase_add_test(tc, closes_at_once);
	tcase_add_test(tc, resets_at_once);
	tcase_add_test(tc, dies_after_startup);
	tcase_add_test(tc, dies_after_ok);
	tcase_add_test(tc, dies_before_ready);
	tcase_add_test(tc, torn_in_a_message);
	tcase_add_test(tc, length_too_small);
	tcase_add_test(tc, length_negative);
	tcase_add_test(tc, length_huge);
	tcase_add_test(tc, parameter_without_zero);
	tcase_add_test(tc, key_too_short);
	if (!is_standin()) {
		tcase_add_test(tc, ready_without_ok);
		tcase_add_test(tc, asks_after_ok);
		tcase_add_test(tc, key_too_long);
		tcase_add_test(tc, bytes_behind_ready);
	}
	tcase_add_test(tc, unknown_message);
	tcase_add_test(tc, unknown_method);
	tcase_add_test(tc, error_without_fields);
	tcase_add_test(tc, error_with_only_an_end);
	tcase_add_test(tc, error_torn);
	tcase_add_test(tc, error_very_long);
	tcase_add_test(tc, md5_without_salt);
	tcase_add_test(tc, sasl_without_mechanism);
	tcase_add_test(tc, sasl_unknown_mechanism);
	tcase_add_test(tc, scram_nonce_endless);
	tcase_add_test(tc, scram_nonce_not_ours);
	tcase_add_test(tc, scram_no_salt);
	tcase_add_test(tc, scram_rounds_zero);
	tcase_add_test(tc, never_answers);
	tcase_add_test(tc, stalls_before_ready);
	if (!is_standin()) {
		tcase_add_test(tc, scram_rounds_without_end);
		tcase_add_test(tc, scram_wrong_proof);
		tcase_add_test(tc, scram_proof_skipped);
		tcase_add_test(tc, ok_in_the_middle_of_scram);
		tcase_add_test(tc, parameters_without_end);
		tcase_add_test(tc, notices_without_end);
	}
	return suite_run(s, SUITE_PG);
}
