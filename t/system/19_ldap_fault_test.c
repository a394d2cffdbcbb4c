/*
 * 19_ldap_fault_test.c - LDAP servers that are dead, or deaf; clients that go
 * away meanwhile; and the death of the process that asks.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/lib/wire.h"
#include "t/system/ldap.h"

/* Takes connections and says nothing, for ever. */
static int
listen_deaf(const char *address, int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	ck_assert_int_eq(inet_pton(AF_INET, address, &in.sin_addr), 1);
	ck_assert_int_ne(fd, -1);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1 ||
	    listen(fd, 128) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The first refuses connections, the next one says nothing. */
START_TEST(servers_are_tried_in_turn)
{
	int deaf = listen_deaf("127.0.0.3", ldap->port);
	struct pooler *p = configure(text("ldapserver=\"127.0.0.2 %s%s\" "
					  "ldapport=%d ldapprefix=\"uid=\" "
					  "ldapsuffix=\"," SLAPD_PEOPLE "\"",
	    deaf == -1 ? "" : "127.0.0.3 ", "127.0.0.1", ldap->port));

	/* not all systems have all of 127.0.0.0/8 */
	if (deaf == -1)
		fprintf(stderr, "no 127.0.0.3 here: no server is deaf\n");
	pooler_set(p, "client_login_timeout = 20");
	pooler_start(p);
	let_in(p, "joe", "it's joe");
	keep_out(p, "joe", "x");
	pooler_stop(p);
	close(deaf);
}
END_TEST

/* Half the rules lead to a server that hangs, the others to one that is well. */
static struct pooler *
start_half_deaf(int port, const char *settings)
{
	struct pooler *p = configure("");
	const char *hba = text("%s/hba", p->dir);

	spew(hba,
	    text("host pgbouncer all all trust\n"
		 "host all hung all ldap ldapserver=127.0.0.1 ldapport=%d "
		 "ldapprefix=\"uid=\"\n"
		 "host all all all ldap " SIMPLE "\n",
		port, ldap->port));
	pooler_set(p, "auth_type = hba");
	pooler_set(p, "auth_hba_file = %s", hba);
	pooler_set(p, "%s", settings);
	pooler_start(p);
	return p;
}

/* One who has sent its password, and waits. */
static struct wire *
wait_as_hung(const struct pooler *p)
{
	struct wire *w = wire_open("127.0.0.1", p->port);
	char packet[256];
	size_t len = wire_startup(packet, sizeof(packet), 0x30000, "user",
	    "hung", "database", "open", (char *)NULL);

	wire_send(w, packet, len);
	wire_expect(w, "R");
	wire_put(w, 'p', "s", "x");
	return w;
}

START_TEST(a_server_that_hangs_costs_its_own_clients_alone)
{
	int port = spawn_port(), deaf = listen_deaf("127.0.0.1", port);
	struct pooler *p = start_half_deaf(port, "client_login_timeout = 3");
	bool is_told = false;

	/* half a second below the limit of the login, with its own words,
	 * unless the machine stood still just then */
	for (int i = 0; i < 3 && !is_told; i++) {
		struct wire *w = wait_as_hung(p);

		let_in(p, "joe", "it's joe");
		is_told = wire_is_quiet(w, 0);
		wire_expect(w, "E");
		is_told &=
		    strstr(wire_field(w, 'M'),
			"LDAP authentication failed for user \"hung\"") != NULL;
		wire_end(w);
		wire_free(w);
	}
	ck_assert(is_told);
	pooler_stop(p);
	close(deaf);
}
END_TEST

/* How many have come to a server that takes nobody in. */
static int
come_to(int deaf)
{
	int n = 0, fd;

	ck_assert_int_ne(fcntl(deaf, F_SETFL, O_NONBLOCK), -1);
	for (; (fd = accept(deaf, NULL, NULL)) != -1; n++)
		close(fd);
	return n;
}

/* There are 16 threads: those who went away must not keep others waiting. */
START_TEST(a_question_dies_with_its_client)
{
	enum { HUNG = 60, THREADS = 16 };
	int port = spawn_port(), deaf = listen_deaf("127.0.0.1", port);
	struct pooler *p = start_half_deaf(port, "client_login_timeout = 4");
	struct wire *w[HUNG];
	int64_t from;

	for (int i = 0; i < HUNG; i++)
		w[i] = wait_as_hung(p);
	for (int i = 0; i < HUNG; i++)
		wire_free(w[i]);
	/* at most until the threads' time is up, once: what they have not
	 * begun by then they do not begin at all */
	pooler_set(p, "client_login_timeout = 30");
	pooler_reload(p);
	let_in(p, "joe", "it's joe");
	ck_assert_int_le(come_to(deaf), THREADS);
	from = now_ms();
	let_in(p, "joe", "it's joe");
	ck_assert_int_lt(now_ms() - from, 3000);
	pooler_stop(p);
	close(deaf);
}
END_TEST

/* The process that asks dies meanwhile: its successor asks again. */
START_TEST(the_resolver_dies_over_it)
{
	struct pooler *p = configure("");
	const char *hba = strdup(text("%s/hba", p->dir));
	char packet[256];
	size_t len = wire_startup(packet, sizeof(packet), 0x30000, "user",
	    "joe", "database", "open", (char *)NULL);
	struct wire *w;
	pid_t pid;

	spew(hba,
	    text("host pgbouncer all all trust\n"
		 "host all all all ldap " SIMPLE "\n",
		ldap->port));
	pooler_set(p, "auth_type = hba");
	pooler_set(p, "auth_hba_file = %s", hba);
	p->errors_ok = true;
	pooler_start(p);
	UNTIL(5000, (pid = pooler_resolver(p)) > 0);
	ck_assert_int_eq(kill(ldap->pid, SIGSTOP), 0);
	w = wire_open("127.0.0.1", p->port);
	wire_send(w, packet, len);
	wire_expect(w, "R");
	wire_put(w, 'p', "s", "it's joe");
	ck_assert(wire_is_quiet(w, 300));
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	UNTIL(5000, pooler_resolver(p) != pid);
	ck_assert_int_eq(kill(ldap->pid, SIGCONT), 0);
	wire_expect(w, "RKZ");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ldap faults");
	TCase *tc = suite_case(s, "ldap faults", 40);

	if (is_standin()) {
		fprintf(stderr, "19_ldap_fault: for our own pooler alone\n");
		return 0;
	}
	if (!pooler_says("ldap: yes")) {
		fprintf(
		    stderr, "19_ldap_fault: the pooler was built without it\n");
		return 0;
	}
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, servers_are_tried_in_turn);
	tcase_add_test(tc, a_server_that_hangs_costs_its_own_clients_alone);
	tcase_add_test(tc, a_question_dies_with_its_client);
	tcase_add_test(tc, the_resolver_dies_over_it);
	return suite_run(s, SUITE_PG);
}
