/*
 * 33_reload_tls_test.c - keys and certificates that are other ones under the
 * same names: RELOAD and SIGHUP read them, on both sides, and drop nobody; what
 * cannot be used leaves all as it was.
 */
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/certs.h"
#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

enum { WORKERS = 3, OLD = 6 };

static struct pooler *p;
static PGconn *console, *old[OLD];

/* A file of the pooler's own, which its settings name all the time. */
static const char *
own(const char *name)
{
	return text("%s/%s", p->dir, name);
}

static void
put(const char *name, const char *bytes)
{
	spew(own(name), bytes);
}

static void
copy(const char *from, const char *name)
{
	char *bytes = slurp(cert(from));

	put(name, bytes);
	free(bytes);
}

static void
copy_pair(const char *from, const char *name)
{
	copy(text("%s.crt", from), text("%s.crt", name));
	copy(text("%s.key", from), text("%s.key", name));
}

static const char *
tls_at(void)
{
	return pooler_at(
	    p, "host=localhost hostaddr=127.0.0.1 sslmode=require");
}

/* The name in the certificate that the pooler has shown. */
static const char *
subject_of(PGconn *c)
{
	X509 *x = SSL_get1_peer_certificate(PQsslStruct(c, "OpenSSL"));
	char name[100] = "";

	ck_assert_ptr_nonnull(x);
	X509_NAME_get_text_by_NID(
	    X509_get_subject_name(x), NID_commonName, name, sizeof(name));
	X509_free(x);
	return text("%s", name);
}

/* Does each new client, at whichever worker, see it? */
static bool
shows(const char *subject)
{
	bool is_it = true;

	for (int i = 0; i < 3 * WORKERS; i++) {
		PGconn *c = sql_open(tls_at());

		is_it = is_it && strcmp(subject_of(c), subject) == 0;
		PQfinish(c);
	}
	return is_it;
}

/* --- clients ------------------------------------------------------------------ */

/* One whose certificate lies where a test can change it. */
static void
start(const char *sslmode)
{
	p = pooler_new();
	p->errors_ok = true;
	copy_pair("server", "now");
	pooler_workers(p, WORKERS);
	pooler_set(p, "client_tls_sslmode = %s", sslmode);
	pooler_set(p, "client_tls_cert_file = %s", own("now.crt"));
	pooler_set(p, "client_tls_key_file = %s", own("now.key"));
	pooler_start(p);
}

/* With clients of each kind: in a transaction, and idle. */
static void
set_up(void)
{
	start("prefer");
	console = pooler_console(p, "admin");
	for (int i = 0; i < OLD; i++) {
		old[i] = sql_open(tls_at());
		if (i % 2 == 0)
			sql_do(old[i], "BEGIN; SET LOCAL work_mem = '123kB'");
	}
}

/* Nobody was dropped, or lost what he was at. */
static void
tear_down(void)
{
	for (int i = 0; i < OLD; i++) {
		if (i % 2 == 0) {
			ck_assert_str_eq(
			    sql_one(old[i], "SHOW work_mem"), "123kB");
			sql_do(old[i], "COMMIT");
		}
		ck_assert_int_eq(sql_num(old[i], "SELECT 5"), 5);
		ck_assert_str_eq(subject_of(old[i]), "localhost");
		PQfinish(old[i]);
	}
	PQfinish(console);
	pooler_stop(p);
}

START_TEST(in_place)
{
	set_up();
	ck_assert(shows("localhost"));
	copy_pair("other", "now");
	/* nobody has said so yet */
	ck_assert(shows("localhost"));
	if (_i == 0) {
		sql_do(console, "RELOAD");
		/* when it has answered, all workers act on it */
		ck_assert(shows("other.example"));
	} else {
		kill(p->pid, SIGHUP);
		UNTIL(5000, shows("other.example"));
	}
	/* and once more, back */
	copy_pair("server", "now");
	sql_do(console, "RELOAD");
	ck_assert(shows("localhost"));
	tear_down();
}
END_TEST

/* The file that is spoilt, how, and the setting that is named for it. */
static const struct {
	const char *file, *bytes, *setting;
} bad[] = {
	{ "now.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n",
	    "client_tls_cert_file" },
	{ "now.crt", "", "client_tls_cert_file" },
	{ "now.crt", NULL, "client_tls_cert_file" },
	{ "now.key", "no key\n", "client_tls_key_file" },
	{ "now.key", NULL, "client_tls_key_file" },
	/* a good one, of another pair */
	{ "now.key", "other.key", "client_tls_key_file" },
};

static void
spoil(int i)
{
	if (bad[i].bytes == NULL)
		ck_assert_int_eq(unlink(own(bad[i].file)), 0);
	else if (strcmp(bad[i].bytes, "other.key") == 0)
		copy(bad[i].bytes, bad[i].file);
	else
		put(bad[i].file, bad[i].bytes);
}

START_TEST(bad_file)
{
	pid_t pids[WORKERS];
	PGresult *r;

	set_up();
	spoil(_i);
	pooler_set(p, "max_client_conn = 77");
	pooler_write(p);
	r = PQexec(console, "RELOAD");
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	ck_assert_msg(strstr(PQresultErrorMessage(r), bad[_i].setting) != NULL,
	    "%s", PQresultErrorMessage(r));
	PQclear(r);
	kill(p->pid, SIGHUP);
	UNTIL(5000, file_count(p->log, "reload failed") == 2);
	ck_assert(file_has(p->log, bad[_i].setting));
	ck_assert(file_has(p->log, own(bad[_i].file)));
	/* all of the old configuration stays, for new processes, too */
	ck_assert(shows("localhost"));
	ck_assert_int_eq(
	    pooler_show(console, "CONFIG", "key", "max_client_conn", "value"),
	    100);
	ck_assert_int_eq(pooler_pids(console, pids, WORKERS), WORKERS);
	/* one change does not ask for all files anew */
	sql_do(console, "SET default_pool_size = 19");
	ck_assert(shows("localhost"));
	copy_pair("other", "now");
	sql_do(console, "RELOAD");
	ck_assert(shows("other.example"));
	ck_assert_int_eq(
	    pooler_show(console, "CONFIG", "key", "max_client_conn", "value"),
	    77);
	tear_down();
}
END_TEST

/* A worker that is born while the files are bad has what the others have. */
START_TEST(born_behind_a_bad_file)
{
	pid_t pids[WORKERS];
	PGresult *r;

	start("require");
	put("now.crt", "no certificate\n");
	console = pooler_console(p, "admin sslmode=require");
	r = PQexec(console, "RELOAD");
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	ck_assert_int_eq(pooler_pids(console, pids, WORKERS), WORKERS);
	for (int i = 0; i < WORKERS; i++)
		kill(pids[i], SIGKILL);
	PQfinish(console);
	UNTIL(10000, file_count(p->log, "died") >= WORKERS);
	console = pooler_console(p, "admin sslmode=require");
	ck_assert_int_eq(pooler_pids(console, pids, WORKERS), WORKERS);
	ck_assert(shows("localhost"));
	PQfinish(console);
	pooler_stop(p);
}
END_TEST

/* --- servers ------------------------------------------------------------------ */

#define AS_WHOM                                                  \
	"SELECT coalesce(client_dn, 'nobody') FROM pg_stat_ssl " \
	"WHERE pid = pg_backend_pid()"

START_TEST(servers)
{
	PGconn *a, *held;
	PGresult *r;
	int pid;

	certs_client("late");
	certs_serve(pg, "server");
	p = pooler_new();
	p->errors_ok = true;
	copy_pair("app", "ours");
	copy("ca.crt", "ca.crt");
	pooler_db(p, "app = host=localhost port=%d", pg->port);
	pooler_set(p, "server_tls_sslmode = verify-full");
	pooler_set(p, "server_tls_ca_file = %s", own("ca.crt"));
	pooler_set(p, "server_tls_cert_file = %s", own("ours.crt"));
	pooler_set(p, "server_tls_key_file = %s", own("ours.key"));
	pooler_start(p);
	console = pooler_console(p, "admin");
	a = pooler_conn(p, "");
	held = pooler_conn(p, "");
	sql_do(held, "BEGIN");
	ck_assert_str_eq(sql_one(held, AS_WHOM), "/CN=app");
	ck_assert_str_eq(sql_one(a, AS_WHOM), "/CN=app");
	/* other bytes: each server is replaced when it comes free */
	copy_pair("late", "ours");
	sql_do(console, "RELOAD");
	UNTIL(5000, strcmp(sql_one(a, AS_WHOM), "/CN=late") == 0);
	ck_assert_str_eq(sql_one(held, AS_WHOM), "/CN=app");
	sql_do(held, "COMMIT");
	UNTIL(5000, strcmp(sql_one(held, AS_WHOM), "/CN=late") == 0);
	/* the same bytes, written again: none is replaced */
	pid = sql_backend(a);
	copy_pair("late", "ours");
	sql_do(console, "RELOAD");
	ck_assert_int_eq(sql_backend(a), pid);
	/* bad ones: none is replaced, and new ones are reached as before */
	put("ours.key", "no key\n");
	r = PQexec(console, "RELOAD");
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	ck_assert_msg(
	    strstr(PQresultErrorMessage(r), "server_tls_key_file") != NULL,
	    "%s", PQresultErrorMessage(r));
	PQclear(r);
	ck_assert(file_has(p->log, own("ours.key")));
	ck_assert_int_eq(sql_backend(a), pid);
	pg_ask(pg, "SELECT pg_terminate_backend(%d)", pid);
	UNTIL(5000, pg_backends(pg, text("pid = %d", pid)) == 0);
	UNTIL(5000, sql_backend(a) != pid);
	ck_assert_str_eq(sql_one(a, AS_WHOM), "/CN=late");
	/* an authority that did not sign the server's */
	copy_pair("late", "ours");
	copy("ca2.crt", "ca.crt");
	sql_do(console, "RELOAD");
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 0);
	PQfinish(held);
	PQfinish(a);
	PQfinish(console);
	pooler_stop(p);
	certs_serve(pg, NULL);
}
END_TEST

/* Another way to begin TLS: a server that was reached by the old one goes. */
START_TEST(negotiation)
{
	PGconn *a;
	int pid;

	certs_serve(pg, "server");
	p = pooler_new();
	p->errors_ok = true;
	pooler_db(p, "app = host=localhost port=%d", pg->port);
	pooler_set(p, "server_tls_sslmode = require");
	pooler_start(p);
	console = pooler_console(p, "admin");
	a = pooler_conn(p, "");
	pid = sql_backend(a);
	PQfinish(a);
	sql_do(console, "RELOAD");
	ck_assert_int_eq(pg_backends(pg, text("pid = %d", pid)), 1);
	pooler_set(p, "server_tls_negotiation = direct");
	pooler_write(p);
	sql_do(console, "RELOAD");
	UNTIL(5000, pg_backends(pg, text("pid = %d", pid)) == 0);
	PQfinish(console);
	pooler_stop(p);
	certs_serve(pg, NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("reload_tls");
	TCase *tc = suite_case(s, "reload_tls", 40);

	tcase_add_loop_test(tc, in_place, 0, 2);
	/* the other one says RELOAD, and in its log what it left out */
	if (!is_standin()) {
		tcase_add_loop_test(
		    tc, bad_file, 0, (int)(sizeof(bad) / sizeof(*bad)));
		tcase_add_test(tc, born_behind_a_bad_file);
		tcase_add_test(tc, servers);
		tcase_add_test(tc, negotiation);
	}
	return suite_run(s, SUITE_PG);
}
