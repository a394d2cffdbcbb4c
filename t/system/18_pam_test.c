/*
 * 18_pam_test.c - passwords that PAM checks.
 *
 * Services of the tests' own, by pam_wrapper, which reads them from another
 * directory than the system's, and pam_matrix, a module with a file of users.
 * Where there is no pam_wrapper, only a service that does not exist is tried.
 */
#include <glob.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

static char wrapper[256], matrix[256];
static char first[512]; /* what must be loaded before it, with a colon */

static bool
find(const char *pattern, char *out, size_t size)
{
	glob_t g;
	bool is_found = glob(pattern, 0, NULL, &g) == 0;

	if (is_found)
		snprintf(out, size, "%s", g.gl_pathv[0]);
	globfree(&g);
	return is_found;
}

/*
 * The sanitizer's library must come before all others, and the wrapper looks
 * whether it is there.  False: it is none that could be loaded so.
 */
static bool
find_sanitizer(void)
{
	char line[512];
	FILE *f;

	if (!is_sanitized())
		return true;
	f = fopen("/proc/self/maps", "r");
	while (f != NULL && first[0] == '\0' && fgets(line, sizeof(line), f))
		if (strstr(line, "/libasan.so") != NULL)
			snprintf(first, sizeof(first),
			    "%.*s:", (int)strcspn(strchr(line, '/'), "\n"),
			    strchr(line, '/'));
	if (f != NULL)
		fclose(f);
	return first[0] != '\0';
}

/* Its services lie in pam.d below its directory; users in passdb. */
static struct pooler *
configure(void)
{
	static const char *env[5];
	struct pooler *p = pooler_new();
	const char *services = text("%s/pam.d", p->dir);

	ck_assert_int_eq(mkdir(services, 0755), 0);
	spew(text("%s/passdb", p->dir),
	    "joe:it's joe:pgbouncer\njoe:it's joe:slow\n"
	    "plain_u:" PG_PASSWORD ":pgbouncer\n"
	    "scram_u:" PG_PASSWORD ":pgbouncer\n"
	    "barred:barred:sshd\n");
	env[0] = strdup(text("LD_PRELOAD=%s%s", first, wrapper));
	env[1] = "PAM_WRAPPER=1";
	env[2] = strdup(text("PAM_WRAPPER_SERVICE_DIR=%s", services));
	/* its own directory, and what a thread has that still hangs */
	spew(text("%s/leaks", p->dir),
	    "leak:libpam_wrapper.so\nleak:libpam.so\n");
	env[3] = strdup(text(
	    "LSAN_OPTIONS=print_suppressions=0:suppressions=%s/leaks", p->dir));
	p->env = env;
	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "auth_type = pam");
	return p;
}

/* `more` is the account's lines, or other ones. */
static void
service(const struct pooler *p, const char *name, const char *options,
    const char *more)
{
	const char *db = text("%s/passdb", p->dir);

	spew(text("%s/pam.d/%s", p->dir, name),
	    text("%sauth required %s passdb=%s %s\n"
		 "account required %s passdb=%s\n",
		more, matrix, db, options, matrix, db));
}

static struct pooler *
start(const char *options, const char *more)
{
	struct pooler *p = configure();

	service(p, "pgbouncer", options, more);
	pooler_start(p);
	return p;
}

static PGconn *
connect_as(const struct pooler *p, const char *user, const char *password)
{
	const char *keys[] = { "host", "port", "user", "password", "dbname",
		"sslmode", "gssencmode", NULL };
	const char *port = text("%d", p->port);
	const char *values[] = { "127.0.0.1", port, user, password, "open",
		"disable", "disable", NULL };

	return PQconnectdbParams(keys, values, 0);
}

static void
let_in(const struct pooler *p, const char *user, const char *password)
{
	PGconn *c = connect_as(p, user, password);

	ck_assert_msg(
	    PQstatus(c) == CONNECTION_OK, "%s: %s", user, PQerrorMessage(c));
	ck_assert_int_eq(sql_num(c, "SELECT 42"), 42);
	PQfinish(c);
}

static void
keep_out(const struct pooler *p, const char *user, const char *password)
{
	PGconn *c = connect_as(p, user, password);

	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(c),
	    text("FATAL:  PAM authentication failed for user \"%s\"", user)));
	PQfinish(c);
}

START_TEST(right_and_wrong)
{
	struct pooler *p = start("", "");

	let_in(p, "joe", "it's joe");
	keep_out(p, "joe", "its joe");
	keep_out(p, "joe", PG_PASSWORD);
	keep_out(p, "nobody", "it's joe");
	let_in(p, "joe", "it's joe");
	ck_assert(!file_has(p->log, "it's joe"));
	pooler_stop(p);
}
END_TEST

/* The right password, and yet this user may not come here. */
START_TEST(the_account_counts)
{
	struct pooler *p = start("", "");

	keep_out(p, "barred", "barred");
	pooler_stop(p);
}
END_TEST

/* A module that talks is listened to; one that asks for more gets nothing. */
START_TEST(only_the_password_is_told)
{
	struct pooler *p = start("verbose", "");

	let_in(p, "joe", "it's joe");
	keep_out(p, "joe", "x");
	pooler_stop(p);
	p = start("echo", "");
	keep_out(p, "joe", "it's joe");
	pooler_stop(p);
}
END_TEST

/* The name of 127.0.0.1 here; the address where it has none. */
static const char *
name_of_localhost(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	char name[256];

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (getnameinfo((struct sockaddr *)&in, sizeof(in), name, sizeof(name),
		NULL, 0, NI_NAMEREQD) != 0)
		return "127.0.0.1";
	return text("%s", name);
}

/* By address, or by name. */
START_TEST(modules_know_who_comes_from_where)
{
	struct pooler *p = configure();
	const char *script = strdup(text("%s/note", p->dir));
	const char *note = strdup(text("%s/noted", p->dir));

	spew(script,
	    text("#!/bin/sh\necho \"$PAM_SERVICE $PAM_USER $PAM_RHOST\" "
		 ">>%s\n",
		note));
	ck_assert_int_eq(chmod(script, 0755), 0);
	spawn_own(p->dir);
	service(p, "pgbouncer", "",
	    text("auth required pam_exec.so quiet %s\n", script));
	spew(text("%s/hba", p->dir),
	    text("host all all all pam pam_use_hostname=%d\n", _i));
	pooler_set(p, "auth_type = hba\nauth_hba_file = %s/hba", p->dir);
	pooler_start(p);
	let_in(p, "joe", "it's joe");
	pooler_stop(p);
	ck_assert(file_has(note,
	    text("pgbouncer joe %s\n",
		_i == 0 ? "127.0.0.1" : name_of_localhost())));
}
END_TEST

/* One who has sent its password, and waits. */
static struct wire *
wait_as(const struct pooler *p, const char *user)
{
	struct wire *w = wire_open("127.0.0.1", p->port);
	char packet[256];
	size_t len = wire_startup(packet, sizeof(packet), 0x30000, "user", user,
	    "database", "open", (char *)NULL);

	wire_send(w, packet, len);
	wire_expect(w, "R");
	wire_put(w, 'p', "s", "x");
	return w;
}

START_TEST(a_module_that_hangs_costs_its_own_client_alone)
{
	struct pooler *p = configure();
	const char *hba = strdup(text("%s/hba", p->dir));
	bool is_told = false;

	spew(hba,
	    "host all hung all pam pamservice=slow\n"
	    "host all all all pam\n");
	service(
	    p, "slow", "", "auth required pam_exec.so quiet /bin/sleep 5\n");
	service(p, "pgbouncer", "", "");
	pooler_set(p, "auth_type = hba");
	pooler_set(p, "auth_hba_file = %s", hba);
	pooler_set(p, "client_login_timeout = 3");
	pooler_start(p);
	/* pam_wrapper takes the first who asks, and nobody beside him */
	let_in(p, "joe", "it's joe");
	/* half a second before its login's limit, unless the machine stood
	 * still just then */
	for (int i = 0; i < 3 && !is_told; i++) {
		struct wire *w = wait_as(p, "hung");

		let_in(p, "joe", "it's joe");
		is_told = wire_is_quiet(w, 0);
		wire_expect(w, "E");
		is_told &=
		    strstr(wire_field(w, 'M'),
			"PAM authentication failed for user \"hung\"") != NULL;
		wire_free(w);
	}
	ck_assert(is_told);
	pooler_stop(p);
}
END_TEST

START_TEST(the_server_gets_the_password)
{
	static const char *const users[] = { "plain_u", "scram_u" };
	struct pooler *p = start("", "");

	for (int i = 0; i < 2; i++) {
		PGconn *c = sql_open(pooler_at(p,
		    text("dbname=app user=%s password='" PG_PASSWORD "'",
			users[i])));

		ck_assert_str_eq(sql_one(c, "SELECT current_user"), users[i]);
		PQfinish(c);
	}
	pooler_stop(p);
}
END_TEST

/* Nobody has set it up: nobody comes in, and the log says why. */
START_TEST(no_such_service)
{
	struct pooler *p = pooler_new();

	pooler_set(p, "auth_type = hba");
	spew(text("%s/hba", p->dir),
	    "host all all all pam pamservice=pooler-none-such\n");
	pooler_set(p, "auth_hba_file = %s/hba", p->dir);
	pooler_start(p);
	sql_refused(pooler_at(p, "user=joe password=x"),
	    "PAM authentication failed for user \"joe\"");
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pam");
	TCase *tc = suite_case(s, "pam", 40);

	if (is_standin()) {
		fprintf(stderr, "18_pam: for our own pooler alone\n");
		return 0;
	}
	if (!pooler_says("pam: yes")) {
		fprintf(stderr, "18_pam: the pooler was built without it\n");
		return 0;
	}
	tcase_add_test(tc, no_such_service);
	if (find("/usr/lib*/*/libpam_wrapper.so", wrapper, sizeof(wrapper)) &&
	    find("/usr/lib*/*/pam_wrapper/pam_matrix.so", matrix,
		sizeof(matrix)) &&
	    find_sanitizer()) {
		tcase_add_test(tc, right_and_wrong);
		tcase_add_test(tc, the_account_counts);
		tcase_add_test(tc, only_the_password_is_told);
		tcase_add_loop_test(
		    tc, modules_know_who_comes_from_where, 0, 2);
		tcase_add_test(
		    tc, a_module_that_hangs_costs_its_own_client_alone);
		tcase_add_test(tc, the_server_gets_the_password);
	} else {
		fprintf(stderr,
		    "18_pam: no pam_wrapper here: no password is tried\n");
	}
	return suite_run(s, SUITE_PG);
}
