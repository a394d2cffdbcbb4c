/*
 * 15_scram_keys_test.c - SCRAM's keys: all workers share them, and to derive
 * them holds up nobody.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/fakepg.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/scramsay.h"

enum {
	ROUNDS = 1000000, /* some 0.4 s of hashing */
	MANY = 30,        /* clients who want the same */
	TRIES = 4,        /* of what takes longer when others are busy */
};

/* --- keys for all workers --------------------------------------------------------- */

/* Eight at once: more than one worker has to open servers. */
static void
all_at_once(struct pooler *p, const char *how)
{
	PGconn *c[8];

	for (int i = 0; i < 8; i++)
		c[i] = pooler_conn(p, how);
	for (int i = 0; i < 8; i++)
		sql_send(c[i], "SELECT current_user FROM pg_sleep(0.5)");
	for (int i = 0; i < 8; i++)
		ck_assert_str_eq(sql_get(c[i]), "scram_u");
	for (int i = 0; i < 8; i++)
		PQfinish(c[i]);
}

/*
 * One client proves its key, to one worker.  From then on clients come in by
 * trust, whom nobody asks for anything: the servers that all the workers open
 * for them want a proof, and nobody knows a password.  So also when the worker
 * that has seen the proof is dead, and all servers are gone.
 */
START_TEST(every_worker)
{
	struct pooler *p = pooler_new();
	struct pooler_worker w[4];
	PGconn *console, *first, *stays;
	int proved = -1;

	(void)pg_ask(pg, "ALTER ROLE scram_u PASSWORD '%s'", PG_PASSWORD);
	pooler_workers(p, 4);
	pooler_set(p, "auth_type = scram-sha-256\ndefault_pool_size = 8");
	pooler_auth(p, "scram_u", pg_secret(pg, "scram_u"));
	pooler_start(p);
	first = pooler_conn(p, "user=scram_u password='" PG_PASSWORD "'");
	pooler_set(p, "auth_type = trust");
	pooler_reload(p);
	console = pooler_console(p, "admin");
	ck_assert_int_eq(pooler_look(console, w, 4), 4);
	for (int i = 0; i < 4; i++)
		if (w[i].clients > 0 && proved == -1)
			proved = i;
	ck_assert_int_ne(proved, -1);
	all_at_once(p, "user=scram_u");
	stays = pooler_conn(p, "user=scram_u");
	for (int i = 0; i < 4; i++) {
		pooler_look(console, w, 4);
		/* the row of the pool stays: somebody is in it */
		PQfinish(console);
		kill(w[i].pid, SIGKILL);
		UNTIL(5000, !is_alive(w[i].pid));
		pg_terminate(pg, "usename = 'scram_u'");
		console = pooler_console(p, "admin");
		UNTIL(5000,
		    pooler_show(
			console, "SERVERS", "user", "scram_u", "port") == -1);
		all_at_once(p, "user=scram_u");
	}
	PQfinish(first);
	PQfinish(stays);
	PQfinish(console);
	p->errors_ok = true;
	pooler_stop(p);
}
END_TEST

/* --- derivations ---------------------------------------------------------------------- */

/* How many answers `busy` gets, until `w` has something to read or the
 * time is over. */
static int
answers_until(PGconn *busy, struct wire *w, int limit_ms)
{
	int64_t end_ms = now_ms() + limit_ms;
	int n = 0;

	for (; wire_is_quiet(w, 0) && now_ms() < end_ms; n++)
		ck_assert_int_eq(sql_num(busy, "SELECT 7"), 7);
	return n;
}

/* Say whatever we like where the proof belongs. */
static void
prove_nothing(struct wire *w)
{
	char final[256];

	say(w, "SCRAM-SHA-256", "n,,n=,r=abc");
	wire_expect(w, "R");
	snprintf(final, sizeof(final),
	    "c=biws,%.*s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	    (int)strcspn(w->body + 4, ","), w->body + 4);
	wire_put(w, 'p', "x", final, strlen(final));
}

static struct wire *
unproved(const struct pooler *p, const char *user)
{
	struct wire *w = ask(p, user);

	prove_nothing(w);
	return w;
}

static struct pooler *
slow_pooler(const char *more)
{
	struct pooler *p = pooler_new();

	(void)pg_ask(pg, "ALTER ROLE scram_u PASSWORD '%s'", PG_PASSWORD);
	pooler_workers(p, 1);
	pooler_set(p, "auth_type = scram-sha-256\n%s", more);
	pooler_auth(p, "scram_u", PG_PASSWORD);
	pooler_auth(p, "other", "another password");
	return p;
}

/* While keys are derived, who is in goes on working. */
START_TEST(others_go_on)
{
	struct pooler *p =
	    slow_pooler(text("scram_iterations = %d", 8 * ROUNDS));
	int64_t began_ms;
	int early, later;
	struct wire *w;
	PGconn *busy;

	pooler_set(p, "auth_type = trust");
	pooler_start(p);
	busy = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(busy, "SELECT 7"), 7);
	pooler_set(p, "auth_type = scram-sha-256");
	pooler_reload(p);
	began_ms = now_ms();
	/* it begins when the client is asked */
	w = ask(p, "other");
	early = answers_until(busy, w, 200);
	prove_nothing(w);
	later = answers_until(busy, w, 20000);
	wire_error(w, 'C', "28P01");
	/* it did take its time, in so many slices that there are answers
	 * between them, and not one behind them all */
	ck_assert_int_gt(now_ms() - began_ms, 400);
	ck_assert_int_ge(early, 1);
	ck_assert_int_ge(early + later, 20);
	wire_free(w);
	PQfinish(busy);
	pooler_stop(p);
}
END_TEST

/* How long `n` of them take who come at the same time. */
static int64_t
refuse_all(const struct pooler *p, const char *user, int n)
{
	struct wire *w[MANY];
	int64_t ms = now_ms();

	for (int i = 0; i < n; i++)
		w[i] = unproved(p, user);
	for (int i = 0; i < n; i++) {
		wire_error(w[i], 'C', "28P01");
		wire_free(w[i]);
	}
	return now_ms() - ms;
}

/* Many who want the same keys wait for one derivation; after it nobody waits. */
START_TEST(derived_once)
{
	struct pooler *p = slow_pooler(text("scram_iterations = %d", ROUNDS));
	bool is_once = false, is_kept = false;

	for (int i = 0; i < TRIES; i++) {
		pooler_auth(p, text("one%d", i), "a password");
		pooler_auth(p, text("all%d", i), "another password");
	}
	pooler_start(p);
	/* the machine may stand still for a while, but not each time */
	for (int i = 0; i < TRIES && !(is_once && is_kept); i++) {
		const char *one = text("one%d", i);
		int64_t one_ms = refuse_all(p, one, 1);

		is_kept |= refuse_all(p, one, 1) < one_ms / 2;
		is_once |=
		    refuse_all(p, text("all%d", i), MANY) < one_ms * MANY / 5;
	}
	ck_assert(is_kept);
	ck_assert(is_once);
	pooler_stop(p);
}
END_TEST

/* As many rounds as can be: the login's deadline ends it, the worker lives. */
START_TEST(login_timeout)
{
	struct pooler *p = slow_pooler(
	    "scram_iterations = 2147483647\nclient_login_timeout = 1");
	struct wire *w, *gone;

	pooler_start(p);
	w = unproved(p, "other");
	gone = unproved(p, "other");
	wire_free(gone);
	wire_error(w, 'C', "08P01");
	ck_assert_ptr_nonnull(strstr(wire_field(w, 'M'), "timeout"));
	wire_end(w);
	wire_free(w);
	wire_free(ask(p, "other"));
	ck_assert_int_eq(file_count(p->log, "has ended"), 0);
	pooler_stop(p);
}
END_TEST

/* A server that asks for as many rounds as can be. */
static void
insatiable(int fd, struct fake_count *count)
{
	char body[1024], first[1024];
	const char *nonce;

	fake_startup(fd, count);
	fake_put(fd, 'R', "isb", 10, "SCRAM-SHA-256", 0);
	if (fake_recv(fd, body, sizeof(body)) != 'p')
		_exit(0);
	/* the mechanism, the length, and "n,,n=,r=" go before it */
	nonce = body + sizeof("SCRAM-SHA-256") + 4 + strlen("n,,n=,");
	snprintf(first, sizeof(first), "%.100sxyz,s=c2FsdHNhbHQ=,i=2147483647",
	    nonce);
	fake_put(fd, 'R', "ix", 11, first, strlen(first));
	count->mark[0]++;
	fake_hang(fd);
}

/* Such a login has its deadline, too, and no one else notices. */
START_TEST(insatiable_server)
{
	struct fakepg *f = fakepg_start(insatiable);
	struct pooler *p = pooler_new();
	struct wire *w;
	int answers = 0;
	PGconn *busy;
	char buf[512];

	pooler_workers(p, 1);
	pooler_db(p,
	    "greedy = host=127.0.0.1 port=%d dbname=app user=app password=x",
	    f->port);
	pooler_set(p, "server_connect_timeout = 1");
	pooler_start(p);
	busy = pooler_conn(p, "");
	w = wire_open("127.0.0.1", p->port);
	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", "app", "database",
		"greedy", NULL));
	for (; !file_has(p->log, "server_connect_timeout"); answers++)
		ck_assert_int_eq(sql_num(busy, "SELECT 7"), 7);
	ck_assert_int_ge(f->count->mark[0], 1);
	ck_assert_int_ge(answers, 20);
	wire_free(w);
	PQfinish(busy);
	fakepg_stop(f);
	p->errors_ok = true;
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("scram_keys");
	TCase *tc = suite_case(s, "scram_keys", 60);

	if (!is_standin()) {
		tcase_add_test(tc, every_worker);
		tcase_add_test(tc, others_go_on);
		tcase_add_test(tc, derived_once);
		tcase_add_test(tc, login_timeout);
		tcase_add_test(tc, insatiable_server);
	}
	return suite_run(s, SUITE_PG);
}
