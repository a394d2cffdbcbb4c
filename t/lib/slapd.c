/*
 * slapd.c - start a private LDAP server.
 */
#include "t/lib/slapd.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/pg.h"
#include "t/lib/spawn.h"
#include "t/unit/certs.h"

/* The first of them that exists; NULL: none. */
static const char *
first_of(const char *const *paths)
{
	for (; *paths != NULL; paths++)
		if (access(*paths, R_OK) == 0)
			return *paths;
	return NULL;
}

static const char *
find(const char *name)
{
	const char *paths[] = { text("/usr/sbin/%s", name),
		text("/usr/local/libexec/%s", name),
		text("/usr/local/sbin/%s", name), text("/usr/libexec/%s", name),
		text("/usr/pkg/libexec/%s", name),
		text("/usr/pkg/sbin/%s", name), NULL };

	return first_of(paths);
}

static const char *
schema(const char *name)
{
	const char *paths[] = { text("/etc/ldap/schema/%s.schema", name),
		text("/etc/openldap/schema/%s.schema", name),
		text("/usr/local/etc/openldap/schema/%s.schema", name),
		text("/usr/pkg/etc/openldap/schema/%s.schema", name), NULL };
	const char *path = first_of(paths);

	ck_assert_msg(path != NULL, "no %s.schema", name);
	return path;
}

bool
slapd_is_there(void)
{
	return find("slapd") != NULL && find("slapadd") != NULL;
}

static const char people[] =
    "dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\n"
    "dc: test\no: test\n\n"
    "dn: " SLAPD_READER "\nobjectClass: organizationalRole\n"
    "objectClass: simpleSecurityObject\ncn: reader\nuserPassword: reads\n\n"
    "dn: " SLAPD_PEOPLE "\nobjectClass: organizationalUnit\nou: people\n\n";

static void
add_person(FILE *f, const char *uid, const char *mail, const char *password)
{
	fprintf(f,
	    "dn: uid=%s," SLAPD_PEOPLE "\nobjectClass: inetOrgPerson\n"
	    "cn: %s\nsn: %s\nuid: %s\nmail: %s\nuserPassword: %s\n\n",
	    uid, uid, uid, uid, mail, password);
}

static void
write_people(const char *path)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(people, f);
	add_person(f, "joe", "joe@test", "it's joe");
	add_person(f, "plain_u", "plain@test", PG_PASSWORD);
	add_person(f, "md5_u", "md5@test", PG_PASSWORD);
	add_person(f, "scram_u", "scram@test", PG_PASSWORD);
	add_person(f, "twin", "twin@test", "twins");
	add_person(f, "twice", "twin@test", "twins");
	fprintf(f,
	    "dn: cn=eve\\, jr," SLAPD_PEOPLE "\nobjectClass: inetOrgPerson\n"
	    "cn: eve, jr\nsn: eve\nuid: e*e\nuserPassword: eve's\n\n");
	ck_assert_int_eq(fclose(f), 0);
}

static void
write_conf(const struct slapd *s)
{
	spew(text("%s/slapd.conf", s->dir),
	    text("include %s\ninclude %s\ninclude %s\n"
		 "pidfile %s/pid\n"
		 "TLSCACertificateFile %s\n"
		 "TLSCertificateFile %s\n"
		 "TLSCertificateKeyFile %s/key.pem\n"
		 "database ldif\n"
		 "suffix dc=test\n"
		 "directory %s/data\n"
		 "access to attrs=userPassword by anonymous auth by * none\n"
		 "access to * by dn.exact=\"" SLAPD_READER
		 "\" read by * none\n",
		schema("core"), schema("cosine"), schema("inetorgperson"),
		s->dir, s->ca, s->ca, s->dir, s->dir));
}

static void
write_cert(const struct slapd *s)
{
	const struct cert_want want = {
		.cn = "slapd", .san = "IP:127.0.0.1", .is_ca = true
	};
	struct cert c = cert_make(&want);
	char *pem = cert_pem(&c);
	char *key = cert_key_pem(&c, NULL);

	spew(s->ca, pem);
	spew(text("%s/key.pem", s->dir), key);
	spawn_own(text("%s/key.pem", s->dir));
	free(pem);
	free(key);
	cert_free(&c);
}

static bool
is_up(const struct slapd *s)
{
	return file_has(s->log, "slapd starting");
}

struct slapd *
slapd_new(void)
{
	static int number;
	struct slapd *s = calloc(1, sizeof(*s));
	struct spawn run = { 0 };
	const char *uris;

	ck_assert_ptr_nonnull(s);
	ck_assert_msg(slapd_is_there(), "there is no slapd: make deps");
	snprintf(s->dir, sizeof(s->dir), "%s",
	    spawn_subdir(text("slapd%d-%d", (int)getpid(), number++)));
	snprintf(s->ca, sizeof(s->ca), "%s/ca.pem", s->dir);
	snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
	s->port = spawn_port();
	s->tls_port = spawn_port();
	(void)spawn_subdir(text("%s/data", strrchr(s->dir, '/') + 1));
	write_cert(s);
	write_conf(s);
	write_people(text("%s/people", s->dir));
	run.out = s->log;
	ck_assert_int_eq(spawn_run(&run,
			     (const char *[]){ find("slapadd"), "-f",
				 text("%s/slapd.conf", s->dir), "-l",
				 text("%s/people", s->dir), NULL }),
	    0);
	uris = text(
	    "ldap://127.0.0.1:%d ldaps://127.0.0.1:%d", s->port, s->tls_port);
	s->pid = spawn(&run,
	    (const char *[]){ find("slapd"), "-f",
		text("%s/slapd.conf", s->dir), "-h", uris, "-d", "stats",
		NULL });
	UNTIL(10000, is_up(s));
	return s;
}

void
slapd_free(struct slapd *s)
{
	kill(s->pid, SIGTERM);
	ck_assert_int_ne(spawn_wait(s->pid, 10000), -1);
	free(s);
}

int
slapd_count(const struct slapd *s, const char *what)
{
	return file_count(s->log, what);
}
