/*
 * 12_no_answer_test.c - a server asks for what the pooler does not have: who
 * waits is told at once, after one attempt; who brings it is let in.
 *
 * Nobody waits for a timeout here: query_wait_timeout and server_login_retry
 * are longer than a test may take.
 */
#include <stdlib.h>
#include <string.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

#define WRONG_TYPE "FATAL:  server login failed: wrong password type\n"
#define CACHED                                                               \
	"FATAL:  server login has been failing, cached error: server login " \
	"failed: wrong password type (server_login_retry)\n"

/* Refused with this sentence, and soon. */
static void
refused(const char *at, const char *sentence)
{
	int64_t from_ms = now_ms();

	sql_refused(at, sentence);
	ck_assert_int_lt(now_ms() - from_ms, 15000);
}

static struct pooler *
patient(const char *auth_type)
{
	struct pooler *p = pooler_new();

	p->errors_ok = true;
	pooler_set(p, "query_wait_timeout = 60\nserver_login_retry = 60");
	pooler_set(p, "auth_type = %s", auth_type);
	return p;
}

/* How often a login has failed for want of an answer. */
static int
attempts(const struct pooler *p)
{
	return file_count(p->log, "nothing here that can answer it");
}

/* Nobody proves anything here: a verifier or a hash is all there is. */
START_TEST(no_secret)
{
	/* who, as whom, the server's method */
	static const char *const what[][3] = {
		{ "scram_u", "scram_u", "SCRAM-SHA-256" },
		{ "scram_u", "md5_u", "SCRAM-SHA-256" },
		{ "md5_u", "scram_u", "md5" },
		{ "plain_u", "md5_u", "a password" },
	};
	struct pooler *p = patient("trust");
	const char *at = pooler_at(p, text("user=%s", what[_i][0]));

	pooler_auth(p, what[_i][0], pg_secret(pg, what[_i][1]));
	pooler_start(p);
	refused(at, WRONG_TYPE);
	ck_assert(file_has(p->log, text("server asks for %s,", what[_i][2])));
	for (int i = 0; i < 3; i++)
		refused(at, CACHED);
	ck_assert_int_eq(attempts(p), 1);
	/* others are none the wiser */
	PQfinish(pooler_conn(p, ""));
	pooler_stop(p);
}
END_TEST

/* The same pool, by two rules: who comes by the second brings the keys. */
START_TEST(keys_come_later)
{
	struct pooler *p = patient("hba");
	const char *by_trust, *by_scram;
	PGconn *c;

	spew(text("%s/hba", p->dir),
	    "local all all trust\nhost all all all scram-sha-256\n");
	spawn_own(text("%s/hba", p->dir));
	pooler_set(p, "auth_hba_file = %s/hba", p->dir);
	pooler_workers(p, 2);
	pooler_auth(p, "scram_u", pg_secret(pg, "scram_u"));
	pooler_start(p);
	by_trust = pooler_at(p, text("host=%s user=scram_u", p->dir));
	by_scram = pooler_at(p, "user=scram_u password='" PG_PASSWORD "'");
	refused(by_trust, WRONG_TYPE);
	refused(by_trust, CACHED);
	c = sql_open(by_scram);
	ck_assert_str_eq(sql_one(c, "SELECT current_user"), "scram_u");
	PQfinish(c);
	c = sql_open(by_trust);
	ck_assert_str_eq(sql_one(c, "SELECT current_user"), "scram_u");
	PQfinish(c);
	ck_assert_int_eq(attempts(p), 1);
	pooler_stop(p);
}
END_TEST

/*
 * The server's verifier has changed: the keys of who came before do not do any
 * more, those of who comes after do.
 */
START_TEST(keys_grow_old)
{
	struct pooler *p = patient("scram-sha-256");
	int64_t from_ms;
	PGconn *old, *new;

	pooler_set(p,
	    "auth_user = postgres\nauth_dbname = postgres\n"
	    "server_lifetime = 0");
	pooler_db(p, "postgres = host=127.0.0.1 port=%d", pg->port);
	pooler_start(p);
	old = sql_open(pooler_at(p, "user=scram_u password='" PG_PASSWORD "'"));
	ck_assert_int_eq(sql_num(old, "SELECT 1"), 1);
	pg_ask(pg, "ALTER ROLE scram_u PASSWORD 'after'");
	UNTIL(5000, pg_backends(pg, "usename = 'scram_u'") == 0);
	from_ms = now_ms();
	sql_send(old, "SELECT 1");
	ck_assert_ptr_nonnull(
	    strstr(sql_get_error(old), "wrong password type"));
	ck_assert_int_lt(now_ms() - from_ms, 15000);
	PQfinish(old);
	ck_assert_int_eq(attempts(p), 1);
	new = sql_open(pooler_at(p, "user=scram_u password=after"));
	ck_assert_int_eq(sql_num(new, "SELECT 1"), 1);
	PQfinish(new);
	pooler_stop(p);
	pg_ask(pg, "ALTER ROLE scram_u PASSWORD '" PG_PASSWORD "'");
}
END_TEST

/* What no secret would answer. */
static void
gss_serve(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "i", 7);
	fake_hang(fd);
}

static void
oauth_serve(int fd, struct fake_count *count)
{
	fake_startup(fd, count);
	fake_put(fd, 'R', "isb", 10, "OAUTHBEARER", 0);
	fake_hang(fd);
}

START_TEST(unknown_to_us)
{
	struct fakepg *f = fakepg_start(_i == 0 ? gss_serve : oauth_serve);
	struct pooler *p = patient("trust");

	pooler_auth(p, "plain_u", PG_PASSWORD);
	pooler_db(p, "other = host=127.0.0.1 port=%d", f->port);
	pooler_start(p);
	refused(pooler_at(p, "dbname=other user=plain_u"),
	    "FATAL:  server login failed: its method is not supported\n");
	ck_assert_int_eq(attempts(p), 1);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("no answer");
	TCase *tc = suite_case(s, "no answer", 40);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_loop_test(tc, no_secret, 0, 4);
	tcase_add_test(tc, keys_come_later);
	tcase_add_test(tc, keys_grow_old);
	tcase_add_loop_test(tc, unknown_to_us, 0, 2);
	return suite_run(s, SUITE_PG);
}
