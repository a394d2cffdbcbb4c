/*
 * 19_peer_fault_test.c - the process that knows the names of system users is
 * slow, dies, or is not there when a client waits for one.
 */
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

static char me[64];

/* We may come as ourselves, and as nobody else. */
static struct pooler *
start(void)
{
	const struct passwd *pw = getpwuid(getuid());
	struct pooler *p = pooler_new();

	ck_assert_ptr_nonnull(pw);
	snprintf(me, sizeof(me), "%s", pw->pw_name);
	pooler_auth(p, me, "");
	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	spew(text("%s/hba", p->dir),
	    "host all all all trust\nlocal app all peer map=any\n"
	    "local all all peer\n");
	spawn_own(text("%s/hba", p->dir));
	spew(text("%s/maps", p->dir), "any /.* all\n");
	spawn_own(text("%s/maps", p->dir));
	pooler_set(p, "auth_type = hba\nauth_hba_file = %s/hba", p->dir);
	pooler_set(p, "auth_ident_file = %s/maps", p->dir);
	p->errors_ok = true;
	pooler_start(p);
	return p;
}

/* One who has said its name by the Unix socket, and waits. */
static struct wire *
wait_as(const struct pooler *p, const char *user, const char *database)
{
	struct wire *w = wire_open(p->dir, p->port);
	char packet[256];
	size_t len = wire_startup(packet, sizeof(packet), 0x30000, "user", user,
	    "database", database, (char *)NULL);

	wire_send(w, packet, len);
	return w;
}

/* It is asked, stopped in the middle of it, and dies: its heir is asked. */
START_TEST(the_resolver_dies_over_it)
{
	struct pooler *p = start();
	struct wire *in, *out;
	pid_t pid;

	UNTIL(5000, (pid = pooler_resolver(p)) > 0);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	in = wait_as(p, me, "open");
	out = wait_as(p, "app2", "open");
	ck_assert(wire_is_quiet(in, 300));
	ck_assert(wire_is_quiet(out, 0));
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	wire_expect(in, "RKZ");
	wire_error(out, 'M', "Peer authentication failed for user \"app2\"");
	wire_free(in);
	wire_free(out);
	ck_assert_int_ne(pooler_resolver(p), pid);
	pooler_stop(p);
}
END_TEST

/* It never answers: nobody is let in for that, and nobody waits for ever. */
START_TEST(no_answer_is_no)
{
	struct pooler *p = start();
	int64_t from_ms = now_ms();
	struct wire *w, *any;
	PGconn *c;
	pid_t pid;

	UNTIL(5000, (pid = pooler_resolver(p)) > 0);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	w = wait_as(p, me, "open");
	/* a map for every name has none for who has no name */
	any = wait_as(p, "app2", "app");
	/* those who need no name are not held up */
	c = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	PQfinish(c);
	wire_error(
	    w, 'M', text("Peer authentication failed for user \"%s\"", me));
	wire_error(any, 'M', "Peer authentication failed for user \"app2\"");
	wire_free(any);
	ck_assert_int_lt(now_ms() - from_ms, 30000);
	wire_free(w);
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	/* late answers are nobody's */
	w = wait_as(p, me, "open");
	wire_expect(w, "RKZ");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* Who has gone meanwhile is not told, and harms nobody. */
START_TEST(leaves_meanwhile)
{
	struct pooler *p = start();
	struct wire *w;
	pid_t pid;

	UNTIL(5000, (pid = pooler_resolver(p)) > 0);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	w = wait_as(p, me, "open");
	ck_assert(wire_is_quiet(w, 200));
	wire_free(w);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	w = wait_as(p, me, "open");
	wire_expect(w, "RKZ");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("peer faults");
	TCase *tc = suite_case(s, "peer faults", 40);

	if (is_standin()) {
		fprintf(stderr, "19_peer_fault: for our own pooler alone\n");
		return 0;
	}
	tcase_add_test(tc, the_resolver_dies_over_it);
	tcase_add_test(tc, no_answer_is_no);
	tcase_add_test(tc, leaves_meanwhile);
	return suite_run(s, SUITE_PG);
}
