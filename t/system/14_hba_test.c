/*
 * 14_hba_test.c - auth_type = hba: who is let in from where by which method,
 * in which words others are turned away, and what a reload changes.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

static void
write_file(const char *path, const char *bytes)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(bytes, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	spawn_own(path);
}

static void
put_rules(const struct pooler *p, const char *rules)
{
	write_file(text("%s/hba", p->dir), rules);
}

/* Not started; the server lets everybody in: only the pooler asks. */
static struct pooler *
prepare(const char *rules)
{
	struct pooler *p = pooler_new();

	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_db(
	    p, "other = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_db(
	    p, "clear = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "listen_addr = 127.0.0.1,::1\nauth_type = hba");
	pooler_set(p, "auth_hba_file = %s/hba", p->dir);
	pooler_set(p, "auth_ident_file = %s/maps", p->dir);
	pooler_auth(p, "clear", PG_PASSWORD);
	pooler_auth(p, "md5_u",
	    pg_ask(pg,
		"SELECT rolpassword FROM pg_authid WHERE rolname = 'md5_u'"));
	pooler_auth(p, "scram_u",
	    pg_ask(pg,
		"SELECT rolpassword FROM pg_authid WHERE rolname = 'scram_u'"));
	put_rules(p, rules);
	write_file(text("%s/maps", p->dir), "none nobody nobody\n");
	p->errors_ok = true;
	return p;
}

/* The console is asked from here; no rule of a test is about it. */
#define CONSOLE "local pgbouncer admin trust\n"

static struct pooler *
start(const char *rules)
{
	struct pooler *p = prepare(rules);

	pooler_start(p);
	return p;
}

/* At `host`, or by the Unix socket: "". */
static const char *
at(const struct pooler *p, const char *host, const char *db, const char *user,
    const char *password)
{
	return text("host=%s port=%d dbname='%s' user='%s' password='%s' "
		    "sslmode=disable gssencmode=disable connect_timeout=20",
	    host[0] ? host : p->dir, p->port, db, user, password);
}

static void
let_in(const char *conninfo)
{
	PGconn *c = sql_open(conninfo);

	ck_assert_int_eq(sql_num(c, "SELECT 42"), 42);
	PQfinish(c);
}

#define V4 "127.0.0.1"
#define V6 "::1"

static const char *
no_entry(const char *host, const char *user, const char *db)
{
	return text("FATAL:  no pg_hba.conf entry for host \"%s\", user "
		    "\"%s\", database \"%s\", no encryption\n",
	    host, user, db);
}

static const char *
rejects(const char *host, const char *user, const char *db)
{
	return text("FATAL:  pg_hba.conf rejects connection for host \"%s\", "
		    "user \"%s\", database \"%s\", no encryption\n",
	    host, user, db);
}

START_TEST(by_address)
{
	struct pooler *p =
	    start(CONSOLE "host open clear 127.0.0.0/8 trust\n"
			  "host other clear ::1/128 trust\n"
			  "host clear clear 127.0.0.1 255.255.255.255 trust\n"
			  "local clear clear trust\n");

	let_in(at(p, V4, "open", "clear", ""));
	sql_refused(at(p, "", "open", "clear", ""),
	    no_entry("[local]", "clear", "open"));
	sql_refused(
	    at(p, V4, "other", "clear", ""), no_entry(V4, "clear", "other"));
	let_in(at(p, V4, "clear", "clear", ""));
	let_in(at(p, "", "clear", "clear", ""));
	if (have_ipv6()) {
		let_in(at(p, V6, "other", "clear", ""));
		sql_refused(at(p, V6, "open", "clear", ""),
		    no_entry(V6, "clear", "open"));
		sql_refused(at(p, V6, "clear", "clear", ""),
		    no_entry(V6, "clear", "clear"));
	}
	pooler_stop(p);
}
END_TEST

/* This host is among its own addresses, and in its own networks. */
START_TEST(by_interface)
{
	struct pooler *p = start(CONSOLE "host open clear samehost trust\n"
					 "host other clear samenet trust\n"
					 "host clear clear 10.0.0.0/8 trust\n");

	let_in(at(p, V4, "open", "clear", ""));
	let_in(at(p, V4, "other", "clear", ""));
	sql_refused(
	    at(p, V4, "clear", "clear", ""), no_entry(V4, "clear", "clear"));
	if (have_ipv6())
		let_in(at(p, V6, "open", "clear", ""));
	pooler_stop(p);
}
END_TEST

START_TEST(by_name)
{
	struct pooler *p = prepare(CONSOLE "host sameuser all all trust\n"
					   "host open @names all trust\n"
					   "host /^oth app2,/^md all trust\n"
					   "host \"all\" all all trust\n"
					   "hostssl all all all trust\n"
					   "hostgssenc all all all trust\n"
					   "host replication all all trust\n");
	write_file(text("%s/names", p->dir), "app3\nscram_u # and no more\n");
	pooler_start(p);
	let_in(at(p, V4, "clear", "clear", ""));
	let_in(at(p, V4, "open", "app3", ""));
	let_in(at(p, V4, "open", "scram_u", ""));
	let_in(at(p, V4, "other", "app2", ""));
	let_in(at(p, V4, "other", "md5_u", ""));
	sql_refused(
	    at(p, V4, "open", "clear", ""), no_entry(V4, "clear", "open"));
	sql_refused(
	    at(p, V4, "other", "app3", ""), no_entry(V4, "app3", "other"));
	sql_refused(
	    at(p, V4, "clear", "app2", ""), no_entry(V4, "app2", "clear"));
	pooler_stop(p);
}
END_TEST

START_TEST(methods)
{
	struct pooler *p = start(CONSOLE "local open all password\n"
					 "local other all md5\n"
					 "local clear all scram-sha-256\n"
					 "host open all all trust\n"
					 "host other all all reject\n");
	static const char *const users[] = { "clear", "md5_u", "scram_u" };

	for (int i = 0; i < 3; i++) {
		let_in(at(p, "", "open", users[i], PG_PASSWORD));
		sql_refused(at(p, "", "open", users[i], "wrong"),
		    "password authentication failed");
		let_in(at(p, "", "other", users[i], PG_PASSWORD));
		sql_refused(at(p, "", "other", users[i], "wrong"),
		    "password authentication failed");
		sql_refused(at(p, "", "clear", users[i], "wrong"),
		    "password authentication failed");
		let_in(at(p, V4, "open", users[i], ""));
		sql_refused(at(p, V4, "other", users[i], PG_PASSWORD),
		    rejects(V4, users[i], "other"));
	}
	let_in(at(p, "", "clear", "clear", PG_PASSWORD));
	let_in(at(p, "", "clear", "scram_u", PG_PASSWORD));
	/* an md5 secret proves nothing by SCRAM */
	sql_refused(at(p, "", "clear", "md5_u", PG_PASSWORD),
	    "password authentication failed");
	/* trusted or not, there must be such a user */
	sql_refused(at(p, V4, "open", "who", ""), "does not exist");
	sql_refused(at(p, "", "open", "who", PG_PASSWORD),
	    "password authentication failed");
	/* where the rule stands is told to the operator alone */
	ck_assert(file_has(p->log,
	    text("database \"other\", no encryption (%s/hba:6)", p->dir)));
	pooler_stop(p);
}
END_TEST

/* The first rule that fits decides, not the best. */
START_TEST(first_wins)
{
	struct pooler *p =
	    start(CONSOLE "host open app2 all reject\nhost all all all trust\n"
			  "host other all all reject\n");

	sql_refused(at(p, V4, "open", "app2", ""), rejects(V4, "app2", "open"));
	let_in(at(p, V4, "other", "app2", ""));
	let_in(at(p, V4, "open", "clear", ""));
	pooler_stop(p);
}
END_TEST

/* The console goes by the rules, too, by one name; its owner does not. */
START_TEST(console)
{
	struct pooler *p = start("local pgbouncer stats reject\n"
				 "local pgbouncer admin md5\n"
				 "host pgbouncer admin all trust\n");
	PGconn *c;

	sql_refused(at(p, "", "pgbouncer", "stats", "console"),
	    rejects("[local]", "stats", "pgbouncer"));
	sql_refused(at(p, "", "pooler", "stats", "console"),
	    rejects("[local]", "stats", "pooler"));
	sql_refused(at(p, V4, "pgbouncer", "stats", "console"),
	    no_entry(V4, "stats", "pgbouncer"));
	sql_refused(at(p, "", "pgbouncer", "admin", "wrong"),
	    "password authentication failed");
	c = sql_open(at(p, "", "pgbouncer", "admin", "console"));
	sql_do(c, "SHOW VERSION");
	PQfinish(c);
	c = sql_open(at(p, V4, "pooler", "admin", ""));
	sql_do(c, "SHOW VERSION");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* Names as long as they may be are told in full. */
START_TEST(long_names)
{
	struct pooler *p = start(CONSOLE);
	char db[64], user[128];

	memset(db, 'd', sizeof(db) - 1);
	db[sizeof(db) - 1] = '\0';
	memset(user, 'u', sizeof(user) - 1);
	user[sizeof(user) - 1] = '\0';
	sql_refused(at(p, V4, db, user, ""), no_entry(V4, user, db));
	pooler_stop(p);
}
END_TEST

/* --- peer --------------------------------------------------------------- */

/* Is the system user `name` let in as `user`?  Only root can try. */
static bool
is_let_in_as(const char *name, const char *conninfo, const char *why)
{
	const struct passwd *pw = getpwnam(name);
	pid_t pid;
	int status;

	ck_assert_ptr_nonnull(pw);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		PGconn *c;
		int code = 2;

		if (setgid(pw->pw_gid) == -1 || setuid(pw->pw_uid) == -1)
			_exit(3);
		c = PQconnectdb(conninfo);
		if (PQstatus(c) == CONNECTION_OK)
			code = 0;
		else if (strstr(PQerrorMessage(c), why) != NULL)
			code = 1;
		else
			fprintf(stderr, "%s", PQerrorMessage(c));
		PQfinish(c);
		_exit(code);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_lt(WEXITSTATUS(status), 2);
	return WEXITSTATUS(status) == 0;
}

#define NOT_PEER "Peer authentication failed for user"

START_TEST(peer)
{
	const struct passwd *pw = getpwuid(getuid());
	char me[64];
	struct pooler *p = prepare(CONSOLE "local open all peer\n"
					   "local other all peer map=m\n"
					   "local clear all peer map=n\n");

	ck_assert_ptr_nonnull(pw);
	snprintf(me, sizeof(me), "%s", pw->pw_name);
	pooler_auth(p, me, "");
	pooler_auth(p, text("is_%s", me), "");
	write_file(text("%s/maps", p->dir),
	    text(
		"m %s app2\nm \"/^(%.2s.*)$\" is_\\1\nn %s all\n", me, me, me));
	pooler_start(p);
	let_in(at(p, "", "open", me, ""));
	sql_refused(at(p, "", "open", "app2", ""), NOT_PEER " \"app2\"");
	/* a password is not asked for, and does not help */
	sql_refused(at(p, "", "open", "clear", PG_PASSWORD), NOT_PEER);
	let_in(at(p, "", "other", "app2", ""));
	let_in(at(p, "", "other", text("is_%s", me), ""));
	/* a map is all there is */
	sql_refused(at(p, "", "other", me, ""), NOT_PEER);
	sql_refused(at(p, "", "other", "app3", ""), NOT_PEER);
	let_in(at(p, "", "clear", "app3", ""));
	sql_refused(at(p, "", "clear", "who", ""), "does not exist");
	ck_assert(file_has(
	    p->log, text("it is system user \"%s\" (%s/hba:2)", me, p->dir)));
	if (geteuid() != 0) {
		fprintf(stderr,
		    "14_hba: not root: peer is not tried as "
		    "another user\n");
	} else {
		ck_assert(!is_let_in_as(
		    "daemon", at(p, "", "open", me, ""), NOT_PEER));
		ck_assert(!is_let_in_as(
		    "daemon", at(p, "", "other", "app2", ""), NOT_PEER));
		ck_assert(!is_let_in_as(
		    "daemon", at(p, "", "clear", "app2", ""), NOT_PEER));
		pooler_auth(p, "daemon", "");
		pooler_write(p);
		ck_assert_int_eq(kill(p->pid, SIGHUP), 0);
		UNTIL(5000,
		    is_let_in_as("daemon", at(p, "", "open", "daemon", ""),
			"does not exist"));
	}
	pooler_stop(p);
}
END_TEST

/* --- TLS ---------------------------------------------------------------- */

static void
offer_tls(struct pooler *p)
{
	pooler_set(p, "client_tls_sslmode = allow");
	pooler_set(p, "client_tls_cert_file = %s", cert("server.crt"));
	pooler_set(p, "client_tls_key_file = %s", cert("server.key"));
	pooler_set(p, "client_tls_ca_file = %s", cert("ca.crt"));
	pooler_auth(p, "is_app", "");
}

/* Over TLS, with the certificate of `who`, or none: "". */
static const char *
by_tls(
    const struct pooler *p, const char *db, const char *user, const char *who)
{
	const char *none = text("%s/none", p->dir);

	return text("host=localhost hostaddr=127.0.0.1 port=%d dbname=%s "
		    "user=%s password='%s' sslmode=verify-full "
		    "sslrootcert=%s sslcert=%s sslkey=%s gssencmode=disable",
	    p->port, db, user, PG_PASSWORD, cert("ca.crt"),
	    who[0] ? cert(text("%s.crt", who)) : none,
	    who[0] ? cert(text("%s.key", who)) : none);
}

#define NO_CERT        "connection requires a valid client certificate"
#define BAD_CERT(user) "certificate authentication failed for user \"" user "\""

START_TEST(by_encryption)
{
	struct pooler *p = prepare(CONSOLE "hostssl open clear all trust\n"
					   "hostnossl other clear all trust\n"
					   "hostssl clear clear all reject\n");

	offer_tls(p);
	pooler_start(p);
	let_in(by_tls(p, "open", "clear", ""));
	let_in(at(p, V4, "other", "clear", ""));
	sql_refused(
	    at(p, V4, "open", "clear", ""), no_entry(V4, "clear", "open"));
	sql_refused(by_tls(p, "other", "clear", ""),
	    "no pg_hba.conf entry for host \"127.0.0.1\", user \"clear\", "
	    "database \"other\", SSL encryption\n");
	sql_refused(by_tls(p, "clear", "clear", ""),
	    "pg_hba.conf rejects connection for host \"127.0.0.1\", user "
	    "\"clear\", database \"clear\", SSL encryption\n");
	pooler_stop(p);
}
END_TEST

START_TEST(by_certificate)
{
	struct pooler *p =
	    prepare(CONSOLE "hostssl open all all cert\n"
			    "hostssl other all all cert map=m\n"
			    "hostssl clear clear all scram-sha-256 "
			    "clientcert=verify-ca\n"
			    "hostssl app all all trust "
			    "clientcert=verify-full\n");

	offer_tls(p);
	write_file(text("%s/maps", p->dir), "m /^(.*)$ is_\\1\n");
	pooler_start(p);
	let_in(by_tls(p, "open", "app", "app"));
	sql_refused(by_tls(p, "open", "app2", "app"), BAD_CERT("app2"));
	sql_refused(by_tls(p, "open", "app", ""), NO_CERT);
	sql_refused(by_tls(p, "open", "app", "alienapp"), NO_CERT);
	sql_refused(at(p, V4, "open", "app", ""), no_entry(V4, "app", "open"));
	let_in(by_tls(p, "other", "is_app", "app"));
	sql_refused(by_tls(p, "other", "app", "app"), BAD_CERT("app"));
	/* a certificate beside the password */
	let_in(by_tls(p, "clear", "clear", "app"));
	sql_refused(by_tls(p, "clear", "clear", ""), NO_CERT);
	let_in(by_tls(p, "app", "app", "app"));
	sql_refused(by_tls(p, "app", "app3", "app"), BAD_CERT("app3"));
	sql_refused(by_tls(p, "app", "app", ""), NO_CERT);
	pooler_stop(p);
}
END_TEST

START_TEST(certificate_alone)
{
	struct pooler *p = prepare("");
	PGconn *c;

	offer_tls(p);
	pooler_set(p, "auth_type = cert\nadmin_users = app");
	pooler_start(p);
	let_in(by_tls(p, "open", "app", "app"));
	sql_refused(by_tls(p, "open", "app2", "app"), BAD_CERT("app2"));
	sql_refused(by_tls(p, "open", "app", ""), NO_CERT);
	sql_refused(by_tls(p, "open", "app", "alienapp"), NO_CERT);
	sql_refused(at(p, V4, "open", "app", PG_PASSWORD), NO_CERT);
	sql_refused(at(p, "", "open", "app", PG_PASSWORD), NO_CERT);
	c = sql_open(by_tls(p, "pgbouncer", "app", "app"));
	sql_do(c, "SHOW VERSION");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* --- reload ------------------------------------------------------------- */

static PGconn *
admin(const struct pooler *p)
{
	return sql_open(at(p, "", "pgbouncer", "admin", ""));
}

START_TEST(reload)
{
	struct pooler *p = start(CONSOLE "host open clear all trust\n");
	PGconn *c = sql_open(at(p, V4, "open", "clear", "")), *a = admin(p);

	put_rules(p, CONSOLE "host other clear all trust\n");
	let_in(at(p, V4, "open", "clear", ""));
	sql_do(a, "RELOAD");
	let_in(at(p, V4, "other", "clear", ""));
	sql_refused(
	    at(p, V4, "open", "clear", ""), no_entry(V4, "clear", "open"));
	/* who is in stays in */
	ck_assert_int_eq(sql_num(c, "SELECT 42"), 42);
	PQfinish(a);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(bad_reload)
{
	struct pooler *p = start(CONSOLE "host open clear all trust\n");
	PGconn *a = admin(p);

	put_rules(p,
	    CONSOLE "host other clear all trust\n"
		    "host all all example.com trust\n"
		    "host all +staff all trust\n");
	sql_fails(a, "55000", "RELOAD");
	ck_assert(
	    file_has(p->log, text("%s/hba:3: neither an address", p->dir)));
	ck_assert(file_has(p->log, text("%s/hba:4: roles are", p->dir)));
	let_in(at(p, V4, "open", "clear", ""));
	sql_refused(
	    at(p, V4, "other", "clear", ""), no_entry(V4, "clear", "other"));
	/* gone is not empty */
	ck_assert_int_eq(unlink(text("%s/hba", p->dir)), 0);
	sql_fails(a, "55000", "RELOAD");
	let_in(at(p, V4, "open", "clear", ""));
	/* the map's file is as good a reason */
	put_rules(p, CONSOLE "host other clear all trust\n");
	write_file(text("%s/maps", p->dir), "# a map\nm /( x\n");
	sql_fails(a, "55000", "RELOAD");
	ck_assert(file_has(
	    p->log, text("%s/maps:2: regular expression \"(\"", p->dir)));
	let_in(at(p, V4, "open", "clear", ""));
	write_file(text("%s/maps", p->dir), "");
	sql_do(a, "RELOAD");
	let_in(at(p, V4, "other", "clear", ""));
	PQfinish(a);
	pooler_stop(p);
}
END_TEST

START_TEST(bad_start)
{
	struct pooler *p = prepare("local all all trust\nhost all all\n");

	pooler_write(p);
	ck_assert_int_eq(
	    pooler_exec(p, (const char *const[]){ p->conf, NULL }), 1);
	ck_assert(file_has(
	    p->log, text("%s/hba:2: the line ends before its", p->dir)));
}
END_TEST

/* A worker born later has the rules that its siblings have. */
START_TEST(replacement)
{
	struct pooler *p = start(CONSOLE "host open clear all trust\n");
	struct pooler_worker w[8];
	PGconn *a = admin(p);
	int n = pooler_look(a, w, 8);

	put_rules(p, "nonsense\n");
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(kill(w[i].pid, SIGKILL), 0);
	PQfinish(a);
	for (int i = 0; i < 20; i++) {
		PGconn *c = NULL;

		UNTIL(5000,
		    (PQfinish(c),
			c = PQconnectdb(at(p, V4, "open", "clear", "")),
			PQstatus(c) == CONNECTION_OK));
		PQfinish(c);
		sql_refused(at(p, V4, "other", "clear", ""),
		    no_entry(V4, "clear", "other"));
	}
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hba");
	TCase *tc = suite_case(s, "hba", 30);

	tcase_add_test(tc, by_address);
	tcase_add_test(tc, by_interface);
	tcase_add_test(tc, by_name);
	tcase_add_test(tc, methods);
	tcase_add_test(tc, first_wins);
	tcase_add_test(tc, console);
	tcase_add_test(tc, long_names);
	tcase_add_test(tc, peer);
	tcase_add_test(tc, by_encryption);
	tcase_add_test(tc, by_certificate);
	tcase_add_test(tc, certificate_alone);
	tcase_add_test(tc, reload);
	tcase_add_test(tc, bad_reload);
	tcase_add_test(tc, bad_start);
	tcase_add_test(tc, replacement);
	return suite_run(s, SUITE_PG);
}
