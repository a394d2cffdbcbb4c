/*
 * 14_hba_proof_test.c - auth_type = hba where no password is asked for: who a
 * system user may be, and who brings which certificate.
 */
#include <pwd.h>
#include <signal.h>
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
#include "t/system/rules.h"

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
	spew(text("%s/maps", p->dir),
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
		    "14_hba_proof: not root: peer is not tried as "
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
	spew(text("%s/maps", p->dir), "m /^(.*)$ is_\\1\n");
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

int
main(void)
{
	Suite *s = suite_create("hba_proof");
	TCase *tc = suite_case(s, "hba_proof", 30);

	tcase_add_test(tc, peer);
	tcase_add_test(tc, by_encryption);
	tcase_add_test(tc, by_certificate);
	tcase_add_test(tc, certificate_alone);
	return suite_run(s, SUITE_PG);
}
