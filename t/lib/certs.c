#include "t/lib/certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/pg.h"
#include "t/lib/spawn.h"

/* One key for all of one kind would do; making them costs a moment each. */
static const char script[] =
    "set -e; cd \"$1\"\n"
    "ca() { openssl req -x509 -newkey ec -pkeyopt "
    "ec_paramgen_curve:prime256v1 -nodes -days 30 -subj \"/CN=$1\" "
    "-keyout $1.key -out $1.crt; }\n"
    "leaf() { # file authority name days more\n"
    "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
    "-subj \"/CN=$3\" -keyout $1.key -out $1.csr\n"
    "printf \"$5\" >$1.ext\n"
    "openssl x509 -req -in $1.csr -CA $2.crt -CAkey $2.key -CAcreateserial "
    "-days $4 -extfile $1.ext -out $1.crt; }\n"
    "ca ca; ca ca2\n"
    "local='subjectAltName=DNS:localhost,IP:127.0.0.1'\n"
    "leaf server ca localhost 30 $local\n"
    "leaf other ca other.example 30 'subjectAltName=DNS:other.example'\n"
    "leaf alien ca2 localhost 30 $local\n"
    "leaf old ca localhost 0 $local\n"
    "leaf app ca app 30 ''\n"
    "leaf alienapp ca2 app 30 ''\n"
    "chmod 600 *.key; chmod 644 *.crt\n";

const char *
certs_dir(void)
{
	static char dir[256];
	const char *argv[] = { "/bin/sh", "-c", script, "sh", dir, NULL };
	struct spawn s = { 0 };

	if (*dir)
		return dir;
	snprintf(dir, sizeof(dir), "%s",
	    spawn_subdir(text("certs-%d", (int)getpid())));
	s.out = text("%s/log", dir);
	ck_assert_msg(
	    spawn_run(&s, argv) == 0, "openssl failed: see %s", s.out);
	return dir;
}

void
certs_client(const char *name)
{
	static const char one[] =
	    "set -e; cd \"$1\"\n"
	    "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
	    "-nodes -subj \"/CN=$2\" -keyout $2.key -out $2.csr\n"
	    "openssl x509 -req -in $2.csr -CA ca.crt -CAkey ca.key "
	    "-CAcreateserial -days 30 -out $2.crt\n"
	    "chmod 600 $2.key; chmod 644 $2.crt\n";
	const char *argv[] = { "/bin/sh", "-c", one, "sh", certs_dir(), name,
		NULL };
	struct spawn s = { .out = cert("log") };

	ck_assert_msg(
	    spawn_run(&s, argv) == 0, "openssl failed: see %s", s.out);
}

const char *
cert(const char *file)
{
	return text("%s/%s", certs_dir(), file);
}

void
certs_serve(struct pg *server, const char *name)
{
	static const char *const files[][2] = { { "cert", ".crt" },
		{ "key", ".key" } };

	for (int i = 0; name && i < 2; i++)
		pg_ask(server, "ALTER SYSTEM SET ssl_%s_file = '%s'",
		    files[i][0], cert(text("%s%s", name, files[i][1])));
	if (name)
		pg_ask(server, "ALTER SYSTEM SET ssl_ca_file = '%s'",
		    cert("ca.crt"));
	pg_ask(server, "ALTER SYSTEM SET ssl = %s", name ? "on" : "off");
	pg_ask(server, "SELECT pg_reload_conf()");
	UNTIL(5000,
	    !strcmp(pg_ask(server, "SHOW ssl"), name ? "on" : "off") &&
		(!name || strstr(pg_ask(server, "SHOW ssl_cert_file"), name)));
}
